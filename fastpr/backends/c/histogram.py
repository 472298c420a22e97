"""Counting by the C kernels ``fastpr_score_histogram_*``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.c import library
from fastpr.backends.c.library import ffi, lib

_INT64 = ffi.typeof("int64_t[]")
_FLOAT64 = ffi.typeof("double[]")
_LABEL_KINDS = {
    np.dtype(np.uint8): lib.FASTPR_LABEL_BOOL,
    np.dtype(np.int8): lib.FASTPR_LABEL_I8,
    np.dtype(np.int16): lib.FASTPR_LABEL_I16,
    np.dtype(np.int32): lib.FASTPR_LABEL_I32,
    np.dtype(np.int64): lib.FASTPR_LABEL_I64,
}
_WEIGHT_KINDS = {
    np.dtype(np.uint8): lib.FASTPR_WEIGHT_BOOL,
    np.dtype(np.float32): lib.FASTPR_WEIGHT_F32,
    np.dtype(np.float64): lib.FASTPR_WEIGHT_F64,
}
_KERNELS = {
    kernel: (getattr(lib, f"fastpr_score_histogram_{kernel}"), ffi.typeof(f"{c_type}[]"))
    for kernel, c_type in {
        "f32": "float",
        "f64": "double",
        "u8": "uint8_t",
        "u16": "uint16_t",
        "half": "uint16_t",
    }.items()
}


def score_histogram(
    kernel: str,
    scores: NDArray[Any],
    labels: NDArray[Any],
    weights: NDArray[Any] | None,
    thresholds: NDArray[Any],
    table: NDArray[Any],
    report: NDArray[np.int64],
) -> None:
    """Add a block of samples to a table; see `fastpr.backends.protocol.Backend`."""
    function, c_type = _KERNELS[kernel]
    from_buffer = ffi.from_buffer
    if weights is None:
        weight_kind, c_weights = 0, ffi.NULL
        c_counts, c_sums = from_buffer(_INT64, table, True), ffi.NULL
    else:
        weight_kind, c_weights = _WEIGHT_KINDS[weights.dtype], from_buffer(weights)
        c_counts, c_sums = ffi.NULL, from_buffer(_FLOAT64, table, True)
    status = function(
        library.variant(),
        from_buffer(c_type, scores),
        from_buffer(labels),
        _LABEL_KINDS[labels.dtype],
        c_weights,
        weight_kind,
        len(scores),
        from_buffer(c_type, thresholds),
        len(thresholds),
        c_counts,
        c_sums,
        from_buffer(_INT64, report, True),
    )
    if status:
        raise MemoryError(f"no memory for the counts at {len(thresholds)} thresholds")
