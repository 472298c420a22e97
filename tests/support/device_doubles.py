"""Doubles of what is on a device, over the memory of NumPy arrays: no GPU is needed.

Kernels cannot tell: under the simulator, device memory is host memory. On a GPU, the doubles
are over copies on it (`use_gpu`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from fastpr.arrays import dlpack

# ---- memory ----

_is_on_gpu = False


@contextmanager
def use_gpu(is_on_gpu: bool) -> Iterator[None]:
    """Let doubles that are made from now on be on the GPU, or let them not."""
    global _is_on_gpu
    before, _is_on_gpu = _is_on_gpu, is_on_gpu
    try:
        yield
    finally:
        _is_on_gpu = before


def placed(array: np.ndarray) -> tuple[int, object]:
    """Return where kernels find element 0 of an array, and what to keep for as long."""
    address = array.ctypes.data
    if not array.size:
        return 0, array
    if not _is_on_gpu:
        return address, array
    from numba import cuda

    reach = [(size - 1) * step for size, step in zip(array.shape, array.strides, strict=True)]
    first = address + sum(step for step in reach if step < 0)
    length = sum(map(abs, reach)) + array.itemsize
    memory = cuda.to_device(np.frombuffer((ctypes.c_char * length).from_address(first), np.uint8))
    return int(memory.__cuda_array_interface__["data"][0]) + address - first, memory


# ---- __cuda_array_interface__ ----


class OnCuda:
    """An array as Numba, and many others, have it."""

    def __init__(self, array: Any, **entries: Any) -> None:
        self.array = np.asarray(array)
        self.dtype = self.array.dtype
        self.ndim = self.array.ndim
        self.entries = entries
        self.address, self._memory = placed(self.array)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        array = self.array
        return {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (self.address, False),
            "strides": None if array.flags.c_contiguous else array.strides,
            "version": 3,
            **self.entries,
        }

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise AssertionError("copied to the host")


class Cupy(OnCuda):
    """An array that names its device as CuPy does."""

    def __init__(self, array: Any, device: int = 0, **entries: Any) -> None:
        super().__init__(array, **entries)
        self.device = SimpleNamespace(id=device)


Cupy.__module__ = "cupy"


# ---- DLPack ----

_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
_BFLOAT16 = (4, 16)
_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", ctypes.pythonapi))
# of capsules that are about to die, so not as Python objects
_capsule_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_Callback = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


class OnDLPack:
    """An array that offers DLPack, and nothing else, on a CUDA device.

    Attributes
    ----------
    streams : list
        What its capsules were asked for with.
    num_alive : int
        Capsules, or what was taken out of them, that were not given back.
    """

    _alive: ClassVar[dict[int, tuple[Any, ...]]] = {}

    def __init__(
        self,
        array: Any,
        device: tuple[int, int] = (2, 0),
        *,
        version: tuple[int, int] | None = (1, 1),
        code_and_bits: tuple[int, int] | None = None,
        lanes: int = 1,
        byte_offset: int = 0,
        with_strides: bool = True,
    ) -> None:
        self.array = array = np.asarray(array)
        self.address, self._memory = placed(array)
        self._device = device
        self._version = version
        if array.dtype.name == "bfloat16":
            code_and_bits = _BFLOAT16
        self._type = code_and_bits or (_CODES[array.dtype.kind], 8 * array.itemsize)
        self._lanes = lanes
        self._byte_offset = byte_offset
        self._with_strides = with_strides
        self.streams: list[Any] = []
        self.num_alive = 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, *, stream: Any = None, **options: Any) -> Any:
        if "max_version" in options and self._version is None:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        self.streams.append(stream)
        versioned = self._version is not None
        managed = dlpack._ManagedVersioned() if versioned else dlpack._Managed()
        if self._version is not None:
            managed.major, managed.minor = self._version
        array, tensor = self.array, managed.tensor
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        steps = [stride // array.itemsize for stride in array.strides]
        strides = (ctypes.c_int64 * array.ndim)(*steps)
        if array.size:
            tensor.data = self.address - self._byte_offset
        tensor.byte_offset = self._byte_offset
        tensor.device_type, tensor.device_id = self._device
        tensor.ndim = array.ndim
        tensor.code, tensor.bits = self._type
        tensor.lanes = self._lanes
        tensor.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
        if self._with_strides:
            tensor.strides = ctypes.cast(strides, ctypes.POINTER(ctypes.c_int64))
        delete = _Callback(self._delete)
        managed.deleter = ctypes.cast(delete, ctypes.c_void_p).value
        self._alive[ctypes.addressof(managed)] = managed, shape, strides, delete, self
        self.num_alive += 1
        name = b"dltensor_versioned" if versioned else b"dltensor"
        return _new_capsule(
            ctypes.addressof(managed), _NAMES[name], ctypes.cast(_destroy, ctypes.c_void_p)
        )

    def _delete(self, address: int) -> None:
        assert self._alive.pop(address), "given back twice"
        self.num_alive -= 1


_NAMES = {name: name for name in (b"dltensor", b"dltensor_versioned")}


@_Callback
def _destroy(capsule: int) -> None:
    """Give back what nobody has taken out of a capsule."""
    for name in _NAMES:
        if _capsule_is_valid(capsule, name):
            address = _capsule_pointer(capsule, name)
            OnDLPack._alive[address][3](address)


# ---- torch ----


class Stream:
    def __init__(self, handle: int) -> None:
        self.cuda_stream = handle


class Tensor:
    """A torch tensor on a device; what is asked of it is noted in `calls`."""

    layout = "strided"
    requires_grad = True

    def __init__(
        self, array: Any, device: str = "cuda:0", *, dtype: str | None = None, is_neg: bool = False
    ) -> None:
        self.array = np.asarray(array)
        self.address, self._memory = placed(self.array)
        kind, _, index = device.partition(":")
        self.device = Place(kind, int(index or 0))
        self.dtype = f"torch.{dtype or self.array.dtype.name}"
        self.calls: list[Any] = []
        self._is_neg = is_neg

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def detach(self) -> Tensor:
        other = Tensor.__new__(type(self))
        other.__dict__.update(self.__dict__, requires_grad=False)
        self.calls.append("detach")
        return other

    def is_neg(self) -> bool:
        return self._is_neg

    def resolve_neg(self) -> Tensor:
        return type(self)(-self.array, str(self.device))

    def stride(self) -> tuple[int, ...]:
        return tuple(stride // self.array.itemsize for stride in self.array.strides)

    def data_ptr(self) -> int:
        assert not self.requires_grad
        return self.address

    def record_stream(self, stream: Stream) -> None:
        self.calls.append(stream.cuda_stream)

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise AssertionError("copied to the host")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        raise AssertionError("torch has no stream in it, and not every dtype")


class Place:
    """A torch.device."""

    def __init__(self, kind: str, index: int) -> None:
        self.type = kind
        self.index = index

    def __str__(self) -> str:
        return "meta" if self.type == "meta" else f"{self.type}:{self.index}"


class Torch:
    """The module. `streams` has the current stream of each device."""

    Tensor = Tensor
    strided = "strided"

    def __init__(self, *, hip: str | None = None) -> None:
        self.version = SimpleNamespace(hip=hip)
        self.streams = {0: 0}
        self.cuda = SimpleNamespace(
            current_stream=lambda device: Stream(self.streams.get(device.index, 0))
        )


# ---- what counts them ----


def as_array(array: Any) -> np.ndarray:
    """Return what is where a DeviceArray says, on the host."""
    interface = {
        "data": (array.address or 1, True),
        "shape": array.shape,
        "strides": array.strides,
        "typestr": array.dtype.str,
        "version": 3,
    }
    return np.asarray(SimpleNamespace(__array_interface__=interface))
