"""Precision and recall at thresholds as a state that streams, merges and saves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import ScoreKind
from fastpr.counts.bins import (
    MAX_NUM_THRESHOLDS,
    Bins,
    check_bins,
    kind_of,
    no_bounds,
    saved_dtypes,
    two_exact_dtypes,
)
from fastpr.counts.count_device import ScoreWork
from fastpr.counts.count_host import count_on_host
from fastpr.counts.functions import check_invalid
from fastpr.counts.samples.host import Samples
from fastpr.counts.samples.read import read_samples
from fastpr.counts.table import NO_SAMPLES, ScoreCounts
from fastpr.curves import ratios
from fastpr.curves.curve import Curve
from fastpr.curves.estimates import Conventions, conventions_of
from fastpr.curves.ratios import PrecisionRecallData
from fastpr.curves.thresholds import equal_thresholds
from fastpr.streaming.state import StreamingState, seen_by
from fastpr.streaming.storage import MAX_COUNT

_SCHEMA_1_KEYS = frozenset(
    {"metric", "num_thresholds", "zero_division", "invalid", "num_dropped", "has_sums"}
)


class PrecisionRecallAtEqualThresholds(StreamingState[ScoreCounts, PrecisionRecallData]):
    """Precision and recall at equally spaced thresholds, over a stream of batches.

    A state is a table of integers (and one of sums, once samples have weights). Updates in
    any split, order, number of threads and backends, merged in any way, give the same
    bytes; with weights, the same within 1e-12.

    Parameters
    ----------
    num_thresholds : int, default 201
        The number of thresholds ``i / (num_thresholds - 1)``, in [2, 65537].
    bins_per_threshold : int, default 1
        How many bins are counted from each threshold to the next. `compute` is the same with
        more of them; `curve` uses them all, so that its bounds are tighter by about that factor.
        At most 65536 bins in all below the score 1, which has one of its own.
    resolution : {"thresholds", "exact"}, default "thresholds"
        With "exact", every value of the scores has a bin of its own, and `curve` is exact. For
        uint8, uint16, float16 and bfloat16, one of them in a state. `compute` is the same.
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
    dtypes : tuple of str
        The dtypes of the scores that were counted, sorted.

    Raises
    ------
    ValueError, TypeError
        If an option is out of range.

    See Also
    --------
    precision_recall_at_equal_thresholds : The same for arrays that are all there.
    Curve : What `curve` returns.

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

    States of batches that are over can be taken away again, as by a sliding window:

    >>> (total - other).compute().recall.tolist()
    [0.0, 0.0, 0.0]
    """

    _METRIC = "precision_recall_at_equal_thresholds"
    _HEADER_KEYS: ClassVar[Mapping[int, frozenset[str]]] = {
        1: _SCHEMA_1_KEYS,
        2: _SCHEMA_1_KEYS | {"bins_per_threshold", "resolution", "dtypes"},
    }
    # Three tables of the most bins, and a header.
    _MAX_BYTES = 3 * 2 * MAX_NUM_THRESHOLDS * 8 + (1 << 17)
    _NOTHING = NO_SAMPLES

    def __init__(
        self,
        num_thresholds: int = 201,
        *,
        bins_per_threshold: int = 1,
        resolution: str = "thresholds",
        use_locking: bool = True,
        zero_division: float = 0.0,
        invalid: str = "raise",
        backend: str | None = None,
        name: str | None = None,
    ) -> None:
        self._bins = check_bins(num_thresholds, bins_per_threshold, resolution)
        self._zero_division = ratios.check_zero_division(zero_division)
        self._invalid = check_invalid(invalid)
        super().__init__(use_locking=use_locking, backend=backend, name=name)

    # ---- what it is ----

    @property
    def num_thresholds(self) -> int:
        """The number of thresholds."""
        return self._bins.num_thresholds

    @property
    def bins_per_threshold(self) -> int:
        """The number of bins that are counted from each threshold to the next."""
        return self._bins.bins_per_threshold

    @property
    def resolution(self) -> str:
        """Whether there are bins of thresholds, or for each value of the scores."""
        return self._bins.resolution

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes of the scores that were counted, sorted; "unknown" of files of schema 1."""
        return tuple(sorted(self._read().dtypes))

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The thresholds, float64, read-only, of shape (num_thresholds,)."""
        return equal_thresholds(self.num_thresholds)

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
        return _totals_of(self._read())

    def _described(self, seen: ScoreCounts) -> tuple[list[str], list[str]]:
        options = [f"num_thresholds={self.num_thresholds}"]
        if self.bins_per_threshold != 1:
            options.append(f"bins_per_threshold={self.bins_per_threshold}")
        if self._bins.is_exact:
            options.append(f"resolution={self.resolution!r}")
        if self._zero_division != 0:
            options.append(f"zero_division={self._zero_division}")
        if self._invalid == "drop":
            options.append(f"invalid='drop', num_dropped={seen.num_dropped}")
        negatives, positives = _totals_of(seen)
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
            Scores in [0, 1], of any shape, an empty one too. With the resolution "exact", not
            of float32 and float64, and of one dtype in a state.
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

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds=3)
        >>> state.update([[0, 1]], [[0.2, 0.9]]).update([1, 0], [0.4, 0.6], weights=[2, 0])
        PrecisionRecallAtEqualThresholds(num_thresholds=3, num_samples=4.0, num_positives=3.0)
        """
        samples = read_samples(labels, predictions, weights, self._backend)
        if self._bins.is_exact and samples.num_samples:
            self._check_values(samples.kind)
        return self._take_batch(samples)

    def _count_on_host(self, samples: Samples) -> ScoreCounts:
        return count_on_host(samples, self._bins, self._invalid, self._backend)

    def _check_values(self, kind: ScoreKind) -> None:
        """Raise an error if values of a kind cannot be counted, or not beside those before."""
        self._bins.check_kind(kind)
        before, pending = self._seen.dtypes, self._pending
        if pending is not None and not pending.is_empty:
            before |= pending.work.dtypes
        if before - {kind.name}:
            raise ValueError(two_exact_dtypes(before, [kind.name]))

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

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds=3)
        >>> state.update([0, 1, 1], [0.2, 0.4, 0.8]).compute().precision.round(3).tolist()
        [0.667, 1.0, 0.0]
        """
        seen = self._read()
        if self._bins != (reported := Bins(self.num_thresholds)):
            seen = seen.joined(self._bins.first_bins(reported, kind_of(seen.dtypes)))
        return ratios.precision_recall(seen.table(self.num_thresholds), self._zero_division)

    def curve(self, conventions: str | Conventions | None = None) -> Curve:
        """Return the curve, and all numbers that follow from it with their bounds.

        Parameters
        ----------
        conventions : str or Conventions, optional
            What ratios are whose denominator is 0, and so on; see `Curve`. By default those
            of "fastpr" with the `zero_division` of the state.

        Returns
        -------
        Curve
            Of all bins, also those between thresholds; it does not follow later updates. Of
            scores of several dtypes, or of a file of schema 1, which does not tell them, it
            has no bounds: bins of two dtypes are not in one order.

        Raises
        ------
        ValueError, OverflowError
            As `compute`.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.PrecisionRecallAtEqualThresholds(bins_per_threshold=20)
        >>> state = state.update(labels=[0, 1, 0, 1], predictions=[0.1, 0.4, 0.5, 0.9])
        >>> area = state.curve().auroc()
        >>> round(area.low, 9), round(area.high, 9)
        (0.75, 0.75)
        """
        if conventions is None:
            conventions = conventions_of(self._zero_division)
        seen = self._read()
        kind, bins = kind_of(seen.dtypes), self._bins_of(seen)
        num_bins = bins.num_bins(kind)
        return Curve.from_bins(
            seen.table(num_bins),
            bins.edges(kind),
            single=bins.is_single(kind),
            reported=np.arange(0, num_bins, bins.bins_per_threshold),
            upper=1.0,
            problem=no_bounds(seen.dtypes),
            lowest_scores=bins.lowest_scores(kind),
            exact=self._bins.is_exact,
            conventions=conventions,
        )

    def _bins_of(self, seen: ScoreCounts) -> Bins:
        """Return the bins of `curve`."""
        if self._bins.is_exact and not seen.dtypes:
            return Bins(2)  # 0 and 1 are values of every dtype
        return self._bins

    def coarsen(
        self, num_thresholds: int, bins_per_threshold: int = 1
    ) -> PrecisionRecallAtEqualThresholds:
        """Return a new state with fewer bins: the one that had counted into these at once.

        Parameters
        ----------
        num_thresholds : int
            Its number of thresholds.
        bins_per_threshold : int, default 1
            Its number of bins from a threshold to the next. The bins below the score 1,
            ``(num_thresholds - 1) * bins_per_threshold``, have to divide those of this state;
            from the resolution "exact", there can be any number of them.

        Returns
        -------
        PrecisionRecallAtEqualThresholds
            Of the resolution "thresholds" and the other options of this state, which stays as
            it is. Sums of weights may be rounded otherwise.

        Raises
        ------
        ValueError, TypeError
            If the bins cannot be made of these, or numbers are out of range.

        Examples
        --------
        >>> import fastpr
        >>> state = fastpr.PrecisionRecallAtEqualThresholds(201)
        >>> state.update([0, 1], [0.1, 0.6]).coarsen(11)
        PrecisionRecallAtEqualThresholds(num_thresholds=11, num_samples=2, num_positives=1)
        """
        coarse = check_bins(num_thresholds, bins_per_threshold)
        self._bins.check_coarser(coarse)
        copy = self._copy()
        seen = copy._seen
        copy._seen = seen.joined(self._bins.first_bins(coarse, kind_of(seen.dtypes)))
        copy._bins = coarse
        return copy

    # ---- saving ----

    def _options(self) -> dict[str, Any]:
        return {
            "num_thresholds": self.num_thresholds,
            "bins_per_threshold": self.bins_per_threshold,
            "resolution": self.resolution,
            "zero_division": repr(self._zero_division),
            "invalid": self._invalid,
        }

    def _to_saved(self, seen: ScoreCounts) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        entries = {
            "num_dropped": seen.num_dropped,
            "has_sums": seen.sums is not None,
            "dtypes": sorted(seen.dtypes),
        }
        return entries, seen.to_save(self._bins.num_bins(kind_of(seen.dtypes)))

    @classmethod
    def _saved_options(cls, header: Mapping[str, Any], tables: memoryview) -> dict[str, Any]:
        num_dropped, has_sums = header["num_dropped"], header["has_sums"]
        if type(num_dropped) is not int or not 0 <= num_dropped <= MAX_COUNT:
            raise ValueError(f"the saved state has a num_dropped of {num_dropped!r}")
        if type(has_sums) is not bool:
            raise ValueError(f"the saved state has a has_sums of {has_sums!r}")
        zero_divisions = [v for v in ratios.ZERO_DIVISIONS if repr(v) == header["zero_division"]]
        if not zero_divisions:
            raise ValueError(f"the saved state has a zero_division of {header['zero_division']!r}")
        return {
            "num_thresholds": header["num_thresholds"],
            "bins_per_threshold": header.get("bins_per_threshold", 1),
            "resolution": header.get("resolution", "thresholds"),
            "zero_division": zero_divisions[0],
            "invalid": header["invalid"],
        }

    def _saved_seen(self, header: Mapping[str, Any], tables: memoryview) -> ScoreCounts:
        dtypes = saved_dtypes(header["dtypes"], self._bins) if "dtypes" in header else None
        num_bins = self._bins.num_bins(kind_of(dtypes or ()))
        return ScoreCounts.from_saved(
            tables, num_bins, header["has_sums"], header["num_dropped"], dtypes
        )

    def _new_device_work(self) -> ScoreWork:
        return ScoreWork(self._bins, self._invalid)


def _totals_of(seen: ScoreCounts) -> list[int | float]:
    """Return the totals of negatives and positives."""
    totals: list[int | float] = seen.table(0).sum(axis=1).tolist()
    return totals


def fine_table(state: PrecisionRecallAtEqualThresholds) -> NDArray[Any]:
    """Return the counts by label and bin, of all bins; those of `curve`."""
    seen = seen_by(state)
    return seen.table(state._bins_of(seen).num_bins(kind_of(seen.dtypes)))
