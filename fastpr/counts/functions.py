"""Precision and recall at thresholds as a function of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastpr.counts.bins import Bins, check_num_thresholds
from fastpr.counts.count_device import count_on_device
from fastpr.counts.count_host import count_on_host
from fastpr.counts.samples.device import DeviceSamples
from fastpr.counts.samples.read import read_samples
from fastpr.counts.table import ScoreCounts
from fastpr.curves import ratios
from fastpr.curves.ratios import PrecisionRecallData


def check_invalid(invalid: str) -> str:
    """Return `invalid` if it is "raise" or "drop", or say that it must be."""
    if not (isinstance(invalid, str) and invalid in ("raise", "drop")):
        raise ValueError(f"invalid must be 'raise' or 'drop', got {invalid!r}")
    return invalid


def count_scores(
    labels: ArrayLike,
    predictions: ArrayLike,
    weights: ArrayLike | None,
    bins: Bins,
    invalid: str,
    backend: str | None,
) -> ScoreCounts:
    """Check, count and report, wherever the samples are."""
    samples = read_samples(labels, predictions, weights, backend)
    if isinstance(samples, DeviceSamples):
        return count_on_device(samples, bins, invalid)
    return count_on_host(samples, bins, invalid, backend)


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
        True labels: bool, or integers 0 and 1. Same shape as `predictions`, and the same
        place.
    predictions : array_like of float16, bfloat16, float32, float64, uint8 or uint16
        Scores in [0, 1], of any shape. Integer scores stand for ``u / (2**bits - 1)``.
        NumPy arrays, torch tensors, CuPy, JAX and Numba arrays, and whatever offers the
        buffer protocol, ``__array_interface__``, ``__cuda_array_interface__`` or DLPack are
        read where they are, on the host or on a CUDA device.
    weights : array_like of float, int or bool, optional
        Weights that broadcast to the shape of `predictions`, finite and not negative. A
        weight of 0 masks a sample, whose score and label are still checked. A scalar
        multiplies the counts. Arrays of them are where the predictions are; a number can
        always be on the host.
    num_thresholds : int, default 201
        The number of thresholds, in [2, 65537].
    zero_division : {0.0, 1.0, nan}, default 0.0
        The precision or recall whose denominator is 0.
    invalid : {"raise", "drop"}, default "raise"
        Whether scores below 0, above 1, infinite or NaN are an error or left out.
    backend : {"auto", "c", "numba", "cuda", "reference"}, optional
        Which kernels count; by default FASTPR_BACKEND, or those of the device where the
        arrays are, of the host the fastest. All give the same integers.

    Returns
    -------
    PrecisionRecallData
        A named tuple ``(tp, fp, tn, fn, precision, recall, thresholds)`` of arrays of
        shape (num_thresholds,); counts are int64, with weights float64.

    Raises
    ------
    ValueError
        If shapes differ, labels are not 0 or 1, scores are not in [0, 1], weights do not
        broadcast or are negative or not finite, arrays are in different places, a host
        backend is named for arrays on a device, or an option is out of range.
    TypeError
        If a dtype is not one of those above.
    OverflowError
        If the sum of the weights is not finite.
    BackendUnavailable
        If the backend that was named, or that of the device, does not work here.

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
    zero_division = ratios.check_zero_division(zero_division)
    bins = Bins(number)
    counted = count_scores(labels, predictions, weights, bins, check_invalid(invalid), backend)
    table = counted.table(number)
    if weights is not None:
        table = table.astype(np.float64, copy=False)
    return ratios.precision_recall(table, zero_division)
