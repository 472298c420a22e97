"""Tables of counts by label and bin, checked, from what users pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.curves.cuts import MAX_TOTAL, Flags, Floats
from fastpr.curves.ratios import Array
from fastpr.curves.thresholds import equal_thresholds

_SAME_TOTAL = 1e-9  # how far totals of float counts may be apart, relative


def as_counts(name: str, values: ArrayLike) -> Array:
    """Return `values` as int64 or float64, of counts that are finite and not negative.

    Raises
    ------
    TypeError, ValueError
        If they are not numbers, or negative, not finite or above 2**63 - 1.
    """
    counts = np.asarray(values)
    if counts.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be integers or floats, got the dtype {counts.dtype}")
    if counts.size and not (counts.min() >= 0 and counts.max() < np.inf):
        raise ValueError(f"{name} must be finite and not negative")
    if counts.dtype.kind == "u" and counts.size and counts.max() > MAX_TOTAL:
        raise ValueError(f"{name} must be at most {MAX_TOTAL}, got {counts.max()}")
    return counts.astype(np.float64 if counts.dtype.kind == "f" else np.int64)


def table_of_counts(
    tp: ArrayLike, fp: ArrayLike, tn: ArrayLike, fn: ArrayLike, thresholds: ArrayLike | None
) -> tuple[Array, Floats, int]:
    """Return the table and the edges of the bins between thresholds.

    Parameters
    ----------
    tp, fp, tn, fn : array_like, shape (T,)
        Counts at ascending thresholds.
    thresholds : array_like of float, shape (T,), optional
        By default ``i / (T - 1)``.

    Returns
    -------
    table : ndarray of int64 or float64, shape (2, B)
        Negatives and positives by bin; B is T, or T + 1 if there are samples below.
    edges : ndarray of float64, shape (B,)
        The lower edges; -inf below the first threshold.
    first : int
        The bin that starts at the first threshold, 0 or 1.

    Raises
    ------
    ValueError, TypeError, OverflowError
        If they cannot be the counts of one set of samples.

    Examples
    --------
    >>> table, edges, first = table_of_counts([3, 1], [2, 0], [1, 3], [0, 2], [0.2, 0.5])
    >>> table.tolist(), edges.tolist(), first
    ([[1, 2, 0], [0, 2, 1]], [-inf, 0.2, 0.5], 1)
    """
    named = {"tp": tp, "fp": fp, "tn": tn, "fn": fn}
    counts = [as_counts(name, part) for name, part in named.items()]
    shapes = [part.shape for part in counts]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
        raise ValueError(f"tp, fp, tn, fn must have one shape (T,), got {shapes}")
    (num_thresholds,) = shapes[0]
    edges = _checked_thresholds(thresholds, num_thresholds)
    if any(part.dtype.kind == "f" for part in counts):
        counts = [part.astype(np.float64) for part in counts]
    positives, negatives = [counts[0], counts[3]], [counts[1], counts[2]]
    for names, (above, below) in (("tp + fn", positives), ("fp + tn", negatives)):
        if above.dtype.kind == "i" and int(above.max()) + int(below.max()) > MAX_TOTAL:
            raise OverflowError(f"{names} is more than {MAX_TOTAL}; pass the counts as floats")
        total = above + below
        spread = total.max() - total.min()
        if spread > (_SAME_TOTAL * total.max() if above.dtype.kind == "f" else 0):
            raise ValueError(
                f"{names} must be the same at all thresholds, got {total.min()} to {total.max()}"
            )
        if (above[1:] > above[:-1]).any():
            at = int(np.argmax(above[1:] > above[:-1]))
            raise ValueError(
                f"{names[:2]} must not grow with the threshold, but goes from {above[at]} to "
                f"{above[at + 1]} at index {at + 1}; thresholds must ascend"
            )
    rows = [np.append(above[:-1] - above[1:], above[-1:]) for above, _ in (negatives, positives)]
    table = np.stack(rows)
    below = np.array([[negatives[1][0]], [positives[1][0]]], table.dtype)
    if below.any():
        return np.hstack([below, table]), np.append(-np.inf, edges), 1
    return table, edges, 0


def _checked_thresholds(thresholds: ArrayLike | None, num_thresholds: int) -> Floats:
    if thresholds is None:
        if num_thresholds < 2:
            raise ValueError("counts at one threshold need that threshold: pass thresholds=")
        return equal_thresholds(num_thresholds)
    edges = np.array(thresholds, np.float64)
    if edges.shape != (num_thresholds,):
        raise ValueError(
            f"thresholds must have the shape of the counts, ({num_thresholds},), got {edges.shape}"
        )
    if not (np.isfinite(edges).all() and (edges[1:] > edges[:-1]).all()):
        raise ValueError("thresholds must be finite and strictly ascending")
    return edges


def edges_of(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Return a copy in float64, of ascending values."""
    edges = np.array(values, np.float64)
    if edges.shape != shape:
        raise ValueError(f"{name} must have the shape {shape} of the bins, got {edges.shape}")
    if not (edges[1:] >= edges[:-1]).all() or np.isnan(edges[0]):
        raise ValueError(f"{name} must ascend")
    return edges


def checked_bins(
    table: ArrayLike,
    edges: ArrayLike,
    single: ArrayLike | None,
    reported: ArrayLike | None,
    upper: float,
    exact: bool,
    lowest_scores: ArrayLike | None,
) -> tuple[Array, Floats, Floats, Flags, NDArray[np.intp] | None, tuple[float, float]]:
    """Return copies of what `Curve.from_bins` takes, of shapes that agree.

    Returns
    -------
    table, edges, lowest_scores, single : ndarray
        Of shape (2, B), and (B,).
    reported : ndarray of int, or None
        Indices of bins.
    score_range : tuple of float
        The lowest and the highest possible score.

    Raises
    ------
    ValueError, TypeError
        As `Curve.from_bins`.
    """
    counts = as_counts("table", table)
    if counts.ndim != 2 or counts.shape[0] != 2 or counts.shape[1] == 0:
        raise ValueError(f"table must have the shape (2, B), got {counts.shape}")
    shape = counts.shape[1:]
    bounds = lowest = edges_of("edges", edges, shape)
    if lowest_scores is not None:
        lowest = edges_of("lowest_scores", lowest_scores, shape)
    if not (np.isfinite(bounds).all() and max(bounds[-1], lowest[-1]) <= upper < np.inf):
        raise ValueError(f"edges must be finite and at most upper, got upper={upper}")
    ones = np.full(shape, exact) if single is None or exact else np.array(single, bool)
    if ones.shape != shape:
        raise ValueError(f"single must have the shape {shape} of edges, got {ones.shape}")
    at = None
    if reported is not None:
        at = np.array(reported)
        if at.dtype.kind not in "iu" or at.ndim != 1 or at.min() < 0 or at.max() >= shape[0]:
            raise ValueError(f"reported must be indices of bins, below {shape[0]}")
        at = at.astype(np.intp)
        if (at[1:] <= at[:-1]).any():
            raise ValueError("reported must ascend")
    return counts, bounds, lowest, ones, at, (float(lowest[0]), upper)
