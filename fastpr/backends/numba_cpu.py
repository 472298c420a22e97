"""The Numba backend: what the kernels need around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import NDArray

from fastpr.backends import numba_cache
from fastpr.backends.numba_encode import GROUP
from fastpr.backends.numba_hot_bins import NUM_HOT
from fastpr.backends.numba_kernels import NUM_ROWS, TURNS, make_count, make_weigh
from fastpr.backends.numba_lanes import NUM_LANES
from fastpr.backends.numba_many_labels import (
    MANY_CLASSES,
    MANY_RANKS,
    list_room,
    most_listed,
    num_words,
)
from fastpr.backends.numba_ranks import BATCH, NUM_FIELDS, make_ranking

Array = NDArray[Any]

# More copies than the nearest cache holds cost more than they save: rows where codes come
# again at once are counted otherwise.
COUNT_CACHE = 24 * 1024
SUM_CACHE = 32 * 1024
WIDEST_IN_16 = 32_767  # one value more is for the scores that are not valid
_NO_EDGES = np.empty(0, np.int64)


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
    place = numba_cache.folder()
    kept = f"and keeps that in {place}" if place else "in every process anew"
    return f"Numba {numba.__version__}, compiles on first use, {kept}"


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
        yield [_read_only(array[:num_whole].reshape(-1, GROUP)) for array in arrays], num_whole
    if num_whole < num_samples:
        rests = [np.zeros((1, GROUP), array.dtype) for array in arrays]
        for rest, array in zip(rests, arrays, strict=True):
            rest[0, : num_samples - num_whole] = array[num_whole:]
        yield [_read_only(rest) for rest in rests], num_samples - num_whole


def _read_only(view: Array) -> Array:
    view.flags.writeable = False
    return view


# Unsigned integers as wide as a score, signed ones for keys, and the bits of infinity.
_SCORE_KINDS = {
    "u8": (np.uint8, np.int32, 0),
    "f16": (np.uint16, np.int32, 0x7C00),
    "bf16": (np.uint16, np.int32, 0x7F80),
    "f32": (np.uint32, np.int32, 0x7F800000),
    "f64": (np.uint64, np.int64, 0x7FF0000000000000),
}
_POSITIONS = np.arange(BATCH, dtype=np.int32)
_NO_STARTS = np.empty(0, np.int64)
_NO_LABELS = np.empty(0, np.int64)
_NO_COUNTS = np.empty(0, np.int32)
_NO_MARKS = np.empty(0, np.uint64)


def _scratch(
    bits_type: Any, key_type: Any, most_labels: int, room: int = 3 * BATCH
) -> tuple[Array, ...]:
    """Return (label_keys, fields, bits, ids, keys, counts) for rows of so many labels."""
    return (
        np.empty(most_labels + 1, key_type),
        np.empty((NUM_FIELDS, most_labels + 1), np.int32),
        np.empty(room, bits_type),
        np.empty(room, np.int32),
        np.empty(room, key_type),
        np.empty((3, most_labels + 1), np.int32),
    )


def label_ranks(
    kernel: str,
    scores: Array,
    score_starts: NDArray[np.int64] | None,
    labels: Array,
    label_starts: NDArray[np.int64] | None,
    num_ids: int,
    k: int,
    num_relevant: NDArray[np.int64],
    ranks: NDArray[np.int32],
    ranked_labels: NDArray[np.int64] | None,
    num_above: NDArray[np.int32] | None,
    num_equal: NDArray[np.int32] | None,
) -> None:
    """Rank the labels of a block of rows; see `fastpr.backends.protocol.Backend`."""
    bits_type, key_type, infinity = _SCORE_KINDS[kernel]
    rank_rows, _ = make_ranking(bits_type, key_type)
    num_rows = len(num_relevant)
    num_labels = len(labels) // num_rows
    most_labels = num_labels if label_starts is None else int(np.diff(label_starts).max())
    first_row, row_stride, num_classes = 0, 0, 0
    if scores.ndim == 2:
        row_stride, num_classes = scores.strides[0] // scores.itemsize, scores.shape[1]
        first_row = max(0, -row_stride * (num_rows - 1))
        scores = _flat(scores[::-1] if row_stride < 0 else scores)
    is_listed = (
        kernel == "f32" and score_starts is None and ranked_labels is None and num_above is None
        and most_labels > NUM_LANES and k <= MANY_RANKS and num_classes <= MANY_CLASSES
    )  # fmt: skip
    label_keys, fields, bits, ids, keys, counts = _scratch(
        bits_type, key_type, most_labels, list_room(k) if is_listed else 3 * BATCH
    )
    rank_rows(
        _read_only(scores.view(bits_type)), first_row, row_stride,
        _read_only((_NO_STARTS if score_starts is None else score_starts)[:]), num_classes,
        _read_only(labels.astype(np.int64, copy=False)[:]),
        _read_only((_NO_STARTS if label_starts is None else label_starts)[:]), num_labels,
        num_ids, k, bits_type(infinity), num_above is not None, num_relevant, ranks,
        _NO_LABELS if ranked_labels is None else ranked_labels,
        _NO_COUNTS if num_above is None else num_above,
        _NO_COUNTS if num_equal is None else num_equal,
        np.empty(most_labels, np.int64), label_keys, fields, bits, ids, keys, _POSITIONS, counts,
        np.empty(most_labels, np.int64),
        np.zeros(num_words(num_classes, k), np.uint64) if is_listed else _NO_MARKS, most_listed(k),
    )  # fmt: skip


def label_counts(
    kernel: str,
    piece: Array,
    first: int,
    ids: NDArray[np.int64],
    label_scores: Array,
    k: int,
    num_before: NDArray[np.int64],
    num_above: NDArray[np.int64] | None,
    num_equal: NDArray[np.int64] | None,
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    bits_type, key_type, infinity = _SCORE_KINDS[kernel]
    _, count_piece = make_ranking(bits_type, key_type)
    label_keys, fields, bits, batch_ids, keys, counts = _scratch(bits_type, key_type, len(ids))
    count_piece(
        _read_only(piece.view(bits_type)), ids - first, label_scores.view(bits_type), k,
        bits_type(infinity), num_above is not None, label_keys, fields, bits, batch_ids, keys,
        counts,
    )  # fmt: skip
    for own, counted in zip((num_before, num_above, num_equal), counts, strict=True):
        if own is not None:
            own += counted[: len(ids)]


def _flat(rows: Array) -> Array:
    """Return rows, any distance apart, as one array from the first score to the last."""
    if rows.shape[0] == 1 or rows.flags.c_contiguous:
        return rows.reshape(-1)
    length = (rows.shape[0] - 1) * (rows.strides[0] // rows.itemsize) + rows.shape[1]
    return np.lib.stride_tricks.as_strided(rows, (length,), (rows.itemsize,), writeable=False)
