"""Sorting the labels of a row, and writing their ranks; see `fastpr.backends.cuda.ranks.kernels`.

`sync` lets the threads of a group wait for each other, and see what they wrote; `add` adds to
an element of an array at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastpr.backends.cuda.device import inlined
from fastpr.backends.cuda.ranks.rows import (
    INSIDE,
    NO_LABEL,
    NUM_OWN,
    ONE,
    REPEATED,
    STORED,
    VALID,
    ZERO,
    integers,
    make_searches,
    read_integer,
)
from fastpr.backends.cuda.ranks.scores import outranks, score_form


@cache
def make_sorting(sync: Any, in_shared: bool) -> Any:
    """Return (sort, sort_few, sort_ids), which begin and end with threads in step."""
    as_index, number = integers(in_shared)

    @inlined
    def sort(keys, key_at, words, at, num, me, threads):
        """Sort labels in ranking order.

        A bitonic network in which the better label always goes to the lower place, so that
        it serves any number: what is missing at the end would stay there.
        """
        span = number(1)
        while span < num:
            reach, is_mirrored = span, True
            while reach > 0:
                pair = number(me)
                low = number(pair & (reach - 1))
                i = number(2 * pair - low)
                while i < num:
                    j = number(i + reach)
                    if is_mirrored:
                        j = number(j + reach - 1 - 2 * low)
                    if j < num:
                        key, other_key = keys[as_index(key_at + i)], keys[as_index(key_at + j)]
                        own, other = words[as_index(at + i)], words[as_index(at + j)]
                        if outranks(other_key, other, key, own):
                            keys[as_index(key_at + i)], keys[as_index(key_at + j)] = other_key, key
                            words[as_index(at + i)], words[as_index(at + j)] = other, own
                    pair = number(pair + threads)
                    low = number(pair & (reach - 1))
                    i = number(2 * pair - low)
                sync()
                reach, is_mirrored = number(reach >> 1), False
            span = number(2 * span)

    @inlined
    def sort_ids(words, at, num, me, threads):
        """Sort labels by id; the same network."""
        span = number(1)
        while span < num:
            reach, is_mirrored = span, True
            while reach > 0:
                pair = number(me)
                low = number(pair & (reach - 1))
                i = number(2 * pair - low)
                while i < num:
                    j = number(i + reach)
                    if is_mirrored:
                        j = number(j + reach - 1 - 2 * low)
                    if j < num:
                        own, other = words[as_index(at + i)], words[as_index(at + j)]
                        if other < own:
                            words[as_index(at + i)], words[as_index(at + j)] = other, own
                    pair = number(pair + threads)
                    low = number(pair & (reach - 1))
                    i = number(2 * pair - low)
                sync()
                reach, is_mirrored = number(reach >> 1), False
            span = number(2 * span)

    @inlined
    def sort_few(keys, key_at, words, at, num, me, threads):
        """Sort no more labels than threads in ranking order: each finds the place of one."""
        mine = number(min(me, num - 1))
        key, own = keys[as_index(key_at + mine)], words[as_index(at + mine)]
        place, i = ZERO, ZERO
        while i < num:
            other = words[as_index(at + i)]
            is_before = outranks(keys[as_index(key_at + i)], other, key, own)
            if is_before or (other == own and i < me):
                place = np.int32(place + 1)
            i = np.int32(i + 1)
        sync()
        if me < num:
            keys[as_index(key_at + place)] = key
            words[as_index(at + place)] = own
        sync()

    return sort, sort_few, sort_ids


@cache
def make_label_sorting(kernel: str, with_ties: bool, sync: Any, in_shared: bool) -> Any:
    """Return how to read the labels of a row, and to sort them, each once; counts become 0."""
    form = score_form(kernel)
    lowest, load, key_of = form.lowest, form.load, form.key_of
    sort, sort_few, _ = make_sorting(sync, in_shared)
    as_index, number = integers(in_shared)

    @inlined
    def sort_labels(
        row, length, class_stride, num_ids, labels, labels_stride, storage, num, keys, key_at,
        words, at, stride, own, own_at, me, threads,
    ):  # fmt: skip
        i = number(me)
        while i < NUM_OWN:
            own[as_index(own_at + i)] = ZERO
            i = number(i + threads)
        i = number(me)
        while i < num:
            label = read_integer(np.int64(labels + i * labels_stride), storage)
            key, class_id = lowest, NO_LABEL
            if label >= 0 and label < num_ids:
                class_id = np.int32(label)
                if label < length:
                    key = key_of(load(np.int64(row + label * class_stride)))
            keys[as_index(key_at + i)] = key
            words[as_index(at + i)] = class_id
            i = number(i + threads)
        sync()
        is_sorted = False
        while not is_sorted:
            if num <= threads:
                sort_few(keys, key_at, words, at, num, me, threads)
            else:
                sort(keys, key_at, words, at, num, me, threads)
            i = number(me)
            while i < num:
                class_id, previous, following = words[as_index(at + i)], NO_LABEL, NO_LABEL
                if i > 0:
                    previous = words[as_index(at + i - 1)]
                if i + 1 < num:
                    following = words[as_index(at + i + 1)]
                is_repeated = class_id != NO_LABEL and previous == class_id
                words[as_index(at + stride + i)] = np.int32(is_repeated)
                if with_ties:
                    words[as_index(at + 2 * stride + i)] = ZERO
                    words[as_index(at + 3 * stride + i)] = ZERO
                if is_repeated:
                    own[as_index(own_at + REPEATED)] = ONE
                if class_id != NO_LABEL and following == NO_LABEL:
                    own[as_index(own_at + VALID)] = np.int32(i + 1)
                # those that have no score are like NaN, and their ids follow the others
                if class_id < length and following >= length:
                    own[as_index(own_at + STORED)] = np.int32(i + 1)
                i = number(i + threads)
            sync()
            is_sorted = own[as_index(own_at + REPEATED)] == 0
            sync()
            if not is_sorted:
                i = number(me)
                while i < num:
                    if words[as_index(at + stride + i)] != 0:
                        keys[as_index(key_at + i)] = lowest
                        words[as_index(at + i)] = NO_LABEL
                        words[as_index(at + stride + i)] = ZERO
                    i = number(i + threads)
                if me == 0:
                    own[as_index(own_at + REPEATED)] = ZERO
                sync()

    return sort_labels


@cache
def make_writing(with_ties: bool, sync: Any, add: Any, in_shared: bool) -> Any:
    """Return how to write the ranks of the labels of a row, some of which were in play."""
    _, _, sort_ids = make_sorting(sync, in_shared)
    as_index, number = integers(in_shared)
    searches = make_searches(as_index)
    first_not_above, first_below = searches.first_not_above, searches.first_below

    @inlined
    def add_up(num, words, counts, own, parts, me, threads):
        """Replace counts by the sums up to each."""
        each = number(1)
        while each * threads < num:
            each = number(2 * each)
        begin = number(min(me * each, num))
        end = number(min(begin + each, num))
        total, i = ZERO, begin
        while i < end:
            total = np.int32(total + words[as_index(counts + i)])
            words[as_index(counts + i)] = total
            i = number(i + 1)
        own[as_index(parts + me)] = total
        sync()
        shift, i = ZERO, ZERO
        while i < me and begin < end:
            shift = np.int32(shift + own[as_index(parts + i)])
            i = np.int32(i + 1)
        i = begin
        while i < end:
            words[as_index(counts + i)] = np.int32(words[as_index(counts + i)] + shift)
            i = number(i + 1)
        sync()

    @inlined
    def write_row(
        out, at_ranks, num_entries, with_labels, k, valid, num, keys, key_at, words, at, stride,
        own, own_at, me, threads,
    ):  # fmt: skip
        add_up(num, words, at + stride, own, own_at + NUM_OWN, me, threads)
        at_labels = np.int64(at_ranks + num_entries)
        at_above = np.int64(at_labels + (num_entries if with_labels else 0))
        at_equal = np.int64(at_above + num_entries)
        inside = ZERO
        i = number(me)
        while i < num:
            rank = words[as_index(at + stride + i)]
            above = rank
            if with_ties:
                key = keys[as_index(key_at + i)]
                end = first_below(keys, key_at, np.int32(i), num, key)
                begin = first_not_above(keys, key_at, ZERO, np.int32(i), key)
                tied = words[as_index(at + 3 * stride + begin)]
                above = np.int32(words[as_index(at + stride + end - 1)] - tied)
                if above < k:
                    out[np.uint64(at_above + i)] = above
                    out[np.uint64(at_equal + i)] = words[as_index(at + 2 * stride + begin)]
            if above < k:
                inside = np.int32(inside + 1)
                out[np.uint64(at_ranks + i)] = np.int32(min(rank, k))
                if with_labels:
                    out[np.uint64(at_labels + i)] = words[as_index(at + i)]
            i = number(i + threads)
        if inside != 0:
            add(own, as_index(own_at + INSIDE), inside)
        sync()
        # all that is left has rank k; of that, the ids ascend
        inside = own[as_index(own_at + INSIDE)]
        if with_labels and inside < valid:
            sort_ids(words, at + inside, number(valid - inside), me, threads)
        i = number(inside + me)
        while i < valid:
            out[np.uint64(at_ranks + i)] = k
            if with_labels:
                out[np.uint64(at_labels + i)] = words[as_index(at + i)]
            if with_ties:
                out[np.uint64(at_above + i)] = k
                out[np.uint64(at_equal + i)] = ZERO
            i = number(i + threads)

    return write_row
