"""How rows become ranks: slices of rows, or pieces of the longest ones, over all threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastpr import parallel
from fastpr.backends.protocol import Backend
from fastpr.dispatch import choose_backend

Part = TypeVar("Part")


class RankBlock(NamedTuple):
    """The ranks of the labels of some rows.

    Attributes
    ----------
    num_relevant : ndarray of int64, shape (num_rows,)
        The number of distinct labels of each row.
    starts : ndarray of int64, shape (num_rows,)
        Where the entries of each row begin in the following, `num_relevant` of them.
    ranks : ndarray of int32
        Ascending in each row; k stands for "not in the top k".
    labels : ndarray of int64 or None
        The label of each rank.
    num_above, num_equal : ndarray of int32 or None
        The number of classes scored higher than each label, or k if it is k or more; and
        then 0, else the number of classes of the same score, the label included.
    """

    num_relevant: NDArray[np.int64]
    starts: NDArray[np.int64]
    ranks: NDArray[np.int32]
    labels: NDArray[np.int64] | None
    num_above: NDArray[np.int32] | None
    num_equal: NDArray[np.int32] | None


class RowSource(Protocol):
    """Rows of scores and their labels; see `fastpr.rows.Rows`."""

    kernel: str
    num_rows: int
    num_classes: int
    num_scores: int
    num_labels: int
    is_sparse: bool
    readable_in_place: bool

    def block(self, start: int, stop: int) -> Any:
        """Return the rows from `start` to `stop`; see `fastpr.rows.RowBlock`."""

    def piece(self, row: int, first: int, stop: int) -> NDArray[Any]:
        """Return contiguous scores of some classes of a row."""

    def label_ids(self, row: int) -> NDArray[np.int64]:
        """Return the distinct labels of a row that are in range, ascending."""

    def label_scores(self, row: int, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Return the scores of some classes of a row."""


# Scores that one call of a kernel reads: some hundred microseconds of work, so that threads
# end together. Where rows have to be copied, it is what is copied at once.
_SLICE_SCORES = 1 << 21
_COPIED_SCORES = 1 << 18
# Finishing takes a hundred microseconds for any number of rows, so that of few rows waits for
# that of others, and is done in one thread: NumPy in several, all at once, would mostly wait
# for the interpreter. But not more than this waits, as ranks take memory until then.
_FEW_ROWS = 1 << 10
_WAITING_SCORES = 1 << 28
_WAITING_LABELS = 1 << 20
# Rows of so many scores are cut into pieces, if there are too few of them for all threads.
_LONG_ROW = 1 << 20
_PIECE_SCORES = 1 << 18


