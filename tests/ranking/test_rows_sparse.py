"""Sparse matrices of scores and of labels, which are never changed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from compare import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from read_rows import row_labels, some_scores, stored_rows
from scipy import sparse

from fastpr.ranking.rows.host import Rows

FORMATS = ("csr", "csc", "coo", "lil", "dok", "bsr")


# ---- labels ----


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("format", FORMATS)
def test_a_stored_0_of_a_sparse_matrix_is_no_label(format: str, dtype: Any) -> None:
    dense = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]], dtype)
    matrix = sparse.csr_matrix(dense).asformat(format)
    if format in ("csr", "csc", "coo", "bsr"):
        matrix.data.reshape(-1)[0] = 0
        dense[0, 0] = 0
    rows = Rows(matrix, some_scores((3, 4)))
    assert row_labels(rows) == [np.flatnonzero(row).tolist() for row in dense]
    assert row_labels(rows, 2, 3) == [[1, 3]]


def test_repeated_entries_of_labels_are_summed_first() -> None:
    data, indices, indptr = [1.0, 1, -1, 2, 0], [2, 0, 0, 2, 3], [0, 4, 5]
    matrix = sparse.csr_matrix((data, indices, indptr), shape=(2, 4))
    assert row_labels(Rows(matrix, some_scores((2, 4)))) == [[2], []]
    bytes_ = sparse.csr_array((np.array([255, 1], np.uint8), [1, 1], [0, 2]), shape=(1, 4))
    assert row_labels(Rows(bytes_, some_scores((1, 4)))) == [[]]  # in uint8 their sum is 0
    coo = sparse.coo_array((data, ([0, 0, 0, 0, 1], indices)), shape=(2, 4))
    assert row_labels(Rows(coo, some_scores((2, 4)))) == [[2], []]


# ---- scores ----


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csr_matrix], ids=["array", "matrix"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("format", FORMATS)
def test_stored_scores_of_every_format_are_candidates(format: str, dtype: Any, make: Any) -> None:
    dense = np.array([[0, 5, 0, 2], [0, 0, 0, 0], [7, 0, 0, 0], [1, 2, 3, 4]], dtype)
    rows = Rows(np.zeros((4, 0)), make(dense).asformat(format))
    assert (rows.shape, rows.num_rows, rows.num_classes) == ((4,), 4, 4)
    assert rows.is_sparse
    assert rows.kind.storage == dtype
    # a block of BSR stores zeros too
    expected = [{i: s for i, s in enumerate(row.tolist()) if s or format == "bsr"} for row in dense]
    if format != "bsr":
        assert rows.num_scores == 7
        assert stored_rows(rows) == expected
        assert stored_rows(rows, 1, 3) == expected[1:3]
        assert stored_rows(rows, 2, 2) == []
    else:
        assert [
            {**row, **dict.fromkeys(set(range(4)) - set(row), 0)} for row in stored_rows(rows)
        ] == (expected)


def test_a_matrix_in_order_is_not_copied() -> None:
    matrix = sparse.random_array((20, 30), density=0.2, format="csr", dtype=np.float32)
    block = Rows(np.zeros((20, 1), int), matrix).block(3, 17)
    assert np.shares_memory(block.scores, matrix.data)
    assert np.shares_memory(block.ids, matrix.indices)


def test_explicit_zeros_are_candidates() -> None:
    matrix = sparse.csr_array(([0.0, -1.0, 0.0], [3, 0, 1], [0, 1, 3]), shape=(2, 4))
    assert stored_rows(Rows([[0], [0]], matrix)) == [{3: 0.0}, {0: -1.0, 1: 0.0}]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_unsorted_and_repeated_entries_are_summed_as_scipy_does(format: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    num, shape = 3000, (40, 60)
    data = (rng.random(num) * 100).astype(dtype)
    row, column = rng.integers(0, shape[0], num), rng.integers(0, shape[1], num)
    row[row == 7] = 8
    if format == "coo":
        matrix = sparse.coo_array((data, (row, column)), shape=shape)
    else:
        major, minor = (row, column) if format == "csr" else (column, row)
        order = np.argsort(major, kind="stable")
        sizes = np.bincount(major, minlength=shape[format == "csc"])
        parts = data[order], minor[order], np.append(0, sizes.cumsum())
        matrix = {"csr": sparse.csr_array, "csc": sparse.csc_array}[format](parts, shape=shape)
    before = matrix.copy()
    expected = matrix.tocsr(copy=True)
    expected.sum_duplicates()
    rows = Rows(np.zeros((40, 1), int), matrix)
    for start, stop in [(0, 40), (7, 9), (31, 40)]:
        block = rows.block(start, stop)
        part = expected[start:stop]
        assert_same_bits(block.scores, part.data)
        assert block.ids.tolist() == part.indices.tolist()
        assert block.score_starts.tolist() == part.indptr.tolist()
    assert matrix.data.tolist() == before.data.tolist()
    assert matrix.nnz == before.nnz
    for name in ("indices", "indptr", "row", "col"):
        if hasattr(before, name):
            assert getattr(matrix, name).tolist() == getattr(before, name).tolist()


def test_nothing_is_remembered_on_the_matrix() -> None:
    """SciPy caches whether indices are sorted; they may change later."""
    matrix = sparse.csr_array(([1.0, 2.0], [3, 1], [0, 2]), shape=(1, 5))
    names = set(vars(matrix))
    Rows(matrix, matrix).block(0, 1)
    assert set(vars(matrix)) == names


@given(
    stored=st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=6),
    seed=st.integers(0, 999),
    is_ragged=st.booleans(),
)
def test_labels_are_positions_among_the_stored_scores(
    stored: list[set[int]], seed: int, is_ragged: bool
) -> None:
    rng = np.random.default_rng(seed)
    ids = [sorted(row) for row in stored]
    indptr = np.append(0, np.cumsum([len(row) for row in ids]))
    scores = sparse.csr_array(
        (np.ones(indptr[-1]), np.concatenate(ids).astype(np.int32), indptr), shape=(len(ids), 12)
    )
    num = len(ids)
    labels = [rng.integers(-2, 15, rng.integers(0, 9) if is_ragged else 4).tolist()
              for _ in range(num)]  # fmt: skip
    rows = Rows(labels if is_ragged else np.array(labels, np.int32), scores)
    first = num // 2
    for start, stop in [(0, num), (first, num), (first, first)]:
        expected = [
            [
                -1 if not 0 <= label < 12
                else row.index(label) if label in row
                else len(row) + label
                for label in given_labels
            ]
            for row, given_labels in zip(ids[start:stop], labels[start:stop], strict=True)
        ]  # fmt: skip
        assert row_labels(rows, start, stop) == expected
        num_ids = rows.block(start, stop).num_ids
        assert all(label < num_ids for row in expected for label in row)


def test_a_sparse_matrix_of_both() -> None:
    scores = sparse.csr_matrix(np.array([[0, 0.5, 0, 0.25], [0, 0, 1, 0]], np.float32))
    labels = sparse.coo_matrix(np.array([[0, 0, 1, 1], [0, 0, 1, 0]]))
    assert row_labels(Rows(labels, scores)) == [[2 + 2, 1], [0]]


def test_a_matrix_without_rows_or_entries() -> None:
    assert stored_rows(Rows(np.zeros((0, 2), int), sparse.csr_array((0, 3)))) == []
    rows = Rows(np.array([[1], [9]]), sparse.csr_array((2, 3), dtype=np.float32))
    assert stored_rows(rows) == [{}, {}]
    assert row_labels(rows) == [[1], [-1]]


def test_scipy_is_not_imported_for_arrays() -> None:
    program = (
        "import sys; from fastpr.ranking.rows.host import Rows; "
        "Rows([[1]], [[0.5, 1.0]], 2).block(0, 1); print('scipy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False"
