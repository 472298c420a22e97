"""Scores in descending order, part 3: a walk over sorted records, from the highest score.

Samples of one score are a group, and count together. Nothing is decided by a jump where groups
are short, since a core could not foresee it: each record is taken for the last of its group, and
what is not is multiplied by 0. Where groups are long, 64 records are one step.
"""

# The types of kernels are Numba's to find.
# mypy: disallow-untyped-defs=False, disallow-untyped-decorators=False, check-untyped-defs=False

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.compile import keep_on_disk
from fastpr.backends.numba.options import INLINED_BY_LLVM, KERNEL_OPTIONS
from fastpr.backends.numba.sort.partition import largest_key

STEP = 64
# Two counts below this have a product that an int64 holds; of others, a part is counted in
# units of AREA_UNIT, and so is a sum that has grown as large.
LARGE_COUNT = 1 << 31
LARGE_AREA = 1 << 62
AREA_BITS = 24
AREA_UNIT = 1 << AREA_BITS
_TERMS = 4096  # that are added up before they are added to others: fewer roundings


@njit(**KERNEL_OPTIONS)
def num_odd(records):
    """Return the number of records of positives."""
    odd = np.int64(0)
    for i in range(len(records)):
        odd += np.int64(records[i] & np.uint64(1))
    return odd


@njit(**KERNEL_OPTIONS)
def add_weights(records, weights, tp, fp):
    """Add weights to those of positives and of negatives, one after the other."""
    for i in range(len(records)):
        is_positive = np.float64(records[i] & np.uint64(1))
        tp += weights[i] * is_positive
        fp += weights[i] * (1.0 - is_positive)
    return tp, fp


@njit(**KERNEL_OPTIONS)
def count_area(gain, width, area, large_area):
    """Add the product of two counts to an area of two parts."""
    if (gain | width) >= LARGE_COUNT:
        large_area += (gain >> AREA_BITS) * width
        gain &= AREA_UNIT - 1
    area += gain * width
    if area >= LARGE_AREA:
        large_area += area >> AREA_BITS
        area &= AREA_UNIT - 1
    return area, large_area


@njit(**KERNEL_OPTIONS)
def walk_precision(records, starts, first, last, tp, fp, precisions):
    """Add up precision at the score of each positive, for each bucket by itself.

    Parameters
    ----------
    records : ndarray of uint32 or uint64
        Sorted in each bucket.
    starts : ndarray of int64
        Where buckets begin, and the last one ends.
    first, last : int
        The buckets to do: `last` is the first not to be done.
    tp, fp : int
        Positives and negatives before the first of them.
    precisions : ndarray of float64, a value for each bucket
        Out.
    """
    one = np.uint64(1)
    seen_before = tp + fp
    for bucket in range(first, last):
        part = records[starts[bucket] : starts[bucket + 1]]
        length = len(part)
        group_tp = tp  # before the group
        total, terms = 0.0, 0.0
        i = np.int64(0)
        while i < length:
            stop = min(i + STEP, length)
            # the last record of a step looks at the one after it
            if stop < length and (part[np.uint64(i)] ^ part[np.uint64(stop)]) <= one:
                tp += num_odd(part[i:stop])
                i = stop
                continue
            for j in range(i, stop):
                record = part[np.uint64(j)]
                tp += np.int64(record & one)
                after = part[np.uint64(min(j + 1, length - 1))]
                is_last = (j + 1 == length) | ((record ^ after) > one)
                gain = tp - group_tp if is_last else 0
                terms += np.float64(gain) * (np.float64(tp) / np.float64(seen_before + j + 1))
                group_tp = tp if is_last else group_tp
            if i & (_TERMS - STEP) == 0:
                total += terms
                terms = 0.0
            i = stop
        seen_before += length
        precisions[bucket] = total + terms


