"""Metrics of the whole curve on the command line: their bounds, and their picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import OLD, restart_random_numbers, results, run, save
from sklearn.metrics import average_precision_score, roc_auc_score

import fastpr

RNG = np.random.default_rng(7)
METRICS = (
    "best_f1", "average_precision", "auroc", "fpr_at_95_tpr", "equal_error_rate",
    "expected_calibration_error",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _same_random_numbers_in_any_order_of_tests() -> None:
    restart_random_numbers()


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    scores = RNG.random(3000, dtype=np.float32)
    labels = RNG.random(3000) < scores
    return save(tmp_path / "p.npy", scores), save(tmp_path / "q.npy", labels), scores, labels


def width(found: dict, name: str) -> float:
    return found[name]["high"] - found[name]["low"]


@pytest.mark.parametrize("options", [(), ("--thresholds", 11), ("--bins-per-threshold", 1)])
def test_bounds_enclose_what_all_scores_give(tmp_path, arrays, options):
    predictions, targets, scores, labels = arrays
    found = results(predictions, targets, *options, folder=tmp_path)
    for name, exact in (
        ("average_precision", average_precision_score(labels, scores)),
        ("auroc", roc_auc_score(labels, scores)),
    ):
        assert found[name]["low"] <= exact <= found[name]["high"]
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert found["best_f1"]["low"] <= found["best_f1"]["f1"] <= found["best_f1"]["high"]


def test_bins_are_counted_finer_than_thresholds_by_default(tmp_path, arrays):
    predictions, targets, *_ = arrays
    fine = results(predictions, targets, folder=tmp_path)
    coarse = results(predictions, targets, "--bins-per-threshold", 1, folder=tmp_path)
    assert fine["options"]["bins_per_threshold"] is None
    assert {k: fine[k] for k in ("tp", "fp", "recall")} == {
        k: coarse[k] for k in ("tp", "fp", "recall")
    }
    for name in METRICS:
        assert 0 <= width(fine, name) < width(coarse, name), name


def test_many_thresholds_leave_room_for_fewer_bins(tmp_path, arrays):
    predictions, targets, *_ = arrays
    assert len(results(predictions, targets, "--thresholds", 65537, folder=tmp_path)["tp"]) == 65537
    refused = run("evaluate", predictions, targets, "--thresholds", 32770,
                  "--bins-per-threshold", 2, status=2)  # fmt: skip
    assert "room for at most 1 bins each" in refused.output


def test_ignored_samples_leave_counts_whole(tmp_path, arrays):
    predictions, _, scores, labels = arrays
    marked = labels.astype(np.uint8)
    marked[::3] = 7
    targets = save(tmp_path / "r.npy", marked)
    found = results(predictions, targets, "--ignore", 7, folder=tmp_path)
    kept = marked != 7
    direct = fastpr.PrecisionRecallAtEqualThresholds(201, bins_per_threshold=20)
    area = direct.update(labels[kept], scores[kept]).curve().auroc()
    assert found["auroc"] == {"value": float(area), "low": area.low, "high": area.high}
    assert all(type(count) is int for count in found["tp"])


def test_scores_of_two_dtypes_have_values_but_no_bounds(tmp_path):
    for name, dtype in (("a", "f4"), ("b", "f8")):
        save(tmp_path / "p" / f"{name}.npy", np.array([0.1, 0.8], dtype))
        save(tmp_path / "q" / f"{name}.npy", np.array([0, 1]))
    done = run("evaluate", tmp_path / "p", tmp_path / "q", "--json", tmp_path / "out.json")
    assert "note: there are no bounds: " in done.stderr
    assert "float32 and float64" in done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["auroc"] == {"value": 1.0, "low": None, "high": None}
    assert "AUROC:                      1.0000\n" in done.stdout


def test_one_class_is_not_defined_instead_of_a_number(tmp_path):
    predictions = save(tmp_path / "p.npy", np.array([0.2, 0.8]))
    targets = save(tmp_path / "q.npy", np.array([0, 0]))
    done = run("evaluate", predictions, targets, "--json", tmp_path / "out.json")
    assert "AUROC:                      not defined" in done.stdout
    assert json.loads((tmp_path / "out.json").read_text())["auroc"]["value"] is None


# ---- the picture ----


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_picture_is_of_the_kind_that_the_name_says(tmp_path, arrays, suffix, start):
    predictions, targets, *_ = arrays
    picture = tmp_path / f"curves{suffix}"
    run("evaluate", predictions, targets, "--plot", picture)
    first = picture.read_bytes()
    assert first.startswith(start)
    run("evaluate", predictions, targets, "--plot", picture)
    assert picture.read_bytes() == first


def test_the_picture_holds_all_four_plots(tmp_path, arrays, monkeypatch):
    from matplotlib.figure import Figure

    figures = []
    save_figure = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), save_figure(self, *a, **k))
    )
    predictions, targets, *_ = arrays
    run("evaluate", predictions, targets, "--plot", tmp_path / "curves.png")
    (figure,) = figures
    labels = {ax.get_xlabel() for ax in figure.axes}
    assert {"Recall", "False positive rate", "Threshold", "Mean score"} <= labels


def test_a_picture_that_cannot_be_drawn_is_refused_before_the_work(tmp_path, arrays, monkeypatch):
    predictions, targets, *_ = arrays
    refused = run("evaluate", predictions, targets, "--plot", tmp_path / "curves.txt", status=2)
    assert "none of .png, .svg, .pdf" in refused.output
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    picture = tmp_path / "curves.png"
    picture.write_bytes(OLD)
    refused = run("evaluate", predictions, targets, "--plot", picture, status=1)
    assert 'pip install "fastpr[plot]"' in refused.output
    assert picture.read_bytes() == OLD
