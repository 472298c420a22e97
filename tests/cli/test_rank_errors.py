"""What ``fastpr rank`` refuses: one clear line, and no file is touched."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run, run_process
from command_line import untouched as untouched_by

import fastpr
from fastpr.cli import commands, rank_input

sparse = pytest.importorskip("scipy.sparse")

SCORES = np.random.default_rng(3).random((6, 5))
LABELS = np.array([[0, 1], [4, -1], [2, 2], [3, 0], [1, 9], [0, 4]])


def save(path: Path, array: object) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    elif isinstance(array, dict):
        np.savez(path, **array)
    else:
        sparse.save_npz(path, array)
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A good pair of files."""
    return save(tmp_path / "s.npy", SCORES), save(tmp_path / "l.npy", LABELS)


def untouched(tmp_path: Path, *arguments: object, status: int = 1) -> str:
    return untouched_by(tmp_path, *arguments, status=status, command="rank")


# ---- bad data


@pytest.mark.parametrize(
    "scores",
    [
        SCORES.astype("i4"),
        SCORES.astype(bool),
        SCORES.astype("u2"),
        SCORES.astype("c8"),
        np.array([{"a": 1}, None]),
    ],
)
def test_scores_of_another_dtype_name_the_file(
    tmp_path: Path, files: tuple[Path, Path], scores: np.ndarray
) -> None:
    save(files[0], scores)
    assert f"Error: {files[0]}: " in untouched(tmp_path, *files, "-k", 2)


def test_sparse_scores_of_another_dtype_name_the_file(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    path = save(tmp_path / "s.npz", sparse.csr_array(SCORES.astype(np.int32)))
    assert f"Error: {path}: " in untouched(tmp_path, path, files[1], "-k", 2)


@pytest.mark.parametrize("shape", [(), (6, 0)])
def test_scores_without_classes_name_the_file(
    tmp_path: Path, files: tuple[Path, Path], shape: tuple[int, ...]
) -> None:
    save(files[0], np.zeros(shape))
    output = untouched(tmp_path, *files, "-k", 2)
    assert f"{files[0]} has shape {shape}; save scores of at least one class" in output


@pytest.mark.parametrize("k", [6, 10**30])
def test_a_k_above_the_classes_says_how_many_there_are(
    tmp_path: Path, files: tuple[Path, Path], k: int
) -> None:
    output = untouched(tmp_path, *files, "-k", k)
    assert f"{files[0]} has 5 classes, so there is no cut-off {k}; give -k 5 or less" in output


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (LABELS.astype("f8"), "labels are float64; save class ids as integers"),
        (LABELS > 0, "labels are bool; save class ids as integers, or a sparse matrix"),
        (np.array(["a"] * 6), "which are not numbers"),
        (np.array([{}] * 6), "Python objects"),
    ],
)
def test_labels_of_another_dtype_name_the_file(
    tmp_path: Path, files: tuple[Path, Path], labels: np.ndarray, why: str
) -> None:
    save(files[1], labels)
    output = untouched(tmp_path, *files, "-k", 2)
    assert f"Error: {files[1]}: " in output
    assert why in output


