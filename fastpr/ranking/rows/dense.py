"""Arrays of rows, read in place where kernels can."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastpr.arrays.dtypes import Array
from fastpr.arrays.host import ALIGNED, readable


class RowArray:
    """An array ``[..., n]`` as rows, of which at most those that are asked for are copied.

    Parameters
    ----------
    array : ndarray, ndim >= 1
        Of any strides, byte order and alignment.
    dtype : numpy.dtype
        The native dtype that kernels read.

    Attributes
    ----------
    dtype : numpy.dtype
        As given.
    num_rows, length : int
        The number of rows, and of the values of each.
    readable_in_place : bool
        Whether rows are never copied.
    """

    __slots__ = ("_array", "_lead", "_rows", "dtype", "length", "num_rows", "readable_in_place")

    def __init__(self, array: Array, dtype: np.dtype[Any]):
        self.dtype = dtype
        self.length = array.shape[-1]
        self._array = array
        self._lead = array.shape[:-1]
        self.num_rows = math.prod(self._lead)
        # None where leading axes cannot be one without a copy
        self._rows = array if array.ndim == 2 else _merged(array, self.num_rows)
        self.readable_in_place = False
        if self._rows is not None and array.dtype == dtype and array.flags.num & ALIGNED:
            between, within = self._rows.strides
            itemsize = dtype.itemsize
            self.readable_in_place = (within == itemsize or self.length <= 1) and (
                between % itemsize == 0 or self.num_rows <= 1
            )

    def read(self, start: int, stop: int) -> Array:
        """Return the rows from `start` to `stop`, each contiguous, of shape (stop - start, n)."""
        if self._rows is not None:
            rows = self._rows[start:stop]
            if self.readable_in_place:
                return rows
        else:
            rows = self._array[np.unravel_index(np.arange(start, stop), self._lead)]
        return readable(rows, self.dtype)

    def row(self, index: int) -> Array:
        """Return one row where it is."""
        row: Array
        if self._rows is not None:
            row = self._rows[index]
        else:
            row = self._array[np.unravel_index(index, self._lead)]
        return row


def _merged(array: Array, num_rows: int) -> Array | None:
    """Return an array with its leading axes as one, or None where that takes a copy."""
    expected: int | None = None
    if array.size:
        for size, stride in zip(array.shape[-2::-1], array.strides[-2::-1], strict=True):
            if size == 1:
                continue
            if expected not in (None, stride):
                return None
            expected = stride * size
    merged: Array = array.reshape(num_rows, array.shape[-1])
    return merged
