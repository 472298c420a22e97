"""DLPack without a library: what a capsule says of an array, and giving it back.

https://dmlc.github.io/dlpack/latest/c_api.html and
https://data-apis.org/array-api/latest/API_specification/generated/array_api.array.__dlpack__.html
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

# Of DLDeviceType.
_ON_HOST = (1, 3, 11)  # kDLCPU, kDLCUDAHost and kDLROCMHost
_ON_CUDA = (2, 13)  # kDLCUDA and kDLCUDAManaged
_OTHERS = {4: "opencl", 7: "vulkan", 8: "metal", 9: "vpi", 10: "rocm", 14: "oneapi", 15: "webgpu"}
# Of DLDataTypeCode.
_CODES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
# The last with which a reader of this one can go on.
_MAX_VERSION = (1, 1)

# Capsules keep these addresses; they have to live as long as the process.
_NAME, _USED = b"dltensor", b"used_dltensor"
_NAME_VERSIONED, _USED_VERSIONED = b"dltensor_versioned", b"used_dltensor_versioned"

# Called with the GIL: not every producer takes it itself.
_Deleter = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


def _python_function(name: str, result: Any) -> Any:
    # Types set on ctypes.pythonapi itself would be those of everybody in the process.
    return ctypes.PYFUNCTYPE(result, ctypes.py_object, ctypes.c_char_p)((name, ctypes.pythonapi))


_is_valid = _python_function("PyCapsule_IsValid", ctypes.c_int)
_get_pointer = _python_function("PyCapsule_GetPointer", ctypes.c_void_p)
_set_name = _python_function("PyCapsule_SetName", ctypes.c_int)


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (
        ("tensor", _Tensor),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


class _ManagedVersioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


class DLTensor(NamedTuple):
    """What a capsule says of an array.

    Attributes
    ----------
    address : int
        Of element 0; 0 if there is no memory.
    shape : tuple of int
        Its shape.
    steps : tuple of int or None
        Strides in elements; None in C order.
    dtype_name : str
        As NumPy has it, or bfloat16; of others something that NumPy has not.
    device : int
        The number of the device among those of its kind.
    owner : object
        The memory is given back when this is no longer referenced.
    """

    address: int
    shape: tuple[int, ...]
    steps: tuple[int, ...] | None
    dtype_name: str
    device: int
    owner: object


class _Owner:
    """A capsule's content, given back to its producer when this dies."""

    __slots__ = ("_address", "_delete", "_producer")

    def __init__(self, managed: _Managed | _ManagedVersioned, producer: Any) -> None:
        self._address = ctypes.addressof(managed)
        self._delete = _Deleter(managed.deleter) if managed.deleter else None
        self._producer = producer

    def __del__(self) -> None:
        if self._delete is not None:
            self._delete(self._address)


def place_of(device_type: int, device_id: int) -> str:
    """Return a DLPack device as messages call it."""
    if device_type in _ON_HOST:
        return "the host"
    if device_type in _ON_CUDA:
        return f"cuda:{int(device_id)}"
    if device_type in _OTHERS:
        return f"{_OTHERS[device_type]}:{int(device_id)}"
    return f"DLPack device {int(device_type)}:{int(device_id)}"


def c_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides, in bytes, of an array in C order."""
    strides = []
    for size in reversed(shape):
        strides.append(itemsize)
        itemsize *= size
    return tuple(reversed(strides))


def _capsule_of(value: Any, stream: int) -> Any:
    try:
        return value.__dlpack__(stream=stream, max_version=_MAX_VERSION)
    except TypeError:  # from before there were versions
        return value.__dlpack__(stream=stream)


def take(value: Any, stream: int) -> DLTensor:
    """Return what an array says of itself, to be read on a stream; its memory is then ours too.

    Parameters
    ----------
    value : object with __dlpack__
        It is on a device.
    stream : int
        The stream that its producer has to make wait until the array is written.

    Raises
    ------
    BufferError, TypeError, ValueError, RuntimeError
        If its producer does not give it, or in a form that is not known.
    """
    capsule = _capsule_of(value, stream)
    managed: _Managed | _ManagedVersioned
    if _is_valid(capsule, _NAME_VERSIONED):
        managed = _ManagedVersioned.from_address(_get_pointer(capsule, _NAME_VERSIONED))
        _set_name(capsule, _USED_VERSIONED)
    elif _is_valid(capsule, _NAME):
        managed = _Managed.from_address(_get_pointer(capsule, _NAME))
        _set_name(capsule, _USED)
    else:
        raise BufferError("its __dlpack__ returned no capsule of DLPack")
    owner = _Owner(managed, value)
    if isinstance(managed, _ManagedVersioned) and managed.major != _MAX_VERSION[0]:
        raise BufferError(f"it is of DLPack {managed.major}.{managed.minor}, which is not known")
    tensor = managed.tensor
    ndim = tensor.ndim
    shape = tuple(tensor.shape[:ndim]) if ndim else ()
    return DLTensor(
        address=tensor.data + tensor.byte_offset if tensor.data else 0,
        shape=shape,
        steps=tuple(tensor.strides[:ndim]) if tensor.strides else None,
        dtype_name=_dtype_name(tensor),
        device=int(tensor.device_id),
        owner=owner,
    )


def _dtype_name(tensor: _Tensor) -> str:
    code, bits, lanes = tensor.code, tensor.bits, tensor.lanes
    if lanes != 1 or code not in _CODES:
        return f"of DLPack code {code} with {bits} bits and {lanes} lanes"
    if _CODES[code] == "bool":
        return "bool" if bits == 8 else f"bool{bits}"
    return f"{_CODES[code]}{bits}"
