"""Weights on CUDA: each is a whole number times a power of two, and such sums are exact.

A sum of weights is held in limbs of 32 bits, from the smallest value there is to more than
any sum can be. Adding is associative then, so it does not matter in which order threads
come, and the same weights give the same sum in every run, however they are split.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda.device import device_function
from fastpr.backends.cuda.loads import bits_of_float64

# What weights are read as. Floats are read as their bits.
WEIGHT_DTYPES: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.uint8),
    "f16": np.dtype(np.uint16),
    "bf16": np.dtype(np.uint16),
    "f32": np.dtype(np.uint32),
    "f64": np.dtype(np.int64),
    "i1": np.dtype(np.int8),
    "u1": np.dtype(np.uint8),
    "i2": np.dtype(np.int16),
    "u2": np.dtype(np.uint16),
    "i4": np.dtype(np.int32),
    "u4": np.dtype(np.uint32),
    "i8": np.dtype(np.int64),
    "u8": np.dtype(np.uint64),
}


class Grid(NamedTuple):
    """Limbs that sums of weights fit into.

    Attributes
    ----------
    exponent : int
        The first limb counts units of ``2**exponent``.
    num_limbs : int
        Enough for 2**40 of the largest weights.
    """

    exponent: int
    num_limbs: int


# From the smallest float32 above 0, 2**-149, to below 2**128; the same of float64.
NARROW = Grid(-149, 10)
WIDE = Grid(-1074, 67)
_WIDE_KINDS = ("f64", "i4", "u4", "i8", "u8")


def grid_of(kind: str) -> Grid:
    """Return the limbs of sums of weights of a kind."""
    return WIDE if kind in _WIDE_KINDS else NARROW


@cache
def make_is_weight(kind: str) -> Any:
    """Return whether a weight, as it is read, is finite and not negative."""
    if kind in ("bool", "u1", "u2", "u4", "u8"):
        return device_function(lambda weight: True)
    if kind in ("i1", "i2", "i4", "i8"):
        return device_function(lambda weight: weight >= 0)
    infinity, minus_zero = {
        "f16": (0x7C00, 0x8000),
        "bf16": (0x7F80, 0x8000),
        "f32": (0x7F800000, 0x80000000),
        "f64": (0x7FF0000000000000, -(2**63)),
    }[kind]
    if kind == "f64":
        return device_function(
            lambda weight: weight == minus_zero or (weight >= 0 and weight < infinity)
        )
    return device_function(lambda weight: weight == minus_zero or weight < infinity)


@cache
def make_split(kind: str) -> Any:
    """Return the function that makes a valid weight (mantissa, shift), in units of its grid.

    The mantissa is an int64 of at most 53 bits, or 24 where the grid is narrow.
    """
    if kind == "bool":
        return device_function(lambda weight: (np.int64(weight != 0), np.int32(149)))
    if kind in ("i1", "u1", "i2", "u2"):
        return device_function(lambda weight: (np.int64(weight), np.int32(149)))
    if kind in ("i4", "u4"):
        return device_function(lambda weight: (np.int64(weight), np.int32(1074)))
    split_f64 = _make_split_float(52, 0x7FF, 0)
    if kind in ("i8", "u8"):  # rounded to float64, as on the host
        return device_function(lambda weight: split_f64(bits_of_float64(np.float64(weight))))
    # the smallest float16 is 2**-24
    mantissa_bits, largest_exponent, shift = {
        "f16": (10, 0x1F, 149 - 24),
        "bf16": (7, 0xFF, 149 - 133),
        "f32": (23, 0xFF, 0),
        "f64": (52, 0x7FF, 0),
    }[kind]
    return _make_split_float(mantissa_bits, largest_exponent, shift)


@cache
def _make_split_float(mantissa_bits: int, largest_exponent: int, shift: int) -> Any:
    hidden = 1 << mantissa_bits

    def split(bits: Any) -> Any:
        # without the sign, which only 0 has
        exponent = np.int32((np.int64(bits) >> mantissa_bits) & largest_exponent)
        mantissa = np.int64(bits) & (hidden - 1)
        if exponent == 0:
            return mantissa, np.int32(shift)
        return mantissa | hidden, np.int32(exponent - 1 + shift)

    return device_function(split)


# ---- on the host ----


def too_large() -> OverflowError:
    """Return the error of a sum of weights that is no float64."""
    return OverflowError("the sum of the weights does not fit into float64; scale the weights down")


def sums_of_limbs(tables: dict[Any, NDArray[np.int64]]) -> NDArray[np.float64] | None:
    """Return exact sums as float64, and then what was rounded off, or None if all are 0.

    Parameters
    ----------
    tables : dict of Grid to ndarray of int64, shape (num_limbs * num_cells,)
        Limbs of 32 bits, which may have grown beyond; those of all grids are added up.

    Returns
    -------
    ndarray of float64, shape (2, num_cells), or None

    Raises
    ------
    OverflowError
        If a sum, or the sum of all, does not fit into float64.
    """
    totals: dict[int, int] = {}
    num_cells = 0
    for grid, table in tables.items():
        limbs = table.reshape(grid.num_limbs, -1)
        num_cells = limbs.shape[1]
        shift = grid.exponent - WIDE.exponent
        for cell in np.flatnonzero(limbs.any(axis=0)).tolist():
            total = sum(limb << (32 * i) for i, limb in enumerate(limbs[:, cell].tolist()))
            totals[cell] = totals.get(cell, 0) + (total << shift)
    if not totals:
        return None
    unit = 1 << -WIDE.exponent
    sums = np.zeros((2, num_cells))
    try:
        for cell, total in totals.items():
            sums[0, cell] = total / unit  # of integers, so correctly rounded
            numerator, denominator = float(sums[0, cell]).as_integer_ratio()
            sums[1, cell] = (total - numerator * (unit // denominator)) / unit
    except OverflowError:
        raise too_large() from None
    if not math.isfinite(math.fsum(sums[0])):
        raise too_large()
    return sums
