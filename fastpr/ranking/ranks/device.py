"""Rows on a device are ranked there: pieces of them are started, and read when they are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastpr.arrays.device import DeviceArray
from fastpr.backends.protocol import RankBlock
from fastpr.ranking.rows.device import DeviceRows, RowPiece

if TYPE_CHECKING:
    from fastpr.backends.cuda.ranks.launch import PendingRanks

Part = TypeVar("Part")

# Rows and labels whose ranks may be on devices to be read, of 4 to 20 bytes each.
MAX_ENTRIES = 1 << 24

# Of an array that a kernel copies.
_MAX_DIMENSIONS = 4


class StartedPiece(NamedTuple):
    """Some rows of an update, whose ranks are on their way.

    Attributes
    ----------
    start, stop : int
        The first of these rows, and the row after the last.
    num_entries : int
        How many numbers it takes to describe their ranks, at most.
    ranks : PendingRanks or None
        None without rows.
    nothing : RankBlock, optional
        What `read` returns without rows.
    """

    start: int
    stop: int
    num_entries: int
    ranks: PendingRanks | None
    nothing: RankBlock | None = None

    def is_done(self) -> bool:
        """Return whether `read` is not going to wait; never waits itself."""
        return self.ranks is None or self.ranks.is_done()

    def read(self) -> RankBlock | None:
        """Wait for the ranks, and return them; the same ones whenever it is called.

        None where the kernel met an indptr that it could make no sense of.
        """
        if self.ranks is None:
            return self.nothing
        read = self.ranks.read()
        return None if read.bad_row >= 0 else read.block


def require_ranks(block: RankBlock | None) -> RankBlock:
    """Return what `StartedPiece.read` returned after `DeviceRanking.check`, if that is ranks."""
    if block is None:
        raise ValueError("the indptr of labels was written to while it was read")
    return block


class DeviceRanking:
    """The ranking of the rows of one update, on their device and the stream of their scores.

    Parameters
    ----------
    rows : DeviceRows
        What is to be ranked.
    k : int
        Ranks end here; at least 1.
    with_labels, with_ties : bool
        Whether blocks have `labels`, and `num_above` and `num_equal`.
    """

    def __init__(self, rows: DeviceRows, k: int, *, with_labels: bool, with_ties: bool) -> None:
        from fastpr.backends.cuda import device as cuda_device

        self._rows = rows
        self._options = k, with_labels, with_ties
        self._device = cuda_device.get(rows.scores.device)
        self._stream = self._device.stream_after(rows.scores.stream, rows.other_streams)
        self._indptr, self._weights = map(self._copy, (rows.indptr, rows.device_weights))

    def _copy(self, array: DeviceArray | None) -> _Values | None:
        return None if array is None else _Values(self._device, self._stream, array)

    def start(self) -> Iterator[StartedPiece]:
        """Yield the pieces of the rows, in order, each as it is started; at least one of them."""
        if not self._rows.num_rows:
            _, with_labels, with_ties = self._options
            long, short = np.zeros(0, np.int64), np.zeros(0, np.int32)
            ties = short if with_ties else None
            nothing = RankBlock(long, long, short, long if with_labels else None, ties, ties)
            yield StartedPiece(0, 0, 0, None, nothing)
            return
        for piece in self._rows.pieces():
            yield StartedPiece(piece.start, piece.stop, piece.num_entries, self._start(piece))

    def _start(self, piece: RowPiece) -> PendingRanks:
        from fastpr.backends.cuda.ranks import launch

        rows, indptr = self._rows, self._rows.indptr
        k, with_labels, with_ties = self._options
        request = launch.RankRequest(
            kernel=rows.kernel,
            scores_address=piece.scores_address,
            row_stride=rows.row_stride,
            class_stride=rows.scores.strides[-1],
            num_rows=piece.stop - piece.start,
            num_classes=rows.num_classes,
            labels_address=piece.labels_address,
            label_dtype=rows.labels.dtype,
            labels_row_stride=rows.labels_row_stride,
            labels_stride=rows.labels.strides[-1],
            num_labels=rows.num_labels,
            starts_address=piece.starts_address,
            starts_dtype=None if indptr is None else indptr.dtype,
            starts_stride=0 if indptr is None else indptr.strides[0],
            k=k,
            with_labels=with_labels,
            with_ties=with_ties,
        )
        return launch.rank(self._device, self._stream, request, (rows.owners,))

    def check(self) -> NDArray[np.float64] | None:
        """Wait for the indptr and the weights; return the weights of rows, if there are any.

        Raises
        ------
        ValueError
            If the indptr does not describe the labels, or weights are negative or not finite.
        """
        if self._indptr is not None:
            starts = self._indptr.read()  # rounded where it is beyond all indices
            starts = np.minimum(starts, np.nextafter(2.0**63, 0))
            self._rows.check_indptr(starts.astype(np.int64))
        return self._rows.weights(None if self._weights is None else self._weights.read())

    def finish(
        self, finish: Callable[[int, int, RankBlock], Part], combine: Callable[[Part], None]
    ) -> None:
        """Rank all rows after `check`, and wait for them; a bounded number at a time.

        Parameters
        ----------
        finish, combine
            As for `fastpr.ranking.ranks.host.HostRanking.finish`.
        """
        started: deque[StartedPiece] = deque()

        def finish_oldest() -> None:
            oldest = started.popleft()
            combine(finish(oldest.start, oldest.stop, require_ranks(oldest.read())))

        for piece in self.start():
            started.append(piece)
            while len(started) > 1 and sum(each.num_entries for each in started) > MAX_ENTRIES:
                finish_oldest()
        while started:
            finish_oldest()


class _Values:
    """The values of an array on a device as float64, on their way to the host."""

    def __init__(self, device: Any, stream: Any, array: DeviceArray) -> None:
        from fastpr.backends.cuda.ranks import values

        self._shape = array.shape
        self._owner = array.owner  # which has to live until they are read
        num_outer = max(0, len(array.shape) - _MAX_DIMENSIONS)
        shape, strides = array.shape[num_outer:], array.strides[num_outer:]
        self._parts = [
            values.as_float64(
                device,
                stream,
                array.address + sum(map(mul, index, array.strides)),
                shape,
                strides,
                array.dtype,
                array.is_bfloat16,
            )
            for index in np.ndindex(array.shape[:num_outer])
        ]

    def read(self) -> NDArray[np.float64]:
        """Wait, and return them; the same ones whenever it is called."""
        parts = [np.zeros(0), *(part.read().reshape(-1) for part in self._parts)]
        return np.concatenate(parts).reshape(self._shape)
