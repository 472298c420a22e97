"""Bins that most of a row of 64 codes is in: masks of what is in them are counted.

Two or four bins are looked for while counting; a bin is all codes from a first one up to a
distance from it, of both labels. What is in no such bin is put aside, in its order.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.options import INLINED_BY_LLVM, KERNEL_OPTIONS
from fastpr.backends.numba.vectors import (
    EVERY,
    compress,
    lowest_bit_or_0,
    num_bits,
    which_odd,
    which_pass,
)

WINDOW = 64  # rows that are counted in one way, unless what is in them changes
NUM_HOT = 4  # bins that are counted apart, at most
CANDIDATES = 8  # bins of a row that are looked at for those
ENOUGH = 40  # of a row in these bins: it pays to count them apart
ENOUGH_IN_TWO = 58  # of a row in two bins: it does not pay to count more
FEW_LEFT = 24  # of a row in other bins: with more, it would not have paid
MANY_LEFT = 48  # the same, where what is left costs less

ONE = np.uint64(1)


@njit(**INLINED_BY_LLVM)
def codes_of_bin(code, edges):
    """Return the first code of the bin of a code, and how far above it the last is."""
    value = np.int64(code >> 1)
    if len(edges) == 0 or value >= edges[len(edges) - 1]:
        return 2 * value, 1
    low, high = 0, len(edges) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if value >= edges[middle]:
            low = middle
        else:
            high = middle
    return 2 * edges[low], 2 * (edges[low + 1] - edges[low]) - 1


@njit(**KERNEL_OPTIONS)
def find_hot(codes, edges, hot, nums):
    """Find the bins that have most of a row; return how much the first two have, and all four.

    Column i of `hot` becomes the codes of a bin, as `codes_of_bin` returns them, and `nums[i]` how
    much it has; the bin with most comes first. Where a row has fewer bins, older ones stay, with 0.
    """
    code_type = codes.dtype.type
    nums[:] = 0
    left = EVERY
    for _ in range(CANDIDATES):
        start, width = codes_of_bin(codes[lowest_bit_or_0(left)], edges)
        inside = which_pass(codes, 0, code_type(start), code_type(width))
        num = num_bits(inside)
        for place in range(NUM_HOT):
            if num > nums[place]:
                num, nums[place] = nums[place], num
                start, hot[0, place] = np.int64(hot[0, place]), code_type(start)
                width, hot[1, place] = np.int64(hot[1, place]), code_type(width)
        left &= ~inside
        if left == 0:
            break
    return nums[0] + nums[1], nums[0] + nums[1] + nums[2] + nums[3]


@njit(**INLINED_BY_LLVM)
def in_bin(codes, left, hot, place):
    return left & which_pass(codes, 0, hot[0, place], hot[1, place])


@njit(**INLINED_BY_LLVM)
def add_bin(inside, positive, first, negatives, positives):
    negatives[first] += np.uint32(num_bits(inside & ~positive))
    positives[np.uint64(first) + ONE] += np.uint32(num_bits(inside & positive))


@njit(**INLINED_BY_LLVM)
def put_aside_each(codes, left, aside, num_aside):
    """Put aside those codes that have a bit, at most FEW_LEFT; return how many are there."""
    num_left = num_bits(left)
    if num_left:
        # Eight at a time, which are mostly all: a loop of as many as there are would end at
        # another place each time, which a core cannot foresee.
        for j in range(8):
            aside[np.uint64(num_aside + j)] = codes[lowest_bit_or_0(left)]
            left &= left - ONE
        for j in range(8, num_left):
            aside[np.uint64(num_aside + j)] = codes[lowest_bit_or_0(left)]
            left &= left - ONE
    return num_aside + num_left


@njit(**INLINED_BY_LLVM)
def put_aside_together(codes, left, aside, num_aside):
    return compress(codes, left, aside, num_aside) if left else num_aside


@cache
def make_add_filtered(together: bool) -> Any:
    """Return the function that counts hot bins, where `can_compress` says so or does not."""
    put_aside = put_aside_together if together else put_aside_each
    most_left = MANY_LEFT if together else FEW_LEFT

    @njit(**INLINED_BY_LLVM)
    def add_filtered(codes, hot, has_four, aside, num_aside, t0, t1, t2, t3, t4, t5, t6, t7):
        """Count what is in hot bins and put the other codes aside; return how many are there.

        -1, and nothing is counted, if the others are too many.
        """
        first, positive = in_bin(codes, EVERY, hot, 0), which_odd(codes)
        if first == EVERY:
            add_bin(first, positive, hot[0, 0], t0, t1)
            return num_aside
        second = in_bin(codes, ~first, hot, 1)
        left = ~(first | second)
        third, fourth = np.uint64(0), np.uint64(0)
        if has_four:
            third = in_bin(codes, left, hot, 2)
            left &= ~third
            fourth = in_bin(codes, left, hot, 3)
            left &= ~fourth
        if num_bits(left) > most_left:
            return -1
        add_bin(first, positive, hot[0, 0], t0, t1)
        add_bin(second, positive, hot[0, 1], t2, t3)
        if has_four:
            add_bin(third, positive, hot[0, 2], t4, t5)
            add_bin(fourth, positive, hot[0, 3], t6, t7)
        return put_aside(codes, left, aside, num_aside)

    return add_filtered
