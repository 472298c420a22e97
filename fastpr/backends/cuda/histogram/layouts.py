"""Samples of any layout in rows and columns, and how many blocks and threads they get."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastpr.backends.cuda.device import Device
from fastpr.backends.cuda.histogram.kernels import UNIT
from fastpr.backends.cuda.histogram.request import HasAddress

# Threads of a block, where two blocks are to share a multiprocessor, and where one has it alone.
_SHARING, _ALONE = 512, 1024


class Piece(NamedTuple):
    """Samples in rows and columns.

    Attributes
    ----------
    num_rows, num_cols : int
        At least 1.
    offset, row_pitch, col_pitch : int
        The position of a sample is ``offset + row * row_pitch + col * col_pitch``.
    places : list of (int, int, int)
        Of each array the address, and the bytes from row to row and from column to column.
    """

    num_rows: int
    num_cols: int
    offset: int
    row_pitch: int
    col_pitch: int
    places: list[tuple[int, int, int]]

    def is_wide(self, dtypes: list[np.dtype[Any]]) -> bool:
        """Return whether rows are contiguous, and begin at multiples of 16 bytes."""
        return all(
            col == dtype.itemsize and address % 16 == 0 and (self.num_rows == 1 or row % 16 == 0)
            for (address, row, col), dtype in zip(self.places, dtypes, strict=True)
        )


def pieces(shape: tuple[int, ...], arrays: Sequence[HasAddress]) -> Iterator[Piece]:
    """Yield samples of any layout in rows and columns, in as few pieces as it takes."""
    num_samples = math.prod(shape)
    if all(array.strides == _contiguous(shape, array.dtype.itemsize) for array in arrays):
        sizes = [array.dtype.itemsize for array in arrays]
        places = [(array.address, 0, size) for array, size in zip(arrays, sizes, strict=True)]
        yield from _aligned(Piece(1, num_samples, 0, num_samples, 1, places), sizes)
        return
    axes = _merged(shape, arrays)
    cols = _Axis(1, 1, [array.dtype.itemsize for array in arrays])
    rows = _Axis(1, num_samples, [0] * len(arrays))
    # threads side by side read columns side by side
    if axes:
        cols = axes.pop(min(reversed(range(len(axes))), key=lambda i: abs(axes[i].steps[0])))
    if axes:
        rows = axes.pop(max(range(len(axes)), key=lambda i: axes[i].size))
    for place in np.ndindex(*(axis.size for axis in axes)):
        offset = sum(i * axis.pitch for i, axis in zip(place, axes, strict=True))
        starts = [
            array.address + sum(i * axis.steps[n] for i, axis in zip(place, axes, strict=True))
            for n, array in enumerate(arrays)
        ]
        places = list(zip(starts, rows.steps, cols.steps, strict=True))
        yield from _aligned(
            Piece(rows.size, cols.size, offset, rows.pitch, cols.pitch, places),
            [array.dtype.itemsize for array in arrays],
        )


@lru_cache(maxsize=256)
def _contiguous(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides of an array in C order."""
    strides = []
    for size in reversed(shape):
        strides.append(itemsize)
        itemsize *= size
    return tuple(reversed(strides))


class _Axis(NamedTuple):
    size: int
    pitch: int  # positions from one to the next
    steps: list[int]  # bytes from one to the next, of each array


def _merged(shape: tuple[int, ...], arrays: Sequence[HasAddress]) -> list[_Axis]:
    """Return the axes without those of size 1, and as one where all arrays go on as before."""
    merged: list[_Axis] = []
    pitch = 1
    for i in reversed(range(len(shape))):
        size, steps = shape[i], [array.strides[i] for array in arrays]
        if size != 1:
            inner = merged[0] if merged else None
            if inner and all(
                step == inner.size * inside for step, inside in zip(steps, inner.steps, strict=True)
            ):
                merged[0] = _Axis(size * inner.size, inner.pitch, inner.steps)
            else:
                merged.insert(0, _Axis(size, pitch, steps))
        pitch *= size
    return merged


def _aligned(piece: Piece, sizes: list[int]) -> Iterator[Piece]:
    """Cut off what is before the first place where all arrays of one row are aligned."""
    if all(address % 16 == 0 for address, _, _ in piece.places):
        yield piece
        return
    is_contiguous = all(place[2] == size for place, size in zip(piece.places, sizes, strict=True))
    if piece.num_rows == 1 and is_contiguous and piece.num_cols > 2 * UNIT:
        for head in range(1, UNIT):
            starts = [
                (address + head * size, row, col)
                for (address, row, col), size in zip(piece.places, sizes, strict=True)
            ]
            if all(address % 16 == 0 for address, _, _ in starts):
                yield piece._replace(num_cols=head)
                piece = piece._replace(
                    num_cols=piece.num_cols - head,
                    offset=piece.offset + head * piece.col_pitch,
                    places=starts,
                )
                break
    yield piece


class Windows(NamedTuple):
    """How a table of many cells is counted by blocks with little shared memory."""

    num_windows: int
    num_cells: int
    shared: int


def windows(num_cells: int, max_shared: int) -> Windows:
    """Return as few windows as fit; a table has two cells more, for what is in none."""
    most = max_shared // 4 - 2
    num_windows = -(-num_cells // most)
    length = -(-num_cells // num_windows)
    return Windows(num_windows, length, 4 * (length + 2))


def geometry(device: Device, shared: int, num_units: int, num_windows: int = 1) -> tuple[int, int]:
    """Return the numbers of blocks and of threads in each."""
    sharing = shared <= device.max_shared // 2 - 2048
    threads = device.num_threads(_SHARING if sharing else _ALONE)
    blocks = device.num_multiprocessors * (2 if sharing else 1)
    needed = -(-num_units // threads)
    per_window = max(1, min(blocks // num_windows, needed))
    return per_window * num_windows, threads
