"""Counts by looking each score up among the thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.rules import MINUS_ZERO_HALF

# So few weights in a sum that its rounding error stays far below 1e-12.
_CHUNK = 2048


def score_histogram(
    kernel: str,
    scores: NDArray[Any],
    labels: NDArray[Any],
    weights: NDArray[Any] | None,
    thresholds: NDArray[Any],
    table: NDArray[Any],
    report: NDArray[np.int64],
) -> None:
    """Add a block of samples to a table; see `fastpr.backends.protocol.Backend`."""
    for start in range(0, len(scores), _CHUNK):
        part = slice(start, start + _CHUNK)
        _add_chunk(
            kernel,
            scores[part],
            labels[part],
            None if weights is None else weights[part],
            thresholds,
            table,
            report,
        )


def _add_chunk(
    kernel: str,
    scores: NDArray[Any],
    labels: NDArray[Any],
    weights: NDArray[Any] | None,
    thresholds: NDArray[Any],
    table: NDArray[Any],
    report: NDArray[np.int64],
) -> None:
    num_thresholds = len(thresholds)
    if kernel == "half":
        scores = np.where(scores == MINUS_ZERO_HALF, np.uint16(0), scores)
    if labels.dtype == np.uint8:
        labels = (labels != 0).astype(np.uint8)
    if weights is not None and weights.dtype == np.uint8:
        weights = weights != 0

    valid_scores = (scores >= thresholds[0]) & (scores <= thresholds[-1])
    valid_labels = (labels == 0) | (labels == 1)
    keep = valid_scores & valid_labels
    report[0] += np.count_nonzero(~valid_scores)
    report[1] += np.count_nonzero(~valid_labels)
    if weights is not None:
        valid_weights = np.isfinite(weights) & (weights >= 0)
        report[2] += np.count_nonzero(~valid_weights)
        keep &= valid_weights
        weights = weights[keep]

    bins = np.searchsorted(thresholds, scores[keep], side="right") - 1
    cells = labels[keep].astype(np.intp) * num_thresholds + bins
    sums = np.bincount(cells, weights, minlength=2 * num_thresholds)
    table += sums.reshape(2, num_thresholds).astype(table.dtype)
