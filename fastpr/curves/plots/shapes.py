"""Where the lines and bands of plots run: what bins say about the curve of all scores.

A bin whose scores are not told apart is a rectangle of false and true positives; the exact
curve runs through it from one corner to the opposite one, and nothing else is known. The bands
are these rectangles, so the areas under their edges are the bounds of the certificates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.curves.at_thresholds import BinnedCounts
from fastpr.curves.cuts import FineCuts, Floats
from fastpr.curves.ratios import ratio

Band = tuple[Floats, Floats, Floats]  # x, low, high
_NUM_POINTS = 33  # of the hyperbola in a wide bin
_WIDE = 0.01  # of recall


class Steps(NamedTuple):
    """The bins that hold samples, from the highest score down, as arrays of shape (S,).

    Attributes
    ----------
    tp_above, fp_above : ndarray of float64
        Positives and negatives in the bins above.
    tp, fp : ndarray of float64
        The same, with the bin itself.
    loose : ndarray of bool
        Whether the scores of the bin can differ.
    num_positives, num_negatives : float
        Of all bins.
    """

    tp_above: Floats
    fp_above: Floats
    tp: Floats
    fp: Floats
    loose: NDArray[np.bool_]
    num_positives: float
    num_negatives: float


def steps(fine: FineCuts) -> Steps:
    """Return the steps of a curve.

    Examples
    --------
    >>> fine = FineCuts(np.array([[2, 1, 0], [0, 1, 2]]), np.arange(3) / 2, np.zeros(3, bool))
    >>> found = steps(fine)
    >>> found.tp_above.tolist(), found.tp.tolist()
    ([0.0, 2.0, 3.0], [2.0, 3.0, 3.0])
    """
    some = (fine.table[0] > 0)[::-1] | (fine.table[1] > 0)[::-1]
    tp, fp = fine.floats[:2, ::-1]
    return Steps(
        tp[:-1][some], fp[:-1][some], tp[1:][some], fp[1:][some], fine.loose[::-1][some],
        fine.positives, fine.negatives,
    )  # fmt: skip


def precision_recall_line(s: Steps) -> tuple[Floats, Floats]:
    """Return recall and precision at each cut, the lowest threshold first, and (0, 1) at last.

    Examples
    --------
    >>> fine = FineCuts(np.array([[2, 1, 0], [0, 1, 2]]), np.arange(3) / 2, np.zeros(3, bool))
    >>> recall, precision = precision_recall_line(steps(fine))
    >>> recall.round(3).tolist(), precision.tolist()
    ([1.0, 1.0, 0.667, 0.0], [0.5, 0.75, 1.0, 1.0])
    """
    recall, precision = s.tp / s.num_positives, s.tp / (s.tp + s.fp)
    return np.append(recall[::-1], 0.0), np.append(precision[::-1], 1.0)


def precision_recall_band(s: Steps) -> Band:
    """Return recall, ascending, and the lowest and highest precision that the bins allow.

    The highest is that of a bin whose positives are tied above its negatives; the lowest, at a
    recall inside a bin, that of all its negatives above its positives. That is concave in a
    bin, so the straight lines between the points returned are lower still.
    """
    some = s.tp > s.tp_above
    first, last, fp_above, fp = (part[some] for part in (s.tp_above, s.tp, s.fp_above, s.fp))
    loose = s.loose[some]
    wide = loose & (last - first > _WIDE * s.num_positives)
    share = np.where(wide[:, np.newaxis], np.linspace(0, 1, _NUM_POINTS) ** 2, 0.0)
    share[:, -1] = 1.0
    used = np.ones(share.shape, bool)
    used[~wide, 1:-1] = False
    reached = first[:, np.newaxis] + (last - first)[:, np.newaxis] * share
    lowest = ratio(reached, reached + fp[:, np.newaxis], 1.0)
    lowest[~loose] = (last / (last + fp))[~loose, np.newaxis]
    highest = last / (last + np.where(loose, fp_above, fp))
    highest = np.broadcast_to(highest[:, np.newaxis], share.shape)
    return (reached / s.num_positives)[used], lowest[used], highest[used]


def roc_line(s: Steps) -> tuple[Floats, Floats]:
    """Return false and true positive rates, from (0, 0) to (1, 1)."""
    return np.append(0.0, s.fp / s.num_negatives), np.append(0.0, s.tp / s.num_positives)


def roc_band(s: Steps) -> Band:
    """Return false positive rates, ascending, and the bounds of the true positive rates there."""
    corners = np.stack([s.tp_above, s.tp], axis=1) / s.num_positives
    loose = s.loose[:, np.newaxis]
    low = np.where(loose, corners[:, :1], corners)
    high = np.where(loose, corners[:, 1:], corners)
    x = np.stack([s.fp_above, s.fp], axis=1) / s.num_negatives
    return x.ravel(), low.ravel(), high.ravel()


def f_scores(tp: Floats, fp: Floats, num_positives: float) -> Floats:
    """Return F1 of a known number of positives; 0 where nothing is predicted."""
    return ratio(2 * tp, tp + fp + num_positives)


def f_band(fine: FineCuts, upper: float) -> Band:
    """Return thresholds, ascending, and the lowest and highest F1 between one and the next.

    Examples
    --------
    >>> fine = FineCuts(np.array([[2, 1], [0, 3]]), np.array([0.0, 0.5]), np.zeros(2, bool))
    >>> thresholds, low, high = f_band(fine, 1.0)
    >>> thresholds.tolist(), low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.5, 0.5, 1.0], [0.667, 0.667, 0.0, 0.0], [0.857, 0.857, 1.0, 1.0])
    """
    tp, fp = fine.floats[:2]
    first_fp, last_tp = (np.where(fine.single, part[1:], part[:-1]) for part in (fp, tp))
    low = f_scores(tp[1:], first_fp, fine.positives)
    high = f_scores(last_tp, fp[1:], fine.positives)
    x = np.stack([fine.edges, np.append(fine.edges[1:], upper)], axis=1)
    finite = np.repeat(np.isfinite(fine.edges), 2)
    return x.ravel()[finite], np.repeat(low, 2)[finite], np.repeat(high, 2)[finite]


def _at_least(curve: BinnedCounts, num_bins: int) -> NDArray[np.intp]:
    """Return the first bins that start at or above the edges of equal bins of score."""
    low, high = curve.score_range
    inner = low + (high - low) * (np.arange(1, num_bins) / num_bins)
    return np.searchsorted(curve.edges, inner, "left")


def _groups(curve: BinnedCounts, starts: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """Return the first bins of groups that have a width, ascending, and the edges of groups.

    What is equal to the highest possible score is in the last group, as in `numpy.histogram`.
    """
    low, high = curve.score_range
    starts = np.unique(np.append(0, starts[starts < len(curve.edges)]))
    starts = starts[(curve.edges[starts] < high) | (starts == 0)]
    return starts, np.append(np.clip(curve.edges[starts], low, high), high)


class Reliability(NamedTuple):
    """Mean score and share of positives of groups of bins that hold samples.

    Attributes
    ----------
    low, middle, high : ndarray of float64
        Bounds of the mean score, and their middle.
    positive : ndarray of float64
        The share of positives.
    edges : ndarray of float64, shape (M + 1,)
        Of all groups, those without samples too.
    samples : ndarray of float64, shape (M,)
        In all groups.
    """

    low: Floats
    middle: Floats
    high: Floats
    positive: Floats
    edges: Floats
    samples: Floats


def reliability(curve: BinnedCounts, num_bins: int) -> Reliability:
    """Return mean scores and shares of positives of groups of bins, `num_bins` at most.

    They have equal widths where the bins allow it, and are then the bins of
    `fastpr.curves.calibration.reliability`; otherwise they start at the next edge.

    Examples
    --------
    >>> from fastpr import Curve
    >>> table = [[3, 1, 1, 0, 0], [0, 1, 1, 2, 1]]
    >>> found = reliability(Curve.from_bins(table, np.arange(5) / 4), 2)
    >>> found.low.tolist(), found.high.tolist(), found.positive.tolist()
    ([0.1, 0.7], [0.35, 0.9], [0.2, 0.8])
    """
    starts, edges = _groups(curve, _at_least(curve, num_bins))
    lowest = curve.lowest_scores
    highest = np.where(curve.single, lowest, np.append(lowest[1:], curve.score_range[1]))
    negatives, positives = curve.table.astype(np.float64)
    samples = negatives + positives
    held = np.add.reduceat(samples, starts)
    some = held > 0
    low, high, positive = (
        np.add.reduceat(values, starts)[some] / held[some]
        for values in (samples * lowest, samples * highest, positives)
    )
    return Reliability(low, (low + high) / 2, high, positive, edges, held)


def histogram(curve: BinnedCounts, max_bins: int) -> tuple[Floats, Floats]:
    """Return counts (2, M) between reported thresholds, and the M + 1 edges.

    More than `max_bins` are put together into as many equal ones as the bins allow, or almost
    equal ones where they do not.

    Examples
    --------
    >>> from fastpr import Curve
    >>> curve = Curve.from_bins([[4, 2, 0], [0, 1, 3]], np.arange(3) / 2)
    >>> counts, edges = histogram(curve, 10)
    >>> counts.tolist(), edges.tolist()
    ([[4.0, 2.0], [0.0, 4.0]], [0.0, 0.5, 1.0])
    """
    starts = np.searchsorted(curve.edges, curve.thresholds)
    if len(starts) > max_bins + 1:
        low, high = curve.score_range
        for num_bins in range(max_bins, max_bins // 4, -1):
            starts = _at_least(curve, num_bins)
            inner = low + (high - low) * (np.arange(1, num_bins) / num_bins)
            if starts[-1] < len(curve.edges) and (curve.edges[starts] == inner).all():
                break
    starts, edges = _groups(curve, starts)
    return np.add.reduceat(curve.table.astype(np.float64), starts, axis=1), edges
