"""Errors about the labels of rows, as arrays and as sequences."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from fastpr.ranking.rows.host import Rows

SCORES = np.zeros((3, 5), np.float32)

IDS = "pass the ids of the relevant classes as integers"
LABELS_DTYPE = "labels have dtype {}; " + IDS
NESTING = "pass lists nested as deep as the leading dimensions, then one of ids for each row"
PAIR = "; a tuple of two arrays is (indptr, indices), and a list is rows of labels"


def error_of(expected: type[Exception], labels: Any, predictions: Any = SCORES) -> str:
    with pytest.raises(expected) as caught:
        Rows(labels, predictions)
    assert type(caught.value) is expected
    return str(caught.value)


# ---- arrays ----


@pytest.mark.parametrize(
    ("labels", "lead", "pass_"),
    [
        ((4, 2), (3,), "pass shape (3, num_labels), or (3,) for one label a row"),
        ((2,), (3,), "pass shape (3, num_labels), or (3,) for one label a row"),
        ((), (3,), "pass shape (3, num_labels), or (3,) for one label a row"),
        ((3, 1, 2), (3,), "pass shape (3, num_labels), or (3,) for one label a row"),
        ((1, 2), (3,), "pass shape (3, num_labels), or (3,) for one label a row"),
        ((1, 2), (), "pass shape (num_labels,), or () for one label a row"),
        ((6, 1), (2, 3), "pass shape (2, 3, num_labels), or (2, 3) for one label a row"),
        ((3, 2, 1), (2, 3), "pass shape (2, 3, num_labels), or (2, 3) for one label a row"),
        ((3, 2), (0,), "pass shape (0, num_labels), or (0,) for one label a row"),
    ],
)
def test_labels_of_other_shapes_are_refused(
    labels: tuple[int, ...], lead: tuple[int, ...], pass_: str
) -> None:
    message = f"labels of shape {labels} do not go with predictions of shape {(*lead, 5)}; {pass_}"
    assert error_of(ValueError, np.zeros(labels, int), np.zeros((*lead, 5))) == message


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c16", "U1", ml_dtypes.bfloat16],
                         ids=lambda dtype: np.dtype(dtype).name)  # fmt: skip
def test_labels_that_are_no_integers_are_refused(dtype: Any) -> None:
    labels = np.zeros((3, 2), dtype)
    message = LABELS_DTYPE.format(labels.dtype) + ", with .astype(numpy.int64) for instance"
    assert error_of(TypeError, labels) == message
    assert error_of(TypeError, list(labels)) == message
    pair = np.array([0, 1, 2, 2]), labels[:2, 0]
    assert error_of(TypeError, pair) == message.replace("labels", "labels (their indices)")


def test_flags_are_refused_and_told_what_to_do() -> None:
    for labels in (np.zeros((3, 5), bool), [np.array([True])] * 3, np.zeros(3, bool)):
        assert error_of(TypeError, labels) == (
            "labels have dtype bool; pass the ids of the relevant classes as integers "
            "(scipy.sparse.csr_array(labels), if these are a flag for each class)"
        )


def test_arrays_of_objects_are_refused_and_told_what_to_do() -> None:
    rows = np.empty(3, object)
    rows[:] = [[1], [2, 3], []]
    for labels in (rows, None, {1, 2}, object()):
        assert error_of(TypeError, labels) == (
            "labels have dtype object; pass the ids of the relevant classes as integers "
            "(.tolist(), if these are rows of different lengths)"
        )


# ---- sequences ----


@pytest.mark.parametrize(
    ("labels", "lead", "message"),
    [
        ([[1], [2]], (3,), "labels are a list of 2, where predictions of shape (3, 5) have 3 rows"),
        ([], (3,), "labels are a list of 0, where predictions of shape (3, 5) have 3 rows"),
        ([1, 2], (3,), "labels are a list of 2, where predictions of shape (3, 5) have 3 rows"),
        ([[1]], (0,), "labels are a list of 1, where predictions of shape (0, 5) have 0 rows"),
        ([[[1]], [[1], [2]]], (2, 2), "labels are a list of 1 at index (0,), where predictions of "
         "shape (2, 2, 5) have 2 rows"),
        ([[[1], [2]], [[1]]], (2, 2), "labels are a list of 1 at index (1,), where predictions of "
         "shape (2, 2, 5) have 2 rows"),
        ([1, 2], (2, 2), "labels are 1 at index (0,), where predictions of shape (2, 2, 5) have 2 "
         "rows"),
        ([[{1}, [2]], {3, 4}], (2, 2), "labels are {3, 4} at index (1,), where predictions of "
         "shape (2, 2, 5) have 2 rows"),
    ],
)  # fmt: skip
def test_other_numbers_of_rows_are_refused(
    labels: Any, lead: tuple[int, ...], message: str
) -> None:
    assert error_of(ValueError, labels, np.zeros((*lead, 5))) == f"{message}; {NESTING}"


def test_a_tuple_of_two_lists_is_two_rows() -> None:
    assert error_of(ValueError, ([0, 1, 2, 3], [4, 0, 1])) == (
        f"labels are a tuple of 2, where predictions of shape (3, 5) have 3 rows; {NESTING}, or "
        "(indptr, indices) as two arrays"
    )


@pytest.mark.parametrize(
    ("labels", "lead"),
    [
        ([[[1]], [[2]], [[3]]], (3,)),
        ([[1, [2]], [3], [4]], (3,)),
        ([np.array([[1]]), [2], [3]], (3,)),
        ([np.zeros((2, 2), int)] * 3, (3,)),
        ([[1], [2]], ()),
        ([[[[1]], [[2]]]], (1, 2)),
    ],
)
def test_labels_nested_too_deep_are_refused(labels: Any, lead: tuple[int, ...]) -> None:
    shape = (*lead, 5)
    assert error_of(ValueError, labels, np.zeros(shape)) == (
        f"labels are nested deeper than predictions of shape {shape}; {NESTING}"
    )


@pytest.mark.parametrize(
    ("labels", "lead", "value", "index"),
    [
        ([[1, 2.0], [3], [4]], (3,), "2.0", (0, 1)),
        ([[], [3, 1, True], [4]], (3,), "True", (1, 2)),
        ([[0], {np.False_}, [4]], (3,), repr(np.False_), (1, 0)),
        ([[0], [1], ["4"]], (3,), "'4'", (2, 0)),
        ([[0], [None], [4]], (3,), "None", (1, 0)),
        ([[0], [np.float32(1)], [4]], (3,), repr(np.float32(1)), (1, 0)),
        ([1, 2, 3.5], (3,), "3.5", (2,)),
        ([True, False, True], (3,), "True", (0,)),
        ([[1, 2], [2.5, 3]], (2, 2), "2.5", (1, 0)),
        ([[[1], [2]], [[2], [0, 3.5]]], (2, 2), "3.5", (1, 1, 1)),
        ([1, 2.5], (), "2.5", (1,)),
        (["ab", "c"], (2,), "'ab'", (0,)),
    ],
)
def test_the_first_that_is_no_id_is_named(
    labels: Any, lead: tuple[int, ...], value: str, index: tuple[int, ...]
) -> None:
    assert error_of(TypeError, labels, np.zeros((*lead, 5))) == (
        f"labels hold what is no class id (first: {value} at index {index}); {IDS}"
    )


@pytest.mark.parametrize(
    ("labels", "single"),
    [
        ([[1], 2, [3]], "2 in row 1"),
        ([0, [1], 2], "0 in row 0"),
        ([np.array([1]), [2], None], "None in row 2"),
    ],
)
def test_rows_and_single_ids_are_not_mixed(labels: Any, single: str) -> None:
    assert error_of(TypeError, labels) == (
        f"labels mix rows of ids and single ids (first: {single}); pass rows, of one id where "
        "there is one"
    )


# ---- (indptr, indices) ----


@pytest.mark.parametrize(
    ("indptr", "message"),
    [
        ([0, 1, 2], "has 3 elements for 3 rows, which take 4"),
        ([], "has 0 elements for 3 rows, which take 4"),
        ([0, 1, 2, 3, 4], "has 5 elements for 3 rows, which take 4"),
        ([1, 2, 3, 4], "starts at 1, not at 0"),
        ([-1, 2, 3, 4], "starts at -1, not at 0"),
        ([0, 3, 2, 4], "decreases from 3 to 2 at index 2"),
        ([0, -1, 2, 4], "decreases from 0 to -1 at index 1"),
        (np.array([0, 1, 2**64 - 1, 4], np.uint64), "decreases from 1 to -1 at index 2"),
        ([0, 1, 2, 5], "ends at 5, and there are 4 indices"),
        ([0, 1, 2, 2**62], "ends at 4611686018427387904, and there are 4 indices"),
    ],
)
def test_an_indptr_that_does_not_fit_is_refused(indptr: Any, message: str) -> None:
    labels = np.array(indptr), np.arange(4)
    assert error_of(ValueError, labels) == f"the indptr of labels {message}{PAIR}"


def test_pairs_of_other_types_are_refused() -> None:
    message = error_of(TypeError, (np.zeros(4), np.arange(4)))
    assert message.startswith("labels (their indptr) have dtype float64; pass ")
    message = error_of(TypeError, (np.arange(4), np.zeros(4, bool)))
    assert message.startswith("labels (their indices) have dtype bool; pass ")
