"""Arrays on the host, as both metrics read them: in place, whatever they come from."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastpr.arrays.dtypes import Array
from fastpr.arrays.places import HOST, place_of
from fastpr.backends.choose import BackendUnavailable

# Bits of ndarray.flags.num (NPY_ARRAY_* in NumPy's C API).
C_CONTIGUOUS, F_CONTIGUOUS, ALIGNED = 0x1, 0x2, 0x100
WEIGH_NOTHING = (
    "pass their .filled(0) and weights of ~numpy.ma.getmaskarray(...), so that masked samples "
    "weigh 0"
)


def host_array(value: Any, name: str, if_masked: str = WEIGH_NOTHING) -> tuple[Array, bool]:
    """Return a value as an array that shares its memory, and whether its uint16 are bfloat16.

    Parameters
    ----------
    value : array_like
        A NumPy array, a torch tensor on the CPU, or whatever offers the buffer protocol,
        ``__array_interface__`` or DLPack.
    name : str
        What messages call it, in the plural.
    if_masked : str
        What to do with a masked array.

    Raises
    ------
    BackendUnavailable
        If it is not in host memory.
    TypeError
        If it cannot be read as an array, or is masked.
    """
    if type(value) is not np.ndarray:
        value = _foreign_array(value, name, if_masked)
        if isinstance(value, tuple):
            return value
    dtype = value.dtype
    if dtype.kind == "V" and dtype.name == "bfloat16":
        return value.view(np.uint16), True
    return value, False


def _foreign_array(value: Any, name: str, if_masked: str) -> Any:
    if (place := place_of(value)) != HOST:
        raise _not_on_host(name, place)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _torch_array(torch, value, name)
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} are a masked array; {if_masked}")
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {error}"
        ) from None


def _torch_array(torch: Any, tensor: Any, name: str) -> Any:
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} are a sparse tensor ({tensor.layout}); pass a dense one")
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16), True
    return tensor.numpy()


def _not_on_host(name: str, place: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{name} are on {place}, and are not read there; copy them to the host first, with "
        ".cpu() for instance"
    )


def readable(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array of a native dtype, aligned and contiguous; itself if that is so."""
    wanted = ALIGNED | C_CONTIGUOUS
    if array.dtype == dtype and array.flags.num & wanted == wanted:
        return array
    return array.astype(dtype, order="C")
