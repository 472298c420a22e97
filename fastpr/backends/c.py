"""The C backend: ``fastpr._c``, compiled at install from ``csrc/`` when there is a compiler.

cffi releases the GIL around every call.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from fastpr._c import ffi, lib
except ImportError as error:
    raise ImportError(
        f"the C extension was not built ({error}); install a C compiler and then fastpr again, "
        "with pip's -v to see what the compiler says"
    ) from error

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
_SCORE_KINDS = {
    "u8": lib.FASTPR_SCORE_U8,
    "f16": lib.FASTPR_SCORE_F16,
    "bf16": lib.FASTPR_SCORE_BF16,
    "f32": lib.FASTPR_SCORE_F32,
    "f64": lib.FASTPR_SCORE_F64,
}
_INT32 = ffi.typeof("int32_t[]")
_INT64 = ffi.typeof("int64_t[]")
_FLOAT64 = ffi.typeof("double[]")

_ALL = {
    ffi.string(lib.fastpr_variant_name(variant)).decode(): variant
    for index in range(lib.fastpr_num_variants())
    for variant in [lib.fastpr_get_variant(index)]
}

# The rows of the run-time table that this CPU can run, the fastest first.
VARIANTS = {
    name: variant for name, variant in _ALL.items() if lib.fastpr_variant_is_supported(variant)
}

_variant = next(iter(VARIANTS))


def use_variant(name: str) -> None:
    """Make one row of the run-time table the one that counts, in this process.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.

    Raises
    ------
    ImportError
        If this build or this CPU has no such variant.
    """
    global _variant
    if name not in _ALL:
        raise ImportError(
            f"the environment variable FASTPR_C_VARIANT must be one of {', '.join(_ALL)}, "
            f"got {name!r}"
        )
    if name not in VARIANTS:
        lacking = "CPU" if lib.fastpr_variant_is_built(_ALL[name]) else "build"
        raise ImportError(
            f"this {lacking} has no variant {name} (FASTPR_C_VARIANT); it has {', '.join(VARIANTS)}"
        )
    _variant = name


if os.environ.get("FASTPR_C_VARIANT"):
    use_variant(os.environ["FASTPR_C_VARIANT"])


def describe() -> str:
    """Return a few words about this build."""
    return f"variant {_variant} (this CPU runs {', '.join(VARIANTS)})"


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
        VARIANTS[_variant],
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


def label_ranks(
    kernel: str,
    scores: NDArray[Any],
    score_starts: NDArray[np.int64] | None,
    labels: NDArray[Any],
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
    num_rows = len(num_relevant)
    dense = scores.ndim == 2
    status = lib.fastpr_label_ranks(
        VARIANTS[_variant],
        _SCORE_KINDS[kernel],
        _address(scores),
        scores.strides[0] // scores.itemsize if dense else 0,
        _input(_INT64, score_starts),
        scores.shape[1] if dense else 0,
        num_rows,
        _address(labels),
        labels.dtype.itemsize == 8,
        _input(_INT64, label_starts),
        len(labels) // num_rows,
        num_ids,
        k,
        _output(_INT64, num_relevant),
        _output(_INT32, ranks),
        _output(_INT64, ranked_labels),
        _output(_INT32, num_above),
        _output(_INT32, num_equal),
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
    num_before: NDArray[np.int64],
    num_above: NDArray[np.int64] | None,
    num_equal: NDArray[np.int64] | None,
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    status = lib.fastpr_label_counts(
        VARIANTS[_variant],
        _SCORE_KINDS[kernel],
        _address(piece),
        len(piece),
        first,
        _input(_INT64, ids),
        _address(label_scores),
        len(ids),
        k,
        _output(_INT64, num_before),
        _output(_INT64, num_above),
        _output(_INT64, num_equal),
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
