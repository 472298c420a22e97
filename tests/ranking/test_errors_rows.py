"""Errors about rows of scores and labels, their weights, and the options of rankings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from scipy import sparse

from fastpr import BackendUnavailable
from fastpr.ranking.options import (
    check_average,
    check_denominator,
    check_empty,
    check_k,
    check_ties,
)
from fastpr.ranking.rows.host import Rows

SCORES = np.zeros((3, 5), np.float32)
LABELS = np.zeros((3, 2), int)
NAN = float("nan")

SCORES_DTYPE = (
    "predictions have dtype {}; pass scores as float16, bfloat16, float32, float64 or uint8, with "
    ".astype(numpy.float32) for instance"
)


def error_of(
    expected: type[Exception], labels: Any = LABELS, predictions: Any = SCORES, weights: Any = None
) -> str:
    return text_of(expected, lambda: Rows(labels, predictions, weights))


def text_of(expected: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(expected) as caught:
        call()
    assert type(caught.value) is expected
    return str(caught.value)


# ---- predictions ----


@pytest.mark.parametrize(
    "dtype", ["i1", "i4", "i8", "u2", ">u4", "?", "g", "c8", "U3", "O", "m8[s]",
              ml_dtypes.float8_e4m3fn],
    ids=lambda dtype: np.dtype(dtype).name,
)  # fmt: skip
def test_scores_of_other_types_are_refused(dtype: Any) -> None:
    scores = np.zeros((3, 5), dtype)
    assert error_of(TypeError, predictions=scores) == SCORES_DTYPE.format(scores.dtype)


def test_scores_that_are_lists_of_integers_are_refused() -> None:
    assert error_of(TypeError, [0], [[1, 2]]) == SCORES_DTYPE.format("int64")


def test_ragged_scores_are_refused() -> None:
    assert error_of(TypeError, [0, 0], [[1.0], [1.0, 2.0]]).startswith(
        "predictions of type list cannot be read as an array: "
    )


def test_a_single_score_is_refused() -> None:
    assert error_of(ValueError, 0, 0.5) == (
        "predictions are a single number; pass at least one dimension, that of classes"
    )


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 0)])
def test_scores_of_no_classes_are_refused(shape: tuple[int, ...]) -> None:
    assert error_of(ValueError, np.zeros(shape, int), np.zeros(shape)) == (
        f"predictions of shape {shape} have 0 classes; pass scores of 1 to 2147483647 classes, "
        "along the last dimension"
    )


@pytest.mark.parametrize("num_classes", [2**31, 2**40])
def test_too_many_classes_are_refused(num_classes: int) -> None:
    message = f"predictions of shape (1, {num_classes}) have {num_classes} classes; pass scores of"
    wide = np.broadcast_to(np.float32(0), (1, num_classes))
    assert message in error_of(ValueError, [[0]], wide)
    assert message in error_of(ValueError, [[0]], sparse.csr_array((1, num_classes)))


class OnDevice:
    __cuda_array_interface__ = {  # noqa: RUF012
        "shape": (3, 5), "typestr": "<f4", "data": (0, False), "version": 3
    }  # fmt: skip
    ndim = 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("labels", (OnDevice(), SCORES)),
        ("labels", ([[0], OnDevice(), [0]], SCORES)),
        ("labels (their indptr)", ((OnDevice(), OnDevice()), SCORES)),
        ("predictions", (LABELS, OnDevice())),
        ("weights", (LABELS, SCORES, OnDevice())),
    ],
    ids=["labels", "a row", "a pair", "predictions", "weights"],
)
def test_arrays_on_a_device_are_refused(name: str, arguments: Any) -> None:
    assert error_of(BackendUnavailable, *arguments) == (
        f"{name} are on a CUDA device, and are not read there; copy them to the host first, with "
        ".cpu() for instance"
    )


def test_masked_arrays_are_refused_and_told_what_to_do() -> None:
    assert error_of(TypeError, np.ma.masked_array(LABELS)) == (
        "labels are a masked array; pass their .filled(-1), which is no class"
    )
    assert error_of(TypeError, predictions=np.ma.masked_array(SCORES)) == (
        "predictions are a masked array; pass their .filled(...) with a score below all others"
    )
    assert error_of(TypeError, weights=np.ma.masked_array(np.ones(3))) == (
        "weights are a masked array; pass their .filled(0), so that masked rows weigh 0"
    )


# ---- sparse matrices ----


@pytest.mark.parametrize(
    ("shape", "scores", "pass_"),
    [
        ((2, 5), (3, 5), "pass one of shape (3, 5)"),
        ((3, 4), (3, 5), "pass one of shape (3, 5)"),
        ((1, 5), (5,), "pass lists or an array"),
        ((6, 5), (2, 3, 5), "pass lists or an array"),
    ],
)
def test_a_sparse_matrix_of_labels_has_the_shape_of_predictions(
    shape: tuple[int, int], scores: tuple[int, ...], pass_: str
) -> None:
    assert error_of(ValueError, sparse.csr_array(shape), np.zeros(scores)) == (
        f"labels are a sparse matrix of shape {shape}, which does not go with predictions of shape "
        f"{scores}; {pass_}"
    )


def test_sparse_arrays_of_one_dimension_are_refused() -> None:
    flat = sparse.coo_array(np.ones(5))
    for name, arguments in [("labels", (flat, np.zeros(5))), ("predictions", (LABELS, flat))]:
        assert error_of(ValueError, *arguments) == (
            f"{name} are a sparse array of shape (5,); pass one with two dimensions, rows and "
            "classes"
        )


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint16, np.longdouble, np.complex64])
def test_sparse_scores_of_other_types_are_refused(dtype: Any) -> None:
    matrix = sparse.csr_array((3, 5), dtype=dtype)
    assert error_of(TypeError, predictions=matrix) == (
        f"predictions are a sparse matrix of dtype {matrix.dtype}; pass scores as float32, float64 "
        "or uint8, with .astype(numpy.float32) for instance"
    )


def test_sparse_labels_of_complex_numbers_are_refused() -> None:
    assert error_of(TypeError, sparse.csr_array((3, 5), dtype=np.complex64)) == (
        "labels are a sparse matrix of dtype complex64; pass real numbers or bool, where what is "
        "not 0 is a label"
    )


def test_a_sparse_matrix_whose_parts_do_not_fit_is_refused() -> None:
    matrix = sparse.csr_array(np.eye(3))
    matrix.indptr = np.array([0, 1, 2, 4])
    assert error_of(ValueError, [0, 1, 2], matrix) == (
        "the indptr of predictions ends at 4, and there are 3 indices"
    )
    assert error_of(ValueError, matrix, np.zeros((3, 3))) == (
        "the indptr of labels ends at 4, and there are 3 indices"
    )


@pytest.mark.parametrize("column", [-1, 3, 2**31 - 1])
def test_columns_that_are_not_there_are_refused_when_read(column: int) -> None:
    matrix = sparse.csr_array(np.eye(3))
    matrix.indices[1] = column
    message = "{} are a sparse matrix of 3 columns that stores an entry of column " + str(column)
    as_scores, as_labels = Rows([0, 1, 2], matrix), Rows(matrix, np.zeros((3, 3)))
    for name, rows in [("predictions", as_scores), ("labels", as_labels)]:
        assert text_of(ValueError, lambda rows=rows: rows.block(0, 3)) == message.format(name)


def test_more_positions_than_a_kernel_has_are_refused() -> None:
    matrix = sparse.csr_array(([1.0, 2.0], [0, 5], [0, 2]), shape=(1, 2**31 - 2))
    assert error_of(ValueError, [0], matrix) == (
        "predictions are a sparse matrix of shape (1, 2147483646) with up to 2 entries in a row; "
        "columns and these must not be more than 2147483647 together"
    )


# ---- weights ----


@pytest.mark.parametrize(
    ("weights", "lead"),
    [((2,), (3,)), ((3, 1), (3,)), ((1, 3), (3,)), ((0,), (3,)), ((1,), ()), ((3,), (2, 3)),
     ((2,), (2, 3)), ((3, 2), (2, 3)), ((1,), (2, 3)), ((2, 3, 1), (2, 3)), ((3,), (0,))],
)  # fmt: skip
def test_weights_of_other_shapes_are_refused(
    weights: tuple[int, ...], lead: tuple[int, ...]
) -> None:
    shape = (*lead, 5)
    assert error_of(ValueError, np.zeros(lead, int), np.zeros(shape), np.ones(weights)) == (
        f"weights of shape {weights} do not go with predictions of shape {shape}; pass a scalar, "
        f"or an array of the leading shape {lead}, whose dimensions may also be 1"
    )


@pytest.mark.parametrize("weights", [1j, "1", None, np.zeros(3, "m8[s]"), ["a"] * 3, {}],
                         ids=lambda weights: str(np.asarray(weights).dtype))  # fmt: skip
def test_weights_of_other_types_are_refused(weights: Any) -> None:
    weights = [weights] * 3 if weights is None else weights
    assert error_of(TypeError, weights=weights) == (
        f"weights have dtype {np.asarray(weights).dtype}; pass real numbers or bool"
    )


@pytest.mark.parametrize(
    ("weights", "shown", "index"),
    [
        (-1, "-1.0", ()),
        (NAN, "nan", ()),
        ([1, -0.5, NAN], "-0.5", (1,)),
        (np.array([0, 1, np.inf], np.float16), "inf", (2,)),
        (np.array([0, 1, -2], ml_dtypes.bfloat16), "-2.0", (2,)),
        (np.array([0, 1, -2], ">i4"), "-2.0", (2,)),
        ([[0.0, 1.0, -5e-324]], "-5e-324", (0, 2)),
    ],
)
def test_the_first_bad_weight_is_named(weights: Any, shown: str, index: tuple[int, ...]) -> None:
    lead = (1, 3) if len(index) == 2 else (3,)
    labels, scores = np.zeros(lead, int), np.zeros((*lead, 5))
    assert error_of(ValueError, labels, scores, weights) == (
        f"weights must be finite and not negative (first: {shown} at index {index}); pass 0 to "
        "leave rows out"
    )


def test_weights_of_no_rows_are_checked_too() -> None:
    labels, scores = np.zeros((0, 2), int), np.zeros((0, 5))
    assert "first: nan at index (0,)" in error_of(ValueError, labels, scores, [NAN])
    assert "first: -1.0 at index ()" in error_of(ValueError, labels, scores, -1)


# ---- options ----


@pytest.mark.parametrize(
    "k", [0, -1, 2.5, 2.0, True, False, np.True_, "2", None, [2], 2**31, 10**30, np.array([1, 2])],
    ids=lambda k: repr(k)[:12],
)  # fmt: skip
def test_a_k_that_is_no_integer_from_1_on_is_refused(k: Any) -> None:
    message = f"k must be an integer in [1, 2147483647], got {k!r}"
    assert text_of(ValueError, lambda: check_k(k)) == message
    assert text_of(ValueError, lambda: check_k(k, 10)) == message


@pytest.mark.parametrize(("k", "num_classes"), [(2, 1), (np.int64(11), 10), (2**31 - 1, 10)])
def test_a_k_above_the_number_of_classes_is_refused(k: int, num_classes: int) -> None:
    assert text_of(ValueError, lambda: check_k(k, num_classes)) == (
        f"k must not be above the number of classes, got {k}, and predictions of {num_classes} "
        "classes"
    )


@pytest.mark.parametrize("value", ["", "Skip", "index ", None, True, 0, ["skip"], ("rows",)])
def test_other_options_are_refused_and_those_allowed_are_named(value: Any) -> None:
    allowed = {
        check_empty: "empty must be 'skip', 'zero', 'one', 'nan' or 'raise'",
        check_ties: "ties must be 'index', 'optimistic', 'pessimistic' or 'expected'",
        check_average: "average must be 'rows' or 'micro'",
        lambda value: check_denominator(value, "index"): (
            "denominator must be 'min', 'relevant', 'hits' or 'k'"
        ),
    }
    for check, message in allowed.items():
        assert text_of(ValueError, lambda check=check: check(value)) == f"{message}, got {value!r}"


def test_hits_are_no_denominator_of_expected_ties() -> None:
    assert text_of(ValueError, lambda: check_denominator("hits", "expected")) == (
        "denominator 'hits' has no closed form with ties='expected'; choose another of the two"
    )
