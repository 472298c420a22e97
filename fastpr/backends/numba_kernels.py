"""The Numba kernels: the method of the C ones, compiled on first use for the types that come.

Two phases over blocks of samples. First a loop without branches, which LLVM makes vectors
of, turns scores and labels into codes, 2 * value + label; a value is a bin, or a score of
few bits, which is put into bins at the end. Then codes are added to as many copies of the
table as the cache has room for, since adding to the cell that was written just before
would wait for that write.

``csrc/encode.h`` says why the bins are those of `fastpr.rules.bin_index`. Loops run over
slices of a constant length: over an argument, Numba would test each index for being
negative, and the loop would stay scalar.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastpr.rules import MINUS_ZERO_HALF

BLOCK = 512
GROUP = 64
TURNS = 8
MAX_PENDING = 1 << 30  # a uint32 holds it
ROUNDS_PER_COPY = 2048  # csrc/accumulate.h says why so few
MAX_WEIGHT = np.finfo(np.float64).max

# Division by zero and NaN as IEEE has them; no fastmath, which removes tests for NaN.
kernel_options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


# ---- phase 1: a block of scores becomes codes; true if some score may be invalid ----


@njit(**kernel_options)
def encode_f32(scores, num_values, codes):
    last = np.float32(num_values - 1)
    round_to_integer = np.float32(1.5 * 2**23)
    largest = np.uint32(0)
    for j in range(BLOCK):
        score = scores[j]
        largest = max(largest, np.float32(score).view(np.uint32))
        guess = np.float32(score * last + round_to_integer)
        nearest = np.float32(guess - round_to_integer)
        bin_guess = np.float32(guess).view(np.uint32) - np.uint32(0x4B400000)
        codes[j] = 2 * (bin_guess - np.uint32(score < np.float32(nearest / last)))
    return largest > np.uint32(0x3F800000)


@njit(**kernel_options)
def encode_f64(scores, num_values, codes):
    last = np.float64(num_values - 1)
    round_to_integer = 1.5 * 2.0**52
    largest = np.uint64(0)
    for j in range(BLOCK):
        score = scores[j]
        largest = max(largest, np.float64(score).view(np.uint64))
        guess = score * last + round_to_integer
        nearest = guess - round_to_integer
        bin_guess = np.float64(guess).view(np.uint64) - np.uint64(0x4338000000000000)
        codes[j] = np.uint64(2) * (bin_guess - np.uint64(score < nearest / last))
    return largest > np.uint64(0x3FF0000000000000)


@njit(**kernel_options)
def encode_u16(scores, num_values, codes):
    last = np.uint32(num_values - 1)
    if last == 65536:
        for j in range(BLOCK):
            codes[j] = 2 * (np.uint32(scores[j]) + np.uint32(scores[j] == 65535))
    else:
        for j in range(BLOCK):
            product = np.uint32(scores[j]) * last
            codes[j] = 2 * ((product + (product >> 16) + 1) >> 16)
    return False


@njit(**kernel_options)
def encode_u8(scores, num_values, codes):
    for j in range(BLOCK):
        codes[j] = 2 * scores[j]
    return False


@njit(**kernel_options)
def encode_half(scores, num_values, codes):
    alarm = False
    for j in range(BLOCK):
        value = np.int32(0) if scores[j] == MINUS_ZERO_HALF else np.int32(scores[j])
        alarm |= value >= num_values
        codes[j] = 2 * min(value, num_values)
    return alarm


# ---- the slow look at a block that raised the alarm: codes of invalid scores ----


@njit(**kernel_options)
def mark_f32(scores, num_values, codes):
    num_invalid = 0
    for j in range(BLOCK):
        bits = np.float32(scores[j]).view(np.uint32)
        if bits > np.uint32(0x3F800000) and bits != np.uint32(0x80000000):  # -0.0
            codes[j] = 2 * num_values
            num_invalid += 1
    return num_invalid


@njit(**kernel_options)
def mark_f64(scores, num_values, codes):
    num_invalid = 0
    for j in range(BLOCK):
        bits = np.float64(scores[j]).view(np.uint64)
        if bits > np.uint64(0x3FF0000000000000) and bits != np.uint64(0x8000000000000000):
            codes[j] = 2 * num_values
            num_invalid += 1
    return num_invalid


@njit(**kernel_options)
def mark_coded(scores, num_values, codes):
    num_invalid = 0
    for j in range(BLOCK):
        num_invalid += codes[j] == 2 * num_values
    return num_invalid


@njit(**kernel_options)
def add_labels(labels, codes):
    """Return whether a label was neither 0 nor 1."""
    others = 0
    for j in range(BLOCK):
        codes[j] |= labels[j] & 1
        others |= labels[j]
    return (others & ~1) != 0


@njit(**kernel_options)
def add_bool_labels(labels, codes):
    for j in range(BLOCK):
        codes[j] |= labels[j] != 0
    return False


# ---- phase 2: codes are added to tables ----


@njit(**kernel_options)
def all_equal(codes):
    # Counting the others is the form that LLVM makes vectors of: 5 times an "or" of them.
    first = codes[0]
    num_others = np.int32(0)
    for j in range(GROUP):
        num_others = np.int32(num_others + np.int32(codes[j] != first))
    return num_others == 0


@njit(**kernel_options)
def add_counts(codes, num_codes, t0, t1, t2, t3, t4, t5, t6, t7):
    one = np.uint32(1)
    num_groups = num_codes // GROUP
    for number in range(num_groups):
        group = codes[number * GROUP : number * GROUP + GROUP]
        if all_equal(group):  # most of a segmentation
            t0[group[0]] += np.uint32(GROUP)
            continue
        for j in range(0, GROUP, TURNS):
            t0[group[j]] += one
            t1[group[j + 1]] += one
            t2[group[j + 2]] += one
            t3[group[j + 3]] += one
            t4[group[j + 4]] += one
            t5[group[j + 5]] += one
            t6[group[j + 6]] += one
            t7[group[j + 7]] += one
    for j in range(num_groups * GROUP, num_codes):
        t0[codes[j]] += one


@njit(**kernel_options)
def add_sums(codes, weights, num_codes, t0, t1, t2, t3, t4, t5, t6, t7):
    num_turned = num_codes // TURNS * TURNS
    for j in range(0, num_turned, TURNS):
        t0[codes[j]] += weights[j]
        t1[codes[j + 1]] += weights[j + 1]
        t2[codes[j + 2]] += weights[j + 2]
        t3[codes[j + 3]] += weights[j + 3]
        t4[codes[j + 4]] += weights[j + 4]
        t5[codes[j + 5]] += weights[j + 5]
        t6[codes[j + 6]] += weights[j + 6]
        t7[codes[j + 7]] += weights[j + 7]
    for j in range(num_turned, num_codes):
        t0[codes[j]] += weights[j]


@njit(**kernel_options)
def add_sums_exactly(codes, weights, num_codes, sums, rounded):
    """Add weights, and what is rounded off to a second number (Knuth, TwoSum)."""
    for j in range(num_codes):
        code = codes[j]
        total = sums[code] + weights[j]
        part = total - sums[code]
        rounded[code] += (sums[code] - (total - part)) + (weights[j] - part)
        sums[code] = total


@njit(**kernel_options)
def read_weights(weights, out):
    """Copy weights as float64; return whether one is negative or not finite."""
    num_good = 0
    for j in range(BLOCK):
        weight = np.float64(weights[j])
        num_good += (weight >= 0.0) & (weight <= MAX_WEIGHT)
        out[j] = weight
    return num_good != BLOCK


@njit(**kernel_options)
def read_bool_weights(weights, out):
    for j in range(BLOCK):
        out[j] = np.float64(weights[j] != 0)
    return False


# ---- folding: values to bins ----


@njit(**kernel_options)
def fold_counts(tables, edges, table):
    for copy in range(1, tables.shape[0]):
        for cell in range(tables.shape[1]):
            tables[0, cell] += tables[copy, cell]
    for i in range(table.shape[1]):
        for value in range(edges[i], edges[i + 1]):
            table[0, i] += np.int64(tables[0, 2 * value])
            table[1, i] += np.int64(tables[0, 2 * value + 1])
    tables[:] = 0


@njit(**kernel_options)
def merge_copies(tables, sums, rounded):
    """Add the copies to the sums, and what is rounded off to a second number."""
    for cell in range(tables.shape[1]):
        term = 0.0
        for copy in range(tables.shape[0]):
            term += tables[copy, cell]
        total = sums[cell] + term
        part = total - sums[cell]
        rounded[cell] += (sums[cell] - (total - part)) + (term - part)
        sums[cell] = total
    tables[:] = 0.0


@njit(**kernel_options)
def fold_sums(totals, edges, table):
    for i in range(table.shape[1]):
        for label in range(2):
            total = 0.0
            rounded = 0.0
            for value in range(edges[i], edges[i + 1]):
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


ENCODE = {
    "f32": (encode_f32, mark_f32),
    "f64": (encode_f64, mark_f64),
    "u8": (encode_u8, mark_coded),
    "u16": (encode_u16, mark_coded),
    "half": (encode_half, mark_coded),
}


@cache
def make_count(kernel: str, bool_labels: bool) -> Any:
    """Return the compiled pass that adds counts."""
    encode, mark_invalid = ENCODE[kernel]
    add_label_bits = add_bool_labels if bool_labels else add_labels

    @njit(**kernel_options)
    def count(scores, labels, num_samples, num_values, edges, codes, tables, table, report):
        t0, t1, t2, t3, t4, t5, t6, t7 = turns(tables)
        num_pending = 0
        for start in range(0, len(scores), BLOCK):
            num_codes = min(BLOCK, num_samples - start)
            block = scores[start : start + BLOCK]
            if encode(block, num_values, codes):
                report[0] += mark_invalid(block, num_values, codes)
            report[1] |= add_label_bits(labels[start : start + BLOCK], codes)
            add_counts(codes, num_codes, t0, t1, t2, t3, t4, t5, t6, t7)
            num_pending += num_codes
            if num_pending > MAX_PENDING:
                fold_counts(tables, edges, table)
                num_pending = 0
        fold_counts(tables, edges, table)

    return count


@cache
def make_weigh(kernel: str, bool_labels: bool, bool_weights: bool) -> Any:
    """Return the compiled pass that adds weights."""
    encode, mark_invalid = ENCODE[kernel]
    add_label_bits = add_bool_labels if bool_labels else add_labels
    read_block_weights = read_bool_weights if bool_weights else read_weights

    @njit(**kernel_options)
    def weigh(
        scores, labels, weights, num_samples, num_values, edges, codes, tables, totals, table,
        report,
    ):  # fmt: skip
        block_weights = np.empty(BLOCK, np.float64)
        t0, t1, t2, t3, t4, t5, t6, t7 = turns(tables)
        has_copies = tables.shape[0] > 1
        most_pending = ROUNDS_PER_COPY * tables.shape[0] - BLOCK
        num_pending = 0
        for start in range(0, len(scores), BLOCK):
            num_codes = min(BLOCK, num_samples - start)
            block = scores[start : start + BLOCK]
            if encode(block, num_values, codes):
                report[0] += mark_invalid(block, num_values, codes)
            report[1] |= add_label_bits(labels[start : start + BLOCK], codes)
            report[2] |= read_block_weights(weights[start : start + BLOCK], block_weights)
            if has_copies:
                add_sums(codes, block_weights, num_codes, t0, t1, t2, t3, t4, t5, t6, t7)
                num_pending += num_codes
                if num_pending > most_pending:
                    merge_copies(tables, totals[0], totals[1])
                    num_pending = 0
            else:
                add_sums_exactly(codes, block_weights, num_codes, totals[0], totals[1])
        if has_copies:
            merge_copies(tables, totals[0], totals[1])
        fold_sums(totals, edges, table)

    return weigh
