"""Weights: real numbers that are finite and not negative, as float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import Array
from fastpr.arrays.first import First, first_bad, position_text
from fastpr.arrays.host import WEIGH_NOTHING, host_array
from fastpr.backends.protocol import bfloat16_values


def weight_array(
    weights: ArrayLike, name: str = "weights", if_masked: str = WEIGH_NOTHING
) -> tuple[Array, bool]:
    """Return `host_array` of weights, if their dtype is one of real numbers or bool."""
    array, is_bfloat16 = host_array(weights, name, if_masked)
    check_weight_dtype(array.dtype, is_bfloat16, name)
    return array, is_bfloat16


def check_weight_dtype(dtype: np.dtype[Any], is_bfloat16: bool, name: str = "weights") -> None:
    """Raise TypeError if a dtype is not one of real numbers or bool."""
    if not is_bfloat16 and dtype.kind not in "biuf":
        raise TypeError(f"{name} have dtype {dtype}; pass real numbers or bool")


def as_float64(weights: Array, is_bfloat16: bool) -> NDArray[np.float64]:
    """Return what `weight_array` returned as float64, without a copy if that is what it is."""
    if is_bfloat16:
        weights = bfloat16_values(weights)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(weights, np.float64)


def check_weight_values(
    weights: Array, is_bfloat16: bool, name: str = "weights", left_out: str = "samples"
) -> None:
    """Raise ValueError if a weight is negative or not finite, with the first that is."""
    first = first_bad_weight(weights, is_bfloat16)
    if first is not None:
        raise ValueError(bad_weights(first, name, left_out))


def first_bad_weight(weights: Array, is_bfloat16: bool) -> First:
    """Return the first weight that is negative or not finite, and its index as text."""

    def is_bad(chunk: Array) -> Array:
        chunk = as_float64(chunk, is_bfloat16)
        return ~(np.isfinite(chunk) & (chunk >= 0))

    first = first_bad(weights, is_bad)
    if first is None:
        return None
    return as_float64(np.asarray(first[0]).reshape(1), is_bfloat16)[0], first[1]


def bad_weights(first: First, name: str = "weights", left_out: str = "samples") -> str:
    """Return the message about weights of which one is negative or not finite."""
    return (
        f"{name} must be finite and not negative ({position_text(first)}); pass 0 to leave "
        f"{left_out} out"
    )
