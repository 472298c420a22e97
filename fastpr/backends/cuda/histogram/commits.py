"""After the samples of an update: what was wrong with them, and whether they are added.

An update is counted into a table of its own. If a report says that nothing is wrong, a second
kernel adds it to the table of all; else it writes the report into a log. So nobody has to
wait for the device to know, and an update is counted whole or not at all.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from fastpr.backends.cuda.device import device_function
from fastpr.backends.cuda.histogram.weights import make_split
from fastpr.backends.cuda.loads import bits_of_float64, loads

# What a report holds: of scores, labels and weights each the number of bad ones, the first
# position, and the bits of what is there.
NUM_BAD, FIRST, FOUND = 0, 1, 2
SCORES, LABELS, WEIGHTS = 0, 3, 6
REPORT_LENGTH = 9
NOWHERE = 2**63 - 1
LARGEST_FLOAT64 = float(np.finfo(np.float64).max)

# What the log of a tally holds: how many updates were refused, how many scores of the others
# were dropped, whether a sum is too large; then of each refused update its ordinal and report.
NUM_REFUSED, NUM_DROPPED, IS_TOO_LARGE = 0, 1, 2
LOG_HEADER = 3
LOG_ENTRY = 1 + REPORT_LENGTH


Dtypes = tuple[np.dtype[Any], np.dtype[Any], np.dtype[Any]]


@cache
def make_find(dtypes: Dtypes) -> Any:
    """Return the kernel, of one thread, that writes down what is at the first bad positions.

    It does so for those of one launch of a counting kernel: the others' have been, or will be,
    found by theirs. Scores and weights are read as integers, their bits.
    """
    load_score, load_label, load_weight = (loads(dtype) for dtype in dtypes)

    def place_of(
        position: Any, num_rows: Any, num_cols: Any, offset: Any, row_pitch: Any, col_pitch: Any
    ) -> Any:
        """Return the row and the column of a position, or (-1, -1) if it is not of this launch."""
        rest = position - offset
        if rest >= 0:
            if row_pitch >= col_pitch:
                row = rest // row_pitch
                col = (rest - row * row_pitch) // col_pitch
            else:
                col = rest // col_pitch
                row = (rest - col * col_pitch) // row_pitch
            is_here = row * row_pitch + col * col_pitch == rest
            if is_here and row < num_rows and col < num_cols:
                return row, col
        return np.int64(-1), np.int64(-1)

    place_of = device_function(place_of)

    def find(
        scores: Any, score_row: Any, score_col: Any, labels: Any, label_row: Any, label_col: Any,
        weights: Any, weight_row: Any, weight_col: Any, num_rows: Any, num_cols: Any, offset: Any,
        row_pitch: Any, col_pitch: Any, report: Any,
    ) -> None:  # fmt: skip
        if report[SCORES + NUM_BAD] != 0:
            row, col = place_of(
                report[SCORES + FIRST], num_rows, num_cols, offset, row_pitch, col_pitch
            )
            if row >= 0:
                found = load_score(scores + row * score_row + col * score_col)
                report[SCORES + FOUND] = np.int64(found)
        if report[LABELS + NUM_BAD] != 0:
            row, col = place_of(
                report[LABELS + FIRST], num_rows, num_cols, offset, row_pitch, col_pitch
            )
            if row >= 0:
                found = load_label(labels + row * label_row + col * label_col)
                report[LABELS + FOUND] = np.int64(found)
        if report[WEIGHTS + NUM_BAD] != 0:
            row, col = place_of(
                report[WEIGHTS + FIRST], num_rows, num_cols, offset, row_pitch, col_pitch
            )
            if row >= 0:
                found = load_weight(weights + row * weight_row + col * weight_col)
                report[WEIGHTS + FOUND] = np.int64(found)

    return find


def _is_refused(report: Any, raise_invalid: Any) -> Any:
    return (
        (raise_invalid != 0 and report[SCORES + NUM_BAD] != 0)
        or report[LABELS + NUM_BAD] != 0
        or report[WEIGHTS + NUM_BAD] != 0
    )


def _write_log(
    report: Any, next_report: Any, raise_invalid: Any, ordinal: Any, log: Any
) -> None:  # fmt: skip
    """Write down what became of an update, and prepare the report of the next one."""
    if is_refused(report, raise_invalid):
        entry = cuda.atomic.add(log, NUM_REFUSED, np.int64(1))
        start = LOG_HEADER + entry * LOG_ENTRY
        if start + LOG_ENTRY <= len(log):
            log[start] = ordinal
            for i in range(REPORT_LENGTH):
                log[start + 1 + i] = report[i]
    else:
        cuda.atomic.add(log, NUM_DROPPED, report[SCORES + NUM_BAD])
    for i in range(REPORT_LENGTH):
        next_report[i] = NOWHERE if i % 3 == FIRST else 0


is_refused = device_function(_is_refused)
write_log = device_function(_write_log)


@cache
def make_commit(dtypes: Dtypes) -> Any:
    """Return the kernel that adds the table of an update, unless it is refused.

    It leaves a table of zeros behind, and finds what `make_find` does, for the last launch.
    """
    find = device_function(make_find(dtypes))

    def commit(
        scores: Any, score_row: Any, score_col: Any, labels: Any, label_row: Any, label_col: Any,
        weights: Any, weight_row: Any, weight_col: Any, num_rows: Any, num_cols: Any, offset: Any,
        row_pitch: Any, col_pitch: Any, scratch: Any, report: Any, next_report: Any,
        raise_invalid: Any, ordinal: Any, totals: Any, log: Any,
    ) -> None:  # fmt: skip
        is_good = not is_refused(report, raise_invalid)
        for cell in range(cuda.grid(1), len(scratch), cuda.gridsize(1)):
            counted = scratch[cell]
            if counted != 0:
                scratch[cell] = 0
                if is_good:
                    cuda.atomic.add(totals, cell, np.int64(counted))
        if cuda.grid(1) == 0:
            find(
                scores, score_row, score_col, labels, label_row, label_col, weights, weight_row,
                weight_col, num_rows, num_cols, offset, row_pitch, col_pitch, report,
            )  # fmt: skip
            write_log(report, next_report, raise_invalid, ordinal, log)

    return commit


split_f64 = make_split("f64")


@cache
def make_commit_scaled(dtypes: Dtypes) -> Any:
    """Return the kernel that adds counts times a weight, rounded once, to limbs of the wide grid.

    In all else it is that of `make_commit`.
    """
    find = device_function(make_find(dtypes))

    def commit_scaled(
        scores: Any, score_row: Any, score_col: Any, labels: Any, label_row: Any, label_col: Any,
        weights: Any, weight_row: Any, weight_col: Any, num_rows: Any, num_cols: Any, offset: Any,
        row_pitch: Any, col_pitch: Any, scratch: Any, scale: Any, report: Any, next_report: Any,
        raise_invalid: Any, ordinal: Any, totals: Any, log: Any,
    ) -> None:  # fmt: skip
        is_good = not is_refused(report, raise_invalid)
        num_cells = np.int64(len(scratch))
        for cell in range(cuda.grid(1), len(scratch), cuda.gridsize(1)):
            counted = scratch[cell]
            if counted != 0:
                scratch[cell] = 0
                weight = np.float64(counted) * scale
                if is_good and weight > LARGEST_FLOAT64:
                    log[IS_TOO_LARGE] = 1
                elif is_good:
                    mantissa, shift = split_f64(bits_of_float64(weight))
                    place = np.int64(shift >> 5) * num_cells + cell
                    off = np.int64(shift & 31)
                    low = (mantissa & 0xFFFFFFFF) << off
                    high = (mantissa >> 32) << off
                    middle = (low >> 32) + (high & 0xFFFFFFFF)
                    cuda.atomic.add(totals, place, low & 0xFFFFFFFF)
                    cuda.atomic.add(totals, place + num_cells, middle)
                    cuda.atomic.add(totals, place + 2 * num_cells, high >> 32)
        if cuda.grid(1) == 0:
            find(
                scores, score_row, score_col, labels, label_row, label_col, weights, weight_row,
                weight_col, num_rows, num_cols, offset, row_pitch, col_pitch, report,
            )  # fmt: skip
            write_log(report, next_report, raise_invalid, ordinal, log)

    return commit_scaled


def fill(array: Any, value: Any) -> None:
    """Set all that an array holds."""
    for i in range(cuda.grid(1), len(array), cuda.gridsize(1)):
        array[i] = value
