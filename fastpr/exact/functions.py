"""The public functions of exact mode: what they take, and which points they return."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.backends.choose import choose_sorter
from fastpr.exact import inputs, points
from fastpr.exact.points import LabelBytes, Points


def precision_recall_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    pos_label: float | str | None = None,
    sample_weight: ArrayLike | None = None,
    drop_intermediate: bool = False,
    backend: str | None = None,
) -> Points:
    """Compute precision and recall at every distinct score.

    Parameters
    ----------
    y_true : array_like of bool, int, float or str, shape (n,)
        The labels of two classes, or of more if `pos_label` is given. bool, and int8 or uint8
        that are 0 and 1, are read where they are; others take a byte for each sample.
    y_score : array_like of float or int, shape (n,)
        Finite, of any size: the higher, the more likely positive. float32 and float64 are
        sorted as they are.
    pos_label : int, float, bool or str, optional
        The label of positives; 1 if the labels are in {0, 1} or {-1, 1}.
    sample_weight : array_like of float, int or bool, shape (n,), optional
        Finite and not negative. A sample of weight 0 is left out, and its score is no
        threshold.
    drop_intermediate : bool, default False
        Whether to leave out points between others of the same recall.
    backend : {"auto", "numba", "reference"}, optional
        Which kernels sort; by default FASTPR_BACKEND, or the fastest that is there. Others do
        not sort, and naming one is an error.

    Returns
    -------
    precision : ndarray of float64, shape (num_thresholds + 1,)
        That of the samples at or above each threshold; the last one is 1.
    recall : ndarray of float64, shape (num_thresholds + 1,)
        Falling; the last one is 0. Without positives 1 at all thresholds, with a UserWarning.
    thresholds : ndarray, shape (num_thresholds,)
        The distinct scores, rising, in their dtype.

    Raises
    ------
    ValueError
        If there are no samples, shapes differ, the positive class is not known, a score is not
        finite, or weights are negative, not finite or all 0.
    TypeError
        If a dtype cannot be read.
    RuntimeError
        If scores or weights are seen to change during the call; all functions here raise it.

    References
    ----------
    .. [1] ``sklearn.metrics.precision_recall_curve``, whose definitions these are.

    Examples
    --------
    >>> from fastpr import exact
    >>> precision, recall, thresholds = exact.precision_recall_curve(
    ...     [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    ... )
    >>> precision.round(3).tolist(), recall.tolist(), thresholds.tolist()
    ([0.5, 0.667, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.5, 0.0], [0.1, 0.35, 0.4, 0.8])
    """
    labels = _labels_for_curve(y_true, pos_label)
    scores = inputs.read_scores(y_score)
    weights = inputs.read_weights(sample_weight, len(labels))
    precision, recall, thresholds = points.precision_recall_points(
        labels, scores.values, weights, bool(drop_intermediate), choose_sorter(backend)[1]
    )
    return precision, recall, scores.restore(thresholds)


def roc_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    pos_label: float | str | None = None,
    sample_weight: ArrayLike | None = None,
    drop_intermediate: bool = True,
    backend: str | None = None,
) -> Points:
    """Compute the rates of false and of true positives at every distinct score.

    Parameters
    ----------
    y_true, y_score, pos_label, sample_weight
        As for `precision_recall_curve`.
    drop_intermediate : bool, default True
        Whether to leave out points on a line between their neighbours, of equal steps.
    backend : {"auto", "numba", "reference"}, optional
        Which kernels sort; by default FASTPR_BACKEND, or the fastest that is there. Others do
        not sort, and naming one is an error.

    Returns
    -------
    fpr : ndarray of float64, shape (num_thresholds,)
        Rising from 0 to 1: the share of negatives at or above each threshold. NaN without
        negatives, with an `UndefinedMetricWarning`.
    tpr : ndarray of float64, shape (num_thresholds,)
        The same of positives.
    thresholds : ndarray of float64, shape (num_thresholds,)
        Falling; the first one is infinite, where nothing is predicted.

    Raises
    ------
    ValueError, TypeError
        As `precision_recall_curve`.

    References
    ----------
    .. [1] ``sklearn.metrics.roc_curve``, whose definitions these are.

    Examples
    --------
    >>> from fastpr import exact
    >>> fpr, tpr, thresholds = exact.roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr.tolist(), tpr.tolist(), thresholds.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0], [inf, 0.8, 0.4, 0.35, 0.1])
    """
    labels = _labels_for_curve(y_true, pos_label)
    scores = inputs.read_scores(y_score)
    weights = inputs.read_weights(sample_weight, len(labels))
    fpr, tpr, thresholds = points.rate_points(
        labels, scores.values, weights, bool(drop_intermediate), choose_sorter(backend)[1]
    )
    if scores.distinct is not None:
        thresholds[1:] = scores.restore(thresholds[1:])
    return fpr, tpr, thresholds


def average_precision_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    average: str | None = "macro",
    pos_label: float | str = 1,
    sample_weight: ArrayLike | None = None,
    backend: str | None = None,
) -> float | NDArray[np.float64]:
    """Compute average precision: the sum over thresholds of ``(R_n - R_(n-1)) * P_n``.

    Parameters
    ----------
    y_true : array_like, shape (n,) or (n, num_classes)
        Labels of two classes; or of more, for which there is a column of scores each, in the
        order of the labels; or a flag for each sample and class.
    y_score : array_like of float or int, of the same shape, or (n, num_classes)
        Finite scores. float32 and float64 of two classes are sorted as they are: of float32,
        this takes 4 bytes for each sample, beside a constant.
    average : {"macro", "micro", "weighted", "samples", None}, default "macro"
        How the values of several classes become one: their mean, that of all flags as of one
        class, a mean weighted by positives, or that of a value for each sample; or not at all.
    pos_label : int, float, bool or str, default 1
        The label of positives, of two classes. Of one that is never there, 0.0 comes out, with a
        UserWarning, if all labels are of one class.
    sample_weight : array_like of float, int or bool, shape (n,), optional
        Finite and not negative. A sample of weight 0 is left out.
    backend : {"auto", "numba", "reference"}, optional
        Which kernels sort; by default FASTPR_BACKEND, or the fastest that is there. Others do
        not sort, and naming one is an error.

    Returns
    -------
    float, or ndarray of float64, shape (num_classes,)

    Raises
    ------
    ValueError
        As `precision_recall_curve`; and if `pos_label` is neither of two classes, or other than
        1 where there are more, or an option is unknown.
    TypeError
        If a dtype cannot be read.

    References
    ----------
    .. [1] ``sklearn.metrics.average_precision_score``, whose definitions these are.

    Examples
    --------
    >>> from fastpr import exact
    >>> exact.average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    points.check_class_average(average)
    inputs.check_pos_label(pos_label)
    labels = inputs.read_labels(y_true)
    metric = partial(points.average_precision, sorter=choose_sorter(backend)[1])
    if labels.ndim == 2:
        if pos_label != 1:
            raise ValueError(f"pos_label is 1 for flags of several classes, got {pos_label!r}")
        flags = points.read_flags(labels, 1)
        return points.average_of_columns(metric, flags, y_score, average, sample_weight)
    classes, has_others = inputs.find_classes(labels)
    if has_others:
        if pos_label != 1:
            raise ValueError(f"pos_label is 1 for labels of several classes, got {pos_label!r}")
        flags = points.flag_each(labels, np.unique(labels))
        return points.average_of_columns(metric, flags, y_score, average, sample_weight)
    if len(classes) == 2 and pos_label not in classes:
        raise ValueError(f"pos_label is {pos_label!r}; pass one of the classes {classes}")
    return metric(
        inputs.label_bytes(labels, pos_label),
        inputs.read_scores(y_score).values,
        inputs.read_weights(sample_weight, len(labels)),
    )


