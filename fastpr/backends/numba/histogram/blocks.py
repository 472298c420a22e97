"""Counting blocks of samples: what the kernels need around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.numba.compile import read_only
from fastpr.backends.numba.histogram.encode import GROUP
from fastpr.backends.numba.histogram.hot_bins import NUM_HOT
from fastpr.backends.numba.histogram.kernels import NUM_ROWS, TURNS, make_count, make_weigh

Array = NDArray[Any]

# More copies than the nearest cache holds cost more than they save: rows where codes come
# again at once are counted otherwise.
COUNT_CACHE = 24 * 1024
SUM_CACHE = 32 * 1024
WIDEST_IN_16 = 32_767  # one value more is for the scores that are not valid
_NO_EDGES = np.empty(0, np.int64)


def _copies(num_cells: int, item_size: int, cache_size: int) -> tuple[int, int]:
    """Return how many copies of a table to use, a power of two, and the cells of each."""
    per_line = 64 // item_size
    stride = -(-num_cells // per_line) * per_line
    if stride * item_size % 4096 == 0:
        stride += per_line  # copies 4096 bytes apart would share their cache sets
    copies = TURNS
    while copies > 1 and copies * stride * item_size > cache_size:
        copies //= 2
    return copies, stride


def _edges(thresholds: Array, kernel: str) -> tuple[int, NDArray[np.int64]]:
    """Return the number of values, and at which of them each bin begins, and the last ends.

    No edges where values are the bins themselves.
    """
    if kernel in ("u8", "half"):
        num_values = int(thresholds[-1]) + 1
        return num_values, np.append(thresholds, num_values).astype(np.int64)
    return len(thresholds), _NO_EDGES


def _zeros(shape: tuple[int, int], dtype: Any) -> Array:
    """Return zeros that begin where a cache line does: reading a line in two takes longer."""
    num_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    room = np.zeros(num_bytes + 63, np.uint8)
    first = -room.ctypes.data % 64
    zeros: Array = room[first : first + num_bytes].view(dtype).reshape(shape)
    return zeros


def score_histogram(
    kernel: str,
    scores: Array,
    labels: Array,
    weights: Array | None,
    thresholds: Array,
    table: Array,
    report: NDArray[np.int64],
) -> None:
    """Add a block of samples to a table; see `fastpr.backends.protocol.Backend`."""
    num_values, edges = _edges(thresholds, kernel)
    code_dtype = np.uint16 if num_values <= WIDEST_IN_16 else np.uint32
    codes = _zeros((NUM_ROWS, GROUP), code_dtype)
    num_cells = 2 * (num_values + 1)
    bool_labels = labels.dtype == np.uint8
    if weights is None:
        tables = _zeros(_copies(num_cells, 4, COUNT_CACHE), np.uint32)
        hot, nums = np.zeros((2, NUM_HOT), code_dtype), np.zeros(NUM_HOT, np.int64)
        count = make_count(kernel, bool_labels, code_dtype)
        for (some_scores, some_labels), num_samples in _rows(scores, labels):
            count(
                some_scores, some_labels, num_samples, num_values, edges, codes, hot, nums,
                tables, table, report,
            )  # fmt: skip
    else:
        copies, stride = _copies(num_cells, 8, SUM_CACHE)
        tables = _zeros((copies, stride if copies > 1 else 1), np.float64)
        totals = _zeros((2, stride), np.float64)
        row_weights = _zeros((2, GROUP), np.float64)
        weigh = make_weigh(kernel, bool_labels, weights.dtype, code_dtype)
        for (some_scores, some_labels, some_weights), num_samples in _rows(scores, labels, weights):
            weigh(
                some_scores, some_labels, some_weights, num_samples, num_values, edges, codes,
                row_weights, tables, totals, table, report,
            )  # fmt: skip
            totals[:] = 0


def _rows(*arrays: Array) -> Iterator[tuple[list[Array], int]]:
    """Yield arrays as whole rows, and how many of their samples are to be counted.

    The rest is copied and made a row with samples that are not counted. All are read-only,
    so that one compiled form serves every array.
    """
    num_samples = len(arrays[0])
    num_whole = num_samples // GROUP * GROUP
    if num_whole:
        yield [read_only(array[:num_whole].reshape(-1, GROUP)) for array in arrays], num_whole
    if num_whole < num_samples:
        rests = [np.zeros((1, GROUP), array.dtype) for array in arrays]
        for rest, array in zip(rests, arrays, strict=True):
            rest[0, : num_samples - num_whole] = array[num_whole:]
        yield [read_only(rest) for rest in rests], num_samples - num_whole
