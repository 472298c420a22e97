"""Blocks of ranks, as the kernels leave them, for tests of what follows from ranks."""

import numpy as np
import ranking_oracle as oracle
from compare import assert_same_bits
from ranking_oracle import DENOMINATORS, NAMES, TIES

from fastpr.backends.protocol import RankBlock
from fastpr.ranking.metrics import cutoff_values

WEIGHTED = ("psp_hits", "psp_ideal", "psndcg_hits", "psndcg_ideal")
OPTIONS = [(d, t) for d in DENOMINATORS for t in TIES if (d, t) != ("hits", "expected")]
GARBAGE = -1234567


def block_of(rows, gaps=None, stride=None) -> RankBlock:
    """Return rows of entries as a block, with something else in the gaps between them.

    Parameters
    ----------
    rows : list of list of oracle.Entry
        The entries of each row.
    gaps : list of int, optional
        How many entries there are before each row, and after the last, that are nobody's.
    stride : int, optional
        How far apart rows begin.
    """
    lengths = [len(row) for row in rows]
    if stride is not None:
        gaps = [0, *(stride - length for length in lengths)]
    elif gaps is None:
        gaps = [0] * (len(rows) + 1)
    starts, columns = [], ([], [], [], [])
    for gap, row in zip(gaps, [*rows, []], strict=True):
        for column in columns:
            column += [GARBAGE] * gap
        starts.append(len(columns[0]))
        for entry in row:
            for column, value in zip(columns, entry, strict=True):
                column.append(value)
    ranks, above, labels, equal = columns
    return RankBlock(
        np.array(lengths, np.int64),
        np.array(starts[:-1], np.int64),
        np.array(ranks, np.int32),
        np.array(labels, np.int64),
        np.array(above, np.int32),
        np.array(equal, np.int32),
    )


def without_ties(block: RankBlock) -> RankBlock:
    return block._replace(labels=None, num_above=None, num_equal=None)


def random_rows(rng, num_rows, num_classes, k, num_scores, max_labels=None, min_labels=0):
    """Return the entries of rows whose scores take so many values."""
    max_labels = num_classes if max_labels is None else max_labels
    rows = []
    for _ in range(num_rows):
        scores = rng.integers(0, num_scores, num_classes).astype(float)
        labels = rng.permutation(num_classes)[: rng.integers(min_labels, max_labels + 1)]
        rows.append(oracle.entries(scores, labels, k))
    return rows


def all_values(block, k, denominator, ties, weights=None):
    names = NAMES if weights is None else NAMES + WEIGHTED
    return cutoff_values(block, k, denominator, ties, names, weights)


def assert_same_values(actual, expected):
    assert actual.keys() == expected.keys()
    for name, matrix in expected.items():
        assert_same_bits(actual[name], matrix, name)
