"""The comparison helper fails when it should."""

import numpy as np
import pytest
from compare import assert_close_sums, assert_same_bits, assert_same_data

from fastpr.curve import precision_recall

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
