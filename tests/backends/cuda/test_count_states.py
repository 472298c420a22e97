"""States and functions that count where samples are, from end to end.

Collected where the backend works, on a GPU or under the simulator.
"""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from compare import assert_close_sums, assert_same_data
from device_doubles import Cupy, OnCuda, OnDLPack, Tensor, Torch, use_gpu

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.backends.cuda import device as cuda_device

NUM_THRESHOLDS = 21
DTYPES = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
    "uint8": np.uint8,
    "uint16": np.uint16,
}
RANDOM = np.random.default_rng(4)
UNIFORM = RANDOM.random((5, 4, 12))
LABELS = RANDOM.random((5, 4, 12)) < UNIFORM
WEIGHTS = RANDOM.random((5, 4, 12))


@pytest.fixture(autouse=True)
def _where_the_kernels_are() -> Iterator[None]:
    with use_gpu(not cuda_device.IS_SIMULATED):
        yield


def scores_of(kind: str) -> np.ndarray:
    dtype = np.dtype(DTYPES[kind])
    if dtype.kind == "u":
        return (UNIFORM * np.iinfo(dtype).max).round().astype(dtype)
    scores = UNIFORM.astype(dtype)
    # at thresholds, and below them
    edges = (np.arange(NUM_THRESHOLDS) / (NUM_THRESHOLDS - 1)).astype(dtype)
    below = np.nextafter(edges[1:].astype(np.float64), 0).astype(dtype)
    if kind != "bfloat16":
        below = np.nextafter(edges[1:], dtype.type(0))
    scores.reshape(-1)[: 2 * NUM_THRESHOLDS - 1] = np.concatenate([edges, below])
    return scores


def on_host(labels: Any, scores: Any, weights: Any = None, **options: Any) -> State:
    return State(NUM_THRESHOLDS, **options).update(labels, scores, weights)


def text_of(expected: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(expected) as caught:
        call()
    assert type(caught.value) is expected
    return str(caught.value)


# ---- counts ----


@pytest.mark.parametrize("producer", [OnCuda, OnDLPack])
@pytest.mark.parametrize("kind", DTYPES)
def test_counts_are_those_of_the_host(kind: str, producer: Any) -> None:
    scores = scores_of(kind)
    state = State(NUM_THRESHOLDS).update(producer(LABELS), producer(scores))
    assert state.to_bytes() == on_host(LABELS, scores).to_bytes()


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T, lambda a: a[::-1, ::2], lambda a: a[..., 1:], lambda a: a[0, 0, 3:4],
        lambda a: a[2, 1, 7], lambda a: np.broadcast_to(a[:, :1], (5, 3, 12)), lambda a: a[:0],
        lambda a: a.reshape(-1)[1:],
    ],
)  # fmt: skip
def test_samples_of_any_layout_are_counted_where_they_are(view: Any) -> None:
    scores, labels = view(scores_of("float32")), view(LABELS)
    state = State(NUM_THRESHOLDS).update(OnCuda(labels), OnCuda(scores))
    assert state == on_host(labels, scores)
    mixed = State(NUM_THRESHOLDS).update(OnCuda(labels.copy(order="F")), OnCuda(scores))
    assert mixed == state


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u4", "i8", "u8"])
def test_labels_of_any_dtype(dtype: str) -> None:
    scores, labels = scores_of("float32"), LABELS.astype(dtype)
    assert State(NUM_THRESHOLDS).update(OnCuda(labels), OnCuda(scores)) == on_host(LABELS, scores)


def test_every_byte_of_a_bool_is_a_label() -> None:
    labels = np.array([0, 1, 2, 255], np.uint8).view(bool)
    scores = np.array([0.1, 0.4, 0.6, 1.0], np.float32)
    state = State(3).update(OnCuda(labels), OnCuda(scores))
    assert state == State(3).update([0, 1, 1, 1], scores)


