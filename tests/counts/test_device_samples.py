"""Samples on devices: where arrays may be, and that all that is said of them is the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from device_doubles import Cupy, OnCuda, OnDLPack, Tensor, Torch, as_array

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.arrays import device as device_arrays
from fastpr.arrays.dtypes import FLOAT32
from fastpr.backends import choose
from fastpr.counts import count_device as device_counts
from fastpr.counts.bins import Bins
from fastpr.counts.count_device import ScoreWork, count_on_device
from fastpr.counts.samples.device import DeviceSamples
from fastpr.counts.samples.host import Samples
from fastpr.counts.samples.read import read_samples
from fastpr.counts.table import ScoreCounts

SCORES = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
LABELS = SCORES > 0.5


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    """A torch of ours, a driver that knows one device, and no kernels."""
    module = Torch()
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setattr(device_arrays, "_ordinal_of", lambda address: 0)
    monkeypatch.delenv("FASTPR_BACKEND", raising=False)
    monkeypatch.setitem(choose._loaded, "cuda", SimpleNamespace())
    return module


def on_device(labels: Any, predictions: Any, weights: Any = None) -> DeviceSamples:
    samples = read_samples(labels, predictions, weights, None)
    assert isinstance(samples, DeviceSamples)
    return samples


def error_of(expected: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(expected) as caught:
        call()
    assert type(caught.value) is expected
    return str(caught.value)


# ---- where they are ----


@pytest.mark.parametrize("weights", [None, 2, 0.5, np.ones(3), [1.0, 1.0, 1.0]], ids=str)
@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist()], ids=type)
def test_samples_on_the_host_stay_there(labels: Any, weights: Any) -> None:
    for predictions in (SCORES, OnDLPack(SCORES, (1, 0)), SCORES.tolist()):
        assert isinstance(read_samples(labels, predictions, weights, None), Samples)


@pytest.mark.parametrize(
    ("labels", "predictions", "weights", "message"),
    [
        (LABELS, Cupy(SCORES), None, "labels are on the host and predictions on cuda:0"),
        (LABELS.tolist(), OnCuda(SCORES), None,
         "labels are on the host and predictions on a CUDA device"),
        (Tensor(LABELS), SCORES, None, "labels are on cuda:0 and predictions on the host"),
        (Tensor(LABELS), Tensor(SCORES, "cuda:1"), None,
         "labels are on cuda:0 and predictions on cuda:1"),
        (OnCuda(LABELS), Cupy(SCORES, 1), None, "labels are on cuda:0 and predictions on cuda:1"),
        (Tensor(LABELS), Tensor(SCORES, "cpu"), 1.0,
         "labels are on cuda:0 and predictions on the host"),
        (Tensor(LABELS), Tensor(SCORES, "mps:0"), None,
         "labels are on cuda:0 and predictions on mps:0"),
        (Cupy(LABELS), Cupy(SCORES), np.ones(3),
         "predictions are on cuda:0 and weights on the host"),
        (Cupy(LABELS), Cupy(SCORES), [1, 2, 3],
         "predictions are on cuda:0 and weights on the host"),
        (Cupy(LABELS), Cupy(SCORES), Cupy(np.ones(3), 1),
         "predictions are on cuda:0 and weights on cuda:1"),
        (OnCuda(LABELS), OnCuda(SCORES), OnDLPack(np.ones(1), (2, 3)),
         "predictions are on cuda:0 and weights on cuda:3"),
        (LABELS, SCORES, Cupy(np.ones(3)), "predictions are on the host and weights on cuda:0"),
        (LABELS, SCORES, Cupy(np.ones(())), "predictions are on the host and weights on cuda:0"),
    ],
)  # fmt: skip
def test_arrays_in_different_places_are_refused(
    labels: Any, predictions: Any, weights: Any, message: str
) -> None:
    state = State(3)
    for call in (
        lambda: state.update(labels, predictions, weights),
        lambda: fastpr.precision_recall_at_equal_thresholds(labels, predictions, weights, 3),
    ):
        assert error_of(ValueError, call) == f"{message}; pass both on the same device"
    assert state == State(3)


def test_a_host_backend_for_arrays_on_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in choose.BACKEND_NAMES:
        state = State(3, backend=name)
        if name == "cuda":
            continue
        assert error_of(
            ValueError, lambda state=state: state.update(Tensor(LABELS), Tensor(SCORES))
        ) == (
            f"backend {name!r} counts on the host, and labels are on cuda:0; copy them to the host "
            "first, with .cpu() for instance, or name no backend"
        )
    monkeypatch.setenv("FASTPR_BACKEND", "reference")
    for backend in (None, "auto"):
        text = error_of(
            ValueError, lambda b=backend: read_samples(Cupy(LABELS, 1), Cupy(SCORES, 1), None, b)
        )
        assert text.startswith("FASTPR_BACKEND=reference counts on the host, and labels are on ")
    assert read_samples(OnCuda(LABELS), OnCuda(SCORES), None, "cuda").num_samples == 6
    monkeypatch.setenv("FASTPR_BACKEND", "gpu")
    assert "FASTPR_BACKEND must be one of" in error_of(
        ValueError, lambda: on_device(OnCuda(LABELS), OnCuda(SCORES))
    )


@pytest.mark.parametrize("backend", [None, "auto", "cuda"])
def test_without_a_gpu_it_is_said_why(monkeypatch: pytest.MonkeyPatch, backend: str | None) -> None:
    monkeypatch.delitem(choose._loaded, "cuda")
    monkeypatch.setitem(choose._reasons, "cuda", "there is no NVIDIA driver")
    state = State(3, backend=backend)
    text = error_of(fastpr.BackendUnavailable, lambda: state.update(OnCuda(LABELS), OnCuda(SCORES)))
    assert text.startswith("backend 'cuda' is not available: there is no NVIDIA driver (available:")
    assert state == State(3)


# ---- what they are ----


@pytest.mark.parametrize("producer", [OnCuda, Cupy, OnDLPack, Tensor])
@pytest.mark.parametrize(
    "dtype", ["f2", ml_dtypes.bfloat16, "f4", "f8", "u1", "u2"], ids=lambda d: np.dtype(d).name
)
def test_scores_are_what_they_are_on_the_host(producer: Any, dtype: Any) -> None:
    scores = (SCORES * 5).astype(dtype)
    samples, host = on_device(producer(LABELS), producer(scores)), Samples(LABELS, scores, None)
    assert samples.kind is host.kind
    assert samples.kernel == host.kernel
    assert (samples.shape, samples.num_samples) == ((2, 3), 6)
    assert samples.scores.dtype == samples.kind.storage
    assert as_array(samples.scores).tobytes() == scores.tobytes()
    assert (samples.weights, samples.scalar_weight, samples.weight_kind) == (None, None, None)


@pytest.mark.parametrize(
    ("dtype", "read_as"),
    [("?", "u1"), ("i1", "i1"), ("u1", "i1"), ("i2", "i2"), ("u2", "i2"), ("i4", "i4"),
     ("u4", "i4"), ("i8", "i8"), ("u8", "i8")],
)  # fmt: skip
def test_labels_are_read_as_they_are_on_the_host(dtype: str, read_as: str) -> None:
    labels = LABELS.astype(dtype)
    samples = on_device(OnCuda(labels), OnCuda(SCORES))
    assert samples.labels.dtype == np.dtype(read_as)
    assert samples.given_labels == np.dtype(dtype)
    assert as_array(samples.labels).tobytes() == labels.tobytes()


@pytest.mark.parametrize(
    ("dtype", "kind", "read_as"),
    [("?", "bool", "u1"), ("f2", "f16", "u2"), (ml_dtypes.bfloat16, "bf16", "u2"),
     ("f4", "f32", "u4"), ("f8", "f64", "i8"), *((t, t, t) for t in ("i1", "i2", "i4", "i8")),
     *((t, t, t) for t in ("u1", "u2", "u4", "u8"))],
    ids=lambda value: str(value),
)  # fmt: skip
def test_weights_are_read_where_they_are(dtype: Any, kind: str, read_as: str) -> None:
    values = np.array([[1], [0]]).astype(dtype)
    samples = on_device(OnCuda(LABELS), OnCuda(SCORES), OnCuda(values))
    assert samples.weights is not None
    assert (samples.weight_kind, samples.weights.dtype) == (kind, np.dtype(read_as))
    assert samples.weights.shape == (2, 3)
    assert samples.weights.strides == (values.itemsize, 0)
    assert samples.weights.address == values.ctypes.data
    assert samples.scalar_weight is None


def test_one_weight_on_the_device_is_not_looked_at() -> None:
    for shape in ((), (1,), (1, 1)):
        samples = on_device(OnCuda(LABELS), OnCuda(SCORES), OnCuda(np.full(shape, -2.0)))
        assert samples.weights is not None
        assert samples.weights.strides == (0, 0)
        assert samples.scalar_weight is None


@pytest.mark.parametrize("weights", [2, 2.0, np.float32(2), np.full((1, 1), 2), [2], True * 2])
def test_one_weight_on_the_host_multiplies(weights: Any) -> None:
    samples = on_device(OnCuda(LABELS), OnCuda(SCORES), weights)
    assert (samples.weights, samples.scalar_weight) == (None, 2.0)


def test_arrays_of_nothing_are_nothing_wherever_they_are() -> None:
    empty = np.zeros((0, 3), np.float32)
    for weights in (None, 2.0, np.ones((0, 1)), OnCuda(np.ones((0, 3))), Cupy(np.ones(()))):
        samples = on_device(Cupy(empty > 0), Cupy(empty), weights)
        assert samples.num_samples == 0
        assert State(3).update(Cupy(empty > 0), Cupy(empty), weights) == State(3)
    text = error_of(ValueError, lambda: on_device(OnCuda(empty > 0), OnCuda(empty), -1.0))
    assert text.startswith("weights must be finite")


WRONG: dict[str, tuple[Any, Any, Any]] = {
    "scores of int64": (LABELS, SCORES.astype(int), None),
    "scores of bool": (LABELS, LABELS, None),
    "scores of complex": (LABELS, SCORES.astype(complex), None),
    "labels of float": (SCORES, SCORES, None),
    "labels of bfloat16": (SCORES.astype(ml_dtypes.bfloat16), SCORES, None),
    "labels of complex": (SCORES.astype(complex), SCORES, None),
    "weights of complex": (LABELS, SCORES, SCORES.astype(complex)),
    "shapes": (LABELS[0], SCORES, None),
    "more weights": (LABELS, SCORES, np.ones((2, 1, 3))),
    "other weights": (LABELS, SCORES, np.ones(2)),
    "no weights": (LABELS, SCORES, np.ones(0)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_as_on_the_host(wrong: str) -> None:
    arrays = WRONG[wrong]
    with pytest.raises((TypeError, ValueError)) as caught:
        State(3).update(*arrays)
    host = str(caught.value)
    for producer in (OnCuda, OnDLPack, Tensor):
        state = State(3)
        there = [None if array is None else producer(array) for array in arrays]
        assert error_of(type(caught.value), lambda s=state, t=there: s.update(*t)) == host
        assert state == State(3)


@pytest.mark.parametrize("weight", [-1.0, np.inf, np.nan, np.float16(-2), 1j, "1"])
def test_a_weight_on_the_host_is_checked_at_once(weight: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        State(3).update(LABELS, SCORES, weight)
    text = error_of(
        type(caught.value), lambda: State(3).update(OnCuda(LABELS), OnCuda(SCORES), weight)
    )
    assert text == str(caught.value)


# ---- streams and lifetimes ----


def test_samples_are_counted_on_the_stream_of_the_scores(torch: Torch) -> None:
    torch.streams[0] = 4000
    labels, scores, weights = (
        OnCuda(LABELS, stream=7),
        OnCuda(SCORES, stream=8),
        OnDLPack(np.ones(3)),
    )
    samples = on_device(labels, scores, weights)
    assert (samples.device, samples.stream, samples.other_streams) == (0, 8, (7, 1))
    assert labels in samples.owners
    assert scores in samples.owners
    samples = on_device(Tensor(LABELS), Tensor(SCORES), Tensor(np.ones(3)))
    assert (samples.stream, samples.other_streams, samples.owners) == (4000, (), ())
    alone = on_device(labels, OnCuda(SCORES, stream=7))
    assert (alone.stream, alone.other_streams) == (7, ())
    assert len(alone.owners) == 2


def test_a_tensor_that_is_read_on_a_stream_of_others_is_kept(torch: Torch) -> None:
    torch.streams[0] = 4000
    labels = Tensor(LABELS)
    samples = on_device(labels, OnCuda(SCORES, stream=8))
    assert (samples.stream, samples.other_streams) == (8, (4000,))
    assert any(owner is labels for owner in samples.owners)


# ---- what the kernels found ----


class Device(int):
    """What stands for a device: its number."""

    def stream_after(self, handle: int, others: tuple[int, ...]) -> int:
        return handle


class Tally:
    """What stands for a tally: it has its answers ready."""

    answers: list[Any]

    def __init__(self, device: int, num_thresholds: int) -> None:
        self.device = device
        self.num_thresholds = num_thresholds
        self.added: list[tuple[Any, ...]] = []

    def add(self, samples: Any, thresholds: Any, raise_invalid: bool, ordinal: int) -> None:
        self.added.append((samples, thresholds, raise_invalid, ordinal))

    def finish(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def tally(monkeypatch: pytest.MonkeyPatch) -> type[Tally]:
    """Tallies in the place of those that need kernels."""
    import fastpr.backends.cuda.histogram

    device = SimpleNamespace(get=Device)
    for room, name, module in (
        (fastpr.backends.cuda, "device", device),
        (fastpr.backends.cuda.histogram, "tally", SimpleNamespace(ScoreTally=Tally)),
    ):
        monkeypatch.setitem(sys.modules, f"{room.__name__}.{name}", module)
        monkeypatch.setattr(room, name, module, raising=False)
    return Tally


def answer(*refused: Any, counts: Any = None, sums: Any = None, more: int = 0) -> Any:
    numbers = 0 if counts is None else int(counts.sum())
    return (
        SimpleNamespace(
            counts=counts, sums=sums, num_counted=numbers, num_dropped=2,
            num_refused=len(refused) + more,
        ),
        list(refused),
    )  # fmt: skip


def refused(ordinal: int, **found: int) -> Any:
    fields = (f"{n}{x}" for x in ("label", "weight", "score") for n in ("first_", "num_bad_"))
    everything = dict.fromkeys([*fields, "num_bad_labels", "num_bad_weights", "num_invalid"], 0)
    return SimpleNamespace(ordinal=ordinal, **{**everything, **found})


def bits(value: Any) -> int:
    """The bits of a NumPy scalar as an int64 holds them."""
    return int(np.asarray(value).view(f"i{value.itemsize}"))


@pytest.mark.parametrize(
    ("labels", "value"),
    [(np.int8, -1), (np.uint8, 255), (np.uint8, 2), (np.int16, -300), (np.uint16, 65_535),
     (np.int32, 2**31 - 1), (np.uint32, 2**32 - 1), (np.int64, -(2**63)), (np.uint64, 2**64 - 1)],
)  # fmt: skip
def test_bad_labels_are_named_as_on_the_host(tally: type[Tally], labels: Any, value: int) -> None:
    bad = np.zeros((2, 3), labels)
    bad[1, 0] = value
    found = {"num_bad_labels": 1, "first_label": bits(bad[1, 0]), "first_label_index": 3}
    others = {"num_bad_weights": 9, "num_invalid": 9}  # of which nothing is said
    tally.answers = [answer(refused(1, **found, **others))]
    host = error_of(ValueError, lambda: State(3).update(bad, SCORES))
    samples = on_device(OnCuda(bad), OnCuda(SCORES))
    assert error_of(ValueError, lambda: count_on_device(samples, Bins(3), "raise")) == host


@pytest.mark.parametrize(
    "value",
    [np.float16(1.5), np.float16(np.nan), ml_dtypes.bfloat16(-0.5), ml_dtypes.bfloat16(np.inf),
     np.float32(1.0000001), np.float32(-1e-45), np.float64(-5e-324), np.float64(-np.inf)],
    ids=repr,
)  # fmt: skip
def test_bad_scores_are_named_as_on_the_host(tally: type[Tally], value: Any) -> None:
    bad = SCORES.astype(value.dtype)
    bad[0, 2] = bad[1, 1] = value
    found = {"num_invalid": 2, "first_score": bits(value), "first_score_index": 2}
    tally.answers = [answer(refused(1, **found))]
    host = error_of(ValueError, lambda: State(3).update(LABELS, bad))
    samples = on_device(OnCuda(LABELS), OnCuda(bad))
    assert error_of(ValueError, lambda: count_on_device(samples, Bins(3), "raise")) == host


@pytest.mark.parametrize(
    "value",
    [np.float16(-1), ml_dtypes.bfloat16(np.nan), np.float32(-0.1), np.float64(np.inf), np.int8(-1),
     np.int64(-(2**63)), np.int32(-7)],
    ids=repr,
)  # fmt: skip
def test_bad_weights_are_named_as_on_the_host(tally: type[Tally], value: Any) -> None:
    bad = np.ones((2, 1), value.dtype)
    bad[1] = value
    found = {"num_bad_weights": 3, "first_weight": bits(value), "first_weight_index": 3}
    tally.answers = [answer(refused(1, **found, num_invalid=1))]
    host = error_of(ValueError, lambda: State(3).update(LABELS, SCORES, bad))
    samples = on_device(OnCuda(LABELS), OnCuda(SCORES), OnCuda(bad))
    assert error_of(ValueError, lambda: count_on_device(samples, Bins(3), "raise")) == host


def test_updates_of_different_kinds_are_told_apart(tally: type[Tally]) -> None:
    state = State(3)
    halves = SCORES.astype(np.float16)
    state.update(OnCuda(LABELS), OnCuda(SCORES)).update(OnCuda(LABELS), OnCuda(SCORES))
    state.update(OnCuda(LABELS), OnCuda(halves)).update(OnCuda(LABELS[0]), OnCuda(SCORES[0]))
    tally.answers = [
        answer(
            refused(2, num_invalid=1, first_score=bits(np.float32(2)), first_score_index=4),
            refused(4, num_invalid=1, first_score=bits(np.float32(4)), first_score_index=1),
        ),
        answer(
            refused(3, num_invalid=1, first_score=bits(np.float16(3)), first_score_index=5),
        ),
    ]
    text = error_of(ValueError, state.compute)
    assert text.startswith("updates 2, 3 and 4 hold bad data and were left out. Update 2: ")
    for found in ("2.0 at index (1, 1)", "3.0 at index (1, 2)", "4.0 at index (1,)"):
        assert f"(first: {found})" in text


def test_shapes_are_not_kept_for_ever(tally: type[Tally], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_counts, "_MAX_SHAPES", 3)
    work = ScoreWork(Bins(3), "raise")
    for ordinal in range(1, 100):
        flat = np.zeros(ordinal, np.float32)
        work.add(on_device(OnCuda(flat > 0), OnCuda(flat)), ordinal)
    assert len(work._described) == 4
    found = {"num_invalid": 1, "first_score": bits(np.float32(2)), "first_score_index": 1}
    tally.answers = [answer(refused(2, **found), refused(50, **found), more=3)]
    _, texts = work.finish()
    assert "(first: 2.0 at index (1,))" in texts[0][1]
    assert "(first: 2.0 at index 1, in C order)" in texts[1][1]
    assert len(texts) == 5
    assert not work._described


def test_tables_of_several_devices_are_added(tally: type[Tally]) -> None:
    counts, sums = np.arange(6).reshape(2, 3), np.ones((2, 2, 3))
    sums[1] = 0
    state = State(3, invalid="drop")
    for device in (0, 1, 1, 0):
        state.update(Cupy(LABELS, device), Cupy(SCORES, device))
    tallies = state._pending._work._tallies
    kind = FLOAT32
    assert [(where, t.device, len(t.added)) for where, t in tallies.items()] == [
        ((0, kind), 0, 2), ((1, kind), 1, 2)
    ]  # fmt: skip
    assert [added[2:] for added in tallies[1, kind].added] == [(False, 2), (False, 3)]
    tally.answers = [answer(counts=counts), answer(counts=2 * counts, sums=sums)]
    state.compute()
    assert state._seen.counts.tolist() == (3 * counts).tolist()
    assert state._seen.sums.tolist() == sums.tolist()
    assert (state._seen.num_counted, state.num_dropped) == (45, 4)


def test_a_sum_that_is_too_large_on_one_device_leaves_the_state_readable(
    tally: type[Tally],
) -> None:
    state = State(3).update(LABELS, SCORES)
    before = state.to_bytes()
    for device in (0, 1):
        state.update(Cupy(LABELS, device), Cupy(SCORES, device), 1e308)
    tally.answers = [OverflowError("too large"), answer(counts=np.ones((2, 3), int))]
    assert error_of(OverflowError, state.compute) == (
        "too large (those updates from 2 to 3 that were on a device, not read before, left out)"
    )
    assert not tally.answers  # the other device was waited for
    assert state.to_bytes() == before


def test_devices_that_were_read_before_an_interruption_are_not_lost(tally: type[Tally]) -> None:
    state = State(3)
    for device in (0, 1):
        state.update(Cupy(LABELS, device), Cupy(SCORES, device))
    one = np.ones((2, 3), int)
    tally.answers = [answer(counts=one), KeyboardInterrupt(), answer(), answer(counts=one)]
    with pytest.raises(KeyboardInterrupt):
        state.compute()
    assert state.num_samples == 12
    assert state._seen == ScoreCounts(state._seen.counts, None, 12, 6, frozenset({"float32"}))


# ---- bins and dtypes ----


def test_of_each_kind_of_scores_it_is_known_whether_some_were_counted(tally: type[Tally]) -> None:
    state = State(3, invalid="drop")
    halves, eights = SCORES.astype(np.float16), np.zeros((2, 3), np.uint8)
    for scores in (SCORES, halves, SCORES, eights):
        state.update(OnCuda(LABELS), OnCuda(scores))
    tallies = list(state._pending._work._tallies.values())
    assert [len(each.added) for each in tallies] == [2, 1, 1]
    sums = np.ones((2, 2, 3))
    tally.answers = [
        answer(counts=np.zeros((2, 3), int)), answer(counts=np.ones((2, 3), int)), answer(sums=sums)
    ]  # fmt: skip
    assert state.dtypes == ("float16", "uint8")
    assert state.num_dropped == 6


def test_kernels_get_the_bins_of_the_kind(tally: type[Tally]) -> None:
    fine = State(11, bins_per_threshold=20).update(OnCuda(LABELS), OnCuda(SCORES))
    exact = State(11, resolution="exact")
    exact.update(OnCuda(LABELS), OnCuda(SCORES.astype(ml_dtypes.bfloat16)))
    for state, num_bins in ((fine, 201), (exact, 0x3F81)):
        (counter,) = state._pending._work._tallies.values()
        assert counter.num_thresholds == num_bins
        assert len(counter.added[0][1]) == num_bins
    tally.answers = [answer(), answer()]
    fine.compute(), exact.compute()


def test_values_of_a_second_dtype_are_refused_at_once(tally: type[Tally]) -> None:
    halves, eights = SCORES.astype(np.float16), np.zeros((2, 3), np.uint8)
    state = State(3, resolution="exact").update(OnCuda(LABELS), OnCuda(halves))
    text = (
        "with resolution='exact' a state counts the values of one dtype; it has seen scores of "
        "float16, and these are of uint8; keep one state for each dtype"
    )
    assert error_of(ValueError, lambda: state.update(OnCuda(LABELS), OnCuda(eights))) == text
    assert error_of(ValueError, lambda: state.update(LABELS, eights)) == text
    state.update(OnCuda(LABELS[:0]), OnCuda(eights[:0]))  # nothing
    state.update(OnCuda(LABELS[:0]), OnCuda(SCORES[:0]))
    message = error_of(TypeError, lambda: state.update(OnCuda(LABELS), OnCuda(SCORES)))
    assert message.startswith("predictions have dtype float32, and resolution='exact' is for")
    tally.answers = [answer(counts=np.ones((2, 0x3C01), int))]
    assert state.dtypes == ("float16",)
    assert error_of(ValueError, lambda: state.update(OnCuda(LABELS), OnCuda(eights))) == text
    state.reset()
    tally.answers = [answer(), answer(counts=np.ones((2, 256), int))]
    assert state.update(OnCuda(LABELS), OnCuda(eights)).dtypes == ("uint8",)


def test_two_threads_cannot_queue_values_of_two_dtypes(tally: type[Tally]) -> None:
    """Each may have found that there was nothing before."""
    work = ScoreWork(Bins(3, 1, "exact"), "raise")
    work.add(on_device(OnCuda(LABELS), OnCuda(SCORES.astype(np.float16))), 1)
    eights = on_device(OnCuda(LABELS), OnCuda(np.zeros((2, 3), np.uint8)))
    assert "float16, and these are of uint8" in error_of(ValueError, lambda: work.add(eights, 2))
    assert work.dtypes == {"float16"}
    tally.answers = [answer(counts=np.ones((2, 0x3C01), int))]
    assert work.finish()[0].dtypes == {"float16"}
    work.add(eights, 3)
    ScoreWork(Bins(3), "raise").add(eights, 1)


def test_a_dtype_of_which_nothing_was_counted_leaves_room_for_another(tally: type[Tally]) -> None:
    state = State(3, resolution="exact", invalid="drop")
    state.update(OnCuda(LABELS), OnCuda(SCORES.astype(np.float16)))
    tally.answers = [answer(counts=np.zeros((2, 0x3C01), int))]
    assert state.num_dropped == 2
    state.update(LABELS, np.zeros((2, 3), np.uint8))
    assert state.dtypes == ("uint8",)
