"""The command ``fastpr rank``: right numbers from files of every form."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run, run_process, strict_json
from ranking_oracle import entries, row_values

import fastpr
from fastpr.backends.choose import choose_backend
from fastpr.cli import rank_input
from fastpr.cli.rank_report import shown_cutoffs

sparse = pytest.importorskip("scipy.sparse")

RNG = np.random.default_rng(17)
ROWS, CLASSES = 60, 13
METRICS = ("average_precision", "precision", "recall", "ndcg", "reciprocal_rank", "hit_rate")
# Few different scores, so that there are ties; some not a number.
SCORES = RNG.integers(0, 9, (ROWS, CLASSES)).astype(np.float32)
SCORES[RNG.random(SCORES.shape) < 0.02] = np.nan
# Padded, out of range, repeated, and row 3 and 7 without any.
LABELS = RNG.integers(-2, CLASSES + 2, (ROWS, 4))
LABELS[:, 3] = np.where(RNG.random(ROWS) < 0.5, LABELS[:, 0], -1)
LABELS[[3, 7]] = -1
WEIGHTS = RNG.random(ROWS)
WEIGHTS[[3, 20]] = 0
LABEL_WEIGHTS = 1 + RNG.random(CLASSES)


def has_label() -> np.ndarray:
    """The labels as a flag for each class."""
    flags = np.zeros((ROWS, CLASSES), bool)
    for row, ids in enumerate(LABELS):
        flags[row, ids[(ids >= 0) & (ids < CLASSES)]] = True
    return flags


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Scores and labels."""
    return save(tmp_path / "scores.npy", SCORES), save(tmp_path / "labels.npy", LABELS)


def ranked(*arguments: object, folder: Path) -> dict[str, Any]:
    """The JSON of ``fastpr rank``."""
    run("rank", *arguments, "--json", folder / "out.json")
    return strict_json(folder / "out.json")


def check(
    found: dict[str, Any],
    labels: Any,
    scores: Any,
    k: int,
    weights: np.ndarray | None = None,
    **options: Any,
) -> None:
    """Compare with a state that gets the arrays themselves, bit for bit."""
    state = fastpr.RankingMetrics(k, **options).update(labels, scores, weights)
    data = state.compute()
    assert found["cutoffs"] == list(range(1, k + 1))
    for name in METRICS:
        np.testing.assert_array_equal(np.array(found[name], float), getattr(data, name), name)
    assert found["totals"]["rows"] == state.num_rows
    assert found["totals"]["rows_without_labels"] == state.num_empty


# ---- every form of input

SCORE_FORMS: dict[str, Callable[[Path], Path]] = {
    "npy": lambda folder: save(folder / "s.npy", SCORES),
    "npy of Fortran order": lambda folder: save(folder / "s.npy", np.asfortranarray(SCORES)),
    "npy of the other byte order": lambda folder: save(folder / "s.npy", SCORES.astype(">f4")),
    "npy of float16": lambda folder: save(folder / "s.npy", SCORES.astype("f2")),
    "npy of float64": lambda folder: save(folder / "s.npy", SCORES.astype("f8")),
    "npz": lambda folder: np.savez(folder / "s.npz", SCORES) or folder / "s.npz",
    "npz, compressed": lambda folder: (
        np.savez_compressed(folder / "s.npz", SCORES) or folder / "s.npz"
    ),
}
LABEL_FORMS: dict[str, Callable[[Path], Path]] = {
    "npy": lambda folder: save(folder / "l.npy", LABELS),
    "npy of int8": lambda folder: save(folder / "l.npy", LABELS.astype("i1")),
    "npy of uint64": lambda folder: save(folder / "l.npy", LABELS.astype("u8")),
    "npz": lambda folder: np.savez(folder / "l.npz", LABELS) or folder / "l.npz",
    "lists": lambda folder: (
        np.savez(folder / "l.npz", indptr=np.arange(0, 4 * ROWS + 1, 4), indices=LABELS.ravel())
        or folder / "l.npz"
    ),
    **{
        f"sparse {name}": lambda folder, name=name: (
            sparse.save_npz(folder / "l.npz", sparse.csr_array(has_label()).asformat(name))
            or folder / "l.npz"
        )
        for name in ("csr", "csc", "coo")
    },
}


