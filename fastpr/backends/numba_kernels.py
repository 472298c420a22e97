"""The Numba kernels: the method of the C ones, compiled on first use for the types that come.

Samples come as rows of 64. While the codes of one row are found (``numba_encode.py``), those
of the row before it are added to tables; a core does both at once, and would wait for the
codes if they were needed at once.

Codes are added to as many copies of the table as the cache has room for, since adding to the
cell that was written just before would wait for that write. An addition is a store, and a core
does about one a cycle; so codes that can be counted otherwise are. Most scores of real data are
in few bins: where two bins have most of a row, masks of what is in them are counted, and only
the other codes go on to the tables. A row of one code is one addition.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba_cache import kept
from fastpr.backends.numba_encode import (
    ENCODE,
    GROUP,
    check_bool_labels,
    check_labels,
    inlined,
    kernel_options,
    read_bool_weights,
    read_weights,
)
from fastpr.backends.numba_vectors import (
    fetch,
    lowest_bit_or_0,
    num_bits,
    which_odd,
    which_pass,
)

TURNS = 8
AHEAD = 64  # rows that are asked for before they are read
MAX_PENDING = 1 << 30  # a uint32 holds it
ROUNDS_PER_COPY = 2048  # csrc/accumulate.h says why so few

WINDOW = 64  # rows that are counted in one way, unless what is in them changes
CANDIDATES = 6  # bins of a row that are looked at for the two that have most of it
ENOUGH = 40  # of a row in two bins: it pays to count these apart
FEW_LEFT = 24  # of a row in other bins: with more, it would not have
NUM_ROWS = 4  # of codes: two in turn, and two for codes that were put aside

ONE = np.uint64(1)
EVERY = np.uint64(2**64 - 1)


# ---- phase 2: codes are added to tables ----


@njit(**inlined)
def add_each(codes, t0, t1, t2, t3, t4, t5, t6, t7):
    one = np.uint32(1)
    for j in range(0, GROUP, TURNS):
        t0[codes[j]] += one
        t1[codes[j + 1]] += one
        t2[codes[j + 2]] += one
        t3[codes[j + 3]] += one
        t4[codes[j + 4]] += one
        t5[codes[j + 5]] += one
        t6[codes[j + 6]] += one
        t7[codes[j + 7]] += one


@njit(**inlined)
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


@njit(**kernel_options)
def find_hot(codes, edges, code_type):
    """Return the codes of the two bins that have most of a row, as above; and how many."""
    first, width, num_first = 0, 0, 0
    second, second_width, num_second = 0, 0, 0
    left = EVERY
    for _ in range(CANDIDATES):
        start, distance = codes_of_bin(codes[lowest_bit_or_0(left)], edges)
        inside = which_pass(codes, 0, code_type(start), code_type(distance))
        num = num_bits(inside)
        if num > num_first:
            second, second_width, num_second = first, width, num_first
            first, width, num_first = start, distance, num
        elif num > num_second:
            second, second_width, num_second = start, distance, num
        left &= ~inside
        if left == 0:
            break
    hot = code_type(first), code_type(width), code_type(second), code_type(second_width)
    return hot, num_first + num_second


@njit(**inlined)
def add_filtered(codes, hot, aside, num_aside, t0, t1, t2, t3):
    """Count what is in two bins and put the other codes aside; return how many are there.

    -1, and nothing is counted, if the others are too many.
    """
    first, width, second, second_width = hot
    in_first = which_pass(codes, 0, first, width)
    in_second = which_pass(codes, 0, second, second_width) & ~in_first
    left = ~(in_first | in_second)
    num_left = num_bits(left)
    if num_left > FEW_LEFT:
        return -1
    positive = which_odd(codes)
    t0[first] += np.uint32(num_bits(in_first & ~positive))
    t1[np.uint64(first) + ONE] += np.uint32(num_bits(in_first & positive))
    t2[second] += np.uint32(num_bits(in_second & ~positive))
    t3[np.uint64(second) + ONE] += np.uint32(num_bits(in_second & positive))
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


@njit(**inlined)
def add_sums(codes, weights, t0, t1, t2, t3, t4, t5, t6, t7):
    for j in range(0, GROUP, TURNS):
        t0[codes[j]] += weights[j]
        t1[codes[j + 1]] += weights[j + 1]
        t2[codes[j + 2]] += weights[j + 2]
        t3[codes[j + 3]] += weights[j + 3]
        t4[codes[j + 4]] += weights[j + 4]
        t5[codes[j + 5]] += weights[j + 5]
        t6[codes[j + 6]] += weights[j + 6]
        t7[codes[j + 7]] += weights[j + 7]


@njit(**kernel_options)
def add_sums_exactly(codes, weights, num_codes, sums, rounded):
    """Add weights, and what is rounded off to a second number (Knuth, TwoSum)."""
    for j in range(num_codes):
        code = codes[j]
        total = sums[code] + weights[j]
        part = total - sums[code]
        rounded[code] += (sums[code] - (total - part)) + (weights[j] - part)
        sums[code] = total


# ---- folding: values to bins ----


@njit(**kernel_options)
def fold_counts(tables, edges, table):
    """Add the counts of values to those of bins; without edges, a value is a bin."""
    for copy in range(1, tables.shape[0]):
        for cell in range(tables.shape[1]):
            tables[0, cell] += tables[copy, cell]
    for i in range(table.shape[1]):
        first, end = (edges[i], edges[i + 1]) if len(edges) else (i, i + 1)
        for value in range(first, end):
            table[0, i] += np.int64(tables[0, 2 * value])
            table[1, i] += np.int64(tables[0, 2 * value + 1])
    tables[:] = 0


@njit(**kernel_options)
def merge_copies(tables, sums, rounded):
    """Add the copies to the sums, and what is rounded off to a second number."""
    for copy in range(1, tables.shape[0]):
        for cell in range(tables.shape[1]):
            tables[0, cell] += tables[copy, cell]
    for cell in range(tables.shape[1]):
        term = tables[0, cell]
        total = sums[cell] + term
        part = total - sums[cell]
        rounded[cell] += (sums[cell] - (total - part)) + (term - part)
        sums[cell] = total
    tables[:] = 0.0


@njit(**kernel_options)
def fold_sums(totals, edges, table):
    for i in range(table.shape[1]):
        first, end = (edges[i], edges[i + 1]) if len(edges) else (i, i + 1)
        for label in range(2):
            total = 0.0
            rounded = 0.0
            for value in range(first, end):
                term = totals[0, 2 * value + label]
                new_total = total + term
                part = new_total - total
                rounded += (total - (new_total - part)) + (term - part)
                rounded += totals[1, 2 * value + label]
                total = new_total
            table[label, i] += total + rounded


# ---- the kernels ----


@njit(**kernel_options)
def turns(tables):
    last = tables.shape[0] - 1  # the number of copies is a power of two
    return (
        tables[0],
        tables[1 & last],
        tables[2 & last],
        tables[3 & last],
        tables[4 & last],
        tables[5 & last],
        tables[6 & last],
        tables[7 & last],
    )


@cache
def make_count(kernel: str, bool_labels: bool, code_type: Any) -> Any:
    """Return the compiled pass that adds counts.

    It takes rows of samples, of which the last ones of the last row may not be counted, and
    `NUM_ROWS` rows of room for codes.
    """
    encode, mark_invalid = ENCODE[kernel]
    check = check_bool_labels if bool_labels else check_labels

    @njit(**kernel_options)
    def count(scores, labels, num_samples, num_values, edges, codes, tables, table, report):
        t0, t1, t2, t3, t4, t5, t6, t7 = turns(tables)
        aside, num_aside = codes[2:].reshape((NUM_ROWS - 2) * GROUP), 0
        num_rows, num_whole = len(scores), num_samples // GROUP
        num_pending, num_misses = 0, 0
        hot, is_hot = (code_type(0), code_type(0), code_type(0), code_type(0)), False
        has_others = False
        for number in range(num_rows + 1):
            if number < num_rows:
                row = np.uint64(number)
                fetch(scores, row, AHEAD)
                fetch(labels, row, AHEAD)
                if encode(scores[row], labels[row], num_values, codes[number & 1]):
                    report[0] += mark_invalid(scores[row], num_values, codes[number & 1])
                has_others |= check(labels[row])
            if number == 0 or number > num_whole:
                continue
            before = codes[(number - 1) & 1]
            if number % WINDOW == 1:
                hot, num_hot = find_hot(before, edges, code_type)
                is_hot = num_hot > ENOUGH and num_misses < WINDOW // 2
                num_misses = 0
                num_pending += WINDOW * GROUP
                if num_pending > MAX_PENDING:
                    fold_counts(tables, edges, table)
                    num_pending = 0
            if is_hot:
                num = add_filtered(before, hot, aside, num_aside, t0, t1, t2, t3)
                if num < 0:  # the data may have changed
                    num_misses += 1
                    hot, _ = find_hot(before, edges, code_type)
                    num = add_filtered(before, hot, aside, num_aside, t0, t1, t2, t3)
                if num >= 0:
                    num_aside = num
                    if num_aside >= GROUP:
                        add_each(aside, t0, t1, t2, t3, t4, t5, t6, t7)
                        num_aside -= GROUP
                        for j in range(FEW_LEFT):
                            aside[j] = aside[GROUP + j]
                    continue
            elif which_pass(before, 0, before[0], code_type(0)) == EVERY:
                t0[before[0]] += np.uint32(GROUP)
                continue
            add_each(before, t0, t1, t2, t3, t4, t5, t6, t7)
        for j in range(num_aside):
            t0[aside[j]] += np.uint32(1)
        for j in range(num_samples - num_whole * GROUP):
            t0[codes[(num_rows - 1) & 1, j]] += np.uint32(1)
        report[1] |= np.int64(has_others)
        fold_counts(tables, edges, table)

    return kept(f"count-{kernel}{'-bool' * bool_labels}-{code_type.__name__}", count)


@cache
def make_weigh(kernel: str, bool_labels: bool, bool_weights: bool) -> Any:
    """Return the compiled pass that adds weights, of rows as above."""
    encode, mark_invalid = ENCODE[kernel]
    check = check_bool_labels if bool_labels else check_labels
    read_row = read_bool_weights if bool_weights else read_weights

    @njit(**kernel_options)
    def weigh(
        scores, labels, weights, num_samples, num_values, edges, codes, row_weights, tables, totals,
        table, report,
    ):  # fmt: skip
        t0, t1, t2, t3, t4, t5, t6, t7 = turns(tables)
        has_copies = tables.shape[0] > 1
        most_pending = ROUNDS_PER_COPY * tables.shape[0] - GROUP
        num_rows, num_whole = len(scores), num_samples // GROUP
        num_pending = 0
        has_others, has_bad_weights = False, False
        for number in range(num_rows + 1):
            if number < num_rows:
                row = np.uint64(number)
                fetch(scores, row, AHEAD)
                fetch(labels, row, AHEAD)
                fetch(weights, row, AHEAD)
                if encode(scores[row], labels[row], num_values, codes[number & 1]):
                    report[0] += mark_invalid(scores[row], num_values, codes[number & 1])
                has_others |= check(labels[row])
                has_bad_weights |= read_row(weights[row], row_weights[number & 1])
            if number == 0:
                continue
            before, its_weights = codes[(number - 1) & 1], row_weights[(number - 1) & 1]
            if has_copies and number <= num_whole:
                add_sums(before, its_weights, t0, t1, t2, t3, t4, t5, t6, t7)
                num_pending += GROUP
                if num_pending > most_pending:
                    merge_copies(tables, totals[0], totals[1])
                    num_pending = 0
            else:
                num_codes = min(GROUP, num_samples - (number - 1) * GROUP)
                add_sums_exactly(before, its_weights, num_codes, totals[0], totals[1])
        report[1] |= np.int64(has_others)
        report[2] |= np.int64(has_bad_weights)
        if has_copies:
            merge_copies(tables, totals[0], totals[1])
        fold_sums(totals, edges, table)

    return kept(f"weigh-{kernel}{'-bool' * bool_labels}{'-masked' * bool_weights}", weigh)
