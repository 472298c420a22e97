"""Counting the classes of a row that come before its labels.

See `fastpr.backends.cuda.ranks.kernels`.

`sync` lets the threads of a group wait for each other, and see what they wrote; `add` adds to
an element of an array at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastpr.backends.cuda.device import inlined
from fastpr.backends.cuda.ranks.rows import (
    IN_PLAY,
    ONE,
    STORED,
    TOTAL,
    ZERO,
    integers,
    make_searches,
)
from fastpr.backends.cuda.ranks.scores import WIDE, outranks, score_form


@cache
def make_play(with_ties: bool, sync: Any, add: Any, in_shared: bool) -> Any:
    """Return (num_to_play, look): how many labels are in play at first, and after some classes."""
    as_index, number = integers(in_shared)
    first_not_above = make_searches(as_index).first_not_above

    @inlined
    def num_to_play(k, own, own_at):
        stored = own[as_index(own_at + STORED)]
        return stored if with_ties else np.int32(min(stored, k))

    @inlined
    def leave(total, k, num, keys, key_at, words, at, stride):
        """Let the last label go, or the last ones of one score, while k classes are before."""
        while num > 0:
            first, above = np.int32(num - 1), total
            if with_ties:
                last_key = keys[as_index(key_at + num - 1)]
                first = first_not_above(keys, key_at, ZERO, first, last_key)
                above = np.int32(total - words[as_index(at + 3 * stride + first)])
            if above < k:
                break
            while num > first:
                num = np.int32(num - 1)
                total = np.int32(total - words[as_index(at + stride + num)])
        return num

    @inlined
    def look(k, num, keys, key_at, words, at, stride, own, own_at, me, threads):
        sync()
        part = ZERO
        i = number(me)
        while i < num:
            part = np.int32(part + words[as_index(at + stride + i)])
            i = number(i + threads)
        if part != 0:
            add(own, as_index(own_at + TOTAL), part)
        sync()
        if me == 0:
            total = own[as_index(own_at + TOTAL)]
            own[as_index(own_at + TOTAL)] = ZERO
            left = leave(total, k, num, keys, key_at, words, at, stride)
            own[as_index(own_at + IN_PLAY)] = left
        sync()
        return own[as_index(own_at + IN_PLAY)]

    return num_to_play, look


@cache
def _make_add_one(with_ties: bool, add: Any, in_shared: bool) -> Any:
    """Return how a class is counted that is not below the last label in play."""
    as_index, _ = integers(in_shared)
    searches = make_searches(as_index)
    first_not_above, first_outranked = searches.first_not_above, searches.first_outranked

    @inlined
    def add_one(key, class_id, keys, key_at, words, at, stride, num):
        last = np.int32(num - 1)
        last_key = keys[as_index(key_at + last)]
        if outranks(key, class_id, last_key, words[as_index(at + last)]):
            place = first_outranked(keys, key_at, words, at, ZERO, last, key, class_id)
            add(words, as_index(at + stride + place), ONE)

    @inlined
    def add_one_with_ties(key, class_id, keys, key_at, words, at, stride, num):
        last = np.int32(num - 1)
        if outranks(keys[as_index(key_at + last)], 0, key, 0):
            return
        place = first_not_above(keys, key_at, ZERO, last, key)
        passed = place
        if not outranks(key, 0, keys[as_index(key_at + place)], 0):
            add(words, as_index(at + 2 * stride + place), ONE)
            passed = first_outranked(keys, key_at, words, at, place, num, key, class_id)
            if passed < num and not outranks(key, 0, keys[as_index(key_at + passed)], 0):
                add(words, as_index(at + 3 * stride + place), ONE)
        if passed < num:
            add(words, as_index(at + stride + passed), ONE)

    return add_one_with_ties if with_ties else add_one


@cache
def make_counting(
    kernel: str, is_wide: bool, with_ties: bool, sync: Any, add: Any, in_shared: bool
) -> Any:
    """Return how to count some classes of a row, for the labels in play."""
    form = score_form(kernel)
    load, key_of = form.load, form.key_of
    span = WIDE if is_wide else form.item_size
    item_shift = form.item_size.bit_length() - 1
    load_shift = (span // form.item_size).bit_length() - 1
    load_some, reach = form.load_wide, form.reach
    if not is_wide:
        load_some, reach = load, inlined(lambda score, bar: not key_of(score) < bar)
    add_one = _make_add_one(with_ties, add, in_shared)
    _, look = make_play(with_ties, sync, add, in_shared)
    as_index, _ = integers(in_shared)

    @inlined
    def count_classes(
        row, class_stride, first, length, k, may_look, num, keys, key_at, words, at, stride, own,
        own_at, me, threads,
    ):  # fmt: skip
        place = np.int64(row + first * class_stride)
        head, load_stride = ZERO, np.int64(class_stride)
        if is_wide:
            head = np.int32(min(((-place) & (WIDE - 1)) >> item_shift, length))
            place = np.int64(place + (head << item_shift))
            load_stride = np.int64(WIDE)
        num_loads = np.int32((length - head) >> load_shift)
        class_id = np.int32(first + head)
        b, c, d = np.int32(me + threads), np.int32(me + 2 * threads), np.int32(me + 3 * threads)
        at_once = np.int32(4 * threads)
        left, until_look, between_looks = num_loads, at_once, at_once
        bar = keys[as_index(key_at + num - 1)]
        while left > 0:
            last = np.int32(min(left, at_once) - 1)
            some_a = load_some(np.int64(place + min(me, last) * load_stride))
            some_b = load_some(np.int64(place + min(b, last) * load_stride))
            some_c = load_some(np.int64(place + min(c, last) * load_stride))
            some_d = load_some(np.int64(place + min(d, last) * load_stride))
            found = ZERO
            if (me <= last) & reach(some_a, bar):
                found = ONE
            if (b <= last) & reach(some_b, bar):
                found = np.int32(found | 2)
            if (c <= last) & reach(some_c, bar):
                found = np.int32(found | 4)
            if (d <= last) & reach(some_d, bar):
                found = np.int32(found | 8)
            one = me
            while found != 0:
                if found & 1:
                    # Read once more, as a loop needs addresses. The compiler must not know
                    # its bounds, or it would write the body out, sixteen times for bytes.
                    address = np.int64(place + one * load_stride)
                    end = np.int64(address + span)
                    one_id = np.int32(class_id + (one << load_shift))
                    while address < end:
                        key = key_of(load(address))
                        if not key < bar:
                            add_one(key, one_id, keys, key_at, words, at, stride, num)
                        address = np.int64(address + class_stride) if is_wide else end
                        one_id = np.int32(one_id + 1)
                found = np.int32(found >> 1)
                one = np.int32(one + threads)
            left = np.int32(left - at_once)
            place = np.int64(place + at_once * load_stride)
            class_id = np.int32(class_id + (at_once << load_shift))
            until_look = np.int32(until_look - at_once)
            if may_look and until_look <= 0 and left > 0:
                num = look(k, num, keys, key_at, words, at, stride, own, own_at, me, threads)
                if num == 0:
                    return
                bar = keys[as_index(key_at + num - 1)]
                until_look = between_looks
                between_looks = np.int32(min(2 * between_looks, 16 * at_once))
        if is_wide:
            # what is before the first of 16 aligned bytes, and after the last
            body = np.int32(num_loads << load_shift)
            one = me
            while one < length - body:
                one_id = np.int32(first + (one if one < head else one + body))
                key = key_of(load(np.int64(row + one_id * class_stride)))
                if not key < bar:
                    add_one(key, one_id, keys, key_at, words, at, stride, num)
                one = np.int32(one + threads)

    return count_classes
