"""Rows as lists, after a check of what kernels rely on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from fastpr.ranking.rows.host import Rows


def some_scores(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    values = np.random.default_rng(0).permutation(int(np.prod(shape))).astype(np.float64)
    return (values % 251).astype(dtype).reshape(shape)


def row_labels(rows: Rows, start: int = 0, stop: int | None = None) -> list[list[int]]:
    """The labels of some rows."""
    stop = rows.num_rows if stop is None else stop
    block = rows.block(start, stop)
    labels, starts = block.labels, block.label_starts
    assert labels.dtype in (np.int32, np.int64)
    assert labels.dtype.isnative
    assert labels.ndim == 1
    assert labels.flags.c_contiguous
    assert labels.flags.aligned
    if starts is None:
        return [] if start == stop else labels.reshape(stop - start, -1).tolist()
    assert starts.dtype == np.int64
    assert len(starts) == stop - start + 1
    assert (starts[0], starts[-1]) == (0, len(labels))
    return [labels[a:b].tolist() for a, b in pairwise(starts)]


def stored_rows(rows: Rows, start: int = 0, stop: int | None = None) -> list[dict[int, float]]:
    """The stored scores of some rows by class."""
    stop = rows.num_rows if stop is None else stop
    block = rows.block(start, stop)
    assert block.score_starts is not None
    assert block.ids is not None
    assert block.score_starts.dtype == np.int64
    assert len(block.score_starts) == stop - start + 1
    assert block.score_starts[-1] == len(block.scores) == len(block.ids)
    assert block.scores.dtype == rows.kind.storage
    assert block.scores.flags.c_contiguous
    assert block.num_ids <= 2**31 - 1
    found = []
    for begin, end in pairwise(block.score_starts):
        ids = block.ids[begin:end].tolist()
        assert ids == sorted(set(ids))
        found.append(dict(zip(ids, block.scores[begin:end].tolist(), strict=True)))
    return found