@pytest.mark.parametrize(
    "dtype", ["?", "f2", ml_dtypes.bfloat16, "f4", "f8", "i1", "u1", "i4", "u8"], ids=str
)
@pytest.mark.parametrize("shape", [(5, 4, 12), (12,), (4, 1), (1, 1, 1)])
def test_weights_of_any_dtype_and_shape(dtype: Any, shape: tuple[int, ...]) -> None:
    scores = scores_of("float32")
    weights = np.arange(np.prod(shape)).reshape(shape) % 4
    weights = (weights + (weights.size == 1)).astype(dtype)
    state = State(NUM_THRESHOLDS).update(OnCuda(LABELS), OnCuda(scores), OnCuda(weights))
    expected = on_host(LABELS, scores, np.broadcast_to(weights, scores.shape))
    assert_same_data(state.compute(), expected.compute())  # whole numbers are exact
    assert state == expected


@pytest.mark.parametrize("kind", DTYPES)
def test_weighted_sums_are_those_of_the_host(kind: str) -> None:
    scores = scores_of(kind)
    state = State(NUM_THRESHOLDS).update(OnCuda(LABELS), OnCuda(scores), OnCuda(WEIGHTS))
    data, expected = state.compute(), on_host(LABELS, scores, WEIGHTS).compute()
    for field in ("tp", "fp", "tn", "fn"):
        assert_close_sums(getattr(data, field), getattr(expected, field))


@pytest.mark.parametrize("weight", [0.5, 0, 3, np.float32(0.1), [2.0]])
def test_a_weight_on_the_host_multiplies_counts(weight: Any) -> None:
    scores = scores_of("float32")
    state = State(NUM_THRESHOLDS).update(OnCuda(LABELS), OnCuda(scores), weight)
    assert state == on_host(LABELS, scores, weight)


@pytest.mark.parametrize("backend", [None, "auto", "cuda"])
def test_updates_on_the_host_and_on_devices_mix(backend: str | None) -> None:
    scores, half = scores_of("float32"), scores_of("float16")
    state = State(NUM_THRESHOLDS, backend=backend)
    state.update(OnCuda(LABELS), OnCuda(scores)).update(LABELS, half, 0.25)
    state.update(OnDLPack(LABELS), OnCuda(half), 2).update(LABELS, scores)
    expected = on_host(LABELS, scores).update(LABELS, half, 0.25)
    expected.update(LABELS, half, 2).update(LABELS, scores)
    assert state == expected
    state.update(Cupy(LABELS), Cupy(half))
    assert state == expected.update(LABELS, half)
    total = state + state
    assert total == expected + expected
    for made in (copy.copy(total), pickle.loads(pickle.dumps(total))):
        assert made.update(OnCuda(LABELS), OnCuda(half)) == total + on_host(LABELS, half)
    state.reset()
    assert state.update(OnCuda(LABELS), OnCuda(half)) == on_host(LABELS, half)


@pytest.mark.parametrize("weights", [None, 0.5, WEIGHTS.round()], ids=type)
def test_the_function_counts_at_once(weights: Any) -> None:
    scores = scores_of("float32")
    there = OnCuda(weights) if isinstance(weights, np.ndarray) else weights
    compute = fastpr.precision_recall_at_equal_thresholds
    data = compute(OnCuda(LABELS), OnCuda(scores), there, NUM_THRESHOLDS)
    assert_same_data(data, compute(LABELS, scores, weights, NUM_THRESHOLDS))


def test_tensors_are_counted_on_their_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Torch()
    stream = 1234 if cuda_device.IS_SIMULATED else 2  # nobody looks, or that of the thread
    module.streams[0] = stream
    monkeypatch.setitem(sys.modules, "torch", module)
    scores = scores_of("bfloat16")
    tensor = Tensor(scores)
    state = State(NUM_THRESHOLDS).update(Tensor(LABELS), tensor, Tensor(WEIGHTS.round()))
    assert tensor.calls == ["detach", stream]
    assert state == on_host(LABELS, scores, WEIGHTS.round())


def test_arrays_are_given_back_once_they_were_counted() -> None:
    labels, scores, weights = OnDLPack(LABELS), OnDLPack(scores_of("float32")), OnDLPack(WEIGHTS)
    state = State(NUM_THRESHOLDS).update(labels, scores, weights).update(labels, scores)
    state.compute()
    gc.collect()
    assert [array.num_alive for array in (labels, scores, weights)] == [0, 0, 0]


