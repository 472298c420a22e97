"""Tables of counts and of sums of weights: what samples leave behind, and how it adds up."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.storage import unpack_tables

MAX_COUNT = 2**63 - 1  # what an int64 holds


class ScoreCounts(NamedTuple):
    """What samples leave behind. Never written to, so whoever has it has a consistent whole.

    Attributes
    ----------
    counts : ndarray of int64, shape (2, T), or None
        Samples without weights, by label (negative, positive) and bin; None if there are none.
    sums : ndarray of float64, shape (2, 2, T), or None
        Weights of the others, by label and bin, and then what was rounded off from these sums;
        None if they are all 0.
    num_counted : int
        The sum of counts.
    num_dropped : int
        The samples left out because their score was not in [0, 1].
    """

    counts: NDArray[np.int64] | None
    sums: NDArray[np.float64] | None
    num_counted: int
    num_dropped: int

    def plus(self, other: ScoreCounts) -> ScoreCounts:
        """Return the sum, or raise OverflowError if int64 or float64 cannot hold it."""
        num_counted = self.num_counted + other.num_counted
        num_dropped = self.num_dropped + other.num_dropped
        if num_counted > MAX_COUNT or num_dropped > MAX_COUNT:
            raise OverflowError(
                f"{max(num_counted, num_dropped)} samples are more than a state can count "
                f"({MAX_COUNT})"
            )
        if self.counts is None or other.counts is None:
            counts = other.counts if self.counts is None else self.counts
        else:
            counts = self.counts + other.counts
        if self.sums is None or other.sums is None:
            sums = other.sums if self.sums is None else self.sums
        else:
            sums = add_sums(self.sums, other.sums)
        return ScoreCounts(counts, sums, num_counted, num_dropped)

    def table(self, num_thresholds: int) -> NDArray[Any]:
        """Return counts and sums in one table: int64 if there are no sums, else float64."""
        if self.counts is None:
            if self.sums is not None:
                return self.sums[0, :, :]
            return np.zeros((2, num_thresholds), np.int64)
        return self.counts if self.sums is None else self.counts + self.sums[0, :, :]

    def to_save(self, num_thresholds: int) -> list[NDArray[Any]]:
        """Return the tables that a file holds."""
        counts = self.counts
        if counts is None:
            counts = np.zeros((2, num_thresholds), np.int64)
        return [counts] if self.sums is None else [counts, self.sums]

    @classmethod
    def from_saved(
        cls, data: memoryview, num_thresholds: int, has_sums: bool, num_dropped: int
    ) -> ScoreCounts:
        """Return what `to_save` gave, or raise ValueError if it cannot have."""
        shape, sums = (2, num_thresholds), None
        if has_sums:
            counts, sums = unpack_tables(data, [shape, (2, *shape)], [np.int64, np.float64])
            _check_saved_sums(sums)
        else:
            (counts,) = unpack_tables(data, [shape], [np.int64])
        if counts.min() < 0 or (num_counted := _exact_total(counts)) > MAX_COUNT:
            raise ValueError("the saved state has counts that are negative or too large")
        return cls(counts, sums, num_counted, num_dropped)


def add_sums(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add sums of weights, of shape (2, 2, T), and keep what is rounded off (Knuth, TwoSum).

    So a stream of many updates is as accurate as one of few.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = a[0] + b[0]
        part = total - a[0]
        rounded = (a[0] - (total - part)) + (b[0] - part) + (a[1] + b[1])
        sums = np.empty_like(a)
        np.add(total, rounded, out=sums[0])
        np.subtract(rounded, sums[0] - total, out=sums[1])
    check_finite_sums(sums[0])
    return sums


NO_SAMPLES = ScoreCounts(None, None, 0, 0)


def check_finite_sums(sums: NDArray[Any]) -> None:
    """Raise OverflowError if the sum of all weights is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(sums.sum())
    if not finite:
        raise OverflowError(
            "the sum of the weights does not fit into float64; scale the weights down"
        )


def _exact_total(counts: NDArray[np.int64]) -> int:
    """Return the sum of counts, which may be more than an int64 holds."""
    return (int((counts >> 32).sum()) << 32) + int((counts & 0xFFFFFFFF).sum())


def _check_saved_sums(sums: NDArray[np.float64]) -> None:
    """Raise ValueError if sums, and what was rounded off, are not those of any weights."""
    weights, rounded = sums
    with np.errstate(over="ignore", invalid="ignore"):
        good = (
            np.isfinite(weights.sum())
            and weights.any()
            and (weights >= 0).all()
            and not np.signbit(weights).any()
            and (weights + rounded == weights).all()
        )
    if not good:
        raise ValueError("the saved state has sums of weights that are not positive and finite")
