"""The Numba form of ``csrc/ranks/count_before.h``, which says how ranks are counted.

Scores are unsigned integers, the bits of floats; a key is a signed integer in the order of the
scores. Comparisons of 64 at once are those of ``numba_vectors.py``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.compile import kept
from fastpr.backends.numba.ranks.few_labels import fetch_row, make_rank_few
from fastpr.backends.numba.ranks.labels import (
    INLINED,
    KERNEL_OPTIONS,
    distinct_labels,
    write_labels,
    write_ranks,
)
from fastpr.backends.numba.ranks.many_labels import list_pays, make_rank_many
from fastpr.backends.numba.vectors import (
    LANES,
    NUM_LANES,
    lowest_bit,
    num_above,
    num_around,
    which_pass,
    write_keys,
)

BATCH = LANES
FEW_LABELS = 256
FEW_CLASSES = 16
SHORT_ROW = 256
SHORT_WORK = 32
EVERY = np.uint64(2**64 - 1)


# What the labels of a row need, one row each of an array of int32.
ID, INDEX, BEFORE, ABOVE, EQUAL = range(5)
NUM_FIELDS = 5


@cache
def make_ranking(bits_type: Any, key_type: Any) -> Any:
    """Return the compiled (label_ranks, label_counts) for scores of one width.

    Parameters
    ----------
    bits_type, key_type : type
        NumPy's unsigned integer of the width of a score, and a signed one for its keys.
    """
    bits_of, key_from = bits_type, key_type
    sign = bits_type(1 << (np.dtype(bits_type).itemsize * 8 - 1))
    magnitude_mask = bits_type(int(sign) - 1)
    largest = bits_type(np.iinfo(bits_type).max)
    lowest = key_type(np.iinfo(key_type).min)

    @njit(**KERNEL_OPTIONS)
    def key_of(bits, infinity):
        if infinity == 0:
            return key_from(bits)
        magnitude = bits_of(bits & magnitude_mask)
        key = key_from(-key_from(magnitude)) if bits >= sign else key_from(magnitude)
        return lowest if magnitude > infinity else key

    @njit(**KERNEL_OPTIONS)
    def read_keys(scores, start, num, infinity, keys):
        """Write 64 keys, and the lowest in place of those past the end."""
        if num >= BATCH and infinity != 0:
            write_keys(scores, start, infinity, keys, 0)
            return
        for j in range(min(num, BATCH)):
            keys[j] = key_of(scores[start + j], infinity)
        for j in range(num, BATCH):
            keys[j] = lowest

    @njit(**KERNEL_OPTIONS)
    def range_of(bar, infinity):
        """Return whether no key is that high, and which bits are those of higher keys."""
        highest = largest if infinity == 0 else infinity
        if bar > np.int64(highest):
            return True, bits_of(0), bits_of(0)
        if infinity != 0 and bar <= 0:
            return False, bits_of(0), bits_of(sign | bits_of(-bar))
        return False, bits_of(bar), bits_of(highest - bits_of(bar))

    rank_few = make_rank_few(key_of, range_of, key_type)
    rank_many = make_rank_many(key_of, range_of, key_type)

    @njit(**KERNEL_OPTIONS)
    def put_out(index, k, counts):
        counts[0, index] = k
        counts[1, index] = k
        counts[2, index] = 0

    @njit(**KERNEL_OPTIONS)
    def count_batch(keys, ids, num, k, with_ties, label_keys, fields, num_labels, counts):
        """Compare each label with a batch; return how many are left, and the bar."""
        first_id, last_id = ids[0], ids[num - 1]
        num_left = 0
        bar = np.int64(0)
        for i in range(num_labels):
            key, own_id = label_keys[i], fields[ID, i]
            if own_id > last_id:
                before = num_above(keys, 0, EVERY, key_from(key - key_from(1)))
            elif own_id < first_id:
                before = num_above(keys, 0, EVERY, key)
            else:
                before = num_around(keys, ids, EVERY, key, own_id)
            before += fields[BEFORE, i]
            reached = before
            if with_ties:
                above = num_above(keys, 0, EVERY, key)
                at_least = num_above(keys, 0, EVERY, key_from(key - key_from(1)))
                fields[EQUAL, i] += at_least - above
                fields[ABOVE, i] += above
                reached = fields[ABOVE, i]
            if reached >= k:
                put_out(fields[INDEX, i], k, counts)
                continue
            label_keys[num_left] = key
            fields[ID, num_left] = own_id
            fields[INDEX, num_left] = fields[INDEX, i]
            fields[BEFORE, num_left] = before
            fields[ABOVE, num_left] = fields[ABOVE, i]
            fields[EQUAL, num_left] = fields[EQUAL, i]
            matters = np.int64(key) + np.int64((not with_ties) and own_id <= last_id)
            bar = matters if num_left == 0 else min(bar, matters)
            num_left += 1
        return num_left, bar

    @njit(**KERNEL_OPTIONS)
    def place_of(label_keys, fields, num, key, class_id):
        """Return the number of labels, the best first, that a class is not before."""
        low = 0
        while num > 0:
            half = num // 2
            middle = low + half
            other = label_keys[middle]
            if other > key or (other == key and fields[ID, middle] <= class_id):
                low = middle + 1
                num -= half + 1
            else:
                num = half
        return low

    @njit(**KERNEL_OPTIONS)
    def place_batch(
        keys, ids, num, k, with_ties, label_keys, fields, num_labels, worst, counts
    ):  # fmt: skip
        """Find the place of each class of a batch; return how many labels are left, and so on.

        Counts are those of the classes whose place is right before a label, to be summed up at
        the end; `worst` is the sum for the last label.
        """
        last_id = ids[num - 1]
        for j in range(num):
            place = place_of(label_keys, fields, num_labels, keys[j], ids[j])
            fields[BEFORE, place] += 1
            if with_ties:
                above = place_of(label_keys, fields, num_labels, keys[j], 2147483647)
                at_least = place_of(label_keys, fields, num_labels, keys[j], -2147483648)
                fields[ABOVE, above] += 1
                fields[EQUAL, at_least] += 1
                worst += np.int64(above < num_labels)
            else:
                worst += np.int64(place < num_labels)
        while num_labels > 0 and worst >= k:
            num_labels -= 1
            worst -= fields[ABOVE if with_ties else BEFORE, num_labels]
            put_out(fields[INDEX, num_labels], k, counts)
            fields[BEFORE, num_labels] = 0
            fields[ABOVE, num_labels] = 0
            fields[EQUAL, num_labels] = 0
        bar = np.int64(0)
        if num_labels:
            last = num_labels - 1
            passed = (not with_ties) and fields[ID, last] <= last_id
            bar = np.int64(label_keys[last]) + np.int64(passed)
        return num_labels, bar, worst

    @njit(**KERNEL_OPTIONS)
    def write_counts(fields, num_labels, k, many, counts):
        before, above, at_least = np.int32(0), np.int32(0), np.int32(0)
        for i in range(num_labels):
            if many:
                before += fields[BEFORE, i]
                above += fields[ABOVE, i]
                at_least += fields[EQUAL, i]
            else:
                before, above = fields[BEFORE, i], fields[ABOVE, i]
                at_least = above + fields[EQUAL, i]
            index = fields[INDEX, i]
            counts[0, index] = min(before, k)
            counts[1, index] = above
            counts[2, index] = at_least - above

    @njit(**KERNEL_OPTIONS)
    def run_race(
        scores, row_start, num_scores, k, infinity, with_ties, label_keys, fields, num_labels,
        bar, many, bits, ids, keys, counts,
    ):  # fmt: skip
        is_over, first, width = range_of(bar, infinity)
        num, worst, start = 0, 0, 0
        enough = min(max(k, FEW_CLASSES), BATCH)
        while start < num_scores and not is_over:
            if num_scores >= BATCH:
                # the last 64 of a row have some that were before
                block = min(start, num_scores - BATCH)
                passes = which_pass(scores, row_start + block, first, width)
                passes &= ~np.uint64(0) << np.uint64(start - block)
                while passes != 0:
                    j = block + np.int64(lowest_bit(passes))
                    passes &= passes - np.uint64(1)
                    bits[num] = scores[row_start + j]
                    ids[num] = np.int32(j)
                    num += 1
            else:
                for j in range(num_scores):
                    bits[num] = scores[row_start + j]
                    ids[num] = np.int32(j)
                    num += 1
            start += BATCH
            while num >= enough or (num > 0 and (is_over or start >= num_scores)):
                some = min(num, BATCH)
                read_keys(bits, 0, some, infinity, keys)
                if many:
                    num_labels, bar, worst = place_batch(
                        keys, ids, some, k, with_ties, label_keys, fields, num_labels, worst, counts
                    )
                else:
                    num_labels, bar = count_batch(
                        keys, ids, some, k, with_ties, label_keys, fields, num_labels, counts
                    )
                num -= some
                for j in range(num):
                    bits[j] = bits[j + BATCH]
                    ids[j] = ids[j + BATCH]
                is_over, first, width = range_of(bar, infinity)
                if num_labels == 0:
                    return
        write_counts(fields, num_labels, k, many, counts)

    @njit(**KERNEL_OPTIONS)
    def count_nan(
        scores, row_start, num_scores, k, infinity, label_keys, fields, num_labels, counts
    ):
        """Count for the labels whose score is NaN: every number comes before them."""
        num_nan, num_numbers, following, j = 0, 0, 0, 0
        while j < num_scores and num_numbers < k:
            while following < num_labels and fields[ID, following] <= j:
                fields[BEFORE, following] = num_nan
                following += 1
            is_nan = key_of(scores[row_start + j], infinity) == lowest
            num_nan += np.int64(is_nan)
            num_numbers += np.int64(not is_nan)
            j += 1
        for i in range(num_labels):
            if label_keys[i] == lowest:
                index = fields[INDEX, i]
                nan_before = np.int64(fields[BEFORE, i]) if i < following else num_nan
                counts[0, index] = min(num_numbers + nan_before, k)
                counts[1, index] = num_numbers
                counts[2, index] = num_nan if num_numbers < k else 0

    @njit(**KERNEL_OPTIONS)
    def sort_labels(label_keys, fields, num):
        """By score descending, then id; as `sort_integers` does it."""
        gap = 1
        while 9 * gap < num:
            gap = 3 * gap + 1
        while gap > 0:
            for i in range(gap, num):
                key, own_id, index = label_keys[i], fields[ID, i], fields[INDEX, i]
                j = i
                while j >= gap and (
                    label_keys[j - gap] < key
                    or (label_keys[j - gap] == key and fields[ID, j - gap] > own_id)
                ):
                    label_keys[j] = label_keys[j - gap]
                    fields[ID, j] = fields[ID, j - gap]
                    fields[INDEX, j] = fields[INDEX, j - gap]
                    j -= gap
                label_keys[j] = key
                fields[ID, j] = own_id
                fields[INDEX, j] = index
            gap //= 3

    @njit(**KERNEL_OPTIONS)
    def count_before(
        scores, row_start, num_scores, num_labels, k, infinity, with_ties, label_keys, fields,
        bits, ids, keys, counts,
    ):  # fmt: skip
        """Fill counts for the labels whose keys, ids and indices are given."""
        num = 0
        for i in range(num_labels):
            num += np.int64(label_keys[i] != lowest)
        if num < num_labels:
            count_nan(
                scores, row_start, num_scores, k, infinity, label_keys, fields, num_labels, counts
            )
            num = 0
            for i in range(num_labels):
                if label_keys[i] != lowest:
                    label_keys[num] = label_keys[i]
                    fields[ID, num] = fields[ID, i]
                    fields[INDEX, num] = fields[INDEX, i]
                    num += 1
        if num == 0:
            return
        many = num > FEW_LABELS
        if many or num > k:
            sort_labels(label_keys, fields, num)
            kept = min(num, k)
            while with_ties and kept < num and label_keys[kept] == label_keys[k - 1]:
                kept += 1
            for i in range(kept, num):
                put_out(fields[INDEX, i], k, counts)
            num = kept
            many = num > FEW_LABELS
        bar = np.int64(label_keys[0])
        for i in range(num + 1):
            fields[BEFORE, i] = 0
            fields[ABOVE, i] = 0
            fields[EQUAL, i] = 0
            if i < num:
                bar = min(bar, np.int64(label_keys[i]))
        run_race(
            scores, row_start, num_scores, k, infinity, with_ties, label_keys, fields, num, bar,
            many, bits, ids, keys, counts,
        )  # fmt: skip

    @njit(**INLINED)
    def count_short_row(
        scores, row_start, num_scores, label_ids, num, k, infinity, with_ties, label_keys, keys,
        positions, counts,
    ):  # fmt: skip
        """Compare each label with all classes; return False, at once, if one is NaN."""
        for i in range(num):
            label_keys[i] = key_of(scores[row_start + label_ids[i]], infinity)
            counts[0, i] = 0
            counts[1, i] = 0
            counts[2, i] = 0
            if label_keys[i] == lowest:
                return False
        for start in range(0, num_scores, BATCH):
            # the last 64 of a row have some that were before
            block = max(0, min(start, num_scores - BATCH))
            fresh = ~np.uint64(0) << np.uint64(start - block)
            read_keys(scores, row_start + block, num_scores, infinity, keys)
            for i in range(num):
                key, own_id = label_keys[i], np.int32(label_ids[i] - block)
                counts[0, i] += num_around(keys, positions, fresh, key, own_id)
                if with_ties:
                    above = num_above(keys, 0, fresh, key)
                    counts[1, i] += above
                    counts[2, i] += num_above(keys, 0, fresh, key_from(key - key_from(1))) - above
        for i in range(num):
            counts[0, i] = min(counts[0, i], k)
            if counts[1, i] >= k:
                counts[1, i] = k
                counts[2, i] = 0
        return True

    @njit(**INLINED)
    def count_row(
        scores, row_start, num_scores, label_ids, num, k, infinity, with_ties, label_keys, fields,
        bits, ids, keys, positions, counts,
    ):  # fmt: skip
        """Fill counts for the distinct labels of a row."""
        while num and label_ids[num - 1] >= num_scores:
            num -= 1
            put_out(num, k, counts)
        if num == 0:
            return
        num_blocks = (num_scores + BATCH - 1) // BATCH
        is_short = num_scores <= SHORT_ROW and num_blocks * num <= SHORT_WORK
        if is_short and count_short_row(
            scores, row_start, num_scores, label_ids, num, k, infinity, with_ties, label_keys, keys,
            positions, counts,
        ):  # fmt: skip
            return
        for i in range(num):
            label_keys[i] = key_of(scores[row_start + label_ids[i]], infinity)
            fields[ID, i] = label_ids[i]
            fields[INDEX, i] = i
        count_before(
            scores, row_start, num_scores, num, k, infinity, with_ties, label_keys, fields, bits,
            ids, keys, counts,
        )  # fmt: skip

    @njit(**KERNEL_OPTIONS)
    def label_ranks(
        scores, first_row, row_stride, score_starts, num_classes, labels, label_starts,
        num_labels, num_ids, k, infinity, with_ties, num_relevant, ranks, out_labels,
        out_above, out_equal, label_ids, label_keys, fields, bits, ids, keys, positions, counts,
        order, marks, most_listed,
    ):  # fmt: skip
        is_simple = len(score_starts) == 0 and len(out_labels) == 0 and not with_ties
        has_few = is_simple and num_classes >= BATCH
        has_list = has_few and len(marks) > 0
        lane_counts = ids[BATCH : 2 * BATCH]
        for row in range(len(num_relevant)):
            start = first_row + row * row_stride
            stop = start + num_classes
            if len(score_starts):
                start, stop = score_starts[row], score_starts[row + 1]
            begin, end = row * num_labels, (row + 1) * num_labels
            if len(label_starts):
                begin, end = label_starts[row], label_starts[row + 1]
            elif len(score_starts) == 0 and row + 1 < len(num_relevant):
                fetch_row(scores, start + row_stride, num_classes, labels, end, end + num_labels)
            if has_few and end - begin <= NUM_LANES:
                num = rank_few(
                    scores, start, num_classes, labels, begin, end, k, infinity, keys, ids,
                    lane_counts, ranks,
                )  # fmt: skip
                if num >= 0:
                    num_relevant[row] = num
                    continue
            elif has_list and list_pays(end - begin, num_classes, k):
                num = rank_many(
                    scores, start, num_classes, labels, begin, end, k, most_listed, infinity, bits,
                    ids, keys, marks, ranks,
                )  # fmt: skip
                if num >= 0:
                    num_relevant[row] = num
                    continue
            num = distinct_labels(labels, begin, end, num_ids, label_ids)
            num_relevant[row] = num
            count_row(
                scores, start, stop - start, label_ids, num, k, infinity, with_ties, label_keys,
                fields, bits, ids, keys, positions, counts,
            )  # fmt: skip
            num_in = write_ranks(counts, num, k, order, begin, ranks)
            if len(out_labels) or with_ties:
                write_labels(
                    label_ids, counts, num, num_in, k, order, begin, out_labels, out_above,
                    out_equal,
                )  # fmt: skip

    @njit(**KERNEL_OPTIONS)
    def label_counts(
        scores, relative_ids, label_scores, k, infinity, with_ties, label_keys, fields, bits, ids,
        keys, counts,
    ):  # fmt: skip
        for i in range(len(relative_ids)):
            label_keys[i] = key_of(label_scores[i], infinity)
            fields[ID, i] = relative_ids[i]
            fields[INDEX, i] = i
        count_before(
            scores, 0, len(scores), len(relative_ids), k, infinity, with_ties, label_keys, fields,
            bits, ids, keys, counts,
        )  # fmt: skip

    types = f"{bits_type.__name__}-{key_type.__name__}"
    return kept(f"label_ranks-{types}", label_ranks), kept(f"label_counts-{types}", label_counts)
