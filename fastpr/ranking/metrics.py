"""From the ranks of labels to the metrics of rows: in float64, for all backends.

Every sum is taken in the order of positions and divided once at the end, whatever other rows
there are, and however the sum is found. So the values of a row depend on its ranks alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import RankBlock
from fastpr.ranking.hits import (
    Floats,
    Integers,
    find_first_hits,
    find_hits,
    precisions,
    row_pieces,
    rows_and_offsets,
    tie_groups,
    tied_positions,
)

# Summing label by label is the fast way for many rows of about the same number of labels,
# with a small table of the terms.
_MANY_ROWS = 128
_MAX_TABLE = 1 << 10


def average_precision(block: RankBlock, k: int, denominator: str, ties: str) -> Floats:
    """Return AP@k of each row; 0 where a row has no labels.

    Parameters
    ----------
    block : RankBlock
        Ranks of rows; the entries of a row come after those of the row before it. With
        `num_above` and `num_equal` unless `ties` is "index".
    k : int
        What the block was made with.
    denominator : {"min", "relevant", "hits", "k"}
        What the sum is divided by: min(k, R), R, the number of hits, or k. "hits" is not for
        expected ties.
    ties : {"index", "optimistic", "pessimistic", "expected"}
        How tied classes are ordered; "expected" is the mean over all orders.

    Returns
    -------
    ndarray of float64, shape (num_rows,)
        The same bits as the last column of `cutoff_values`.

    Examples
    --------
    >>> num_relevant, starts = np.array([2, 1]), np.array([0, 2])
    >>> block = RankBlock(num_relevant, starts, np.array([0, 2, 5], np.int32), None, None, None)
    >>> average_precision(block, 5, "min", "index").tolist()
    [0.8333333333333333, 0.0]
    """
    values = np.empty(len(block.starts))
    for rows, piece in row_pieces(block, k if ties == "expected" else 0):
        stride = _common_stride(piece)
        if ties == "index" and stride and k <= _MAX_TABLE and denominator != "hits":
            sums, num_hits = _sums_by_label(piece, k, stride), None
        else:
            sums, num_hits = _sums_of_hits(piece, k, ties)
        np.divide(sums, _divisor(denominator, piece.num_relevant, k, num_hits), out=values[rows])
    return values


def _divisor(denominator: str, num_relevant: Any, cutoffs: Any, num_hits: Any) -> Any:
    """Return what sums of precisions are divided by, 1 instead of 0, by broadcasting."""
    if denominator == "min":
        return np.minimum(np.maximum(num_relevant, 1), cutoffs)
    if denominator == "relevant":
        return np.maximum(num_relevant, 1)
    return np.maximum(num_hits, 1) if denominator == "hits" else cutoffs


def _sums_of_hits(block: RankBlock, k: int, ties: str) -> tuple[Floats, Integers]:
    """Return the sums of precisions of rows, and the numbers of their hits."""
    hits, num_rows = find_hits(block, k, ties), len(block.starts)
    sums: Any = np.bincount(hits.rows, precisions(hits), num_rows)  # in the order of positions
    return sums, np.bincount(hits.rows, minlength=num_rows)


def _common_stride(block: RankBlock) -> int:
    """Return the distance between rows if going label by label is worth it, else 0."""
    starts, num_rows = block.starts, len(block.starts)
    if num_rows < _MANY_ROWS:
        return 0
    stride = int(starts[1] - starts[0])
    if stride > 4 and stride * num_rows > 2 * block.num_relevant.sum():
        return 0
    return stride if (starts[1:] - starts[:-1] == stride).all() else 0


def _sums_by_label(block: RankBlock, k: int, stride: int) -> Floats:
    """Return the sums of precisions of rows whose entries begin `stride` apart."""
    sums = np.zeros(len(block.starts))
    num_relevant = block.num_relevant
    is_padded = int(num_relevant.min()) < stride
    for label in range(stride):
        column = block.ranks[label::stride][: len(sums)]  # the last row may end before it
        terms = _hit_terms(label + 1, k).take(column, mode="clip")
        if is_padded:
            terms *= num_relevant[: len(column)] > label
        if label >= 4 and not np.count_nonzero(terms):
            break  # ranks ascend, so nor has any row a hit later
        sums[: len(column)] += terms
    return sums


@lru_cache(maxsize=256)
def _hit_terms(num_hits: int, k: int) -> Floats:
    """Return the precision at each rank below k that is a hit with so many so far, and 0 at k."""
    table = np.zeros(k + 1)
    table[:k] = num_hits / np.arange(1, k + 1)
    table.flags.writeable = False
    return table


def tied_ranks(block: RankBlock, k: int, ties: str) -> NDArray[np.int32]:
    """Return the ranks of a block by another rule of ties, k for those that are k or more.

    Parameters
    ----------
    block : RankBlock
        With `num_above` and `num_equal`.
    k : int
        What the block was made with.
    ties : {"optimistic", "pessimistic"}
        Relevant classes first, or last, among classes of the same score.

    Returns
    -------
    ndarray of int32
        Laid out as `block.ranks`; k where there is no entry.
    """
    ranks = np.full(len(block.ranks), k, np.int32)
    for rows, piece in row_pieces(block, 0):
        groups = tie_groups(piece, k)
        entries = groups.entries + block.starts[rows.start]
        ranks[entries] = np.minimum(tied_positions(groups, ties), k)
    return ranks


# ---- every cut-off ----


def cutoff_values(
    block: RankBlock,
    k: int,
    denominator: str,
    ties: str,
    names: Iterable[str],
    label_weights: Floats | None = None,
) -> dict[str, Floats]:
    """Return metrics of each row at the cut-offs 1 to k; 0 where a row has no labels.

    Parameters
    ----------
    block : RankBlock
        As for `average_precision`; with `labels` if there are label weights.
    k, denominator, ties
        As for `average_precision`.
    names : iterable of str
        Of "average_precision", "precision", "recall", "ndcg", "reciprocal_rank", "hit_rate";
        and, if there are label weights, "psp_hits", "psp_ideal", "psndcg_hits",
        "psndcg_ideal": the sums that propensity-scored metrics are quotients of.
    label_weights : ndarray of float64, shape (num_classes,), optional
        Finite, at least 0.

    Returns
    -------
    dict of str to ndarray of float64, shape (num_rows, k)
        In Fortran order: the values at one cut-off are side by side.
    """
    values = {name: np.empty((k, len(block.starts))).T for name in names}
    with np.errstate(over="ignore"):  # of label weights; who adds the rows up sees it
        for rows, piece in row_pieces(block, k):
            cutoffs = _Cutoffs(piece, k, denominator, ties, label_weights)
            for name, matrix in values.items():
                matrix[rows] = getattr(cutoffs, name)().T
    return values


class _Cutoffs:
    """Some rows at the cut-offs 1 to k. Each method is a metric, of shape (k, num_rows).

    A cut-off is a row of a matrix, as there are mostly fewer of them than of rows.
    """

    def __init__(
        self, block: RankBlock, k: int, denominator: str, ties: str, label_weights: Floats | None
    ) -> None:
        self._block = block
        self._k = k
        self._denominator = denominator
        self._ties = ties
        self._label_weights: Any = label_weights
        self._cutoffs = np.arange(1, k + 1)[:, np.newaxis]
        self._num_relevant = block.num_relevant
        self._hits = find_hits(block, k, ties, label_weights)
        self._weights_of_hits: Any = self._hits.weights

    def _sums(self, values: Floats) -> Floats:
        """Return the sums of values of hits at the positions before each cut-off."""
        return _running(np.add, self._matrix(self._hits.rows, self._hits.positions, values))

    def _matrix(self, rows: Integers, positions: Integers, values: Floats) -> Floats:
        """Return values at some positions of rows, and 0 at the others."""
        num_rows = len(self._num_relevant)
        matrix = np.zeros(self._k * num_rows)
        matrix[positions * num_rows + rows] = values
        return matrix.reshape(self._k, num_rows)

    @cached_property
    def _num_hits(self) -> Floats:
        hits = self._hits
        return _running(np.maximum, self._matrix(hits.rows, hits.positions, hits.num_so_far))

    def average_precision(self) -> Floats:
        sums = self._sums(precisions(self._hits))
        num_hits = self._num_hits if self._denominator == "hits" else None
        sums /= _divisor(self._denominator, self._num_relevant, self._cutoffs, num_hits)
        return sums

    def precision(self) -> Floats:
        return self._num_hits / self._cutoffs

    def recall(self) -> Floats:
        return self._num_hits / np.maximum(self._num_relevant, 1)

    def ndcg(self) -> Floats:
        discounts, ideal = _discounts(self._k)
        sums = self._sums(self._hits.num_here * discounts[self._hits.positions])
        sums /= ideal[np.minimum(self._num_relevant, self._cutoffs)]
        return sums

    # ---- the first relevant class ----

    @cached_property
    def _first_hits(self) -> tuple[Floats, Integers]:
        first = find_first_hits(self._block, self._k, self._ties, self._hits)
        return self._matrix(first.rows, first.positions, first.chances), first.latest

    def reciprocal_rank(self) -> Floats:
        return _running(np.add, self._first_hits[0] / self._cutoffs)

    def hit_rate(self) -> Floats:
        chances, latest = self._first_hits
        rates = _running(np.add, chances.copy())
        rates[(rates > 1) | (self._cutoffs > latest)] = 1.0  # whatever was rounded
        return rates

    # ---- label weights ----

    def psp_hits(self) -> Floats:
        return self._sums(self._weights_of_hits)

    def psndcg_hits(self) -> Floats:
        discounts, _ = _discounts(self._k)
        return self._sums(self._weights_of_hits * discounts[self._hits.positions])

    def psp_ideal(self) -> Floats:
        return _running(np.add, self._largest_weights.copy())

    def psndcg_ideal(self) -> Floats:
        discounts, _ = _discounts(self._k)
        return _running(np.add, self._largest_weights * discounts[:, np.newaxis])

    @cached_property
    def _largest_weights(self) -> Floats:
        """The k largest label weights of the labels of each row, falling; then 0."""
        labels: Any = self._block.labels
        rows, offsets = rows_and_offsets(self._num_relevant)
        weights = self._label_weights[labels[self._block.starts[rows] + offsets]]
        falling = weights[np.lexsort((-weights, rows))]
        near = offsets < self._k
        return self._matrix(rows[near], offsets[near], falling[near])


def _running(add: np.ufunc, matrix: Floats) -> Floats:
    """Return running sums, or what else is for `add`, over the first axis; in place."""
    if len(matrix) > matrix.shape[1]:
        return add.accumulate(matrix, axis=0, out=matrix)
    for before, here in pairwise(matrix):
        add(before, here, out=here)
    return matrix


@lru_cache(maxsize=4)
def _discounts(k: int) -> tuple[Floats, Floats]:
    """Return 1 / log2(rank + 2) of each rank below k, and their running sums after a 1.

    The 1 is for rows without labels, whose sum is divided by it.
    """
    discounts = np.array([1 / math.log2(rank + 2) for rank in range(k)])
    sums = np.append(1.0, np.cumsum(discounts))
    discounts.flags.writeable = sums.flags.writeable = False
    return discounts, sums