def label_ranks(
    rows: RowSource,
    k: int,
    *,
    with_labels: bool,
    with_ties: bool,
    backend: str | None,
    finish: Callable[[int, int, RankBlock], Part],
    combine: Callable[[Part], None],
) -> None:
    """Rank the labels of rows, in parallel if there are many scores.

    Parameters
    ----------
    rows : RowSource
        Canonical rows.
    k : int
        Ranks end here; at least 1.
    with_labels, with_ties : bool
        Whether blocks have `labels`, and `num_above` and `num_equal`.
    backend : str, optional
        See `choose_backend`.
    finish : callable
        Takes the first row of a slice, the row after its last, and their ranks; returns a
        part. Runs in several threads at once.
    combine : callable
        Takes the parts, in the order of rows. Never runs in two threads at once.
    """
    _, module = choose_backend(backend)
    num_threads = parallel.get_num_threads()
    most = _SLICE_SCORES if rows.readable_in_place else _COPIED_SCORES
    per_row = max(1, rows.num_scores // max(rows.num_rows, 1))
    is_few = rows.num_rows < 2 * num_threads or not rows.readable_in_place
    if per_row >= _LONG_ROW and is_few and not rows.is_sparse:
        for row in range(rows.num_rows):
            block = _rank_long_row(module, rows, row, k, with_labels, with_ties)
            combine(finish(row, row + 1, block))
        return
    length = max(1, most // per_row)
    num_slices = -(-rows.num_rows // length)

    def rank(index: int) -> RankBlock:
        start, stop = index * length, min((index + 1) * length, rows.num_rows)
        return _rank(module, rows, start, stop, k, with_labels, with_ties)

    def finish_slices(first: int, blocks: list[RankBlock]) -> Part:
        stop = min((first + len(blocks)) * length, rows.num_rows)
        return finish(first * length, stop, _join(blocks))

    if rows.num_scores < parallel.MIN_PARALLEL:
        if num_slices:
            combine(finish_slices(0, [rank(index) for index in range(num_slices)]))
    elif length >= _FEW_ROWS:
        parallel.run(lambda index: finish_slices(index, [rank(index)]), num_slices, combine)
    else:
        _rank_together(rank, num_slices, _num_waiting(rows, length), finish_slices, combine)


def _num_waiting(rows: RowSource, length: int) -> int:
    """Return how many slices of rows of that length may wait to be finished."""
    labels = 1 + rows.num_labels // rows.num_rows
    scores = 1 + rows.num_scores // rows.num_rows
    return max(1, min(_WAITING_SCORES // (scores * length), _WAITING_LABELS // (labels * length)))


def _rank_together(
    rank: Callable[[int], RankBlock],
    num_slices: int,
    num_waiting: int,
    finish_slices: Callable[[int, list[RankBlock]], Part],
    combine: Callable[[Part], None],
) -> None:
    """Rank slices of few rows, and finish many of them at once."""
    for first in range(0, num_slices, num_waiting):
        blocks: list[RankBlock] = []
        parallel.run(
            lambda index, first=first: rank(first + index),  # type: ignore[misc]
            min(num_waiting, num_slices - first),
            blocks.append,
        )
        combine(finish_slices(first, blocks))


def _join(blocks: list[RankBlock]) -> RankBlock:
    """Return the ranks of some blocks of rows as those of one."""
    if len(blocks) == 1:
        return blocks[0]
    offsets = np.cumsum([0, *(len(block.ranks) for block in blocks)])
    starts = [block.starts + offset for block, offset in zip(blocks, offsets, strict=False)]
    num_relevant, _, *entries = zip(*blocks, strict=True)
    joined: list[Any] = [
        None if arrays[0] is None else np.concatenate(arrays) for arrays in entries
    ]
    return RankBlock(np.concatenate(num_relevant), np.concatenate(starts), *joined)


def _rank(
    module: Backend,
    rows: RowSource,
    start: int,
    stop: int,
    k: int,
    with_labels: bool,
    with_ties: bool,
) -> RankBlock:
    """Rank the labels of the rows from `start` to `stop`."""
    source = rows.block(start, stop)
    num_rows, num_entries = stop - start, len(source.labels)
    ranks = np.empty(num_entries, np.int32)
    num_relevant = np.empty(num_rows, np.int64)
    labels = np.empty(num_entries, np.int64) if with_labels else None
    above, equal = (np.empty(num_entries, np.int32) if with_ties else None for _ in range(2))
    module.label_ranks(
        rows.kernel, source.scores, source.score_starts, source.labels, source.label_starts,
        source.num_ids, k, num_relevant, ranks, labels, above, equal,
    )  # fmt: skip
    if source.label_starts is None:
        starts = np.arange(num_rows, dtype=np.int64) * (num_entries // num_rows)
    else:
        starts = source.label_starts[:-1]
    block = RankBlock(num_relevant, starts, ranks, labels, above, equal)
    if labels is not None and source.ids is not None:
        _positions_to_ids(block, source)
    return block


def _positions_to_ids(block: RankBlock, source: Any) -> None:
    """Replace positions among the stored scores of a row by class ids, and order by these."""
    starts, counts, labels = block.starts, block.num_relevant, block.labels
    assert labels is not None
    row = np.repeat(np.arange(len(starts)), counts)
    entry = starts[row] + np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
    position = labels[entry]
    begin, end = source.score_starts[row], source.score_starts[row + 1]
    is_stored = position < end - begin
    position[is_stored] = source.ids[(begin + position)[is_stored]]
    position[~is_stored] -= (end - begin)[~is_stored]
    # labels that are not stored came after the others, whatever their id
    above = block.ranks if block.num_above is None else block.num_above
    order = np.lexsort((position, above[entry], block.ranks[entry], row))
    labels[entry] = position[order]
    for counted in (block.num_above, block.num_equal):
        if counted is not None:
            counted[entry] = counted[entry][order]


def _rank_long_row(
    module: Backend,
    rows: RowSource,
    row: int,
    k: int,
    with_labels: bool,
    with_ties: bool,
) -> RankBlock:
    """Rank the labels of one row, whose pieces go to all threads."""
    ids = rows.label_ids(row)
    scores = rows.label_scores(row, ids)
    totals = np.zeros((3 if with_ties else 1, len(ids)), np.int64)

    def work(index: int) -> NDArray[np.int64]:
        counts = np.zeros_like(totals)
        first = index * _PIECE_SCORES
        piece = rows.piece(row, first, min(first + _PIECE_SCORES, rows.num_classes))
        above, equal = counts[1:] if with_ties else (None, None)
        module.label_counts(rows.kernel, piece, first, ids, scores, k, counts[0], above, equal)
        return counts

    def add(counts: NDArray[np.int64]) -> None:
        np.add(totals, counts, out=totals)

    if len(ids):
        parallel.run(work, -(-rows.num_classes // _PIECE_SCORES), add)
    ranks = np.minimum(totals[0], k)
    above = np.minimum(totals[-1 if not with_ties else 1], k)
    order = np.lexsort((ids, above, ranks))
    num_relevant, start = np.array([len(ids)]), np.zeros(1, np.int64)
    return RankBlock(
        num_relevant,
        start,
        ranks[order].astype(np.int32),
        ids[order] if with_labels else None,
        above[order].astype(np.int32) if with_ties else None,
        np.where(above < k, totals[-1], 0)[order].astype(np.int32) if with_ties else None,
    )
