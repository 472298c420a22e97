"""Sums of tables of groups, against sums of fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpr.resampling import group_tables
from fastpr.resampling.group_tables import GroupTables

counts = st.integers(0, 2**57)
weights = st.floats(0, 1e30) | st.floats(0, 1, allow_subnormal=True) | st.just(0.0)


def drawn_tables(data, values, dtype):
    num_groups, num_bins = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 3))
    size = 2 * num_bins
    rows = data.draw(
        st.lists(st.lists(values, min_size=size, max_size=size), min_size=num_groups,
                 max_size=num_groups)
    )  # fmt: skip
    return [np.array(row, dtype).reshape(2, num_bins) for row in rows]


def drawn_multiplicities(data, num_groups):
    rows = st.lists(st.integers(0, num_groups - 1), min_size=num_groups, max_size=num_groups)
    taken = data.draw(st.lists(rows, min_size=1, max_size=3))
    return np.array([np.bincount(row, minlength=num_groups) for row in taken], float)


def expected_sums(tables, multiplicities):
    """Return the exact sums as fractions, of shape (R, 2, B)."""
    exact = [[[Fraction(v.item()) for v in row] for row in table] for table in tables]
    exact = np.array(exact, object)
    return np.array([sum(int(w) * t for w, t in zip(row, exact, strict=True))
                     for row in multiplicities])  # fmt: skip


def assert_rounded(sums, expected):
    for value, exact in zip(sums.ravel().tolist(), expected.ravel(), strict=True):
        assert abs(Fraction(value) - exact) <= exact * Fraction(1.0001 * 2.0**-52)


@given(st.data())
def test_counts_are_summed_exactly(data):
    tables = drawn_tables(data, counts, np.int64)
    multiplicities = drawn_multiplicities(data, len(tables))
    sums = GroupTables(tables).resampled(multiplicities)
    assert sums.dtype == np.int64
    assert (sums.astype(object) == expected_sums(tables, multiplicities)).all()


@given(st.data())
def test_sums_of_weights_are_rounded_in_the_last_place(data):
    tables = drawn_tables(data, weights, np.float64)
    multiplicities = drawn_multiplicities(data, len(tables))
    sums = GroupTables(tables).resampled(multiplicities)
    assert sums.dtype == np.float64
    assert_rounded(sums, expected_sums(tables, multiplicities))


@pytest.mark.parametrize("small", [5e-324, 2.2250738585e-313, 3e-310, 1e-300, 1.0])
@pytest.mark.parametrize("large", [1.0, 2.0**51, 1e30, 1e300])
def test_a_weight_beside_a_far_larger_one_keeps_its_last_bits(small, large):
    tables = [np.array([[weight], [0.0]]) for weight in (small, large, 3 * small)]
    multiplicities = np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]])
    sums = GroupTables(tables).resampled(multiplicities)
    assert_rounded(sums, expected_sums(tables, multiplicities))
    left_out = GroupTables(tables).without_each(0, 3)
    assert_rounded(left_out, expected_sums(tables, 1 - np.eye(3)))


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_each_group_is_left_out_in_turn(dtype):
    rng = np.random.default_rng(0)
    tables = [(rng.random((2, 5)) * 10.0 ** rng.integers(17)).astype(dtype) for _ in range(9)]
    expected = expected_sums(tables, 1 - np.eye(9))
    left_out = GroupTables(tables).without_each(2, 7)
    assert left_out.shape == (5, 2, 5)
    assert_rounded(left_out, expected[2:7])
    if dtype is np.int64:
        assert (left_out.astype(object) == expected[2:7]).all()


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("max_bytes", [1, 300, 1000])
def test_columns_in_parts_give_the_same_bits(dtype, max_bytes, monkeypatch):
    rng = np.random.default_rng(1)
    tables = [(rng.random((2, 7)) * 2.0**58 / 12).astype(dtype) for _ in range(12)]
    multiplicities = rng.multinomial(12, [1 / 12] * 12, size=20).astype(float)
    whole = GroupTables(tables)
    monkeypatch.setattr(group_tables, "MAX_BYTES", max_bytes)
    parts = GroupTables(tables)
    assert len(parts._tiles) > len(whole._tiles) == 1
    assert parts.resampled(multiplicities).tobytes() == whole.resampled(multiplicities).tobytes()
    assert parts.without_each(0, 12).tobytes() == whole.without_each(0, 12).tobytes()


def test_sums_of_weights_do_not_depend_on_how_many_are_made_together():
    rng = np.random.default_rng(2)
    tables = GroupTables([rng.random((2, 33)) for _ in range(70)])
    multiplicities = rng.multinomial(70, [1 / 70] * 70, size=50).astype(float)
    together = tables.resampled(multiplicities)
    for i in range(50):
        assert tables.resampled(multiplicities[i : i + 1]).tobytes() == together[i].tobytes()


def test_a_table_without_a_layout_counts_as_zeros():
    tables = GroupTables([np.zeros((2, 0), np.int64), np.ones((2, 3), np.int64)])
    assert tables.resampled(np.array([[2.0, 0.0], [1.0, 1.0]])).tolist() == [
        [[0, 0, 0]] * 2,
        [[1, 1, 1]] * 2,
    ]


def test_more_than_can_be_counted_is_refused():
    with pytest.raises(OverflowError, match="more than can be counted"):
        GroupTables([np.array([[2**61], [2**61]]), np.array([[0], [1]])])
    with pytest.raises(OverflowError, match="scale the weights down"):
        GroupTables([np.array([[1.7e308], [0.0]]), np.array([[0.0], [1.0]])])
