"""Arrays on the host, as both metrics read them: in place, whatever they come from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.places import HOST, place_of
from fastpr.backends.choose import BackendUnavailable
from fastpr.backends.protocol import bfloat16_values

Array = NDArray[Any]
# The first value that is wrong, and its index as text; None where none was found.
First = tuple[Any, str] | None

# Samples of one chunk of arrays that cannot be read where they are.
CHUNK = 16_384
# Bits of ndarray.flags.num (NPY_ARRAY_* in NumPy's C API).
C_CONTIGUOUS, F_CONTIGUOUS, ALIGNED = 0x1, 0x2, 0x100
_WEIGH_NOTHING = (
    "pass their .filled(0) and weights of ~numpy.ma.getmaskarray(...), so that masked samples "
    "weigh 0"
)


def host_array(value: Any, name: str, if_masked: str = _WEIGH_NOTHING) -> tuple[Array, bool]:
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


def weight_array(
    weights: ArrayLike, name: str = "weights", if_masked: str = _WEIGH_NOTHING
) -> tuple[Array, bool]:
    """Return `host_array` of weights, if their dtype is one of real numbers or bool."""
    array, is_bfloat16 = host_array(weights, name, if_masked)
    check_weight_dtype(array.dtype, is_bfloat16, name)
    return array, is_bfloat16


def check_weight_dtype(dtype: np.dtype[Any], is_bfloat16: bool, name: str = "weights") -> None:
    """Raise TypeError if a dtype is not one of real numbers or bool."""
    if not is_bfloat16 and dtype.kind not in "biuf":
        raise TypeError(f"{name} have dtype {dtype}; pass real numbers or bool")


def as_float64(weights: Array, is_bfloat16: bool) -> NDArray[np.float64]:
    """Return what `weight_array` returned as float64, without a copy if that is what it is."""
    if is_bfloat16:
        weights = bfloat16_values(weights)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(weights, np.float64)


def check_weight_values(
    weights: Array, is_bfloat16: bool, name: str = "weights", left_out: str = "samples"
) -> None:
    """Raise ValueError if a weight is negative or not finite, with the first that is."""
    first = first_bad_weight(weights, is_bfloat16)
    if first is not None:
        raise ValueError(bad_weights(first, name, left_out))


def first_bad_weight(weights: Array, is_bfloat16: bool) -> First:
    """Return the first weight that is negative or not finite, and its index as text."""

    def is_bad(chunk: Array) -> Array:
        chunk = as_float64(chunk, is_bfloat16)
        return ~(np.isfinite(chunk) & (chunk >= 0))

    first = first_bad(weights, is_bad)
    if first is None:
        return None
    return as_float64(np.asarray(first[0]).reshape(1), is_bfloat16)[0], first[1]


def bad_weights(first: First, name: str = "weights", left_out: str = "samples") -> str:
    """Return the message about weights of which one is negative or not finite."""
    return (
        f"{name} must be finite and not negative ({found(first)}); pass 0 to leave {left_out} out"
    )


def first_bad(array: Array, is_bad: Callable[[Array], Array]) -> First:
    """Return the first value, in C order, that `is_bad`, and its index as text."""
    iterator: Any = np.nditer(  # type: ignore[call-overload]  # 'contig' is documented
        array,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly", "nbo", "aligned", "contig"]],
        order="C",
        buffersize=CHUNK,
    )
    position = 0
    for chunk in iterator:
        bad = np.flatnonzero(is_bad(chunk))
        if bad.size:
            index = np.unravel_index(position + int(bad[0]), array.shape)
            return chunk[bad[0]], str(tuple(int(axis) for axis in index))
        position += chunk.size
    return None


def found(first: First) -> str:
    """Return what `first_bad` found as the words of a message."""
    if first is None:  # the array was written to in between
        return "which have changed since"
    value, index = first
    return f"first: {value!s} at index {index}"


def readable(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array of a native dtype, aligned and contiguous; itself if that is so."""
    wanted = ALIGNED | C_CONTIGUOUS
    if array.dtype == dtype and array.flags.num & wanted == wanted:
        return array
    return array.astype(dtype, order="C")
