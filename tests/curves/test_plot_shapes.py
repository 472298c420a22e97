"""Where lines, bands and points of plots are: against scikit-learn and the exact scores."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from plot_cases import (
    BINS_OF,
    area,
    axes,
    band_edges,
    exact_curve,
    legend,
    make_curve,
    make_samples,
    rendered,
    with_gid,
)
from sklearn.metrics import precision_recall_curve, roc_curve

import fastpr
from fastpr.curves.calibration import reliability
from fastpr.curves.plots.kinds import KINDS

# ---- precision and recall ----


def test_exact_precision_and_recall_are_those_of_scikit_learn():
    labels, scores = make_samples(dtype=np.uint8)
    display = exact_curve().plot("pr", axes())
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(display.line_.get_xdata(), recall, atol=1e-15)
    np.testing.assert_allclose(display.line_.get_ydata(), precision, atol=1e-15)
    assert display.line_.get_drawstyle() == "steps-post"
    assert display.band_ is None
    assert "(exact)" in display.line_.get_label()


@pytest.mark.parametrize("bins", BINS_OF)
def test_the_band_encloses_the_exact_precision(bins):
    labels, scores = make_samples()
    display = make_curve(**BINS_OF[bins]).plot("pr", axes())
    precision, recall, _ = precision_recall_curve(labels, scores)
    x, low, high = band_edges(display)
    for r, p in zip(recall[:-1], precision[:-1], strict=True):
        inside = np.flatnonzero((x[:-1] < r) & (r <= x[1:] + 1e-12))
        if r == 0:  # before the first positive, where the exact steps do not reach
            continue
        assert inside.size
        lowest = min(np.interp(r, x[i : i + 2], low[i : i + 2]) for i in inside)
        highest = max(high[i : i + 2].max() for i in inside)
        # a negative right below a positive has its recall: the step is as high as the highest
        assert lowest - 1e-12 <= max(precision[recall == r])
        assert max(precision[recall == r]) <= highest + 1e-12
        assert p <= highest + 1e-12


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("num_thresholds", [3, 11, 201])
def test_the_areas_below_the_band_are_the_bounds_of_average_precision(num_thresholds, weighted):
    curve = make_curve(num_thresholds, weighted)
    x, low, high = band_edges(curve.plot("pr", axes()))
    bounds = curve.average_precision()
    assert area(high, x) == pytest.approx(bounds.high, rel=1e-9)
    # the edge is that of samples cut ever finer, below that of whole ones
    assert bounds.low - 0.02 < area(low, x) <= bounds.low + 1e-9


def test_chance_is_the_share_of_positives():
    curve = make_curve()
    display = curve.plot("pr", axes())
    (line,) = with_gid(display, "guide")
    prevalence = curve.num_positives / (curve.num_positives + curve.num_negatives)
    assert list(line.get_ydata()) == [prevalence] * 2
    assert f"chance: {prevalence:.3g}" in legend(display)


def test_guides_are_drawn_once():
    ax = axes()
    make_curve().plot("pr", ax)
    num_texts = len(ax.texts)
    display = make_curve(201).plot("pr", ax)
    assert len(with_gid(display, "iso-F1")) == num_texts == len(ax.texts) == 4
    assert len(with_gid(display, "guide")) == 1
    make_curve(seed=1).plot("pr", ax)  # of another share of positives
    assert len(with_gid(display, "guide")) == 2


def test_iso_lines_have_their_f1_and_words_beside_the_axes():
    display = make_curve().plot("pr", axes())
    for line, text in zip(with_gid(display, "iso-F1"), display.ax_.texts, strict=True):
        value = float(text.get_text().removeprefix("F1 "))
        recall, precision = line.get_data()
        np.testing.assert_allclose(2 * precision * recall / (precision + recall), value)
    rendered(display)
    inside = display.ax_.get_window_extent()
    for text in display.ax_.texts:
        assert text.get_window_extent().x0 >= inside.x1
        assert text.get_window_extent().x1 <= display.figure_.bbox.x1
    bare = make_curve().plot("pr", axes(), iso_f1=False)
    assert not bare.ax_.texts
    assert not with_gid(bare, "iso-F1")


# ---- the receiver operating characteristic ----


def test_exact_rates_are_those_of_scikit_learn():
    labels, scores = make_samples(dtype=np.uint8)
    display = exact_curve().plot("roc", axes())
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(display.line_.get_xdata(), fpr, atol=1e-15)
    np.testing.assert_allclose(display.line_.get_ydata(), tpr, atol=1e-15)
    assert display.band_ is None


@pytest.mark.parametrize("bins", BINS_OF)
def test_the_band_encloses_the_exact_rates(bins):
    labels, scores = make_samples()
    x, low, high = band_edges(make_curve(**BINS_OF[bins]).plot("roc", axes()))
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    for f, t in zip(fpr, tpr, strict=True):
        near = np.flatnonzero((x[:-1] <= f + 1e-12) & (f <= x[1:] + 1e-12))
        assert min(low[near].min(), low[near + 1].min()) <= t + 1e-12
        assert max(high[near].max(), high[near + 1].max()) >= t - 1e-12


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("num_thresholds", [3, 11, 201])
def test_the_areas_below_the_band_are_the_bounds_of_auroc(num_thresholds, weighted):
    curve = make_curve(num_thresholds, weighted)
    display = curve.plot("roc", axes())
    x, low, high = band_edges(display)
    bounds = curve.auroc()
    assert area(low, x) == pytest.approx(bounds.low, rel=1e-9)
    assert area(high, x) == pytest.approx(bounds.high, rel=1e-9)
    assert area(*display.line_.get_data()[::-1]) == pytest.approx(bounds, rel=1e-9)


# ---- scores by threshold ----


@pytest.mark.parametrize("make", [make_curve, exact_curve])
def test_f1_precision_and_recall_stand_at_their_thresholds(make):
    curve = make()
    display = curve.plot("f", axes())
    parts = {line.get_label(): line for line in [display.line_, *with_gid(display, "part")]}
    for name, values in (
        ("F1", curve.f()),
        ("precision", np.where(curve.tp + curve.fp > 0, curve.precision, np.nan)),
        ("recall", curve.recall),
    ):
        assert np.array_equal(parts[name].get_xdata(), curve.thresholds)
        np.testing.assert_allclose(parts[name].get_ydata(), values, rtol=1e-14)
    is_exact = make is exact_curve
    assert display.line_.get_drawstyle() == ("steps-pre" if is_exact else "default")
    assert (display.band_ is None) == is_exact


@pytest.mark.parametrize("bins", BINS_OF)
def test_the_band_encloses_f1_at_every_threshold(bins):
    labels, scores = make_samples(dtype=np.float64)
    curve = make_curve(dtype=np.float64, **BINS_OF[bins])
    x, low, high = band_edges(curve.plot("f", axes()))
    for threshold in np.random.default_rng(1).random(300):
        predicted = scores >= threshold
        tp = (predicted & labels).sum()
        f1 = 2 * tp / (predicted.sum() + labels.sum())
        at = np.searchsorted(x, threshold) - 1
        assert low[at] == low[at + 1] <= f1 + 1e-12
        assert high[at] == high[at + 1] >= f1 - 1e-12


# ---- the best cut ----


@pytest.mark.parametrize(
    ("kind", "best", "name"),
    [("pr", True, "F1"), ("pr", "iou", "IoU"), ("roc", True, "Youden's J"), ("roc", "mcc", "MCC"),
     ("f", True, "F1"), ("f", "accuracy", "accuracy")],
)  # fmt: skip
def test_the_point_is_that_of_the_best_cut(kind, best, name):
    curve = make_curve(201)
    metric = {True: "youden" if kind == "roc" else "f1"}.get(best, best)
    value, threshold = curve.best(metric)
    at = int(np.flatnonzero(curve.thresholds == threshold)[0])
    places = {
        "pr": (curve.recall[at], curve.precision[at]),
        "roc": (curve.fpr[at], curve.tpr[at]),
        "f": (threshold, curve.f()[at]),
    }
    display = curve.plot(kind, axes(), best=best)
    (x,), (y,) = display.point_.get_data()
    assert (x, y) == pytest.approx(places[kind])
    assert not display.point_.get_clip_on()  # it may be in a corner
    assert f"best {name}: {value:.3f} at {threshold:.3g}" in legend(display)


@pytest.mark.parametrize("kind", ["pr", "roc", "f"])
def test_the_point_can_be_left_out(kind):
    display = make_curve().plot(kind, axes(), best=False)
    assert display.point_ is None
    assert not any("best" in text for text in legend(display))


def test_predicting_nothing_has_no_point():
    state = fastpr.PrecisionRecallAtEqualThresholds(3).update([0, 0, 0, 1], [1.0, 1.0, 1.0, 0.9])
    curve = state.curve()
    assert curve.best("accuracy").threshold == np.inf
    assert curve.plot("pr", axes(), best="accuracy").point_ is None
    half = fastpr.PrecisionRecallAtEqualThresholds(3).update([0, 0, 0, 1], [0.6, 0.6, 0.6, 0.2])
    (x,), (y,) = half.curve().plot("pr", axes(), best="accuracy").point_.get_data()
    assert (x, y) == (0, 1)  # as the line ends, from threshold 1 on


# ---- calibration and counts ----


@pytest.mark.parametrize("make", [make_curve, exact_curve])
def test_calibration_shows_the_reliability(make):
    curve = make()
    display = curve.plot("calibration", axes())
    expected = reliability(curve, 10)
    some = expected.num_samples > 0
    x, y = display.line_.get_data()
    np.testing.assert_allclose(x, ((expected.low + expected.high) / 2)[some])
    np.testing.assert_allclose(y, expected.positive_fraction[some])
    assert display.line_.get_label().startswith("ECE 0.")
    if make is exact_curve:
        assert display.band_ is None
    else:
        for (start, end), low, high in zip(
            display.band_.get_segments(), expected.low[some], expected.high[some], strict=True
        ):
            assert (start[0], end[0]) == pytest.approx((low, high))
    (below,) = (other for other in display.figure_.axes if other is not display.ax_)
    (bars,) = below.patches
    np.testing.assert_allclose(bars.get_data().values, expected.num_samples)
    np.testing.assert_allclose(bars.get_data().edges, expected.edges, atol=0.005)
    assert (below.get_xlabel(), display.ax_.get_xlabel()) == ("Mean score", "")


def test_the_bars_enclose_the_mean_scores():
    _, scores = make_samples()
    display = make_curve(21).plot("calibration", axes())
    bins = np.minimum((scores * 10).astype(int), 9)
    means = [scores[bins == b].mean() for b in range(10) if (bins == b).any()]
    for (start, end), mean in zip(display.band_.get_segments(), means, strict=True):
        assert start[0] - 1e-6 <= mean <= end[0] + 1e-6


def test_the_histogram_is_shared_by_curves_of_the_same_axes():
    figure = Figure(layout="constrained")
    for ax in figure.subplots(1, 2):
        for seed in range(3):
            make_curve(seed=seed).plot("calibration", ax)
    assert len(figure.axes) == 4
    assert [len(ax.patches) for ax in figure.axes] == [0, 0, 3, 3]
    free = Figure().add_axes((0.2, 0.2, 0.7, 0.7))
    display = make_curve().plot("calibration", free)
    rendered(display)
    upper, lower = (ax.get_position() for ax in display.figure_.axes)
    assert upper.y0 > lower.y1
    assert (lower.y0, upper.y1) == pytest.approx((0.2, 0.9))


@pytest.mark.parametrize("num_thresholds", [5, 8, 102])
def test_calibration_of_other_grids_uses_whole_bins(num_thresholds):
    curve = make_curve(num_thresholds)
    display = curve.plot("calibration", axes())
    assert display.line_.get_label() == "reliability"
    bars = display.figure_.axes[1].patches[0].get_data()
    assert set(bars.edges) <= {*curve.thresholds.tolist(), 1.0}
    assert bars.values.sum() == 400
    x = display.line_.get_xdata()
    assert (np.diff(x) > 0).all()
    assert len(x) == len(display.band_.get_segments()) <= 10


@pytest.mark.parametrize("num_thresholds", [2, 11, 201])
def test_counts_are_those_between_thresholds(num_thresholds):
    labels, scores = make_samples()
    display = make_curve(num_thresholds).plot("counts", axes())
    thresholds = (np.arange(num_thresholds) / (num_thresholds - 1)).astype(np.float32)
    parts = {part.get_label(): part.get_data() for part in display.ax_.patches}
    for name, chosen in (("negatives", ~labels), ("positives", labels)):
        values, edges, _ = parts[f"{name}: {chosen.sum()}"]
        assert np.array_equal(values, np.histogram(scores[chosen], thresholds)[0])
        np.testing.assert_allclose(edges, thresholds, rtol=1e-6)
    assert display.ax_.get_yscale() == "log"
    assert display.line_.get_label().startswith("positives")


@pytest.mark.parametrize(
    ("num_thresholds", "num_bars"),
    [(257, 256), (258, None), (1001, 250), (4001, 250), (65537, 256)],
)
def test_many_counts_are_put_together(num_thresholds, num_bars):
    display = make_curve(num_thresholds).plot("counts", axes())
    values, edges, _ = display.line_.get_data()
    assert values.sum() == make_samples()[0].sum()
    if num_bars is None:  # 257 is prime, so bars are not quite as wide as each other
        assert 60 < len(values) <= 256
        assert np.diff(edges).max() < 2.01 * np.diff(edges).min()
    else:
        assert len(values) == num_bars
        np.testing.assert_allclose(np.diff(edges), 1 / num_bars)


def test_scores_below_the_first_threshold_are_shown():
    curve = fastpr.Curve.from_counts([5, 4], [9, 3], [2, 8], [1, 2], thresholds=[0.1, 0.5])
    values, edges, _ = curve.plot("counts", axes()).line_.get_data()
    assert (values.tolist(), edges.tolist()) == ([1, 1, 4], [0, 0.1, 0.5, 1])
    assert curve.plot("f", axes()).line_.get_xdata().tolist() == [0.1, 0.5]
    for kind in KINDS:
        rendered(curve.plot(kind, axes()))
