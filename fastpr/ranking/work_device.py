"""Updates of a state with rows on devices: ranked there, and summed once their ranks are read."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import NamedTuple

from fastpr.ranking.ranks import device as rank_device
from fastpr.ranking.ranks.device import DeviceRanking, StartedPiece, require_ranks
from fastpr.ranking.row_sums import NO_ROWS, RowSums
from fastpr.ranking.rows.device import DeviceRows
from fastpr.ranking.values import RankingOptions, Summands, Summation

# Pieces of updates that may wait on devices to be read.
MAX_PIECES = 1 << 10


class _Update:
    """An update whose ranks are not all read."""

    def __init__(
        self, rows: DeviceRows, ordinal: int, options: RankingOptions, summands: Summands
    ) -> None:
        self.rows = rows
        self.ordinal = ordinal
        self.error: str | None = None
        self.ranking = DeviceRanking(rows, options.k, **options.wanted)
        self._made_of = options, summands
        self._summation: Summation | None = None

    @property
    def total(self) -> RowSums:
        """What was added so far."""
        return NO_ROWS if self._summation is None else self._summation.total

    def add(self, piece: StartedPiece) -> None:
        """Wait for a piece of the rows, and add it, or note what is wrong with it."""
        block = piece.read()
        if self.error is not None:
            return
        try:
            if self._summation is None:
                weights = self.ranking.check()
                self._summation = Summation(self.rows.shape, weights, *self._made_of)
            part = self._summation.finish(piece.start, piece.stop, require_ranks(block))
            self._summation.combine(part)
        except (ValueError, OverflowError) as error:
            self.error = str(error)


class _Waiting(NamedTuple):
    update: _Update
    piece: StartedPiece
    is_last: bool


class RankWork:
    """Rows of one state that devices rank, until they are read.

    See `fastpr.streaming.pending.DeviceWork`.

    What waits there to be read is bounded, by `fastpr.ranking.ranks.device.MAX_ENTRIES` and
    `MAX_PIECES`. Where it would be more, all that is done is read, from the oldest on, and
    the oldest is waited for where that is not enough.

    Parameters
    ----------
    options, summands
        What is added up over rows.
    """

    def __init__(self, options: RankingOptions, summands: Summands) -> None:
        self._made_of = options, summands
        self._waiting: deque[_Waiting] = deque()
        self._num_entries = 0
        # So many were seen to be done, from the oldest on.
        self._num_done = 0
        self._seen = NO_ROWS
        self._refused: list[tuple[int, str]] = []

    def add(self, item: DeviceRows, ordinal: int, /) -> None:
        """Start ranking an update; all of it, or nothing when it raises."""
        update = _Update(item, ordinal, *self._made_of)
        try:
            for piece in update.ranking.start():
                is_last = piece.stop == item.num_rows
                self._waiting.append(_Waiting(update, piece, is_last))
                self._num_entries += piece.num_entries
                self._make_room()
        except BaseException:
            self._forget(update)
            raise
        self._release_done()

    def _release_done(self) -> None:
        """Let go of the scores and labels of updates whose kernels are done."""
        while self._num_done < len(self._waiting):
            update, piece, is_last = self._waiting[self._num_done]
            if not piece.is_done():
                return
            if is_last:
                update.rows.release()
            self._num_done += 1

    def _make_room(self) -> None:
        def is_too_much() -> bool:
            too_many = len(self._waiting) > MAX_PIECES
            return too_many or self._num_entries > rank_device.MAX_ENTRIES

        if is_too_much():
            while len(self._waiting) > 1 and (is_too_much() or self._waiting[0].piece.is_done()):
                self._finish_oldest()

    def _finish_oldest(self) -> None:
        update, piece, is_last = self._waiting[0]
        update.add(piece)
        if is_last:
            update.rows.release()
            if update.error is not None:
                self._refused.append((update.ordinal, update.error))
            else:
                self._seen = self._seen.plus(update.total)
        self._waiting.popleft()
        self._num_entries -= piece.num_entries
        self._num_done = max(0, self._num_done - 1)

    def _forget(self, update: _Update) -> None:
        started = [waiting for waiting in self._waiting if waiting.update is update]
        self._waiting = deque(each for each in self._waiting if each.update is not update)
        self._num_entries = sum(each.piece.num_entries for each in self._waiting)
        self._num_done = min(self._num_done, len(self._waiting))
        for _, piece, _ in started:
            with suppress(Exception):  # the error that is being raised says more
                piece.read()  # arrays are to live until kernels have used them

    def finish(self) -> tuple[RowSums, list[tuple[int, str]]]:
        """Wait, and return the sums of updates since the last call, and those left out."""
        while self._waiting:
            self._finish_oldest()
        seen, refused = self._seen, self._refused
        self._seen, self._refused = NO_ROWS, []
        return seen, refused
