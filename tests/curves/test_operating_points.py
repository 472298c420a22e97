"""Operating points: the best of all cuts, at the lowest of several thresholds, and 0/0."""

import math

import curve_oracle as oracle
import numpy as np
import pytest
from curve_cases import curve_of, random_samples
from hypothesis import given
from hypothesis import strategies as st
from tiers import examples

from fastpr.curves.curve import Curve
from fastpr.curves.estimates import Estimate, OperatingPoint
from fastpr.curves.operating_points import METRICS

THREE = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
levels = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 2 / 3, 0.75, 0.95, 1.0]), st.floats(0, 1))
tables = st.integers(1, 8).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 4), min_size=size, max_size=size), min_size=2, max_size=2
    )
)


def cuts_of(table):
    """Return the cut at each edge, and the one that predicts nothing, as in the oracle."""
    negatives, positives = table
    p, n = sum(positives), sum(negatives)
    above = [(sum(positives[b:]), sum(negatives[b:])) for b in range(len(positives) + 1)]
    return [(tp, fp, p - tp, n - fp) for tp, fp in above]


def edges_of(table):
    return [b / 8 for b in range(len(table[0]))]


def expected_best(table, values):
    """Return the best value that is not None and the lowest threshold with it."""
    best = max((v for v in values if v is not None), default=None)
    if best is None:
        return math.nan, math.nan
    return best, [*edges_of(table), math.inf][values.index(best)]


def check(point, expected):
    value, threshold = expected
    assert isinstance(point, OperatingPoint)
    assert isinstance(point.value, Estimate)
    assert point.value == pytest.approx(float(value), rel=1e-14, abs=1e-14, nan_ok=True)
    assert point.threshold == pytest.approx(threshold, nan_ok=True)


@given(tables, levels)
@examples(300)
def test_points_are_the_best_cut_that_meets_the_condition(table, level):
    curve, cuts = Curve.from_bins(table, edges_of(table)), cuts_of(table)
    p, n = cuts[0][:2]
    some = [oracle.precision(c) for c in cuts]
    if p:
        recall = [oracle.recall(c) for c in cuts]
        values = [v if r >= level else None for v, r in zip(some, recall, strict=True)]
        check(curve.precision_at_recall(level), expected_best(table, values))
        values = [
            r if v is not None and v >= level else None for v, r in zip(some, recall, strict=True)
        ]
        best = expected_best(table, values)
        check(curve.recall_at_precision(level), best if best[0] > 0 else (0.0, math.inf))
    if p and n:
        fpr = [oracle.fpr(c) for c in cuts]
        values = [-f if r >= level else None for f, r in zip(fpr, recall, strict=True)]
        value, threshold = expected_best(table, values)
        check(curve.fpr_at_tpr(level), (-value, threshold))
        sensitive = curve.specificity_at_sensitivity(level)
        assert sensitive.value == pytest.approx(1 + value)
        assert sensitive.threshold == threshold
        values = [r if f <= level else None for f, r in zip(fpr, recall, strict=True)]
        check(curve.tpr_at_fpr(level), expected_best(table, values))
        assert curve.equal_error_rate().value == pytest.approx(
            float(oracle.equal_error_rate(cuts)), abs=1e-14
        )


def rounded(metric):
    """Return the metric as a number of a few digits, so that equal values compare equal."""
    return lambda cut: None if metric(cut) is None else round(float(metric(cut)), 12)


@given(tables)
@examples(200)
def test_best_is_the_largest_value_at_the_lowest_threshold(table):
    curve, cuts = Curve.from_bins(table, edges_of(table)), cuts_of(table)
    p, n = cuts[0][:2]
    for name, metric in oracle.METRICS.items():
        if not (p and n) and name not in ("f1", "iou", "accuracy"):
            continue
        values = [rounded(metric)(cut) for cut in cuts]
        values = [0.0 if v is None else v for v in values]
        point = curve.best(name)
        assert point.value == pytest.approx(max(values), abs=1e-11)
        # equal values can differ by an ulp; the threshold is of one that is the best to rounding
        at = [*edges_of(table), math.inf].index(point.threshold)
        assert values[at] == pytest.approx(max(values), abs=1e-11)
        if name in ("f1", "iou", "accuracy"):  # one quotient of integers: equal means equal
            assert point.threshold == expected_best(table, values)[1]


def test_the_lowest_of_several_thresholds_with_the_best_value():
    curve = Curve.from_bins([[3, 0, 0, 0], [0, 0, 0, 2]], [0.0, 0.25, 0.5, 0.75])
    for name in METRICS:
        assert curve.best(name) == (1.0, 0.25), name
    assert curve.fpr_at_tpr(1.0) == (0.0, 0.25)
    assert curve.recall_at_precision(1.0) == (1.0, 0.25)


@pytest.mark.parametrize("num_bins", [4, 30, 401])
def test_sums_of_weights_make_plateaus_too(num_bins):
    rng = np.random.default_rng(num_bins)
    table = np.zeros((2, num_bins))
    full = np.sort(rng.choice(num_bins, 4, replace=False))
    table[:, full] = rng.random((2, 4))
    edges = np.arange(num_bins) / num_bins
    curve = Curve.from_bins(table, edges)
    lowest = [0.0, *edges[full + 1]] if full[-1] + 1 < num_bins else [0.0, *edges[full[:-1] + 1]]
    for name in METRICS:
        assert curve.best(name).threshold in [*lowest, math.inf], name
    for level in (0.2, 0.5, 0.9):
        assert curve.fpr_at_tpr(level).threshold in [*lowest, math.inf]
        assert curve.tpr_at_fpr(level).threshold in [*lowest, math.inf]


