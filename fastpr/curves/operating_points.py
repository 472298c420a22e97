"""Operating points: the best cut of a curve under a condition, and where error rates are equal."""

from __future__ import annotations

import numpy as np

from fastpr.curves.at_thresholds import BinnedCounts
from fastpr.curves.best import METRICS as METRICS  # what `best` takes
from fastpr.curves.best import (
    best_cut,
    fpr_at_most,
    metric_of,
    negative_fpr_of,
    precision_at_least,
    precision_of,
    recall_at_least,
    recall_of,
    specificity_of,
)
from fastpr.curves.cuts import FineCuts
from fastpr.curves.estimates import NOWHERE, Estimate, OperatingPoint, negated
from fastpr.curves.ratios import check_beta


def check_rate(name: str, value: float) -> float:
    """Return `value` as a float in [0, 1], or say that it must be."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {value!r}")
    return number


class OperatingCurve(BinnedCounts):
    """Counts, and their operating points; see `fastpr.curves.best` for the rules and the bounds."""

    __slots__ = ()

    def _has_both(self) -> bool:
        fine = self.cuts
        return fine.positives > 0 and fine.negatives > 0

    def best(self, metric: str = "f1", *, beta: float | None = None) -> OperatingPoint:
        """Return the largest value of a metric, and the threshold that gives it.

        Parameters
        ----------
        metric : str, default "f1"
            "f1", "f" (with `beta`), "iou", "accuracy", "balanced_accuracy", "mcc", or
            "youden", which is ``tpr - fpr``.
        beta : float, optional
            Of "f": how much more recall matters than precision; 1 by default.

        Returns
        -------
        OperatingPoint
            At the lowest of several thresholds with that value; nan never wins.

        Raises
        ------
        ValueError
            If there is no such metric, or `beta` is out of range or for another metric.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.best("youden").threshold
        0.5
        """
        if beta is not None and metric != "f":
            raise ValueError(f"beta is for the metric 'f', got metric={metric!r}")
        beta = 1.0 if beta is None else check_beta(beta)
        function, needs_both = metric_of(metric, beta, self._conventions)
        if needs_both and not self._has_both():
            return NOWHERE
        limits = (-1.0, 1.0) if metric in ("mcc", "youden") else (0.0, 1.0)
        return best_cut(self.cuts, function, limits=limits, problem=self.problem)

    def precision_at_recall(self, recall: float) -> OperatingPoint:
        """Return the best precision of the cuts with at least this recall.

        Parameters
        ----------
        recall : float
            In [0, 1]. Cuts that predict nothing have no precision and are not looked at.

        Returns
        -------
        OperatingPoint
            Nan, at nan, without positives.

        Raises
        ------
        ValueError
            If `recall` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.precision_at_recall(0.75)
        OperatingPoint(value=0.75 (0.75 to 1.00), threshold=0.5)
        """
        condition = recall_at_least(check_rate("recall", recall))
        if self.cuts.positives == 0:
            return NOWHERE
        return best_cut(self.cuts, precision_of, condition, problem=self.problem)

    def recall_at_precision(self, precision: float) -> OperatingPoint:
        """Return the best recall of the cuts with at least this precision.

        Parameters
        ----------
        precision : float
            In [0, 1].

        Returns
        -------
        OperatingPoint
            0, at inf, where no cut has this precision; nan, at nan, without positives.

        Raises
        ------
        ValueError
            If `precision` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.recall_at_precision(0.8)
        OperatingPoint(value=0.00 (0.00 to 1.00), threshold=inf)
        """
        condition = precision_at_least(check_rate("precision", precision))
        if self.cuts.positives == 0:
            return NOWHERE
        point = best_cut(self.cuts, recall_of, condition, problem=self.problem)
        return point._replace(threshold=np.inf) if float(point.value) == 0 else point

    def fpr_at_tpr(self, tpr: float = 0.95) -> OperatingPoint:
        """Return the smallest false positive rate of the cuts with at least this recall.

        Parameters
        ----------
        tpr : float, default 0.95
            In [0, 1].

        Returns
        -------
        OperatingPoint
            Nan, at nan, without both classes.

        Raises
        ------
        ValueError
            If `tpr` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.fpr_at_tpr(0.75)
        OperatingPoint(value=0.25 (0.00 to 0.25), threshold=0.5)
        """
        condition = recall_at_least(check_rate("tpr", tpr))
        if not self._has_both():
            return NOWHERE
        limits = (-1.0, 0.0)
        return negated(best_cut(self.cuts, negative_fpr_of, condition, limits, self.problem))

    def tpr_at_fpr(self, fpr: float) -> OperatingPoint:
        """Return the best recall of the cuts with at most this false positive rate.

        Parameters
        ----------
        fpr : float
            In [0, 1].

        Returns
        -------
        OperatingPoint
            Nan, at nan, without both classes.

        Raises
        ------
        ValueError
            If `fpr` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.tpr_at_fpr(0.25)
        OperatingPoint(value=0.75 (0.75 to 1.00), threshold=0.5)
        """
        condition = fpr_at_most(check_rate("fpr", fpr))
        if not self._has_both():
            return NOWHERE
        return best_cut(self.cuts, recall_of, condition, problem=self.problem)

    def specificity_at_sensitivity(self, sensitivity: float) -> OperatingPoint:
        """Return the best specificity of the cuts with at least this sensitivity, or recall.

        Parameters
        ----------
        sensitivity : float
            In [0, 1].

        Returns
        -------
        OperatingPoint
            Nan, at nan, without both classes.

        Raises
        ------
        ValueError
            If `sensitivity` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.specificity_at_sensitivity(0.75)
        OperatingPoint(value=0.75 (0.75 to 1.00), threshold=0.5)
        """
        condition = recall_at_least(check_rate("sensitivity", sensitivity))
        if not self._has_both():
            return NOWHERE
        return best_cut(self.cuts, specificity_of, condition, problem=self.problem)

    def equal_error_rate(self) -> OperatingPoint:
        """Return the rate at which false positives and false negatives are equally frequent.

        Returns
        -------
        OperatingPoint
            On the straight line between two cuts; the threshold is the one of the lower cut.
            Nan, at nan, without both classes.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.equal_error_rate()
        OperatingPoint(value=0.25 (exact), threshold=0.5)
        """
        return equal_error(self.cuts, self.problem) if self._has_both() else NOWHERE


def equal_error(fine: FineCuts, problem: str | None = None) -> OperatingPoint:
    """Return the false positive rate that equals the false negative rate.

    Parameters
    ----------
    fine : FineCuts
        Counts, with positives and negatives.
    problem : str, optional
        Why there are no bounds.

    Returns
    -------
    OperatingPoint
        On the straight line between the cuts around the crossing; the threshold is the one of
        the lower cut, the highest at which the false positive rate is not the smaller one.

    Notes
    -----
    From (0, 0) to (1, 1) the ROC curve crosses the line x + y = 1 once, as x and y do not
    fall. Between the cuts (x0, y0) and (x1, y1) around the crossing, the exact curve has
    x0 <= x <= x1 and y0 <= y <= y1, and so max(x0, 1 - y1) <= x <= min(x1, 1 - y0). Rates
    have an error, so the cut above the crossing is one where x + y is below 1 by more, and
    the cut below one where it is above 1 by more.
    """
    tp, fp = fine.floats[:2]
    x, y = (fp / fine.negatives), (tp / fine.positives)
    sums = x + y
    margin = 8 * fine.error

    def crossing(level: float) -> int:
        return int(np.flatnonzero(sums[:-1] >= min(level, sums[0]))[-1])

    at, early, late = crossing(1.0), crossing(1.0 - margin), crossing(1.0 + margin)

    def on_line(b: int) -> float:
        rise = sums[b] - sums[b + 1]
        share = min(max((1.0 - sums[b + 1]) / rise, 0.0), 1.0) if rise > 0 else 0.0
        return float(x[b + 1] + share * (x[b] - x[b + 1]))

    value = on_line(at)
    low, high = min(value, on_line(early)), max(value, on_line(late))
    if fine.loose[early]:
        low = min(low, float(max(x[early + 1], 1 - y[early])))
    if fine.loose[late]:
        high = max(high, float(min(x[late], 1 - y[late + 1])))
    is_exact = high - low <= fine.slack
    low, high = max(low - fine.slack, 0.0), min(high + fine.slack, 1.0)
    return OperatingPoint(Estimate(value, low, high, is_exact, problem), float(fine.edges[at]))
