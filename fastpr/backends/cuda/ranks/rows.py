"""Where the rows of the ranking kernels are, and searching among the sorted labels of one.

Functions that kernels call, and that use nothing of CUDA themselves. Numba computes with
integers of 64 bits unless told otherwise, hence the casts.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastpr.backends.cuda.device import inlined
from fastpr.backends.cuda.loads import loads
from fastpr.backends.cuda.ranks.scores import outranks

# How integers are stored: their size, and whether they have no sign. Of 64 bits, they may have
# none: what looks negative then is as far out of range.
UNSIGNED = 16
_int8, _int16, _int32, _int64 = (loads(dtype) for dtype in ("i1", "i2", "i4", "i8"))
_uint8, _uint16, _uint32 = (loads(dtype) for dtype in ("u1", "u2", "u4"))


def storage_of(dtype: np.dtype[Any]) -> int:
    """Return how integers of a type are stored."""
    is_unsigned = dtype.kind != "i" and dtype.itemsize < 8
    return dtype.itemsize + (UNSIGNED if is_unsigned else 0)


# What a group of threads knows of its row; after that, it has a word for each thread.
VALID, STORED, REPEATED, TOTAL, IN_PLAY, INSIDE = (np.int32(i) for i in range(6))
NUM_OWN = 8

NO_LABEL = np.int32(2**31 - 1)  # after every id
ZERO, ONE = np.int32(0), np.int32(1)


def integers(in_shared: bool) -> tuple[Any, Any]:
    """Return what places in a workspace are, as indices and as numbers.

    An index without a sign spares what a negative one would need.
    """
    return (np.uint32, np.int32) if in_shared else (np.uint64, np.int64)


@inlined
def read_integer(address, storage):
    """Return an integer of any type as one of 64 bits."""
    if storage == 8:
        return np.int64(_int64(address))
    if storage == 4:
        return np.int64(_int32(address))
    if storage == 2:
        return np.int64(_int16(address))
    if storage == 1:
        return np.int64(_int8(address))
    if storage == UNSIGNED + 4:
        return np.int64(_uint32(address))
    if storage == UNSIGNED + 2:
        return np.int64(_uint16(address))
    return np.int64(_uint8(address))


@inlined
def labels_of_row(row, num_labels, starts, starts_stride, starts_storage):
    """Return where the labels of a row begin, and their number; -1 if that makes no sense."""
    if starts_storage == 0:
        return np.int64(row * num_labels), np.int32(num_labels)
    begin = read_integer(np.int64(starts + row * starts_stride), starts_storage)
    end = read_integer(np.int64(starts + (row + 1) * starts_stride), starts_storage)
    if begin < 0 or end < begin or num_labels < end:
        return np.int64(0), np.int32(-1)
    return begin, np.int32(end - begin)


@inlined
def scores_of_row(row, scores, row_stride, class_stride, score_starts, num_classes):
    """Return where the scores of a row begin, and their number."""
    if score_starts == 0:
        return np.int64(scores + row * row_stride), np.int32(num_classes)
    begin = _int64(np.int64(score_starts + 8 * row))
    end = _int64(np.int64(score_starts + 8 * (row + 1)))
    return np.int64(scores + begin * class_stride), np.int32(end - begin)


@cache
def make_searches(as_index: Any) -> Any:
    """Return how to search sorted labels, whose places in arrays are integers of a type.

    Places are relative to where the labels of a row begin in `keys` and in `words`.
    """

    @inlined
    def first_not_above(keys, key_at, low, high, key):
        """Return the first label whose score is not above another one."""
        while low < high:
            middle = np.int32((low + high) >> 1)
            if outranks(keys[as_index(key_at + middle)], 0, key, 0):
                low = np.int32(middle + 1)
            else:
                high = middle
        return low

    @inlined
    def first_below(keys, key_at, low, high, key):
        """Return the first label whose score is below another one."""
        while low < high:
            middle = np.int32((low + high) >> 1)
            if outranks(key, 0, keys[as_index(key_at + middle)], 0):
                high = middle
            else:
                low = np.int32(middle + 1)
        return low

    @inlined
    def first_outranked(keys, key_at, words, at, low, high, key, own):
        """Return the first label that a class outranks."""
        while low < high:
            middle = np.int32((low + high) >> 1)
            other = words[as_index(at + middle)]
            if outranks(key, own, keys[as_index(key_at + middle)], other):
                high = middle
            else:
                low = np.int32(middle + 1)
        return low

    return SimpleNamespace(
        first_not_above=first_not_above, first_below=first_below, first_outranked=first_outranked
    )
