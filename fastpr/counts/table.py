"""Counts of samples, by label and bin, and sums of weights: how they add up."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.counts.bins import UNKNOWN_DTYPE, two_exact_dtypes
from fastpr.streaming.storage import MAX_COUNT, unpack_tables

_NO_DTYPES: frozenset[str] = frozenset()
_LABELS = ("negatives", "positives")
# Sums of weights that are below 0 by a smaller part of what they were taken from are roundings;
# backends agree within 1e-12.
_MOST_BELOW = 1e-9
# Less is left of a sum than its two numbers hold of it.
_LEAST_LEFT = 2.0**-90


class ScoreCounts(NamedTuple):
    """Counts of samples, by label and bin.

    Never written to, so whoever has it has a consistent whole.

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
    dtypes : frozenset of str
        The dtypes of the scores that are in the tables; none if all in these is 0.
    """

    counts: NDArray[np.int64] | None
    sums: NDArray[np.float64] | None
    num_counted: int
    num_dropped: int
    dtypes: frozenset[str] = _NO_DTYPES

    @property
    def num_bins(self) -> int | None:
        """The number of bins; None if there are no tables."""
        tables = self.counts if self.counts is not None else self.sums
        return None if tables is None else tables.shape[-1]

    def plus(self, other: ScoreCounts) -> ScoreCounts:
        """Return the sum, or raise OverflowError if int64 or float64 cannot hold it.

        Raises ValueError if both have bins for each value, of two dtypes.
        """
        dtypes = self.dtypes
        if dtypes is not other.dtypes:
            self._check_bins(other)
            dtypes = dtypes | other.dtypes if dtypes else other.dtypes
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
        return ScoreCounts(counts, sums, num_counted, num_dropped, dtypes)

    def _check_bins(self, other: ScoreCounts) -> None:
        ours, theirs = self.num_bins, other.num_bins
        if ours is not None and theirs is not None and ours != theirs:
            raise ValueError(two_exact_dtypes(self.dtypes, other.dtypes))

    def minus(self, other: ScoreCounts) -> ScoreCounts:
        """Return what is left without the samples of another, which have to be in these.

        Raises
        ------
        ValueError
            If something would be negative; sums of weights by more than roundings are.
        """
        self._check_bins(other)
        num_dropped = self.num_dropped - other.num_dropped
        if num_dropped < 0:
            raise ValueError(
                f"num_dropped would be negative, {self.num_dropped} - {other.num_dropped}"
            )
        num_counted = self.num_counted - other.num_counted
        counts, sums = self.counts, self.sums
        if other.counts is not None:
            counts = _counts_left(self.counts, other.counts)
        if other.sums is not None:
            sums = _sums_left(self.sums, other.sums)
        missing = other.dtypes - self.dtypes - {UNKNOWN_DTYPE}
        if missing and UNKNOWN_DTYPE not in self.dtypes:
            raise ValueError(
                f"what is taken away has seen scores of {', '.join(sorted(missing))}, and what it "
                f"is taken from has not; it has seen {', '.join(sorted(self.dtypes))}"
            )
        counts = counts if num_counted else None
        dtypes = _NO_DTYPES if counts is None and sums is None else self.dtypes
        return ScoreCounts(counts, sums, num_counted, num_dropped, dtypes)

    def joined(self, first_bins: NDArray[np.intp]) -> ScoreCounts:
        """Return the same in fewer bins.

        Parameters
        ----------
        first_bins : ndarray of int, shape (num_bins,)
            The first of these bins that goes into each of those; ascending, the first is 0.
            Of two that are the same, the first stays empty.
        """
        counts, sums = self.counts, self.sums
        if counts is not None:
            counts = _join_counts(counts, first_bins)
        if sums is not None:
            sums = _join_sums(sums, first_bins)
        return self._replace(counts=counts, sums=sums)

    def table(self, num_bins: int) -> NDArray[Any]:
        """Return counts and sums in one table: int64 if there are no sums, else float64."""
        if self.counts is None:
            if self.sums is not None:
                return self.sums[0, :, :]
            return np.zeros((2, num_bins), np.int64)
        return self.counts if self.sums is None else self.counts + self.sums[0, :, :]

    def to_save(self, num_bins: int) -> list[NDArray[Any]]:
        """Return the tables that a file holds."""
        counts = self.counts
        if counts is None:
            counts = np.zeros((2, num_bins), np.int64)
        return [counts] if self.sums is None else [counts, self.sums]

    @classmethod
    def from_saved(
        cls,
        data: memoryview,
        num_bins: int,
        has_sums: bool,
        num_dropped: int,
        dtypes: frozenset[str] | None,
    ) -> ScoreCounts:
        """Return what `to_save` gave, or raise ValueError if it cannot have.

        None are the dtypes of a file that does not tell them.
        """
        shape, sums = (2, num_bins), None
        if has_sums:
            counts, sums = unpack_tables(data, [shape, (2, *shape)], [np.int64, np.float64])
            _check_saved_sums(sums)
        else:
            (counts,) = unpack_tables(data, [shape], [np.int64])
        if (counts < 0).any() or (num_counted := _exact_total(counts)) > MAX_COUNT:
            raise ValueError("the saved state has counts that are negative or too large")
        is_empty = not num_counted and sums is None
        if dtypes is None:
            dtypes = _NO_DTYPES if is_empty else frozenset({UNKNOWN_DTYPE})
        if is_empty == bool(dtypes):
            what = "no samples" if is_empty else "samples"
            raise ValueError(f"the saved state has {what}, and dtypes of {sorted(dtypes)!r}")
        return cls(counts if num_counted else None, sums, num_counted, num_dropped, dtypes)


NO_SAMPLES = ScoreCounts(None, None, 0, 0)


# ---- sums of weights ----


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


# ---- differences ----


def _counts_left(
    counts: NDArray[np.int64] | None, taken: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    left = -taken if counts is None else counts - taken
    _check_left(left, left < 0)
    return left


def _sums_left(
    sums: NDArray[np.float64] | None, taken: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return sums without others, or None if nothing is left."""
    if sums is None:
        sums = np.zeros_like(taken)
    left = add_sums(sums, -taken)
    _check_left(left[0], left[0] < -_MOST_BELOW * sums[0])
    # a remainder that the two numbers of a sum cannot tell from their own rounding
    left[:, left[0] <= _LEAST_LEFT * sums[0]] = 0
    return left if left.any() else None


