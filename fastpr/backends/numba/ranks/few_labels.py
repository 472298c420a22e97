"""Rows with at most 16 labels, of which only ranks are wanted: ``avx512_few_labels.h``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.options import INLINED_BY_NUMBA
from fastpr.backends.numba.vectors import (
    LANES,
    NUM_LANES,
    count_class,
    fetch_line,
    lowest_bit,
    num_below,
    which_pass,
)

# Classes that are read at once: few at first, since the labels of a poor model are out soon.
FIRST_CHUNK = 64
MOST_CHUNK = 2048
FIRST_LINES = 8  # of a row, asked for while the one before is ranked
MOST_FETCHED = 128  # labels whose scores are asked for then
_LINE = 64  # bytes
_NO_RANK = np.int32(np.iinfo(np.int32).max)


@njit(**INLINED_BY_NUMBA)
def fetch_row(scores, start, num_classes, labels, begin, end):
    """Ask for the start of a row and for the scores of its labels."""
    step = _LINE // scores.itemsize
    for line in range(min(FIRST_LINES, (num_classes + step - 1) // step)):
        fetch_line(scores, start + line * step)
    for i in range(begin, min(end, begin + MOST_FETCHED)):
        label = labels[i]
        if label >= 0 and label < num_classes:
            fetch_line(scores, start + label)


def make_rank_few(key_of: Any, range_of: Any, key_type: Any) -> Any:
    """Return the compiled function for scores of one width.

    Parameters
    ----------
    key_of, range_of : function
        Those of `fastpr.backends.numba.ranks.kernels`, compiled for that width.
    key_type : type
        A signed integer for keys.
    """
    lowest, highest = key_type(np.iinfo(key_type).min), key_type(np.iinfo(key_type).max)
    one, none = np.uint64(1), np.uint64(0)

    @njit(**INLINED_BY_NUMBA)
    def read_labels(scores, row_start, num_scores, labels, begin, end, infinity, keys, ids, before):
        """Write the distinct labels, a lane each; return their number, or -1 if one is NaN."""
        num = 0
        for i in range(begin, end):
            label = labels[i]
            if label < 0 or label >= num_scores:
                continue
            is_new = True
            for j in range(num):
                is_new &= ids[j] != label
            if not is_new:
                continue
            key = key_of(scores[row_start + label], infinity)
            if key == lowest:
                return -1
            keys[num] = key
            ids[num] = np.int32(label)
            before[num] = 0
            num += 1
        for i in range(num, NUM_LANES):
            keys[i] = highest
            ids[i] = 0
            before[i] = _NO_RANK
        return num

    @njit(**INLINED_BY_NUMBA)
    def count_chunk(
        scores, row_start, num_scores, start, stop, first, width, infinity, keys, ids, before
    ):
        for position in range(start, stop, LANES):
            # the last 64 of a row have some that were before
            block = min(position, num_scores - LANES)
            passes = which_pass(scores, row_start + block, first, width)
            passes &= ~none << np.uint64(position - block)
            while passes != 0:
                j = block + np.int64(lowest_bit(passes))
                passes &= passes - one
                key = key_of(scores[row_start + j], infinity)
                count_class(before, keys, ids, key, np.int32(j))

    @njit(**INLINED_BY_NUMBA)
    def rank_few(
        scores, row_start, num_scores, labels, begin, end, k, infinity, keys, ids, before, ranks
    ):
        """Write the ranks of a row of at least 64 scores, and return their number, or -1."""
        num = read_labels(
            scores, row_start, num_scores, labels, begin, end, infinity, keys, ids, before
        )
        active = (one << np.uint64(max(num, 0))) - one
        start, most = 0, FIRST_CHUNK
        while start < num_scores and active != 0:
            bar = np.int64(highest)
            for i in range(num):
                if (active >> np.uint64(i)) & one:
                    bar = min(bar, np.int64(keys[i]) + np.int64(ids[i] < start))
            is_over, first, width = range_of(bar, infinity)
            if is_over:
                break
            stop = min(start + most, num_scores)
            count_chunk(
                scores, row_start, num_scores, start, stop, first, width, infinity, keys, ids,
                before,
            )  # fmt: skip
            for i in range(num):
                active &= ~(np.uint64(before[i] >= k) << np.uint64(i))
            start = stop
            most = min(2 * most, MOST_CHUNK)
        for i in range(num):
            ranks[begin + i] = k
        for i in range(num):
            if (active >> np.uint64(i)) & one:
                ranks[begin + num_below(before, before[i])] = before[i]
        return num

    return rank_few