@pytest.mark.parametrize("shape", [(), (5,), (5, 2), (6, 2, 1), (1, 6)])
def test_labels_of_other_rows_name_both_files(
    tmp_path: Path, files: tuple[Path, Path], shape: tuple[int, ...]
) -> None:
    save(files[1], np.zeros(shape, int))
    output = untouched(tmp_path, *files, "-k", 2)
    assert (
        f"{files[1]} has shape {shape}, but {files[0]} has rows of shape (6,) and 5 classes"
        in output
    )


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (sparse.csr_array((7, 5)), "has labels of 7 rows, but"),
        (sparse.csr_array((6, 4)), "has labels of 4 classes, but"),
        ({"indptr": [0, 1], "indices": [3]}, "has labels of 1 rows, but"),
        ({"indptr": [0, 0, 0, 0, 0, 2, 1], "indices": [3, 4]}, "decreases from 2 to 1"),
        ({"indptr": [1] * 7, "indices": [3]}, "starts at 1"),
        ({"indptr": [0, 0, 0, 0, 0, 2, 3], "indices": [3, 4]}, "ends at 3"),
        ({"indptr": [0.0] * 7, "indices": [3, 4]}, "'indptr' has dtype float64"),
        ({"indptr": [], "indices": [3, 4]}, "'indptr' has dtype float64"),
        ({"indptr": np.zeros(0, int), "indices": [3]}, "has labels of -1 rows"),
        ({"indptr": [0] * 7, "x": [3]}, "holds 2 arrays; choose one by its key: indptr, x"),
    ],
)
def test_lists_and_matrices_that_do_not_fit_name_the_file(
    tmp_path: Path, files: tuple[Path, Path], labels: object, why: str
) -> None:
    path = save(tmp_path / "l.npz", labels)
    output = untouched(tmp_path, files[0], path, "-k", 2)
    assert f"Error: {path}" in output
    assert why in output


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        (np.ones(5), "has shape (5,), but"),
        (np.ones((6, 1)), "has shape (6, 1), but"),
        (np.array([1, 1, np.nan, 1, 1, 1]), "not negative (first: nan at index (2,))"),
        (np.array([1, 1, 1, 1, 1, -2.0]), "not negative (first: -2.0 at index (5,))"),
        (np.array(np.inf), "finite"),
        (np.ones(6, complex), "not numbers"),
    ],
)
def test_weights_that_do_not_fit_name_their_file(
    tmp_path: Path, files: tuple[Path, Path], weights: np.ndarray, why: str
) -> None:
    path = save(tmp_path / "w.npy", weights)
    output = untouched(tmp_path, *files, "-k", 2, "--weights", path)
    assert f"Error: {path}" in output
    assert why in output


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        (np.ones(6), "has shape (6,), but"),
        (np.ones(()), "has 5 classes; save one weight for each"),
        (np.array([1, 1, np.nan, 1, 1]), "not negative (first: nan at index (2,))"),
        (np.array([1, 1, 1, 1, -1]), "not negative (first: -1.0 at index (4,))"),
    ],
)
def test_label_weights_that_do_not_fit_name_their_file(
    tmp_path: Path, files: tuple[Path, Path], weights: np.ndarray, why: str
) -> None:
    path = save(tmp_path / "w.npy", weights)
    output = untouched(tmp_path, *files, "-k", 2, "--label-weights", path)
    assert f"Error: {path}" in output
    assert why in output


@pytest.mark.parametrize("lead", [(6,), (2, 3)])
@pytest.mark.parametrize("piece", [1, 10**6])
def test_a_row_without_labels_is_named_where_it_is_an_error(
    tmp_path: Path, lead: tuple[int, ...], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_input, "_PIECE", piece)
    labels = LABELS.copy()
    labels[[2, 4]] = -1, 5
    weights = save(tmp_path / "w.npy", np.array([1, 1, 0, 1, 1, 1]).reshape(lead))
    files = (
        save(tmp_path / "s.npy", SCORES.reshape(*lead, 5)),
        save(tmp_path / "l.npy", labels.reshape(*lead, 2)),
    )
    options = ["-k", 2, "--empty", "raise"]
    output = untouched(tmp_path, *files, *options)
    assert f"{files[1]}: row {'2' if lead == (6,) else '0, 2'} has no label from 0 to 4" in output
    output = untouched(tmp_path, *files, *options, "--weights", weights)
    assert f"{files[1]}: row {'4' if lead == (6,) else '1, 1'} has no label from 0 to 4" in output


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_missing_file_is_named(tmp_path: Path, files: tuple[Path, Path], place: int) -> None:
    gone = tmp_path / "gone.npy"
    arguments: list[object] = [*files, "-k", 2, "--weights", gone, "--label-weights", gone]
    if place < 2:
        arguments = [gone if i == place else path for i, path in enumerate(arguments[:4])]
    elif place == 2:
        arguments = arguments[:6]
    else:
        arguments = [*arguments[:4], *arguments[6:]]
    assert f"Error: {gone}: there is no such file" in untouched(tmp_path, *arguments)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_damaged_file_is_named(
    tmp_path: Path, files: tuple[Path, Path], place: int, suffix: str
) -> None:
    whole = sparse.csr_array(SCORES) if suffix == ".npz" else SCORES
    path = save(tmp_path / f"broken{suffix}", whole)
    path.write_bytes(path.read_bytes()[:-30])
    arguments = [path if i == place else file for i, file in enumerate(files)]
    assert f"Error: {path}: " in untouched(tmp_path, *arguments, "-k", 2)


