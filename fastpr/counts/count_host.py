"""Samples on the host become counts: slices of them over all threads, added in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.arrays.dtypes import SCORE_KINDS
from fastpr.backends import parallel
from fastpr.backends.choose import choose_backend
from fastpr.backends.protocol import Backend
from fastpr.counts.bins import Bins
from fastpr.counts.samples.host import Samples
from fastpr.counts.table import ScoreCounts, check_finite_sums

_DTYPES_OF = {kind.name: frozenset({kind.name}) for kind in SCORE_KINDS}


def count_on_host(samples: Samples, bins: Bins, invalid: str, backend: str | None) -> ScoreCounts:
    """Count samples, and raise what is wrong with them."""
    kind = samples.kind
    table, report = score_histogram(samples, bins.stored_edges(kind), backend)
    num_dropped = samples.check(report, invalid)
    if samples.scalar_weight is not None:
        with np.errstate(over="ignore"):
            table = table * samples.scalar_weight
    elif not samples.has_weight_array:
        num_counted = samples.num_samples - num_dropped
        if not num_counted:
            return ScoreCounts(None, None, 0, num_dropped)
        return ScoreCounts(table, None, num_counted, num_dropped, _DTYPES_OF[kind.name])
    check_finite_sums(table)
    if not table.any():  # weights of 0 leave no trace
        return ScoreCounts(None, None, 0, num_dropped)
    sums = np.zeros((2, *table.shape))
    np.add(table, 0.0, out=sums[0])  # -0.0 becomes 0.0
    return ScoreCounts(None, sums, 0, num_dropped, _DTYPES_OF[kind.name])


_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)


def score_histogram(
    samples: Samples, thresholds: NDArray[Any], backend: str | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Count samples into a table, in parallel if they are many.

    Parameters
    ----------
    samples : Samples
        Canonical samples.
    thresholds : ndarray, shape (T,)
        In the dtype of the scores.
    backend : str, optional
        See `choose_backend`.

    Returns
    -------
    table : ndarray of int64 or, with an array of weights, float64, shape (2, T)
        By label and bin.
    report : ndarray of int64, shape (3,)
        See `Backend.score_histogram`.
    """
    _, module = choose_backend(backend)
    if samples.num_samples < parallel.MIN_PARALLEL:
        return _count(samples, thresholds, module, 0, samples.num_samples)
    slices = parallel.slices(samples.num_samples)
    total, total_report = _empty(samples, thresholds)

    def combine(part: tuple[NDArray[Any], NDArray[np.int64]]) -> None:
        with np.errstate(over="ignore"):  # infinite sums are an error later, with a message
            np.add(total, part[0], out=total)
        np.add(total_report, part[1], out=total_report)

    parallel.run(
        lambda index: _count(samples, thresholds, module, *slices[index]), len(slices), combine
    )
    return total, total_report


def _empty(samples: Samples, thresholds: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    dtype = _FLOAT64 if samples.has_weight_array else _INT64
    return np.zeros((2, len(thresholds)), dtype), np.zeros(3, _INT64)


def _count(
    samples: Samples, thresholds: NDArray[Any], module: Backend, start: int, stop: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    table, report = _empty(samples, thresholds)
    for scores, labels, *rest in samples.blocks(start, stop):
        weights = rest[0] if rest else None
        module.score_histogram(samples.kernel, scores, labels, weights, thresholds, table, report)
    return table, report
