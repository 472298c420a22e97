"""The metrics as functions of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr import curve, dispatch
from fastpr.curve import PrecisionRecallData
from fastpr.inputs import Samples
from fastpr.thresholds import check_num_thresholds, stored_thresholds

_MAX_INT64 = 2**63 - 1


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
        if num_counted > _MAX_INT64 or num_dropped > _MAX_INT64:
            raise OverflowError(
                f"{max(num_counted, num_dropped)} samples are more than a state can count "
                f"({_MAX_INT64})"
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


def check_invalid(invalid: str) -> str:
    """Return `invalid` if it is "raise" or "drop", or say that it must be."""
    if not (isinstance(invalid, str) and invalid in ("raise", "drop")):
        raise ValueError(f"invalid must be 'raise' or 'drop', got {invalid!r}")
    return invalid


def count_scores(
    labels: ArrayLike,
    predictions: ArrayLike,
    weights: ArrayLike | None,
    num_thresholds: int,
    invalid: str,
    backend: str | None,
) -> ScoreCounts:
    """Check, count and report: all that an update does before it is committed."""
    samples = Samples(labels, predictions, weights)
    thresholds = stored_thresholds(num_thresholds, samples.kind)
    table, report = dispatch.score_histogram(samples, thresholds, backend)
    num_dropped = samples.check(report, invalid)
    if samples.scalar_weight is not None:
        with np.errstate(over="ignore"):
            table = table * samples.scalar_weight
    elif not samples.has_weight_array:
        return ScoreCounts(table, None, samples.num_samples - num_dropped, num_dropped)
    check_finite_sums(table)
    if not table.any():  # weights of 0 leave no trace
        return ScoreCounts(None, None, 0, num_dropped)
    sums = np.zeros((2, *table.shape))
    np.add(table, 0.0, out=sums[0])  # -0.0 becomes 0.0
    return ScoreCounts(None, sums, 0, num_dropped)


def check_finite_sums(sums: NDArray[Any]) -> None:
    """Raise OverflowError if the sum of all weights is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(sums.sum())
    if not finite:
        raise OverflowError(
            "the sum of the weights does not fit into float64; scale the weights down"
        )


def precision_recall_at_equal_thresholds(
    labels: ArrayLike,
    predictions: ArrayLike,
    weights: ArrayLike | None = None,
    num_thresholds: int = 201,
    *,
    zero_division: float = 0.0,
    invalid: str = "raise",
    backend: str | None = None,
) -> PrecisionRecallData:
    """Compute precision and recall at equally spaced thresholds, in one pass.

    A sample is predicted positive at threshold ``i / (num_thresholds - 1)`` when its score
    is at or above it, compared exactly in the dtype of the scores. Time is
    O(samples + thresholds), memory O(thresholds): nothing of the size of the input is
    allocated.

    Parameters
    ----------
    labels : array_like of bool or int
        True labels: bool, or integers 0 and 1. Same shape as `predictions`.
    predictions : array_like of float16, bfloat16, float32, float64, uint8 or uint16
        Scores in [0, 1], of any shape. Integer scores stand for ``u / (2**bits - 1)``.
        NumPy arrays, torch tensors on the CPU, and whatever offers the buffer protocol,
        ``__array_interface__`` or DLPack are read where they are.
    weights : array_like of float, int or bool, optional
        Weights that broadcast to the shape of `predictions`, finite and not negative. A
        weight of 0 masks a sample, whose score and label are still checked. A scalar
        multiplies the counts.
    num_thresholds : int, default 201
        The number of thresholds, in [2, 65537].
    zero_division : {0.0, 1.0, nan}, default 0.0
        The precision or recall whose denominator is 0.
    invalid : {"raise", "drop"}, default "raise"
        Whether scores below 0, above 1, infinite or NaN are an error or left out.
    backend : {"auto", "c", "numba", "reference"}, optional
        Which kernels count; by default FASTPR_BACKEND, or the fastest that is there. All
        give the same integers.

    Returns
    -------
    PrecisionRecallData
        A named tuple ``(tp, fp, tn, fn, precision, recall, thresholds)`` of arrays of
        shape (num_thresholds,); counts are int64, with weights float64.

    Raises
    ------
    ValueError
        If shapes differ, labels are not 0 or 1, scores are not in [0, 1], weights do not
        broadcast or are negative or not finite, or an option is out of range.
    TypeError
        If a dtype is not one of those above.
    OverflowError
        If the sum of the weights is not finite.
    BackendUnavailable
        If the backend that was named does not work here.

    See Also
    --------
    PrecisionRecallAtEqualThresholds : The same over a stream of batches.

    References
    ----------
    .. [1] ``tf.contrib.metrics.precision_recall_at_equal_thresholds``, TensorFlow 1.x, whose
       documentation this metric follows.

    Examples
    --------
    >>> import fastpr
    >>> result = fastpr.precision_recall_at_equal_thresholds(
    ...     labels=[0, 0, 1, 1], predictions=[0.1, 0.6, 0.4, 0.9], num_thresholds=3
    ... )
    >>> result.tp.tolist(), result.fp.tolist()
    ([2, 1, 0], [2, 1, 0])
    >>> result.precision.tolist()
    [0.5, 0.5, 0.0]
    """
    number = check_num_thresholds(num_thresholds)
    zero_division = curve.check_zero_division(zero_division)
    counted = count_scores(labels, predictions, weights, number, check_invalid(invalid), backend)
    table = counted.table(number)
    if weights is not None:
        table = table.astype(np.float64, copy=False)
    return curve.precision_recall(table, zero_division)
