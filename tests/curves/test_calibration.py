"""Calibration errors, whose bounds come from the edges of the bins."""

import curve_oracle as oracle
import numpy as np
import pytest
from curve_cases import curve_of, random_samples, table_of

import fastpr
from fastpr.arrays.dtypes import FLOAT16, FLOAT32
from fastpr.counts.bins import stored_thresholds
from fastpr.curves.calibration import reliability
from fastpr.curves.curve import Curve


@pytest.mark.parametrize("norm", ["l1", "max"])
def test_the_exact_error_is_between_the_bounds(norm):
    rng = np.random.default_rng(1)
    widths = {11: [], 201: [], 4001: []}
    for trial in range(600):
        num_thresholds = (11, 201, 4001)[trial % 3]
        labels, scores, weights = random_samples(rng, num_thresholds, 30)
        if weights is not None and not weights.any():
            continue
        curve = curve_of(labels, scores, num_thresholds, weights)
        for num_bins in (10, 5, 1):
            estimate = curve.expected_calibration_error(num_bins, norm)
            exact = oracle.calibration_error(labels, scores, num_bins, norm, weights)
            assert estimate.low <= exact <= estimate.high
            assert estimate.low <= float(estimate) <= estimate.high
            widths[num_thresholds].append(estimate.width)
    print({key: float(np.mean(parts)) for key, parts in widths.items()})
    assert np.mean(widths[201]) < np.mean(widths[11]) / 10


def test_scores_of_whole_bins_are_exact():
    """uint8 at full resolution: any number of bins will do, and nothing is left open."""
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 256, 500)
    labels = rng.random(500) < codes / 300
    values = np.arange(256) / 255
    table = np.stack([np.bincount(codes[labels == c], minlength=256) for c in (0, 1)])
    curve = Curve.from_bins(table, values, exact=True)
    for num_bins in (1, 3, 5, 7, 10, 15, 255, 1000):
        for norm in ("l1", "max"):
            error = curve.expected_calibration_error(num_bins, norm)
            exact = oracle.calibration_error(labels, codes / 255, num_bins, norm)
            assert error == pytest.approx(float(exact), abs=1e-14)
            assert error.low <= exact <= error.high
            assert error.is_exact
            assert error.width < 1e-12


@pytest.mark.parametrize(("kind", "dtype"), [(FLOAT16, np.float16), (FLOAT32, np.float32)])
def test_edges_that_were_rounded_to_the_dtype_of_the_scores(kind, dtype):
    """A score just below the float64 edge can be in the bin above; `lowest_scores` says so."""
    stored = stored_thresholds(201, kind)
    lowest = stored.view(dtype).astype(float)
    edges = np.arange(201) / 200
    scores = lowest[lowest < edges]
    assert len(scores) > 50
    labels = np.zeros(len(scores), bool)
    table = np.zeros((2, 201), np.int64)
    table[0, np.flatnonzero(lowest < edges)] = 1
    curve = Curve.from_bins(table, edges, lowest_scores=lowest)
    error = curve.expected_calibration_error(1)
    exact = oracle.calibration_error(labels, scores, 1)
    assert error.low <= exact <= error.high
    without = Curve.from_bins(table, edges).expected_calibration_error(1)
    assert not without.low <= exact <= without.high


def test_the_parts_of_a_reliability_diagram():
    labels, scores = [0, 1, 1, 0, 1], [0.05, 0.3, 0.45, 0.5, 1.0]
    parts = reliability(curve_of(labels, scores, 21), 2)
    assert parts.edges.tolist() == [0.0, 0.5, 1.0]
    assert parts.num_samples.tolist() == [3, 2]
    assert parts.positive_fraction.tolist() == [2 / 3, 0.5]
    assert parts.low == pytest.approx([0.8 / 3, 0.75])
    assert parts.high == pytest.approx([0.95 / 3, 1.55 / 2])
    empty = reliability(curve_of([1], [0.9], 3), 2)
    assert np.isnan(empty.low[0])
    assert np.isnan(empty.positive_fraction[0])


def test_edges_that_cut_through_bins_are_refused_with_those_that_do_not():
    curve = curve_of([0, 1], [0.2, 0.8], 13)
    for num_bins in (1, 2, 3, 4, 6, 12):
        curve.expected_calibration_error(num_bins)
    with pytest.raises(ValueError, match="got 10, the nearest that do are 1, 2, 3, 4, 6, 12"):
        curve.expected_calibration_error(10)
    for num_bins in (0, -1, 2.5, True, "a", None):
        with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
            curve.expected_calibration_error(num_bins)
    with pytest.raises(ValueError, match="norm must be one of l1, max, got 'l2'"):
        curve.expected_calibration_error(2, "l2")


def test_scores_beyond_the_first_and_last_threshold():
    edges = np.array([0.25, 0.5, 0.75])
    scores, labels = np.array([0.1, 0.3, 0.6, 0.9]), np.array([0, 1, 0, 1])
    counts = [[int(np.sum((scores >= t) & (labels == c))) for t in edges] for c in (1, 0)]
    tp, fp = np.array(counts)
    curve = Curve.from_counts(tp, fp, 2 - fp, 2 - tp, edges)
    parts = reliability(curve, 4)
    assert parts.low.tolist() == [0.0, 0.25, 0.5, 0.75]
    assert parts.high.tolist() == [0.25, 0.5, 0.75, 1.0]
    exact = oracle.calibration_error(labels, scores, 4)
    error = curve.expected_calibration_error(4)
    assert error.low <= exact <= error.high
    wide = Curve.from_counts(tp, fp, 2 - fp, 2 - tp, edges, score_range=(-1.0, 4.0))
    assert reliability(wide, 1).low == pytest.approx([(-1 + 0.25 + 0.5 + 0.75) / 4])
    assert reliability(wide, 1).high == pytest.approx([(0.25 + 0.5 + 0.75 + 4) / 4])


def test_without_samples_it_is_nan():
    for weights in (None, np.zeros(1)):
        labels = [] if weights is None else [1]
        curve = curve_of(labels, np.full(len(labels), 0.5), 11, weights)
        error = curve.expected_calibration_error()
        assert np.isnan(error)
        assert np.isnan(error.low)


def test_tables_are_as_comparison_says():
    edges = np.arange(11) / 10
    table = table_of([0, 1, 1], [0.7, np.nextafter(0.7, 0), 1.0], edges)
    assert np.flatnonzero(table[0]).tolist() == [7]
    assert np.flatnonzero(table[1]).tolist() == [6, 10]


def test_a_single_score_belongs_where_its_value_is_not_where_its_bin_starts():
    """179/255 is above 0.7, though its bin of 1/256 starts below."""
    codes = np.arange(256, dtype=np.uint8)
    labels = codes % 3 == 0
    state = fastpr.PrecisionRecallAtEqualThresholds(257).update(labels, codes)
    curve = state.curve()
    assert curve.cuts.edges[179] < 0.7 < 179 / 255
    assert curve.is_exact
    for norm in ("l1", "max"):
        error = curve.expected_calibration_error(10, norm)
        exact = oracle.calibration_error(labels, codes / 255, 10, norm)
        assert error == pytest.approx(float(exact), abs=1e-14)
        assert error.low <= exact <= error.high
