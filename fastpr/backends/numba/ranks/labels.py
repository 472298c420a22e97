"""The labels of a row: sorting them, and putting what was counted for them in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.options import INLINED_BY_NUMBA, KERNEL_OPTIONS
from fastpr.backends.numba.ranks.arguments import ID, INDEX


def _make_sort(take: Any, put: Any, is_after: Any) -> Any:
    """Return a compiled sort (Shell's method: it compiles in no time).

    Parameters
    ----------
    take, put : function
        Compiled: what is at an index, and putting it there.
    is_after : function
        Compiled: whether what is at an index has to come after something else.
    """

    @njit(**KERNEL_OPTIONS)
    def sort(values, start, num):
        gap = 1
        while 9 * gap < num:
            gap = 3 * gap + 1
        while gap > 0:
            for i in range(start + gap, start + num):
                value = take(values, i)
                j = i
                while j >= start + gap and is_after(values, j - gap, value):
                    put(values, j, take(values, j - gap))
                    j -= gap
                put(values, j, value)
            gap //= 3

    return sort


@njit(**INLINED_BY_NUMBA)
def _integer(values, i):
    return values[i]


@njit(**INLINED_BY_NUMBA)
def _put_integer(values, i, value):
    values[i] = value


@njit(**INLINED_BY_NUMBA)
def _is_greater(values, i, value):
    return values[i] > value


@njit(**INLINED_BY_NUMBA)
def _label(labels, i):
    keys, fields = labels
    return keys[i], fields[ID, i], fields[INDEX, i]


@njit(**INLINED_BY_NUMBA)
def _put_label(labels, i, label):
    keys, fields = labels
    keys[i], fields[ID, i], fields[INDEX, i] = label


@njit(**INLINED_BY_NUMBA)
def _is_worse(labels, i, label):
    keys, fields = labels
    return keys[i] < label[0] or (keys[i] == label[0] and fields[ID, i] > label[1])


sort_integers = _make_sort(_integer, _put_integer, _is_greater)
# Of keys and fields: by score descending, then id.
sort_labels = _make_sort(_label, _put_label, _is_worse)


@njit(**INLINED_BY_NUMBA)
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


@njit(**INLINED_BY_NUMBA)
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
