"""Comparison of results, bit for bit; test_compare.py shows that it fails when it should."""

import math
from fractions import Fraction

import numpy as np


def assert_same_bits(actual, expected, what="value"):
    """Fail unless two arrays have the same dtype, shape and bytes (NaN equal to NaN)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{what}: dtype {actual.dtype} and {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape} and {expected.shape}"
    if actual.dtype.kind == "f":
        unsigned = f"u{actual.itemsize}"
        same = (actual.view(unsigned) == expected.view(unsigned)) | (
            np.isnan(actual) & np.isnan(expected)
        )
    else:
        same = actual == expected
    different = np.flatnonzero(~np.atleast_1d(same))
    assert different.size == 0, (
        f"{what}: {different.size} of {actual.size} differ, first at {different[0]}: "
        f"{actual.reshape(-1)[different[0]]!r} and {expected.reshape(-1)[different[0]]!r}"
    )


def assert_same_data(actual, expected):
    """Fail unless two PrecisionRecallData are the same, bit for bit."""
    assert type(actual) is type(expected), f"{type(actual)} and {type(expected)}"
    for field in expected._fields:
        assert_same_bits(getattr(actual, field), getattr(expected, field), field)


def assert_same_fields(actual, expected, what="fields"):
    """Fail unless two named tuples, of any types, have the same fields, bit for bit, or None."""
    assert actual._fields == expected._fields, f"{what}: {actual._fields}, {expected._fields}"
    for field, ours, theirs in zip(expected._fields, actual, expected, strict=True):
        name = f"{what}: {field}"
        assert (ours is None) == (theirs is None), f"{name}: {ours!r} and {theirs!r}"
        if theirs is not None:
            assert isinstance(ours, np.ndarray), f"{name}: {type(ours)}"
            assert_same_bits(ours, theirs, name)


def assert_rounded(actual, exact, relative=0.0, what="value"):
    """Fail unless float64 values are fractions, correctly rounded, or within a relative error.

    Parameters
    ----------
    actual : float or array_like of float64
        What was computed.
    exact : sequence of Fraction
        What it is, in C order.
    relative : float
        0: the nearest float64, and no other.
    """
    actual = np.asarray(actual)
    assert actual.dtype == np.float64, f"{what}: {actual.dtype}"
    assert actual.size == len(exact), f"{what}: {actual.size} values and {len(exact)}"
    for index, (ours, theirs) in enumerate(zip(actual.reshape(-1).tolist(), exact, strict=True)):
        good = math.isfinite(ours) and (
            ours == float(theirs) or abs(Fraction(ours) - theirs) <= Fraction(relative) * theirs
        )
        assert good, f"{what} {index}: {ours!r} and {float(theirs)!r}"


def assert_close_sums(actual, expected, relative=1e-12):
    """Fail unless sums of weights agree within a relative error, and zeros are zeros."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"shape {actual.shape} and {expected.shape}"
    error = np.abs(actual - expected)
    bad = np.flatnonzero(~(error <= relative * np.abs(expected)))
    assert bad.size == 0, (
        f"{bad.size} of {actual.size} differ by more than {relative}, first at {bad[0]}: "
        f"{actual.reshape(-1)[bad[0]]!r} and {expected.reshape(-1)[bad[0]]!r}"
    )
