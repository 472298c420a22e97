"""The compiled forms of the histogram kernels: their types, and the jitted ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

from fastpr.backends.cuda.device import jit
from fastpr.backends.cuda.histogram import commits as cuda_commits
from fastpr.backends.cuda.histogram import kernels as cuda_kernels
from fastpr.backends.cuda.histogram.encode import SCORE_DTYPES
from fastpr.backends.cuda.histogram.weights import WEIGHT_DTYPES

# Labels are bool, as bytes, or signed integers.
LABEL_DTYPES = tuple(map(np.dtype, (np.uint8, np.int8, np.int16, np.int32, np.int64)))
MAX_REGISTERS = 64  # so that 1024 threads fit into a multiprocessor


@cache
def count_kernel(kernel: str, label_dtype: np.dtype[Any], is_wide: bool) -> Any:
    """Return the kernel of `cuda_kernels.make_count`, ready to be launched."""
    return jit(cuda_kernels.make_count(kernel, label_dtype, is_wide), MAX_REGISTERS)


@cache
def weigh_kernel(
    kernel: str, label_dtype: np.dtype[Any], weight_kind: str, is_wide: bool, is_shared: bool
) -> Any:
    """Return the kernel of `cuda_kernels.make_weigh`, ready to be launched."""
    return jit(
        cuda_kernels.make_weigh(kernel, label_dtype, weight_kind, is_wide, is_shared),
        MAX_REGISTERS,
    )


def _bits(kernel: str, label_dtype: np.dtype[Any], weight_kind: str | None) -> Any:
    """Return what scores, labels and weights are read as where their values do not matter."""
    bits = np.dtype(f"u{SCORE_DTYPES[kernel].itemsize}")
    return bits, label_dtype, WEIGHT_DTYPES[weight_kind or "bool"]


@cache
def find_kernel(kernel: str, label_dtype: np.dtype[Any], weight_kind: str | None) -> Any:
    """Return the kernel of `cuda_commits.make_find`, ready to be launched."""
    return jit(cuda_commits.make_find(_bits(kernel, label_dtype, weight_kind)))


@cache
def commit_kernel(kernel: str, label_dtype: np.dtype[Any], weight_kind: str | None) -> Any:
    """Return the kernel of `cuda_commits.make_commit`, ready to be launched."""
    return jit(cuda_commits.make_commit(_bits(kernel, label_dtype, weight_kind)))


@cache
def commit_scaled_kernel(kernel: str, label_dtype: np.dtype[Any]) -> Any:
    """Return the kernel of `cuda_commits.make_commit_scaled`, ready to be launched."""
    return jit(cuda_commits.make_commit_scaled(_bits(kernel, label_dtype, None)))


fill = jit(cuda_commits.fill)


_INT32, _INT64, _FLOAT64 = types.int32, types.int64, types.float64
_TABLE = types.Array(types.int64, 1, "C")
_LIMBS = types.Array(types.uint32, 1, "C")


def _thresholds_type(kernel: str) -> Any:
    return types.Array(from_dtype(SCORE_DTYPES[kernel]), 1, "C")


def compiled_forms() -> Iterator[tuple[str, Any, Any, int | None]]:
    """Yield (name, Python function, types of its arguments, most registers) of every form.

    Of labels and weights, all dtypes with float32 scores, and a few with the others; each kind
    of weights in one form at least, and each form with one kind.
    """
    floats, address = (_FLOAT64,) * 3, _INT64
    for kernel in SCORE_DTYPES:
        thresholds = _thresholds_type(kernel)
        for label_dtype in LABEL_DTYPES if kernel == "f32" else LABEL_DTYPES[::4]:
            for is_wide in (True, False):
                width = "wide" if is_wide else "strided"
                name = f"{kernel}, labels {label_dtype}, {width}"
                yield (
                    f"count, unweighted, {name}",
                    cuda_kernels.make_count(kernel, label_dtype, is_wide),
                    types.void(
                        *(address,) * 11, *floats, _INT32, thresholds, _INT32, _INT32, _INT32,
                        _TABLE, _TABLE,
                    ),
                    MAX_REGISTERS,
                )  # fmt: skip
                kinds = WEIGHT_DTYPES if kernel == "f32" and label_dtype == np.uint8 else ("f32",)
                for weight_kind in kinds:
                    usual = weight_kind in ("f32", "f64")
                    if not usual and not is_wide:
                        continue
                    for is_shared in (True, False) if usual and kernel == "f32" else (True,):
                        memory = "shared" if is_shared else "global"
                        yield (
                            f"weigh, {memory}, {name}, weights {weight_kind}",
                            cuda_kernels.make_weigh(
                                kernel, label_dtype, weight_kind, is_wide, is_shared
                            ),
                            types.void(
                                *(address,) * 14, *floats, _INT32, thresholds, _INT32, _LIMBS,
                                _TABLE,
                            ),
                            MAX_REGISTERS,
                        )  # fmt: skip
        bits, rest = _bits(kernel, LABEL_DTYPES[0], "f32"), (_TABLE, _TABLE, _INT32, _INT64)
        places = (address,) * 14
        yield (
            f"find, {kernel}", cuda_commits.make_find(bits), types.void(*places, _TABLE), None
        )  # fmt: skip
        for name, table in (("counts", _TABLE), ("limbs", _LIMBS)):
            yield (
                f"commit, {name}, {kernel}",
                cuda_commits.make_commit(bits),
                types.void(*places, table, *rest, _TABLE, _TABLE),
                None,
            )
        yield (
            f"commit, scaled, {kernel}",
            cuda_commits.make_commit_scaled(bits),
            types.void(*places, _TABLE, _FLOAT64, *rest, _TABLE, _TABLE),
            None,
        )
    for name, table in (("counts", _TABLE), ("limbs", _LIMBS)):
        yield f"fill, {name}", cuda_commits.fill, types.void(table, table.dtype), None
