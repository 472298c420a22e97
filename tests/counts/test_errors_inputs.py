"""Errors about what can be told without reading samples: options, types, shapes, backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr import precision_recall_at_equal_thresholds

ml_dtypes = pytest.importorskip("ml_dtypes")

NAN = float("nan")
SCORES_DTYPE = (
    "predictions have dtype {}; pass scores in [0, 1] as float16, bfloat16, float32 or float64, "
    "or uint8 or uint16 that stand for u / (2**bits - 1)"
)
LABELS_DTYPE = (
    "labels have dtype {}; pass bool labels, or integers 0 and 1 (labels > 0, for instance)"
)
WEIGHTS_DTYPE = "weights have dtype {}; pass real numbers or bool"


def text_of(expected: type[BaseException], call: Callable[[], object]) -> str:
    with pytest.raises(expected) as caught:
        call()
    assert type(caught.value) is expected
    return str(caught.value)


def update_error(
    expected: type[Exception], labels: object, predictions: object, weights: object = None
) -> str:
    """The text of what update raises; the function raises the same, and the state stays."""
    state = State(3).update([1, 0], [0.5, 1.0]).update([1], [0.2], 0.5)
    before = state.to_bytes()
    text = text_of(expected, lambda: state.update(labels, predictions, weights))
    assert state.to_bytes() == before
    assert text == text_of(
        expected, lambda: precision_recall_at_equal_thresholds(labels, predictions, weights, 3)
    )
    return text


# ---- options ----


def option_error(expected: type[Exception], **options: Any) -> str:
    text = text_of(expected, lambda: State(**options))
    assert text == text_of(
        expected, lambda: precision_recall_at_equal_thresholds([1], [0.5], **options)
    )
    return text


@pytest.mark.parametrize("value", [1, 0, -5, 65_538, 10**30, np.int64(1)])
def test_a_number_of_thresholds_out_of_range_is_refused(value: int) -> None:
    assert option_error(ValueError, num_thresholds=value) == (
        f"num_thresholds must be in [2, 65537], got {value}; the results of many thresholds can "
        "be thinned out after counting"
    )


@pytest.mark.parametrize("value", [2.0, "201", None, True, np.True_, [201], np.array([5, 6])])
def test_a_number_of_thresholds_that_is_no_integer_is_refused(value: object) -> None:
    assert option_error(TypeError, num_thresholds=value) == (
        f"num_thresholds must be an integer, got {value!r}"
    )


@pytest.mark.parametrize(
    "value", [0.5, -1, 2, float("inf"), "zero", None, [0], 10**400], ids=lambda v: repr(v)[:9]
)
def test_a_zero_division_that_is_none_of_three_is_refused(value: object) -> None:
    assert option_error(ValueError, zero_division=value) == (
        f"zero_division must be 0.0, 1.0 or nan, got {value!r}"
    )


@pytest.mark.parametrize("value", ["0.0", "1", "nan"])
def test_a_zero_division_that_is_a_text_is_refused(value: str) -> None:
    assert option_error(ValueError, zero_division=value) == (
        f"zero_division must be 0.0, 1.0 or nan, got {value!r}"
    )


@pytest.mark.parametrize("value", ["ignore", "RAISE", "", None, True, 0, ["raise"]])
def test_an_invalid_that_is_neither_of_two_is_refused(value: object) -> None:
    assert option_error(ValueError, invalid=value) == (
        f"invalid must be 'raise' or 'drop', got {value!r}"
    )


@pytest.mark.parametrize("value", ["gpu", "C", "", 1, True, ["c"], np.array(["c", "numba"])])
def test_a_backend_that_is_not_known_is_refused(value: object) -> None:
    message = (
        f"backend must be one of 'auto', 'c', 'numba', 'reference', 'cuda' or None, got {value!r}"
    )
    assert option_error(ValueError, backend=value) == message
    data = State().to_bytes()
    assert text_of(ValueError, lambda: State.from_bytes(data, backend=value)) == message


# ---- shapes ----


@pytest.mark.parametrize(
    ("labels", "scores"),
    [((2,), (3,)), ((3, 1), (3,)), ((1,), ()), ((), (1,)), ((0,), (0, 1)), ((2, 3), (3, 2)),
     ((1, 3), (2, 3)), ((5,), (1,))],
)  # fmt: skip
def test_labels_of_another_shape_are_refused(labels: tuple, scores: tuple) -> None:
    assert update_error(ValueError, np.zeros(labels, bool), np.zeros(scores)) == (
        f"labels of shape {labels} and predictions of shape {scores} must have the same shape"
    )


@pytest.mark.parametrize(
    ("weights", "scores"),
    [((2,), (3,)), ((1, 3), (3,)), ((3, 1), (3,)), ((2,), (2, 3)), ((2, 1, 1), (2, 3)),
     ((1,), ()), ((3,), (1,)), ((0,), (1,)), ((2,), (0,)), ((1, 1, 1, 1), (2, 2))],
)  # fmt: skip
def test_weights_that_do_not_broadcast_are_refused(weights: tuple, scores: tuple) -> None:
    labels, predictions = np.zeros(scores, bool), np.zeros(scores)
    assert update_error(ValueError, labels, predictions, np.ones(weights)) == (
        f"weights of shape {weights} do not broadcast to predictions of shape {scores}; each of "
        "their dimensions, counted from the last, must be 1 or equal"
    )


# ---- types ----


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(2, np.int64), np.zeros(2, np.int8), np.zeros(2, np.uint32), np.zeros(2, ">u8"),
        np.zeros(2, bool), np.zeros(2, np.longdouble), np.zeros(2, complex),
        np.array(["0.5", "1"]), np.array([b"0.5", b"1"]), np.array([0.5, None], object),
        np.zeros(2, "m8[s]"), np.zeros(2, "M8[s]"), np.zeros(2, [("score", float)]),
        np.zeros(2, ml_dtypes.float8_e4m3fn), np.zeros(2, ml_dtypes.int4), [0, 1], [True, False],
        ["a", "b"], [0.5, None],
    ],
    ids=lambda scores: str(np.asarray(scores).dtype),
)  # fmt: skip
def test_scores_of_other_types_are_refused(scores: Any) -> None:
    dtype = np.asarray(scores).dtype
    assert update_error(TypeError, [0, 1], scores) == SCORES_DTYPE.format(dtype)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 2 has this dtype")
def test_texts_of_any_length_are_refused_as_any_other_type() -> None:
    texts = np.array(["0.5", "1"], np.dtypes.StringDType())
    assert update_error(TypeError, [0, 1], texts) == SCORES_DTYPE.format(texts.dtype)
    assert update_error(TypeError, texts, [0.5, 1.0]) == LABELS_DTYPE.format(texts.dtype)
    assert update_error(TypeError, [0, 1], [0.5, 1.0], texts) == WEIGHTS_DTYPE.format(texts.dtype)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(2), np.zeros(2, np.float16), np.zeros(2, ml_dtypes.bfloat16),
        np.zeros(2, complex), np.array(["0", "1"]), np.array([0, None]), np.zeros(2, "m8[s]"),
        [0.0, 1.0], [0, None], ["0", "1"],
    ],
    ids=lambda labels: str(np.asarray(labels).dtype),
)  # fmt: skip
def test_labels_of_other_types_are_refused(labels: Any) -> None:
    dtype = np.asarray(labels).dtype
    assert update_error(TypeError, labels, [0.5, 0.5]) == LABELS_DTYPE.format(dtype)


@pytest.mark.parametrize(
    "weights",
    [
        np.zeros(2, complex), np.array(["1", "1"]), np.array([1, None]), np.zeros(2, "m8[s]"),
        1j, "1", {}, [1, 1j],
    ],
    ids=lambda weights: str(np.asarray(weights).dtype),
)  # fmt: skip
def test_weights_of_other_types_are_refused(weights: Any) -> None:
    dtype = np.asarray(weights).dtype
    assert update_error(TypeError, [0, 1], [0.5, 0.5], weights) == WEIGHTS_DTYPE.format(dtype)


def in_each_place(bad: object) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "labels", (bad, [0.5, 0.5])
    yield "predictions", ([0, 1], bad)
    yield "weights", ([0, 1], [0.5, 0.5], bad)


def test_ragged_lists_are_refused() -> None:
    for name, arguments in in_each_place([[1], [1, 0]]):
        assert update_error(TypeError, *arguments).startswith(
            f"{name} of type list cannot be read as an array: setting an array element with a "
            "sequence. The requested array has an inhomogeneous shape"
        )


@pytest.mark.parametrize("mask", [False, [True, False]])
def test_masked_arrays_are_refused_and_told_what_to_do(mask: object) -> None:
    for name, arguments in in_each_place(np.ma.masked_array([1, 0], mask)):
        assert update_error(TypeError, *arguments) == (
            f"{name} are a masked array; pass their .filled(0) and weights of "
            "~numpy.ma.getmaskarray(...), so that masked samples weigh 0"
        )


class OnDevice:
    """An array as CuPy and Numba have them, that must not be copied behind one's back."""

    __cuda_array_interface__ = {  # noqa: RUF012
        "shape": (2,), "typestr": "<f4", "data": (0, False), "version": 3
    }  # fmt: skip

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise AssertionError("copied to the host")


