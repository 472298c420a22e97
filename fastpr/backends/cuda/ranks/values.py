"""Values on a device as float64 on the host, whatever they are there."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, types
from numpy.typing import NDArray

from fastpr.backends.cuda.device import Device, inlined, jit
from fastpr.backends.cuda.loads import loads
from fastpr.backends.cuda.pool import Pending, memory_of
from fastpr.backends.cuda.ranks.scores import score_form

_MAX_DIMENSIONS = 4
_THREADS = 256
_BLOCKS_EACH = 8
_INTEGERS = tuple(f"{kind}{2**i}" for kind in "iu" for i in range(4))
VALUE_KINDS = ("bool", "f16", "bf16", "f4", "f8", *_INTEGERS)


def _kind_of(dtype: np.dtype[Any], is_bfloat16: bool) -> str:
    if is_bfloat16:
        return "bf16"
    if dtype == np.bool_ or dtype == np.float16:
        return "bool" if dtype == np.bool_ else "f16"
    return f"{dtype.kind}{dtype.itemsize}"


@cache
def _make_read(kind: str) -> Any:
    """Return a device function that reads a value as float64."""
    if kind in ("f16", "bf16"):
        form = score_form(kind)
        load_score, key_of = form.load, form.key_of
        return inlined(lambda address: np.float64(key_of(load_score(address))))
    load = loads("u1" if kind == "bool" else kind)
    if kind == "bool":  # any byte but 0 is true
        return inlined(lambda address: np.float64(load(address) != 0))
    return inlined(lambda address: np.float64(load(address)))


@cache
def make_copy(kind: str) -> Any:
    """Return the kernel that copies values of four axes, of which threads share the first.

    Of each axis it takes the length, the bytes from one value to the next, and how far apart
    they come to be. Dividing a position into four would take longer than loops do.
    """
    read = _make_read(kind)

    def copy_values(
        address, num, stride, pitch, num_1, stride_1, pitch_1, num_2, stride_2, pitch_2, num_3,
        stride_3, pitch_3, out,
    ):  # fmt: skip
        i = np.int64(cuda.grid(1))
        while i < num:
            i_1 = np.int64(0)
            while i_1 < num_1:
                i_2 = np.int64(0)
                while i_2 < num_2:
                    i_3 = np.int64(0)
                    while i_3 < num_3:
                        place = address + i * stride + i_1 * stride_1 + i_2 * stride_2
                        value = read(np.int64(place + i_3 * stride_3))
                        at = i * pitch + i_1 * pitch_1 + i_2 * pitch_2 + i_3 * pitch_3
                        out[np.uint64(at)] = value
                        i_3 += 1
                    i_2 += 1
                i_1 += 1
            i += cuda.gridsize(1)

    return copy_values


@cache
def _copy_kernel(kind: str) -> Any:
    return jit(make_copy(kind))


class PendingValues(Pending):
    """Values that have been asked for."""

    def __init__(self, device: Device, stream: Any, out: Any, shape: tuple[int, ...]) -> None:
        super().__init__(device, stream, out, math.prod(shape), [], ())
        self._shape = shape

    def read(self) -> NDArray[np.float64]:
        """Wait for them, and return them in C order; the same array each time."""
        return self._read().reshape(self._shape)


def as_float64(
    device: Device,
    stream: Any,
    address: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: np.dtype[Any],
    is_bfloat16: bool,
) -> PendingValues:
    """Start to copy values to the host, as float64, and return at once.

    Parameters
    ----------
    device : Device
        Where they are.
    stream : stream
        One of that device, on which they have been, or are being, made.
    address : int
        Of the first of them; values are aligned to their size.
    shape, strides : tuple of int
        Up to four dimensions, and the bytes between their elements, of any sign.
    dtype : dtype
        bool, an integer, or float16, float32 or float64.
    is_bfloat16 : bool
        Whether uint16 are bfloat16.
    """
    num = math.prod(shape)
    out = memory_of(device).take(num, np.float64)
    if num:
        pitches = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        axes = sorted(zip(shape, strides, pitches, strict=True), reverse=True)
        axes += [(1, 0, 0)] * (_MAX_DIMENSIONS - len(axes))
        threads = device.num_threads(_THREADS)
        grid = min(-(-axes[0][0] // threads), _BLOCKS_EACH * device.num_multiprocessors)
        numbers = [np.int64(number) for axis in axes for number in axis]
        kernel = _copy_kernel(_kind_of(dtype, is_bfloat16))
        device.launch(kernel, grid, threads, stream, 0, np.int64(address), *numbers, out)
    return PendingValues(device, stream, out, tuple(shape))


def compiled_forms() -> Any:
    """Yield (name, Python function, types of its arguments, most registers) of every form."""
    signature = types.void(*(types.int64,) * 13, types.Array(types.float64, 1, "C"))
    for kind in VALUE_KINDS:
        yield f"copy values, {kind}", make_copy(kind), signature, None
