"""Arrays on CUDA devices, as both metrics read them: in place, whatever they come from.

Nothing here imports CUDA, or any producer of arrays. What kernels need of an array is its
address, its layout, its dtype, and the stream on which it is written.
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np

from fastpr.arrays import dlpack
from fastpr.arrays.places import CUDA, check_same_place, cupy_ordinal, is_cuda
from fastpr.backends import choose

# Handle of the stream with which every other one of a device is in order.
LEGACY_STREAM = 1

_NUMBERS = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
_DTYPES = {
    name: np.dtype(name)
    for name in (*_NUMBERS, "float16", "float32", "float64", "complex64", "complex128")
}
_BFLOAT16_BITS = np.dtype(np.uint16)


class DeviceArray(NamedTuple):
    """An array on a CUDA device.

    Attributes
    ----------
    address : int
        Where element 0 is.
    shape : tuple of int
        Its shape.
    strides : tuple of int
        In bytes; of any sign.
    dtype : numpy.dtype
        Native; bool, an integer, or a real or complex floating point number.
    is_bfloat16 : bool
        Whether its uint16 are bfloat16.
    device : int
        The number of the device, as CUDA counts.
    stream : int
        Handle of the producer's stream; 1 is the legacy default stream, 2 that of the thread.
    owner : object or None
        To be kept alive until kernels have used the array. None if the producer's allocator
        knows what the stream still needs.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    is_bfloat16: bool
    device: int
    stream: int
    owner: object | None

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def seen_as(self, dtype: np.dtype[Any]) -> DeviceArray:
        """Return the array with its elements taken for another dtype of the same size."""
        return self._replace(dtype=dtype)

    def broadcast_to(self, shape: tuple[int, ...]) -> DeviceArray:
        """Return the array with a shape it broadcasts to; strides of repeated axes are 0."""
        num_new = len(shape) - len(self.shape)
        kept = zip(self.shape, self.strides, shape[num_new:], strict=True)
        strides = [0 if ours != theirs else stride for ours, stride, theirs in kept]
        return self._replace(shape=shape, strides=(0,) * num_new + tuple(strides))


def on_device(places: dict[str, str], backend: str | None) -> bool:
    """Return whether arrays are on a CUDA device; that they all are is checked.

    Parameters
    ----------
    places : dict of str to str
        What `place_of` returned, by what messages call the arrays, in the plural.
    backend : str, optional
        The backend that was asked for.

    Raises
    ------
    ValueError
        If they are in different places, or a host backend is named for arrays on a device.
    BackendUnavailable
        If CUDA kernels do not work here.
    """
    if not any(map(is_cuda, places.values())):
        return False
    check_same_place(places)
    named = choose.named_backend(backend)
    if named not in (None, choose.DEVICE_BACKEND):
        source = f"backend {named!r}" if named == backend else f"FASTPR_BACKEND={named}"
        name, place = next(iter(places.items()))
        raise ValueError(
            f"{source} counts on the host, and {name} are on {place}; copy them to the host "
            "first, with .cpu() for instance, or name no backend"
        )
    choose.choose_backend(choose.DEVICE_BACKEND)
    return True


def check_same_device(arrays: dict[str, DeviceArray]) -> None:
    """Raise ValueError, with both places, if arrays that are not empty are on several devices."""
    check_same_place({name: f"{CUDA}:{a.device}" for name, a in arrays.items() if a.size})


