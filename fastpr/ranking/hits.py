"""Where the relevant classes of rows stand in the ranking, by each rule of ties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import RankBlock

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_MAX_CELLS = 1 << 16  # of a matrix or a list of entries that is made at once: half a megabyte


class Hits(NamedTuple):
    """Positions below k at which rows have relevant classes, or have some in some orders of ties.

    By rows, and ascending in each row. Where several orders of tied classes are averaged, all
    but `rows` and `positions` are means over them.

    Attributes
    ----------
    rows, positions : ndarray of int64
        A row, and a position in its ranking.
    num_here : ndarray of float64
        The number of relevant classes at the position: 1 where there is one order.
    num_so_far : ndarray of float64
        Their number at all positions up to this one.
    product : ndarray of float64
        The product of the two.
    weights : ndarray of float64 or None
        The label weight of the relevant class at the position.
    """

    rows: Integers
    positions: Integers
    num_here: Floats
    num_so_far: Floats
    product: Floats
    weights: Floats | None


class FirstHits(NamedTuple):
    """Where rows have their first relevant class.

    Attributes
    ----------
    rows, positions : ndarray of int64
        A row, and a position below k.
    chances : ndarray of float64
        The share of the orders of tied classes in which the first is there.
    latest : ndarray of int64, shape (num_rows,)
        The position by which it comes in all orders; k if that is k or more.
    """

    rows: Integers
    positions: Integers
    chances: Floats
    latest: Integers


class TieGroups(NamedTuple):
    """The runs of tied classes in which rows have relevant ones, and which begin before k.

    Attributes
    ----------
    entries : ndarray of int64
        Where in a block their relevant classes are; by groups.
    of_entry, offsets : ndarray of int64
        The group of each of them, and their number in it before this one.
    rows, num_above, num_equal, num_relevant, num_before : ndarray of int64
        Of each group: its row, the classes scored higher, those in the group, the relevant
        ones in the group, and the relevant ones scored higher.
    """

    entries: Integers
    of_entry: Integers
    offsets: Integers
    rows: Integers
    num_above: Integers
    num_equal: Integers
    num_relevant: Integers
    num_before: Integers


def row_pieces(block: RankBlock, cells_per_row: int) -> Iterator[tuple[slice, RankBlock]]:
    """Cut a block into blocks of few rows, for which intermediate arrays are small.

    Parameters
    ----------
    block : RankBlock
        The entries of each row come after those of the row before it.
    cells_per_row : int
        How many numbers a row needs besides one for each of its entries.

    Yields
    ------
    rows : slice
        Rows of the block; at least one.
    piece : RankBlock
        Views of them.
    """
    num_rows = len(block.starts)
    start = 0
    while start < num_rows:
        most = max(1, _MAX_CELLS // max(1, cells_per_row))
        ends = block.starts[start : start + most] + block.num_relevant[start : start + most]
        first = int(block.starts[start])
        cells = ends - first
        if cells_per_row:
            cells += np.arange(1, len(ends) + 1) * cells_per_row
        stop = start + max(1, int(cells.searchsorted(_MAX_CELLS, "right")))
        yield slice(start, stop), rows_of(block, start, stop)
        start = stop


def rows_of(block: RankBlock, start: int, stop: int) -> RankBlock:
    """Return the rows of a block from `start` to `stop`, at least one, as views."""
    first, last = int(block.starts[start]), stop - 1
    entries = slice(first, int(block.starts[last] + block.num_relevant[last]))
    return RankBlock(
        block.num_relevant[start:stop],
        block.starts[start:stop] - first,
        block.ranks[entries],
        None if block.labels is None else block.labels[entries],
        None if block.num_above is None else block.num_above[entries],
        None if block.num_equal is None else block.num_equal[entries],
    )


def rows_and_offsets(lengths: Integers) -> tuple[Integers, Integers]:
    """Return, for runs of these lengths, the run of each element and its offset in the run."""
    runs = np.repeat(np.arange(len(lengths)), lengths)
    before = lengths.cumsum() - lengths
    return runs, np.arange(len(runs)) - before[runs]


def _num_leading(block: RankBlock, values: NDArray[np.int32], k: int) -> Integers:
    """Return how many entries of each row have a value below k, if these come first."""
    running = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values < k, out=running[1:])
    num_leading: Integers = running[block.starts + block.num_relevant] - running[block.starts]
    return num_leading


def find_hits(block: RankBlock, k: int, ties: str, label_weights: Floats | None = None) -> Hits:
    """Return where the rows of a block have relevant classes among the first k.

    Parameters
    ----------
    block : RankBlock
        With `num_above` and `num_equal` unless `ties` is "index"; with `labels` if there are
        label weights.
    k : int
        What the block was made with.
    ties : {"index", "optimistic", "pessimistic", "expected"}
        How tied classes are ordered. The relevant ones come first in the optimistic order,
        those of higher weights before the others; the pessimistic order is the reverse.
    label_weights : ndarray of float64, shape (num_classes,), optional
        Finite, at least 0.
    """
    if ties == "expected":
        return _expected_hits(block, k, label_weights)
    if ties == "index":
        rows, offsets = rows_and_offsets(_num_leading(block, block.ranks, k))
        entries = block.starts[rows] + offsets
        positions = block.ranks[entries].astype(np.int64)
        weights = _weights_of(block, entries, label_weights)
    else:
        groups = tie_groups(block, k)
        rows, positions = groups.rows[groups.of_entry], tied_positions(groups, ties)
        offsets = groups.num_before[groups.of_entry] + groups.offsets
        weights = _weights_in_order(groups, ties, _weights_of(block, groups.entries, label_weights))
        near = positions < k
        rows, positions, offsets = rows[near], positions[near], offsets[near]
        weights = None if weights is None else weights[near]
    num_so_far = (offsets + 1).astype(np.float64)
    return Hits(rows, positions, np.ones(len(rows)), num_so_far, num_so_far, weights)


def precisions(hits: Hits) -> Floats:
    """Return the mean, over orders, of the precision at each hit, 0 in orders without it."""
    mean: Floats = hits.product / (hits.positions + 1)
    return mean


def tie_groups(block: RankBlock, k: int) -> TieGroups:
    """Return the groups of tied classes of a block that has `num_above` and `num_equal`."""
    all_above: Any = block.num_above
    all_equal: Any = block.num_equal
    rows, offsets = rows_and_offsets(_num_leading(block, all_above, k))
    entries = block.starts[rows] + offsets
    num_above = all_above[entries]
    is_first = np.ones(len(entries), bool)
    is_first[1:] = (num_above[1:] != num_above[:-1]) | (rows[1:] != rows[:-1])
    first = np.flatnonzero(is_first)
    num_relevant = np.diff(first, append=len(entries))
    of_entry, in_group = rows_and_offsets(num_relevant)
    return TieGroups(
        entries,
        of_entry,
        in_group,
        rows[first],
        num_above[first].astype(np.int64),
        all_equal[entries[first]].astype(np.int64),
        num_relevant,
        offsets[first],
    )


def tied_positions(groups: TieGroups, ties: str) -> Integers:
    """Return the position of each entry of the groups, by "optimistic" or "pessimistic"."""
    begin = groups.num_above
    if ties == "pessimistic":
        begin = begin + groups.num_equal - groups.num_relevant
    return begin[groups.of_entry] + groups.offsets


def _weights_of(block: RankBlock, entries: Integers, label_weights: Floats | None) -> Floats | None:
    """Return the label weights of entries of a block, if there are any."""
    labels: Any = block.labels
    return None if label_weights is None else label_weights[labels[entries]]


def _weights_in_order(groups: TieGroups, ties: str, weights: Floats | None) -> Floats | None:
    """Return the label weights of the entries of groups, sorted in each group."""
    if weights is None:
        return None
    key = -weights if ties == "optimistic" else weights
    return weights[np.lexsort((key, groups.of_entry))]


def _expected_hits(block: RankBlock, k: int, label_weights: Floats | None) -> Hits:
    """Return means over all orders of tied classes, for the positions of the groups below k.

    Every position of a group has a relevant class in the same share of the orders, and where
    one has, each of the other positions has one of the others in the same share.
    """
    groups = tie_groups(block, k)
    of_position, offsets = _places(groups, k)
    num_equal, num_relevant = groups.num_equal[of_position], groups.num_relevant[of_position]
    num_before = groups.num_before[of_position]
    num_here = num_relevant / num_equal
    others_before = offsets * ((num_relevant - 1) / np.maximum(num_equal - 1, 1))
    weights = _weights_of(block, groups.entries, label_weights)
    if weights is not None:
        sums = np.bincount(groups.of_entry, weights, len(groups.rows))
        weights = (sums / groups.num_equal)[of_position]
    return Hits(
        groups.rows[of_position],
        groups.num_above[of_position] + offsets,
        num_here,
        num_before + num_relevant * (offsets + 1) / num_equal,
        num_here * (num_before + 1 + others_before),
        weights,
    )


def _places(groups: TieGroups, k: int) -> tuple[Integers, Integers]:
    """Return the group and the offset in it of each position below k that is in a group."""
    return rows_and_offsets(np.minimum(groups.num_equal, k - groups.num_above))


def find_first_hits(block: RankBlock, k: int, ties: str, hits: Hits) -> FirstHits:
    """Return where the rows of a block have their first relevant class.

    Parameters
    ----------
    block, k, ties
        As for `find_hits`.
    hits : Hits
        What it returned.
    """
    num_rows = len(block.starts)
    latest = np.full(num_rows, k)
    if ties == "expected":
        return _expected_first_hits(tie_groups(block, k), k, latest)
    is_first = hits.num_so_far == 1
    rows, positions = hits.rows[is_first], hits.positions[is_first]
    latest[rows] = positions
    return FirstHits(rows, positions, np.ones(len(rows)), latest)


def _expected_first_hits(groups: TieGroups, k: int, latest: Integers) -> FirstHits:
    """Return the shares of the orders of tied classes; `latest` is written to.

    Only the first group of a row matters. Going down its positions, the share of the orders
    without a relevant class so far is a product.
    """
    leads = groups.num_before == 0
    num_rest = groups.num_equal - groups.num_relevant
    latest[groups.rows[leads]] = np.minimum((groups.num_above + num_rest)[leads], k)
    of_position, offsets = _places(groups, k)
    of_first = leads[of_position]
    of_position, offsets = of_position[of_first], offsets[of_first]
    rows, num_left = groups.rows[of_position], groups.num_equal[of_position] - offsets
    none_so_far = np.ones((len(latest), int(offsets.max(initial=0)) + 2))
    none_so_far[rows, offsets + 1] = np.maximum(num_rest[of_position] - offsets, 0) / num_left
    np.multiply.accumulate(none_so_far, axis=1, out=none_so_far)
    chances = none_so_far[rows, offsets] * (groups.num_relevant[of_position] / num_left)
    return FirstHits(rows, groups.num_above[of_position] + offsets, chances, latest)
