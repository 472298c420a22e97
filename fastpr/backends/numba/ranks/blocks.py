"""Ranking blocks of rows: what the kernels need around them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.numba.compile import read_only
from fastpr.backends.numba.ranks.arguments import NUM_FIELDS, Options, Scratch
from fastpr.backends.numba.ranks.kernels import make_ranking
from fastpr.backends.numba.ranks.many_labels import (
    MANY_CLASSES,
    MANY_RANKS,
    list_room,
    most_listed,
    num_words,
)
from fastpr.backends.numba.ranks.race import BATCH
from fastpr.backends.numba.vectors import NUM_LANES
from fastpr.backends.protocol import RankBlock, RowBlock

Array = NDArray[Any]

# Unsigned integers as wide as a score, signed ones for keys, and the bits of infinity.
_SCORE_KINDS = {
    "u8": (np.uint8, np.int32, 0),
    "f16": (np.uint16, np.int32, 0x7C00),
    "bf16": (np.uint16, np.int32, 0x7F80),
    "f32": (np.uint32, np.int32, 0x7F800000),
    "f64": (np.uint64, np.int64, 0x7FF0000000000000),
}
_POSITIONS = np.arange(BATCH, dtype=np.int32)
_NO_STARTS = read_only(np.empty(0, np.int64))
_NO_LABELS = np.empty(0, np.int64)
_NO_COUNTS = np.empty(0, np.int32)
_NO_MARKS = np.empty(0, np.uint64)


def _scratch(bits_type: Any, key_type: Any, most_labels: int, room: int = 3 * BATCH) -> Scratch:
    """Return room for rows of so many labels."""
    return Scratch(
        np.empty(most_labels + 1, key_type),
        np.empty((NUM_FIELDS, most_labels + 1), np.int32),
        np.empty(room, bits_type),
        np.empty(room, np.int32),
        np.empty(room, key_type),
        np.empty((3, most_labels + 1), np.int32),
    )


def label_ranks(kernel: str, rows: RowBlock, k: int, out: RankBlock) -> None:
    """Rank the labels of a block of rows; see `fastpr.backends.protocol.Backend`."""
    bits_type, key_type, infinity = _SCORE_KINDS[kernel]
    rank_rows, _ = make_ranking(bits_type, key_type)
    scores, score_starts, labels, label_starts, num_ids, _ = rows
    num_rows = len(out.num_relevant)
    num_labels = len(labels) // num_rows
    most_labels = num_labels if label_starts is None else int(np.diff(label_starts).max())
    first_row, row_stride, num_classes = 0, 0, 0
    if scores.ndim == 2:
        row_stride, num_classes = scores.strides[0] // scores.itemsize, scores.shape[1]
        first_row = max(0, -row_stride * (num_rows - 1))
        scores = _flat(scores[::-1] if row_stride < 0 else scores)
    is_listed = (
        kernel == "f32" and score_starts is None and out.labels is None and out.num_above is None
        and most_labels > NUM_LANES and k <= MANY_RANKS and num_classes <= MANY_CLASSES
    )  # fmt: skip
    label_keys, fields, bits, ids, keys, counts = _scratch(
        bits_type, key_type, most_labels, list_room(k) if is_listed else 3 * BATCH
    )
    rank_rows(
        read_only(scores.view(bits_type)), first_row, row_stride,
        _NO_STARTS if score_starts is None else read_only(score_starts[:]), num_classes,
        read_only(labels.astype(np.int64, copy=False)[:]),
        _NO_STARTS if label_starts is None else read_only(label_starts[:]), num_labels,
        num_ids, k, bits_type(infinity), out.num_above is not None, out.num_relevant, out.ranks,
        _NO_LABELS if out.labels is None else out.labels,
        _NO_COUNTS if out.num_above is None else out.num_above,
        _NO_COUNTS if out.num_equal is None else out.num_equal,
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
    counts: NDArray[np.int64],
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    bits_type, key_type, infinity = _SCORE_KINDS[kernel]
    _, count_piece = make_ranking(bits_type, key_type)
    scratch = _scratch(bits_type, key_type, len(ids))
    options = Options(k, bits_type(infinity), len(counts) == 3)
    count_piece(
        read_only(piece.view(bits_type)), ids - first, label_scores.view(bits_type), options,
        scratch,
    )  # fmt: skip
    counts += scratch.counts[: len(counts), : len(ids)]


def _flat(rows: Array) -> Array:
    """Return rows, any distance apart, as one array from the first score to the last."""
    if rows.shape[0] == 1 or rows.flags.c_contiguous:
        return rows.reshape(-1)
    length = (rows.shape[0] - 1) * (rows.strides[0] // rows.itemsize) + rows.shape[1]
    return np.lib.stride_tricks.as_strided(rows, (length,), (rows.itemsize,), writeable=False)
