"""The Numba form of ``csrc/ranks/count_before.h``, which says how ranks are counted.

Scores are unsigned integers, the bits of floats; a key is a signed integer in the order of the
scores. Comparisons of 64 at once are those of `fastpr.backends.numba.vectors`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from fastpr.backends.numba.options import INLINED_BY_LLVM, KERNEL_OPTIONS
from fastpr.backends.numba.ranks.arguments import ABOVE, BEFORE, EQUAL, ID, INDEX
from fastpr.backends.numba.ranks.labels import sort_labels
from fastpr.backends.numba.vectors import (
    EVERY,
    LANES,
    lowest_bit,
    num_above,
    num_around,
    which_pass,
    write_keys,
)

BATCH = LANES
# As in csrc/ranks/label_ranks.h, to which tests/backends/test_rules.py holds them. With more
# labels, finding the place of a class among them takes less time than comparing it with each.
FEW_LABELS = 256
# Classes that are collected before they are compared with labels, if k is not more: with
# fewer, comparing takes longer than what a higher bar saves.
FEW_CLASSES = 16

_LOWEST_ID, _HIGHEST_ID = np.iinfo(np.int32).min, np.iinfo(np.int32).max


class Keys(NamedTuple):
    """The compiled functions that turn bits into keys, for scores of one width."""

    key_of: Any
    read_keys: Any
    range_of: Any


def make_keys(bits_type: Any, key_type: Any) -> Keys:
    """Return the functions for scores of one width.

    Parameters
    ----------
    bits_type, key_type : type
        NumPy's unsigned integer of the width of a score, and a signed one for its keys.
    """
    bits_of, key_from = bits_type, key_type
    sign = bits_type(1 << (np.dtype(bits_type).itemsize * 8 - 1))
    magnitude_mask = bits_type(int(sign) - 1)
    largest = bits_type(np.iinfo(bits_type).max)
    lowest = key_type(np.iinfo(key_type).min)

    @njit(**KERNEL_OPTIONS)
    def key_of(bits, infinity):
        if infinity == 0:
            return key_from(bits)
        magnitude = bits_of(bits & magnitude_mask)
        key = key_from(-key_from(magnitude)) if bits >= sign else key_from(magnitude)
        return lowest if magnitude > infinity else key

    @njit(**KERNEL_OPTIONS)
    def read_keys(scores, start, num, infinity, keys):
        """Write 64 keys, and the lowest in place of those past the end."""
        if num >= BATCH and infinity != 0:
            write_keys(scores, start, infinity, keys, 0)
            return
        for j in range(min(num, BATCH)):
            keys[j] = key_of(scores[start + j], infinity)
        for j in range(num, BATCH):
            keys[j] = lowest

    @njit(**KERNEL_OPTIONS)
    def range_of(bar, infinity):
        """Return whether no key is that high, and which bits are those of higher keys."""
        highest = largest if infinity == 0 else infinity
        if bar > np.int64(highest):
            return True, bits_of(0), bits_of(0)
        if infinity != 0 and bar <= 0:
            return False, bits_of(0), bits_of(sign | bits_of(-bar))
        return False, bits_of(bar), bits_of(highest - bits_of(bar))

    return Keys(key_of, read_keys, range_of)


@njit(**KERNEL_OPTIONS)
def put_out(index, k, counts):
    """Write down that k classes are before and above a label."""
    counts[0, index] = k
    counts[1, index] = k
    counts[2, index] = 0


@njit(**KERNEL_OPTIONS)
def place_of(label_keys, fields, num, key, class_id):
    """Return the number of labels, the best first, that a class is not before."""
    low = 0
    while num > 0:
        half = num // 2
        middle = low + half
        other = label_keys[middle]
        if other > key or (other == key and fields[ID, middle] <= class_id):
            low = middle + 1
            num -= half + 1
        else:
            num = half
    return low


@njit(**KERNEL_OPTIONS)
def place_batch(scratch, num, options, num_labels, worst):
    """Find the place of each class of a batch among the labels.

    Return how many labels are left, the bar, and how many classes are before the last of them.
    Counts are those of the classes whose place is right before a label, to be summed up at the
    end; `worst` is the sum for the last label.
    """
    label_keys, fields, _, ids, keys, counts = scratch
    last_id = ids[num - 1]
    for j in range(num):
        place = place_of(label_keys, fields, num_labels, keys[j], ids[j])
        fields[BEFORE, place] += 1
        if options.with_ties:
            above = place_of(label_keys, fields, num_labels, keys[j], _HIGHEST_ID)
            at_least = place_of(label_keys, fields, num_labels, keys[j], _LOWEST_ID)
            fields[ABOVE, above] += 1
            fields[EQUAL, at_least] += 1
            worst += np.int64(above < num_labels)
        else:
            worst += np.int64(place < num_labels)
    while num_labels > 0 and worst >= options.k:
        num_labels -= 1
        worst -= fields[ABOVE if options.with_ties else BEFORE, num_labels]
        put_out(fields[INDEX, num_labels], options.k, counts)
        fields[BEFORE, num_labels] = 0
        fields[ABOVE, num_labels] = 0
        fields[EQUAL, num_labels] = 0
    bar = np.int64(0)
    if num_labels:
        last = num_labels - 1
        passed = (not options.with_ties) and fields[ID, last] <= last_id
        bar = np.int64(label_keys[last]) + np.int64(passed)
    return num_labels, bar, worst


@njit(**KERNEL_OPTIONS)
def write_counts(scratch, num_labels, k, many):
    """Write down what was counted for the labels that are left."""
    fields, counts = scratch.fields, scratch.counts
    before, above, at_least = np.int32(0), np.int32(0), np.int32(0)
    for i in range(num_labels):
        if many:
            before += fields[BEFORE, i]
            above += fields[ABOVE, i]
            at_least += fields[EQUAL, i]
        else:
            before, above = fields[BEFORE, i], fields[ABOVE, i]
            at_least = above + fields[EQUAL, i]
        index = fields[INDEX, i]
        counts[0, index] = min(before, k)
        counts[1, index] = above
        counts[2, index] = at_least - above


def make_count_before(functions: Keys, key_type: Any) -> Any:
    """Return the compiled function that counts for the labels of a row, of one width."""
    key_of, read_keys, range_of = functions
    key_from = key_type
    lowest = key_type(np.iinfo(key_type).min)

    @njit(**KERNEL_OPTIONS)
    def count_batch(scratch, num, options, num_labels):
        """Compare each label with a batch; return how many are left, and the bar."""
        label_keys, fields, _, ids, keys, counts = scratch
        first_id, last_id = ids[0], ids[num - 1]
        num_left = 0
        bar = np.int64(0)
        for i in range(num_labels):
            key, own_id = label_keys[i], fields[ID, i]
            if own_id > last_id:
                before = num_above(keys, 0, EVERY, key_from(key - key_from(1)))
            elif own_id < first_id:
                before = num_above(keys, 0, EVERY, key)
            else:
                before = num_around(keys, ids, EVERY, key, own_id)
            before += fields[BEFORE, i]
            reached = before
            if options.with_ties:
                above = num_above(keys, 0, EVERY, key)
                at_least = num_above(keys, 0, EVERY, key_from(key - key_from(1)))
                fields[EQUAL, i] += at_least - above
                fields[ABOVE, i] += above
                reached = fields[ABOVE, i]
            if reached >= options.k:
                put_out(fields[INDEX, i], options.k, counts)
                continue
            label_keys[num_left] = key
            fields[ID, num_left] = own_id
            fields[INDEX, num_left] = fields[INDEX, i]
            fields[BEFORE, num_left] = before
            fields[ABOVE, num_left] = fields[ABOVE, i]
            fields[EQUAL, num_left] = fields[EQUAL, i]
            matters = np.int64(key) + np.int64((not options.with_ties) and own_id <= last_id)
            bar = matters if num_left == 0 else min(bar, matters)
            num_left += 1
        return num_left, bar

    # As a call, as `count_before` too, it takes 9 % longer for rows of float64.
    @njit(**INLINED_BY_LLVM)
    def run_race(row, options, scratch, num_labels, bar, many):
        scores, row_start, num_scores = row
        bits, ids = scratch.bits, scratch.ids
        is_over, first, width = range_of(bar, options.infinity)
        num, worst, start = 0, 0, 0
        enough = min(max(options.k, FEW_CLASSES), BATCH)
        while start < num_scores and not is_over:
            if num_scores >= BATCH:
                # the last 64 of a row have some that were before
                block = min(start, num_scores - BATCH)
                passes = which_pass(scores, row_start + block, first, width)
                passes &= ~np.uint64(0) << np.uint64(start - block)
                while passes != 0:
                    j = block + np.int64(lowest_bit(passes))
                    passes &= passes - np.uint64(1)
                    bits[num] = scores[row_start + j]
                    ids[num] = np.int32(j)
                    num += 1
            else:
                for j in range(num_scores):
                    bits[num] = scores[row_start + j]
                    ids[num] = np.int32(j)
                    num += 1
            start += BATCH
            while num >= enough or (num > 0 and (is_over or start >= num_scores)):
                some = min(num, BATCH)
                read_keys(bits, 0, some, options.infinity, scratch.keys)
                if many:
                    num_labels, bar, worst = place_batch(scratch, some, options, num_labels, worst)
                else:
                    num_labels, bar = count_batch(scratch, some, options, num_labels)
                num -= some
                for j in range(num):
                    bits[j] = bits[j + BATCH]
                    ids[j] = ids[j + BATCH]
                is_over, first, width = range_of(bar, options.infinity)
                if num_labels == 0:
                    return
        write_counts(scratch, num_labels, options.k, many)

    @njit(**KERNEL_OPTIONS)
    def count_nan(row, options, scratch, num_labels):
        """Count for the labels whose score is NaN: every number comes before them."""
        fields, counts = scratch.fields, scratch.counts
        num_nan, num_numbers, following, j = 0, 0, 0, 0
        while j < row.length and num_numbers < options.k:
            while following < num_labels and fields[ID, following] <= j:
                fields[BEFORE, following] = num_nan
                following += 1
            is_nan = key_of(row.scores[row.start + j], options.infinity) == lowest
            num_nan += np.int64(is_nan)
            num_numbers += np.int64(not is_nan)
            j += 1
        for i in range(num_labels):
            if scratch.label_keys[i] == lowest:
                index = fields[INDEX, i]
                nan_before = np.int64(fields[BEFORE, i]) if i < following else num_nan
                counts[0, index] = min(num_numbers + nan_before, options.k)
                counts[1, index] = num_numbers
                counts[2, index] = num_nan if num_numbers < options.k else 0

    @njit(**INLINED_BY_LLVM)
    def count_before(row, options, scratch, num_labels):
        """Fill counts for the labels whose keys, ids and indices are given."""
        label_keys, fields, k = scratch.label_keys, scratch.fields, options.k
        num = 0
        for i in range(num_labels):
            num += np.int64(label_keys[i] != lowest)
        if num < num_labels:
            count_nan(row, options, scratch, num_labels)
            num = 0
            for i in range(num_labels):
                if label_keys[i] != lowest:
                    label_keys[num] = label_keys[i]
                    fields[ID, num] = fields[ID, i]
                    fields[INDEX, num] = fields[INDEX, i]
                    num += 1
        if num == 0:
            return
        many = num > FEW_LABELS
        if many or num > k:
            sort_labels((label_keys, fields), 0, num)
            kept = min(num, k)
            while options.with_ties and kept < num and label_keys[kept] == label_keys[k - 1]:
                kept += 1
            for i in range(kept, num):
                put_out(fields[INDEX, i], k, scratch.counts)
            num = kept
            many = num > FEW_LABELS
        bar = np.int64(label_keys[0])
        for i in range(num + 1):
            fields[BEFORE, i] = 0
            fields[ABOVE, i] = 0
            fields[EQUAL, i] = 0
            if i < num:
                bar = min(bar, np.int64(label_keys[i]))
        run_race(row, options, scratch, num, bar, many)

    return count_before