class Unreadable:
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise RuntimeError("no such array")


class OnlyDLPack:
    """What offers DLPack and nothing else."""

    def __init__(self, *device: int) -> None:
        self.device = device

    def __dlpack__(self, **kwargs: object) -> object:
        raise BufferError("not now")

    def __dlpack_device__(self) -> tuple[int, ...]:
        return self.device


@pytest.mark.parametrize(
    ("array", "place"),
    [(OnDevice(), "a CUDA device"), (OnlyDLPack(2, 1), "cuda:1"), (OnlyDLPack(13, 0), "cuda:0")],
    ids=["interface", "DLPack", "managed"],
)
def test_arrays_in_different_places_are_refused(array: object, place: str) -> None:
    pairs = {
        "labels": f"labels are on {place} and predictions on the host",
        "predictions": f"labels are on the host and predictions on {place}",
        "weights": f"predictions are on the host and weights on {place}",
    }
    for name, arguments in in_each_place(array):
        text = update_error(ValueError, *arguments)
        assert text == f"{pairs[name]}; pass both on the same device"


@pytest.mark.parametrize(
    ("device", "place"),
    [((10, 1), "rocm:1"), ((8, 0), "metal:0"), ((99, 2), "DLPack device 99:2")],
    ids=lambda value: str(value),
)
def test_arrays_on_other_devices_are_refused(device: tuple[int, int], place: str) -> None:
    for name, arguments in in_each_place(OnlyDLPack(*device)):
        assert update_error(fastpr.BackendUnavailable, *arguments) == (
            f"{name} are on {place}, and are not read there; copy them to the host first, with "
            ".cpu() for instance"
        )


def test_what_cannot_be_read_as_an_array_is_refused() -> None:
    for name, arguments in in_each_place(Unreadable()):
        assert update_error(TypeError, *arguments) == (
            f"{name} of type Unreadable cannot be read as an array: no such array"
        )
    for name, arguments in in_each_place(OnlyDLPack(1, 0)):
        assert update_error(TypeError, *arguments).startswith(
            f"{name} of type OnlyDLPack cannot be read as an array: "
        )


class Sparse:
    """Without __array__, as scipy.sparse has it: NumPy makes an object of it."""

    shape = (2,)


@pytest.mark.parametrize(
    "thing",
    [Sparse(), None, {}, object(), (x for x in [0, 1])],
    ids=["sparse", "None", "dict", "object", "generator"],
)
def test_things_that_are_no_arrays_are_refused(thing: object) -> None:
    assert update_error(TypeError, [0, 1], thing) == SCORES_DTYPE.format("object")
    assert update_error(TypeError, thing, [0.5, 1.0]) == LABELS_DTYPE.format("object")
    if thing is not None:
        assert update_error(TypeError, [0, 1], [0.5, 1.0], thing) == WEIGHTS_DTYPE.format("object")