@pytest.mark.parametrize("labels", LABEL_FORMS)
@pytest.mark.parametrize("scores", SCORE_FORMS)
def test_every_form_of_the_files_gives_the_numbers_of_the_library(
    tmp_path: Path, scores: str, labels: str
) -> None:
    paths = SCORE_FORMS[scores](tmp_path), LABEL_FORMS[labels](tmp_path)
    found = ranked(*paths, "-k", 5, folder=tmp_path)
    check(found, LABELS, SCORES, 5)
    assert found["totals"] == {
        "rows": ROWS,
        "rows_without_labels": int((~has_label().any(axis=1)).sum()),
        "rows_of_weight_0": 0,
        "classes": CLASSES,
        "labels": int(has_label().sum()),
    }


@pytest.mark.parametrize("labels", ["npy", "lists", "sparse csr"])
@pytest.mark.parametrize("name", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
def test_sparse_scores_rank_what_is_stored(
    tmp_path: Path, name: str, dtype: str, labels: str
) -> None:
    stored = np.where(RNG.random(SCORES.shape) < 0.4, np.nan_to_num(SCORES) + 1, 0)
    stored[[5, 6]] = 0
    scores = sparse.csr_array(stored.astype(dtype))
    scores.data[::9] = 0  # a candidate all the same
    sparse.save_npz(tmp_path / "s.npz", scores.asformat(name))
    found = ranked(tmp_path / "s.npz", LABEL_FORMS[labels](tmp_path), "-k", 7, folder=tmp_path)
    check(found, LABELS, scores, 7)


def test_one_label_a_row_needs_no_second_axis(tmp_path: Path) -> None:
    labels = RNG.integers(0, CLASSES, ROWS, dtype=np.uint8)
    paths = save(tmp_path / "s.npy", SCORES), save(tmp_path / "l.npy", labels)
    found = ranked(*paths, "-k", CLASSES, folder=tmp_path)
    check(found, labels, SCORES, CLASSES)
    assert found["totals"]["labels"] == ROWS


@pytest.mark.parametrize("lead", [(), (1,), (0,), (3, 20), (3, 0, 20), (2, 3, 10)])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("num_labels", [(), (4,), (0,)])
def test_rows_may_have_any_leading_shape(
    tmp_path: Path, lead: tuple[int, ...], order: str, num_labels: tuple[int, ...]
) -> None:
    scores = np.resize(SCORES, (*lead, CLASSES)).copy(order=order)
    labels = np.resize(LABELS, (*lead, *num_labels)).copy(order=order)
    paths = save(tmp_path / "s.npy", scores), save(tmp_path / "l.npy", labels)
    check(ranked(*paths, "-k", 4, folder=tmp_path), labels, scores, 4)


def test_keys_name_arrays_of_both_files_or_of_each(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", scores=SCORES, labels=LABELS)
    np.savez(tmp_path / "other.npz", scores=LABELS, labels=SCORES)
    sparse.save_npz(tmp_path / "sparse.npz", sparse.csr_array(has_label()))
    both = tmp_path / "both.npz"
    for arguments in (
        [both, both, "--key", "scores", "--labels-key", "labels"],
        [both, tmp_path / "other.npz", "--key", "scores"],
        [both, tmp_path / "sparse.npz", "--key", "scores"],  # which needs none
    ):
        check(ranked(*arguments, "-k", 3, folder=tmp_path), LABELS, SCORES, 3)


# ---- what is computed


@pytest.mark.parametrize("ties", ["index", "optimistic", "pessimistic", "expected"])
@pytest.mark.parametrize("denominator", ["min", "relevant", "hits", "k"])
def test_ties_and_denominators_are_those_of_the_definition(
    tmp_path: Path, files: tuple[Path, Path], ties: str, denominator: str
) -> None:
    options = {"ties": ties, "denominator": denominator}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    if options == {"ties": "expected", "denominator": "hits"}:
        run("rank", *files, "-k", 3, *arguments, status=2)
        return
    found = ranked(*files, "-k", 3, *arguments, folder=tmp_path)
    check(found, LABELS, SCORES, 3, **options)
    assert {name: found["options"][name] for name in options} == options
    rows = [entries(*row, 3) for row in zip(SCORES, LABELS, strict=True) if has_any(row[1])]
    for cutoff in (1, 3):
        values = [row_values(row, 3, cutoff, ties, denominator) for row in rows]
        for name in METRICS:
            mean = float(sum(value[name] for value in values) / len(values))
            assert found[name][cutoff - 1] == pytest.approx(mean, rel=1e-12)


def has_any(labels: np.ndarray) -> bool:
    return bool(((labels >= 0) & (labels < CLASSES)).any())


@pytest.mark.parametrize("empty", ["skip", "zero", "one", "nan"])
def test_rows_without_labels_count_as_asked_and_no_number_is_null(
    tmp_path: Path, files: tuple[Path, Path], empty: str
) -> None:
    found = ranked(*files, "-k", 2, "--empty", empty, folder=tmp_path)
    check(found, LABELS, SCORES, 2, empty=empty)
    assert (found["average_precision"] == [None, None]) == (empty == "nan")
    assert ("nan" in run("rank", *files, "-k", 2, "--empty", empty).output) == (empty == "nan")


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "bool"])
def test_rows_weigh_as_asked(tmp_path: Path, files: tuple[Path, Path], dtype: str) -> None:
    weights = (WEIGHTS * 5).astype(dtype)
    path = save(tmp_path / "w.npy", weights)
    found = ranked(*files, "-k", 4, "--weights", path, folder=tmp_path)
    check(found, LABELS, SCORES, 4, weights)
    assert found["totals"]["rows_of_weight_0"] == int((weights == 0).sum())
    assert found["totals"]["labels"] == int(has_label()[weights != 0].sum())
    assert "more of weight 0)" in run("rank", *files, "-k", 4, "--weights", path).output


