"""How far scores are from being probabilities, and how much of that the bins leave open."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.curves.at_thresholds import BinnedCounts
from fastpr.curves.cuts import Floats
from fastpr.curves.estimates import UNDEFINED, Estimate, bounded

NORMS = ("l1", "max")
_MAX_SUGGESTED = 1024


class Reliability(NamedTuple):
    """Samples by equal bins of score, as arrays of shape (num_bins,).

    Attributes
    ----------
    edges : ndarray of float64, shape (num_bins + 1,)
        Bin i has the scores from ``edges[i]`` up to below ``edges[i + 1]``, the last one up
        to and with it.
    num_samples : ndarray of float64
        The samples, or their weight.
    positive_fraction : ndarray of float64
        The share of the positives, nan in empty bins.
    low, high : ndarray of float64
        The mean score is between these, nan in empty bins.
    """

    edges: Floats
    num_samples: Floats
    positive_fraction: Floats
    low: Floats
    high: Floats


def _starts(counts: BinnedCounts, edges: Floats) -> NDArray[np.intp] | None:
    """Return the first fine bin of each bin of score, None if one of these cuts through one."""
    inner = edges[1:-1]
    starts = np.searchsorted(counts.edges, inner, "left")
    beyond = starts == len(counts.edges)
    cut_through = beyond | (counts.edges[np.where(beyond, 0, starts)] != inner)
    around = starts - 1  # the fine bin in which such an edge is
    cut_through &= starts > 0
    if not counts.single[around[cut_through]].all():
        return None
    starts[cut_through & (counts.lowest_scores[around] >= inner)] -= 1
    return np.concatenate([[0], starts, [len(counts.edges)]])


def _edges(counts: BinnedCounts, num_bins: int) -> Floats:
    low, high = counts.score_range
    edges: Floats = low + (high - low) * (np.arange(num_bins + 1) / num_bins)
    return edges


def reliability(counts: BinnedCounts, num_bins: int = 10) -> Reliability:
    """Return the samples by equal bins of score: what a reliability diagram shows.

    Parameters
    ----------
    counts : BinnedCounts
        A Curve.
    num_bins : int, default 10
        The number of equal bins of the range of scores. Their edges must be edges of the
        curve's bins (or in bins of a single score).

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If `num_bins` is below 1, or its edges cut through bins.

    Examples
    --------
    >>> from fastpr import Curve
    >>> curve = Curve.from_counts([3, 2, 0], [3, 1, 0], [0, 2, 3], [0, 1, 3])
    >>> parts = reliability(curve, 2)
    >>> parts.num_samples.tolist(), parts.low.tolist(), parts.high.tolist()
    ([3.0, 3.0], [0.0, 0.5], [0.5, 1.0])
    """
    if isinstance(num_bins, bool) or not isinstance(num_bins, (int, np.integer)) or num_bins < 1:
        raise ValueError(f"num_bins must be an integer of at least 1, got {num_bins!r}")
    edges = _edges(counts, int(num_bins))
    starts = _starts(counts, edges)
    if starts is None:
        few = range(1, min(len(counts.edges), _MAX_SUGGESTED) + 1)
        possible = [n for n in few if _starts(counts, _edges(counts, n)) is not None]
        nearest = sorted(sorted(possible, key=lambda n: abs(n - num_bins))[:8])
        raise ValueError(
            f"num_bins must divide the curve's bins, so that no edge cuts through one; got "
            f"{num_bins}, the nearest that do are {', '.join(map(str, nearest))}"
        )
    negatives, positives = counts.table.astype(np.float64)
    totals = negatives + positives
    lowest = counts.lowest_scores
    highest = np.append(lowest[1:], counts.score_range[1])
    highest = np.where(counts.single, lowest, highest)
    with np.errstate(over="ignore"):
        sums = [
            _sums(part, starts) for part in (totals, positives, totals * lowest, totals * highest)
        ]
    num_samples = sums[0]
    fraction, low, high = (
        np.divide(part, num_samples, out=np.full(num_bins, np.nan), where=num_samples > 0)
        for part in sums[1:]
    )
    return Reliability(edges, num_samples, fraction, low, high)


def _sums(terms: Floats, starts: NDArray[np.intp]) -> Floats:
    """Return the correctly rounded sums from each start to the next."""
    numbers, at = terms.tolist(), starts.tolist()
    return np.array([math.fsum(numbers[a:b]) for a, b in pairwise(at)])


def calibration_error(counts: BinnedCounts, num_bins: int, norm: str) -> Estimate:
    """Return the expected (or the maximum) calibration error, with bounds.

    Parameters
    ----------
    counts : BinnedCounts
        A Curve.
    num_bins : int
        The number of equal bins of score.
    norm : {"l1", "max"}
        The mean over samples, or the largest, of the differences in the bins.

    Returns
    -------
    Estimate
        Nan without samples.

    Raises
    ------
    ValueError
        As `reliability`, and for another norm.

    Notes
    -----
    Within a bin of score the mean score is in [low, high], and the fraction f of positives is
    known, so ``|f - mean|`` is at least the distance of f from that interval, and at most that
    from its further end. Bins do not depend on each other, so the bounds of their mean, or
    maximum, are those of all. The value is for the middle of each interval.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    bins = reliability(counts, num_bins)
    full = bins.num_samples > 0
    if not full.any():
        return UNDEFINED
    weights, fraction = bins.num_samples[full], bins.positive_fraction[full]
    low, high = bins.low[full], bins.high[full]
    near = np.maximum(np.maximum(low - fraction, fraction - high), 0.0)
    far = np.maximum(fraction - low, high - fraction)
    middle = np.where(low == high, near, np.abs(fraction - (low + (high - low) / 2)))
    if norm == "l1":
        shares = weights / math.fsum(weights.tolist())
        least, value, most = (math.fsum((shares * g).tolist()) for g in (near, middle, far))
    else:
        least, value, most = (float(g.max()) for g in (near, middle, far))
    if (low == high).all():
        least = most = value
    size = max(1.0, *map(abs, counts.score_range))
    slack = counts.cuts.slack * size
    return bounded(
        value,
        max(value - least, 0.0),
        max(most - value, 0.0),
        slack,
        (0.0, 2 * size),
        counts.problem,
    )
