"""How rows become ranks: slices of rows, or pieces of the longest ones, over all threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastpr.backends import parallel
from fastpr.backends.choose import choose_backend
from fastpr.backends.protocol import Backend, RankBlock
from fastpr.ranking.rows.host import Rows

Part = TypeVar("Part")


# Scores that one call of a kernel reads: some hundred microseconds of work, so that threads
# end together. Where rows have to be copied, it is what is copied at once.
_SLICE_SCORES = 1 << 21
_COPIED_SCORES = 1 << 18
# What a thread may take at once, of rows that are finished together, in slices of that size.
_MOST_SLICES = 8
# Finishing takes a hundred microseconds for any number of rows, so that of few rows waits for
# that of others, and is done in one thread: NumPy in several, all at once, would mostly wait
# for the interpreter. But not more than this waits, as ranks take memory until then.
_FEW_ROWS = 1 << 10
_WAITING_SCORES = 1 << 28
_WAITING_LABELS = 1 << 20
# Rows of so many scores are cut into pieces, if there are too few of them for all threads.
_LONG_ROW = 1 << 20
_PIECE_SCORES = 1 << 18


class HostRanking:
    """The ranking of the rows of one update, on the host.

    See `fastpr.ranking.ranks.ranking.Ranking`.

    Parameters
    ----------
    rows : Rows
        Canonical rows.
    k : int
        Ranks end here; at least 1.
    with_labels, with_ties : bool
        Whether blocks have `labels`, and `num_above` and `num_equal`.
    backend : str, optional
        See `choose_backend`.
    """

    def __init__(
        self, rows: Rows, k: int, *, with_labels: bool, with_ties: bool, backend: str | None
    ) -> None:
        self._rows = rows
        self._options = k, with_labels, with_ties
        self._backend = backend

    def check(self) -> NDArray[np.float64] | None:
        """Return the weights of rows, if there are any; they were checked when they were read."""
        return self._rows.weights

    def finish(
        self, finish: Callable[[int, int, RankBlock], Part], combine: Callable[[Part], None]
    ) -> None:
        """Rank the labels of rows, in parallel if there are many scores.

        Parameters
        ----------
        finish : callable
            Takes the first row of a slice, the row after its last, and their ranks; returns a
            part. Runs in several threads at once.
        combine : callable
            Takes the parts, in the order of rows. Never runs in two threads at once.
        """
        _rank_all(self._rows, *self._options, self._backend, finish, combine)


def _rank_all(
    rows: Rows,
    k: int,
    with_labels: bool,
    with_ties: bool,
    backend: str | None,
    finish: Callable[[int, int, RankBlock], Part],
    combine: Callable[[Part], None],
) -> None:
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

    def rank(start: int, stop: int, whole: RankBlock | None = None, first: int = 0) -> RankBlock:
        into = None if whole is None else _rows_within(rows, whole, start - first, stop - first)
        return _rank(module, rows, start, stop, k, with_labels, with_ties, into)

    def rank_and_finish(index: int) -> Part:
        start, stop = index * length, min((index + 1) * length, rows.num_rows)
        return finish(start, stop, rank(start, stop))

    def rank_together(first: int, last: int) -> RankBlock:
        blocks: list[RankBlock] = []
        whole = None
        if rows.labels_per_row is not None and not rows.is_sparse:
            whole = _empty_block(last - first, rows.labels_per_row, with_labels, with_ties)
        cuts = _cuts(first, last, length, num_threads if rows.readable_in_place else None)
        parallel.run(
            lambda index: rank(cuts[index], cuts[index + 1], whole, first),
            len(cuts) - 1,
            blocks.append,
        )
        return _join(blocks) if whole is None else whole

    if rows.num_scores < parallel.MIN_PARALLEL:
        if num_slices:
            blocks = [
                rank(start, min(start + length, rows.num_rows))
                for start in range(0, rows.num_rows, length)
            ]
            combine(finish(0, rows.num_rows, _join(blocks)))
    elif length >= _FEW_ROWS:
        parallel.run(rank_and_finish, num_slices, combine)
    else:
        # several slices are ranked before they are finished together
        most_rows = length * _num_waiting(rows, length)
        for first in range(0, rows.num_rows, most_rows):
            last = min(first + most_rows, rows.num_rows)
            combine(finish(first, last, rank_together(first, last)))


def _cuts(first: int, last: int, length: int, num_threads: int | None) -> list[int]:
    """Return where to cut rows: into slices of the same length, or as so many threads want them.

    Large slices first, so that they are few, and then small ones, so that all threads end
    together.
    """
    cuts = [first]
    while cuts[-1] < last:
        size = length
        if num_threads is not None:
            share = (last - cuts[-1]) * 2 // (3 * num_threads)
            size = min(max(share, length // 2, 1), _MOST_SLICES * length)
        cuts.append(min(cuts[-1] + size, last))
    return cuts


def _num_waiting(rows: Rows, length: int) -> int:
    """Return how many slices of rows of that length may wait to be finished."""
    labels = 1 + rows.num_labels // rows.num_rows
    scores = 1 + rows.num_scores // rows.num_rows
    return max(1, min(_WAITING_SCORES // (scores * length), _WAITING_LABELS // (labels * length)))


def _empty_block(
    num_rows: int, per_row: int, with_labels: bool, with_ties: bool, num_entries: int | None = None
) -> RankBlock:
    """Return a block to be written to, of rows of that many labels, or of so many in all."""
    if num_entries is None:
        num_entries = num_rows * per_row
    above, equal = (np.empty(num_entries, np.int32) if with_ties else None for _ in range(2))
    return RankBlock(
        np.empty(num_rows, np.int64),
        np.arange(num_rows, dtype=np.int64) * per_row,
        np.empty(num_entries, np.int32),
        np.empty(num_entries, np.int64) if with_labels else None,
        above,
        equal,
    )


def _rows_within(rows: Rows, whole: RankBlock, start: int, stop: int) -> RankBlock:
    """Return some rows of a block of rows of one length, as views to be written to."""
    per_row = rows.labels_per_row
    assert per_row is not None
    entries = slice(start * per_row, stop * per_row)
    views: list[Any] = [None if array is None else array[entries] for array in whole[2:]]
    return RankBlock(whole.num_relevant[start:stop], whole.starts[start:stop], *views)


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
    rows: Rows,
    start: int,
    stop: int,
    k: int,
    with_labels: bool,
    with_ties: bool,
    into: RankBlock | None,
) -> RankBlock:
    """Rank the labels of the rows from `start` to `stop`, into a block if there is one."""
    source = rows.block(start, stop)
    num_rows, num_entries = stop - start, len(source.labels)
    if into is None:
        per_row = num_entries // num_rows
        into = _empty_block(num_rows, per_row, with_labels, with_ties, num_entries)
        if source.label_starts is not None:
            into = into._replace(starts=source.label_starts[:-1])
    module.label_ranks(rows.kernel, source, k, into)
    if into.labels is not None and source.ids is not None:
        _positions_to_ids(into, source)
    return into


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
    rows: Rows,
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
        module.label_counts(rows.kernel, piece, first, ids, scores, k, counts)
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
