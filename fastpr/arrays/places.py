"""Where arrays are: on the host, or on which device. Nothing of CUDA is loaded to find out."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np

from fastpr.arrays import dlpack

HOST = "the host"
CUDA = "cuda"
# Only the driver knows which, and it is not asked for the sake of a message.
_SOME_CUDA = "a CUDA device"
# What is never on a device.
_HOST_TYPES = frozenset((np.ndarray, float, int, bool, list, tuple))


def place_of(value: Any) -> str:
    """Return where an array is, as messages say it: "cuda:0", "mps:0" or "the host".

    Never raises, and does not initialise CUDA.
    """
    if type(value) in _HOST_TYPES:
        return HOST
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        kind = value.device.type
        if kind == "cpu":
            return HOST
        is_rocm = kind == CUDA and getattr(torch.version, "hip", None)
        return f"{value.device} (ROCm)" if is_rocm else str(value.device)
    if hasattr(value, "__cuda_array_interface__"):
        ordinal = cupy_ordinal(value)
        return _SOME_CUDA if ordinal is None else f"{CUDA}:{ordinal}"
    if hasattr(value, "__dlpack_device__"):
        return dlpack.place_of(*value.__dlpack_device__())
    return HOST


def is_cuda(place: str) -> bool:
    """Return whether what `place_of` returned is a device that CUDA kernels read."""
    return place == _SOME_CUDA or (place.startswith(CUDA) and not place.endswith("(ROCm)"))


def check_same_place(places: dict[str, str]) -> None:
    """Raise ValueError, with both places, if arrays are in several."""
    items = list(places.items())
    for (first, here), (name, place) in pairwise(items):
        if here != place and not (_SOME_CUDA in (here, place) and is_cuda(here) and is_cuda(place)):
            raise differ_in_place(first, here, name, place)


def differ_in_place(first: str, here: str, name: str, place: str) -> ValueError:
    """Return the error that names two arrays and where they are."""
    return ValueError(f"{first} are on {here} and {name} on {place}; pass both on the same device")


def cupy_ordinal(value: Any) -> int | None:
    """Return the device that a CuPy array names; what others call device is not its number."""
    if type(value).__module__.partition(".")[0] != "cupy":
        return None
    return int(value.device.id)