def _check_left(left: NDArray[Any], is_wrong: NDArray[np.bool_]) -> None:
    """Raise ValueError where too much would be taken away, and say where."""
    if not is_wrong.any():
        return
    label, number = np.argwhere(is_wrong)[0].tolist()
    raise ValueError(
        f"what is taken away is not part of it: of {_LABELS[label]} in bin {number}, "
        f"{left[label, number]} would be left"
    )


# ---- fewer bins ----


def _join_counts(counts: NDArray[np.int64], first_bins: NDArray[np.intp]) -> NDArray[np.int64]:
    # np.add.reduceat would give a bin that has no values the one that follows
    before = np.zeros((2, counts.shape[1] + 1), np.int64)
    np.cumsum(counts, axis=1, out=before[:, 1:])
    return np.diff(before[:, np.append(first_bins, counts.shape[1])], axis=1)


def _join_sums(sums: NDArray[np.float64], first_bins: NDArray[np.intp]) -> NDArray[np.float64]:
    """Add neighbours of one bin until there are none, so that little is rounded off."""
    group = np.searchsorted(first_bins, np.arange(sums.shape[-1]), side="right") - 1
    while len(group) and (group[1:] == group[:-1]).any():
        place = np.arange(len(group)) - np.searchsorted(group, group)
        kept = np.flatnonzero(place % 2 == 0)
        has_next = np.append(group[1:] == group[:-1], False)[kept]
        others = np.zeros((2, 2, len(kept)))
        others[..., has_next] = sums[..., kept[has_next] + 1]
        sums, group = add_sums(sums[..., kept], others), group[kept]
    joined = np.zeros((2, 2, len(first_bins)))
    joined[..., group] = sums
    return joined
