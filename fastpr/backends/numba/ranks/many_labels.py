"""Rows with some hundred labels, of which only ranks are wanted: ``avx512_many_labels.h``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.options import INLINED_BY_NUMBA, KERNEL_OPTIONS
from fastpr.backends.numba.ranks.few_labels import FIRST_CHUNK, MOST_CHUNK
from fastpr.backends.numba.vectors import (
    EVERY,
    LANES,
    fetch_line,
    lowest_bit,
    lowest_bit_or_0,
    num_above,
    num_bits,
    which_pass,
    write_keys,
)

MANY_LABELS = 256
SHORT_ROW = 1024
MANY_RANKS = 4096  # the highest k
MANY_CLASSES = 1 << 17  # in longer rows the labels matter little
_AT_ONCE = 4  # classes that are taken from a word without a branch


def most_listed(k: int) -> int:
    """Return how many classes are on the list before it is cut down to about k."""
    return k + k // 2 if k > 64 else 96


def list_room(k: int) -> int:
    """Return how long the arrays of a list are: a word more, and whole vectors behind that."""
    return most_listed(k) + MOST_CHUNK + 2 * LANES


def num_words(num_classes: int, k: int) -> int:
    """Return how many words hold a bit for each class, and then one for each rank below k."""
    return num_classes // LANES + 1 + k // LANES + 1 + MOST_CHUNK // LANES


@njit(**INLINED_BY_NUMBA)
def list_pays(num_labels, num_classes, k):
    """Return whether a list is faster: a long one, of a poor model, is not for few labels."""
    return num_labels <= MANY_LABELS and (
        num_classes <= SHORT_ROW or 10 * k <= num_labels * num_labels
    )


def make_rank_many(key_of: Any, range_of: Any, key_type: Any) -> Any:
    """Return the compiled function for scores of one width.

    Parameters
    ----------
    key_of, range_of : function
        Those of `fastpr.backends.numba.ranks.kernels`, compiled for that width.
    key_type : type
        A signed integer for keys.
    """
    key_from = key_type
    num_lines = np.dtype(key_type).itemsize  # of 64 bytes, in 64 scores or more
    lowest = key_type(np.iinfo(key_type).min)
    highest = np.int64(np.iinfo(key_type).max)
    # indices without a sign: Numba would ask of each whether it counts from the end
    one, none, last_bit, six = np.uint64(1), np.uint64(0), np.uint64(LANES - 1), np.uint64(6)

    @njit(**KERNEL_OPTIONS)
    def mark_labels(scores, row_start, num_scores, labels, begin, end, infinity, marks):
        """Mark the labels; return how many there are, and the worst and the best key."""
        num, worst, best = 0, highest, np.int64(lowest)
        for i in range(np.uint64(begin), np.uint64(end)):
            label = np.uint64(labels[i])
            if label < np.uint64(num_scores):  # and not below 0
                key = np.int64(key_of(scores[np.uint64(row_start) + label], infinity))
                worst, best = min(worst, key), max(best, key)
                word, bit = label >> six, one << (label & last_bit)
                num += np.int64((marks[word] & bit) == none)
                marks[word] |= bit
        return num, worst, best

    @njit(**KERNEL_OPTIONS)
    def unmark_labels(num_scores, labels, begin, end, marks):
        for i in range(np.uint64(begin), np.uint64(end)):
            label = np.uint64(labels[i])
            if label < np.uint64(num_scores):
                marks[label >> six] = none

    @njit(**INLINED_BY_NUMBA)
    def make_keys(bits, num_keys, num, infinity, keys):
        """Write the keys of the last ones; behind them come the lowest keys."""
        if infinity == 0:
            for j in range(num_keys, num):
                keys[j] = key_from(bits[j])
        else:
            for j in range(num_keys, num, LANES):
                write_keys(bits, j, infinity, keys, j)
        for j in range(LANES):
            keys[num + j] = lowest

    @njit(**INLINED_BY_NUMBA)
    def num_at_least(keys, num, key):
        found = np.int64(0)
        below = key_from(key - 1)
        for j in range(0, num, LANES):
            found += np.int64(num_above(keys, j, EVERY, below))
        return found

    @njit(**KERNEL_OPTIONS)
    def keep_best(num, k, low, ids, keys):
        """Cut the list down to the best k or some more; return their number, and a key.

        All of them reach that key. No key is below `low`.
        """
        high = low
        for j in range(np.uint64(num)):
            high = max(high, np.int64(keys[j]))
        num_left, enough = num, k + k // 8
        while num_left > enough and low < high:
            middle = (low | high) - ((low ^ high) >> 1)  # the mean, rounded up
            num_middle = num_at_least(keys, num, middle)
            if num_middle >= k:
                low, num_left = middle, num_middle
            else:
                high = middle - 1
        if num_left == num:  # NaN passes a bar that is not positive
            num_left = num_at_least(keys, num, low)
        # where too many have the key `low`, the first of them complete the best k
        num_equal = num
        if num_left > enough:
            num_equal = k - num_at_least(keys, num, low + 1)
        place = none
        for j in range(np.uint64(num)):
            key = keys[j]
            ids[place] = ids[j]
            keys[place] = key
            is_equal = np.int64(key == low)
            place += np.uint64(key > low) | np.uint64(is_equal & np.int64(num_equal > 0))
            num_equal -= is_equal
        return np.int64(place), low

    @njit(**KERNEL_OPTIONS)
    def list_classes(
        scores, row_start, num_scores, worst, best, k, most, infinity, ids, bits, keys,
        marks, first_word,
    ):  # fmt: skip
        """List the classes that are not below the worst label, but for those out of the best k."""
        low, num, num_keys = worst, 0, 0
        is_over, first, width = range_of(low, infinity)
        start, length = 0, FIRST_CHUNK
        while start < num_scores and not is_over:
            stop = min(start + length, num_scores)
            # first all that passes, and what it is after that: branches that no CPU foresees
            # would keep it from reading on
            num_words = none
            for position in range(start, stop, LANES):
                # the last 64 of a row have some that were before
                block = min(position, num_scores - LANES)
                passes = which_pass(scores, row_start + block, first, width)
                marks[first_word + num_words] = passes & (EVERY << np.uint64(position - block))
                num_words += one
            for word in range(num_words):
                passes = marks[first_word + word]
                if passes == none:
                    continue
                block = min(start + LANES * np.int64(word), num_scores - LANES)
                block_start = np.uint64(row_start + block)
                for line in range(0, LANES, LANES // num_lines):
                    fetch_line(scores, block_start + np.uint64(length + line))
                place = np.uint64(num)
                num += num_bits(passes)
                while passes != none:
                    for _ in range(_AT_ONCE):
                        j = lowest_bit_or_0(passes)  # beyond the last any class
                        ids[place] = np.int32(np.uint64(block) + j)
                        bits[place] = scores[block_start + j]
                        place += one
                        passes &= passes - one
            start = stop
            length = min(2 * length, MOST_CHUNK)
            if num >= most:
                make_keys(bits, num_keys, num, infinity, keys)
                num, low = keep_best(num, k, low, ids, keys)
                make_keys(bits, num, num, infinity, keys)
                num_keys = num
                if num >= k:
                    # a class of that score that is still to come has k before it
                    is_over, first, width = range_of(low + 1, infinity)
                    if is_over or low > best:
                        break
        make_keys(bits, num_keys, num, infinity, keys)
        return num

    @njit(**INLINED_BY_NUMBA)
    def rank_on_list(keys, num, place):
        """Return how many come before one: with the same key, those in front of it."""
        key = keys[place]
        below = key_from(key - key_from(1))
        own = place & ~np.int64(LANES - 1)
        in_front = (one << (np.uint64(place) & last_bit)) - one
        rank = np.int64(num_above(keys, own, in_front, below))
        rank += np.int64(num_above(keys, own, ~in_front, key))
        for j in range(0, own, LANES):
            rank += np.int64(num_above(keys, j, EVERY, below))
        for j in range(own + LANES, num, LANES):
            rank += np.int64(num_above(keys, j, EVERY, key))
        return rank

    @njit(**KERNEL_OPTIONS)
    def mark_ranks(num, k, keys, ids, marks, first_word):
        """Mark the ranks below k of the labels on the list."""
        num_labels = none
        for j in range(np.uint64(num)):
            own_id = np.uint64(ids[j])
            ids[num_labels] = np.int32(j)
            num_labels += (marks[own_id >> six] >> (own_id & last_bit)) & one
        for i in range(np.uint64(num_labels)):
            rank = rank_on_list(keys, num, np.int64(ids[i]))
            if rank < k:
                marks[np.uint64(first_word + (rank >> 6))] |= one << (np.uint64(rank) & last_bit)

    @njit(**KERNEL_OPTIONS)
    def write_marked(marks, first_word, k, begin, num_labels, ranks):
        """Write the ranks that are marked, and k for the others; take the marks away."""
        place = np.uint64(begin)
        for word in range(k // LANES + 1):
            left = marks[first_word + word]
            marks[first_word + word] = none
            while left != none:
                ranks[place] = np.int32(LANES * word + np.int64(lowest_bit(left)))
                left &= left - one
                place += one
        for i in range(place, np.uint64(begin + num_labels)):
            ranks[i] = k

    @njit(**KERNEL_OPTIONS)
    def rank_many(
        scores, row_start, num_scores, labels, begin, end, k, most, infinity, bits, ids, keys,
        marks, ranks,
    ):  # fmt: skip
        """Write the ranks of a row of at least 64 scores, and return their number.

        Writes nothing, and returns -1, if a label is NaN. Between rows, no bit of `marks` is set.
        """
        num_labels, worst, best = mark_labels(
            scores, row_start, num_scores, labels, begin, end, infinity, marks
        )
        if num_labels > 0 and worst == lowest:
            num_labels = -1
        elif num_labels > 0:
            first_word = num_scores // LANES + 1
            num = list_classes(
                scores, row_start, num_scores, worst, best, k, most, infinity, ids, bits, keys,
                marks, np.uint64(first_word + k // LANES + 1),
            )  # fmt: skip
            mark_ranks(num, k, keys, ids, marks, first_word)
            write_marked(marks, first_word, k, begin, num_labels, ranks)
        unmark_labels(num_scores, labels, begin, end, marks)
        return num_labels

    return rank_many
