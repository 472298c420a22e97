"""Rows of scores and labels as kernels read them, from every form of arrays and sequences."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise, product
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from compare import assert_same_bits
from read_rows import row_labels, some_scores
from scipy import sparse

from fastpr.ranking.options import (
    check_average,
    check_denominator,
    check_empty,
    check_k,
    check_ties,
)
from fastpr.ranking.rows.host import Rows

KINDS = {
    "float16": (np.float16, "f16", np.uint16),
    "bfloat16": (ml_dtypes.bfloat16, "bf16", np.uint16),
    "float32": (np.float32, "f32", np.float32),
    "float64": (np.float64, "f64", np.float64),
    "uint8": (np.uint8, "u8", np.uint8),
}


# ---- labels ----

LABELS = [[3, 1], [4, -1], [2, 2]]
INDPTR, INDICES = np.array([0, 2, 4, 6]), np.array([3, 1, 4, -1, 2, 2])


@pytest.mark.parametrize(
    "labels",
    [
        np.array(LABELS),
        LABELS,
        tuple(LABELS),
        list(map(tuple, LABELS)),
        list(map(np.array, LABELS)),
        list(np.array(LABELS)),
        [[3, 1], np.array([4, -1], np.int8), (2, 2)],
        [[np.int8(3), np.uint64(1)], [4, -1], [2, np.array(2)]],
        (INDPTR, INDICES),
        (INDPTR.astype(np.uint8), INDICES.astype(np.int16)),
        (INDPTR, np.append(INDICES, [7, 7])),
    ],
    ids=[
        "array", "lists", "tuple", "tuples", "arrays", "rows of an array", "mixed", "NumPy scalars",
        "pair", "pair of others", "pair and more",
    ],
)  # fmt: skip
def test_every_form_of_labels_is_the_same_rows(labels: Any) -> None:
    rows = Rows(labels, some_scores((3, 5)))
    assert row_labels(rows) == LABELS
    for start in range(4):
        for stop in range(start, 4):
            assert row_labels(rows, start, stop) == LABELS[start:stop]
    assert [rows.label_ids(row).tolist() for row in range(3)] == [[1, 3], [4], [2]]


@pytest.mark.parametrize(
    "labels",
    [
        [[3, 1, 0], [], [2]],
        [{3, 1, 0}, set(), frozenset([2])],
        [range(4, 0, -3), np.array([]), [2]],
        [np.array([3, 1], np.uint64), np.array([], np.int8), np.array([2], ">i4")],
        (np.array([0, 2, 2, 3]), np.array([3, 1, 2])),
        (np.array([0, 0, 0, 0]), np.array([])),
        [[], [], []],
        sparse.csr_array(np.array([[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]])),
    ],
    ids=["lists", "sets", "others", "arrays", "pair", "empty pair", "empty lists", "sparse"],
)
def test_rows_can_be_of_any_length(labels: Any) -> None:
    if sparse.issparse(labels):
        expected = [[1, 3], [], [2]]
    elif isinstance(labels, tuple):
        expected = [labels[1][a:b].tolist() for a, b in pairwise(labels[0])]
    else:
        expected = [list(row) for row in labels]
    rows = Rows(labels, some_scores((3, 4)))
    assert row_labels(rows) == expected
    assert row_labels(rows, 1, 3) == expected[1:]
    assert rows.label_ids(1).tolist() == []


@pytest.mark.parametrize("as_given", [np.array, list, tuple, np.ndarray.tolist, sparse.coo_array])
def test_one_label_a_row_needs_no_dimension(as_given: Any) -> None:
    ids = np.array([3, -1, 0])
    if as_given is sparse.coo_array:
        labels = sparse.coo_array(([1, 1], ([0, 2], [3, 0])), shape=(3, 5))
        assert row_labels(Rows(labels, some_scores((3, 5)))) == [[3], [], [0]]
    else:
        assert row_labels(Rows(as_given(ids), some_scores((3, 5)))) == [[3], [-1], [0]]


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (2, 1, 3), (1,), (0,), (2, 0, 3)])
def test_leading_dimensions_are_rows_in_c_order(lead: tuple[int, ...]) -> None:
    scores = some_scores((*lead, 5))
    ids = np.arange(int(np.prod(lead)) * 2).reshape(*lead, 2)
    expected = ids.reshape(-1, 2).tolist()
    for labels in (ids, ids.tolist(), np.asfortranarray(ids), np.repeat(ids, 2, -1)[..., ::2]):
        rows = Rows(labels, scores)
        assert (rows.shape, rows.num_rows, rows.num_classes) == (lead, len(expected), 5)
        assert rows.num_scores == scores.size
        assert row_labels(rows) == expected
        assert_same_bits(rows.block(0, rows.num_rows).scores, scores.reshape(-1, 5))
    single = Rows(ids[..., 0], scores)
    assert row_labels(single) == ids[..., :1].reshape(-1, 1).tolist()
    if lead:
        assert row_labels(Rows(ids[..., 0].tolist(), scores)) == row_labels(single)
    assert row_labels(Rows(ids[..., :0], scores)) == [[] for _ in expected]
    assert row_labels(Rows(np.zeros((*lead, 0)), scores)) == [[] for _ in expected]


@pytest.mark.parametrize(
    "dtype", [*"bBhHiIlLqQ", *(o + t for o in "<>" for t in ("i2", "u4", "i8"))]
)
def test_labels_of_any_integer_dtype(dtype: str) -> None:
    ids = np.array([[3, 1], [4, 100], [2, 2]], dtype)
    scores = some_scores((3, 5))
    wide = np.repeat(ids, 2, 1)
    for labels in (ids, wide[:, ::2], ids[::-1][::-1], np.asfortranarray(ids), list(ids)):
        rows = Rows(labels, scores)
        assert row_labels(rows) == ids.tolist()
        assert row_labels(rows, 1, 2) == [[4, 100]]
        assert rows.label_ids(1).tolist() == [4]
        assert rows.label_ids(1).dtype == np.int64


@pytest.mark.parametrize("labels", [
    np.array([[1, 2**63 + 1]], np.uint64), [[1, 2**63 + 1]], [[1, -(10**30)]], [[1, 10**30]],
    np.array([[1, 2**32 - 1]], np.uint32), np.array([[1, 2**32 + 1]]), np.array([[1, -(2**63)]]),
    [np.array([1, 2**64 - 1], np.uint64)], np.array([[1, 65_535]], np.uint16),
])  # fmt: skip
def test_ids_too_large_for_a_kernel_stay_out_of_range(labels: Any) -> None:
    rows = Rows(labels, some_scores((1, 5)))
    assert rows.label_ids(0).tolist() == [1]
    assert [0 <= label < 5 for label in row_labels(rows)[0]] == [True, False]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64, np.intc, np.longlong])
def test_labels_that_kernels_can_read_are_not_copied(dtype: Any) -> None:
    ids = np.arange(6, dtype=dtype).reshape(3, 2)
    for labels in (ids, ids[1:], ids.reshape(3, 1, 2)):
        rows = Rows(labels, some_scores((*labels.shape[:-1], 5)))
        assert np.shares_memory(rows.block(0, rows.num_rows).labels, ids)
    pair = np.arange(6, dtype=dtype)
    assert np.shares_memory(Rows((INDPTR, pair), some_scores((3, 5))).block(1, 3).labels, pair)
    matrix = sparse.csr_array(np.eye(3, dtype=np.float32))
    block = Rows(matrix, some_scores((3, 3))).block(0, 2)
    assert np.shares_memory(block.labels, matrix.indices)


def test_an_indptr_is_copied_so_that_what_was_checked_is_read() -> None:
    indptr = INDPTR.copy()
    rows = Rows((indptr, INDICES), some_scores((3, 5)))
    indptr[:] = 1 << 40
    assert row_labels(rows) == LABELS


# ---- dense scores ----


def misaligned(array: np.ndarray) -> np.ndarray:
    room = np.zeros(array.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return room[1:].view(array.dtype).reshape(array.shape)


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def transposed_leads(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1)


IN_PLACE = {
    "C order": np.ascontiguousarray,
    "read-only": read_only,
    "rows apart": lambda array: np.concatenate([array, array], -1)[..., : array.shape[-1]],
    "every other row": lambda array: np.repeat(array, 2, -2)[..., ::2, :],
    "rows backwards": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "rows broadcast": lambda array: np.broadcast_to(array[0, 0], array.shape),
    "memory view": memoryview,
}
COPIED = {
    "Fortran order": np.asfortranarray,
    "classes apart": lambda array: np.repeat(array, 3, -1)[..., ::3],
    "classes backwards": lambda array: array[..., ::-1].copy()[..., ::-1],
    "one score for all": lambda array: np.broadcast_to(array[0, 0, :1], array.shape),
    "leading dimensions swapped": transposed_leads,
    "misaligned": misaligned,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
}


IMPOSSIBLE = {
    ("bfloat16", "big-endian"), ("bfloat16", "memory view"), ("uint8", "big-endian"),
    ("uint8", "misaligned"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "layout"), sorted({*product(KINDS, [*IN_PLACE, *COPIED])} - IMPOSSIBLE)
)
def test_scores_of_any_layout_are_the_same_rows(kind: str, layout: str) -> None:
    dtype, kernel, storage = KINDS[kind]
    given = {**IN_PLACE, **COPIED}[layout](some_scores((2, 4, 7), dtype))
    array = np.asarray(given)
    expected = np.ascontiguousarray(array.astype(dtype)).view(storage).reshape(8, 7)
    rows = Rows(np.zeros((2, 4, 1), int), given)
    assert (rows.kind.name, rows.kernel, rows.kind.storage) == (kind, kernel, storage)
    assert rows.readable_in_place == (layout in IN_PLACE)
    for start, stop in [(0, 8), (3, 6), (7, 8), (2, 2)]:
        scores = rows.block(start, stop).scores
        assert_same_bits(scores, expected[start:stop])
        assert scores.flags.aligned
        assert scores.dtype.isnative
        if start < stop:
            assert scores.strides[1] == scores.itemsize
            assert scores.strides[0] % scores.itemsize == 0
            assert np.shares_memory(scores, array) == (layout in IN_PLACE)
    for row in (0, 5):
        piece = rows.piece(row, 2, 6)
        assert_same_bits(piece, expected[row, 2:6])
        assert piece.flags.c_contiguous
        assert piece.flags.aligned
        ids = np.array([0, 3, 6])
        assert_same_bits(rows.label_scores(row, ids), expected[row, ids])
    if layout in IN_PLACE or layout == "leading dimensions swapped":
        assert np.shares_memory(rows.piece(5, 2, 6), array)


@pytest.mark.parametrize("shape", [(5,), (1, 5), (1, 1, 5), (3, 1), (1,)])
def test_dimensions_of_1_are_read_in_place_whatever_their_strides(shape: tuple[int, ...]) -> None:
    room = some_scores((40,))
    strides = tuple(4 if size == 5 else 28 if size == 3 else 12 for size in shape)
    scores = np.lib.stride_tricks.as_strided(room, shape, strides)
    rows = Rows(np.zeros(shape[:-1], int), scores)
    assert rows.readable_in_place
    assert np.shares_memory(rows.block(0, rows.num_rows).scores, room)
    assert_same_bits(rows.block(0, rows.num_rows).scores, scores.reshape(rows.num_rows, -1))


def test_lists_of_floats_are_float64() -> None:
    rows = Rows([[1], [0]], [[0.5, 1.5], [2, -1]])
    assert rows.kernel == "f64"
    assert rows.block(0, 2).scores.tolist() == [[0.5, 1.5], [2.0, -1.0]]


class OnlyDLPack:
    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_what_offers_dlpack_is_not_copied() -> None:
    scores, ids = some_scores((2, 5)), np.array([[0], [3]])
    block = Rows(OnlyDLPack(ids), OnlyDLPack(scores)).block(0, 2)
    assert np.shares_memory(block.scores, scores)
    assert np.shares_memory(block.labels, ids)


def test_only_rows_that_are_asked_for_are_copied() -> None:
    scores = some_scores((2, 1000, 1000))
    ids = np.zeros((2, 1000, 100), ">i4")
    tracemalloc.start()
    try:
        for layout in COPIED.values():
            given = layout(scores)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            Rows(ids, given).block(990, 1010)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 300_000  # 20 rows of 1000 scores, and once more in C order
    finally:
        tracemalloc.stop()


# ---- weights ----


@pytest.mark.parametrize(
    "dtype",
    ["?", "i1", "u2", ">i4", "i8", "f2", "f4", ">f8", "f8", "g", ml_dtypes.bfloat16],
    ids=lambda dtype: np.dtype(dtype).name,
)
@pytest.mark.parametrize("shape", [(), (1, 1), (2, 1), (1, 3), (2, 3)])
def test_weights_have_the_leading_dimensions(shape: tuple[int, ...], dtype: Any) -> None:
    values = np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)
    weights = Rows(np.zeros((2, 3), int), some_scores((2, 3, 5)), values).weights
    assert_same_bits(weights, np.broadcast_to(values.astype(np.float64), (2, 3)).reshape(6))


def test_weights_of_a_single_row_are_a_scalar() -> None:
    for weight in (2, 2.0, np.float32(2), np.array(2)):
        assert Rows([0], some_scores((5,)), weight).weights.tolist() == [2.0]
    assert Rows([0], some_scores((5,))).weights is None


def test_weights_are_not_copied_where_they_can_be_read() -> None:
    scores = some_scores((4, 5))
    weights = np.arange(4.0)
    assert np.shares_memory(Rows([0] * 4, scores, weights).weights, weights)
    assert Rows([0] * 4, scores, 3).weights.strides == (0,)
    assert Rows(np.zeros((0, 1), int), scores[:0], [1]).weights.shape == (0,)
    assert Rows(np.zeros((0, 1), int), scores[:0], []).weights.shape == (0,)


# ---- options ----


def test_options_in_range_are_returned() -> None:
    for k in (1, np.int8(1), np.array(1)):
        assert check_k(k) == check_k(k, 1) == 1
        assert type(check_k(k)) is int
    assert check_k(2**31 - 1) == 2**31 - 1
    for empty in ("skip", "zero", "one", "nan", "raise"):
        assert check_empty(empty) == empty
    for ties in ("index", "optimistic", "pessimistic", "expected"):
        assert check_ties(ties) == ties
        for denominator in ("min", "relevant", "k"):
            assert check_denominator(denominator, ties) == denominator
    assert check_denominator("hits", "pessimistic") == "hits"
    for average in ("rows", "micro"):
        assert check_average(average) == average
