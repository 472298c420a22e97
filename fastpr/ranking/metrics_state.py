"""The metrics of rankings at all cut-offs, as a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.ranking.hits import Floats
from fastpr.ranking.options import check_average
from fastpr.ranking.row_sums import RowSums, ratios
from fastpr.ranking.state import RankingState
from fastpr.ranking.values import (
    PROPENSITY_SCORED,
    check_options,
    cutoffs_of,
)
from fastpr.streaming.storage import peek_header, unpack_tables

Metrics = TypeVar("Metrics", bound="RankingMetrics")

_CUTOFF_METRICS = (
    "average_precision", "precision", "recall", "ndcg", "reciprocal_rank", "hit_rate"
)  # fmt: skip


class RankingData(NamedTuple):
    """Metrics of rankings at the cut-offs 1 to k, as float64 arrays of shape (k,).

    Attributes
    ----------
    cutoffs : ndarray of int64
        1 to k.
    average_precision, precision, recall, ndcg, reciprocal_rank, hit_rate : ndarray of float64
        Means over rows.
    psp, psndcg : ndarray of float64, or None
        Propensity-scored precision and nDCG; None without label weights.

    Examples
    --------
    >>> from fastpr import RankingMetrics
    >>> data = RankingMetrics(k=2).update([[0], [1]], [[0.9, 0.1, 0.2], [0.3, 0.2, 0.1]]).compute()
    >>> data.cutoffs.tolist(), data.hit_rate.tolist(), data.psp
    ([1, 2], [0.5, 1.0], None)
    """

    cutoffs: NDArray[np.int64]
    average_precision: Floats
    precision: Floats
    recall: Floats
    ndcg: Floats
    reciprocal_rank: Floats
    hit_rate: Floats
    psp: Floats | None
    psndcg: Floats | None


class RankingMetrics(RankingState[RankingData]):
    """The metrics of rankings at every cut-off up to k, over a stream of batches of rows.

    One pass over the scores gives average precision, precision, recall, nDCG, reciprocal
    rank and hit rate, and with label weights propensity-scored precision and nDCG, all of
    them at the cut-offs 1 to k. At each cut-off they are what the functions return, bit for
    bit, whatever the split, order, number of threads and backends.

    Parameters
    ----------
    k : int
        The last cut-off; at least 1, and at most the number of classes.
    empty : {"skip", "zero", "one", "nan", "raise"}, default "skip"
        What a row without labels counts: nothing, 0, 1, or NaN, which makes the means NaN;
        or it is an error.
    denominator : {"min", "relevant", "hits", "k"}, default "min"
        What the sum of precisions of a row is divided by, for average precision; see
        `average_precision_at_k`.
    ties : {"index", "optimistic", "pessimistic", "expected"}, default "index"
        How classes of equal scores are ordered; see `average_precision_at_k`.
    label_weights : array_like of float, shape (num_classes,), optional
        A weight for each class, finite and not negative; inverse propensities, for instance.
    average : {"micro", "rows"}, default "micro"
        Whether the propensity-scored metrics are the sum over rows of the weights of the
        hits over the sum over rows of the largest that were possible, or the mean over rows
        of such quotients. To the sums, a row without labels adds nothing.
    use_locking : bool, default True
        Whether updates from several threads at once are exact. Ranking happens outside the
        lock. Without it, updates at the same time may be lost.
    backend : {"auto", "c", "numba", "cuda", "reference"}, optional
        Which kernels rank; by default FASTPR_BACKEND, or those of the device where the
        arrays are, of the host the fastest.
    name : str, optional
        A name for `repr`.

    Attributes
    ----------
    num_rows : int
        The number of rows that have a weight other than 0.
    num_empty : int
        The number of those rows that have no labels.

    Raises
    ------
    ValueError, TypeError
        If an option is out of range, or label weights are not numbers.

    See Also
    --------
    average_precision_at_k, precision_at_k, recall_at_k, ndcg_at_k, reciprocal_rank_at_k,
    hit_rate_at_k : One of them, for arrays that are all there.

    References
    ----------
    .. [1] K. Jarvelin and J. Kekalainen, "Cumulated gain-based evaluation of IR techniques",
       ACM Transactions on Information Systems 20(4), 2002 (nDCG).
    .. [2] H. Jain, Y. Prabhu and M. Varma, "Extreme multi-label loss functions for
       recommendation, tagging, ranking and other missing label applications", KDD 2016
       (propensity-scored precision and nDCG).

    Examples
    --------
    >>> import fastpr
    >>> state = fastpr.RankingMetrics(k=3)
    >>> state.update(labels=[[0, 2], [1, -1]], predictions=[[0.9, 0.5, 0.4], [0.3, 0.2, 0.1]])
    RankingMetrics(k=3, num_rows=2, num_empty=0)
    >>> data = state.compute()
    >>> data.recall.tolist(), data.reciprocal_rank.tolist()
    ([0.25, 0.75, 1.0], [0.5, 0.75, 0.75])
    """

    _METRIC = "ranking_metrics"
    _HEADER_KEYS = {  # noqa: RUF012
        1: RankingState._HEADER_KEYS[1] | {"average", "num_label_weights"}
    }

    def __init__(
        self,
        k: int,
        *,
        empty: str = "skip",
        denominator: str = "min",
        ties: str = "index",
        label_weights: ArrayLike | None = None,
        average: str = "micro",
        use_locking: bool = True,
        backend: str | None = None,
        name: str | None = None,
    ) -> None:
        self._ranking = check_options(k, empty, ties, denominator, label_weights)
        self._average = check_average(average)
        scored = () if label_weights is None else PROPENSITY_SCORED
        means, sums = ((), scored) if average == "micro" else (scored, ())
        self._summands = cutoffs_of(self._ranking, _CUTOFF_METRICS + means, sums, last=False)
        super().__init__(use_locking=use_locking, backend=backend, name=name)

    @property
    def label_weights(self) -> Floats | None:
        """The weight of each class, float64, read-only, of shape (num_classes,)."""
        return self._ranking.label_weights

    @property
    def average(self) -> str:
        """How the propensity-scored metrics are averaged over rows."""
        return self._average

    def compute(self) -> RankingData:
        """Return the metrics of all rows so far; the state stays as it is.

        Returns
        -------
        RankingData
            Arrays of shape (k,), 0 if no row has counted.

        Raises
        ------
        ValueError
            If updates from device arrays hold bad data; see `update`.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.RankingMetrics(k=2)
        >>> metrics = state.update([[0, 2], [1]], [[0.9, 0.5, 0.4], [0.3, 0.2, 0.1]]).compute()
        >>> metrics.reciprocal_rank.tolist()
        [0.5, 0.75]
        """
        seen, k = self._read(), self._ranking.k
        means = self._means(seen)
        if self._ranking.empty == "nan" and seen.num_empty:
            means = [np.full(k, np.nan) for _ in means]
        scored = [None, None] if self.label_weights is None else []
        return RankingData(np.arange(1, k + 1), *means, *scored)

    def _means(self, seen: RowSums) -> list[Floats]:
        num_means = self._summands.num_means
        totals = seen.all_totals(self._summands.shape)
        means = ratios(totals[:num_means], seen.weight)
        quotients = ratios(totals[num_means::2], totals[num_means + 1 :: 2])
        return [*means, *quotients]

    def _described(self, seen: RowSums) -> tuple[list[str], list[str]]:
        options, totals = super()._described(seen)
        if self.label_weights is not None:
            options.append(f"label_weights=<of {len(self.label_weights)} classes>")
        if self._average != "micro":
            options.append(f"average={self._average!r}")
        return options, totals

    # ---- saving ----

    def _options(self) -> dict[str, Any]:
        weights = self.label_weights
        return {
            **super()._options(),
            "average": self._average,
            "num_label_weights": None if weights is None else len(weights),
        }

    def _differences(self: Metrics, other: Metrics) -> list[str]:
        different = super()._differences(other)
        ours, theirs = self.label_weights, other.label_weights
        if ours is not None and theirs is not None and len(ours) == len(theirs):
            for index in np.flatnonzero(ours != theirs)[:1]:
                different.append(
                    f"label_weights {ours[index]} and {theirs[index]} of class {index}"
                )
        return different

    def _to_saved(self, seen: RowSums) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        entries, tables = super()._to_saved(seen)
        if self.label_weights is not None:
            tables = [self.label_weights, *tables]
        return entries, tables

    @classmethod
    def _saved_options(cls, header: Mapping[str, Any], tables: memoryview) -> dict[str, Any]:
        number = header["num_label_weights"]
        weights = None
        if number is not None:
            if type(number) is not int or number < 1:
                raise ValueError(f"the saved state has a num_label_weights of {number!r}")
            (weights,) = unpack_tables(tables[: 8 * number], [(number,)], [np.float64])
        return {
            **super()._saved_options(header, tables),
            "average": header["average"],
            "label_weights": weights,
        }

    def _saved_seen(self, header: Mapping[str, Any], tables: memoryview) -> RowSums:
        return super()._saved_seen(header, tables[8 * (header["num_label_weights"] or 0) :])

    @classmethod
    def _max_bytes(cls, start: bytes) -> int:
        header = peek_header(start)
        sizes = [header.get(key) or 0 for key in ("k", "num_limbs", "num_label_weights")]
        if header.get("metric") != cls._METRIC or any(type(size) is not int for size in sizes):
            return cls._MAX_BYTES  # in which there is room to say what is wrong
        k, num_limbs, num_label_weights = sizes
        num_sums = (len(_CUTOFF_METRICS) + 2 * len(PROPENSITY_SCORED)) * k
        return cls._MAX_BYTES + 8 * (num_sums * num_limbs + num_label_weights)
