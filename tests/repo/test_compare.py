"""The comparison helper fails when it should."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from compare import (
    assert_close_sums,
    assert_rounded,
    assert_same_bits,
    assert_same_data,
    assert_same_fields,
)

from fastpr.curves.ratios import precision_recall

TABLE = np.array([[2, 1, 0], [0, 1, 3]])


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (np.array([1, 2]), np.array([[1, 2]])),
        (np.array([1, 2]), np.array([1, 2, 3])),
        (np.array([0.0]), np.array([-0.0])),
        (np.array([0.1 + 0.2]), np.array([0.3])),
        (np.array([np.nan]), np.array([1.0])),
        (np.array([], np.int64), np.array([], np.float64)),
    ],
)
def test_arrays_that_differ_are_told_apart(actual, expected):
    with pytest.raises(AssertionError):
        assert_same_bits(actual, expected)


def test_equal_arrays_pass():
    assert_same_bits(np.array([1.5, np.nan, -0.0]), np.array([1.5, np.nan, -0.0]))


@pytest.mark.parametrize("field", range(7))
def test_a_difference_in_any_field_is_found(field):
    data = precision_recall(TABLE)
    changed = np.array(data[field])
    changed[-1] = np.nextafter(changed[-1], 9) if changed.dtype.kind == "f" else changed[-1] + 1
    name = data._fields[field]
    with pytest.raises(AssertionError, match=name):
        assert_same_data(data._replace(**{name: changed}), data)


def test_other_types_are_told_apart():
    data = precision_recall(TABLE)
    with pytest.raises(AssertionError):
        assert_same_data(tuple(data), data)


@pytest.mark.parametrize("error", [1e-11, np.nan, np.inf])
def test_sums_that_are_off_are_found(error):
    with pytest.raises(AssertionError):
        assert_close_sums(np.array([1.0, 2.0 + error]), np.array([1.0, 2.0]))
    with pytest.raises(AssertionError):
        assert_close_sums(np.array([1e-300]), np.array([0.0]))


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray | None


class OtherPair(NamedTuple):
    first: np.ndarray
    other: np.ndarray | None


@pytest.mark.parametrize(
    "other",
    [
        Pair(np.array([1, 2]), np.array([3])),
        Pair(np.array([1, 3]), None),
        Pair(np.array([1, 2], np.int32), None),
        Pair([1, 2], None),
        Pair(None, None),
        OtherPair(np.array([1, 2]), None),
    ],
)
def test_a_difference_of_fields_is_found(other):
    pair = Pair(np.array([1, 2]), None)
    assert_same_fields(pair, Pair(np.array([1, 2]), None))
    with pytest.raises(AssertionError):
        assert_same_fields(other, pair)
    with pytest.raises(AssertionError):
        assert_same_fields(pair._replace(second=np.array([3])), Pair(*other)._replace(second=None))


@pytest.mark.parametrize(
    "value", [0.1, np.nextafter(1 / 3, 1), np.nextafter(1 / 3, 0), np.nan, np.inf, -1 / 3]
)
def test_a_float_that_is_not_the_nearest_is_found(value):
    assert_rounded(np.array([1 / 3, 0.0]), [Fraction(1, 3), Fraction(0)])
    with pytest.raises(AssertionError):
        assert_rounded(np.array([0.0, value]), [Fraction(0), Fraction(1, 3)])


@pytest.mark.parametrize("value", [1 / 3 + 2e-15, 1 / 3 - 2e-15, np.nan, np.inf])
def test_a_float_that_is_too_far_is_found(value):
    assert_rounded(1 / 3 + 1e-16, [Fraction(1, 3)], 1e-15)
    with pytest.raises(AssertionError):
        assert_rounded(value, [Fraction(1, 3)], 1e-15)
    with pytest.raises(AssertionError):
        assert_rounded(1e-300, [Fraction(0)], 1e-15)


@pytest.mark.parametrize("values", [[1 / 3], [1 / 3] * 3, [1, 1], np.float32([1 / 3] * 2)])
def test_other_sizes_and_dtypes_are_not_rounded_fractions(values):
    with pytest.raises(AssertionError):
        assert_rounded(values, [Fraction(1, 3)] * 2)
