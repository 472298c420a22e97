"""Confidence intervals from the states of groups: their tables are resampled, no data are kept."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.counts.state import PrecisionRecallAtEqualThresholds, fine_table
from fastpr.curves.best import METRICS as BEST_METRICS
from fastpr.curves.curve import Curve, replace_table
from fastpr.resampling.group_tables import GroupTables

METHODS = ("percentile", "basic", "bca")
# Methods of Curve that need no argument; and "best_" with what Curve.best takes.
METRICS = (
    "average_precision",
    "auroc",
    "equal_error_rate",
    "fpr_at_tpr",
    "expected_calibration_error",
    *(f"best_{name}" for name in BEST_METRICS),
)
_MAX_BATCH = 128  # resamples; more are not faster


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult:
    """A metric of all groups, and how far it may be from that of other groups of their kind.

    Attributes
    ----------
    estimate : float
        The metric of all groups together. Its own `low` and `high`, where it has them, bound
        the error of binning; those of this result are about the choice of groups.
    low, high : float
        The confidence interval; nan if there is none.
    standard_error : float
        The standard deviation of `distribution`, with a divisor of its number less 1.
    distribution : ndarray of float64, shape (num_resamples,)
        The metric of each resample, in the order in which they were drawn; read-only.
    confidence_level : float
    method : {"percentile", "basic", "bca"}
    num_groups : int
    metric : str
        The name of the metric.
    num_undefined : int
        Resamples whose metric is not a finite number. They are left out of the interval and
        of the standard error.

    Examples
    --------
    >>> import fastpr
    >>> images = [([0, 1], [0.2, 0.7]), ([0, 1], [0.6, 0.8]), ([1, 0], [0.3, 0.4])]
    >>> states = [fastpr.PrecisionRecallAtEqualThresholds().update(*image) for image in images]
    >>> result = fastpr.bootstrap(states, "auroc", num_resamples=100, seed=0)
    >>> result.low <= result.estimate <= result.high, len(result.distribution)
    (True, 100)
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    distribution: NDArray[np.float64]
    confidence_level: float
    method: str
    num_groups: int
    metric: str = "metric"
    num_undefined: int = 0

    def __post_init__(self) -> None:
        distribution = np.array(self.distribution, np.float64)
        distribution.flags.writeable = False
        object.__setattr__(self, "distribution", distribution)

    def __reduce__(self) -> tuple[Any, ...]:
        # through __init__, so that the copy is read-only too
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def __repr__(self) -> str:
        return (
            f"BootstrapResult({self.metric}={float(self.estimate):.6g}, "
            f"low={self.low:.6g}, high={self.high:.6g}, "
            f"confidence_level={self.confidence_level:g}, method={self.method!r}, "
            f"num_groups={self.num_groups}, num_resamples={len(self.distribution)})"
        )


