"""What the states of rankings share: exact sums over rows, and options of the ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from numpy.typing import ArrayLike, NDArray

from fastpr.device_rank_work import RankWork
from fastpr.device_rows import DeviceRows
from fastpr.ranking_values import RankingOptions, Summands, checked_rows, sum_rows
from fastpr.row_sums import NO_ROWS, SAVED_ENTRIES, RowSums
from fastpr.streaming import StreamingState

# More than any state has without label weights, and with a k of up to a few thousand.
MAX_BYTES = 1 << 22

State = TypeVar("State", bound="RankingState")


class RankingState(StreamingState[RowSums]):
    """A metric of rankings over a stream of batches of rows.

    A metric derives from it, sets the two attributes before it calls the constructor, and
    has a ``compute`` and a ``result`` of its own.

    Attributes
    ----------
    _ranking : RankingOptions
        How rows are ranked and valued.
    _summands : Summands
        What is added up over rows.
    """

    _NOTHING = NO_ROWS
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
        """
        rows = checked_rows(labels, predictions, weights, self._ranking, self._backend)
        if isinstance(rows, DeviceRows):
            self._queue(rows)
        else:
            self._add(sum_rows(rows, self._ranking, self._summands, self._backend))
        return self

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

    @classmethod
    def _max_bytes(cls, start: bytes) -> int:
        return MAX_BYTES
