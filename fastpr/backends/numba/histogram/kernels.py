"""The Numba kernels: the method of the C ones, compiled on first use for the types that come.

Samples come as rows of 64. While the codes of one row are found (``encode.py``), those
of the row before it are added to tables; a core does both at once, and would wait for the
codes if they were needed at once.

Codes are added to as many copies of the table as the cache has room for, since adding to the
cell that was written just before would wait for that write. An addition is a store, and a core
does about one a cycle; so codes that can be counted otherwise are. A row of one code is one
addition. Most scores of real data are in few bins: where some have most of a row, they are
counted apart (``hot_bins.py``), and only the other codes go on to the tables, by way of a
queue: they are read when the write, of whole registers, has long been done.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numba.core.registry import cpu_target

from fastpr.backends.numba.compile import keep_on_disk
from fastpr.backends.numba.histogram.encode import (
    ENCODE,
    GROUP,
    READ_WEIGHTS,
    check_bool_labels,
    check_labels,
)
from fastpr.backends.numba.histogram.hot_bins import (
    ENOUGH,
    ENOUGH_IN_TWO,
    FEW_LEFT,
    WINDOW,
    find_hot,
    make_add_filtered,
)
from fastpr.backends.numba.options import INLINED_BY_LLVM, KERNEL_OPTIONS
from fastpr.backends.numba.vectors import EVERY, can_compress, fetch, four_codes, which_pass

TURNS = 8
AHEAD = 64  # rows that are asked for before they are read
MAX_PENDING = 1 << 30  # a uint32 holds it
ROUNDS_PER_COPY = 2048  # csrc/histogram/accumulate.h says why so few

SOME_MISSES = 8  # rows of which much is left, before others are looked for
QUEUE = 16  # rows of codes that are put aside before they are added
LAG = 2  # of these rows stay until the next time: they may not be written yet
NUM_ROWS = 2 + QUEUE + 2  # of codes: two in turn, the queue, and what one row more may write


# ---- phase 2: codes are added to tables ----


@njit(**INLINED_BY_LLVM)
def eight_codes(codes, j):
    """Return eight codes of 16 bits, read four at a time: loads would be as scarce as stores."""
    first, second = four_codes(codes, j), four_codes(codes, j + 4)
    low = np.uint64(0xFFFF)
    return (
        first & low, (first >> np.uint64(16)) & low, (first >> np.uint64(32)) & low,
        first >> np.uint64(48),
        second & low, (second >> np.uint64(16)) & low, (second >> np.uint64(32)) & low,
        second >> np.uint64(48),
    )  # fmt: skip


@njit(**INLINED_BY_LLVM)
def eight_wide_codes(codes, j):
    return (
        codes[j], codes[j + 1], codes[j + 2], codes[j + 3], codes[j + 4], codes[j + 5],
        codes[j + 6], codes[j + 7],
    )  # fmt: skip


EIGHT_CODES = {np.uint16: eight_codes, np.uint32: eight_wide_codes}


@njit(**KERNEL_OPTIONS)
def add_sums_exactly(codes, weights, num_codes, sums, rounded):
    """Add weights, and what is rounded off to a second number (Knuth, TwoSum)."""
    for j in range(num_codes):
        code = codes[j]
        total = sums[code] + weights[j]
        part = total - sums[code]
        rounded[code] += (sums[code] - (total - part)) + (weights[j] - part)
        sums[code] = total


# ---- folding: values to bins ----


@njit(**KERNEL_OPTIONS)
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


@njit(**KERNEL_OPTIONS)
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


@njit(**KERNEL_OPTIONS)
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


@njit(**KERNEL_OPTIONS)
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
    eight = EIGHT_CODES[code_type]
    together = can_compress(cpu_target.target_context)
    add_filtered = make_add_filtered(together)

    @njit(**INLINED_BY_LLVM)
    def add_each(codes, t0, t1, t2, t3, t4, t5, t6, t7):
        one = np.uint32(1)
        for j in range(0, GROUP, TURNS):
            c0, c1, c2, c3, c4, c5, c6, c7 = eight(codes, j)
            t0[c0] += one
            t1[c1] += one
            t2[c2] += one
            t3[c3] += one
            t4[c4] += one
            t5[c5] += one
            t6[c6] += one
            t7[c7] += one

    @njit(**KERNEL_OPTIONS)
    def count(
        scores, labels, num_samples, num_values, edges, codes, hot, nums, tables, table, report,
    ):  # fmt: skip
        t0, t1, t2, t3, t4, t5, t6, t7 = turns(tables)
        aside, num_aside = codes[2:].reshape((NUM_ROWS - 2) * GROUP), 0
        num_rows, num_whole = len(scores), num_samples // GROUP
        num_pending, num_misses = 0, 0
        is_hot, has_four = False, False
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
                in_two, in_four = find_hot(before, edges, hot, nums)
                is_hot = in_four > ENOUGH and num_misses < WINDOW // 2
                has_four = in_two < ENOUGH_IN_TWO
                num_misses = 0
                num_pending += WINDOW * GROUP
                if num_pending > MAX_PENDING:
                    fold_counts(tables, edges, table)
                    num_pending = 0
            if which_pass(before, 0, before[0], code_type(0)) == EVERY:
                t0[before[0]] += np.uint32(GROUP)
                continue
            if is_hot:
                num = add_filtered(
                    before, hot, has_four, aside, num_aside, t0, t1, t2, t3, t4, t5, t6, t7
                )
                if num < 0 or num - num_aside > FEW_LEFT:  # the data may have changed
                    num_misses += 1
                    if num < 0 or num_misses % SOME_MISSES == 0:
                        in_two, _ = find_hot(before, edges, hot, nums)
                        has_four = in_two < ENOUGH_IN_TWO
                    if num < 0:
                        num = add_filtered(
                            before, hot, has_four, aside, num_aside, t0, t1, t2, t3, t4, t5, t6, t7
                        )
                if num >= 0:
                    num_aside = num
                    if num_aside >= QUEUE * GROUP:
                        for turn in range(QUEUE - LAG):
                            add_each(codes[2 + turn], t0, t1, t2, t3, t4, t5, t6, t7)
                        num_aside -= (QUEUE - LAG) * GROUP
                        for j in range((LAG + 1) * GROUP):
                            aside[j] = aside[(QUEUE - LAG) * GROUP + j]
                    continue
            add_each(before, t0, t1, t2, t3, t4, t5, t6, t7)
        for j in range(num_aside):
            t0[aside[j]] += np.uint32(1)
        for j in range(num_samples - num_whole * GROUP):
            t0[codes[(num_rows - 1) & 1, j]] += np.uint32(1)
        report[1] |= np.int64(has_others)
        fold_counts(tables, edges, table)

    way = "-together" * together
    return keep_on_disk(f"count-{kernel}{'-bool' * bool_labels}-{code_type.__name__}{way}", count)


@cache
def make_weigh(kernel: str, bool_labels: bool, weight_dtype: Any, code_type: Any) -> Any:
    """Return the compiled pass that adds weights, of rows as above."""
    encode, mark_invalid = ENCODE[kernel]
    check = check_bool_labels if bool_labels else check_labels
    read_row = READ_WEIGHTS[weight_dtype]
    eight = EIGHT_CODES[code_type]

    @njit(**INLINED_BY_LLVM)
    def add_sums(codes, weights, t0, t1, t2, t3, t4, t5, t6, t7):
        for j in range(0, GROUP, TURNS):
            c0, c1, c2, c3, c4, c5, c6, c7 = eight(codes, j)
            t0[c0] += weights[j]
            t1[c1] += weights[j + 1]
            t2[c2] += weights[j + 2]
            t3[c3] += weights[j + 3]
            t4[c4] += weights[j + 4]
            t5[c5] += weights[j + 5]
            t6[c6] += weights[j + 6]
            t7[c7] += weights[j + 7]

    @njit(**KERNEL_OPTIONS)
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

    return keep_on_disk(
        f"weigh-{kernel}{'-bool' * bool_labels}-{weight_dtype}-{code_type.__name__}", weigh
    )