def bootstrap(
    states: Iterable[PrecisionRecallAtEqualThresholds],
    metric: str | Callable[[Curve], Any],
    num_resamples: int = 1000,
    *,
    confidence_level: float = 0.95,
    method: str = "percentile",
    seed: Any = None,
    batch: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> BootstrapResult:
    """Return a confidence interval of a metric over groups of samples.

    Pixels of one image, or samples of one patient, are not independent; images and patients
    are. So whole groups are drawn, with replacement, as many as there are, and the metric is
    computed from the sum of their tables. Only the tables are needed: a state for each group.

    Parameters
    ----------
    states : iterable of PrecisionRecallAtEqualThresholds
        One for each group, at least 2, with the same options; empty ones count as groups.
        They stay as they are.
    metric : str or callable
        The name of a method of Curve that needs no argument and returns a number
        ("average_precision", "auroc", "equal_error_rate", "fpr_at_tpr",
        "expected_calibration_error"), or ``"best_"`` and what `Curve.best` takes ("best_f1",
        "best_iou"), whose value it is. Or a function of a Curve that returns a number, or an
        operating point, whose value is taken.
    num_resamples : int, default 1000
        How often groups are drawn.
    confidence_level : float, default 0.95
        The probability that the interval is meant to hold, between 0 and 1.
    method : {"percentile", "basic", "bca"}, default "percentile"
        How the interval comes from the resamples: their quantiles; those mirrored at the
        estimate; or quantiles corrected for bias and acceleration, for which the metric is
        also computed without each group in turn.
    seed : None, int, SeedSequence, BitGenerator or Generator, optional
        As `numpy.random.default_rng` takes it. The same seed gives the same bits.
    batch : int, optional
        Resamples whose tables are in memory at once; by default at most 128, and at most
        32 MiB. No result depends on it.
    progress : callable, optional
        Called with the number of resamples done, after each batch.

    Returns
    -------
    BootstrapResult
        With `estimate`, the metric of all groups together, and `low` and `high`.

    Raises
    ------
    ValueError
        If there are fewer than 2 states, their options differ, or an option is out of range.
    TypeError
        If one of `states` is not such a state, or the metric returns no number.
    OverflowError
        If a resample could hold 2**63 samples or more.

    Warns
    -----
    RuntimeWarning
        If the metric of some resamples is not a finite number: they are left out. If there is
        no interval: no resample is left, or (bca) all of them lie on one side of the estimate.

    Notes
    -----
    Sums of tables are products of matrices of integers below 2**53, so they are exact; sums of
    weights are rounded in the last place only. For "bca", groups without which the metric is
    not finite are left out of the acceleration.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall,
       1993: percentile intervals, section 13.3; BCa, section 14.3.
    .. [2] A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application",
       Cambridge University Press, 1997: basic intervals, section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import fastpr
    >>> rng = np.random.default_rng(0)
    >>> states = []
    >>> for _ in range(50):  # images
    ...     scores = rng.random((64, 64), dtype=np.float32)
    ...     labels = rng.random((64, 64)) < scores ** rng.uniform(0.2, 5)
    ...     state = fastpr.PrecisionRecallAtEqualThresholds()
    ...     states.append(state.update(labels, scores))
    >>> result = fastpr.bootstrap(states, "average_precision", seed=0)
    >>> print(f"{result.estimate:.3f}, {result.low:.3f} to {result.high:.3f}")
    0.734, 0.722 to 0.753
    """
    groups = _checked_states(states)
    name, value_of = _named_metric(metric)
    num_resamples = _positive(num_resamples, "num_resamples")
    batch = None if batch is None else _positive(batch, "batch")
    confidence_level = _checked_level(confidence_level)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    rng = np.random.default_rng(seed)

    curve = (groups[0] + groups[1]).merge(*groups[2:]).curve()
    estimate = value_of(curve)
    tables = GroupTables([fine_table(state) for state in groups])
    size = batch or min(tables.num_rows_at_once, _MAX_BATCH)

    distribution = np.empty(num_resamples)
    for start in range(0, num_resamples, size):
        stop = min(start + size, num_resamples)
        sums = tables.resampled(_multiplicities(rng, stop - start, len(groups)))
        distribution[start:stop] = [value_of(replace_table(curve, table)) for table in sums]
        if progress is not None:
            progress(stop)

    left_out: list[float] = []
    if method == "bca":
        for start in range(0, len(groups), size):
            sums = tables.without_each(start, min(start + size, len(groups)))
            left_out += [value_of(replace_table(curve, table)) for table in sums]

    defined = distribution[np.isfinite(distribution)]
    if num_undefined := num_resamples - len(defined):
        warnings.warn(
            f"the {name} of {num_undefined} of {num_resamples} resamples is not a finite number "
            f"(do some hold samples of one class only?); they are left out",
            RuntimeWarning,
            stacklevel=2,
        )
    low, high = _interval(method, float(estimate), defined, left_out, confidence_level)
    if math.isnan(low) and len(defined):
        warnings.warn(
            f"there is no interval of method {method!r}: all resamples lie on one side of the "
            f"estimate, or that is not finite; use another method",
            RuntimeWarning,
            stacklevel=2,
        )
    return BootstrapResult(
        estimate=estimate,
        low=low,
        high=high,
        standard_error=float(defined.std(ddof=1)) if len(defined) > 1 else math.nan,
        distribution=distribution,
        confidence_level=confidence_level,
        method=method,
        num_groups=len(groups),
        metric=name,
        num_undefined=num_undefined,
    )


def _multiplicities(
    rng: np.random.Generator, num_resamples: int, num_groups: int
) -> NDArray[np.float64]:
    """Return how often each resample takes each group, of shape (num_resamples, num_groups)."""
    taken = np.empty((num_resamples, num_groups))
    for row in taken:  # one by one, so that what is drawn does not depend on the batch
        row[:] = np.bincount(rng.integers(num_groups, size=num_groups), minlength=num_groups)
    return taken


def _interval(
    method: str,
    estimate: float,
    values: NDArray[np.float64],
    left_out: Sequence[float],
    confidence_level: float,
) -> tuple[float, float]:
    """Return the ends of the interval, or nan twice if there is none."""
    if not len(values):
        return math.nan, math.nan
    tail = (1 - confidence_level) / 2
    levels = (tail, 1 - tail)
    if method == "bca":
        levels = _bca_levels(estimate, values, np.array(left_out), levels)
        if math.isnan(levels[0]):
            return levels
    low, high = np.quantile(values, levels).tolist()
    if method == "basic":
        return 2 * estimate - high, 2 * estimate - low
    return low, high


def _bca_levels(
    estimate: float,
    values: NDArray[np.float64],
    left_out: NDArray[np.float64],
    levels: tuple[float, float],
) -> tuple[float, float]:
    """Return the levels of the quantiles, corrected for bias and acceleration."""
    from statistics import NormalDist

    normal = NormalDist()
    # of equal values one half is below: a metric of few distinct values is not a bias
    below = (np.mean(values < estimate) + np.mean(values <= estimate)) / 2
    if not (math.isfinite(estimate) and 0 < below < 1):
        return math.nan, math.nan
    bias = normal.inv_cdf(float(below))
    left_out = left_out[np.isfinite(left_out)]
    deviations = left_out.mean() - left_out if len(left_out) else left_out
    squares, cubes = math.fsum(deviations**2), math.fsum(deviations**3)
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0

    def corrected(level: float) -> float:
        shifted = bias + normal.inv_cdf(level)
        divisor = 1 - acceleration * shifted
        if divisor <= 0:  # past the pole, which is at one end
            return 0.0 if shifted < 0 else 1.0
        return normal.cdf(bias + shifted / divisor)

    return corrected(levels[0]), corrected(levels[1])


def _named_metric(
    metric: str | Callable[[Curve], Any],
) -> tuple[str, Callable[[Curve], float]]:
    """Return the name of a metric, and it as a function that returns a float."""
    if callable(metric):
        name = getattr(metric, "__name__", type(metric).__name__)
        function: Callable[[Curve], Any] = metric
    elif metric not in METRICS:
        raise ValueError(
            f"metric must be one of {', '.join(METRICS)}, or a function of a Curve, got {metric!r}"
        )
    elif metric.startswith("best_"):
        name, function = metric, operator.methodcaller("best", metric.removeprefix("best_"))
    else:
        name, function = metric, operator.methodcaller(metric)

    def value_of(curve: Curve) -> float:
        value = function(curve)
        value = getattr(value, "value", value)  # of an operating point
        if isinstance(value, float):
            return value
        if isinstance(value, (str, bytes)) or np.ndim(value):
            raise TypeError(f"the metric {name} must return a number, got {value!r}")
        try:
            return float(value)
        except TypeError:
            raise TypeError(f"the metric {name} must return a number, got {value!r}") from None

    return name, value_of


def _checked_states(
    states: Iterable[PrecisionRecallAtEqualThresholds],
) -> list[PrecisionRecallAtEqualThresholds]:
    if isinstance(states, PrecisionRecallAtEqualThresholds):
        raise TypeError("states must be a sequence of states, one for each group, got one state")
    groups = list(states)
    for index, state in enumerate(groups):
        if not isinstance(state, PrecisionRecallAtEqualThresholds):
            raise TypeError(
                f"states must be PrecisionRecallAtEqualThresholds, got "
                f"{type(state).__name__} at index {index}"
            )
    if len(groups) < 2:
        raise ValueError(
            f"at least 2 states are needed, one for each group (image, patient), got {len(groups)}"
        )
    return groups


def _positive(value: int, name: str) -> int:
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {value!r}")
    return number


def _checked_level(confidence_level: float) -> float:
    level = float(confidence_level)
    if not 0 < level < 1:
        raise ValueError(f"confidence_level must be between 0 and 1, got {confidence_level!r}")
    return level