# ---- what is wrong ----

ONE = np.full((2, 3), 0.5)


def with_bad(array: np.ndarray, value: Any, *indices: tuple[int, ...]) -> np.ndarray:
    array = array.copy()
    for index in indices or ((1, 0),):
        array[index] = value
    return array


def cast(dtype: Any) -> np.ndarray:
    return ONE.astype(dtype)


TRUE = np.ones((2, 3), bool)
WRONG: dict[str, tuple[Any, ...]] = {
    **{
        f"{value} as {np.dtype(dtype)}": (TRUE, with_bad(cast(dtype), value))
        for dtype in ("f2", ml_dtypes.bfloat16, "f4", "f8")
        for value in (-0.25, 1.0078125, np.nan, np.inf, -np.inf)
    },
    "a denormal": (TRUE, with_bad(cast("f4"), -1e-45)),
    "some scores": (TRUE, with_bad(cast("f4"), 2, (0, 1), (0, 2), (1, 2))),
    "all scores": (TRUE, cast("f4") + 3),
    "a view": (TRUE.T, with_bad(cast("f4"), 2).T),
    "a label of -1": (with_bad(TRUE.astype("i1"), -1), cast("f4")),
    "a label of 255": (with_bad(TRUE.astype("u1"), 255), cast("f4")),
    "labels of 2 and 3": (with_bad(TRUE.astype("i2") * 3, 2, (0, 0)), cast("f4")),
    "a label of 2**40": (with_bad(TRUE.astype("i8"), 2**40), cast("f4")),
    "a label of 2**63": (with_bad(TRUE.astype("u8"), 2**63), cast("f4")),
    "a weight of -1": (TRUE, cast("f4"), with_bad(cast("f8"), -1)),
    "a weight of NaN": (TRUE, cast("f4"), with_bad(cast("f4"), np.nan)),
    "an infinite weight": (TRUE, cast("f4"), with_bad(cast("f2"), np.inf)),
    "a bfloat16 weight": (TRUE, cast("f4"), with_bad(cast(ml_dtypes.bfloat16), -2)),
    "an integer weight": (TRUE, cast("f4"), with_bad(cast("i4"), -5)),
    "broadcast weights": (TRUE, cast("f4"), np.array([[1.0], [-1.0]])),
    "a label before a weight": (
        with_bad(TRUE.astype("i4"), 7, (1, 2)), cast("f4"), with_bad(cast("f8"), -1, (0, 0))
    ),
    "a weight before a score": (
        TRUE, with_bad(cast("f4"), 7, (0, 0)), with_bad(cast("f8"), -1, (1, 2))
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_as_on_the_host_and_leaves_no_trace(wrong: str) -> None:
    arrays = WRONG[wrong]
    there = [OnCuda(array) for array in arrays]
    host = text_of(ValueError, lambda: State(3).update(*arrays))
    good = TRUE, cast("f4")
    state = State(3).update(*map(OnCuda, good)).update(*there).update(*map(OnCuda, good))
    assert text_of(ValueError, state.compute) == f"update 2 holds bad data and was left out: {host}"
    assert state == State(3).update(*good).update(*good)
    compute = fastpr.precision_recall_at_equal_thresholds
    assert text_of(ValueError, lambda: compute(*there, num_thresholds=3)) == host


def test_scores_can_be_dropped_and_nothing_else() -> None:
    bad = with_bad(cast("f4"), np.nan, (0, 1), (1, 1))
    state = State(3, invalid="drop").update(OnCuda(TRUE), OnCuda(bad), OnCuda(ONE))
    state.update(OnCuda(TRUE), OnCuda(bad)).update(TRUE, bad)
    state.update(OnCuda(TRUE), OnCuda(bad), OnCuda(-ONE))
    assert "update 4 holds bad data" in text_of(ValueError, state.compute)
    assert (state.num_dropped, state.num_samples) == (6, 4 + 4 + 2.0)


def test_of_many_bad_updates_all_are_left_out() -> None:
    state, one = State(3), np.full(1, 0.5, np.float32)
    for number in range(300):
        state.update(OnCuda(one > 0), OnCuda(one + (number != 7)))
    assert ", 20, 21 and 279 more hold bad data" in text_of(ValueError, state.compute)
    assert state.num_samples == 1


def test_sums_that_are_too_large_are_left_out() -> None:
    state = State(3).update(OnCuda(TRUE), OnCuda(ONE))
    assert state.num_samples == 6
    before = state.to_bytes()
    for weights in (OnCuda(np.full(3, 1e308)), 1e308):
        state.update(OnCuda(TRUE), OnCuda(ONE), weights)
        assert text_of(OverflowError, state.compute).startswith(
            "the sum of the weights does not fit into float64; scale the weights down (update "
        )
        assert state.to_bytes() == before
        with pytest.raises(OverflowError):
            fastpr.precision_recall_at_equal_thresholds(OnCuda(TRUE), OnCuda(ONE), weights)
    assert state.update(OnCuda(TRUE), OnCuda(ONE)).num_samples == 12


# ---- threads ----


def test_threads_update_one_state() -> None:
    state, scores = State(NUM_THRESHOLDS), scores_of("float32")[0]
    labels = LABELS[0]
    errors: list[BaseException] = []

    def update_often() -> None:
        try:
            for _ in range(5):
                state.update(OnCuda(labels), OnCuda(scores))
                state.update(labels, scores)
                assert state.num_samples % scores.size == 0
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=update_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    expected = State(NUM_THRESHOLDS)
    for _ in range(4 * 5 * 2):
        expected.update(labels, scores)
    assert state == expected


# ---- bins ----


@pytest.mark.parametrize("kind", DTYPES)
def test_finer_bins_are_those_of_the_host(kind: str) -> None:
    scores, options = scores_of(kind), {"bins_per_threshold": 5}
    state = State(NUM_THRESHOLDS, **options).update(OnCuda(LABELS), OnCuda(scores))
    state.update(OnCuda(LABELS), OnCuda(scores), 2)
    expected = on_host(LABELS, scores, **options).update(LABELS, scores, 2)
    assert state.to_bytes() == expected.to_bytes()
    assert_same_data(state.compute(), expected.compute())


@pytest.mark.parametrize("kind", ["uint8", "float16"])
def test_each_value_has_a_bin_as_on_the_host(kind: str) -> None:
    scores, weights = scores_of(kind), np.arange(WEIGHTS.size).reshape(WEIGHTS.shape) % 5
    state = State(NUM_THRESHOLDS, resolution="exact")
    state.update(OnCuda(LABELS), OnCuda(scores)).update(LABELS, scores)
    state.update(OnCuda(LABELS), OnCuda(scores), OnCuda(weights))
    expected = on_host(LABELS, scores, resolution="exact").update(LABELS, scores)
    expected.update(LABELS, scores, weights)
    assert state.to_bytes() == expected.to_bytes()
    assert state.dtypes == (kind,)


def test_bins_of_values_are_not_taken_for_as_many_equal_ones() -> None:
    # One thread counts arrays of the host of all states in the same memory of the device.
    scores, bits = scores_of("float16"), 0x3C00
    for options in ((bits + 1,), (NUM_THRESHOLDS, 1, "exact"), (bits + 1,)):
        names = ("num_thresholds", "bins_per_threshold", "resolution")
        given = dict(zip(names, options, strict=False))
        state = State(**given, backend="cuda").update(LABELS, scores)
        expected = State(**given).update(LABELS, scores)
        assert state.to_bytes() == expected.to_bytes()


def test_the_dtypes_are_those_of_samples_that_were_counted() -> None:
    state = State(NUM_THRESHOLDS, invalid="drop")
    state.update(OnCuda(LABELS), OnCuda(np.full(LABELS.shape, 2, np.float16)))
    state.update(OnCuda(LABELS), OnCuda(scores_of("float64")), 0)
    state.update(OnCuda(LABELS), OnCuda(scores_of("uint16")), OnCuda(np.zeros(LABELS.shape)))
    assert state.dtypes == ()
    state.update(OnCuda(LABELS), OnCuda(scores_of("float32")))
    state.update(OnCuda(LABELS), OnCuda(scores_of("uint8")), OnCuda(WEIGHTS))
    assert state.dtypes == ("float32", "uint8")
