"""Scores in descending order, part 1: a pass over the input puts them into buckets.

The bits of a float become a key that grows as the score falls. The keys are cut into cells, up to
65,536 of equal width; neighbouring cells with few samples become one bucket. What is left of a
key in its bucket, and the label, are a record: 4 bytes for float32, whatever the scores, and 8
bytes for float64. Samples keep their order in a bucket, whoever writes them there, so nothing
that follows depends on the number of threads.

The input is read three times, and somebody else may write to it meanwhile: a key is never taken
to be where an earlier pass found it, and no place to be inside of the records.
"""

# The types of kernels are Numba's to find.
# mypy: disallow-untyped-defs=False, disallow-untyped-decorators=False, check-untyped-defs=False

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

import fastpr.backends.numba.histogram.blocks  # noqa: F401 - its import makes a fork wait for compilers
from fastpr.backends.numba.compile import keep_on_disk
from fastpr.backends.numba.options import INLINED_BY_LLVM, KERNEL_OPTIONS


def largest_key(bits_type: Any) -> int:
    """Return the key of the lowest bits that a float can have."""
    return int(np.iinfo(bits_type).max)


def keys_of_infinity(bits_type: Any) -> tuple[int, int]:
    """Return the keys of both infinities; those of finite numbers are between them."""
    float_type = np.dtype(f"f{np.dtype(bits_type).itemsize}")
    infinity = int(np.array(np.inf, float_type).view(bits_type))
    zero = largest_key(bits_type) // 2
    return zero - infinity, zero + infinity


@cache
def make_key(bits_type: Any) -> Any:
    """Return the compiled function from the bits of a float to its key."""
    half = bits_type(largest_key(bits_type) // 2)
    one = bits_type(1)

    @njit(**INLINED_BY_LLVM)
    def key_of(bits):
        # -0.0 is the first of the negative ones, and gets the key of 0.0
        return bits_type(bits - one) if bits > half else bits_type(half - bits)

    return key_of


@cache
def make_find_range(bits_type: Any) -> Any:
    """Return the compiled pass that finds the least and the largest key of scores."""
    key_of = make_key(bits_type)
    last = bits_type(largest_key(bits_type))

    @njit(**KERNEL_OPTIONS)
    def find_range(bits, ends):
        least, largest = last, bits_type(0)
        for i in range(len(bits)):
            key = key_of(bits[i])
            least = min(least, key)
            largest = max(largest, key)
        ends[0] = least
        ends[1] = largest

    return keep_on_disk(f"sort-range-{bits_type.__name__}", find_range)


@cache
def make_count_cells(bits_type: Any, weighted: bool) -> Any:
    """Return the compiled pass that counts the samples of each cell."""
    key_of = make_key(bits_type)

    @njit(**KERNEL_OPTIONS)
    def count_cells(bits, weights, origin, span, shift, counts):
        one = np.uint32(1)
        for i in range(len(bits)):
            if weighted and weights[i] == 0.0:
                continue
            distance = min(bits_type(key_of(bits[i]) - origin), span)
            counts[np.uint64(distance) >> shift] += one

    return keep_on_disk(f"sort-cells-{bits_type.__name__}{'-weighted' * weighted}", count_cells)


@njit(**KERNEL_OPTIONS)
def plan_buckets(counts, most, widest, bucket_of_cell, first_cells, starts):
    """Make buckets of neighbouring cells; return how many.

    `most` samples are in a bucket, unless it is one cell, which is at most `widest` cells. Cells
    without samples have none.
    """
    num_slices, num_cells = counts.shape
    num_buckets = 0
    num_before, num_here = np.int64(0), np.int64(0)
    for cell in range(num_cells):
        num = np.int64(0)
        for part in range(num_slices):
            num += np.int64(counts[part, cell])
        if num == 0:
            continue
        is_first = num_buckets == 0
        if is_first or num_here + num > most or cell - first_cells[num_buckets - 1] >= widest:
            num_before += num_here
            num_here = np.int64(0)
            first_cells[num_buckets] = cell
            starts[num_buckets] = num_before
            num_buckets += 1
        num_here += num
        bucket_of_cell[cell] = num_buckets - 1
    starts[num_buckets] = num_before + num_here
    return num_buckets


@njit(**KERNEL_OPTIONS)
def plan_places(counts, bucket_of_cell, starts, places):
    """Find where each slice begins to write in each bucket."""
    num_slices, num_cells = counts.shape
    num_buckets = len(starts) - 1
    places[:] = 0
    for part in range(num_slices):
        for cell in range(num_cells):
            if counts[part, cell]:
                places[part, bucket_of_cell[cell]] += np.int64(counts[part, cell])
    for bucket in range(num_buckets):
        place = starts[bucket]
        for part in range(num_slices):
            num = places[part, bucket]
            places[part, bucket] = place
            place += num


keep_on_disk("sort-buckets", plan_buckets)
keep_on_disk("sort-places", plan_places)


@cache
def make_scatter(bits_type: Any, weighted: bool) -> Any:
    """Return the compiled pass that writes the records of samples into buckets.

    There is at least one record, and a bucket more than those that are planned: of cells in which
    no sample was.
    """
    key_of = make_key(bits_type)

    @njit(**KERNEL_OPTIONS)
    def scatter(
        bits, labels, weights, origin, span, shift, bucket_of_cell, bases, places, records,
        record_weights,
    ):  # fmt: skip
        one = np.uint64(1)
        last_place = np.uint64(len(records) - 1)
        for i in range(len(bits)):
            if weighted and weights[i] == 0.0:
                continue
            distance = np.uint64(min(bits_type(key_of(bits[i]) - origin), span))
            bucket = np.uint64(bucket_of_cell[distance >> shift])
            place = np.uint64(places[bucket])
            places[bucket] = place + one
            place = min(place, last_place)
            rest = distance - np.uint64(bases[bucket])
            records[place] = bits_type((rest << one) | np.uint64(labels[i] != 0))
            if weighted:
                record_weights[place] = np.float64(weights[i])

    return keep_on_disk(f"sort-scatter-{bits_type.__name__}{'-weighted' * weighted}", scatter)
