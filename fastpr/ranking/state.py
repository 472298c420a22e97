"""States of rankings: what all share, and average precision at k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import ArrayLike, NDArray

from fastpr.ranking.row_sums import NO_ROWS, SAVED_ENTRIES, RowSums
from fastpr.ranking.rows.host import Rows
from fastpr.ranking.values import (
    RankingOptions,
    Summands,
    average_precision_of,
    check_options,
    checked_rows,
    mean_of,
    sum_rows,
)
from fastpr.ranking.work_device import RankWork
from fastpr.streaming.state import Result, StreamingState

State = TypeVar("State", bound="RankingState[Any]")


class RankingState(StreamingState[RowSums, Result], Generic[Result]):
    """A metric of rankings over a stream of batches of rows.

    A metric derives from it, sets the two attributes before it calls the constructor, and
    has a ``compute`` of its own.

    Attributes
    ----------
    _ranking : RankingOptions
        How rows are ranked and valued.
    _summands : Summands
        What is added up over rows.
    """

    _NOTHING = NO_ROWS
    # More than any state has without label weights, and with a k of up to a few thousand.
    _MAX_BYTES = 1 << 22
    _HEADER_KEYS: ClassVar[Mapping[int, frozenset[str]]] = {
        1: frozenset({"metric", "k", "empty", "denominator", "ties"}) | SAVED_ENTRIES
    }

    _ranking: RankingOptions
    _summands: Summands

    @property
    def k(self) -> int:
        """The last cut-off."""
        return self._ranking.k

    @property
    def empty(self) -> str:
        """What a row without labels counts."""
        return self._ranking.empty

    @property
    def denominator(self) -> str:
        """What the sum of precisions of a row is divided by."""
        return self._ranking.denominator

    @property
    def ties(self) -> str:
        """How classes of equal scores are ordered."""
        return self._ranking.ties

    @property
    def num_rows(self) -> int:
        """The number of rows that have a weight other than 0."""
        return self._read().num_rows

    @property
    def num_empty(self) -> int:
        """The number of those rows that have no labels."""
        return self._read().num_empty

    def update(
        self: State, labels: Any, predictions: Any, weights: ArrayLike | None = None
    ) -> State:
        """Add a batch of rows; all of it, or nothing when it raises.

        Rows on a CUDA device are ranked there: the kernels are launched on the stream of the
        scores, and nothing is waited for until the state is read (computed, compared, merged,
        saved, copied or shown). What is wrong with the values of weights or of an indptr, or
        with rows that have no labels, is raised then, once, as a ValueError that names these
        updates by their number, counted from 1 since the state was made or reset; they are
        left out whole. Only where the ranks of more than 2**24 rows and labels, or of more
        than 1024 launches, would be left on devices, those that are done are added up, and
        the oldest are waited for.

        Parameters
        ----------
        labels : array_like of int, sequence of sequences, scipy.sparse matrix or pair
            The relevant classes of each row; see `fastpr.average_precision_at_k`.
        predictions : array_like of float16, bfloat16, float32, float64 or uint8, or scipy.sparse
            Scores, of shape ``[..., num_classes]``.
        weights : array_like of float, int or bool, optional
            Weights of rows: a scalar, or an array with the leading dimensions of
            `predictions`, each of them 1 or equal. Arrays are all on the host, or all on one
            device.

        Returns
        -------
        The state itself.

        Raises
        ------
        ValueError, TypeError, OverflowError, BackendUnavailable
            As `fastpr.average_precision_at_k`; the state is then as it was.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.AveragePrecisionAtK(k=2)
        >>> state.update([[0, 2], [1]], [[0.9, 0.5, 0.4], [0.3, 0.2, 0.1]], weights=[1, 3])
        AveragePrecisionAtK(k=2, num_rows=2, num_empty=0)
        """
        rows = checked_rows(labels, predictions, weights, self._ranking, self._backend)
        return self._take_batch(rows)

    def _count_on_host(self, rows: Rows) -> RowSums:
        return sum_rows(rows, self._ranking, self._summands, self._backend)

    def _new_device_work(self) -> RankWork:
        return RankWork(self._ranking, self._summands)

    def _described(self, seen: RowSums) -> tuple[list[str], list[str]]:
        ranking = self._ranking
        options = [f"k={ranking.k}"]
        for key, usual in (("empty", "skip"), ("denominator", "min"), ("ties", "index")):
            if (value := getattr(ranking, key)) != usual:
                options.append(f"{key}={value!r}")
        return options, [f"num_rows={seen.num_rows}, num_empty={seen.num_empty}"]

    # ---- saving ----

    def _options(self) -> dict[str, Any]:
        ranking = self._ranking
        return {
            "k": ranking.k,
            "empty": ranking.empty,
            "denominator": ranking.denominator,
            "ties": ranking.ties,
        }

    def _to_saved(self, seen: RowSums) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        entries, table = seen.to_save()
        return entries, [table]

    @classmethod
    def _saved_options(cls, header: Mapping[str, Any], tables: memoryview) -> dict[str, Any]:
        return {key: header[key] for key in ("k", "empty", "denominator", "ties")}

    def _saved_seen(self, header: Mapping[str, Any], tables: memoryview) -> RowSums:
        ranking, summands = self._ranking, self._summands
        seen = RowSums.from_saved(
            header, tables, summands.shape, summands.num_means, ranking.empty_counts
        )
        if ranking.empty == "raise" and seen.num_empty:
            raise ValueError(
                f"the saved state has a num_empty of {seen.num_empty}, where empty is 'raise'"
            )
        return seen

    def _check_left(self, seen: RowSums) -> None:
        summands = self._summands
        seen.check(summands.shape, summands.num_means, self._ranking.empty_counts)


class AveragePrecisionAtK(RankingState[float]):
    """Average precision at k, over a stream of batches of rows.

    A state holds exact sums. Updates in any split, order, number of threads and backends,
    merged in any way, give the same bytes, and the mean is correctly rounded.

    Parameters
    ----------
    k : int
        Only the first k classes of each ranking matter; at least 1, and at most the number
        of classes.
    empty : {"skip", "zero", "one", "nan", "raise"}, default "skip"
        What a row without labels counts: nothing, 0, 1, or NaN, which makes the mean NaN; or
        it is an error.
    denominator : {"min", "relevant", "hits", "k"}, default "min"
        What the sum of precisions of a row is divided by; see `average_precision_at_k`.
    ties : {"index", "optimistic", "pessimistic", "expected"}, default "index"
        How classes of equal scores are ordered; see `average_precision_at_k`.
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
    ValueError
        If an option is out of range.

    See Also
    --------
    average_precision_at_k : The same for arrays that are all there.
    RankingMetrics : This and other metrics, at all cut-offs up to k.

    Examples
    --------
    >>> import fastpr
    >>> state = fastpr.AveragePrecisionAtK(k=2)
    >>> state.update(labels=[[0, 2]], predictions=[[0.9, 0.5, 0.4]])
    AveragePrecisionAtK(k=2, num_rows=1, num_empty=0)
    >>> other = fastpr.AveragePrecisionAtK(k=2)
    >>> total = state + other.update(labels=[[1], []], predictions=[[0.1, 0.8], [0.3, 0.2]])
    >>> total.compute(), total.num_empty
    (0.75, 1)
    """

    _METRIC = "average_precision_at_k"

    def __init__(
        self,
        k: int,
        *,
        empty: str = "skip",
        denominator: str = "min",
        ties: str = "index",
        use_locking: bool = True,
        backend: str | None = None,
        name: str | None = None,
    ) -> None:
        self._ranking = check_options(k, empty, ties, denominator)
        self._summands = average_precision_of(self._ranking)
        super().__init__(use_locking=use_locking, backend=backend, name=name)

    def compute(self) -> float:
        """Return the mean over all rows so far; the state stays as it is.

        Returns
        -------
        float
            0.0 if no row has counted.

        Raises
        ------
        ValueError
            If updates from device arrays hold bad data; see `update`.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.AveragePrecisionAtK(k=2)
        >>> state.update([[0, 2], [1]], [[0.9, 0.5, 0.4], [0.3, 0.2, 0.1]]).compute()
        0.5
        """
        return mean_of(self._read(), self._ranking, self._summands)
