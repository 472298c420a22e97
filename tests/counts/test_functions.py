"""The function as a whole: properties, golden values and what the origin documents."""

import json
from pathlib import Path

import numpy as np
import oracle
import pytest
from backend_rows import using
from compare import assert_same_bits, assert_same_data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import fastpr
from fastpr.curves.ratios import precision_recall

GOLDEN = Path(__file__).parents[1] / "golden" / "equal_thresholds.json"


@given(
    scores=npst.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=30),
        elements=st.floats(0, 1, width=16),
    ),
    seed=st.integers(0, 99),
    num_thresholds=st.integers(2, 300),
)
def test_any_array_is_counted_by_the_definition(scores, seed, num_thresholds):
    labels = np.random.default_rng(seed).random(scores.shape) < 0.5
    expected = precision_recall(oracle.table(labels, scores, scores.dtype.name, num_thresholds))
    for backend in fastpr.available_backends():
        data = fastpr.precision_recall_at_equal_thresholds(
            labels, scores, num_thresholds=num_thresholds, backend=backend
        )
        assert_same_data(data, expected)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=40))
def test_returned_thresholds_reproduce_the_counts(samples):
    """Comparing with a threshold as a Python float, in the dtype of the scores."""
    labels = np.array([label for label, _ in samples])
    for dtype in (np.float16, np.float32, np.float64):
        scores = np.array([score for _, score in samples], dtype)
        data = fastpr.precision_recall_at_equal_thresholds(labels, scores, num_thresholds=11)
        for i, threshold in enumerate(data.thresholds.tolist()):
            assert data.tp[i] == np.count_nonzero(labels & (scores >= threshold))
            assert data.fn[i] == np.count_nonzero(labels & ~(scores >= threshold))


def test_a_score_written_as_a_threshold_is_at_it():
    for dtype in (np.float16, np.float32, np.float64):
        data = fastpr.precision_recall_at_equal_thresholds(
            [True], np.array([0.7], dtype), num_thresholds=11
        )
        assert data.tp.tolist() == [1] * 8 + [0] * 3


def test_golden_results_do_not_drift(row):
    """Hex floats, so that every bit counts. tests/golden/make_equal_thresholds.py made them."""
    golden = json.loads(GOLDEN.read_text())
    assert len(golden) == 4
    for case in golden:
        rng = np.random.default_rng(case["seed"])
        scores = (rng.integers(0, 2**16, case["num_samples"]) / 2**16).astype(case["dtype"])
        labels = rng.integers(0, 3, case["num_samples"]) == 0
        weights = rng.integers(0, 4, case["num_samples"]) if case["weighted"] else None
        with using(row) as backend:
            data = fastpr.precision_recall_at_equal_thresholds(
                labels, scores, weights, case["num_thresholds"], backend=backend
            )
        for name in ("tp", "fp", "tn", "fn"):
            assert getattr(data, name).tolist() == case[name], name
        for name in ("precision", "recall", "thresholds"):
            expected = np.array([float.fromhex(text) for text in case[name]])
            assert_same_bits(getattr(data, name), expected, name)


def test_weights_make_float_results_even_when_all_are_0():
    data = fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.9], [0, 0])
    assert data.tp.dtype == np.float64
    assert data.tp.sum() == 0


def test_a_weight_of_0_masks_a_sample_that_is_still_checked():
    with pytest.raises(ValueError, match="not in"):
        fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 9], [1, 0])
    with pytest.raises(ValueError, match="other than 0 and 1"):
        fastpr.precision_recall_at_equal_thresholds([0, 3], [0.2, 0.9], [1, 0])


def test_the_table_agrees_with_scikit_learns_curve_where_they_meet():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 201, 5000) / 200  # scores that are thresholds
    labels = rng.random(5000) < scores
    data = fastpr.precision_recall_at_equal_thresholds(labels, scores)
    precision, recall, thresholds = sklearn_metrics.precision_recall_curve(labels, scores)
    assert (thresholds == data.thresholds).all()
    np.testing.assert_allclose(data.precision, precision[:-1], rtol=1e-15)
    np.testing.assert_allclose(data.recall, recall[:-1], rtol=1e-15)


def test_the_memory_layout_changes_no_bit_of_weighted_sums():
    """Weights are added in C order, whatever order they lie in."""
    rng = np.random.default_rng(0)
    scores = rng.random((301, 47), dtype=np.float32)
    labels, weights = scores > 0.5, rng.random((301, 47))
    for backend in fastpr.available_backends():
        in_c = fastpr.precision_recall_at_equal_thresholds(
            labels, scores, weights, 11, backend=backend
        )
        in_fortran = fastpr.precision_recall_at_equal_thresholds(
            *map(np.asfortranarray, (labels, scores, weights)), 11, backend=backend
        )
        assert_same_data(in_fortran, in_c)
