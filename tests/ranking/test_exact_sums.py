"""Exact sums, against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from compare import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

from fastpr.ranking.exact_sums import (
    MAX_LIMBS,
    UNIT_EXPONENT,
    exact_sums,
    from_limbs,
    quotient,
    to_limbs,
)

UNIT = Fraction(1, 2**-UNIT_EXPONENT)
LARGEST = np.finfo(np.float64).max
SMALLEST = 5e-324
terms = st.floats(0, allow_nan=False, allow_infinity=False)
totals = st.integers(0, 2**2160)


def fraction_sum(values) -> int:
    units = sum(map(Fraction, np.asarray(values, np.float64).tolist()), Fraction(0)) / UNIT
    assert units.denominator == 1
    return units.numerator


def assert_exact(values) -> None:
    """Fail unless the sum of some terms is right: alone, backwards, and beside another column."""
    values = np.asarray(values, np.float64)
    expected = fraction_sum(values)
    assert int(exact_sums(values)) == expected
    assert int(exact_sums(values[::-1])) == expected
    columns = exact_sums(np.stack([values, values[::-1] / 2 + 1.0, values], axis=1))
    assert columns.shape == (3,)
    assert columns[0] == columns[2] == expected
    assert columns[1] == fraction_sum(values / 2 + 1.0)
    assert all(type(total) is int for total in columns)


def all_bits(rng, count, lowest, highest):
    """Numbers of 53 ones and zeros, of all magnitudes in a range of exponents."""
    bits = rng.integers(2**52, 2**53, count).astype(np.float64)
    return np.ldexp(bits, rng.integers(lowest - 52, highest - 52, count))


RNG = np.random.default_rng(7)
ADVERSARIAL = {
    "nothing": [],
    "zeros": [0.0] * 100,
    "one": [1.0],
    "minus zero": [-0.0] * 50 + [1.0],
    "the smallest": [SMALLEST] * 100,
    "subnormal": np.arange(100) * SMALLEST,
    "around the smallest normal": 2.0**-1022 + np.arange(-50, 50) * SMALLEST,
    "the largest": [LARGEST] * 1000,
    "the largest and the smallest": [LARGEST, SMALLEST] * 50,
    "all exponents": np.ldexp(1.0, np.arange(-1074, 1024)),
    "all exponents, all bits": np.ldexp(2 - 2.0**-52, np.arange(-1022, 1024)),
    "where large begins": [2.0**900, np.nextafter(2.0**900, 0), np.nextafter(2.0**900, np.inf)] * 9,
    "as many bits as are added up": [1 - 2.0**-40] * 16383,
    "as many of what is left": [1.0] + [2.0**-40 - 2.0**-81] * 8191,
    "just below one": [1 - 2.0**-53] * 9000,
    "ones and a little": [1.0] * 8000 + [2.0**-53, 2.0**-1074, 1e-200],
    "halfway": [0.5 + 2.0**-40, 0.5 + 2.0**-41, 0.5 + 3 * 2.0**-41] * 3000,
    "all bits": all_bits(RNG, 20000, -30, 1),
    "all bits, far apart": all_bits(RNG, 3000, -1000, 1000),
    "all bits, low": all_bits(RNG, 3000, -1021, -900),
    "all bits, high": all_bits(RNG, 3000, 890, 1023),
    "ratios": RNG.integers(0, 7, 20000) / RNG.integers(1, 40, 20000),
    "exactly one chunk": RNG.random(8192),
    "one chunk and one": RNG.random(8193),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_sums_are_exact(name):
    assert_exact(ADVERSARIAL[name])


@given(st.lists(terms, max_size=40), st.integers(1, 5))
def test_sums_of_any_terms_are_exact(values, times):
    assert_exact(values * times)


@given(st.lists(st.floats(0, 1), max_size=100))
def test_sums_of_terms_up_to_one_are_exact(values):
    assert_exact(values)


@given(st.lists(terms, min_size=1, max_size=200), st.integers(0, 200), st.randoms())
def test_sums_do_not_depend_on_order_or_grouping(values, cut, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    parts = [exact_sums(np.array(part, float)) for part in (shuffled[:cut], shuffled[cut:])]
    assert sum(map(int, parts)) == int(exact_sums(np.array(values)))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (5, 0), (1, 1), (40, 1), (0, 2, 3), (40, 1, 1)])
def test_the_first_axis_is_summed(shape):
    sums = exact_sums(np.ones(shape))
    assert sums.shape == shape[1:]
    assert sums.dtype == object
    assert all(total == shape[0] << -UNIT_EXPONENT for total in sums.ravel().tolist())


@pytest.mark.parametrize("shape", [(3, 2, 4), (50, 2, 4), (9000, 2, 1), (7, 100, 60), (90, 1, 500)])
def test_columns_are_summed_alike_in_every_layout(shape):
    values = np.random.default_rng(1).random(shape) ** 20
    expected = exact_sums(values)
    assert expected.shape == shape[1:]
    for index in ((0, 0), (-1, -1), (shape[1] // 2, shape[2] // 2)):
        assert expected[index] == fraction_sum(values[(slice(None), *index)])
    wide = np.repeat(values, 2, axis=0)[::2]
    moved = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 0, -1)), -1, 0)
    for other in (wide, moved, np.asfortranarray(values), values[::-1], values[:, ::-1][:, ::-1]):
        assert (exact_sums(other) == expected).all()
    values.flags.writeable = False
    assert (exact_sums(values) == expected).all()
    assert (exact_sums(values.reshape(len(values), -1)).reshape(shape[1:]) == expected).all()


def test_terms_that_share_memory_are_summed():
    term = np.float64(1 / 3)
    expected = 100_000 * fraction_sum([term])
    assert int(exact_sums(np.broadcast_to(term, 100_000))) == expected
    assert exact_sums(np.broadcast_to(term, (100_000, 3))).tolist() == [expected] * 3


def test_terms_are_not_written_to():
    values = np.array([LARGEST, 1.0, SMALLEST] * 20)
    columns = values.reshape(30, 2)
    before = values.copy()
    exact_sums(values)
    exact_sums(columns)
    assert_same_bits(values, before)


def test_more_rows_than_are_added_up_in_int64_are_summed():
    num_rows = (1 << 20) + 5
    values = np.full((num_rows, 2), 1 - 2.0**-53)
    values[:, 1] = 2.0**-1074
    assert exact_sums(values).tolist() == [num_rows * fraction_sum([1 - 2.0**-53]), num_rows]
    assert int(exact_sums(values[:, 0])) == num_rows * fraction_sum([1 - 2.0**-53])


# ---- quotients ----


@given(totals, st.integers(1, 2**2160))
def test_quotients_are_correctly_rounded(total, weight):
    try:
        expected = float(Fraction(total, weight))
    except OverflowError:
        with pytest.raises(OverflowError):
            quotient(total, weight)
    else:
        assert quotient(total, weight) == expected


def test_the_quotient_of_no_weight_is_0():
    assert math.copysign(1.0, quotient(0, 0)) == 1.0
    assert quotient(0, 0) == quotient(5, 0) == 0.0


def test_means_at_the_ends_of_the_range_are_right():
    for value in (SMALLEST, 3 * SMALLEST, 2.0**-1022, 1.0, LARGEST):
        total = int(exact_sums(np.full(1000, value)))
        assert quotient(total, 1000 << -UNIT_EXPONENT) == value


# ---- limbs ----


@given(st.lists(totals | st.integers(0, 3) | totals.map(lambda n: n >> 1000 << 1000), max_size=5))
def test_limbs_hold_the_totals_and_nothing_else(values):
    first, limbs = to_limbs(values)
    assert type(first) is int
    assert limbs.dtype == np.int64
    assert limbs.shape[0] == len(values)
    if any(values):
        assert limbs[:, 0].any()
        assert limbs[:, -1].any()
    else:
        assert (first, limbs.shape) == (0, (len(values), 0))
    assert from_limbs(first, limbs) == values


def test_limbs_are_little_endian_from_the_first_that_is_needed():
    first, limbs = to_limbs([5 << 128, (1 << 256) - (1 << 128), 0])
    assert first == 2
    assert_same_bits(limbs, np.array([[5, 0], [-1, -1], [0, 0]]))
    first, limbs = to_limbs(np.array([1, 2**64], object))
    assert first == 0
    assert_same_bits(limbs, np.array([[1, 0], [0, 1]]))


@pytest.mark.parametrize(
    ("first", "limbs", "message"),
    [
        (0, [[0, 1]], "all 0"),
        (0, [[1, 0], [1, 0]], "all 0"),
        (3, [[0]], "all 0"),
        (3, [[], []], "all 0"),
        (0, np.zeros((0, 2)), "all 0"),
        (-1, [[1]], "limbs -1 to 0"),
        (MAX_LIMBS, [[1]], "at most 34 limbs, and the saved ones are limbs 34 to 35"),
        (MAX_LIMBS - 1, [[1, 1]], "limbs 33 to 35"),
        (0, np.ones((2, MAX_LIMBS + 1)), "limbs 0 to 35"),
        (10**30, [[1]], "damaged"),
    ],
)
def test_limbs_that_no_totals_have_are_refused(first, limbs, message):
    with pytest.raises(ValueError, match=message):
        from_limbs(first, np.array(limbs, np.int64))


def test_the_largest_sums_have_limbs():
    most = (2**63 - 1) * fraction_sum([LARGEST])
    assert from_limbs(*to_limbs([most, 1])) == [most, 1]
