"""What a curve answers with: numbers with their bounds, and the conventions for 0/0."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

_HIDDEN = 1e-10  # what `repr` may round inward, so that a bound of 0.25 is not shown as 0.26


class Estimate(float):
    """A float that knows between which bounds the exact number lies.

    In sums, products, formats and arrays it is the float `value`; `repr` shows the bounds, with
    as many digits as tell them apart, rounded outward.

    Parameters
    ----------
    value : float
        The number.
    low, high : float, optional
        ``low <= value <= high``; both default to `value`. Nan if `value` is.
    is_exact : bool, optional
        Whether only rounding errors are between the bounds; by default, whether they are equal.
    problem : str, optional
        Why there are no bounds. `low`, `high` and `width` then raise it.

    Attributes
    ----------
    is_exact : bool
        Whether only rounding errors are between the bounds.

    Raises
    ------
    ValueError
        If `value` is not between `low` and `high`.

    Examples
    --------
    >>> from fastpr import Estimate
    >>> area = Estimate(0.81234, 0.81201, 0.81269)
    >>> area
    0.8123 (0.8120 to 0.8127)
    >>> area.low, f"{area:.2f}", area / 2
    (0.81201, '0.81', 0.40617)
    >>> Estimate(0.75)
    0.75 (exact)
    """

    __slots__ = ("_high", "_low", "_problem", "is_exact")

    is_exact: bool
    _low: float
    _high: float
    _problem: str | None

    def __new__(
        cls,
        value: float,
        low: float | None = None,
        high: float | None = None,
        is_exact: bool | None = None,
        problem: str | None = None,
    ) -> Estimate:
        """Make it from its parts."""
        self = super().__new__(cls, value)
        low = value if low is None else low
        high = value if high is None else high
        if not low <= value <= high and (value == value or low == low or high == high):
            raise ValueError(f"an estimate of {value!r} is not between {low!r} and {high!r}")
        if is_exact is None:
            is_exact = low == high or value != value
        object.__setattr__(self, "_low", float(low))
        object.__setattr__(self, "_high", float(high))
        object.__setattr__(self, "_problem", problem)
        object.__setattr__(self, "is_exact", bool(is_exact) and problem is None)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"an Estimate cannot be changed (attribute {name!r})")

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (float(self), self._low, self._high, self.is_exact, self._problem)
        return type(self), parts

    @property
    def low(self) -> float:
        """The exact number is at least this."""
        self._check()
        return self._low

    @property
    def high(self) -> float:
        """The exact number is at most this."""
        self._check()
        return self._high

    @property
    def width(self) -> float:
        """``high - low``."""
        return self.high - self.low

    @property
    def has_bounds(self) -> bool:
        """Whether there are bounds."""
        return self._problem is None

    def _check(self) -> None:
        if self._problem is not None:
            raise ValueError(f"there are no bounds: {self._problem}")

    def __repr__(self) -> str:
        number = float.__repr__(self)
        if self != self:
            return number
        if self._problem is not None:
            return f"{number} (no bounds)"
        width = self._high - self._low
        if self.is_exact or width == 0:
            return f"{number} (exact)"
        from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

        decimals = max(2, -math.floor(math.log10(width)))
        last = Decimal(1).scaleb(-decimals)
        hidden = min(_HIDDEN, width / 100)
        low = Decimal(self._low + hidden).quantize(last, ROUND_FLOOR) + 0  # not -0
        high = Decimal(self._high - hidden).quantize(last, ROUND_CEILING) + 0
        return f"{float(self):.{decimals}f} ({low:f} to {high:f})"

    __str__ = float.__repr__

    def __format__(self, spec: str) -> str:
        return float.__format__(float(self), spec)


UNDEFINED = Estimate(math.nan)


def bounded(
    value: float,
    down: float,
    up: float,
    slack: float,
    limits: tuple[float, float] = (0.0, 1.0),
    problem: str | None = None,
) -> Estimate:
    """Return `value` with bounds that are rounded outward.

    Parameters
    ----------
    value : float
        The number, with a rounding error.
    down, up : float
        How far below and above `value` the exact number can be, >= 0.
    slack : float
        At least the rounding errors of ``value - down`` and ``value + up``.
    limits : tuple of float, default (0.0, 1.0)
        The range of the metric; what goes beyond it is cut off.
    problem : str, optional
        Why there are no bounds.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> bounded(0.5, 0.25, 0.75, 0.0).high
    1.0
    """
    least, most = limits
    value = min(max(value, least), most)
    low = max(value - down - slack, least)
    high = min(value + up + slack, most)
    return Estimate(value, low, high, down == 0 == up, problem)


class OperatingPoint(NamedTuple):
    """A value and the threshold that gives it: scores at or above are predicted positive.

    Attributes
    ----------
    value : Estimate
        The value, with the bounds of the best that any threshold gives on the exact scores.
    threshold : float
        Where the curve has the value; inf where nothing is predicted positive, nan where the
        value is nan.

    Examples
    --------
    >>> from fastpr import Estimate, OperatingPoint
    >>> point = OperatingPoint(Estimate(0.5, 0.25, 0.75), 0.5)
    >>> point.low, point.high
    (0.25, 0.75)
    """

    value: Estimate
    threshold: float

    @property
    def low(self) -> float:
        """The lower bound of the value."""
        return self.value.low

    @property
    def high(self) -> float:
        """The upper bound of the value."""
        return self.value.high


NOWHERE = OperatingPoint(UNDEFINED, math.nan)


def negated(point: OperatingPoint) -> OperatingPoint:
    """Return the point of a metric that was maximised as its negative."""
    value, threshold = point
    if value != value:
        return point
    parts = (0.0 - value, 0.0 - value._high, 0.0 - value._low)
    return OperatingPoint(Estimate(*parts, value.is_exact, value._problem), threshold)


class Conventions(NamedTuple):
    """What is said where the definition gives 0/0, and which area is the average precision.

    Attributes
    ----------
    precision : float
        Where nothing is predicted positive.
    recall, tpr : float
        Without positives. They are the same ratio; scikit-learn has a convention for each.
    fpr, specificity : float
        Without negatives.
    f, iou : float
        Without positives, where nothing is predicted positive.
    accuracy : float
        Without samples.
    mcc : float
        Without positives or without negatives. With both, it is 0 where all or none are
        predicted positive.
    average_precision : float
        Without positives.
    auroc : float
        Without positives or without negatives.
    average_precision_method : {"step", "trapezoid", "interpolated"}
        Which area `Curve.average_precision` is by default.

    Examples
    --------
    >>> from fastpr import Conventions, Curve
    >>> curve = Curve.from_counts([0, 0], [3, 1], [0, 2], [0, 0])
    >>> curve.with_conventions(Conventions(recall=1.0)).recall.tolist()
    [1.0, 1.0]
    >>> curve.with_conventions("sklearn").conventions.average_precision
    0.0
    """

    precision: float = 0.0
    recall: float = 0.0
    tpr: float = 0.0
    fpr: float = 0.0
    specificity: float = 0.0
    f: float = 0.0
    iou: float = 0.0
    accuracy: float = 0.0
    mcc: float = math.nan
    average_precision: float = math.nan
    auroc: float = math.nan
    average_precision_method: str = "step"


AVERAGE_PRECISION_METHODS = ("step", "trapezoid", "interpolated")

CONVENTIONS = {
    "fastpr": Conventions(),
    # of version 1.9: precision_recall_curve, roc_curve, average_precision_score, roc_auc_score,
    # f1_score, jaccard_score, matthews_corrcoef
    "sklearn": Conventions(
        recall=1.0,
        tpr=math.nan,
        fpr=math.nan,
        specificity=math.nan,
        accuracy=math.nan,
        mcc=0.0,
        average_precision=0.0,
    ),
    # of version 3: keras.metrics divides with divide_no_nan
    "keras": Conventions(
        mcc=0.0, average_precision=0.0, auroc=0.0, average_precision_method="interpolated"
    ),
}


def conventions_of(zero_division: float) -> Conventions:
    """Return fastpr's conventions with all ratios `zero_division` where they are 0/0.

    Matthews' coefficient and the areas stay nan without one of the classes.

    Examples
    --------
    >>> conventions_of(1.0).precision
    1.0
    """
    ratios = ("precision", "recall", "tpr", "fpr", "specificity", "f", "iou", "accuracy")
    values: dict[str, Any] = dict.fromkeys(ratios, zero_division)
    return CONVENTIONS["fastpr"]._replace(**values)


def check_conventions(conventions: str | Conventions) -> Conventions:
    """Return the conventions of that name, or say what there is.

    Raises
    ------
    ValueError, TypeError
        If it is neither a name nor `Conventions` whose default method exists.
    """
    if isinstance(conventions, Conventions):
        method = conventions.average_precision_method
        if method not in AVERAGE_PRECISION_METHODS:
            raise ValueError(
                f"conventions have an average_precision_method of {method!r}; it must be one of "
                f"{', '.join(AVERAGE_PRECISION_METHODS)}"
            )
        return conventions
    if not isinstance(conventions, str):
        raise TypeError(f"conventions must be a name or fastpr.Conventions, got {conventions!r}")
    if conventions not in CONVENTIONS:
        raise ValueError(
            f"conventions must be one of {', '.join(CONVENTIONS)} or "
            f"fastpr.Conventions, got {conventions!r}"
        )
    return CONVENTIONS[conventions]
