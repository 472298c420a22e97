"""Errors about samples: type, whole text, and the first position, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr import precision_recall_at_equal_thresholds

ml_dtypes = pytest.importorskip("ml_dtypes")

BACKENDS = fastpr.available_backends()
SHAPE = (3, 4)
PLACES = [(0, 3), (2, 0)]  # in C order; in F order the other comes first

SCORES_DO = (
    "; pass probabilities (of logits, the sigmoid), or invalid='drop' to leave such samples out "
    "and count them"
)
LABELS_DO = "; pass labels > 0, and weights of 0 where samples are to be ignored"
WEIGHTS_DO = "; pass 0 to leave samples out"


def error_of(
    expected: type[Exception],
    labels: object,
    predictions: object,
    weights: object = None,
    backend: str | None = None,
) -> str:
    """The text of what update raises; the function raises the same, and the state stays."""
    state = State(3, backend=backend).update([1, 0], [0.5, 1.0]).update([1], [0.2], 0.5)
    before = state.to_bytes()
    with pytest.raises(expected) as caught:
        state.update(labels, predictions, weights)
    assert type(caught.value) is expected
    assert state.to_bytes() == before
    with pytest.raises(expected) as again:
        precision_recall_at_equal_thresholds(labels, predictions, weights, 3, backend=backend)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


# ---- the same values in any layout ----


def in_c_order(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)


def in_f_order(array: np.ndarray) -> np.ndarray:
    return np.asfortranarray(array)


def with_steps(array: np.ndarray) -> np.ndarray:
    room = np.repeat(np.repeat(array, 2, 0), 3, 1)
    return room[::2, ::3]


def backwards(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]


def big_endian(array: np.ndarray) -> np.ndarray:
    if array.dtype.name == "bfloat16":
        return array
    return array.astype(array.dtype.newbyteorder(">"))


def misaligned(array: np.ndarray) -> np.ndarray:
    room = np.zeros(array.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return room[1:].view(array.dtype).reshape(array.shape)


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = [in_c_order, in_f_order, with_steps, backwards, big_endian, misaligned, read_only]


def with_bad_values(dtype: Any, value: Any) -> np.ndarray:
    array = np.zeros(SHAPE, dtype)
    for place in PLACES:
        array[place] = value
    return array


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_bad_score_is_named(backend: str, layout: Callable[..., np.ndarray]) -> None:
    scores = layout(with_bad_values(np.float32, 1.5))
    for labels in (np.zeros(SHAPE, bool), layout(np.zeros(SHAPE, np.int64))):
        assert error_of(ValueError, labels, scores, backend=backend) == (
            "predictions hold 2 values that are not in [0, 1] (first: 1.5 at index (0, 3))"
            + SCORES_DO
        )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_bad_label_is_named(backend: str, layout: Callable[..., np.ndarray]) -> None:
    labels = layout(with_bad_values(np.int64, -7))
    for scores in (np.zeros(SHAPE, np.float32), layout(np.zeros(SHAPE, np.float32))):
        assert error_of(ValueError, labels, scores, backend=backend) == (
            "labels hold values other than 0 and 1 (first: -7 at index (0, 3))" + LABELS_DO
        )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_bad_weight_is_named(backend: str, layout: Callable[..., np.ndarray]) -> None:
    weights = layout(with_bad_values(np.float64, -0.5))
    for scores in (np.zeros(SHAPE, np.float32), layout(np.zeros(SHAPE, np.float32))):
        labels = np.zeros(SHAPE, bool)
        assert error_of(ValueError, labels, scores, weights, backend=backend) == (
            "weights must be finite and not negative (first: -0.5 at index (0, 3))" + WEIGHTS_DO
        )


@pytest.mark.parametrize(
    ("bad", "first", "number"),
    [(np.array([0, 0, 2, 2]), (0, 2), 6), (np.array([[0], [0], [2]]), (2, 0), 4)],
    ids=["row", "column"],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_position_is_right_in_broadcast_arrays(
    backend: str, bad: np.ndarray, first: tuple[int, ...], number: int
) -> None:
    labels, scores = np.zeros(SHAPE, int), np.zeros(SHAPE, np.float32)
    bad_scores = np.broadcast_to(bad.astype(np.float32), SHAPE)
    assert error_of(ValueError, labels, bad_scores, backend=backend) == (
        f"predictions hold {number} values that are not in [0, 1] (first: 2.0 at index {first})"
        + SCORES_DO
    )
    bad_labels = np.broadcast_to(bad, SHAPE)
    assert error_of(ValueError, bad_labels, scores, backend=backend) == (
        f"labels hold values other than 0 and 1 (first: 2 at index {first})" + LABELS_DO
    )
    for weights in (-bad, -bad.astype(np.float32), np.broadcast_to(-bad, SHAPE)):
        assert error_of(ValueError, labels, scores, weights, backend=backend) == (
            f"weights must be finite and not negative (first: -2.0 at index {first})" + WEIGHTS_DO
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_single_sample_has_an_empty_index(backend: str) -> None:
    assert error_of(ValueError, np.array(1), np.array(-0.25), backend=backend) == (
        "predictions hold 1 value that is not in [0, 1] (first: -0.25 at index ())" + SCORES_DO
    )
    assert error_of(ValueError, 2, 0.5, backend=backend) == (
        "labels hold values other than 0 and 1 (first: 2 at index ())" + LABELS_DO
    )
    assert error_of(ValueError, True, 0.5, float("nan"), backend=backend) == (
        "weights must be finite and not negative (first: nan at index ())" + WEIGHTS_DO
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_position_is_right_in_slices_of_several_threads(backend: str) -> None:
    size = 3 << 19
    first, last = size - (1 << 18) - 3, size - 1
    scores, labels = np.zeros(size, np.float32), np.zeros(size, bool)
    scores[[first, last]] = np.inf, -1
    assert error_of(ValueError, labels, scores, backend=backend) == (
        f"predictions hold 2 values that are not in [0, 1] (first: inf at index ({first},))"
        + SCORES_DO
    )
    weights = np.ones(size, np.float32)
    weights[[first, last]] = np.nan, -1
    assert f"(first: nan at index ({first},))" in (
        error_of(ValueError, labels, np.zeros(size, np.float32), weights, backend)
    )


# ---- the value that is shown is the one that was given ----


@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [
        (np.float16, 1.001, "1.001"),
        (np.float16, -6e-8, "-6e-08"),
        (np.float16, np.nan, "nan"),
        (ml_dtypes.bfloat16, 1.0078125, "1.0078125"),
        (ml_dtypes.bfloat16, -np.inf, "-inf"),
        (np.float32, np.nextafter(np.float32(1), np.float32(2)), "1.0000001"),
        (np.float32, -1e-45, "-1e-45"),
        (np.float64, np.nextafter(1.0, 2.0), "1.0000000000000002"),
        (np.float64, -5e-324, "-5e-324"),
        (np.float64, np.inf, "inf"),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_score_is_shown_as_it_was_given(
    backend: str, dtype: Any, value: float, shown: str
) -> None:
    scores = np.array([0.0, -0.0, 1.0, 0.5, value], dtype)
    assert error_of(ValueError, [0, 1, 0, 1, 0], scores, backend=backend) == (
        f"predictions hold 1 value that is not in [0, 1] (first: {shown} at index (4,))" + SCORES_DO
    )


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int8", -1), ("int16", 2), ("int32", 255), ("int64", -(2**63)), ("uint8", 2),
        ("uint8", 255), ("uint16", 65_535), ("uint32", 2**31), ("uint64", 2**63),
    ],
)  # fmt: skip
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_label_is_shown_as_it_was_given(backend: str, dtype: str, value: int) -> None:
    labels = np.array([0, 1, value, 1], dtype)
    scores = np.zeros(4, np.float32)
    assert error_of(ValueError, labels, scores, backend=backend) == (
        f"labels hold values other than 0 and 1 (first: {value} at index (2,))" + LABELS_DO
    )


@pytest.mark.parametrize(
    ("weights", "shown", "index"),
    [
        (np.array([1, 1, np.inf], np.float32), "inf", (2,)),
        (np.array([1, -2, 1], np.int64), "-2.0", (1,)),
        (np.array([1, 1, -2], np.float16), "-2.0", (2,)),
        (np.array([1, 1, -2], ml_dtypes.bfloat16), "-2.0", (2,)),
        (np.array([1, np.nan, -2], np.longdouble), "nan", (1,)),
        (np.array([-np.inf]), "-inf", (0,)),
        (-1, "-1.0", ()),
        (np.array([0, 0, 0, -5e-324])[1:], "-5e-324", (2,)),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_weight_is_shown_as_it_was_given(
    backend: str, weights: object, shown: str, index: tuple[int, ...]
) -> None:
    assert error_of(ValueError, [0, 1, 1], [0.5, 0.5, 0.5], weights, backend) == (
        f"weights must be finite and not negative (first: {shown} at index {index})" + WEIGHTS_DO
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_of_weight_0_and_dropped_samples_are_checked_too(backend: str) -> None:
    bad_score, bad_label = [0.5, 2.0], [0, 2]
    assert "first: 2.0 at" in error_of(ValueError, [0, 1], bad_score, 0, backend)
    assert "first: 2.0 at" in error_of(ValueError, [0, 1], bad_score, [1, 0], backend)
    assert "first: 2 at" in error_of(ValueError, bad_label, [0.5, 0.5], [1, 0], backend)
    assert "first: 2 at" in error_of(ValueError, bad_label, bad_score, None, backend)
    state = State(3, invalid="drop", backend=backend)
    for labels, weights in [([0, 3], None), ([0, 1], [1, np.nan])]:
        with pytest.raises(ValueError, match=r"first: (3|nan) at index \(1,\)"):
            state.update(labels, bad_score, weights)
    assert state == State(3, invalid="drop")


@pytest.mark.parametrize(
    "weights",
    [1e308, [1e308] * 3, np.array([1.7e308, 0, 1.7e308]), np.array([[1e308]])],
    ids=["scalar", "equal", "some", "one"],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_whose_sum_is_not_finite_are_refused(backend: str, weights: object) -> None:
    labels, scores = [[1, 1, 1]], [[0.5, 0.5, 0.5]]
    message = "the sum of the weights does not fit into float64; scale the weights down"
    assert error_of(OverflowError, labels, scores, weights, backend) == message


@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_that_overflow_across_threads_are_refused(backend: str) -> None:
    weights = np.zeros(1 << 21)
    weights[:: 1 << 18] = 1e308
    scores, labels = np.zeros(1 << 21, np.float32), np.zeros(1 << 21, bool)
    message = "the sum of the weights does not fit into float64; scale the weights down"
    assert error_of(OverflowError, labels, scores, weights, backend) == message


def test_longdouble_weights_too_large_for_float64_are_refused() -> None:
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        return  # this system has no such numbers
    for weights in (np.array(["1e400", "1"], np.longdouble), np.longdouble("1e400")):
        message = error_of(ValueError, [1, 1], [0.5, 0.5], weights)
        assert message.startswith("weights must be finite and not negative (first: ")
