"""The first value of an array that is wrong, and the words in which messages name it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastpr.arrays.dtypes import Array

# Samples of one chunk of arrays that cannot be read where they are.
CHUNK = 16_384

# The first value that is wrong, and its index as text; None where none was found.
First = tuple[Any, str] | None


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


def position_text(first: First) -> str:
    """Return what `first_bad` found as the words of a message."""
    if first is None:  # the array was written to in between
        return "which have changed since"
    value, index = first
    return f"first: {value!s} at index {index}"
