"""Ranking by the C kernels ``fastpr_label_ranks`` and ``fastpr_label_counts``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.c import library
from fastpr.backends.c.library import ffi, lib
from fastpr.backends.protocol import RankBlock, RowBlock

_INT64 = ffi.typeof("int64_t[]")
_SCORE_KINDS = {
    "u8": lib.FASTPR_SCORE_U8,
    "f16": lib.FASTPR_SCORE_F16,
    "bf16": lib.FASTPR_SCORE_BF16,
    "f32": lib.FASTPR_SCORE_F32,
    "f64": lib.FASTPR_SCORE_F64,
}
_INT32 = ffi.typeof("int32_t[]")


def label_ranks(kernel: str, rows: RowBlock, k: int, out: RankBlock) -> None:
    """Rank the labels of a block of rows; see `fastpr.backends.protocol.Backend`."""
    scores, labels = rows.scores, rows.labels
    num_rows = len(out.num_relevant)
    dense = scores.ndim == 2
    status = lib.fastpr_label_ranks(
        library.variant(),
        _SCORE_KINDS[kernel],
        _address(scores),
        scores.strides[0] // scores.itemsize if dense else 0,
        _input(_INT64, rows.score_starts),
        scores.shape[1] if dense else 0,
        num_rows,
        _address(labels),
        labels.dtype.itemsize == 8,
        _input(_INT64, rows.label_starts),
        len(labels) // num_rows,
        rows.num_ids,
        k,
        _output(_INT64, out.num_relevant),
        _output(_INT32, out.ranks),
        _output(_INT64, out.labels),
        _output(_INT32, out.num_above),
        _output(_INT32, out.num_equal),
    )
    if status:
        raise MemoryError("no memory for the labels of a row")


def label_counts(
    kernel: str,
    piece: NDArray[Any],
    first: int,
    ids: NDArray[np.int64],
    label_scores: NDArray[Any],
    k: int,
    counts: NDArray[np.int64],
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    status = lib.fastpr_label_counts(
        library.variant(),
        _SCORE_KINDS[kernel],
        _address(piece),
        len(piece),
        first,
        _input(_INT64, ids),
        _address(label_scores),
        len(ids),
        k,
        *(_output(_INT64, row) for row in (*counts, None, None)[:3]),
    )
    if status:
        raise MemoryError("no memory for the labels of a row")


def _address(array: NDArray[Any]) -> Any:
    """Return the address of an array that the caller keeps alive, of any strides."""
    return ffi.cast("void *", array.ctypes.data)


def _input(c_type: Any, array: NDArray[Any] | None) -> Any:
    return ffi.NULL if array is None else ffi.from_buffer(c_type, array)


def _output(c_type: Any, array: NDArray[Any] | None) -> Any:
    return ffi.NULL if array is None else ffi.from_buffer(c_type, array, True)
