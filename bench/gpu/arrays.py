"""NumPy arrays put on a device, in the layout they have."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch

from gpu.place import Place


class Interface:
    """An array in the memory of a tensor, with a dtype or strides that torch does not have."""

    def __init__(self, array: np.ndarray, memory: torch.Tensor, offset: int) -> None:
        self.dtype, self.shape, self.strides = array.dtype, array.shape, array.strides
        self.ndim = array.ndim
        self._memory, self._address = memory, memory.data_ptr() + offset

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._address, False),
            "strides": self.strides,
            "version": 3,
            "stream": torch.cuda.current_stream(self._memory.device).cuda_stream or 1,
        }


def plain(value: Any) -> np.ndarray:
    """Return the nearest to a value that a device can hold: an aligned array of native numbers."""
    array = np.asarray(value)
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    steps = [s for n, s in zip(array.shape, array.strides, strict=True) if n > 1]
    if any(step % array.itemsize for step in (array.ctypes.data, *steps)):
        array = array.copy()
    return array


def put(value: Any, place: Place) -> Any:
    """Return an array on the device, as a tensor where torch has its dtype and strides.

    The memory it spans is copied as it is, gaps and all, so that strides stay what they are.
    """
    array = plain(value)
    dtype = getattr(torch, array.dtype.name, None)
    if not array.size:
        return torch.empty(array.shape, dtype=dtype, device=place.device)
    sizes = list(zip(array.shape, array.strides, strict=True))
    strides = [step if size > 1 else array.itemsize for size, step in sizes]
    reach = [(size - 1) * step for size, step in sizes]
    offset = -sum(step for step in reach if step < 0)
    length = sum(map(abs, reach)) + array.itemsize
    raw = (ctypes.c_char * length).from_address(array.ctypes.data - offset)
    memory = torch.from_numpy(np.frombuffer(raw, np.uint8).copy()).to(place.device)
    if dtype is not None and offset == 0:
        return memory.view(dtype).as_strided(
            array.shape, [step // array.itemsize for step in strides]
        )
    return Interface(array, memory, offset) if place.is_cuda else array
