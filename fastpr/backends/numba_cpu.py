"""The Numba backend: what the kernels need around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import NDArray

from fastpr.backends.numba_kernels import BLOCK, TURNS, make_count, make_weigh

Array = NDArray[Any]

COUNT_CACHE = 128 * 1024
SUM_CACHE = 32 * 1024
WIDEST_IN_16 = 32_767  # one value more is for the scores that are not valid


# A fork waits for other threads to finish compiling: their child would find Numba's lock
# held by nobody who could open it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def describe() -> str:
    """Return a few words about this build."""
    return f"Numba {numba.__version__}, compiles on first use"


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
    """Return the number of values, and at which of them each bin begins, and the last ends."""
    if kernel in ("u8", "half"):
        num_values = int(thresholds[-1]) + 1
        return num_values, np.append(thresholds, num_values).astype(np.int64)
    return len(thresholds), np.arange(len(thresholds) + 1)


def score_histogram(
    kernel: str,
    scores: Array,
    labels: Array,
    weights: Array | None,
    thresholds: Array,
    table: Array,
    report: NDArray[np.int64],
) -> None:
    """Add a block of samples to a table; see `fastpr.dispatch.Backend`."""
    num_values, edges = _edges(thresholds, kernel)
    code_dtype = np.uint16 if num_values <= WIDEST_IN_16 else np.uint32
    codes = np.empty(BLOCK, code_dtype)
    num_cells = 2 * (num_values + 1)
    bool_labels = labels.dtype == np.uint8
    if weights is None:
        tables = np.zeros(_copies(num_cells, 4, COUNT_CACHE), np.uint32)
        count = make_count(kernel, bool_labels)
        for (block_scores, block_labels), num_samples in _whole_blocks(scores, labels):
            count(
                block_scores, block_labels, num_samples, num_values, edges, codes, tables,
                table, report,
            )  # fmt: skip
    else:
        copies, stride = _copies(num_cells, 8, SUM_CACHE)
        tables = np.zeros((copies, stride if copies > 1 else 1), np.float64)
        totals = np.zeros((2, stride), np.float64)
        weigh = make_weigh(kernel, bool_labels, weights.dtype == np.uint8)
        for (block_scores, block_labels, block_weights), num_samples in _whole_blocks(
            scores, labels, weights
        ):
            weigh(
                block_scores, block_labels, block_weights, num_samples, num_values, edges, codes,
                tables, totals, table, report,
            )  # fmt: skip
            totals[:] = 0


def _whole_blocks(*arrays: Array) -> Iterator[tuple[list[Array], int]]:
    """Yield arrays of whole blocks, and how many of their samples are to be counted.

    The rest is copied and made whole with samples that are not counted. All are read-only,
    so that one compiled form serves every array.
    """
    num_samples = len(arrays[0])
    num_whole = num_samples // BLOCK * BLOCK
    if num_whole:
        yield [_read_only(array[:num_whole]) for array in arrays], num_whole
    if num_whole < num_samples:
        rests = [np.zeros(BLOCK, array.dtype) for array in arrays]
        for rest, array in zip(rests, arrays, strict=True):
            rest[: num_samples - num_whole] = array[num_whole:]
        yield [_read_only(rest) for rest in rests], num_samples - num_whole


def _read_only(view: Array) -> Array:
    view.flags.writeable = False
    return view
