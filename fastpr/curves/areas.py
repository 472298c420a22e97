"""Areas under the precision-recall and the ROC curve, and how far off the exact ones can be."""

from __future__ import annotations

import numpy as np

from fastpr.curves.cuts import FineCuts, Floats, sum_of


def step_area(fine: FineCuts) -> tuple[float, float, float]:
    """Return the average precision as a step sum, and how far below and above the exact can be.

    Parameters
    ----------
    fine : FineCuts
        Counts, with at least one positive.

    Returns
    -------
    value, down, up : float
        ``value - down <= exact <= value + up``, but for rounding.

    Notes
    -----
    The exact value is ``(1/P) sum over positives of the precision at the cut just below
    it``. Take a bin with TP and FP above it, p positives and n negatives, S = TP + FP + n.

    As one tie group it gives ``p (TP + p) / (S + p)``: that is `value`.

    At most, all its positives are tied and above its negatives: at any cut inside
    tp <= TP + p and fp >= FP, so precision is at most (TP + p) / (TP + FP + p).

    At least, its negatives come first and then the positives, one by one: the i-th positive
    from the top has tp >= TP + i and fp <= FP + n at the cut below it, and precision is at
    least (TP + i) / (S + i), also where positives are tied. The sum over i = 1..p is
    p - (FP + n) sum 1/(S + i), and because 1/x is convex, 1/(S + i) is at most its integral
    from S + i - 1/2 to S + i + 1/2: the sum is at least
    ``p - (FP + n) log1p(p / (S + 1/2))``. With weights, a positive of weight w with t of the
    bin's positives above it gives at least w (TP + t + w) / (S + t + w), which is at least
    the integral of (TP + x) / (S + x) from t to t + w, since this grows with x; so the sum is
    at least ``p - (FP + n) log1p(p / S)``.

    Positives one by one *above* the negatives would not be an upper bound: as a tie group
    they all have the precision of the last.

    Examples
    --------
    >>> fine = FineCuts(np.array([[1, 0], [1, 1]]), np.array([0.0, 0.5]), np.zeros(2, bool))
    >>> [round(part, 3) for part in step_area(fine)]
    [0.833, 0.002, 0.167]
    """
    n, p = fine.table.astype(np.float64)
    tp, fp = fine.floats[:2, :-1]
    tp_above, fp_above = fine.floats[:2, 1:]
    predicted = _or_one(tp + fp)
    terms = p * (tp / predicted)
    total = fine.positives
    value = sum_of(terms) / total
    # without negatives at or above the bin its term is what it is
    is_open = fine.loose & (fp > 0)
    if not is_open.any():
        return value, 0.0, 0.0
    first = _or_one(tp_above + fp) + (0.5 if fine.is_integer else 0.0)
    with np.errstate(over="ignore"):  # p / first can be inf with weights; the minimum mends it
        lost = fp * (np.log1p(p / first) - p / predicted)
    down = np.minimum(np.maximum(lost, 0.0), terms) * is_open
    up = terms * (n / _or_one(tp + fp_above)) * is_open
    return value, sum_of(down) / total, sum_of(up) / total


def _or_one(denominators: Floats) -> Floats:
    """Return denominators, 1 in place of 0, where the numerator is 0 or the quotient unused."""
    ones: Floats = denominators + (denominators == 0)
    return ones


def trapezoid_area(fine: FineCuts) -> float:
    """Return the area under straight lines between the points of the precision-recall curve.

    The points are the cuts that predict something, and recall 0 with precision 1. This is
    scikit-learn's ``auc(recall, precision)``, and too optimistic between distant points.

    Parameters
    ----------
    fine : FineCuts
        Counts, with at least one positive.

    Returns
    -------
    float

    Examples
    --------
    >>> fine = FineCuts(np.array([[1, 0], [1, 1]]), np.array([0.0, 0.5]), np.zeros(2, bool))
    >>> round(trapezoid_area(fine), 3)
    0.917
    """
    tp, fp = fine.floats[:2]
    predicted = tp + fp
    precision = np.ones_like(tp)
    np.divide(tp, predicted, out=precision, where=predicted > 0)
    heights = precision[:-1] / 2 + precision[1:] / 2
    total = fine.positives
    return sum_of(fine.table[1] * heights) / total


