"""From integers to ratios, against exact fractions."""

import numpy as np
import oracle
import pytest
from compare import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import fastpr
from fastpr.curves import ratios

counts = st.integers(0, 2**40)
tables = st.integers(2, 40).flatmap(
    lambda size: st.lists(
        st.lists(counts, min_size=size, max_size=size), min_size=2, max_size=2
    ).map(np.array)
)


@given(tables)
def test_counts_and_ratios_are_the_exact_fractions_rounded(table):
    data, exact = ratios.precision_recall(table), oracle.curve(table)
    for name in ("tp", "fp", "tn", "fn"):
        assert getattr(data, name).dtype == np.int64
        assert getattr(data, name).tolist() == exact[name]
    for name in ("precision", "recall"):
        expected = [0.0 if ratio is None else float(ratio) for ratio in exact[name]]
        assert_same_bits(getattr(data, name), np.array(expected), name)


@pytest.mark.parametrize("value", [0.0, 1.0, float("nan")])
def test_zero_division_is_used_where_the_denominator_is_0_and_nowhere_else(value):
    nobody = ratios.precision_recall(np.array([[5, 0, 0], [0, 0, 0]]), value)
    assert_same_bits(nobody.precision, np.array([0.0, value, value]))
    assert_same_bits(nobody.recall, np.array([value, value, value]))
    empty = fastpr.PrecisionRecallAtEqualThresholds(3, zero_division=value).compute()
    assert_same_bits(empty.precision, np.array([value] * 3))
    assert_same_bits(empty.recall, np.array([value] * 3))


def test_counts_past_2_to_the_53_stay_exact():
    large = 2**61 + 1
    data = ratios.precision_recall(np.array([[large, 1], [3, large]]))
    assert data.fp.tolist() == [large + 1, 1]
    assert data.tp.tolist() == [large + 3, large]
    assert data.fn.tolist() == [0, 3]
    assert data.precision[0] == pytest.approx(0.5)


@given(st.integers(2, 300), st.integers(0, 2**32))
def test_float_sums_are_accurate_monotone_and_never_negative(size, seed):
    rng = np.random.default_rng(seed)
    table = rng.random((2, size)) * 10.0 ** rng.integers(-12, 12, (2, size))
    data, exact = ratios.precision_recall(table), oracle.curve(table)
    for name in ("tp", "fp", "tn", "fn"):
        values = getattr(data, name)
        assert (values >= 0).all()
        steps = np.diff(values)
        assert (steps <= 0).all() or (steps >= 0).all()
        np.testing.assert_allclose(values, exact[name], rtol=1e-13)
    assert (data.recall <= 1).all()
    assert (data.precision <= 1).all()
    assert data.recall[0] == 1


def test_sums_of_65537_tenths_do_not_drift():
    data = ratios.precision_recall(np.full((2, 65_537), 0.1))
    assert data.tp[0] == pytest.approx(6553.7, rel=1e-13, abs=0)


def test_f1_and_iou_are_those_of_the_definitions():
    data = ratios.precision_recall(np.array([[3, 1, 0], [1, 2, 0]]))
    assert ratios.f1(data).tolist() == [2 * 3 / (2 * 3 + 4), 2 * 2 / (2 * 2 + 1 + 1), 0.0]
    assert ratios.iou(data).tolist() == [3 / 7, 2 / 4, 0.0]
    empty = fastpr.PrecisionRecallAtEqualThresholds(3).compute()
    assert ratios.f1(empty).tolist() == [0.0, 0.0, 0.0]
    assert ratios.iou(empty).tolist() == [0.0, 0.0, 0.0]


def test_results_do_not_share_memory_with_the_state():
    state = fastpr.PrecisionRecallAtEqualThresholds(3).update([0, 1], [0.2, 0.9])
    before = state.to_bytes()
    data = state.compute()
    for array in data[:6]:
        array[:] = 7
    assert state.to_bytes() == before
    with pytest.raises(ValueError, match="read-only"):
        data.thresholds[0] = 1
