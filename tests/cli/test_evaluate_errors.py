"""Bad input and wrong usage: one clear line, and no file is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import (
    SHAPE,
    random_scores,
    run,
    save,
    untouched,
)

import fastpr
from fastpr.cli import commands


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.5])
def test_a_score_out_of_range_names_the_file_even_where_it_is_ignored(
    tmp_path: Path, bad: float
) -> None:
    for i in range(3):
        scores = random_scores("f4")
        if i == 1:
            scores[2, 3] = bad
        save(tmp_path / "p" / f"{i}.npy", scores)
        save(tmp_path / "q" / f"{i}.npy", np.full(SHAPE, 255, np.uint8))
    output = untouched(tmp_path, tmp_path / "p", tmp_path / "q", "--ignore", 255)
    assert f"{tmp_path / 'p' / '1.npy'}: " in output


@pytest.mark.parametrize("options", [[], ["--ignore", "7"]])
def test_labels_beyond_0_and_1_name_the_file_and_the_options(
    tmp_path: Path, options: list[str]
) -> None:
    scores = save(tmp_path / "p.npy", random_scores("f4"))
    values = np.zeros(SHAPE, np.uint16)
    values[0, 5], values[3, 4] = 7, 255
    output = untouched(tmp_path, scores, save(tmp_path / "q.png", values), *options)
    assert str(tmp_path / "q.png") in output
    assert ("255 at index (3, 4)" if options else "7 at index (0, 5)") in output
    for hint in ("--positive nonzero", "--positive VALUE", "--ignore"):
        assert hint in output


def test_float_labels_name_the_file(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    labels = save(tmp_path / "q.npy", np.zeros(SHAPE))
    output = untouched(tmp_path, pair[0], labels, "--positive", "nonzero")
    assert f"{labels}: labels are float64; save them as integers" in output


@pytest.mark.parametrize("scores", [np.zeros(SHAPE, "i4"), np.zeros(SHAPE, bool)])
def test_scores_of_another_dtype_name_the_file(
    tmp_path: Path, pair: tuple[Path, Path], scores: np.ndarray
) -> None:
    path = save(tmp_path / "p.npy", scores)
    assert f"{path}: " in untouched(tmp_path, path, pair[1])


def test_different_shapes_name_both_files(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    labels = save(tmp_path / "q.npy", np.zeros(SHAPE[::-1], np.uint8))
    output = untouched(tmp_path, pair[0], labels, "--ignore", 9)
    assert f"{pair[0]} has shape (13, 17), but {labels} has (17, 13)" in output


def test_a_truncated_file_in_a_folder_is_named(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / "p" / f"{i}.png", random_scores("u2"))
        path = save(tmp_path / "q" / f"{i}.png", np.zeros(SHAPE, np.uint8))
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path}: cannot be read" in untouched(tmp_path, tmp_path / "p", tmp_path / "q")


def test_a_missing_partner_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.npy").touch()
    save(tmp_path / "q" / "b.npy", np.zeros(3))
    output = untouched(tmp_path, tmp_path / "p", tmp_path / "q")
    assert f"{tmp_path / 'p' / 'a.npy'} has no partner in {tmp_path / 'q'}" in output


def test_a_missing_file_is_an_error(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    output = untouched(tmp_path, pair[0], tmp_path / "no.png")
    assert f"{tmp_path / 'no.png'}: there is no such file" in output


def test_several_arrays_without_a_key_list_the_keys(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    np.savez(tmp_path / "q.npz", mask=np.zeros(SHAPE, bool), other=np.zeros(SHAPE, bool))
    output = untouched(tmp_path, pair[0], tmp_path / "q.npz")
    assert "mask, other" in output


def test_a_backend_that_is_not_there_says_so(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(name: str) -> None:
        raise fastpr.BackendUnavailable(f"backend {name!r} is not available: no compiler")

    monkeypatch.setattr(commands, "choose_backend", choose)
    assert "'c' is not available: no compiler" in untouched(tmp_path, *pair, "--backend", "c")


def test_a_wrong_environment_variable_is_named(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTPR_BACKEND", "fastest")
    assert "FASTPR_BACKEND" in untouched(tmp_path, *pair, status=2)


def test_files_stay_when_writing_fails_and_the_table_is_shown(
    tmp_path: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("fastpr.io.staging.os.replace", full)
    output = untouched(tmp_path, *pair)
    assert "best F1:" in output
    assert "No space left on device" in output


# ---- wrong usage


def test_wrong_usage_exits_with_2_and_writes_nothing(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    for options, message in [
        (["--positive", "x"], "'x' is neither an integer nor 'nonzero'"),
        (["--positive", "255", "--ignore", "255"], "cannot be both positive and ignored"),
        (["--ignore", "1"], "cannot be both positive and ignored"),
        (["--ignore", "x"], "not a valid integer"),
        (["--thresholds", "1"], "--thresholds"),
        (["--thresholds", "65538"], "--thresholds"),
        (["--backend", "fastest"], "--backend"),
        (["--key", "a"], "there is none"),
        (["--labels-key", "a"], "there is none"),
        (["extra"], "unexpected extra argument"),
    ]:
        assert message in untouched(tmp_path, *pair, *options, status=2)
    run("evaluate", pair[0], status=2)


@pytest.mark.parametrize("option", ["--json", "--state"])
def test_outputs_that_cannot_be_written_are_refused_before_the_work(
    tmp_path: Path, pair: tuple[Path, Path], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "evaluate", None)  # it must not come this far
    before = [path.read_bytes() for path in pair]
    for path in (tmp_path / "no" / "out", tmp_path, *pair):
        output = run("evaluate", *pair, option, path, status=2).output
        assert str(path) in "".join(output.split("\n"))
        assert option in output
    assert [path.read_bytes() for path in pair] == before


def test_one_file_for_both_outputs_is_refused(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    out = tmp_path / "out"
    run("evaluate", *pair, "--json", out, "--state", tmp_path / "." / "out", status=2)
    assert not out.exists()