@cache
def make_walk_area(is_large: bool) -> Any:
    """Return the compiled walk over counts that may be large, or are below LARGE_COUNT.

    Its `areas` and `large_areas` are for each bucket the sum over its positives of twice the
    negatives of the same bucket that are before, and once those of the same score; the second
    is in units of AREA_UNIT.
    """

    @njit(**KERNEL_OPTIONS)
    def walk_area(records, starts, first, last, areas, large_areas):
        one = np.uint64(1)
        for bucket in range(first, last):
            part = records[starts[bucket] : starts[bucket + 1]]
            length = len(part)
            tp, group_tp, group_fp = np.int64(0), np.int64(0), np.int64(0)
            area, large_area = np.int64(0), np.int64(0)
            i = np.int64(0)
            while i < length:
                stop = min(i + STEP, length)
                if stop < length and (part[np.uint64(i)] ^ part[np.uint64(stop)]) <= one:
                    tp += num_odd(part[i:stop])
                    i = stop
                    continue
                for j in range(i, stop):
                    record = part[np.uint64(j)]
                    tp += np.int64(record & one)
                    after = part[np.uint64(min(j + 1, length - 1))]
                    is_last = (j + 1 == length) | ((record ^ after) > one)
                    fp = j + 1 - tp
                    if_last = -np.int64(is_last)
                    gain = (tp - group_tp) & if_last
                    if is_large:
                        area, large_area = count_area(gain, fp + group_fp, area, large_area)
                    else:
                        area += gain * (fp + group_fp)
                    group_tp += gain
                    group_fp += (fp - group_fp) & if_last
                i = stop
            areas[bucket] = area
            large_areas[bucket] = large_area

    return keep_on_disk(f"sort-area{'-large' * is_large}", walk_area)


@njit(**KERNEL_OPTIONS)
def walk_weights(records, weights, starts, precisions, areas, totals):
    """Add up precision and area as above, in weights; `totals` becomes those of both labels.

    `areas` are here those below all negatives before, of other buckets too.
    """
    one = np.uint64(1)
    tp, fp = 0.0, 0.0
    for bucket in range(len(starts) - 1):
        part = records[starts[bucket] : starts[bucket + 1]]
        part_weights = weights[starts[bucket] : starts[bucket + 1]]
        length = len(part)
        group_tp, group_fp = tp, fp
        total, terms, area, area_terms = 0.0, 0.0, 0.0, 0.0
        i = np.int64(0)
        while i < length:
            stop = min(i + STEP, length)
            if stop < length and (part[np.uint64(i)] ^ part[np.uint64(stop)]) <= one:
                tp, fp = add_weights(part[i:stop], part_weights[i:stop], tp, fp)
                i = stop
                continue
            for j in range(i, stop):
                record, weight = part[np.uint64(j)], part_weights[np.uint64(j)]
                is_positive = np.float64(record & one)
                tp += weight * is_positive
                fp += weight * (1.0 - is_positive)
                after = part[np.uint64(min(j + 1, length - 1))]
                is_last = (j + 1 == length) | ((record ^ after) > one)
                gain = tp - group_tp if is_last else 0.0
                terms += gain * (tp / (tp + fp))
                area_terms += gain * (fp + group_fp)
                group_tp = tp if is_last else group_tp
                group_fp = fp if is_last else group_fp
            if i & (_TERMS - STEP) == 0:
                total += terms
                area += area_terms
                terms, area_terms = 0.0, 0.0
            i = stop
        precisions[bucket] = total + terms
        areas[bucket] = area + area_terms
    totals[0] = fp
    totals[1] = tp


