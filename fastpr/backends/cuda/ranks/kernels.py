"""`label_ranks` on the device: the labels of a row in shared memory, its scores at memory speed.

A group of threads, a warp or a block, ranks the labels of a row. It sorts them in ranking
order, and each class that outranks one of them adds one to a count of the first that it
outranks: the rank of a label is the sum of the counts up to its own. A class that is below
the last label in play adds nothing, which is all that the inner loop finds out; and a label
whose rank has reached k is not in play any more.

The labels of a row are in `keys`, their scores, from `key_at` on, and in `words`: their ids
from `at` on, `stride` further the counts, and, for ties, at the first label of each score, the
number of classes of that score, and how many of them the counts of these labels have. Keys and
words are in shared memory, or in global memory for any number of labels. What a group knows
besides is in `own`, from `own_at` on, and always shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, types

from fastpr.backends.cuda.device import IS_SIMULATED, inlined, jit
from fastpr.backends.cuda.ranks.counting import make_counting, make_play
from fastpr.backends.cuda.ranks.rows import (
    INSIDE,
    NUM_OWN,
    TOTAL,
    VALID,
    ZERO,
    labels_of_row,
    scores_of_row,
)
from fastpr.backends.cuda.ranks.scores import score_form
from fastpr.backends.cuda.ranks.sorting import make_label_sorting, make_writing

WARP = 32
_KEY_TYPES = {"float32": types.float32, "float64": types.float64, "int32": types.int32}


def key_type(kernel: str) -> Any:
    """Return the Numba type of the keys of scores."""
    return _KEY_TYPES[score_form(kernel).key_dtype.name]


def num_words(with_ties: bool) -> int:
    """Return how many words there are for a label, besides its key."""
    return 4 if with_ties else 2


# What uses CUDA has to be where the kernels are: the simulator replaces it in their module.


@inlined
def _sync_block():
    cuda.syncthreads()


@inlined
def _sync_warp():
    cuda.syncwarp()


@inlined
def _add(array, index, number):
    cuda.atomic.add(array, index, number)


@cache
def _steps(kernel: str, is_wide: bool, with_ties: bool, per_warp: bool, in_shared: bool) -> Any:
    """Return (sync, sort_labels, num_to_play, count_classes, write_row)."""
    sync = _sync_warp if per_warp and not IS_SIMULATED else _sync_block
    return (
        sync,
        make_label_sorting(kernel, with_ties, sync, in_shared),
        make_play(with_ties, sync, _add, in_shared)[0],
        make_counting(kernel, is_wide, with_ties, sync, _add, in_shared),
        make_writing(with_ties, sync, _add, in_shared),
    )


@cache
def make_whole(kernel: str, is_wide: bool, with_ties: bool, per_warp: bool) -> Any:
    """Return the kernel that ranks rows whose labels fit in shared memory."""
    sync, sort_labels, num_to_play, count_classes, write_row = _steps(
        kernel, is_wide, with_ties, per_warp, True
    )
    shared_key = key_type(kernel)
    key_words = shared_key.bitwidth // 32
    words_each = num_words(with_ties)
    is_split = per_warp and not IS_SIMULATED

    def whole(
        scores, row_stride, class_stride, score_starts, num_rows, num_classes, num_ids, labels,
        labels_row_stride, labels_stride, storage, num_labels, num_entries, starts, starts_stride,
        starts_storage, k, with_labels, capacity, out,
    ):  # fmt: skip
        keys = cuda.shared.array(0, shared_key)
        words = cuda.shared.array(0, types.int32)
        threads, me = np.int32(cuda.blockDim.x), np.int32(cuda.threadIdx.x)
        group, num_groups = ZERO, np.int32(1)
        if is_split:
            group, num_groups = np.int32(me // WARP), np.int32(threads // WARP)
            threads, me = np.int32(WARP), np.int32(me % WARP)
        key_at = np.int32(group * capacity)
        at = np.int32(num_groups * capacity * key_words)
        at = np.int32(at + group * (words_each * capacity + threads + NUM_OWN))
        own_at = np.int32(at + words_each * capacity)
        at_ranks = num_rows if starts_storage == 0 else 2 * num_rows
        row = np.int64(np.int64(cuda.blockIdx.x) * num_groups + group)
        while row < num_rows:
            begin, num = labels_of_row(row, num_labels, starts, starts_stride, starts_storage)
            if num <= capacity:
                valid = np.int32(min(num, 0))
                first_label = np.int64(labels + begin * labels_stride)
                if starts_storage == 0:
                    first_label = np.int64(labels + row * labels_row_stride)
                if num > 0:
                    place, length = scores_of_row(
                        row, scores, row_stride, class_stride, score_starts, num_classes
                    )
                    sort_labels(
                        place, length, class_stride, num_ids, first_label, labels_stride, storage,
                        num, keys, key_at, words, at, capacity, words, own_at, me, threads,
                    )  # fmt: skip
                    playing = num_to_play(k, words, own_at)
                    valid = words[np.uint32(own_at + VALID)]
                    if playing > 0:
                        count_classes(
                            place, class_stride, ZERO, length, k, k < length, playing, keys,
                            key_at, words, at, capacity, words, own_at, me, threads,
                        )  # fmt: skip
                    sync()
                    write_row(
                        out, at_ranks + begin, num_entries, with_labels, k, valid, playing, keys,
                        key_at, words, at, capacity, words, own_at, me, threads,
                    )  # fmt: skip
                    sync()
                if me == 0:
                    out[np.uint64(row)] = valid
                    if starts_storage != 0:
                        out[np.uint64(num_rows + row)] = np.int32(begin)
            row = np.int64(row + np.int64(cuda.gridDim.x) * num_groups)

    return whole


@cache
def make_global(kernel: str, is_wide: bool, with_ties: bool, stage: str) -> Any:
    """Return the kernel for rows of any number of labels, whose workspace is global.

    Parameters
    ----------
    stage : {"whole", "sort", "finish"}
        Rank whole rows, or only sort their labels, or only write what was counted.
    """
    sync, sort_labels, num_to_play, count_classes, write_row = _steps(
        kernel, is_wide, with_ties, False, False
    )
    words_each = num_words(with_ties)
    sorts, counts, finishes = stage != "finish", stage == "whole", stage != "sort"

    def with_workspace(
        scores, row_stride, class_stride, score_starts, num_rows, num_classes, num_ids, labels,
        labels_row_stride, labels_stride, storage, num_labels, num_entries, starts, starts_stride,
        starts_storage, k, with_labels, more_than, out, keys, words,
    ):  # fmt: skip
        own = cuda.shared.array(0, types.int32)
        threads, me = np.int32(cuda.blockDim.x), np.int32(cuda.threadIdx.x)
        at_ranks = num_rows if starts_storage == 0 else 2 * num_rows
        row = np.int64(cuda.blockIdx.x)
        while row < num_rows:
            begin, num = labels_of_row(row, num_labels, starts, starts_stride, starts_storage)
            if num > more_than:
                valid, playing = np.int32(min(num, 0)), ZERO
                in_play = np.uint64(words_each * num_entries + row)
                if sorts and num > 0:
                    first_label = np.int64(labels + begin * labels_stride)
                    if starts_storage == 0:
                        first_label = np.int64(labels + row * labels_row_stride)
                    place, length = scores_of_row(
                        row, scores, row_stride, class_stride, score_starts, num_classes
                    )
                    sort_labels(
                        place, length, class_stride, num_ids, first_label, labels_stride, storage,
                        num, keys, begin, words, begin, num_entries, own, 0, me, threads,
                    )  # fmt: skip
                    playing = num_to_play(k, own, 0)
                    valid = own[np.uint32(VALID)]
                    if counts and playing > 0:
                        count_classes(
                            place, class_stride, ZERO, length, k, k < length, playing, keys,
                            begin, words, begin, num_entries, own, 0, me, threads,
                        )  # fmt: skip
                if not sorts:  # and if the starts are still the same
                    valid = np.int32(min(out[np.uint64(row)], num))
                    playing = np.int32(min(words[in_play], num))
                    if me == 0:
                        own[np.uint32(INSIDE)] = ZERO
                sync()
                if finishes and valid > 0:
                    write_row(
                        out, at_ranks + begin, num_entries, with_labels, k, valid, playing, keys,
                        begin, words, begin, num_entries, own, 0, me, threads,
                    )  # fmt: skip
                    sync()
                if me == 0 and not finishes:
                    words[in_play] = playing
                if me == 0 and sorts:
                    out[np.uint64(row)] = valid
                    if starts_storage != 0:
                        out[np.uint64(num_rows + row)] = np.int32(begin)
            row = np.int64(row + cuda.gridDim.x)

    return with_workspace


@cache
def make_count(kernel: str, is_wide: bool, with_ties: bool, in_shared: bool) -> Any:
    """Return the kernel that counts pieces of rows, whose labels are sorted already.

    Parameters
    ----------
    in_shared : bool
        Whether for rows whose labels fit in shared memory, or for the others.
    """
    sync, _, _, count_classes, _ = _steps(kernel, is_wide, with_ties, False, in_shared)
    shared_key = key_type(kernel)
    key_words = shared_key.bitwidth // 32
    words_each = num_words(with_ties)
    # In global memory, the counts of other blocks come in no order that ties could rely on.
    looks = in_shared or not with_ties

    def count_pieces(
        scores, row_stride, class_stride, num_rows, num_classes, piece_length, num_labels,
        num_entries, starts, starts_stride, starts_storage, k, capacity, keys, words,
    ):  # fmt: skip
        near_keys = cuda.shared.array(0, shared_key)
        near_words = cuda.shared.array(0, types.int32)
        threads, me = np.int32(cuda.blockDim.x), np.int32(cuda.threadIdx.x)
        at = np.int32(capacity * key_words if in_shared else 0)
        own_at = np.int32(at + (words_each * capacity if in_shared else 0))
        first = np.int32(cuda.blockIdx.y * piece_length)
        length = np.int32(min(num_classes - first, piece_length))
        may_look = looks and k < length
        row = np.int64(cuda.blockIdx.x)
        while row < num_rows:
            begin, num = labels_of_row(row, num_labels, starts, starts_stride, starts_storage)
            playing = ZERO
            if num > 0 and (num <= capacity) == in_shared:
                playing = np.int32(min(words[np.uint64(words_each * num_entries + row)], num))
            if playing > 0:
                place = np.int64(scores + row * row_stride)
                if me == 0:
                    near_words[np.uint32(own_at + TOTAL)] = ZERO
                if in_shared:
                    i = me
                    while i < playing:
                        near_keys[np.uint32(i)] = keys[np.uint64(begin + i)]
                        near_words[np.uint32(at + i)] = words[np.uint64(begin + i)]
                        for field in range(1, words_each):
                            near_words[np.uint32(at + field * capacity + i)] = ZERO
                        i = np.int32(i + threads)
                    sync()
                    count_classes(
                        place, class_stride, first, length, k, may_look, playing, near_keys, ZERO,
                        near_words, at, capacity, near_words, own_at, me, threads,
                    )  # fmt: skip
                    sync()
                    i = me
                    while i < playing:
                        for field in range(1, words_each):
                            some = near_words[np.uint32(at + field * capacity + i)]
                            if some != 0:
                                _add(words, np.uint64(begin + field * num_entries + i), some)
                        i = np.int32(i + threads)
                else:
                    sync()
                    count_classes(
                        place, class_stride, first, length, k, may_look, playing, keys, begin,
                        words, begin, num_entries, near_words, own_at, me, threads,
                    )  # fmt: skip
                sync()
            row = np.int64(row + cuda.gridDim.x)

    return count_pieces


# ---- their types, and the jitted ones ----

STAGES = ("whole", "sort", "finish")
KERNELS = ("f16", "bf16", "f32", "f64", "u8")

_I32, _I64 = types.int32, types.int64
_WORDS = types.Array(types.int32, 1, "C")
_ROWS = (_I64,) * 5 + (_I32,) * 2 + (_I64,) * 3 + (_I32,) + (_I64,) * 4 + (_I32,) * 4


@cache
def whole_kernel(kernel: str, is_wide: bool, with_ties: bool, per_warp: bool) -> Any:
    """Return the kernel of `make_whole`, ready to be launched."""
    return jit(make_whole(kernel, is_wide, with_ties, per_warp))


@cache
def global_kernel(kernel: str, is_wide: bool, with_ties: bool, stage: str) -> Any:
    """Return the kernel of `make_global`, ready to be launched."""
    return jit(make_global(kernel, is_wide, with_ties, stage))


@cache
def count_kernel(kernel: str, is_wide: bool, with_ties: bool, in_shared: bool) -> Any:
    """Return the kernel of `make_count`, ready to be launched."""
    return jit(make_count(kernel, is_wide, with_ties, in_shared))


def compiled_forms() -> Iterator[tuple[str, Any, Any, int | None]]:
    """Yield (name, Python function, types of its arguments, most registers) of every form.

    How labels are stored is for the kernels to read, and not a form of them.
    """
    for kernel in KERNELS:
        keys = types.Array(key_type(kernel), 1, "C")
        whole = types.void(*_ROWS, _WORDS)
        with_workspace = types.void(*_ROWS, _WORDS, keys, _WORDS)
        count = types.void(*(_I64,) * 4, *(_I32,) * 2, *(_I64,) * 4, *(_I32,) * 3, keys, _WORDS)
        for with_ties in (False, True):
            ties = "ties" if with_ties else "no ties"
            for is_wide in (True, False):
                name = f"{kernel}, {'wide' if is_wide else 'strided'}, {ties}"
                form = kernel, is_wide, with_ties
                for per_warp in (True, False):
                    group = "a warp" if per_warp else "a block"
                    function = make_whole(*form, per_warp)
                    yield f"rank, {group} a row, {name}", function, whole, None
                function = make_global(*form, "whole")
                yield f"rank, any labels, {name}", function, with_workspace, None
                for in_shared in (True, False):
                    memory = "shared" if in_shared else "global"
                    function = make_count(*form, in_shared)
                    yield f"rank, pieces, {memory}, {name}", function, count, None
            for stage in STAGES[1:]:
                function = make_global(kernel, True, with_ties, stage)
                yield f"rank, {stage}, {kernel}, {ties}", function, with_workspace, None
