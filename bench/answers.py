"""What the timed calls have to answer, found in the plainest way, and how far peers may be off."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from distributions import Array

_CHUNK = 1 << 20


def expected_table(
    scores: Array, labels: Array, weights: Array | None, num_thresholds: int
) -> Array:
    """Return the counts by label and bin, with NumPy alone.

    Floats are searched for among the thresholds in their own dtype; values of 16 bits and less
    are counted first, and their few distinct values searched for.
    """
    starts = range(0, len(scores), _CHUNK)
    by_value = scores.dtype.itemsize <= 2
    if by_value:
        values = np.arange(1 << 8 * scores.dtype.itemsize).astype(f"u{scores.dtype.itemsize}")
        bins_of_value = _bins(values.view(scores.dtype), num_thresholds)
        scores = scores.view(values.dtype)

    def count(start: int) -> Array:
        part = scores[start : start + _CHUNK]
        bins = bins_of_value[part] if by_value else _bins(part, num_thresholds)
        codes = bins * 2 + labels[start : start + _CHUNK]
        own = None if weights is None else weights[start : start + _CHUNK]
        return np.bincount(codes, own, minlength=2 * num_thresholds)

    # the number of threads changes nothing: parts are added in order
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        table = sum(pool.map(count, starts))
    return np.asarray(table).reshape(num_thresholds, 2).T


def _bins(scores: Array, num_thresholds: int) -> Array:
    if scores.dtype.kind == "u":
        top = np.iinfo(scores.dtype).max
        return scores.astype(np.int64) * (num_thresholds - 1) // top
    thresholds = (np.arange(num_thresholds) / (num_thresholds - 1)).astype(scores.dtype)
    if scores.dtype.itemsize == 2:  # float32 holds all of them, and NumPy can search in it
        scores, thresholds = scores.astype(np.float32), thresholds.astype(np.float32)
        scores = np.nan_to_num(scores, nan=0.0)  # bit patterns that no sample has
    return np.searchsorted(thresholds, scores, side="right").clip(1) - 1


def check_counts(data: Any, table: Array) -> int:
    """Raise AssertionError unless these are the counts of a table; return how many were compared.

    Counts have to be equal. Sums of weights were added in another order, so they may differ
    by what rounding does to sums of that many terms.
    """
    suffix = table[:, ::-1].cumsum(axis=1)[:, ::-1]
    prefix = table.cumsum(axis=1) - table
    wanted = {"fp": suffix[0], "tp": suffix[1], "tn": prefix[0], "fn": prefix[1]}
    for name, values in wanted.items():
        found = np.asarray(getattr(data, name))
        if table.dtype.kind == "i":
            assert found.dtype.kind == "i", f"{name} are {found.dtype}, not counts"
            assert np.array_equal(found, values), f"{name} differ from the counts of NumPy"
        else:
            allowed = 1e-9 * table.sum()
            assert np.abs(found - values).max() <= allowed, f"{name} differ from NumPy's sums"
    return 4 * table.shape[1]


def check_moved(found: Array, table: Array, most: float) -> int:
    """Raise AssertionError if too many samples are in another bin than in a table.

    Parameters
    ----------
    found : ndarray, shape (2, T)
        By label and bin.
    table : ndarray, shape (2, T)
    most : float
        The share of samples that may be elsewhere.
    """
    found = np.asarray(found, np.float64)
    assert found.shape == table.shape, f"shape {found.shape}, not {table.shape}"
    moved = np.abs(found - table).sum() / 2 / table.sum()
    lost = abs(found.sum() - table.sum()) / table.sum()
    assert moved <= most, f"{moved:.2g} of the samples are in other bins (at most {most:.2g})"
    assert lost <= most, f"{lost:.2g} of the samples were lost (at most {most:.2g})"
    return found.size


def check_close(name: str, found: Any, wanted: Any, allowed: float) -> int:
    """Raise AssertionError where values differ by more than allowed."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape, f"{name}: shape {found.shape}, not {wanted.shape}"
    furthest = float(np.abs(found - wanted).max(initial=0.0))
    assert furthest <= allowed, f"{name} differ by {furthest:.2g} (at most {allowed:.2g})"
    return found.size


def average_precision_bounds(table: Array) -> tuple[float, float]:
    """Return between which values the average precision of unbinned scores lies.

    Inside a bin the best order has all positives first, but these may be tied with its
    negatives; the worst spreads the positives. See the sums of ``p * (TP + p) / (TP + FP + p)``
    and of ``p - (FP + n) * log1p(p / (TP + FP + n))`` over bins, from the highest down.
    """
    low = high = 0.0
    true, false = 0, 0
    for negatives, positives in table.T[::-1].tolist():
        before = true + false + negatives
        if positives:
            high += positives * (true + positives) / (true + false + positives)
            share = math.log1p(positives / before) if before else 0.0
            low += positives - (false + negatives) * share
        true, false = true + positives, false + negatives
    return low / true - 1e-12, high / true + 1e-12


def expected_average_precision(labels: Array, scores: Array, k: int) -> Array:
    """Return average precision at k of each row, from its sorted scores."""
    values = []
    for own, row in zip(labels, scores, strict=True):
        top = np.lexsort((np.arange(len(row)), -row))[:k]
        hits = np.isin(top, own)
        found = hits.cumsum() / np.arange(1, len(top) + 1)
        values.append((found * hits).sum() / min(k, len(set(own.tolist()))))
    return np.array(values)


def check_average_precision(values: Array, labels: Array, scores: Array, k: int) -> int:
    """Raise AssertionError unless the first rows have the values that sorting gives."""
    expected = expected_average_precision(labels[: len(values)], scores[: len(values)], k)
    return check_close("average precisions", values, expected, 1e-14)