def test_f_of_beta():
    curve = Curve.from_bins([[3, 1, 0], [0, 2, 1]], [0.0, 0.5, 1.0])
    assert curve.best("f") == curve.best("f1") == curve.best("f", beta=1)
    for beta in (0.1, 0.5, 2.0, 10.0):
        values = [oracle.f_score(c, beta) for c in cuts_of([[3, 1, 0], [0, 2, 1]])]
        assert curve.best("f", beta=beta).value == pytest.approx(float(max(values)), rel=1e-14)
    for beta in (1e-300, 1e300):  # precision and recall
        assert curve.best("f", beta=beta).value == 1.0
    assert curve.f(1e-300)[1] == curve.precision[1]
    assert curve.f(1e300)[1] == curve.recall[1]


def test_a_precision_that_no_cut_has_is_a_recall_of_0_at_inf():
    curve = Curve.from_bins([[1, 3], [2, 2]], [0.0, 0.5])
    assert curve.recall_at_precision(0.9) == (0.0, math.inf)
    assert curve.recall_at_precision(0.9).high == pytest.approx(0.5)  # with the positives on top
    exact = Curve.from_bins([[1, 3], [2, 2]], [0.0, 0.5], exact=True)
    assert exact.recall_at_precision(0.9) == (0.0, math.inf)
    assert exact.recall_at_precision(0.9).high < 1e-12


def test_a_threshold_of_a_point_reproduces_its_value():
    rng = np.random.default_rng(0)
    for _ in range(100):
        labels, scores, _ = random_samples(rng, 201)
        if not 0 < labels.sum() < len(labels):
            continue
        curve = curve_of(labels, scores, 201)
        tpr, fpr, iou = curve.recall_at_precision(0.7), curve.fpr_at_tpr(), curve.best("iou")
        on = scores >= tpr.threshold
        assert tpr.value == np.sum(on & labels) / labels.sum()
        on = scores >= fpr.threshold
        assert fpr.value == np.sum(on & ~labels) / (~labels).sum()
        on = scores >= iou.threshold
        assert iou.value == np.sum(on & labels) / np.sum(on | labels)


def test_without_a_class_that_is_needed_the_point_is_nan_at_nan():
    for table in ([[0, 0], [1, 2]], [[1, 2], [0, 0]], [[0, 0], [0, 0]]):
        for name in ("fastpr", "sklearn", "keras"):
            curve = Curve.from_bins(table, [0.0, 0.5], conventions=name)
            points = [curve.best(m) for m in ("balanced_accuracy", "mcc", "youden")]
            points += [curve.fpr_at_tpr(), curve.tpr_at_fpr(0.5), curve.equal_error_rate()]
            points.append(curve.specificity_at_sensitivity(0.5))
            if not curve.num_positives:
                points += [curve.precision_at_recall(0.5), curve.recall_at_precision(0.5)]
            for point in points:
                assert math.isnan(point.value)
                assert math.isnan(point.threshold)
                assert math.isnan(point.low)
                assert math.isnan(point.high)


def test_f_and_iou_without_positives_follow_the_convention_where_nothing_is_predicted():
    for zero_division, expected in ((0.0, (0.0, 0.0)), (1.0, (1.0, 0.5)), (math.nan, (0.0, 0.0))):
        from fastpr.curves.estimates import conventions_of

        curve = Curve.from_bins([[2, 0], [0, 0]], [0.0, 0.5])
        curve = curve.with_conventions(conventions_of(zero_division))
        assert curve.best("f1") == curve.best("iou") == expected
        assert curve.best("f1").value.is_exact
    empty = Curve.from_bins([[0, 0], [0, 0]], [0.0, 0.5], conventions=conventions_of(math.nan))
    assert math.isnan(empty.best("f1").value)
    assert math.isnan(empty.best("accuracy").threshold)


@pytest.mark.parametrize(
    "name",
    [
        "precision_at_recall",
        "recall_at_precision",
        "fpr_at_tpr",
        "tpr_at_fpr",
        "specificity_at_sensitivity",
    ],
)
@pytest.mark.parametrize("level", [-0.1, 1.1, math.nan, math.inf, "a", None])
def test_levels_outside_0_to_1_are_refused(name, level):
    for table in ([[1, 2], [2, 1]], [[0, 0], [0, 0]]):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\], got"):
            getattr(Curve.from_bins(table, [0.0, 0.5]), name)(level)


def test_metrics_and_betas_that_there_are_not():
    with pytest.raises(ValueError, match=r"one of f, f1, iou, .* got 'f2'"):
        THREE.best("f2")
    with pytest.raises(ValueError, match="beta is for the metric 'f', got metric='iou'"):
        THREE.best("iou", beta=2.0)
    for beta in (0, -1, math.nan, math.inf, "a"):
        with pytest.raises(ValueError, match="beta must be finite and above 0"):
            THREE.best("f", beta=beta)
        with pytest.raises(ValueError, match="beta must be finite and above 0"):
            THREE.f(beta)


def test_equal_error_rate_at_a_cut_and_between_cuts():
    at_cut = Curve.from_bins([[3, 1], [1, 3]], [0.0, 0.5])
    assert at_cut.equal_error_rate() == (0.25, 0.5)
    assert at_cut.equal_error_rate().value.is_exact
    assert at_cut.equal_error_rate().value.width < 1e-12
    between = Curve.from_bins([[4], [2]], [0.0])
    assert between.equal_error_rate() == (0.5, 0.0)
    assert (between.equal_error_rate().low, between.equal_error_rate().high) == (0.0, 1.0)
    tied = Curve.from_bins([[4], [2]], [0.0], exact=True)
    assert tied.equal_error_rate().value.is_exact
    assert tied.equal_error_rate().value.width < 1e-12