@pytest.mark.parametrize("shape", [(), (3, 1), (1, 20), (3, 20)])
def test_weights_stretch_over_axes_of_one(tmp_path: Path, shape: tuple[int, ...]) -> None:
    weights = np.resize(WEIGHTS, shape)
    scores, labels = SCORES.reshape(3, 20, -1), LABELS.reshape(3, 20, -1)
    paths = save(tmp_path / "s.npy", scores), save(tmp_path / "l.npy", labels)
    path = save(tmp_path / "w.npy", weights)
    found = ranked(*paths, "-k", 4, "--weights", path, folder=tmp_path)
    check(found, labels, scores, 4, weights)


@pytest.mark.parametrize("ties", ["index", "pessimistic", "expected"])
def test_label_weights_add_propensity_scored_metrics(
    tmp_path: Path, files: tuple[Path, Path], ties: str
) -> None:
    path = save(tmp_path / "w.npy", LABEL_WEIGHTS)
    options = ["-k", 4, "--label-weights", path, "--ties", ties]
    found = ranked(*files, *options, folder=tmp_path)
    check(found, LABELS, SCORES, 4, ties=ties, label_weights=LABEL_WEIGHTS)
    state = fastpr.RankingMetrics(4, ties=ties, label_weights=LABEL_WEIGHTS)
    data = state.update(LABELS, SCORES).compute()
    assert found["psp"] == data.psp.tolist()
    assert found["psndcg"] == data.psndcg.tolist()
    assert found["options"]["label_weights"] == str(path)
    assert "PSP" in run("rank", *files, *options).output


@pytest.mark.parametrize("backend", fastpr.available_backends())
def test_a_named_backend_gives_the_same_numbers(
    tmp_path: Path, files: tuple[Path, Path], backend: str
) -> None:
    named = ranked(*files, "-k", 5, "--backend", backend, folder=tmp_path)
    chosen = ranked(*files, "-k", 5, folder=tmp_path)
    assert named["options"].pop("backend") == backend
    assert chosen["options"].pop("backend") == choose_backend()[0]
    assert named == chosen


# ---- what is written


def test_json_says_what_was_asked_and_found(tmp_path: Path, files: tuple[Path, Path]) -> None:
    found = ranked(*files, "-k", 2, folder=tmp_path)
    assert list(found) == ["version", "options", "totals", "cutoffs", *METRICS]
    assert found["version"] == fastpr.__version__
    assert found["options"] == {
        "scores": str(files[0]), "labels": str(files[1]), "weights": None, "label_weights": None,
        "k": 2, "ties": "index", "denominator": "min", "empty": "skip", "key": None,
        "labels_key": None, "backend": choose_backend()[0],
    }  # fmt: skip


