"""What one sample is, on CUDA: whether it is valid, and which bin it belongs to.

Functions that kernels call, and that use nothing of CUDA themselves.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastpr.backends.cuda.device import device_function
from fastpr.backends.cuda.loads import fma
from fastpr.backends.rules import MINUS_ZERO_HALF, bin_index

SCORE_DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "u8": np.dtype(np.uint8),
    "u16": np.dtype(np.uint16),
    "half": np.dtype(np.uint16),
}


bin_index_on_device = device_function(bin_index)


@cache
def make_is_score(kernel: str) -> Any:
    """Return whether a score is in [0, 1]; NaN is not."""
    if kernel in ("f32", "f64"):
        return device_function(lambda score, one: score >= 0 and score <= 1)
    if kernel == "half":
        minus_zero = MINUS_ZERO_HALF
        return device_function(lambda score, one: score <= one or score == minus_zero)
    return device_function(lambda score, one: True)


@cache
def make_is_label(dtype: np.dtype[Any]) -> Any:
    """Return whether a label is 0 or 1; any byte of a bool array is."""
    if dtype == np.uint8:
        return device_function(lambda label: True)
    return device_function(lambda label: label == 0 or label == 1)


@cache
def make_bin(kernel: str) -> Any:
    """Return the bin of a valid score.

    Of a float, the bin is guessed as ``rint(score * last)``, and then decided by comparing
    with that threshold, which is computed to the last bit: see csrc/histogram/encode.h, whose
    form it is. Of an integer, it is the largest i with ``i * largest <= score * last``.
    """
    if kernel in ("f32", "f64"):
        real = np.float32 if kernel == "f32" else np.float64
        # adding it rounds to an integer
        rounder = real(1.5 * 2.0 ** (23 if kernel == "f32" else 52))

        def bin_of_float(score: Any, last: Any, high: Any, low: Any, thresholds: Any) -> Any:
            nearest = fma(score, last, rounder) - rounder
            threshold = fma(high, nearest, nearest * low)
            return np.int32(nearest) - np.int32(score < threshold)

        return device_function(bin_of_float)
    if kernel in ("u8", "u16"):
        largest = np.uint32(255 if kernel == "u8" else 65_535)

        def bin_of_integer(score: Any, last: Any, high: Any, low: Any, thresholds: Any) -> Any:
            return np.int32(np.uint32(score) * np.uint32(last) // largest)

        return device_function(bin_of_integer)

    def bin_of_half(score: Any, last: Any, high: Any, low: Any, thresholds: Any) -> Any:
        return np.int32(bin_index_on_device(np.uint16(score & 0x7FFF), thresholds))

    return device_function(bin_of_half)


@cache
def make_value(kernel: str) -> Any:
    """Return what a valid score is counted as: its value, where `counts_values`, or its bin."""
    if kernel == "u8":
        return device_function(lambda score, last, high, low, thresholds: np.int32(score))
    if kernel == "half":
        return device_function(lambda score, last, high, low, thresholds: np.int32(score & 0x7FFF))
    return make_bin(kernel)


def counts_values(kernel: str) -> bool:
    """Return whether scores are counted by value, without weights."""
    return kernel in ("u8", "half")
