"""Counts by label and bin, at rest, and the arrays that follow from them at thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.curves.cuts import MAX_TOTAL, FineCuts, Flags, Floats
from fastpr.curves.estimates import Conventions
from fastpr.curves.ratios import Array, balanced_accuracy, check_beta, f_score, matthews, ratio
from fastpr.curves.thresholds import frozen


class BinnedCounts:
    """A table of counts by label and bin, and what follows from it at the reported thresholds.

    Nothing is computed before it is asked for; arrays are read-only.

    Parameters
    ----------
    table : ndarray of int64 or float64, shape (2, B)
        Negatives and positives by bin.
    edges : ndarray of float64, shape (B,)
        The lower edges of the bins.
    lowest_scores : ndarray of float64, shape (B,)
        The lowest score that each bin can hold.
    single : ndarray of bool, shape (B,)
        The bins that can hold only one value of score.
    reported : ndarray of int, shape (T,), or None
        The bins whose lower edges are the thresholds; None for all.
    score_range : tuple of float
        The lowest and the highest possible score.
    problem : str or None
        Why there are no bounds.
    conventions : Conventions
        What is said where the definition gives 0/0.

    Examples
    --------
    >>> from fastpr import Curve
    >>> curve = Curve.from_counts([3, 2, 0], [3, 1, 0], [0, 2, 3], [0, 1, 3])
    >>> curve.thresholds.tolist(), curve.precision.tolist()
    ([0.0, 0.5, 1.0], [0.5, 0.6666666666666666, 0.0])
    """

    __slots__ = (
        "_conventions", "_kept", "_reported", "edges", "lowest_scores", "problem", "score_range",
        "single", "table",
    )  # fmt: skip

    table: Array
    edges: Floats
    lowest_scores: Floats
    single: Flags
    _reported: NDArray[np.intp] | None
    score_range: tuple[float, float]
    problem: str | None
    _conventions: Conventions
    _kept: dict[Any, Any]

    def __init__(
        self,
        table: Array,
        edges: Floats,
        lowest_scores: Floats,
        single: Flags,
        reported: NDArray[np.intp] | None,
        score_range: tuple[float, float],
        problem: str | None,
        conventions: Conventions,
    ) -> None:
        for name, value in (
            ("table", frozen(table)),
            ("edges", frozen(edges)),
            ("lowest_scores", frozen(lowest_scores)),
            ("single", frozen(single)),
            ("_reported", None if reported is None else frozen(reported)),
            ("score_range", score_range),
            ("problem", problem),
            ("_conventions", conventions),
            ("_kept", {}),
        ):
            object.__setattr__(self, name, value)

    def _parts(self) -> tuple[Any, ...]:
        return (
            self.table, self.edges, self.lowest_scores, self.single, self._reported,
            self.score_range, self.problem, self._conventions,
        )  # fmt: skip

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed (attribute {name!r})")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._parts()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BinnedCounts):
            return NotImplemented
        for a, b in zip(self._parts(), other._parts(), strict=True):
            if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
                if a.dtype != b.dtype or not np.array_equal(a, b):
                    return False
            elif repr(a) != repr(b):  # of floats, so that nan equals nan
                return False
        return True

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_thresholds={len(self.thresholds)}, "
            f"num_bins={len(self.edges)}, num_negatives={self.num_negatives}, "
            f"num_positives={self.num_positives}, is_exact={self.is_exact})"
        )

    def _keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, made once. Two threads may both make it, and agree."""
        if key not in self._kept:
            value = make()
            self._kept[key] = frozen(value) if isinstance(value, np.ndarray) else value
        return self._kept[key]

    @property
    def cuts(self) -> FineCuts:
        """The counts at every cut between bins."""
        fine: FineCuts = self._keep("fine", lambda: FineCuts(self.table, self.edges, self.single))
        return fine

    # ---- what was counted ----

    @property
    def num_positives(self) -> int | float:
        """The number of positive samples; with weights, the sum of theirs, a float."""
        total: int | float = self.cuts.tp[0].item()
        return total

    @property
    def num_negatives(self) -> int | float:
        """The number of negative samples; with weights, the sum of theirs, a float."""
        total: int | float = self.cuts.fp[0].item()
        return total

    @property
    def is_exact(self) -> bool:
        """Whether no bin has samples that can differ in score, so that the curve is exact."""
        return self.problem is None and not self.cuts.loose.any()

    @property
    def conventions(self) -> Conventions:
        """What is said where the definition gives 0/0."""
        return self._conventions

    @property
    def thresholds(self) -> Floats:
        """The reported thresholds, float64, ascending, of shape (T,)."""
        if self._reported is None:
            return self.edges
        thresholds: Floats = self._keep("thresholds", lambda: self.edges[self._reported])
        return thresholds

    @property
    def tp(self) -> Array:
        """True positives: int64, or float64 with weights, of shape (T,)."""
        tp: Array = self._counts[0]
        return tp

    @property
    def fp(self) -> Array:
        """False positives: int64, or float64 with weights, of shape (T,)."""
        fp: Array = self._counts[1]
        return fp

    @property
    def fn(self) -> Array:
        """False negatives: int64, or float64 with weights, of shape (T,)."""
        fn: Array = self._counts[2]
        return fn

    @property
    def tn(self) -> Array:
        """True negatives: int64, or float64 with weights, of shape (T,)."""
        tn: Array = self._counts[3]
        return tn

    @property
    def _counts(self) -> Array:
        def make() -> Array:
            counts = self.cuts.counts
            return counts[:, :-1].copy() if self._reported is None else counts[:, self._reported]

        counts: Array = self._keep("counts", make)
        return counts

    # ---- ratios ----

    def _summable(self) -> Array:
        """Return tp, fp, fn and tn, in a dtype that holds the sum of all."""
        if self.cuts.is_integer and self.num_positives + self.num_negatives > MAX_TOTAL:
            return self._counts.astype(np.float64)
        return self._counts

    def _ratio(self, name: str, make: Callable[[Array, Array, Array, Array], Array]) -> Floats:
        """Return a function of tp, fp, fn and tn, computed once."""
        value: Floats = self._keep(name, lambda: make(*self._summable()))
        return value

    @property
    def precision(self) -> Floats:
        """``tp / (tp + fp)``, float64, of shape (T,) as all ratios."""
        otherwise = self._conventions.precision
        return self._ratio("precision", lambda tp, fp, fn, tn: ratio(tp, tp + fp, otherwise))

    @property
    def recall(self) -> Floats:
        """``tp / (tp + fn)``."""
        otherwise = self._conventions.recall
        return self._ratio("recall", lambda tp, fp, fn, tn: ratio(tp, tp + fn, otherwise))

    @property
    def tpr(self) -> Floats:
        """``tp / (tp + fn)``, the true positive rate: recall, under the convention for ROC."""
        otherwise = self._conventions.tpr
        return self._ratio("tpr", lambda tp, fp, fn, tn: ratio(tp, tp + fn, otherwise))

    @property
    def fpr(self) -> Floats:
        """``fp / (fp + tn)``, the false positive rate."""
        otherwise = self._conventions.fpr
        return self._ratio("fpr", lambda tp, fp, fn, tn: ratio(fp, fp + tn, otherwise))

    @property
    def specificity(self) -> Floats:
        """``tn / (fp + tn)``."""
        otherwise = self._conventions.specificity
        return self._ratio("specificity", lambda tp, fp, fn, tn: ratio(tn, fp + tn, otherwise))

    @property
    def accuracy(self) -> Floats:
        """``(tp + tn) / (tp + fp + fn + tn)``."""
        otherwise = self._conventions.accuracy
        return self._ratio(
            "accuracy", lambda tp, fp, fn, tn: ratio(tp + tn, tp + fp + fn + tn, otherwise)
        )

    @property
    def balanced_accuracy(self) -> Floats:
        """``(tpr + specificity) / 2``, nan without both classes."""
        return self._ratio("balanced_accuracy", balanced_accuracy)

    @property
    def iou(self) -> Floats:
        """``tp / (tp + fp + fn)``, the intersection over union, or Jaccard index."""
        otherwise = self._conventions.iou
        return self._ratio("iou", lambda tp, fp, fn, tn: ratio(tp, tp + fp + fn, otherwise))

    @property
    def mcc(self) -> Floats:
        """Matthews' correlation coefficient, in [-1, 1]."""
        otherwise = self._conventions.mcc
        return self._ratio("mcc", lambda tp, fp, fn, tn: matthews(tp, fp, fn, tn, otherwise))

    def f(self, beta: float = 1.0) -> Floats:
        """Return the F score, the weighted harmonic mean of precision and recall.

        Parameters
        ----------
        beta : float, default 1.0
            How much more recall matters than precision; finite and above 0.

        Returns
        -------
        ndarray of float64, shape (T,)
            ``(1 + beta**2) tp / ((1 + beta**2) tp + beta**2 fn + fp)``.

        Raises
        ------
        ValueError
            If `beta` is out of range.

        Examples
        --------
        >>> from fastpr import Curve
        >>> Curve.from_counts([3, 2, 0], [3, 1, 0], [0, 2, 3], [0, 1, 3]).f().round(3).tolist()
        [0.667, 0.667, 0.0]
        """
        tp, fp, fn, _ = self._summable()
        return frozen(f_score(tp, fp, fn, check_beta(beta), self._conventions.f))
