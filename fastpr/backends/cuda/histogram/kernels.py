"""The histogram kernels of CUDA: samples into the table of a block, blocks into one table.

Samples are rows of columns, at addresses with strides in bytes. The *wide* forms read sixteen
samples at once, from rows that are contiguous and begin at multiples of 16 bytes; the
*strided* forms read one at a time from anywhere.

Scores of 8 bits and of half precision are counted by value, and values become bins, by
`rules.bin_index`, when a block is done; so a sample takes one addition. A table that
is larger than the shared memory of a block is cut into windows: each block counts what falls
into its own, and as blocks of all windows go through the samples side by side, these come
from the cache.

What is wrong with samples is found in the same pass. Sixteen samples share one branch, and
only where it is taken they are looked at again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, types

from fastpr.backends.cuda.device import device_function
from fastpr.backends.cuda.histogram.commits import FIRST, LABELS, NUM_BAD, SCORES, WEIGHTS
from fastpr.backends.cuda.histogram.encode import (
    SCORE_DTYPES,
    bin_index_on_device,
    counts_values,
    make_bin,
    make_is_label,
    make_is_score,
    make_value,
)
from fastpr.backends.cuda.histogram.weights import (
    WEIGHT_DTYPES,
    grid_of,
    make_is_weight,
    make_split,
)
from fastpr.backends.cuda.loads import loads

# Samples that a thread of a wide form takes at once; half of them if they are long, so that
# they fit into registers.
UNIT = 16


def unit_of(kernel: str, label_dtype: np.dtype[Any]) -> int:
    """Return how many samples a thread of a wide form takes at once."""
    return UNIT if SCORE_DTYPES[kernel].itemsize + label_dtype.itemsize <= 8 else UNIT // 2


# ---- what is wrong ----


def _first_of(per_row: Any, num_windows: Any) -> Any:
    """Return (row, place in it, rows and places from one to the next) of what a thread takes."""
    num_threads = np.int64(cuda.gridDim.x // num_windows) * np.int64(cuda.blockDim.x)
    thread = np.int64(cuda.blockIdx.x // num_windows) * np.int64(cuda.blockDim.x)
    thread += np.int64(cuda.threadIdx.x)
    return (
        thread // per_row, thread % per_row, num_threads // per_row, num_threads % per_row
    )  # fmt: skip


first_of = device_function(_first_of)


@cache
def make_report_bad(kernel: str, label_dtype: np.dtype[Any], weight_kind: str | None) -> Any:
    """Return the function that goes through the samples of a block again for what is wrong."""
    load_score, load_label = loads(SCORE_DTYPES[kernel]), loads(label_dtype)
    is_score, is_label = make_is_score(kernel), make_is_label(label_dtype)
    has_weights = weight_kind is not None
    load_weight = loads(WEIGHT_DTYPES[weight_kind or "bool"])
    is_weight = make_is_weight(weight_kind or "bool")

    def report_bad(
        scores: Any, score_row: Any, score_col: Any, labels: Any, label_row: Any, label_col: Any,
        weights: Any, weight_row: Any, weight_col: Any, num_rows: Any, num_cols: Any, offset: Any,
        row_pitch: Any, col_pitch: Any, one: Any, unit: Any, num_windows: Any, report: Any,
    ) -> None:  # fmt: skip
        per_row = (num_cols + (unit - 1)) // unit
        row, col, rows_on, cols_on = first_of(per_row, num_windows)
        while row < num_rows:
            for place in range(col * unit, min((col + 1) * unit, num_cols)):
                position = offset + row * row_pitch + place * col_pitch
                if not is_score(load_score(scores + row * score_row + place * score_col), one):
                    cuda.atomic.add(report, SCORES + NUM_BAD, np.int64(1))
                    cuda.atomic.min(report, SCORES + FIRST, position)
                if not is_label(load_label(labels + row * label_row + place * label_col)):
                    cuda.atomic.add(report, LABELS + NUM_BAD, np.int64(1))
                    cuda.atomic.min(report, LABELS + FIRST, position)
                if has_weights and not is_weight(
                    load_weight(weights + row * weight_row + place * weight_col)
                ):
                    cuda.atomic.add(report, WEIGHTS + NUM_BAD, np.int64(1))
                    cuda.atomic.min(report, WEIGHTS + FIRST, position)
            row += rows_on
            col += cols_on
            if col >= per_row:
                col -= per_row
                row += 1

    return device_function(report_bad)


# ---- without weights ----


@cache
def make_cell(kernel: str, label_dtype: np.dtype[Any]) -> Any:
    """Return the function that finds the cell of a sample, without a branch.

    After the cells of a window there is one for what is in other windows, and one for what is
    wrong.
    """
    is_score, is_label = make_is_score(kernel), make_is_label(label_dtype)
    value_of = make_value(kernel)
    zero = SCORE_DTYPES[kernel].type(0)

    def cell_of(score: Any, label: Any, how: Any) -> Any:
        one, last, high, low, thresholds, num_values, first_cell, num_cells = how
        is_good = is_score(score, one) and is_label(label)
        # NaN has no integer
        value = value_of(score if is_good else zero, last, high, low, thresholds)
        cell = np.uint32(value + np.int32(label != 0) * num_values - first_cell)
        return min(cell, num_cells) if is_good else np.uint32(num_cells + np.uint32(1))

    return device_function(cell_of)


@cache
def make_count(kernel: str, label_dtype: np.dtype[Any], is_wide: bool) -> Any:
    """Return the kernel that counts samples without weights, as a Python function.

    Parameters of the kernel
    ------------------------
    scores, score_row, score_col : int64
        Where the scores are, and the bytes from row to row and from column to column.
    labels, label_row, label_col : int64
        The same of labels.
    num_rows, num_cols : int64
        At least 1.
    offset, row_pitch, col_pitch : int64
        The position of a sample is ``offset + row * row_pitch + col * col_pitch``.
    last, high, low : float64
        ``T - 1``, and its inverse in two parts.
    one : int32
        What the score 1 is stored as, of half precision.
    thresholds : array
        Those that scores counted by value are compared with; others need none.
    num_values, num_windows, num_cells : int32
        Of values of a score, of windows, and of cells in each.
    total : array of int64, shape (2 * T,)
        Added to.
    report : array of int64, shape (REPORT_LENGTH,)
        Added to.
    """
    dtype = SCORE_DTYPES[kernel]
    real = dtype.type if kernel in ("f32", "f64") else np.float64
    load_score, load_label = loads(dtype), loads(label_dtype)
    at_once = unit_of(kernel, label_dtype)
    is_whole = at_once == UNIT
    repeat = UNIT // at_once
    load_scores, load_labels = loads(dtype, at_once, repeat), loads(label_dtype, at_once, repeat)
    score_size, label_size = np.int64(dtype.itemsize), np.int64(label_dtype.itemsize)
    cell_of = make_cell(kernel, label_dtype)
    report_bad = make_report_bad(kernel, label_dtype, None)
    by_value = counts_values(kernel)
    unit = np.int64(at_once if is_wide else 1)
    one_more = np.uint32(1)

    def count(
        scores: Any, score_row: Any, score_col: Any, labels: Any, label_row: Any, label_col: Any,
        num_rows: Any, num_cols: Any, offset: Any, row_pitch: Any, col_pitch: Any,
        last: Any, high: Any, low: Any, one: Any, thresholds: Any, num_values: Any,
        num_windows: Any, num_cells: Any, total: Any, report: Any,
    ) -> None:  # fmt: skip
        table = cuda.shared.array(0, types.uint32)
        window = np.int32(cuda.blockIdx.x % num_windows)
        first_cell = np.int32(window * num_cells)
        for cell in range(cuda.threadIdx.x, num_cells + 2, cuda.blockDim.x):
            table[cell] = 0
        cuda.syncthreads()

        how = (
            one, real(last), real(high), real(low), thresholds, num_values, first_cell,
            np.uint32(num_cells),
        )  # fmt: skip
        per_row = (num_cols + (unit - 1)) // unit
        row, col, rows_on, cols_on = first_of(per_row, num_windows)
        while row < num_rows:
            if is_wide:
                score_at = scores + row * score_row + col * (unit * score_size)
                label_at = labels + row * label_row + col * (unit * label_size)
                num_left = num_cols - col * unit
                if num_left >= unit:
                    s = load_scores(score_at)
                    y = load_labels(label_at)
                    # written out: a tuple that a loop indexes would be in local memory
                    c0 = cell_of(s[0], y[0], how)
                    c1 = cell_of(s[1], y[1], how)
                    c2 = cell_of(s[2], y[2], how)
                    c3 = cell_of(s[3], y[3], how)
                    c4 = cell_of(s[4], y[4], how)
                    c5 = cell_of(s[5], y[5], how)
                    c6 = cell_of(s[6], y[6], how)
                    c7 = cell_of(s[7], y[7], how)
                    if is_whole:
                        c8 = cell_of(s[8], y[8], how)
                        c9 = cell_of(s[9], y[9], how)
                        c10 = cell_of(s[10], y[10], how)
                        c11 = cell_of(s[11], y[11], how)
                        c12 = cell_of(s[12], y[12], how)
                        c13 = cell_of(s[13], y[13], how)
                        c14 = cell_of(s[14], y[14], how)
                        c15 = cell_of(s[15], y[15], how)
                    cuda.atomic.add(table, c0, one_more)
                    cuda.atomic.add(table, c1, one_more)
                    cuda.atomic.add(table, c2, one_more)
                    cuda.atomic.add(table, c3, one_more)
                    cuda.atomic.add(table, c4, one_more)
                    cuda.atomic.add(table, c5, one_more)
                    cuda.atomic.add(table, c6, one_more)
                    cuda.atomic.add(table, c7, one_more)
                    if is_whole:
                        cuda.atomic.add(table, c8, one_more)
                        cuda.atomic.add(table, c9, one_more)
                        cuda.atomic.add(table, c10, one_more)
                        cuda.atomic.add(table, c11, one_more)
                        cuda.atomic.add(table, c12, one_more)
                        cuda.atomic.add(table, c13, one_more)
                        cuda.atomic.add(table, c14, one_more)
                        cuda.atomic.add(table, c15, one_more)
                else:
                    for i in range(num_left):
                        score = load_score(score_at + i * score_size)
                        label = load_label(label_at + i * label_size)
                        cuda.atomic.add(table, cell_of(score, label, how), one_more)
            else:
                score = load_score(scores + row * score_row + col * score_col)
                label = load_label(labels + row * label_row + col * label_col)
                cuda.atomic.add(table, cell_of(score, label, how), one_more)
            row += rows_on
            col += cols_on
            if col >= per_row:
                col -= per_row
                row += 1

        cuda.syncthreads()
        for cell in range(cuda.threadIdx.x, num_cells, cuda.blockDim.x):
            counted = table[cell]
            if counted != 0:
                place = np.int64(first_cell + cell)
                if by_value and place >= num_values:
                    place = bin_index_on_device(place - num_values, thresholds) + len(thresholds)
                elif by_value:
                    place = bin_index_on_device(place, thresholds)
                cuda.atomic.add(total, place, np.int64(counted))
        if table[num_cells + 1] != 0 and window == 0:
            report_bad(
                scores, score_row, score_col, labels, label_row, label_col, 0, 0, 0,
                num_rows, num_cols, offset, row_pitch, col_pitch, one, unit, num_windows, report,
            )  # fmt: skip

    return count


# ---- with weights ----


def _add_limb(table: Any, place: Any, num_cells: Any, limb: Any) -> None:
    """Add 32 bits to a limb, and carry."""
    carry = np.uint32(limb)
    while carry != 0:
        before = cuda.atomic.add(table, place, carry)
        after = np.uint32(before + carry)
        carry = np.uint32(1) if after < before else np.uint32(0)
        place += num_cells


add_limb = device_function(_add_limb)


def _add_split(table: Any, cell: Any, num_cells: Any, mantissa: Any, shift: Any) -> None:
    """Add ``mantissa * 2**shift`` to a cell, whose limbs are `num_cells` apart."""
    place = np.int64(shift >> 5) * num_cells + cell
    off = np.int64(shift & 31)
    low = (mantissa & 0xFFFFFFFF) << off
    high = (mantissa >> 32) << off
    middle = (low >> 32) + (high & 0xFFFFFFFF)
    add_limb(table, place, num_cells, low & 0xFFFFFFFF)
    add_limb(table, place + num_cells, num_cells, middle & 0xFFFFFFFF)
    add_limb(table, place + 2 * num_cells, num_cells, (high >> 32) + (middle >> 32))


add_split = device_function(_add_split)


@cache
def make_weigh_one(kernel: str, label_dtype: np.dtype[Any], weight_kind: str) -> Any:
    """Return the function that adds the weight of a sample, or returns 1 if it cannot."""
    is_score, is_label = make_is_score(kernel), make_is_label(label_dtype)
    is_weight, split = make_is_weight(weight_kind), make_split(weight_kind)
    bin_of = make_bin(kernel)

    def weigh_one(score: Any, label: Any, weight: Any, how: Any, table: Any) -> Any:
        one, last, high, low, thresholds, num_bins = how
        if not (is_score(score, one) and is_label(label) and is_weight(weight)):
            return np.int32(1)
        mantissa, shift = split(weight)
        cell = np.int64(bin_of(score, last, high, low, thresholds))
        if label != 0:
            cell += num_bins
        add_split(table, cell, 2 * np.int64(num_bins), mantissa, shift)
        return np.int32(0)

    return device_function(weigh_one)


@cache
def make_weigh(
    kernel: str, label_dtype: np.dtype[Any], weight_kind: str, is_wide: bool, is_shared: bool
) -> Any:
    """Return the kernel that adds the weights of samples, as a Python function.

    Parameters are those of `make_count`, and where the weights are. Sums are in shared memory
    first, if they fit. `total` is of uint32, of the shape (num_limbs, 2 * T), flat.
    """
    dtype, weight_dtype = SCORE_DTYPES[kernel], WEIGHT_DTYPES[weight_kind]
    real = dtype.type if kernel in ("f32", "f64") else np.float64
    load_score, load_label = loads(dtype), loads(label_dtype)
    load_weight = loads(weight_dtype)
    at_once = (2 if weight_dtype.itemsize == 8 else 4) if is_wide else 1
    repeat = 4 // at_once
    is_whole = at_once == 4
    load_scores, load_labels = loads(dtype, at_once, repeat), loads(label_dtype, at_once, repeat)
    load_weights = loads(weight_dtype, at_once, repeat)
    score_size, label_size = np.int64(dtype.itemsize), np.int64(label_dtype.itemsize)
    weight_size = np.int64(weight_dtype.itemsize)
    weigh_one = make_weigh_one(kernel, label_dtype, weight_kind)
    report_bad = make_report_bad(kernel, label_dtype, weight_kind)
    unit = np.int64(at_once)
    num_limbs = np.int32(grid_of(weight_kind).num_limbs)

    def weigh(
        scores: Any, score_row: Any, score_col: Any, labels: Any, label_row: Any, label_col: Any,
        weights: Any, weight_row: Any, weight_col: Any, num_rows: Any, num_cols: Any, offset: Any,
        row_pitch: Any, col_pitch: Any, last: Any, high: Any, low: Any, one: Any, thresholds: Any,
        num_bins: Any, total: Any, report: Any,
    ) -> None:  # fmt: skip
        num_bad = cuda.shared.array(1, types.int32)
        if is_shared:
            table = cuda.shared.array(0, types.uint32)
            for place in range(cuda.threadIdx.x, 2 * num_bins * num_limbs, cuda.blockDim.x):
                table[place] = 0
        else:
            table = total
        if cuda.threadIdx.x == 0:
            num_bad[0] = 0
        cuda.syncthreads()

        how = (one, real(last), real(high), real(low), thresholds, num_bins)
        bad = np.int32(0)
        per_row = (num_cols + (unit - 1)) // unit
        row, col, rows_on, cols_on = first_of(per_row, 1)
        while row < num_rows:
            score_at = scores + row * score_row
            label_at = labels + row * label_row
            weight_at = weights + row * weight_row
            if is_wide:
                score_at += col * (unit * score_size)
                label_at += col * (unit * label_size)
                weight_at += col * (unit * weight_size)
                num_left = num_cols - col * unit
                if num_left >= unit:
                    s = load_scores(score_at)
                    y = load_labels(label_at)
                    w = load_weights(weight_at)
                    bad |= weigh_one(s[0], y[0], w[0], how, table)
                    bad |= weigh_one(s[1], y[1], w[1], how, table)
                    if is_whole:
                        bad |= weigh_one(s[2], y[2], w[2], how, table)
                        bad |= weigh_one(s[3], y[3], w[3], how, table)
                else:
                    for i in range(num_left):
                        bad |= weigh_one(
                            load_score(score_at + i * score_size),
                            load_label(label_at + i * label_size),
                            load_weight(weight_at + i * weight_size), how, table,
                        )  # fmt: skip
            else:
                bad |= weigh_one(
                    load_score(score_at + col * score_col), load_label(label_at + col * label_col),
                    load_weight(weight_at + col * weight_col), how, table,
                )  # fmt: skip
            row += rows_on
            col += cols_on
            if col >= per_row:
                col -= per_row
                row += 1

        if bad != 0:
            num_bad[0] = 1
        cuda.syncthreads()
        if is_shared:
            cells = 2 * np.int64(num_bins)
            for place in range(cuda.threadIdx.x, 2 * num_bins * num_limbs, cuda.blockDim.x):
                if table[place] != 0:
                    add_limb(total, np.int64(place), cells, table[place])
        if num_bad[0] != 0:
            report_bad(
                scores, score_row, score_col, labels, label_row, label_col, weights, weight_row,
                weight_col, num_rows, num_cols, offset, row_pitch, col_pitch, one, unit, 1, report,
            )  # fmt: skip

    return weigh
