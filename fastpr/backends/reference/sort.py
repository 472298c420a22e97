"""Exact curves by NumPy's own sorting: the oracle of the other sorters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import Areas, Counts, Run

Array = NDArray[Any]


class SortedScores:
    """See `fastpr.backends.protocol.SortedSamples`."""

    def __init__(self, scores: Array, is_positive: Array, weights: Array | None) -> None:
        if weights is not None:
            some = weights != 0
            scores, is_positive, weights = scores[some], is_positive[some], weights[some]
        self.num_samples = len(scores)
        order = np.argsort(-scores, kind="stable")
        scores = scores[order] + 0.0  # -0.0 is 0.0
        each = np.ones(len(scores), np.int64) if weights is None else weights.astype(float)[order]
        firsts = np.flatnonzero(np.append(True, scores[1:] != scores[:-1])[: len(scores)])
        positives, negatives = each * is_positive[order], each * ~is_positive[order]
        self._scores = scores[firsts]
        # of each distinct score, and of all that are at or above it
        self._gains = [np.add.reduceat(part, firsts) for part in (positives, negatives)]
        self._seen = [np.cumsum(gain) for gain in self._gains]

    def precision(self) -> tuple[float, float]:
        """See `fastpr.backends.protocol.SortedSamples`."""
        tp, fp = self._seen
        return math.fsum((self._gains[0] * (tp / (tp + fp))).tolist()), float(tp[-1])

    def areas(self) -> Areas:
        """See `fastpr.backends.protocol.SortedSamples`."""
        gains = zip(*(gain.tolist() for gain in self._gains), strict=True)
        before = (self._seen[1] - self._gains[1]).tolist()
        lost = [tp * (2 * above + fp) for (tp, fp), above in zip(gains, before, strict=True)]
        tp, fp = (seen[-1].item() for seen in self._seen)
        return Areas(sum(lost) if isinstance(tp, int) else math.fsum(lost), fp, tp)

    def counts(self, dtype: Any, ascending: bool) -> Counts:
        """See `fastpr.backends.protocol.SortedSamples`."""
        tps, fps, thresholds = (
            np.append(part[::-1], 0) if ascending else np.append(0, part)
            for part in (*self._seen, self._scores)
        )
        return Counts(tps.astype(float), fps.astype(float), thresholds.astype(dtype))


def sort_scores(
    scores: Array, labels: NDArray[np.uint8], weights: Array | None, run: Run, num_parts: int
) -> SortedScores | None:
    """Sort samples; see `fastpr.backends.protocol.Sorter`."""
    return SortedScores(scores, labels != 0, weights) if np.isfinite(scores).all() else None


def keep_points(
    counts: Counts, first: int, last: int, corners_only: bool, run: Run, num_parts: int
) -> Counts:
    """Leave out points of a curve; see `fastpr.backends.protocol.Sorter`."""
    tps, fps, _ = counts
    if corners_only:
        changes = (np.diff(part[first : last + 1], n=2) != 0 for part in (tps, fps))
        inner = np.logical_or(*changes)
    else:
        differ = np.diff(tps[first : last + 1]) != 0
        inner = differ[1:] | differ[:-1]
    kept = np.flatnonzero(np.concatenate([[True], inner, [True]])) + first
    own = np.append(0, kept) if first else np.append(kept, last)  # and room for one more
    return Counts(*(part[own] for part in counts))


def to_precision_and_recall(counts: Counts, num_positives: float, run: Run, num: int) -> None:
    """Make ratios; see `fastpr.backends.protocol.Sorter`."""
    tps, fps, _ = counts
    seen = tps + fps
    fps[:] = np.divide(tps, seen, out=np.zeros_like(seen), where=seen != 0)
    tps[:] = tps / num_positives if num_positives else 1.0


def to_rates(
    counts: Counts, num_positives: float, num_negatives: float, run: Run, num: int
) -> None:
    """Make rates; see `fastpr.backends.protocol.Sorter`."""
    for part, total in ((counts.tps, num_positives), (counts.fps, num_negatives)):
        part[:] = part / total if total > 0 else np.nan