def device_array(value: Any, name: str) -> DeviceArray:
    """Return a CUDA array where it is.

    Parameters
    ----------
    value : array_like
        A torch tensor, or what has ``__cuda_array_interface__`` or DLPack (CuPy, Numba, JAX),
        on a CUDA device, as `fastpr.arrays.places.place_of` has said.
    name : str
        What messages call it, in the plural.

    Raises
    ------
    TypeError
        If it is sparse or masked, or its dtype is none of numbers.
    ValueError
        If it is not aligned, or what its producer says of it is wrong.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        array = _torch_array(torch, value, name)
    elif hasattr(value, "__cuda_array_interface__"):
        array = _interface_array(value, name)
    else:
        array = _dlpack_array(value, name)
    _check_memory(array, name)
    return array


def _check_memory(array: DeviceArray, name: str) -> None:
    """Raise ValueError where a kernel would read what must not be read."""
    if not array.size:
        return
    if not array.address:
        raise ValueError(f"{name} of shape {array.shape} have no memory: their address is 0")
    itemsize = array.dtype.itemsize
    steps = [stride for size, stride in zip(array.shape, array.strides, strict=True) if size > 1]
    if any(step % itemsize for step in (array.address, *steps)):
        raise ValueError(
            f"{name} are not aligned: their address and strides have to be multiples of "
            f"{itemsize} bytes on a device; pass a copy"
        )


def _other_dtype(name: str, dtype: object) -> TypeError:
    return TypeError(
        f"{name} have dtype {dtype}, which is not read on a device; convert them, to float32 for "
        "instance"
    )


# ---- torch ----


def _torch_array(torch: Any, tensor: Any, name: str) -> DeviceArray:
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} are a sparse tensor ({tensor.layout}); pass a dense one")
    tensor = tensor.detach()
    if tensor.is_neg():  # its memory holds the opposite
        tensor = tensor.resolve_neg()
    dtype_name = str(tensor.dtype).removeprefix("torch.")
    is_bfloat16 = dtype_name == "bfloat16"
    dtype = _BFLOAT16_BITS if is_bfloat16 else _DTYPES.get(dtype_name)
    if dtype is None:
        raise _other_dtype(name, dtype_name)
    stream = torch.cuda.current_stream(tensor.device)
    tensor.record_stream(stream)  # its memory is not given to another stream too early
    return DeviceArray(
        address=tensor.data_ptr(),
        shape=tuple(tensor.shape),
        strides=tuple([step * dtype.itemsize for step in tensor.stride()]),
        dtype=dtype,
        is_bfloat16=is_bfloat16,
        device=tensor.device.index,
        stream=stream.cuda_stream or LEGACY_STREAM,
        owner=None,
    )


# ---- __cuda_array_interface__ ----


def _interface_array(value: Any, name: str) -> DeviceArray:
    # https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
    interface = value.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise TypeError(
            f"{name} have a mask, which is not read on a device; pass arrays without, and "
            "weights of 0 where samples are to be ignored"
        )
    given = np.dtype(interface["typestr"])
    is_bfloat16 = getattr(getattr(value, "dtype", None), "name", None) == "bfloat16"
    dtype = _BFLOAT16_BITS if is_bfloat16 else _DTYPES.get(given.name)
    if dtype is None or not given.isnative:
        raise _other_dtype(name, given)
    stream = interface.get("stream")
    if stream is not None and int(stream) == 0:
        raise ValueError(
            f"{name} give the stream 0, which __cuda_array_interface__ does not allow: it may be "
            "the legacy default stream (1) or that of the thread (2)"
        )
    shape = tuple(map(int, interface["shape"]))
    strides = interface.get("strides")
    address = int(interface["data"][0] or 0)
    ordinal = cupy_ordinal(value)
    return DeviceArray(
        address=address,
        shape=shape,
        strides=dlpack.c_strides(shape, dtype.itemsize) if strides is None else
        tuple(map(int, strides)),
        dtype=dtype,
        is_bfloat16=is_bfloat16,
        device=_ordinal_of(address) if ordinal is None else ordinal,
        stream=LEGACY_STREAM if stream is None else int(stream),
        owner=value,
    )  # fmt: skip


def _ordinal_of(address: int) -> int:
    if not address:  # of an empty array
        return 0
    from fastpr.backends.cuda import device as cuda_device

    return int(cuda_device.device_of(address))


# ---- DLPack ----


def _dlpack_array(value: Any, name: str) -> DeviceArray:
    try:
        tensor = dlpack.take(value, LEGACY_STREAM)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {error}"
        ) from None
    is_bfloat16 = tensor.dtype_name == "bfloat16"
    dtype = _BFLOAT16_BITS if is_bfloat16 else _DTYPES.get(tensor.dtype_name)
    if dtype is None:
        raise _other_dtype(name, getattr(value, "dtype", tensor.dtype_name))
    strides = tensor.steps
    return DeviceArray(
        address=tensor.address,
        shape=tensor.shape,
        strides=dlpack.c_strides(tensor.shape, dtype.itemsize) if strides is None else
        tuple([step * dtype.itemsize for step in strides]),
        dtype=dtype,
        is_bfloat16=is_bfloat16,
        device=tensor.device,
        stream=LEGACY_STREAM,
        owner=tensor.owner,
    )  # fmt: skip
