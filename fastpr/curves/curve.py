"""Curves: every number that follows from a table of counts, with its bounds."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastpr.curves.areas import interpolated_area, roc_area, standardised, step_area, trapezoid_area
from fastpr.curves.calibration import calibration_error
from fastpr.curves.checked import checked_bins, table_of_counts
from fastpr.curves.estimates import (
    AVERAGE_PRECISION_METHODS,
    Conventions,
    Estimate,
    bounded,
    check_conventions,
)
from fastpr.curves.operating_points import OperatingCurve, check_rate
from fastpr.curves.ratios import Array

_STEP_ONLY = 'average precision has them by the method "step" only'


class Curve(OperatingCurve):
    """Precision-recall and ROC curve of binned scores: immutable, with bounds for what bins hide.

    `PrecisionRecallAtEqualThresholds.curve` makes one from a state, `from_counts` from counts
    at thresholds. The attributes are arrays of shape (T,) at the reported thresholds, which
    are computed when first asked for and are read-only; a score is predicted positive at a
    threshold when it is at or above it. The methods use all bins, also those between reported
    thresholds.

    Numbers are `Estimate`: floats with `low` and `high`, between which the number lies that
    the exact scores have, where every distinct score is a threshold. Operating points are
    pairs (value, threshold): of all cuts that meet the condition, compared as float64 ratios,
    the best value; of several thresholds with it, the lowest. One threshold is inf, where
    nothing is predicted positive.

    Attributes
    ----------
    thresholds : ndarray of float64
        Ascending.
    tp, fp, fn, tn : ndarray of int64 or float64
        Counts; float64 sums with weights.
    precision, recall, tpr, fpr, specificity : ndarray of float64
        Rates.
    accuracy, balanced_accuracy, iou, mcc : ndarray of float64
        Other ratios; and `f`, a method.
    num_positives, num_negatives : int or float
        Totals.
    is_exact : bool
        Whether the curve is that of the exact scores.
    conventions : Conventions
        What is said where the definition gives 0/0.

    Notes
    -----
    What is said in degenerate cases; z is `zero_division`, 0 unless the state was made with
    another.

    =====================================  ==========  ========  =======
    case                                   fastpr      sklearn   keras
    =====================================  ==========  ========  =======
    precision, nothing predicted           z           0         0
    recall, no positives                   z           1         0
    tpr, no positives                      z           nan       0
    fpr, specificity, no negatives         z           nan       0
    f, iou: no positives, none predicted   z           0         0
    accuracy, no samples                   z           nan       0
    mcc, one class                         nan         0         0
    mcc, all or none predicted             0           0         0
    balanced_accuracy, one class           nan         nan       nan
    average_precision, no positives        nan         0         0
    auroc, one class                       nan         nan       0
    best, a metric of both; one class      nan         nan       nan
    points on a rate of a missing class    nan         nan       nan
    recall_at_precision never reached      0 at inf    0 at inf  0 at inf
    expected_calibration_error, no sample  nan         nan       nan
    average_precision, by default          step        step      interpolated
    =====================================  ==========  ========  =======

    Metrics of both classes are balanced_accuracy, mcc and youden. scikit-learn warns in some
    of these cases; here nothing does. The bounds are proved in `fastpr.curves.cuts`,
    `fastpr.curves.areas`, `fastpr.curves.best`, `fastpr.curves.operating_points` and
    `fastpr.curves.calibration`.

    See Also
    --------
    PrecisionRecallAtEqualThresholds.curve : The curve of a state.

    Examples
    --------
    >>> import fastpr
    >>> curve = fastpr.Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
    >>> curve
    Curve(num_thresholds=3, num_bins=3, num_negatives=4, num_positives=4, is_exact=False)
    >>> curve.average_precision()
    0.69 (0.60 to 0.95)
    >>> curve.best("f1")
    OperatingPoint(value=0.75 (0.75 to 0.89), threshold=0.5)
    """

    __slots__ = ()

    @classmethod
    def from_counts(
        cls,
        tp: ArrayLike,
        fp: ArrayLike,
        tn: ArrayLike,
        fn: ArrayLike,
        thresholds: ArrayLike | None = None,
        *,
        score_range: tuple[float, float] = (0.0, 1.0),
        conventions: str | Conventions = "fastpr",
    ) -> Curve:
        """Return the curve of counts at thresholds, from wherever they are.

        Parameters
        ----------
        tp, fp, tn, fn : array_like of int or float, shape (T,)
            Counts at ascending thresholds, in the order of `PrecisionRecallData`; finite and
            not negative. Floats are taken as they are, and bounds hold for them; of a state
            with weights, `curve` knows more.
        thresholds : array_like of float, shape (T,), optional
            Strictly ascending; by default ``i / (T - 1)``.
        score_range : tuple of float, default (0.0, 1.0)
            The lowest and the highest possible score; only calibration depends on it.
        conventions : {"fastpr", "sklearn", "keras"} or Conventions, default "fastpr"
            What is said where the definition gives 0/0.

        Returns
        -------
        Curve

        Raises
        ------
        ValueError, TypeError, OverflowError
            If these cannot be the counts of one set of samples.

        Examples
        --------
        >>> from fastpr import Curve
        >>> Curve.from_counts([2, 1], [2, 0], [0, 2], [0, 1], thresholds=[0.1, 0.6]).auroc()
        0.75 (0.50 to 1.00)
        """
        table, edges, first = table_of_counts(tp, fp, tn, fn, thresholds)
        low, high = map(float, score_range)
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"score_range must be finite and ascending, got {score_range!r}")
        reported = np.arange(1, len(edges)) if first else None
        return cls(
            table,
            np.array(edges),
            np.clip(edges, low, high),
            np.zeros(len(edges), bool),
            reported,
            (low, high),
            None,
            check_conventions(conventions),
        )

    @classmethod
    def from_bins(
        cls,
        table: ArrayLike,
        edges: ArrayLike,
        *,
        single: ArrayLike | None = None,
        reported: ArrayLike | None = None,
        upper: float = 1.0,
        problem: str | None = None,
        exact: bool = False,
        lowest_scores: ArrayLike | None = None,
        conventions: str | Conventions = "fastpr",
    ) -> Curve:
        """Return the curve of a table of counts by label and bin.

        Parameters
        ----------
        table : array_like of int or float, shape (2, B)
            Negatives and positives by bin, in the order of the scores; copied.
        edges : array_like of float, shape (B,)
            The lower edges of the bins, ascending; equal ones only of bins that stay empty.
        single : array_like of bool, shape (B,), optional
            The bins that can hold only one value of score; none by default.
        reported : array_like of int, shape (T,), optional
            The bins whose lower edges are the thresholds, ascending; all by default.
        upper : float, default 1.0
            The highest possible score.
        problem : str, optional
            Why the bins are not in the order of the scores, so that there are no bounds.
        exact : bool, default False
            Whether every bin can hold only one value of score.
        lowest_scores : array_like of float, shape (B,), optional
            The lowest score that each bin can hold, where edges were rounded to the dtype of
            the scores; by default the edges. Only calibration depends on it.
        conventions : {"fastpr", "sklearn", "keras"} or Conventions, default "fastpr"
            What is said where the definition gives 0/0.

        Returns
        -------
        Curve

        Raises
        ------
        ValueError, TypeError, OverflowError
            If shapes do not agree, counts are negative or not finite, or edges descend.

        Examples
        --------
        >>> from fastpr import Curve
        >>> Curve.from_bins([[2, 0, 1], [0, 1, 2]], [0.0, 0.5, 1.0], exact=True).auroc()
        0.7777777777777778 (exact)
        """
        bins = checked_bins(table, edges, single, reported, float(upper), exact, lowest_scores)
        return cls(*bins, problem, check_conventions(conventions))

    def with_conventions(self, conventions: str | Conventions) -> Curve:
        """Return the same curve under other conventions.

        Parameters
        ----------
        conventions : {"fastpr", "sklearn", "keras"} or Conventions
            What is said where the definition gives 0/0.

        Returns
        -------
        Curve

        Raises
        ------
        ValueError, TypeError
            If there are none of that name.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([0, 0], [3, 1], [0, 2], [0, 0])
        >>> curve.average_precision(), curve.with_conventions("sklearn").average_precision("step")
        (nan, 0.0 (exact))
        """
        parts = (*self._parts()[:-1], check_conventions(conventions))
        return type(self)(*parts)

    # ---- areas ----

    def average_precision(self, method: str | None = None) -> Estimate:
        """Return the average precision; say which of the three areas of that name.

        Parameters
        ----------
        method : {"step", "trapezoid", "interpolated"}, optional
            "step", the sum of ``(R_n - R_{n-1}) P_n`` over cuts, is scikit-learn's
            `average_precision_score`, and has bounds. "trapezoid" joins the points by straight
            lines; "interpolated" is right about what lies between two cuts when both classes
            are spread evenly there (Davis and Goadrich 2006), and is Keras'. By default, what
            the conventions say: "step".

        Returns
        -------
        Estimate
            With bounds for "step" only, unless the curve is exact.

        Raises
        ------
        ValueError
            If there is no such method.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> [round(curve.average_precision(m), 3) for m in ("step", "trapezoid", "interpolated")]
        [0.688, 0.812, 0.712]
        """
        if method is None:
            method = self._conventions.average_precision_method
        if method not in AVERAGE_PRECISION_METHODS:
            names = ", ".join(AVERAGE_PRECISION_METHODS)
            raise ValueError(f"method must be one of {names}, got {method!r}")
        fine = self.cuts
        if fine.positives == 0:
            return self._certain(self._conventions.average_precision)
        if method == "step":
            return bounded(*step_area(fine), fine.slack, problem=self.problem)
        area = trapezoid_area(fine) if method == "trapezoid" else interpolated_area(fine)
        return Estimate(area, problem=self.problem if self.is_exact else _STEP_ONLY)

    def auroc(self, max_fpr: float | None = None) -> Estimate:
        """Return the area under the ROC curve, its points joined by straight lines.

        Parameters
        ----------
        max_fpr : float, optional
            In (0, 1]: the area only up to this false positive rate, on McClish's scale, where
            chance is 0.5 and the most possible is 1, as scikit-learn's `roc_auc_score`.

        Returns
        -------
        Estimate

        Raises
        ------
        ValueError
            If `max_fpr` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.auroc()
        0.75 (0.56 to 0.94)
        """
        limit = 1.0 if max_fpr is None else check_rate("max_fpr", max_fpr)
        if limit == 0:
            raise ValueError("max_fpr must be above 0")
        fine = self.cuts
        if not self._has_both():
            return self._certain(self._conventions.auroc)
        value, down, up = roc_area(fine, limit)
        scale = 1 / (limit * (2 - limit))
        least = max(standardised(0.0, limit) - fine.slack, 0.0)  # it is rounded too
        return bounded(
            standardised(value, limit),
            down * scale,
            up * scale,
            fine.slack,
            (least, 1.0),
            self.problem,
        )

    # ---- calibration ----

    def expected_calibration_error(self, num_bins: int = 10, norm: str = "l1") -> Estimate:
        """Return how far scores are from the fraction of positives, over equal bins of score.

        Parameters
        ----------
        num_bins : int, default 10
            The number of equal bins of [0, 1] (of the range of scores), the last one with its
            upper end. Their edges must be edges of the curve's bins.
        norm : {"l1", "max"}, default "l1"
            The mean over samples of the distance of the two in their bin, or the largest.

        Returns
        -------
        Estimate
            For mean scores in the middle of what the bins allow; nan without samples.

        Raises
        ------
        ValueError
            If `num_bins` does not divide the bins of the curve (the message says which
            numbers do), or `norm` is another.

        References
        ----------
        C. Guo et al., "On calibration of modern neural networks", ICML 2017.

        Examples
        --------
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
        >>> curve.expected_calibration_error(num_bins=2)
        0.00 (0.00 to 0.25)
        """
        return calibration_error(self, num_bins, norm)

    def plot(self, kind: str = "pr", ax: Any = None, **options: Any) -> Any:
        """Draw the curve with matplotlib; see `fastpr.curves.plots.draw.draw`.

        Parameters
        ----------
        kind : {"pr", "roc", "f", "calibration", "counts"}, default "pr"
            What to draw.
        ax : matplotlib.axes.Axes, optional
            Where to; on new axes by default.
        **options
            Of `fastpr.curves.plots.draw.draw`.

        Returns
        -------
        fastpr.curves.plots.draw.CurveDisplay

        Examples
        --------
        >>> from matplotlib.figure import Figure  # or leave out ax, for pyplot
        >>> from fastpr import Curve
        >>> curve = Curve.from_counts([4, 3, 1], [4, 1, 0], [0, 3, 4], [0, 1, 3])
        >>> curve.plot("roc", ax=Figure().add_subplot()).line_.get_label()
        'AUROC 0.781 (0.624 to 0.938)'
        """
        return importlib.import_module("fastpr.curves.plots.draw").draw(self, kind, ax, **options)

    def _certain(self, value: float) -> Estimate:
        """Return a value that holds whatever the order of the scores."""
        return Estimate(value, problem=self.problem)


def replace_table(curve: Curve, table: Array) -> Curve:
    """Return the curve of another table of the same bins, unchecked; int64 or float64."""
    return type(curve)(np.array(table), *curve.__reduce__()[1][1:])
