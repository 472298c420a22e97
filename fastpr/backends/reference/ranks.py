"""Ranks by sorting, and by comparing each class with each label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import bfloat16_values


def label_ranks(
    kernel: str,
    scores: NDArray[Any],
    score_starts: NDArray[np.int64] | None,
    labels: NDArray[Any],
    label_starts: NDArray[np.int64] | None,
    num_ids: int,
    k: int,
    num_relevant: NDArray[np.int64],
    ranks: NDArray[np.int32],
    ranked_labels: NDArray[np.int64] | None,
    num_above: NDArray[np.int32] | None,
    num_equal: NDArray[np.int32] | None,
) -> None:
    """Rank the labels of a block of rows; see `fastpr.backends.protocol.Backend`."""
    num_rows = len(num_relevant)
    num_labels = len(labels) // num_rows
    for row in range(num_rows):
        begin = row * num_labels if label_starts is None else int(label_starts[row])
        end = begin + num_labels if label_starts is None else int(label_starts[row + 1])
        row_scores = (
            scores[row]
            if score_starts is None
            else scores[score_starts[row] : score_starts[row + 1]]
        )
        ids = np.unique(labels[begin:end])
        ids = ids[(ids >= 0) & (ids < num_ids)].astype(np.int64)
        stored = ids < len(row_scores)
        rank, above, equal = (np.full(len(ids), k, np.int64) for _ in range(3))
        rank[stored], above[stored], equal[stored] = _places(
            _as_numbers(kernel, row_scores), ids[stored]
        )
        rank = np.minimum(rank, k)
        equal[above >= k] = 0
        above = np.minimum(above, k)
        # without numbers of ties, those that are not in the top k are all alike
        order = np.lexsort((ids, rank) if num_above is None else (ids, above, rank))
        place = slice(begin, begin + len(ids))
        num_relevant[row] = len(ids)
        ranks[place] = rank[order]
        if ranked_labels is not None:
            ranked_labels[place] = ids[order]
        if num_above is not None and num_equal is not None:
            num_above[place] = above[order]
            num_equal[place] = equal[order]


def label_counts(
    kernel: str,
    piece: NDArray[Any],
    first: int,
    ids: NDArray[np.int64],
    label_scores: NDArray[Any],
    k: int,
    num_before: NDArray[np.int64],
    num_above: NDArray[np.int64] | None,
    num_equal: NDArray[np.int64] | None,
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    numbers = _as_numbers(kernel, piece)
    classes = np.arange(first, first + len(piece))
    for i, label in enumerate(_as_numbers(kernel, label_scores)):
        above = (numbers > label) | (np.isnan(label) & ~np.isnan(numbers))
        equal = (numbers == label) | (np.isnan(label) & np.isnan(numbers))
        num_before[i] += np.count_nonzero(above | (equal & (classes < ids[i])))
        if num_above is not None and num_equal is not None:
            num_above[i] += np.count_nonzero(above)
            num_equal[i] += np.count_nonzero(equal)


def _as_numbers(kernel: str, scores: NDArray[Any]) -> NDArray[np.float64]:
    if kernel == "f16":
        scores = scores.view(np.float16)
    elif kernel == "bf16":
        scores = bfloat16_values(scores)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return scores.astype(np.float64)


def _places(
    numbers: NDArray[np.float64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the ranks of ids, how many scores are above theirs, and how many equal."""
    is_nan = np.isnan(numbers)
    order = np.lexsort((np.arange(len(numbers)), -numbers, is_nan))
    ranks = np.empty(len(numbers), np.int64)
    ranks[order] = np.arange(len(numbers))
    upwards = np.sort(numbers)  # NaN last
    num_numbers = len(numbers) - np.count_nonzero(is_nan)
    above = num_numbers - np.searchsorted(upwards[:num_numbers], numbers[ids], side="right")
    at_least = num_numbers - np.searchsorted(upwards[:num_numbers], numbers[ids], side="left")
    above[is_nan[ids]] = num_numbers
    at_least[is_nan[ids]] = len(numbers)
    return ranks[ids], above, at_least - above
