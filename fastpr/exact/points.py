"""The curves and scores of two classes, and the averages of several: what `fastpr.exact` returns.

A sorter of `fastpr.backends` has the order of the scores, and what follows from it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import Array
from fastpr.backends import parallel
from fastpr.backends.protocol import SortedSamples, Sorter
from fastpr.exact.inputs import (
    Scores,
    check_lengths,
    find_classes,
    find_positive,
    in_parallel,
    label_bytes,
    not_finite,
    read_scores,
    read_weights,
)

LabelBytes = NDArray[np.uint8]  # 0 for a negative, anything else for a positive
Points = tuple[NDArray[np.float64], NDArray[np.float64], Array]
# LabelBytes, scores and weights of two classes to a value.
Metric = Callable[[LabelBytes, Array, "Array | None"], float]

AVERAGES = (None, "micro", "macro", "weighted", "samples")
_MOST_PARTS = 32


class UndefinedMetricWarning(UserWarning):
    """A metric has no value for the labels that were given, as when all are of one class.

    Examples
    --------
    >>> import warnings
    >>> from fastpr import exact
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     value = exact.roc_auc_score([1, 1], [0.2, 0.8])
    >>> value, caught[0].category.__name__
    (nan, 'UndefinedMetricWarning')
    """


# ---- two classes ----


def _num_parts(num: int) -> int:
    if num < parallel.MIN_PARALLEL:
        return 1
    return min(2 * parallel.get_num_threads(), _MOST_PARTS)


def _sort(sorter: Sorter, flags: LabelBytes, scores: Array, weights: Array | None) -> SortedSamples:
    check_lengths(flags, scores)
    ordered = sorter.sort_scores(scores, flags, weights, in_parallel, _num_parts(len(scores)))
    if ordered is None:
        raise not_finite(scores)
    if not ordered.num_samples:
        raise ValueError("sample_weight is 0 for all samples; pass some that are not")
    return ordered


def average_precision(
    flags: LabelBytes, scores: Array, weights: Array | None, *, sorter: Sorter
) -> float:
    """Return the mean precision at the scores of positives; 0.0, and a warning, without any."""
    total, num_positives = _sort(sorter, flags, scores, weights).precision()
    if num_positives == 0:
        _warn_of_no_positives()
        return 0.0
    return max(0.0, float(total / num_positives))


def area_under_rates(
    flags: LabelBytes,
    scores: Array,
    weights: Array | None,
    *,
    max_fpr: float | None = None,
    sorter: Sorter,
) -> float:
    """Return the area under the ROC curve, or a standardised part; NaN without one class."""
    ordered = _sort(sorter, flags, scores, weights)
    lost, num_negatives, num_positives = ordered.areas()
    if not (num_negatives > 0 and num_positives > 0):
        warnings.warn(
            "Only one class is present in y_true, so the area under the ROC curve is not defined",
            UndefinedMetricWarning,
            stacklevel=3,
        )
        return math.nan
    if max_fpr is None or max_fpr == 1:
        pairs = 2 * num_negatives * num_positives
        return max(0.0, float((pairs - lost) / pairs))  # of weights, it may round below
    fpr, tpr, _ = _rates(sorter, ordered, np.dtype(np.float64), True)
    return partial_area(fpr, tpr, max_fpr)


def partial_area(fpr: Array, tpr: Array, max_fpr: float) -> float:
    """Return the area up to a rate, 0.5 for chance and 1 for a perfect order (McClish, 1989)."""
    stop = int(np.searchsorted(fpr, max_fpr, side="right"))
    end = np.interp(max_fpr, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1])
    widths = np.diff(fpr[:stop], append=max_fpr)
    heights = tpr[:stop] + np.append(tpr[1:stop], end)
    area = float(np.sum(widths * heights)) / 2
    least, most = 0.5 * max_fpr**2, max_fpr
    return 0.5 * (1 + (area - least) / (most - least))


def precision_recall_points(
    flags: LabelBytes,
    scores: Array,
    weights: Array | None,
    drop_intermediate: bool,
    sorter: Sorter,
) -> Points:
    """Return precision, recall and thresholds, the lowest first."""
    counts = _sort(sorter, flags, scores, weights).counts(scores.dtype, ascending=True)
    num = len(counts.tps) - 1
    if drop_intermediate and num > 2:
        counts = sorter.keep_points(counts, 0, num - 1, False, in_parallel, _num_parts(num))
    num_positives = float(counts.tps[0])
    if num_positives == 0:
        _warn_of_no_positives()
    sorter.to_precision_and_recall(counts, num_positives, in_parallel, _num_parts(len(counts.tps)))
    recall, precision, thresholds = counts
    precision[-1], recall[-1] = 1.0, 0.0  # where nothing is predicted
    return precision, recall, thresholds[:-1]


def rate_points(
    flags: LabelBytes,
    scores: Array,
    weights: Array | None,
    drop_intermediate: bool,
    sorter: Sorter,
) -> Points:
    """Return false positive rates, true positive rates and thresholds, the highest first."""
    ordered = _sort(sorter, flags, scores, weights)
    fpr, tpr, thresholds = _rates(sorter, ordered, np.dtype(np.float64), drop_intermediate)
    for rates, name in ((fpr, "negative"), (tpr, "positive")):
        if math.isnan(rates[-1]):
            warnings.warn(
                f"No {name} samples in y_true, so their rate is not defined",
                UndefinedMetricWarning,
                stacklevel=3,
            )
    return fpr, tpr, thresholds


def _rates(
    sorter: Sorter, ordered: SortedSamples, dtype: np.dtype[Any], drop_intermediate: bool
) -> Points:
    counts = ordered.counts(dtype, ascending=False)
    num = len(counts.tps) - 1
    if drop_intermediate and num > 2:
        counts = sorter.keep_points(counts, 1, num, True, in_parallel, _num_parts(num))
    counts.tps[0] = counts.fps[0] = 0.0  # where nothing is predicted
    counts.thresholds[0] = np.inf
    totals = float(counts.tps[-1]), float(counts.fps[-1])
    sorter.to_rates(counts, *totals, in_parallel, _num_parts(num))
    return counts.fps, counts.tps, counts.thresholds


def _warn_of_no_positives() -> None:
    warnings.warn(
        "No positive class found in y_true, recall is set to one for all thresholds",
        UserWarning,
        stacklevel=4,
    )


# ---- several classes ----


def check_class_average(average: Any, allowed: tuple[str | None, ...] = AVERAGES) -> None:
    """Raise ValueError if an average is not one of those that are allowed."""
    if not (average is None or isinstance(average, str)) or average not in allowed:
        raise ValueError(f"average must be one of {allowed}, got {average!r}")


def read_flags(labels: Array, pos_label: Any) -> LabelBytes:
    """Return flags of samples and classes as bytes; ValueError if they have other values."""
    classes, has_others = find_classes(labels)
    if has_others or labels.dtype.kind not in "biuf":
        raise ValueError(
            f"y_true has shape {labels.shape}, and more than two values; pass labels of one "
            "dimension, or flags 0 and 1 for each class"
        )
    positive = find_positive(pos_label, labels, classes, has_others)
    return label_bytes(labels.reshape(-1), positive).reshape(labels.shape)


def flag_each(labels: Array, classes: Array) -> LabelBytes:
    """Return a column of flags for each of several classes."""
    flags = np.empty((len(labels), len(classes)), np.uint8)
    for column, known in enumerate(classes):
        flags[:, column] = label_bytes(labels, known)
    return flags


def average_of_columns(
    metric: Metric,
    flags: LabelBytes,
    y_score: ArrayLike,
    average: str | None,
    sample_weight: ArrayLike | None,
) -> float | NDArray[np.float64]:
    """Return a metric of each class, or of each sample, or their mean.

    Parameters
    ----------
    metric : callable
        That of two classes.
    flags : ndarray of uint8, shape (n, num_classes)
        The positives of each class.
    y_score, average, sample_weight
        As for `fastpr.exact.average_precision_score`.
    """
    scores = read_scores(y_score, max_ndim=2).values
    check_lengths(flags, scores)
    weights = read_weights(sample_weight, len(flags))
    if average == "micro":
        each = None if weights is None else np.repeat(weights, flags.shape[1])
        return metric(flags.reshape(-1), scores.reshape(-1), each)
    shares: Array | None = None
    if average == "weighted":
        shares = np.sum(flags != 0, axis=0) if weights is None else np.matmul(weights, flags != 0)
        if not shares.any():
            return 0.0
    if average == "samples":
        flags, scores, weights, shares = flags.T, scores.T, None, weights
    values = np.array([
        metric(np.ascontiguousarray(column), np.ascontiguousarray(its_scores), weights)
        for column, its_scores in zip(flags.T, scores.T, strict=True)
    ])  # fmt: skip
    if average is None:
        return values
    if shares is not None:
        values[shares == 0] = 0.0
    return float(np.average(values, weights=shares))


def check_several(
    labels: Array,
    scores: Scores,
    average: str | None,
    multi_class: str,
    classes: ArrayLike | None,
) -> Array:
    """Return the classes of the columns of scores, or raise what is wrong; as `roc_auc_score`."""
    shape = scores.values.shape
    if len(shape) != 2:
        raise ValueError(
            f"y_score has shape {shape}; pass (n, num_classes), a column for each class"
        )
    if not np.allclose(1, scores.sums()):
        raise ValueError(
            "y_score must add up to 1 for each sample of several classes; pass probabilities"
        )
    check_class_average(
        average, AVERAGES[:4] if multi_class == "ovr" else (None, "macro", "weighted")
    )
    if average is None and multi_class == "ovo":
        raise NotImplementedError("average=None is not implemented for multi_class='ovo'")
    present = np.unique(labels)
    if classes is None:
        known = present
    else:
        known = np.asarray(classes).reshape(-1)
        if not np.array_equal(np.unique(known), known):
            raise ValueError(f"labels must be in order, and each once, got {known.tolist()}")
        if not np.isin(present, known).all():
            raise ValueError(f"y_true holds classes that are not in labels {known.tolist()}")
    if len(known) != shape[1]:
        raise ValueError(
            f"y_score has {shape[1]} columns for {len(known)} classes; pass one for each, "
            "and all of them as labels if some are missing in y_true"
        )
    return known


def average_of_pairs(
    metric: Metric, positions: NDArray[np.intp], scores: Array, weighted: bool
) -> float:
    """Return the mean of a metric of each pair of classes, either one being the positive one.

    Parameters
    ----------
    metric : callable
        That of two classes.
    positions : ndarray of intp, shape (n,)
        The class of each sample, as the number of its column.
    scores : ndarray, shape (n, num_classes)
        One for each class.
    weighted : bool
        Whether pairs weigh as much as they have samples, or all the same.
    """
    values, shares = [], []
    for first, second in combinations(np.unique(positions).tolist(), 2):
        of_both = (positions == first) | (positions == second)
        values.append(sum(
            metric(
                (positions[of_both] == own).view(np.uint8),
                np.ascontiguousarray(scores[of_both, own]),
                None,
            )
            for own in (first, second)
        ) / 2)  # fmt: skip
        shares.append(np.count_nonzero(of_both))
    return float(np.average(values, weights=shares if weighted else None))