@pytest.mark.parametrize("scores", ["npy", "npy of Fortran order", "sparse"])
def test_the_state_does_not_depend_on_the_pieces_that_files_are_read_in(
    tmp_path: Path, scores: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scores == "sparse":
        path = tmp_path / "s.npz"
        matrix = sparse.csr_array(np.where(RNG.random(SCORES.shape) < 0.3, SCORES + 1, 0))
        sparse.save_npz(path, matrix)
    else:
        matrix = SCORES
        path = SCORE_FORMS[scores](tmp_path)
    direct = fastpr.RankingMetrics(6, ties="optimistic").update(LABELS, matrix, WEIGHTS)
    for piece in (1, 50, 100, 10**6):
        monkeypatch.setattr(rank_input, "_PIECE", piece)
        for labels in ("npy", "lists", "sparse csr"):
            run("rank", path, LABEL_FORMS[labels](tmp_path), "-k", 6, "--ties", "optimistic",
                "--weights", save(tmp_path / "w.npy", WEIGHTS), "--state",
                tmp_path / "r.fastpr")  # fmt: skip
            assert fastpr.RankingMetrics.load(tmp_path / "r.fastpr") == direct
    left = {"s.npy", "s.npz", "l.npy", "l.npz", "w.npy", "r.fastpr"}
    assert {path.name for path in tmp_path.iterdir()} <= left


def test_mapped_scores_are_never_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).random((8192, 1024), dtype=np.float32)
    paths = save(tmp_path / "s.npy", scores), save(tmp_path / "l.npy", np.zeros(8192, np.int32))
    run("rank", *paths, "-k", 3)  # load what has to be loaded
    tracemalloc.start()
    try:
        run("rank", *paths, "-k", 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < scores.nbytes / 8


# ---- what is printed


def test_the_table_reads_well_when_piped(files: tuple[Path, Path]) -> None:
    out, err = run_process("rank", *files, "-k", 12)
    lines = [line.split() for line in out.splitlines()]
    assert ["k", "AP", "precision", "recall", "nDCG", "MRR", "hit", "rate"] in lines
    data = fastpr.RankingMetrics(12).update(LABELS, SCORES).compute()
    shown = [line for line in lines if len(line) == 7 and line[0].isdigit()]
    assert [int(line[0]) for line in shown] == [1, 2, 3, 5, 10, 12]
    for k, *values in shown:
        assert values == [f"{getattr(data, name)[int(k) - 1]:.4f}" for name in METRICS]
    num_empty = int((~has_label().any(axis=1)).sum())
    assert f"rows:    {ROWS} ({num_empty} without labels)\n" in out
    assert f"classes: {CLASSES}\nlabels:  {has_label().sum()}\n" in out
    assert "\x1b" not in out + err
    assert err == ""


def test_a_narrow_terminal_cuts_no_number(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    path = save(tmp_path / "w.npy", LABEL_WEIGHTS)
    out, _ = run_process("rank", *files, "-k", 2, "--label-weights", path)
    heading = next(line for line in out.splitlines() if "recall" in line)
    assert heading.split()[-2:] == ["PSP", "PSnDCG"]
    assert "…" not in out


@pytest.mark.parametrize("k", [1, 2, 10, 11, 20, 21, 99, 100, 1000, 12345])
def test_shown_cutoffs_are_few_and_hold_both_ends(k: int) -> None:
    shown = shown_cutoffs(k)
    assert (shown[0], shown[-1]) == (1, k)
    assert shown == sorted(set(shown))
    assert len(shown) <= 10 + 3 * len(str(k))
    assert set(shown) >= {i for i in (1, 2, 3, 5, 10, 20, 50, 100, 10_000) if i <= k}


def test_no_label_at_all_gives_zeros_and_a_note(tmp_path: Path) -> None:
    paths = save(tmp_path / "s.npy", SCORES), save(tmp_path / "l.npy", np.full(ROWS, -1))
    assert ranked(*paths, "-k", 2, folder=tmp_path)["recall"] == [0, 0]
    out, err = run_process("rank", *paths, "-k", 2)
    assert "60 without labels" in out
    assert err == "note: no row has a label, so the metrics mean nothing\n"


def test_a_bar_shows_the_rows_on_a_terminal(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_input, "_PIECE", CLASSES)
    assert "ranking" not in run("rank", *files, "-k", 2).output
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    assert f"{ROWS}/{ROWS}" in run("rank", *files, "-k", 2).output


def test_help_names_every_option_and_its_values() -> None:
    text = " ".join(run("rank", "--help").output.split())
    for option in ("-k", "--ties", "--denominator", "--empty", "--weights", "--label-weights",
                   "--key", "--labels-key", "--backend", "--json", "--state"):  # fmt: skip
        assert f" {option} " in text
    for value in ("pessimistic", "relevant", "raise", "RankingMetrics.load", "indptr"):
        assert value in text
    assert "rank " in run("--help").output
