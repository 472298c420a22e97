"""The metrics as states that stream, merge and save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr import curve
from fastpr.counts import MAX_COUNT, NO_SAMPLES, ScoreCounts
from fastpr.curve import PrecisionRecallData
from fastpr.device_counts import ScoreWork
from fastpr.device_samples import DeviceSamples, read_samples
from fastpr.functional import check_invalid, count_on_host
from fastpr.streaming import StreamingState
from fastpr.thresholds import MAX_NUM_THRESHOLDS, check_num_thresholds, equal_thresholds

# Three tables of the most thresholds, and a header; a longer file is something else.
_MAX_BYTES = 3 * 2 * MAX_NUM_THRESHOLDS * 8 + (1 << 17)


class PrecisionRecallAtEqualThresholds(StreamingState[ScoreCounts]):
    """Precision and recall at equally spaced thresholds, over a stream of batches.

    A state is a table of integers (and one of sums, once samples have weights). Updates in
    any split, order, number of threads and backends, merged in any way, give the same
    bytes; with weights, the same within 1e-12.

    Parameters
    ----------
    num_thresholds : int, default 201
        The number of thresholds ``i / (num_thresholds - 1)``, in [2, 65537].
    use_locking : bool, default True
        Whether updates from several threads at once are exact. Counting happens outside
        the lock. Without it, updates at the same time may be lost.
    zero_division : {0.0, 1.0, nan}, default 0.0
        The precision or recall whose denominator is 0.
    invalid : {"raise", "drop"}, default "raise"
        Whether scores below 0, above 1, infinite or NaN are an error, or are left out and
        counted in `num_dropped`.
    backend : {"auto", "c", "numba", "cuda", "reference"}, optional
        Which kernels count; by default FASTPR_BACKEND, or those of the device where the
        arrays are, of the host the fastest.
    name : str, optional
        A name for `repr`.

    Attributes
    ----------
    num_dropped : int
        The number of samples left out because their score was not in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If an option is out of range.

    See Also
    --------
    precision_recall_at_equal_thresholds : The same for arrays that are all there.

    Examples
    --------
    >>> import fastpr
    >>> state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds=3)
    >>> state.update(labels=[0, 0], predictions=[0.1, 0.6])
    PrecisionRecallAtEqualThresholds(num_thresholds=3, num_samples=2, num_positives=0)
    >>> other = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds=3)
    >>> total = state + other.update(labels=[1, 1], predictions=[0.4, 0.9])
    >>> total.compute().recall.tolist()
    [1.0, 0.5, 0.0]
    """

    _METRIC = "precision_recall_at_equal_thresholds"
    _HEADER_KEYS = frozenset(
        {"metric", "num_thresholds", "zero_division", "invalid", "num_dropped", "has_sums"}
    )
    _NOTHING = NO_SAMPLES

    def __init__(
        self,
        num_thresholds: int = 201,
        *,
        use_locking: bool = True,
        zero_division: float = 0.0,
        invalid: str = "raise",
        backend: str | None = None,
        name: str | None = None,
    ) -> None:
        self._num_thresholds = check_num_thresholds(num_thresholds)
        self._zero_division = curve.check_zero_division(zero_division)
        self._invalid = check_invalid(invalid)
        super().__init__(use_locking=use_locking, backend=backend, name=name)

    # ---- what it is ----

    @property
    def num_thresholds(self) -> int:
        """The number of thresholds."""
        return self._num_thresholds

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The thresholds, float64, read-only, of shape (num_thresholds,)."""
        return equal_thresholds(self._num_thresholds)

    @property
    def zero_division(self) -> float:
        """The precision or recall whose denominator is 0."""
        return self._zero_division

    @property
    def invalid(self) -> str:
        """What happens to scores that are not in [0, 1]."""
        return self._invalid

    @property
    def num_dropped(self) -> int:
        """The number of samples left out because their score was not in [0, 1]."""
        return self._read().num_dropped

    @property
    def num_negatives(self) -> int | float:
        """The number of negative samples; with weights, the sum of theirs, a float."""
        return self._totals()[0]

    @property
    def num_positives(self) -> int | float:
        """The number of positive samples; with weights, the sum of theirs, a float."""
        return self._totals()[1]

    @property
    def num_samples(self) -> int | float:
        """The number of samples counted; with weights, the sum of theirs, a float."""
        return sum(self._totals())

    def _totals(self) -> list[int | float]:
        """Return the totals of negatives and positives, of one moment."""
        return self._totals_of(self._read())

    def _totals_of(self, seen: ScoreCounts) -> list[int | float]:
        totals: list[int | float] = seen.table(self._num_thresholds).sum(axis=1).tolist()
        return totals

    def _described(self, seen: ScoreCounts) -> tuple[list[str], list[str]]:
        options = [f"num_thresholds={self._num_thresholds}"]
        if self._zero_division != 0:
            options.append(f"zero_division={self._zero_division}")
        if self._invalid == "drop":
            options.append(f"invalid='drop', num_dropped={seen.num_dropped}")
        negatives, positives = self._totals_of(seen)
        return options, [f"num_samples={negatives + positives}, num_positives={positives}"]

    # ---- streaming ----

    def update(
        self, labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None
    ) -> PrecisionRecallAtEqualThresholds:
        """Add a batch of samples; all of it, or nothing when it raises.

        Arrays on a CUDA device are counted there: the kernels are launched on the stream of
        their producer, and nothing is waited for until the state is read (computed, compared,
        merged, saved, copied or shown). What is wrong with their values is raised then, once,
        as a ValueError that names these updates by their number, counted from 1 since the
        state was made or reset; they are left out whole.

        Parameters
        ----------
        labels : array_like of bool or int
            True labels: bool, or integers 0 and 1. Same shape as `predictions`.
        predictions : array_like of float16, bfloat16, float32, float64, uint8 or uint16
            Scores in [0, 1], of any shape, an empty one too.
        weights : array_like of float, int or bool, optional
            Weights that broadcast to the shape of `predictions`.

        Returns
        -------
        PrecisionRecallAtEqualThresholds
            The state itself.

        Raises
        ------
        ValueError, TypeError, OverflowError, BackendUnavailable
            As `precision_recall_at_equal_thresholds`; the state is then as it was.
        """
        samples = read_samples(labels, predictions, weights, self._backend)
        if isinstance(samples, DeviceSamples):
            self._queue(samples)
        else:
            added = count_on_host(samples, self._num_thresholds, self._invalid, self._backend)
            self._add(added)
        return self

    def compute(self) -> PrecisionRecallData:
        """Return counts, precision and recall of everything so far; the state stays as it is.

        Returns
        -------
        PrecisionRecallData
            Arrays of shape (num_thresholds,); counts are int64, or float64 once a sample
            had a weight other than 0.

        Raises
        ------
        ValueError, OverflowError
            If there were updates from a CUDA device since the state was last read that
            cannot be counted. They are left out, and the next call returns.
        """
        table = self._read().table(self._num_thresholds)
        return curve.precision_recall(table, self._zero_division)

    def result(self) -> PrecisionRecallData:
        """Return what `compute` returns, under the name that Keras gives it."""
        return self.compute()

    # ---- saving ----

    def _options(self) -> dict[str, Any]:
        return {
            "num_thresholds": self._num_thresholds,
            "zero_division": repr(self._zero_division),
            "invalid": self._invalid,
        }

    def _to_saved(self, seen: ScoreCounts) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        entries = {"num_dropped": seen.num_dropped, "has_sums": seen.sums is not None}
        return entries, seen.to_save(self._num_thresholds)

    @classmethod
    def _saved_options(cls, header: Mapping[str, Any], tables: memoryview) -> dict[str, Any]:
        num_dropped, has_sums = header["num_dropped"], header["has_sums"]
        if type(num_dropped) is not int or not 0 <= num_dropped <= MAX_COUNT:
            raise ValueError(f"the saved state has a num_dropped of {num_dropped!r}")
        if type(has_sums) is not bool:
            raise ValueError(f"the saved state has a has_sums of {has_sums!r}")
        zero_divisions = [v for v in curve.ZERO_DIVISIONS if repr(v) == header["zero_division"]]
        if not zero_divisions:
            raise ValueError(f"the saved state has a zero_division of {header['zero_division']!r}")
        return {
            "num_thresholds": header["num_thresholds"],
            "zero_division": zero_divisions[0],
            "invalid": header["invalid"],
        }

    def _saved_seen(self, header: Mapping[str, Any], tables: memoryview) -> ScoreCounts:
        return ScoreCounts.from_saved(
            tables, self._num_thresholds, header["has_sums"], header["num_dropped"]
        )

    def _new_device_work(self) -> ScoreWork:
        return ScoreWork(self._num_thresholds, self._invalid)

    @classmethod
    def _max_bytes(cls, start: bytes) -> int:
        return _MAX_BYTES
