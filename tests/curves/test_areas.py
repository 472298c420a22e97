"""The three areas called average precision, and the area under the ROC curve."""

import math
import warnings

import curve_oracle as oracle
import numpy as np
import pytest
from curve_cases import curve_of, random_samples
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from tiers import examples

from fastpr.curves.curve import Curve
from fastpr.curves.cuts import sum_of

tables = st.integers(1, 12).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 9), min_size=size, max_size=size), min_size=2, max_size=2
    )
)


def samples_of(table):
    """Return labels, scores and weights of a table, its bins as groups of equal scores."""
    table = np.asarray(table)
    labels = np.repeat([0, 1], table.shape[1])
    scores = np.tile(np.arange(table.shape[1]) / max(table.shape[1] - 1, 1), 2)
    return labels, scores, table.ravel()


def curve_of_groups(table, **options):
    edges = np.arange(np.shape(table)[1]) / max(np.shape(table)[1] - 1, 1)
    return Curve.from_bins(table, edges, exact=True, **options)


@given(tables)
def test_areas_of_groups_are_scikit_learns(table):
    labels, scores, counts = samples_of(table)
    labels, scores = np.repeat(labels, counts), np.repeat(scores, counts)
    if not 0 < labels.sum() < len(labels):
        return
    curve = curve_of_groups(table)
    close = {"rel": 1e-13, "abs": 1e-15}
    peer = metrics.average_precision_score(labels, scores)
    assert curve.average_precision() == pytest.approx(peer, **close)
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    assert curve.average_precision("trapezoid") == pytest.approx(
        metrics.auc(recall, precision), **close
    )
    assert curve.auroc() == pytest.approx(metrics.roc_auc_score(labels, scores), **close)
    for end in (0.01, 0.25, 1 / 3, 0.9, 1.0):
        peer = metrics.roc_auc_score(labels, scores, max_fpr=end)
        assert curve.auroc(end) == pytest.approx(peer, **close)


@given(tables)
@examples(50)
def test_integer_and_float_tables_agree(table):
    exact, floats = curve_of_groups(table), curve_of_groups(np.array(table, float))
    for method in ("step", "trapezoid", "interpolated"):
        a, b = exact.average_precision(method), floats.average_precision(method)
        assert a == pytest.approx(b, rel=1e-13, nan_ok=True)
    for end in (None, 0.3):
        assert exact.auroc(end) == pytest.approx(floats.auroc(end), rel=1e-13, nan_ok=True)


@given(tables)
@examples(30)
def test_interpolated_is_the_integral_of_precision_with_counts_in_proportion(table):
    curve = curve_of_groups(table)
    if not curve.num_positives:
        assert math.isnan(curve.average_precision("interpolated"))
        return
    area, tp, fp = 0.0, 0.0, 0.0
    share = (np.arange(20_000) + 0.5) / 20_000
    for n, p in np.transpose(table)[::-1]:
        if p:
            precision = (tp + share * p) / (tp + share * p + fp + share * n)
            area += p * precision.mean()
        tp, fp = tp + p, fp + n
    expected = area / curve.num_positives
    assert curve.average_precision("interpolated") == pytest.approx(expected, abs=1e-4)


def test_a_constant_score_has_the_prevalence_and_one_half():
    curve = curve_of([1, 0, 0, 0], [0.5] * 4, 11)
    assert curve.average_precision() == 0.25
    assert curve.auroc() == 0.5
    labels = np.arange(4) == 0
    assert curve.average_precision() == metrics.average_precision_score(labels, [0.5] * 4)


def test_a_perfect_order_has_1_and_a_reversed_one_0():
    scores = np.arange(10) / 9
    perfect = curve_of(scores > 0.5, scores, 4001)
    assert (perfect.average_precision(), perfect.auroc(), perfect.auroc(0.1)) == (1, 1, 1)
    assert perfect.average_precision("interpolated") == 1
    assert perfect.average_precision("trapezoid") == 1
    reverse = curve_of(scores < 0.5, scores, 4001)
    assert reverse.auroc() == 0
    assert reverse.average_precision().low > 0


def test_weighted_areas_are_those_of_fractions():
    rng = np.random.default_rng(1)
    for _ in range(200):
        labels, scores, weights = random_samples(rng, 201, 30)
        if weights is None:
            continue
        values, groups = np.unique(scores, return_inverse=True)
        table = np.zeros((2, len(values)))
        np.add.at(table, (labels.astype(int), groups), weights)
        curve = Curve.from_bins(table, values, exact=True)
        cuts = oracle.exact_cuts(labels, scores, weights)
        if cuts[0][0]:
            expected = float(oracle.average_precision(cuts))
            assert curve.average_precision() == pytest.approx(expected, rel=1e-11, abs=1e-14)
            assert curve.average_precision().is_exact
        if cuts[0][0] and cuts[0][1]:
            expected = float(oracle.auroc(cuts, 0.3))
            assert curve.auroc(0.3) == pytest.approx(expected, rel=1e-11, abs=1e-14)


def test_areas_do_not_depend_on_the_unit_of_the_weights():
    rng = np.random.default_rng(2)
    table = rng.random((2, 50))
    edges = np.arange(50) / 49
    one = Curve.from_bins(table, edges)
    for scale in (2.0**1000, 2.0**-1000):
        other = Curve.from_bins(table * scale, edges)
        for method in ("step", "trapezoid", "interpolated"):
            assert other.average_precision(method) == one.average_precision(method)
        assert other.auroc() == one.auroc()
        assert other.auroc().low == one.auroc().low


def test_5e9_of_each_class():
    table = np.array([[3 * 10**9, 2 * 10**9], [10**9, 4 * 10**9]])
    curve = curve_of_groups(table)
    small = curve_of_groups(table // 10**9)
    assert curve.average_precision() == pytest.approx(small.average_precision(), rel=1e-14)
    assert curve.auroc() == pytest.approx(0.7, rel=1e-14)
    assert curve.auroc(0.25) == pytest.approx(small.auroc(0.25), rel=1e-14)


def test_sums_of_many_terms_are_those_of_fsum():
    rng = np.random.default_rng(0)
    for size in (0, 1, 1024, 1025, 1039, 1040, 1041, 65_537):
        terms = rng.random(size)
        assert sum_of(terms) == pytest.approx(math.fsum(terms), rel=2.0**-49)
        before = terms.copy()
        sum_of(terms)
        assert (terms == before).all()


@pytest.mark.parametrize("end", [0, -0.1, 1.5, float("nan"), "a", None])
def test_max_fpr_is_in_0_to_1(end):
    curve = Curve.from_bins([[1, 0], [0, 1]], [0.0, 1.0])
    if end is None:
        assert curve.auroc(end) == 1
        return
    with pytest.raises(ValueError, match="max_fpr must be"):
        curve.auroc(end)


def test_an_unknown_method_is_refused_also_without_positives():
    for table in ([[1, 0], [0, 1]], [[1, 0], [0, 0]]):
        with pytest.raises(ValueError, match="one of step, trapezoid, interpolated, got 'exact'"):
            Curve.from_bins(table, [0.0, 1.0]).average_precision("exact")


def test_nothing_warns_for_empty_bins_and_one_class():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for table in ([[0, 0], [0, 0]], [[0, 3], [0, 0]], [[0, 0], [2, 0]], [[0.0, 0], [0.5, 0]]):
            curve = Curve.from_bins(table, [0.0, 1.0])
            for method in ("step", "trapezoid", "interpolated"):
                curve.average_precision(method)
            curve.auroc()
            curve.auroc(0.5)
