"""The best cut of a curve: where it is, and how much better the exact best can be.

One rule for all: of the cuts that meet the condition, the best value; of several thresholds
with that value, the lowest. A value of nan never wins. The cuts are all edges of bins, and the
one that predicts nothing, at the threshold inf.

The exact curve has all these cuts, so its best is not worse; and it is not better than the best
corner of a mixed bin that meets the condition (see `fastpr.curves.cuts`), since a condition that is
met inside a bin is met at its corner too. Ratios of integers below 2**53 are rounded once, and
so in their order; other counts have an error, so the worse bound is over the cuts that meet the
condition by more than that, the better one over those that miss it by less.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastpr.curves.cuts import FineCuts, Flags, Floats
from fastpr.curves.estimates import NOWHERE, Conventions, Estimate, OperatingPoint
from fastpr.curves.ratios import balanced_accuracy, f_score, matthews, ratio, youden

# A metric of tp, fp, fn and tn as rows, which grows with tp and falls with fp.
Metric = Callable[[Floats], Floats]
# The cuts that meet a condition, with a relative margin: above 0 by more, below 0 also if
# they miss it by less.
Condition = Callable[[Floats, float], Flags]

METRICS = ("f", "f1", "iou", "accuracy", "balanced_accuracy", "mcc", "youden")
_EXACT_TOTAL = 2.0**53  # up to here integers are themselves in float64
_MARGIN = 4.0  # times the error of a count is more than the error of a rate, relative


def metric_of(name: str, beta: float, undefined: Conventions) -> tuple[Metric, bool]:
    """Return the metric of that name, and whether it needs both classes.

    Parameters
    ----------
    name : str
        One of METRICS.
    beta : float
        Of "f".
    undefined : Conventions
        What is said where the definition gives 0/0.

    Returns
    -------
    metric : callable
        Of counts, of shape (4, any): tp, fp, fn, tn.
    needs_both : bool

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name in ("f", "f1"):
        return lambda c: f_score(c[0], c[1], c[2], beta, undefined.f), False
    if name == "iou":
        return lambda c: ratio(c[0], c[0] + c[1] + c[2], undefined.iou), False
    if name == "accuracy":
        return lambda c: ratio(c[0] + c[3], c[0] + c[3] + (c[1] + c[2]), undefined.accuracy), False
    if name == "balanced_accuracy":
        return lambda c: balanced_accuracy(*c), True
    if name == "youden":
        return lambda c: youden(*c), True
    if name == "mcc":
        return lambda c: matthews(c[0], c[1], c[2], c[3], math.nan), True
    raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {name!r}")


def best_cut(
    fine: FineCuts,
    metric: Metric,
    condition: Condition | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    problem: str | None = None,
) -> OperatingPoint:
    """Return the best value of a metric over the cuts that meet a condition.

    Parameters
    ----------
    fine : FineCuts
        Counts.
    metric : callable
        What to maximise.
    condition : callable, optional
        Which cuts to look at; all by default.
    limits : tuple of float, default (0.0, 1.0)
        The range of the metric.
    problem : str, optional
        Why there are no bounds.

    Returns
    -------
    OperatingPoint
        Nan, at nan, if no cut meets the condition with a value that is not nan.
    """
    values = metric(fine.floats)
    met = values == values
    if condition is not None:
        met &= condition(fine.floats, 0.0)
    if not met.any():
        return NOWHERE
    value = float(values[met].max())
    at = int(np.argmax(met & (values == value)))
    threshold = float(fine.edges[at]) if at < len(fine.edges) else math.inf
    low, high = value, value
    total = fine.positives + fine.negatives
    margin = 0.0 if fine.is_integer and total < _EXACT_TOTAL else _MARGIN * fine.error
    if condition is not None and margin:
        low = _largest(values, condition(fine.floats, margin), limits[0])
        high = _largest(values, condition(fine.floats, -margin), value)
    if len(fine.mixed):
        corners = fine.corners()
        allowed = None if condition is None else condition(corners, -margin)
        high = max(high, _largest(metric(corners), allowed, value))
    is_exact = low == value == high
    low = max(min(low, value) - fine.slack, limits[0])
    high = min(max(high, value) + fine.slack, limits[1])
    return OperatingPoint(Estimate(value, low, high, is_exact, problem), threshold)


def _largest(values: Floats, met: Flags | None, otherwise: float) -> float:
    """Return the largest value that meets a condition, nan being none."""
    met = values == values if met is None else met & (values == values)
    return float(np.max(values, where=met, initial=-math.inf)) if met.any() else otherwise


# ---- rates and conditions ----


def recall_of(c: Floats) -> Floats:
    """Return tp / (tp + fn), nan without positives."""
    return ratio(c[0], c[0] + c[2], math.nan)


def precision_of(c: Floats) -> Floats:
    """Return tp / (tp + fp), nan where nothing is predicted."""
    return ratio(c[0], c[0] + c[1], math.nan)


def specificity_of(c: Floats) -> Floats:
    """Return tn / (fp + tn), nan without negatives."""
    return ratio(c[3], c[1] + c[3], math.nan)


def negative_fpr_of(c: Floats) -> Floats:
    """Return -fp / (fp + tn), nan without negatives."""
    return -ratio(c[1], c[1] + c[3], math.nan)


def recall_at_least(recall: float) -> Condition:
    """Return the condition tp / (tp + fn) >= recall."""
    return lambda c, margin: (recall_of(c) * (1 - margin) >= recall) | (c[2] == 0)


def precision_at_least(precision: float) -> Condition:
    """Return the condition tp / (tp + fp) >= precision, or that nothing is predicted."""
    return lambda c, margin: (precision_of(c) * (1 - margin) >= precision) | (c[1] == 0)


def fpr_at_most(fpr: float) -> Condition:
    """Return the condition fp / (fp + tn) <= fpr."""
    return lambda c, margin: (-negative_fpr_of(c) * (1 + margin) <= fpr) | (c[1] == 0) | (fpr == 1)
