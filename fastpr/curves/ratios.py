"""From integers to ratios: once, on the host, in float64, for all backends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.curves.thresholds import equal_thresholds

Array = NDArray[Any]
ZERO_DIVISIONS = (0.0, 1.0, float("nan"))


class PrecisionRecallData(NamedTuple):
    """Counts and ratios at T equally spaced thresholds, as arrays of shape (T,).

    A sample is predicted positive at threshold i when its score is at or above it. Counts
    are int64, or float64 sums of weights when samples had weights; ratios are float64.

    Attributes
    ----------
    tp, fp, tn, fn : ndarray
        True positives, false positives, true negatives and false negatives.
    precision : ndarray of float64
        ``tp / (tp + fp)``, or `zero_division` where nothing is predicted positive.
    recall : ndarray of float64
        ``tp / (tp + fn)``, or `zero_division` where nothing is positive.
    thresholds : ndarray of float64
        ``i / (T - 1)``; read-only.

    Examples
    --------
    >>> from fastpr import precision_recall_at_equal_thresholds
    >>> result = precision_recall_at_equal_thresholds([0, 1, 1], [0.2, 0.4, 0.8], num_thresholds=3)
    >>> result._fields
    ('tp', 'fp', 'tn', 'fn', 'precision', 'recall', 'thresholds')
    >>> tp, fp, tn, fn, precision, recall, thresholds = result
    >>> tp.tolist(), thresholds.tolist()
    ([2, 1, 0], [0.0, 0.5, 1.0])
    """

    tp: Array
    fp: Array
    tn: Array
    fn: Array
    precision: Array
    recall: Array
    thresholds: NDArray[np.float64]


def check_zero_division(zero_division: float) -> float:
    """Return `zero_division` as 0.0, 1.0 or nan, or say that it must be one of them."""
    try:
        value = -1.0 if isinstance(zero_division, (str, bytes)) else float(zero_division)
    except (TypeError, ValueError, OverflowError):
        value = -1.0
    if not (value == 0.0 or value == 1.0 or value != value):
        raise ValueError(f"zero_division must be 0.0, 1.0 or nan, got {zero_division!r}")
    return abs(value)


def check_beta(beta: float) -> float:
    """Return `beta` as a float, or say that it must be finite and above 0."""
    try:
        value = float(beta)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 < value < np.inf:
        raise ValueError(f"beta must be finite and above 0, got {beta!r}")
    return value


def ratio(numerator: Array, denominator: Array, zero_division: float = 0.0) -> Array:
    """Divide in float64, with a value of its own where the denominator is 0.

    Parameters
    ----------
    numerator, denominator : ndarray
        Counts.
    zero_division : float, default 0.0
        The value where the denominator is 0.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> ratio(np.array([1, 0]), np.array([4, 0])).tolist()
    [0.25, 0.0]
    """
    quotient = np.full(np.shape(denominator), zero_division, np.float64)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def sums_from_left(values: Array) -> Array:
    """Return running sums along the last axis, with the rounding errors of 2 * sqrt(n) additions.

    Exact for integers. Sums of rows and sums of the sums before them; both grow, so the
    result does too.
    """
    if values.dtype.kind == "i":
        return values.cumsum(axis=-1)
    length = values.shape[-1]
    if length == 0:
        return values
    width = int(np.ceil(np.sqrt(length)))
    padded = np.zeros((*values.shape[:-1], width * width), values.dtype)
    padded[..., :length] = values
    rows = np.cumsum(padded.reshape(*values.shape[:-1], width, width), axis=-1)
    before = np.zeros_like(rows[..., 0])
    np.cumsum(rows[..., :-1, -1], axis=-1, out=before[..., 1:])
    sums = rows + before[..., np.newaxis]
    running: Array = sums.reshape(padded.shape)[..., :length]
    return running


def precision_recall(table: Array, zero_division: float = 0.0) -> PrecisionRecallData:
    """Return what follows from a table of counts by label and bin.

    Parameters
    ----------
    table : ndarray of int64 or float64, shape (2, T)
        Negatives and positives in each bin; bin i has the scores that are at or above
        threshold i and below the next.
    zero_division : {0.0, 1.0, nan}, default 0.0
        The precision or recall whose denominator is 0.

    Returns
    -------
    PrecisionRecallData

    Notes
    -----
    True and false negatives are summed from below instead of taken as a difference of
    sums, so that they are accurate with weights too; with integers it is the same.

    Examples
    --------
    >>> data = precision_recall(np.array([[2, 1, 0], [0, 1, 3]]))
    >>> data.tp.tolist(), data.fp.tolist(), data.fn.tolist()
    ([4, 4, 3], [3, 1, 0], [0, 0, 1])
    """
    from_right = sums_from_left(table[:, ::-1])[:, ::-1]
    below = np.zeros_like(table)
    below[:, 1:] = sums_from_left(table[:, :-1])
    fp, tp = np.ascontiguousarray(from_right)
    tn, fn = below
    return PrecisionRecallData(
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
        precision=ratio(tp, tp + fp, zero_division),
        recall=ratio(tp, tp + fn, zero_division),
        thresholds=equal_thresholds(table.shape[1]),
    )


def f1(data: PrecisionRecallData) -> NDArray[np.float64]:
    """Return the F1 score ``2 tp / (2 tp + fp + fn)`` at each threshold, 0 where undefined."""
    return ratio(data.tp, data.tp + (data.fp + data.fn) / 2)


def iou(data: PrecisionRecallData) -> NDArray[np.float64]:
    """Return the intersection over union ``tp / (tp + fp + fn)``, 0 where undefined.

    Also known as the Jaccard index.
    """
    return ratio(data.tp, data.tp + data.fp + data.fn)


def f_score(tp: Array, fp: Array, fn: Array, beta: float, zero_division: float) -> Array:
    """Return ``(1 + beta**2) tp / ((1 + beta**2) tp + beta**2 fn + fp)``, as shares of tp.

    Examples
    --------
    >>> f_score(np.array([3, 0]), np.array([1, 0]), np.array([1, 0]), 1.0, 0.0).tolist()
    [0.75, 0.0]
    """
    square = beta * beta
    fn_share = square / (1 + square) if square < 1 else 1 / (1 + 1 / square)
    return ratio(tp, tp + (fn_share * fn + fp / (1 + square)), zero_division)


def balanced_accuracy(tp: Array, fp: Array, fn: Array, tn: Array) -> Array:
    """Return the mean of ``tp / (tp + fn)`` and ``tn / (fp + tn)``, nan without both classes."""
    return ratio(tp, tp + fn, np.nan) / 2 + ratio(tn, fp + tn, np.nan) / 2


def youden(tp: Array, fp: Array, fn: Array, tn: Array) -> Array:
    """Return ``tp / (tp + fn) - fp / (fp + tn)``, nan without both classes."""
    return ratio(tp, tp + fn, np.nan) - ratio(fp, fp + tn, np.nan)


def matthews(tp: Array, fp: Array, fn: Array, tn: Array, one_class: float) -> Array:
    """Return Matthews' correlation coefficient, without a product of counts.

    Parameters
    ----------
    tp, fp, fn, tn : ndarray of float64
        Counts.
    one_class : float
        The value without positives or without negatives. With both, it is 0 where all or
        none are predicted positive.

    Returns
    -------
    ndarray of float64

    Notes
    -----
    ``(tp tn - fp fn) / sqrt((tp+fn) (fp+tn) (tp+fp) (fn+tn))`` is a difference of the
    geometric means of four rates each, which are at most 1: nothing overflows, and the error
    is a few ulps of 1.

    Examples
    --------
    >>> half = np.array([2.5e18])
    >>> matthews(2 * half, half, half, 2 * half, 0.0).round(12).tolist()
    [0.333333333333]
    """
    positives, negatives, predicted, rejected = tp + fn, fp + tn, tp + fp, fn + tn
    agree = ratio(tp, positives) * ratio(tn, negatives)
    agree *= ratio(tp, predicted) * ratio(tn, rejected)
    differ = ratio(fn, positives) * ratio(fp, negatives)
    differ *= ratio(fp, predicted) * ratio(fn, rejected)
    value: Array = np.sqrt(agree) - np.sqrt(differ)
    value[(positives == 0) | (negatives == 0)] = one_class
    return value
