"""Comparison of results, bit for bit; test_compare.py shows that it fails when it should."""

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