def interpolated_area(fine: FineCuts) -> float:
    """Return the area with true positives in proportion to the predicted between cuts.

    Parameters
    ----------
    fine : FineCuts
        Counts, with at least one positive.

    Returns
    -------
    float

    Notes
    -----
    As Keras computes it: with q predicted positives, tp = a + s q inside a bin, where
    s = p / (p + n), the area under tp / q from cut to cut over recall is
    ``s (p + a log(q_below / q_above)) / P``; where q_above is 0, so is a.

    References
    ----------
    J. Davis and M. Goadrich, "The relationship between precision-recall and ROC curves",
    ICML 2006.

    Examples
    --------
    >>> fine = FineCuts(np.array([[1, 0], [1, 1]]), np.array([0.0, 0.5]), np.zeros(2, bool))
    >>> round(interpolated_area(fine), 3)
    0.887
    """
    bins = np.flatnonzero(fine.table[1])
    n, p = fine.table[:, bins].astype(np.float64)
    tp_above, fp_above = fine.floats[:2, bins + 1]
    above = tp_above + fp_above
    slope = p / (p + n)
    rest = (1 - slope) * tp_above - slope * fp_above  # a = TP - s (TP + FP)
    logs = np.zeros_like(p)
    with np.errstate(over="ignore"):
        np.divide(p + n, above, out=logs, where=above > 0)
    terms = slope * (p + np.where(above > 0, rest * np.log1p(logs), 0.0))
    total = fine.positives
    return sum_of(terms) / total


def roc_area(fine: FineCuts, max_fpr: float = 1.0) -> tuple[float, float, float]:
    """Return the area under the ROC curve up to a false positive rate, and how far off it can be.

    Parameters
    ----------
    fine : FineCuts
        Counts, with positives and negatives.
    max_fpr : float, default 1.0
        In (0, 1].

    Returns
    -------
    value, down, up : float
        ``value - down <= exact <= value + up``, but for rounding.

    Notes
    -----
    The curve is the exact one's points, joined by straight lines; between the cuts around a
    bin it goes from (x0, y0) to (x1, y1) and neither x nor y falls. So it is above the
    staircase that goes right first and below the one that goes up first; as one tie group
    the bin is the straight line in the middle. Areas end at `max_fpr`, inside a bin too.

    Examples
    --------
    >>> fine = FineCuts(np.array([[2, 1], [1, 3]]), np.array([0.0, 0.5]), np.zeros(2, bool))
    >>> [round(part, 3) for part in roc_area(fine)]
    [0.708, 0.208, 0.208]
    """
    bins = np.flatnonzero(fine.table[0])
    widths, rises = fine.table[:, bins].astype(np.float64)
    start, fp_above = fine.floats[:2, bins + 1]
    unit = 1.0
    if max_fpr == 1 and fine.is_integer:
        unit = fine.positives * fine.negatives  # of weights it could overflow
    else:
        widths, fp_above = widths / fine.negatives, fp_above / fine.negatives
        rises, start = rises / fine.positives, start / fine.positives
    used, ends = widths, rises
    if max_fpr < 1:
        used = np.clip(max_fpr - fp_above, 0.0, widths)
        ends = rises * (used / widths)
    value = sum_of(used * (start + ends / 2)) / unit
    loose = fine.loose[bins]
    if not loose.any():
        return value, 0.0, 0.0
    used, ends, rises = used[loose], ends[loose], rises[loose]
    down = sum_of(used * (ends / 2)) / unit
    up = sum_of(used * (rises - ends / 2)) / unit if max_fpr < 1 else down
    return value, down, up


def standardised(area: float, max_fpr: float) -> float:
    """Return a partial area on a scale where chance is 0.5 and the most possible is 1.

    Parameters
    ----------
    area : float
        The area under the ROC curve up to `max_fpr`.
    max_fpr : float
        In (0, 1].

    Returns
    -------
    float

    References
    ----------
    D. K. McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9(3), 1989.

    Examples
    --------
    >>> standardised(0.5, 0.5), standardised(0.125, 0.5)
    (1.0, 0.5)
    """
    # (1 + (area - least) / (most - least)) / 2 with least = max_fpr**2 / 2, most = max_fpr
    return 0.5 + (area / max_fpr - max_fpr / 2) / (2 - max_fpr)
