"""The Numba form of ``csrc/ranks/rank_rows.h``: from rows to the ranks of their labels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastpr.backends.numba.compile import keep_on_disk
from fastpr.backends.numba.options import INLINED_BY_NUMBA, KERNEL_OPTIONS
from fastpr.backends.numba.ranks.arguments import ID, INDEX, Options, Row, Scratch
from fastpr.backends.numba.ranks.few_labels import fetch_row, make_rank_few
from fastpr.backends.numba.ranks.labels import distinct_labels, write_labels, write_ranks
from fastpr.backends.numba.ranks.many_labels import list_pays, make_rank_many
from fastpr.backends.numba.ranks.race import BATCH, make_count_before, make_keys, put_out
from fastpr.backends.numba.vectors import NUM_LANES, num_above, num_around

# Rows so short that all of it fits into a few registers, and so little work that comparing
# each label with all classes takes less time than looking for the few that matter.
SHORT_ROW = 256
SHORT_WORK = 32  # labels times blocks of 64 classes


@cache
def make_ranking(bits_type: Any, key_type: Any) -> Any:
    """Return the compiled (label_ranks, label_counts) for scores of one width.

    Parameters
    ----------
    bits_type, key_type : type
        NumPy's unsigned integer of the width of a score, and a signed one for its keys.
    """
    functions = make_keys(bits_type, key_type)
    key_of, read_keys, range_of = functions
    key_from = key_type
    lowest = key_type(np.iinfo(key_type).min)
    rank_few = make_rank_few(key_of, range_of, key_type)
    rank_many = make_rank_many(key_of, range_of, key_type)
    count_before = make_count_before(functions, key_type)

    @njit(**INLINED_BY_NUMBA)
    def count_short_row(row, options, scratch, label_ids, num, positions):
        """Compare each label with all classes; return False, at once, if one is NaN."""
        scores, row_start, num_scores = row
        label_keys, counts, infinity = scratch.label_keys, scratch.counts, options.infinity
        for i in range(num):
            label_keys[i] = key_of(scores[row_start + label_ids[i]], infinity)
            counts[0, i] = 0
            counts[1, i] = 0
            counts[2, i] = 0
            if label_keys[i] == lowest:
                return False
        keys = scratch.keys
        for start in range(0, num_scores, BATCH):
            # the last 64 of a row have some that were before
            block = max(0, min(start, num_scores - BATCH))
            fresh = ~np.uint64(0) << np.uint64(start - block)
            read_keys(scores, row_start + block, num_scores, infinity, keys)
            for i in range(num):
                key, own_id = label_keys[i], np.int32(label_ids[i] - block)
                counts[0, i] += num_around(keys, positions, fresh, key, own_id)
                if options.with_ties:
                    above = num_above(keys, 0, fresh, key)
                    counts[1, i] += above
                    counts[2, i] += num_above(keys, 0, fresh, key_from(key - key_from(1))) - above
        for i in range(num):
            counts[0, i] = min(counts[0, i], options.k)
            if counts[1, i] >= options.k:
                counts[1, i] = options.k
                counts[2, i] = 0
        return True

    @njit(**INLINED_BY_NUMBA)
    def count_row(row, options, scratch, label_ids, num, positions):
        """Fill counts for the distinct labels of a row."""
        while num and label_ids[num - 1] >= row.length:
            num -= 1
            put_out(num, options.k, scratch.counts)
        if num == 0:
            return
        num_blocks = (row.length + BATCH - 1) // BATCH
        is_short = row.length <= SHORT_ROW and num_blocks * num <= SHORT_WORK
        if is_short and count_short_row(row, options, scratch, label_ids, num, positions):
            return
        for i in range(num):
            label = label_ids[i]
            scratch.label_keys[i] = key_of(row.scores[row.start + label], options.infinity)
            scratch.fields[ID, i] = label
            scratch.fields[INDEX, i] = i
        count_before(row, options, scratch, num)

    # Called for each block, so one by one: named tuples take Numba longer to tell the type of.
    @njit(**KERNEL_OPTIONS)
    def label_ranks(
        scores, first_row, row_stride, score_starts, num_classes, labels, label_starts,
        num_labels, num_ids, k, infinity, with_ties, num_relevant, ranks, out_labels,
        out_above, out_equal, label_ids, label_keys, fields, bits, ids, keys, positions, counts,
        order, marks, most_listed,
    ):  # fmt: skip
        options = Options(k, infinity, with_ties)
        scratch = Scratch(label_keys, fields, bits, ids, keys, counts)
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
            # one by one for these two as well: with named tuples, rows of 100 classes took 2 to
            # 3 % longer, whichever of the two got them
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
            count_row(Row(scores, start, stop - start), options, scratch, label_ids, num, positions)
            num_in = write_ranks(counts, num, k, order, begin, ranks)
            if len(out_labels) or with_ties:
                write_labels(
                    label_ids, counts, num, num_in, k, order, begin, out_labels, out_above,
                    out_equal,
                )  # fmt: skip

    @njit(**KERNEL_OPTIONS)
    def label_counts(scores, relative_ids, label_scores, options, scratch):
        for i in range(len(relative_ids)):
            scratch.label_keys[i] = key_of(label_scores[i], options.infinity)
            scratch.fields[ID, i] = relative_ids[i]
            scratch.fields[INDEX, i] = i
        count_before(Row(scores, 0, len(scores)), options, scratch, len(relative_ids))

    types = f"{bits_type.__name__}-{key_type.__name__}"
    return keep_on_disk(f"label_ranks-{types}", label_ranks), keep_on_disk(
        f"label_counts-{types}", label_counts
    )
