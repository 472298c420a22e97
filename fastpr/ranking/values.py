"""From rows to sums of their values: what the functions and the states of rankings share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.weights import as_float64, check_weight_values, weight_array
from fastpr.backends.protocol import RankBlock
from fastpr.ranking.hits import Floats, find_hits, rows_of
from fastpr.ranking.metrics import average_precision, cutoff_values
from fastpr.ranking.options import check_denominator, check_empty, check_k, check_ties
from fastpr.ranking.ranks.ranking import ranking_of
from fastpr.ranking.row_sums import NO_ROWS, RowSums, ratios
from fastpr.ranking.rows.device import DeviceRows
from fastpr.ranking.rows.host import Rows
from fastpr.ranking.rows.read import read_rows

# Takes ranks, returns values of shape (num_rows, num_values, num_cutoffs).
Evaluate = Callable[[RankBlock], Floats]

# Numbers that rows take at once in a thread: 1 MB.
_MAX_CELLS = 1 << 17
# Each is the quotient of two sums, called as it is with these endings.
PROPENSITY_SCORED = ("psp", "psndcg")
_PARTS = ("_hits", "_ideal")


class RankingOptions(NamedTuple):
    """How rows are ranked and valued; made by `check_options`.

    Attributes
    ----------
    k : int
        The last cut-off.
    empty, denominator, ties : str
        See `fastpr.RankingMetrics`.
    label_weights : ndarray of float64, shape (num_classes,), or None
        Read-only.
    """

    k: int
    empty: str
    denominator: str
    ties: str
    label_weights: Floats | None

    @property
    def empty_counts(self) -> bool:
        """Whether rows without labels are in the mean."""
        return self.empty in ("zero", "one")

    @property
    def wanted(self) -> dict[str, bool]:
        """Which parts of a block of ranks it takes to value rows."""
        return {
            "with_labels": self.label_weights is not None,
            "with_ties": self.ties != "index",
        }


class Summands(NamedTuple):
    """What is added up over rows.

    Attributes
    ----------
    evaluate : callable
        Takes ranks, returns values of shape (num_rows, num_values, num_cutoffs); 0 where a
        row has no labels.
    num_means : int
        Of these values, the first so many are to be averaged, and are 1 with ``empty="one"``
        where a row has no labels. The others are sums in their own right.
    shape : tuple of int
        That of the values of a row.
    num_cells : int
        How many numbers it takes to find those of a row.
    """

    evaluate: Evaluate
    num_means: int
    shape: tuple[int, int]
    num_cells: int = 1


def check_options(
    k: int,
    empty: str,
    ties: str,
    denominator: str = "min",
    label_weights: ArrayLike | None = None,
) -> RankingOptions:
    """Return checked options, or say which of them is wrong."""
    return RankingOptions(
        check_k(k),
        check_empty(empty),
        check_denominator(denominator, check_ties(ties)),
        ties,
        None if label_weights is None else check_label_weights(label_weights),
    )


def check_label_weights(label_weights: ArrayLike) -> Floats:
    """Return label weights as a float64 array of their own, or say what is wrong with them."""
    array, is_bfloat16 = weight_array(label_weights, "label_weights")
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"label_weights have shape {array.shape}; pass one weight for each class, "
            "(num_classes,)"
        )
    check_weight_values(array, is_bfloat16, "label_weights", "labels")
    weights = as_float64(array, is_bfloat16) + 0.0  # a copy, in which -0.0 is 0.0
    with np.errstate(over="ignore"):
        if not np.isfinite(2 * weights.sum()):
            raise ValueError("the sum of label_weights does not fit into float64; scale them down")
    weights.flags.writeable = False
    return weights


# ---- values of rows ----


def average_precision_of(options: RankingOptions) -> Summands:
    """Return average precision at k, to be averaged."""

    def evaluate(block: RankBlock) -> Floats:
        values = average_precision(block, options.k, options.denominator, options.ties)
        return values[:, np.newaxis, np.newaxis]

    return Summands(evaluate, 1, (1, 1))


def cutoffs_of(
    options: RankingOptions, means: tuple[str, ...], sums: tuple[str, ...], *, last: bool
) -> Summands:
    """Return metrics at the cut-offs 1 to k, or the last of them only.

    Parameters
    ----------
    options : RankingOptions
        What the metrics depend on.
    means, sums : tuple of str
        Metrics to be averaged, and those of `PROPENSITY_SCORED` whose two sums are wanted.
    last : bool
        Whether only those at k.
    """
    k = options.k
    parts = tuple(name + part for name in sums for part in _PARTS)
    names = [name for name in means if name not in PROPENSITY_SCORED]
    ratios = [name for name in means if name in PROPENSITY_SCORED]
    needed = [*names, *parts, *(name + part for name in ratios for part in _PARTS)]
    kept = slice(k - 1, k) if last else slice(k)

    def evaluate(block: RankBlock) -> Floats:
        values = cutoff_values(
            block, k, options.denominator, options.ties, needed, options.label_weights
        )
        for name in ratios:
            hits, ideal = (values[name + part] for part in _PARTS)
            values[name] = np.divide(hits, ideal, out=np.zeros_like(hits), where=ideal != 0)
        return np.stack([values[name][:, kept] for name in (*means, *parts)], axis=1)

    shape = len(means) + len(parts), 1 if last else k
    return Summands(evaluate, len(means), shape, num_cells=len(needed) * k)


def hits_of(options: RankingOptions, out_of: str) -> Summands:
    """Return the number of labels of a row in the top k, and out of how many, to be added up.

    Parameters
    ----------
    options : RankingOptions
        What the hits depend on.
    out_of : {"relevant", "k"}
        All labels of the row, or k where it has some.
    """

    def evaluate(block: RankBlock) -> Floats:
        hits = find_hits(block, options.k, options.ties)
        values = np.zeros((len(block.starts), 2, 1))
        values[hits.rows, 0, 0] = hits.num_so_far  # positions ascend; the last one stays
        num_relevant = block.num_relevant
        values[:, 1, 0] = num_relevant if out_of == "relevant" else options.k * (num_relevant > 0)
        return values

    # Of tied classes, every position below k is a hit, and takes a few numbers.
    num_cells = 8 * options.k if options.ties == "expected" else 1
    return Summands(evaluate, 0, (2, 1), num_cells)


# ---- sums over rows ----


def checked_rows(
    labels: Any,
    predictions: Any,
    weights: ArrayLike | None,
    options: RankingOptions,
    backend: str | None,
) -> Rows | DeviceRows:
    """Return rows that go with the options, or say what does not."""
    rows = read_rows(labels, predictions, weights, backend)
    check_k(options.k, rows.num_classes)
    if options.label_weights is not None and len(options.label_weights) != rows.num_classes:
        raise ValueError(
            f"label_weights of {len(options.label_weights)} classes do not go with predictions "
            f"of {rows.num_classes} classes"
        )
    return rows


def sum_rows(
    rows: Rows | DeviceRows,
    options: RankingOptions,
    summands: Summands,
    backend: str | None,
    values: Floats | None = None,
) -> RowSums:
    """Rank the labels of rows, and add up what follows from the ranks.

    Rows on a device are ranked there, and waited for.

    Parameters
    ----------
    rows : Rows or DeviceRows
        From `checked_rows`.
    options, summands
        What to add up.
    backend : str, optional
        Which kernels rank.
    values : ndarray of float64, shape (num_rows,), optional
        See `Summation`.

    Raises
    ------
    ValueError
        If a row has no labels, and `empty` is "raise"; or if weights or an indptr on a device
        are not as they have to be.
    OverflowError
        If a weighted value is not finite.
    """
    ranking = ranking_of(rows, options.k, **options.wanted, backend=backend)
    summation = Summation(rows.shape, ranking.check(), options, summands, values)
    ranking.finish(summation.finish, summation.combine)
    return summation.total


class Summation:
    """One pass over rows: `finish` and `combine` are for `fastpr.ranking.ranks.ranking.Ranking`.

    Parameters
    ----------
    shape : tuple of int
        The leading dimensions.
    weights : ndarray of float64, shape (num_rows,), or None
        Those of rows.
    options, summands
        What to add up.
    values : ndarray of float64, shape (num_rows,), optional
        Written: the first value of each row, NaN where `empty` leaves a row without one.

    Attributes
    ----------
    total : RowSums
        What was combined so far.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        weights: Floats | None,
        options: RankingOptions,
        summands: Summands,
        values: Floats | None = None,
    ) -> None:
        self.total = NO_ROWS
        self._shape = shape
        self._weights = weights
        self._options = options
        self._summands = summands
        self._values = values

    def finish(self, start: int, stop: int, block: RankBlock) -> tuple[RowSums, int | None]:
        """Return the sums over the rows from `start` to `stop`, and the first that is an error."""
        total = NO_ROWS
        at_once = max(1, _MAX_CELLS // self._summands.num_cells)
        for first in range(start, stop, at_once):
            last = min(first + at_once, stop)
            part = rows_of(block, first - start, last - start)
            weights = None if self._weights is None else self._weights[first:last]
            is_empty = part.num_relevant == 0
            if self._options.empty == "raise":
                wrong = is_empty if weights is None else is_empty & (weights > 0)
                if wrong.any():
                    return total, first + int(wrong.argmax())
            values = self._evaluate(part, is_empty)
            if self._values is not None:
                self._values[first:last] = values[:, 0, 0]
                if not self._options.empty_counts:
                    self._values[first:last][is_empty] = np.nan
            sums = RowSums.of_rows(values, weights, is_empty, self._options.empty_counts)
            total = total.plus(sums)
        return total, None

    def _evaluate(self, block: RankBlock, is_empty: NDArray[np.bool_]) -> Floats:
        values = self._summands.evaluate(block)
        if self._options.empty == "one":
            values[is_empty, : self._summands.num_means] = 1.0
        return values

    def combine(self, part: tuple[RowSums, int | None]) -> None:
        """Add what `finish` returned; raise ValueError if it found a row that is an error."""
        total, wrong = part
        if wrong is not None:
            index = tuple(int(axis) for axis in np.unravel_index(wrong, self._shape))
            raise ValueError(
                f"the row at index {index} has no labels in range, and empty is 'raise'; pass a "
                "weight of 0 for such rows, or empty='skip' to leave them out and count them"
            )
        self.total = self.total.plus(total)


# ---- results ----


def mean_of(seen: RowSums, options: RankingOptions, summands: Summands) -> float:
    """Return the mean, or the quotient of the two sums, that rows were added up for."""
    if options.empty == "nan" and seen.num_empty:
        return float("nan")
    if summands.num_means:
        return float(seen.means(summands.shape)[0, 0])
    totals = seen.all_totals(summands.shape)
    return float(ratios(totals[:1], totals[1:])[0, 0])


def at_k(
    labels: Any,
    predictions: Any,
    weights: ArrayLike | None,
    options: RankingOptions,
    summands: Summands,
    per_row: bool,
    backend: str | None,
) -> float | Floats:
    """Return the mean over rows, the quotient of two sums over rows, or the values of rows."""
    rows = checked_rows(labels, predictions, weights, options, backend)
    values = np.empty(rows.num_rows) if per_row else None
    seen = sum_rows(rows, options, summands, backend, values)
    if values is not None:
        return values.reshape(rows.shape)
    return mean_of(seen, options, summands)
