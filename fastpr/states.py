"""The metrics as states that stream, merge and save."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr import curve, storage
from fastpr.counts import MAX_COUNT, NO_SAMPLES, ScoreCounts
from fastpr.curve import PrecisionRecallData
from fastpr.dispatch import check_backend
from fastpr.functional import check_invalid, count_scores
from fastpr.parallel import ForkSafeLock, NoLock
from fastpr.thresholds import MAX_NUM_THRESHOLDS, check_num_thresholds, equal_thresholds

_METRIC = "precision_recall_at_equal_thresholds"
_HEADER_KEYS = {
    "metric", "num_thresholds", "zero_division", "invalid", "num_dropped", "has_sums"
}  # fmt: skip
# Three tables of the most thresholds, and a header; a longer file is something else.
_MAX_BYTES = 3 * 2 * MAX_NUM_THRESHOLDS * 8 + (1 << 17)


class PrecisionRecallAtEqualThresholds:
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
    backend : {"auto", "c", "numba", "reference"}, optional
        Which kernels count; by default FASTPR_BACKEND, or the fastest that is there.
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
        self._backend = check_backend(backend)
        self._use_locking = bool(use_locking)
        self._lock = self._new_lock()
        self.name = name
        self._seen = NO_SAMPLES

    def _new_lock(self) -> ForkSafeLock | NoLock:
        return ForkSafeLock() if self._use_locking else NoLock()

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
    def backend(self) -> str | None:
        """The backend that was asked for."""
        return self._backend

    @property
    def use_locking(self) -> bool:
        """Whether updates from several threads at once are exact."""
        return self._use_locking

    @property
    def num_dropped(self) -> int:
        """The number of samples left out because their score was not in [0, 1]."""
        return self._seen.num_dropped

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
        totals: list[int | float] = self._seen.table(self._num_thresholds).sum(axis=1).tolist()
        return totals

    def _options(self) -> dict[str, Any]:
        return {
            "num_thresholds": self._num_thresholds,
            "zero_division": repr(self._zero_division),
            "invalid": self._invalid,
        }

    def __repr__(self) -> str:
        parts = [f"num_thresholds={self._num_thresholds}"]
        if self._zero_division != 0:
            parts.append(f"zero_division={self._zero_division}")
        if self._invalid == "drop":
            parts.append(f"invalid='drop', num_dropped={self.num_dropped}")
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        negatives, positives = self._totals()
        parts.append(f"num_samples={negatives + positives}, num_positives={positives}")
        return f"{type(self).__name__}({', '.join(parts)})"

    # ---- streaming ----

    def update(
        self, labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None
    ) -> PrecisionRecallAtEqualThresholds:
        """Add a batch of samples; all of it, or nothing when it raises.

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
        added = count_scores(
            labels, predictions, weights, self._num_thresholds, self._invalid, self._backend
        )
        with self._lock.current:
            self._seen = self._seen.plus(added)
        return self

    def compute(self) -> PrecisionRecallData:
        """Return counts, precision and recall of everything so far; the state stays as it is.

        Returns
        -------
        PrecisionRecallData
            Arrays of shape (num_thresholds,); counts are int64, or float64 once a sample
            had a weight other than 0.
        """
        table = self._seen.table(self._num_thresholds)
        return curve.precision_recall(table, self._zero_division)

    def result(self) -> PrecisionRecallData:
        """Return what `compute` returns, under the name that Keras gives it."""
        return self.compute()

    def reset(self) -> None:
        """Forget all samples."""
        with self._lock.current:
            self._seen = NO_SAMPLES

    # ---- merging ----

    def merge(self, *others: PrecisionRecallAtEqualThresholds) -> PrecisionRecallAtEqualThresholds:
        """Add what other states have seen; all of it, or nothing when it raises.

        Parameters
        ----------
        *others : PrecisionRecallAtEqualThresholds
            States of equal num_thresholds, zero_division and invalid. They stay as they are.

        Returns
        -------
        PrecisionRecallAtEqualThresholds
            The state itself.

        Raises
        ------
        TypeError
            If one of them is not such a state.
        ValueError
            If options differ.
        OverflowError
            If there would be 2**63 samples or more.
        """
        for other in others:
            if not isinstance(other, PrecisionRecallAtEqualThresholds):
                raise TypeError(
                    f"only PrecisionRecallAtEqualThresholds can be merged into one, "
                    f"got {type(other).__name__}"
                )
            ours, theirs = self._options(), other._options()
            if ours != theirs:
                different = [key for key in ours if ours[key] != theirs[key]]
                raise ValueError(
                    "states with different options cannot be merged: "
                    + ", ".join(f"{key} {ours[key]} and {theirs[key]}" for key in different)
                )
        seen = [other._seen for other in others]  # before the lock: one may be this state
        with self._lock.current:
            total = self._seen
            for counts in seen:
                total = total.plus(counts)
            self._seen = total
        return self

    def __add__(self, other: object) -> PrecisionRecallAtEqualThresholds:
        if not isinstance(other, PrecisionRecallAtEqualThresholds):
            return NotImplemented
        return self._copy().merge(other)

    def __radd__(self, other: object) -> PrecisionRecallAtEqualThresholds:
        if isinstance(other, int) and other == 0:  # sum(states)
            return self._copy()
        return NotImplemented

    def __iadd__(self, other: object) -> PrecisionRecallAtEqualThresholds:
        if not isinstance(other, PrecisionRecallAtEqualThresholds):
            return NotImplemented
        return self.merge(other)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrecisionRecallAtEqualThresholds):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # so that NumPy does not add a state to each element of an array

    # ---- saving ----

    def to_bytes(self) -> bytes:
        """Return the tables and the options that change numbers; equal states, equal bytes."""
        seen = self._seen
        header = {
            "metric": _METRIC,
            **self._options(),
            "num_dropped": seen.num_dropped,
            "has_sums": seen.sums is not None,
        }
        return storage.pack(header, seen.to_save(self._num_thresholds))

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        use_locking: bool = True,
        backend: str | None = None,
        name: str | None = None,
    ) -> PrecisionRecallAtEqualThresholds:
        """Return a state from what `to_bytes` returned.

        Parameters
        ----------
        data : bytes-like
            What `to_bytes` returned.
        use_locking, backend, name
            As for a new state; they are not part of the bytes.

        Raises
        ------
        ValueError
            If the data are not a whole, undamaged state of this metric.
        """
        check_backend(backend)
        header, rest = storage.unpack_header(data)
        if header.get("metric") != _METRIC:
            raise ValueError(
                f"the saved state is of the metric {header.get('metric')!r}, not {_METRIC!r}"
            )
        if header.keys() != _HEADER_KEYS:
            different = ", ".join(sorted(header.keys() ^ _HEADER_KEYS))
            raise ValueError(f"the saved state has an unknown or a missing entry: {different}")
        num_dropped, has_sums = header["num_dropped"], header["has_sums"]
        if type(num_dropped) is not int or not 0 <= num_dropped <= MAX_COUNT:
            raise ValueError(f"the saved state has a num_dropped of {num_dropped!r}")
        if type(has_sums) is not bool:
            raise ValueError(f"the saved state has a has_sums of {has_sums!r}")
        zero_divisions = [v for v in curve.ZERO_DIVISIONS if repr(v) == header["zero_division"]]
        if not zero_divisions:
            raise ValueError(f"the saved state has a zero_division of {header['zero_division']!r}")
        try:
            state = cls(
                header["num_thresholds"],
                use_locking=use_locking,
                zero_division=zero_divisions[0],
                invalid=header["invalid"],
                backend=backend,
                name=name,
            )
        except TypeError as error:
            raise ValueError(f"the saved state has an option of a wrong type: {error}") from None

        state._seen = ScoreCounts.from_saved(rest, state.num_thresholds, has_sums, num_dropped)
        if state.to_bytes() != bytes(data):
            raise ValueError(
                "the saved state was not written by fastpr: its header is spelled otherwise"
            )
        return state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, whole or not at all; an existing file is replaced.

        Parameters
        ----------
        path : path-like
            Where to.

        Raises
        ------
        OSError
            If the file cannot be written. An old file is then as it was.
        """
        storage.write_atomically(path, self.to_bytes())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        use_locking: bool = True,
        backend: str | None = None,
        name: str | None = None,
    ) -> PrecisionRecallAtEqualThresholds:
        """Return the state that `save` wrote.

        Parameters
        ----------
        path : path-like
            Where from.
        use_locking, backend, name
            As for a new state; they are not part of the file.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is not a whole, undamaged state of this metric.
        """
        check_backend(backend)  # what is wrong with it is not wrong with the file
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
        try:
            if len(data) > _MAX_BYTES:
                raise ValueError("not a saved fastpr state: it is too long")
            return cls.from_bytes(data, use_locking=use_locking, backend=backend, name=name)
        except ValueError as error:
            raise ValueError(f"{os.fsdecode(path)}: {error}") from None

    # ---- copying ----

    def _copy(self) -> PrecisionRecallAtEqualThresholds:
        """Return a state of the same options that has seen the same."""
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._lock = copy._new_lock()
        return copy

    __copy__ = _copy

    def __deepcopy__(self, memo: dict[int, Any]) -> PrecisionRecallAtEqualThresholds:
        return self._copy()  # tables are never written to

    def __getstate__(self) -> dict[str, Any]:
        return {
            "data": self.to_bytes(),
            "use_locking": self._use_locking,
            "backend": self._backend,
            "name": self.name,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(self.from_bytes(**state).__dict__)