def roc_auc_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    average: str | None = "macro",
    sample_weight: ArrayLike | None = None,
    max_fpr: float | None = None,
    multi_class: str = "raise",
    labels: ArrayLike | None = None,
    backend: str | None = None,
) -> float | NDArray[np.float64]:
    """Compute the area under the ROC curve.

    Of counts it is found in integers, and rounded once.

    Parameters
    ----------
    y_true : array_like, shape (n,) or (n, num_classes)
        Labels of two classes, of which the higher is positive; or of more; or a flag for each
        sample and class.
    y_score : array_like of float or int, shape (n,) or (n, num_classes)
        Finite scores; for labels of more than two classes, probabilities that add up to 1. Memory
        is that of `average_precision_score`.
    average : {"macro", "micro", "weighted", "samples", None}, default "macro"
        As for `average_precision_score`; labels of several classes have no "samples", and for
        "ovo" only "macro" and "weighted".
    sample_weight : array_like of float, int or bool, shape (n,), optional
        Finite and not negative. A sample of weight 0 is left out. Not for "ovo".
    max_fpr : float, optional
        In (0, 1]: the area up to this rate of false positives, so standardised that 0.5 is
        chance and 1 a perfect order. For two classes, or flags.
    multi_class : {"raise", "ovr", "ovo"}, default "raise"
        Whether labels of more than two classes are an error, or each class is compared with the
        rest, or with each other one.
    labels : array_like, shape (num_classes,), optional
        The classes of the columns, in order, if some may be missing.
    backend : {"auto", "numba", "reference"}, optional
        Which kernels sort; by default FASTPR_BACKEND, or the fastest that is there. Others do
        not sort, and naming one is an error.

    Returns
    -------
    float, or ndarray of float64, shape (num_classes,)
        NaN where there is one class only, with an `UndefinedMetricWarning`.

    Raises
    ------
    ValueError
        As `precision_recall_curve`; and if an option is unknown or does not go with another.
    NotImplementedError
        For ``average=None`` with "ovo".
    TypeError
        If a dtype cannot be read.

    References
    ----------
    .. [1] ``sklearn.metrics.roc_auc_score``, whose definitions these are.
    .. [2] McClish, D. K. Analyzing a portion of the ROC curve. Medical Decision Making 9, 1989.
    .. [3] Hand, D. J. and Till, R. J. A simple generalisation of the area under the ROC curve
       for multiple class classification problems. Machine Learning 45, 2001.

    Examples
    --------
    >>> from fastpr import exact
    >>> exact.roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    points.check_class_average(average)
    if max_fpr is not None and not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must be in (0, 1], got {max_fpr!r}")
    if multi_class not in ("raise", "ovr", "ovo"):
        raise ValueError(f"multi_class must be 'raise', 'ovr' or 'ovo', got {multi_class!r}")

    metric = partial(points.area_under_rates, max_fpr=max_fpr, sorter=choose_sorter(backend)[1])
    truth = inputs.read_labels(y_true)
    if truth.ndim == 2:
        return points.average_of_columns(
            metric, points.read_flags(truth, None), y_score, average, sample_weight
        )
    classes, has_others = inputs.find_classes(truth)
    given = inputs.read_scores(y_score, max_ndim=2)
    scores = given.values
    if not has_others and (scores.ndim == 1 or scores.shape[1] <= 2):
        return metric(
            inputs.label_bytes(truth, classes[-1]),
            inputs.read_scores(scores).values,
            inputs.read_weights(sample_weight, len(truth)),
        )
    if max_fpr is not None and max_fpr != 1:
        raise ValueError(f"max_fpr must be None for labels of several classes, got {max_fpr!r}")
    if multi_class == "raise":
        raise ValueError("y_true holds several classes; pass multi_class='ovr' or 'ovo'")
    known = points.check_several(truth, given, average, multi_class, labels)
    if multi_class == "ovr":
        flags = points.flag_each(truth, known)
        return points.average_of_columns(metric, flags, scores, average, sample_weight)
    if sample_weight is not None:
        raise ValueError("sample_weight must be None for multi_class='ovo'")
    return points.average_of_pairs(
        metric, np.searchsorted(known, truth), scores, average == "weighted"
    )


def _labels_for_curve(y_true: ArrayLike, pos_label: Any) -> LabelBytes:
    labels = inputs.read_labels(y_true)
    if labels.ndim == 2:
        raise ValueError(f"y_true has shape {labels.shape}; pass one label for each sample")
    classes, has_others = inputs.find_classes(labels)
    positive = inputs.find_positive(pos_label, labels, classes, has_others)
    return inputs.label_bytes(labels, positive)
