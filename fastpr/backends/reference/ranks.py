"""Ranks by sorting, and by comparing each class with each label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import RankBlock, RowBlock, bfloat16_values


def label_ranks(kernel: str, rows: RowBlock, k: int, out: RankBlock) -> None:
    """Rank the labels of a block of rows; see `fastpr.backends.protocol.Backend`."""
    scores, score_starts, labels, label_starts, num_ids, _ = rows
    num_rows = len(out.num_relevant)
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
        order = np.lexsort((ids, rank) if out.num_above is None else (ids, above, rank))
        place = slice(begin, begin + len(ids))
        out.num_relevant[row] = len(ids)
        for array, found in zip(out[2:], (rank, ids, above, equal), strict=True):
            if array is not None:
                array[place] = found[order]


def label_counts(
    kernel: str,
    piece: NDArray[Any],
    first: int,
    ids: NDArray[np.int64],
    label_scores: NDArray[Any],
    k: int,
    counts: NDArray[np.int64],
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    numbers = _as_numbers(kernel, piece)
    classes = np.arange(first, first + len(piece))
    for i, label in enumerate(_as_numbers(kernel, label_scores)):
        above = (numbers > label) | (np.isnan(label) & ~np.isnan(numbers))
        equal = (numbers == label) | (np.isnan(label) & np.isnan(numbers))
        found = above | (equal & (classes < ids[i])), above, equal
        counts[:, i] += [np.count_nonzero(part) for part in found[: len(counts)]]


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