@pytest.mark.parametrize("place", [0, 1])
def test_images_are_refused(tmp_path: Path, files: tuple[Path, Path], place: int) -> None:
    path = tmp_path / "a.png"
    path.touch()
    arguments = [path if i == place else file for i, file in enumerate(files)]
    output = untouched(tmp_path, *arguments, "-k", 2)
    assert f"{path}: unknown kind of file; the suffix must be .npy or .npz" in output


def test_a_wrong_key_lists_those_that_there_are(tmp_path: Path, files: tuple[Path, Path]) -> None:
    path = save(tmp_path / "s.npz", {"logits": SCORES, "labels": LABELS})
    for options in ([], ["--key", "scores"]):
        output = untouched(tmp_path, path, files[1], "-k", 2, *options)
        assert "logits, labels" in output


def test_a_sparse_file_without_scipy_says_what_to_install(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "s.npz", sparse.csr_array(SCORES))
    monkeypatch.setitem(sys.modules, "scipy", None)
    output = untouched(tmp_path, path, files[1], "-k", 2)
    assert f"Error: {path}: holds a sparse matrix, which needs SciPy: pip install scipy" in output


def test_a_backend_that_is_not_there_says_so(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(name: str) -> None:
        raise fastpr.BackendUnavailable(f"backend {name!r} is not available: no compiler")

    monkeypatch.setattr(commands, "choose_backend", choose)
    output = untouched(tmp_path, *files, "-k", 2, "--backend", "c")
    assert "'c' is not available: no compiler" in output


def test_files_stay_when_writing_fails_and_the_table_is_shown(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("fastpr.io.staging.os.replace", full)
    output = untouched(tmp_path, *files, "-k", 2)
    assert "classes: 5" in output
    assert "No space left on device" in output


# ---- wrong usage


def test_wrong_usage_exits_with_2_and_writes_nothing(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, message in [
        ([], "Missing option '-k'"),
        (["-k", "0"], "0 is not in the range"),
        (["-k", "-1"], "-1 is not in the range"),
        (["-k", "2.5"], "not a valid integer"),
        (["-k", "2", "--ties", "random"], "--ties"),
        (["-k", "2", "--denominator", "R"], "--denominator"),
        (["-k", "2", "--empty", "drop"], "--empty"),
        (["-k", "2", "--ties", "expected", "--denominator", "hits"], "choose another"),
        (["-k", "2", "--backend", "fastest"], "--backend"),
        (["-k", "2", "--key", "a"], "there is none"),
        (["-k", "2", "--labels-key", "a"], "there is none"),
        (["-k", "2", "extra"], "unexpected extra argument"),
    ]:
        assert message in untouched(tmp_path, *files, *options, status=2)
    run("rank", files[0], "-k", 2, status=2)
    monkeypatch.setenv("FASTPR_BACKEND", "fastest")
    assert "FASTPR_BACKEND" in untouched(tmp_path, *files, "-k", 2, status=2)


@pytest.mark.parametrize("option", ["--json", "--state"])
def test_outputs_that_cannot_be_written_are_refused_before_the_work(
    tmp_path: Path, files: tuple[Path, Path], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "RankInput", None)  # it must not come this far
    weights = save(tmp_path / "w.npy", np.ones(6))
    label_weights = save(tmp_path / "v.npy", np.ones(5))
    inputs = [*files, weights, label_weights]
    before = [path.read_bytes() for path in inputs]
    for path in (tmp_path / "no" / "out", tmp_path, *inputs, tmp_path / "." / "s.npy"):
        output = run("rank", *files, "-k", 2, "--weights", weights, "--label-weights",
                     label_weights, option, path, status=2).output  # fmt: skip
        assert str(path) in "".join(output.split("\n"))
        assert option in output
    assert [path.read_bytes() for path in inputs] == before


def test_one_file_for_both_outputs_is_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    out = tmp_path / "out"
    run("rank", *files, "-k", 2, "--json", out, "--state", out, status=2)
    assert not out.exists()


def test_a_process_reports_bad_data_on_stderr_with_status_1(files: tuple[Path, Path]) -> None:
    files[0].write_bytes(files[0].read_bytes()[:100])
    out, err = run_process("rank", *files, "-k", 2, status=1)
    assert out == ""
    assert err.startswith(f"Error: {files[0]}: ")
    assert err.count("\n") == 1
