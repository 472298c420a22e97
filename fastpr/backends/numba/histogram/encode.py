"""Phase 1 of the Numba kernels: 64 samples become 64 codes, 2 * value + label.

A value is a bin, or a score of few bits. ``csrc/histogram/encode.h`` says why the bins are those of
`fastpr.backends.rules.bin_index`. LLVM makes vectors of each loop: its length is constant, and what
it reads are rows of arrays, where no index is tested for being negative.

Each encoder returns whether a score may not be valid. The look that tells is a slow one, and
is for those alone: it gives the invalid scores the value after the last.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastpr.backends.numba.options import INLINED_BY_LLVM, KERNEL_OPTIONS
from fastpr.backends.numba.vectors import LANES, any_bits_above, multiply_add
from fastpr.backends.rules import MINUS_ZERO_HALF

GROUP = LANES
MAX_WEIGHT = np.finfo(np.float64).max


@njit(**INLINED_BY_LLVM)
def encode_f32(scores, labels, num_values, codes):
    last = np.float32(num_values - 1)
    inverse_high = np.float32(np.float32(1) / last)
    inverse_low = np.float32(1.0 / np.float64(last) - np.float64(inverse_high))
    round_to_integer = np.float32(1.5 * 2**23)
    for j in range(GROUP):
        guess = multiply_add(scores[j], last, round_to_integer)
        nearest = np.float32(guess - round_to_integer)
        threshold = multiply_add(nearest, inverse_high, np.float32(nearest * inverse_low))
        bin_guess = np.float32(guess).view(np.uint32) - np.uint32(0x4B400000)
        value = bin_guess - np.uint32(scores[j] < threshold)
        codes[j] = 2 * value + np.uint32(labels[j] != 0)
    return any_bits_above(scores, 0x3F800000)


@njit(**INLINED_BY_LLVM)
def encode_f64(scores, labels, num_values, codes):
    last = np.float64(num_values - 1)
    inverse_high = 1.0 / last
    inverse_low = multiply_add(-inverse_high, last, 1.0) / last
    round_to_integer = 1.5 * 2.0**52
    for j in range(GROUP):
        guess = multiply_add(scores[j], last, round_to_integer)
        nearest = guess - round_to_integer
        threshold = multiply_add(nearest, inverse_high, nearest * inverse_low)
        bin_guess = np.float64(guess).view(np.uint64) - np.uint64(0x4338000000000000)
        value = bin_guess - np.uint64(scores[j] < threshold)
        codes[j] = np.uint64(2) * value + np.uint64(labels[j] != 0)
    return any_bits_above(scores, 0x3FF0000000000000)


@njit(**INLINED_BY_LLVM)
def encode_u16(scores, labels, num_values, codes):
    last = np.uint32(num_values - 1)
    if last == 65536:
        for j in range(GROUP):
            value = np.uint32(scores[j]) + np.uint32(scores[j] == 65535)
            codes[j] = 2 * value + np.uint32(labels[j] != 0)
    else:
        # (product + high + 1) >> 16, in numbers of 16 bits, of which a register holds more
        short_last = np.uint32(np.uint16(last))
        for j in range(GROUP):
            product = np.uint32(scores[j]) * short_last
            low, high = np.uint16(product), np.uint16(product >> np.uint32(16))
            value = np.uint32(high) + np.uint32(low >= np.uint16(~high))
            codes[j] = 2 * value + np.uint32(labels[j] != 0)
    return False


@njit(**INLINED_BY_LLVM)
def encode_u8(scores, labels, num_values, codes):
    for j in range(GROUP):
        codes[j] = 2 * scores[j] + np.uint16(labels[j] != 0)
    return False


@njit(**INLINED_BY_LLVM)
def encode_half(scores, labels, num_values, codes):
    limit = np.uint16(num_values)
    for j in range(GROUP):
        value = np.uint16(0) if scores[j] == MINUS_ZERO_HALF else scores[j]
        codes[j] = np.uint16(2) * min(value, limit) + np.uint16(labels[j] != 0)
    return any_bits_above(scores, num_values - 1)


# ---- the slow look ----


@njit(**KERNEL_OPTIONS)
def mark_f32(scores, num_values, codes):
    num_invalid = 0
    for j in range(GROUP):
        bits = np.float32(scores[j]).view(np.uint32)
        if bits > np.uint32(0x3F800000) and bits != np.uint32(0x80000000):  # -0.0
            codes[j] = 2 * num_values
            num_invalid += 1
    return num_invalid


@njit(**KERNEL_OPTIONS)
def mark_f64(scores, num_values, codes):
    num_invalid = 0
    for j in range(GROUP):
        bits = np.float64(scores[j]).view(np.uint64)
        if bits > np.uint64(0x3FF0000000000000) and bits != np.uint64(0x8000000000000000):
            codes[j] = 2 * num_values
            num_invalid += 1
    return num_invalid


@njit(**KERNEL_OPTIONS)
def mark_coded(scores, num_values, codes):
    num_invalid = 0
    for j in range(GROUP):
        num_invalid += codes[j] >> 1 == num_values
    return num_invalid


ENCODE = {
    "f32": (encode_f32, mark_f32),
    "f64": (encode_f64, mark_f64),
    "u8": (encode_u8, mark_coded),
    "u16": (encode_u16, mark_coded),
    "half": (encode_half, mark_coded),
}


# ---- labels and weights ----


@njit(**INLINED_BY_LLVM)
def check_labels(labels):
    """Return whether a label is neither 0 nor 1."""
    return any_bits_above(labels, 1)


@njit(**INLINED_BY_LLVM)
def check_bool_labels(labels):
    return False


@njit(**KERNEL_OPTIONS)
def any_bad_weight(weights):
    """Return whether a weight is negative or not finite: the slow look."""
    num_good = 0
    for j in range(GROUP):
        weight = np.float64(weights[j])
        num_good += (weight >= 0.0) & (weight <= MAX_WEIGHT)
    return num_good != GROUP


@njit(**INLINED_BY_LLVM)
def read_f32_weights(weights, out):
    """Copy weights as float64; return whether one is negative or not finite."""
    for j in range(GROUP):
        out[j] = np.float64(weights[j])
    return any_bits_above(weights, 0x7F7FFFFF) and any_bad_weight(weights)  # -0.0 is good


@njit(**INLINED_BY_LLVM)
def read_f64_weights(weights, out):
    for j in range(GROUP):
        out[j] = weights[j]
    return any_bits_above(weights, 0x7FEFFFFFFFFFFFFF) and any_bad_weight(weights)


@njit(**INLINED_BY_LLVM)
def read_bool_weights(weights, out):
    for j in range(GROUP):
        out[j] = np.float64(weights[j] != 0)
    return False


READ_WEIGHTS = {
    np.dtype(np.uint8): read_bool_weights,
    np.dtype(np.float32): read_f32_weights,
    np.dtype(np.float64): read_f64_weights,
}
