"""The command ``fastpr evaluate``: right numbers from good files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import (
    OLD,
    RNG,
    SHAPE,
    Image,
    random_scores,
    results,
    run,
    save,
)

import fastpr
from fastpr.backends.choose import choose_backend


def brute_force(
    pairs: list[tuple[np.ndarray, np.ndarray]], num_thresholds: int = 201
) -> dict[str, list[int]]:
    """Counts by the definition: of scores and bool labels, threshold by threshold."""
    counts: dict[str, list[int]] = {"tp": [], "fp": [], "tn": [], "fn": []}
    last = num_thresholds - 1
    for i in range(num_thresholds):
        tp = fp = tn = fn = 0
        for scores, labels in pairs:
            if scores.dtype.kind == "u":
                above = scores.astype(object) * last >= i * np.iinfo(scores.dtype).max
                above = above.astype(bool)
            else:
                above = scores >= scores.dtype.type(i / last)
            tp += int((above & labels).sum())
            fp += int((above & ~labels).sum())
            tn += int((~above & ~labels).sum())
            fn += int((~above & labels).sum())
        for name, value in zip(("tp", "fp", "tn", "fn"), (tp, fp, tn, fn), strict=True):
            counts[name].append(value)
    return counts


KINDS = [
    (".npy", "f2", ".npy", "i8"),
    (".npy", "f4", ".png", "u1"),
    (".npy", "f8", ".npy", "bool"),
    (".npz", "f4", ".npz", "u2"),
    (".png", "u1", ".png", "bool"),
    (".png", "u2", ".tif", "u1"),
    (".tif", "f4", ".png", "u2"),
    (".tif", "u2", ".npy", "i1"),
]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_counts_of_two_files_are_those_of_the_definition(
    tmp_path: Path, kind: tuple[str, str, str, str]
) -> None:
    suffix, dtype, labels_suffix, labels_dtype = kind
    scores = random_scores(dtype)
    labels = RNG.random(SHAPE) > 0.6
    found = results(
        save(tmp_path / f"p{suffix}", scores),
        save(tmp_path / f"q{labels_suffix}", labels.astype(labels_dtype)),
        folder=tmp_path,
    )
    expected = brute_force([(scores, labels)])
    assert {name: found[name] for name in expected} == expected


def test_counts_of_two_folders_add_up(tmp_path: Path) -> None:
    pairs = []
    for i, (suffix, dtype, labels_suffix, labels_dtype) in enumerate(KINDS):
        scores, labels = random_scores(dtype)[: i + 1], (RNG.random(SHAPE) > 0.4)[: i + 1]
        save(tmp_path / "p" / f"{i}{suffix}", scores)
        save(tmp_path / "q" / f"{i}{labels_suffix}", labels.astype(labels_dtype))
        pairs.append((scores, labels))
    found = results(tmp_path / "p", tmp_path / "q", "--thresholds", 11, folder=tmp_path)
    expected = brute_force(pairs, 11)
    assert {name: found[name] for name in expected} == expected
    assert found["totals"]["files"] == len(KINDS)


def test_json_holds_everything_and_hangs_together(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    found = results(*pair, folder=tmp_path)
    assert list(found) == [
        "version", "options", "totals", "best_f1", "average_precision", "auroc", "fpr_at_95_tpr",
        "equal_error_rate", "expected_calibration_error", "thresholds", "tp", "fp", "tn", "fn",
        "precision", "recall", "f1", "iou",
    ]  # fmt: skip
    assert found["version"] == fastpr.__version__
    assert found["thresholds"] == [i / 200 for i in range(201)]
    tp, fp, fn = (np.array(found[name]) for name in ("tp", "fp", "fn"))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found["precision"], np.nan_to_num(tp / (tp + fp)))
    np.testing.assert_array_equal(found["recall"], tp / (tp + fn))
    np.testing.assert_allclose(found["f1"], 2 * tp / (2 * tp + fp + fn), rtol=1e-15)
    np.testing.assert_allclose(found["iou"], tp / (tp + fp + fn), rtol=1e-15)
    labels = np.asarray(Image.open(pair[1]))
    assert found["totals"] == {
        "files": 1,
        "samples": labels.size,
        "positives": int(labels.sum()),
        "negatives": int((1 - labels).sum()),
        "ignored": 0,
        "skipped_files": 0,
        "skipped_folders": 0,
    }
    assert found["options"]["thresholds"] == 201
    assert found["options"]["predictions"] == str(pair[0])
    coarse = results(*pair, "--bins-per-threshold", 1, folder=tmp_path)
    best = coarse["best_f1"]
    assert best["f1"] == max(coarse["f1"])
    assert best["threshold"] == coarse["thresholds"][int(np.argmax(coarse["f1"]))]
    assert found["best_f1"]["f1"] >= best["f1"]  # there are 20 times as many thresholds


def test_the_best_f1_on_a_plateau_is_at_the_lowest_threshold(tmp_path: Path) -> None:
    scores = save(tmp_path / "p.npy", np.array([0.2, 0.21, 0.8, 0.81]))
    labels = save(tmp_path / "q.npy", np.array([0, 0, 1, 1]))
    best = results(scores, labels, "--thresholds", 11, "--bins-per-threshold", 1, folder=tmp_path)[
        "best_f1"
    ]
    assert (best["threshold"], best["f1"]) == (0.3, 1.0)
    best = results(scores, labels, "--thresholds", 11, folder=tmp_path)["best_f1"]
    assert (best["threshold"], best["f1"]) == (0.215, 1.0)  # of 201


def test_nothing_positive_gives_strict_json_and_a_note(tmp_path: Path) -> None:
    scores = save(tmp_path / "p.npy", np.array([0.2, 0.8]))
    labels = save(tmp_path / "q.npy", np.array([0, 0]))
    assert results(scores, labels, folder=tmp_path)["totals"]["positives"] == 0
    assert "no sample is positive" in run("evaluate", scores, labels).output


@pytest.mark.parametrize("positive", ["nonzero", "3", "-1", "0", "300", str(10**30)])
@pytest.mark.parametrize("dtype", ["u1", "i2"])
def test_positive_chooses_the_label(tmp_path: Path, positive: str, dtype: str) -> None:
    scores = random_scores("f4")
    labels = RNG.integers(-1 if dtype == "i2" else 0, 5, SHAPE).astype(dtype)
    found = results(
        save(tmp_path / "p.npy", scores), save(tmp_path / "q.npy", labels),
        "--positive", positive, folder=tmp_path,
    )  # fmt: skip
    chosen = labels != 0 if positive == "nonzero" else labels.astype(object) == int(positive)
    expected = brute_force([(scores, np.asarray(chosen, bool))])
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("positive", [None, "nonzero", "1"])
def test_ignored_labels_count_nowhere_and_counts_stay_integers(
    tmp_path: Path, positive: str | None
) -> None:
    scores = random_scores("f4")
    labels = RNG.choice(np.array([0, 1, 255], np.uint8), SHAPE)
    options = [] if positive is None else ["--positive", positive]
    found = results(
        save(tmp_path / "p.npy", scores), save(tmp_path / "q.png", labels),
        "--ignore", 255, *options, folder=tmp_path,
    )  # fmt: skip
    kept = labels != 255
    expected = brute_force([(scores[kept], labels[kept] == 1)])
    assert {name: found[name] for name in expected} == expected
    assert all(type(value) is int for name in expected for value in found[name])
    totals = found["totals"]
    assert totals["ignored"] == int((~kept).sum())
    assert totals["positives"] + totals["negatives"] + totals["ignored"] == labels.size


def test_a_negative_label_can_be_ignored(tmp_path: Path) -> None:
    scores = save(tmp_path / "p.npy", np.array([0.2, 0.8, 0.9]))
    labels = save(tmp_path / "q.npy", np.array([0, 1, -1]))
    assert results(scores, labels, "--ignore", -1, folder=tmp_path)["totals"]["ignored"] == 1


def test_keys_name_arrays_of_both_files_or_of_each(tmp_path: Path) -> None:
    scores, labels = random_scores("f4"), RNG.random(SHAPE) > 0.5
    np.savez(tmp_path / "both.npz", scores=scores, mask=labels)
    np.savez(tmp_path / "other.npz", scores=labels, mask=scores)
    both, other = tmp_path / "both.npz", tmp_path / "other.npz"
    expected = brute_force([(scores, labels)])["tp"]
    options = ["--key", "scores", "--labels-key", "mask"]
    assert results(both, both, *options, folder=tmp_path)["tp"] == expected
    assert results(both, other, "--key", "scores", folder=tmp_path)["tp"] == expected


def test_the_state_file_loads_as_a_state_that_was_fed_directly(tmp_path: Path) -> None:
    direct = fastpr.PrecisionRecallAtEqualThresholds(51, bins_per_threshold=20)
    for i in range(3):
        scores, labels = random_scores("f4"), RNG.random(SHAPE) > 0.5
        save(tmp_path / "p" / f"{i}.npy", scores)
        save(tmp_path / "q" / f"{i}.png", labels)
        direct.update(labels, scores)
    (tmp_path / "s.fastpr").write_bytes(OLD)
    run("evaluate", tmp_path / "p", tmp_path / "q", "--thresholds", 51, "--state",
        tmp_path / "s.fastpr")  # fmt: skip
    assert fastpr.PrecisionRecallAtEqualThresholds.load(tmp_path / "s.fastpr") == direct
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "q", "s.fastpr"]


@pytest.mark.parametrize("backend", fastpr.available_backends())
def test_a_named_backend_gives_the_same_counts(
    tmp_path: Path, pair: tuple[Path, Path], backend: str
) -> None:
    named = results(*pair, "--backend", backend, folder=tmp_path)
    chosen = results(*pair, folder=tmp_path)
    assert named["options"]["backend"] == backend
    assert chosen["options"]["backend"] == choose_backend()[0]
    assert named["tp"] == chosen["tp"]
