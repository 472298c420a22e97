"""Samples on a device, as they are handed to a table there.

Nothing of CUDA is imported, so that those who ask for counts need not have it either.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np


class HasAddress(Protocol):
    """An array on a device."""

    @property
    def address(self) -> int:
        """That of the first value."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one value to the next, along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """What values are read as."""


class Address(NamedTuple):
    """The least that is an array on a device; see `HasAddress`."""

    address: int
    strides: tuple[int, ...]
    dtype: np.dtype[Any]


class CountRequest(NamedTuple):
    """Samples on a device, checked as far as can be without reading them.

    Attributes
    ----------
    stream : stream
        One of their device, on which they have been, or are being, made, and are counted.
    kernel : {"f32", "f64", "u8", "u16", "half"}
        How the scores are read.
    shape : tuple of int
        That of all arrays.
    scores, labels : HasAddress
        In the storage dtype of their kind; labels of uint8 (any byte but 0 is true), or signed.
    weights : HasAddress, optional
        If samples differ in these.
    weight_kind : str, optional
        What they are; see `fastpr.backends.cuda.histogram.weights.WEIGHT_DTYPES`.
    scalar_weight : float, optional
        What counts are multiplied by.
    owners : tuple, optional
        What has to live until they have been read.
    """

    stream: Any
    kernel: str
    shape: tuple[int, ...]
    scores: HasAddress
    labels: HasAddress
    weights: HasAddress | None = None
    weight_kind: str | None = None
    scalar_weight: float | None = None
    owners: tuple[object, ...] = ()
