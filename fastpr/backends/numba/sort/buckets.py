"""Scores in descending order, part 2: the records of each bucket are sorted, where they are.

By key alone, and records of one key stay in their order (where there are weights; without, that
of their labels does not matter). A stack holds the ranges that are still to be sorted:

- A few records are inserted one by one.
- Records with few bits that differ are counted, and written anew from the counts.
- Up to MOST_AT_ONCE are sorted by their leading 22 bits in two turns, to scratch and back, which
  leaves few that are not in order; these are ranges of their own.
- More are split by their leading 8 bits. Of float32 without weights there are none: a bucket of
  so many is one cell, which has 16 bits.
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

MOST_AT_ONCE = 1 << 16
DENSE_BITS = 16
TABLE_CELLS = 2 << DENSE_BITS
DIGIT_BITS = 11
SPLIT_BITS = 8
FEW = 24
# Each range on the stack has more than FEW records; 8 splits of 64 bits leave 255 ranges each,
# and three turns of 22 bits what MOST_AT_ONCE records can be.
STACK_SIZE = 8 * 256 + 3 * (MOST_AT_ONCE // FEW) + 1


@njit(**INLINED_BY_LLVM)
def num_bits_of(number):
    """Return the number of the highest bit of an integer, from 1; 0 for 0."""
    bits = np.int64(0)
    number = np.uint64(number)
    while number:
        number >>= np.uint64(1)
        bits += 1
    return bits


@cache
def make_sort(weighted: bool) -> Any:
    """Return the compiled sort of buckets, of records with weights or without."""

    @njit(**KERNEL_OPTIONS)
    def insert_each(records, weights, start, stop):
        one = np.uint64(1)
        for i in range(start + 1, stop):
            record = records[np.uint64(i)]
            key = np.uint64(record) >> one
            j = i
            if np.uint64(records[np.uint64(j - 1)]) >> one <= key:
                continue
            if weighted:
                weight = weights[np.uint64(i)]
            while j > start and np.uint64(records[np.uint64(j - 1)]) >> one > key:
                records[np.uint64(j)] = records[np.uint64(j - 1)]
                if weighted:
                    weights[np.uint64(j)] = weights[np.uint64(j - 1)]
                j -= 1
            records[np.uint64(j)] = record
            if weighted:
                weights[np.uint64(j)] = weight

    @njit(**KERNEL_OPTIONS)
    def count_dense(records, least, num_cells, table):
        """Sort records of few different values by counting each."""
        one = table.dtype.type(1)
        record_type = records.dtype.type
        first = record_type(least << np.uint64(1))
        for i in range(len(records)):
            table[np.uint64(record_type(records[i] - first))] += one
        place, length = np.int64(0), len(records)
        for cell in range(num_cells):
            if place == length:
                break
            num = np.int64(table[np.uint64(cell)])
            table[np.uint64(cell)] = 0
            record = record_type(np.uint64(first) + np.uint64(cell))
            records[np.uint64(place)] = record
            for j in range(1, num):
                records[np.uint64(place + j)] = record
            place += num

    @njit(**KERNEL_OPTIONS)
    def sort_leading(records, weights, spare, spare_weights, least, skipped, digit_bits, counts):
        """Sort by two digits, all bits but the last `skipped`."""
        one = np.uint64(1)
        size = np.int64(1) << digit_bits
        mask = np.uint64(size - 1)
        low_shift, high_shift = np.uint64(skipped), np.uint64(skipped + digit_bits)
        low, high = counts[0, :size], counts[1, :size]
        low[:] = 0
        high[:] = 0
        for i in range(len(records)):
            key = (np.uint64(records[i]) >> one) - least
            low[(key >> low_shift) & mask] += np.uint32(1)
            high[(key >> high_shift) & mask] += np.uint32(1)
        low_before, high_before = np.uint32(0), np.uint32(0)
        for digit in range(size):
            low_here, high_here = low[digit], high[digit]
            low[digit], high[digit] = low_before, high_before
            low_before += low_here
            high_before += high_here
        for i in range(len(records)):
            record = records[i]
            digit = (((np.uint64(record) >> one) - least) >> low_shift) & mask
            place = low[digit]
            low[digit] = place + np.uint32(1)
            spare[place] = record
            if weighted:
                spare_weights[place] = weights[i]
        for i in range(len(spare)):
            record = spare[i]
            digit = (((np.uint64(record) >> one) - least) >> high_shift) & mask
            place = high[digit]
            high[digit] = place + np.uint32(1)
            records[place] = record
            if weighted:
                weights[place] = spare_weights[i]

    @njit(**KERNEL_OPTIONS)
    def split(records, weights, spare, spare_weights, least, shift, ends):
        """Sort by the leading bits; `ends` becomes where each of their values ends."""
        one = np.uint64(1)
        ends[:] = 0
        for i in range(len(records)):
            ends[((np.uint64(records[i]) >> one) - least) >> shift] += 1
        before = np.int64(0)
        for digit in range(len(ends)):
            here = ends[digit]
            ends[digit] = before
            before += here
        for i in range(len(records)):
            record = records[i]
            digit = ((np.uint64(record) >> one) - least) >> shift
            place = ends[digit]
            ends[digit] = place + 1
            spare[np.uint64(place)] = record
            if weighted:
                spare_weights[np.uint64(place)] = weights[i]
        for i in range(len(records)):
            records[i] = spare[i]
            if weighted:
                weights[i] = spare_weights[i]

    @njit(**KERNEL_OPTIONS)
    def push_digits(ends, start, stack, size):
        """Put what has the same leading bits on the stack; return its size."""
        begin = np.int64(0)
        for digit in range(len(ends)):
            if ends[digit] - begin > 1:
                stack[size, 0] = start + begin
                stack[size, 1] = start + ends[digit]
                size += 1
            begin = ends[digit]
        return size

    @njit(**KERNEL_OPTIONS)
    def push_runs(records, weights, start, stop, base, shift, stack, size):
        """Sort what has the same leading bits, or put it on the stack; return its size."""
        part = records[start:stop]
        before = (np.uint64(part[0]) - base) >> shift
        first, last = np.int64(0), len(part)
        for i in range(1, last + 1):
            here = (np.uint64(part[i]) - base) >> shift if i < last else ~before
            if here != before:
                if i - first > FEW:
                    stack[size, 0] = start + first
                    stack[size, 1] = start + i
                    size += 1
                elif i - first > 1:
                    insert_each(records, weights, start + first, start + i)
                first = np.int64(i)
                before = here
        return size

    @njit(**KERNEL_OPTIONS)
    def sort_bucket(records, weights, spare, spare_weights, table, counts, ends, stack):
        one = np.uint64(1)
        stack[0, 0] = 0
        stack[0, 1] = len(records)
        size = 1
        while size:
            size -= 1
            start, stop = stack[size, 0], stack[size, 1]
            length = stop - start
            if length <= FEW:
                insert_each(records, weights, start, stop)
                continue
            part = records[start:stop]
            least, largest = part[0], part[0]
            for i in range(length):
                least = min(least, part[i])
                largest = max(largest, part[i])
            low = np.uint64(least) >> one
            bits = num_bits_of((np.uint64(largest) >> one) - low)
            if bits == 0:
                continue
            if not weighted and bits <= DENSE_BITS and (length >> (bits - 1)) > 0:
                num_cells = 2 * (np.int64((np.uint64(largest) >> one) - low) + 1)
                count_dense(part, low, num_cells, table)
                continue
            part_weights = weights[start:stop] if weighted else weights
            other = spare[start:stop]
            other_weights = spare_weights[start:stop] if weighted else spare_weights
            if length > MOST_AT_ONCE:
                shift = max(bits - SPLIT_BITS, 0)
                split(part, part_weights, other, other_weights, low, np.uint64(shift), ends)
                if shift:
                    size = push_digits(ends, start, stack, size)
                continue
            # so many digits that few records share all of theirs, and not many more
            digit_bits = min(DIGIT_BITS, num_bits_of(np.uint64(length)), (bits + 1) // 2)
            skipped = max(bits - 2 * digit_bits, 0)
            sort_leading(part, part_weights, other, other_weights, low, skipped, digit_bits, counts)
            if skipped:
                shift = np.uint64(skipped + 1)
                size = push_runs(records, weights, start, stop, low << one, shift, stack, size)

    @njit(**KERNEL_OPTIONS)
    def sort_buckets(
        records, weights, starts, first, last, room, room_weights, large, large_weights, table,
        counts, ends, stack, num_positives, num_groups,
    ):  # fmt: skip
        one = np.uint64(1)
        for bucket in range(first, last):
            start, stop = starts[bucket], starts[bucket + 1]
            part = records[start:stop]
            spare, spare_weights = room, room_weights
            if len(part) > MOST_AT_ONCE:
                spare, spare_weights = large[start:stop], large_weights[start:stop]
            part_weights = weights[start:stop] if weighted else weights
            sort_bucket(part, part_weights, spare, spare_weights, table, counts, ends, stack)
            positives, groups = np.int64(0), np.int64(1)
            for i in range(len(part)):
                positives += np.int64(part[i] & one)
            for i in range(1, len(part)):
                groups += np.int64((part[i] ^ part[i - 1]) > one)
            num_positives[bucket] = positives
            num_groups[bucket] = groups

    return keep_on_disk(f"sort-records{'-weighted' * weighted}", sort_buckets)
