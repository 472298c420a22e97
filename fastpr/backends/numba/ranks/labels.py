"""The labels of a row: sorting them, and putting what was counted for them in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# No reference counting: Numba would count, atomically, each use of each array for each row,
# which took twice the time of short rows. Nothing here makes or keeps an array.
KERNEL_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
# On the way of short rows, handing over a dozen arrays takes longer than the work.
INLINED = {**KERNEL_OPTIONS, "inline": "always"}


@njit(**KERNEL_OPTIONS)
def sort_integers(values, start, num):
    """Sort some integers from a start on (Shell's method: it compiles in no time)."""
    gap = 1
    while 9 * gap < num:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, start + num):
            value = values[i]
            j = i
            while j >= start + gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@njit(**INLINED)
def distinct_labels(labels, begin, end, num_ids, ids):
    """Write the ids in range, ascending and each once; return their number."""
    num = 0
    for i in range(begin, end):
        label = np.int64(labels[i])
        ids[num] = label
        num += np.int64(label >= 0) & np.int64(label < num_ids)
    sort_integers(ids, 0, num)
    num_distinct = min(num, 1)
    for i in range(1, num):
        ids[num_distinct] = ids[i]
        num_distinct += np.int64(ids[i] != ids[num_distinct - 1])
    return num_distinct


@njit(**INLINED)
def write_ranks(counts, num, k, order, begin, ranks):
    """Write the ranks of a row, ascending, and in `order` which label is where."""
    num_in = 0
    for i in range(num):
        order[num_in] = (np.int64(counts[0, i]) << 32) | i
        num_in += np.int64(counts[0, i] < k)
    sort_integers(order, 0, num_in)
    for i in range(num_in):
        ranks[begin + i] = np.int32(order[i] >> 32)
    for i in range(num_in, num):
        ranks[begin + i] = k
    return num_in


@njit(**KERNEL_OPTIONS)
def write_labels(ids, counts, num, num_in, k, order, begin, labels, out_above, out_equal):
    """Write the labels of the ranks; those of rank k by num_above, if asked, and id."""
    with_ties = len(out_above) > 0
    num_out = num_in
    for i in range(num):
        if counts[0, i] >= k:
            order[num_out] = (np.int64(counts[1, i]) << 32) * with_ties | i
            num_out += 1
    sort_integers(order, num_in, num - num_in)
    for i in range(num):
        label = order[i] & 0x7FFFFFFF
        if len(labels):
            labels[begin + i] = ids[label]
        if with_ties:
            out_above[begin + i] = counts[1, label]
            out_equal[begin + i] = counts[2, label]