@cache
def make_write_groups(bits_type: Any, weighted: bool) -> Any:
    """Return the compiled walk that writes the counts and the score of each group."""
    half = np.uint64(largest_key(bits_type) // 2)
    float_type = np.dtype(f"f{np.dtype(bits_type).itemsize}").type

    @njit(**KERNEL_OPTIONS)
    def write_groups(
        records, weights, starts, first, last, tp, fp, places, origins, step, tps, fps, thresholds
    ):
        one = np.uint64(1)
        place = places[first]
        for bucket in range(first, last):
            part = records[starts[bucket] : starts[bucket + 1]]
            part_weights = weights[starts[bucket] : starts[bucket + 1]] if weighted else weights
            length = len(part)
            i = np.int64(0)
            while i < length:
                stop = min(i + STEP, length)
                if stop < length and (part[np.uint64(i)] ^ part[np.uint64(stop)]) <= one:
                    if weighted:
                        tp, fp = add_weights(part[i:stop], part_weights[i:stop], tp, fp)
                    else:
                        odd = num_odd(part[i:stop])
                        tp += odd
                        fp += stop - i - odd
                    i = stop
                    continue
                for j in range(i, stop):
                    record = part[np.uint64(j)]
                    if weighted:
                        is_positive = np.float64(record & one)
                        tp += part_weights[np.uint64(j)] * is_positive
                        fp += part_weights[np.uint64(j)] * (1.0 - is_positive)
                    else:
                        tp += np.int64(record & one)
                        fp += 1 - np.int64(record & one)
                    after = part[np.uint64(min(j + 1, length - 1))]
                    is_last = (j + 1 == length) | ((record ^ after) > one)
                    key = origins[bucket] + (np.uint64(record) >> one)
                    tps[np.uint64(place)] = tp
                    fps[np.uint64(place)] = fp
                    bits = bits_type(key + one if key > half else half - key)
                    thresholds[np.uint64(place)] = bits.view(float_type)
                    place += step if is_last else 0
                i = stop

    return keep_on_disk(f"sort-groups-{bits_type.__name__}{'-weighted' * weighted}", write_groups)


@njit(**INLINED_BY_LLVM)
def is_kept(tps, fps, i, corners_only):
    """Return whether the second of three points of a curve is drawn.

    That is in a curve of precision where the recall changes before it or after it; in a curve of
    the rates (`corners_only`) where it is a corner.
    """
    tp, fp = tps[np.uint64(i)], fps[np.uint64(i)]
    next_tp, next_fp = tps[np.uint64(i + 1)], fps[np.uint64(i + 1)]
    last_tp, last_fp = tps[np.uint64(i + 2)], fps[np.uint64(i + 2)]
    if corners_only:
        return ((last_tp - next_tp) - (next_tp - tp) != 0.0) | (
            (last_fp - next_fp) - (next_fp - fp) != 0.0
        )
    return (tp != next_tp) | (next_tp != last_tp)


@njit(**KERNEL_OPTIONS)
def count_kept(tps, fps, corners_only):
    """Return how many points are kept of all but the first and the last."""
    num = np.int64(0)
    if corners_only:
        for i in range(len(tps) - 2):
            num += np.int64(is_kept(tps, fps, i, True))
    else:
        for i in range(len(tps) - 2):
            num += np.int64(is_kept(tps, fps, i, False))
    return num


@njit(**KERNEL_OPTIONS)
def write_kept(
    tps, fps, thresholds, corners_only, place, stop, kept_tps, kept_fps, kept_thresholds
):
    """Copy the points that are kept of all but the first and the last, to `place` until `stop`.

    Each is written, over the one before if that is not kept.
    """
    for i in range(len(tps) - 2):
        if place == stop:
            break
        kept_tps[np.uint64(place)] = tps[np.uint64(i + 1)]
        kept_fps[np.uint64(place)] = fps[np.uint64(i + 1)]
        kept_thresholds[np.uint64(place)] = thresholds[np.uint64(i + 1)]
        place += np.int64(is_kept(tps, fps, i, corners_only))


@njit(**KERNEL_OPTIONS)
def to_precision_and_recall(tps, fps, num_positives):
    """Make recall of true positives and precision of false ones, where they are."""
    for i in range(len(tps)):
        seen = tps[i] + fps[i]
        fps[i] = tps[i] / seen if seen != 0.0 else 0.0
        tps[i] = tps[i] / num_positives if num_positives != 0.0 else 1.0


@njit(**KERNEL_OPTIONS)
def to_rates(tps, fps, num_positives, num_negatives):
    """Make rates of counts, where they are; NaN where there is nothing to count."""
    for i in range(len(tps)):
        tps[i] = tps[i] / num_positives if num_positives > 0.0 else np.nan
        fps[i] = fps[i] / num_negatives if num_negatives > 0.0 else np.nan


keep_on_disk("sort-precision", walk_precision)
keep_on_disk("sort-walk-weighted", walk_weights)
keep_on_disk("sort-count-kept", count_kept)
keep_on_disk("sort-write-kept", write_kept)
keep_on_disk("sort-ratios", to_precision_and_recall)
keep_on_disk("sort-rates", to_rates)
