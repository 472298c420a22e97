"""The state contract: streaming, totals, large counts, options and copies."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State

BACKENDS = fastpr.available_backends()


def filled(weights: object = None, **options: object) -> State:
    """A state of 3 thresholds that has seen 2 negatives and 3 positives."""
    return State(3, **options).update([0, 1, 1, 0, 1], [0.1, 0.5, 0.7, 0.9, 1.0], weights)


def doubled(state: State, times: int) -> State:
    for _ in range(times):
        state.merge(state)
    return state


def counts_of(state: State) -> dict[str, list[float]]:
    data = state.compute()
    return {name: getattr(data, name).tolist() for name in ("tp", "fp", "tn", "fn")}


# ---- streaming ----


def test_a_new_state_computes_zeros() -> None:
    data = State(4).compute()
    assert data.thresholds.tolist() == [0.0, 1 / 3, 2 / 3, 1.0]
    for name in ("tp", "fp", "tn", "fn"):
        counts = getattr(data, name)
        assert counts.dtype == np.int64
        assert counts.tolist() == [0, 0, 0, 0]
    assert data.precision.tolist() == data.recall.tolist() == [0.0] * 4


def test_reset_forgets_samples_and_keeps_options() -> None:
    state = filled([1.5] * 5, zero_division=1.0, invalid="drop", name="validation")
    state.update([1], [2.0])
    assert state.reset() is None
    assert state == State(3, zero_division=1.0, invalid="drop")
    assert (state.num_samples, state.num_dropped, state.name) == (0, 0, "validation")
    assert state.update([1], [0.5]).compute().tp.dtype == np.int64


@pytest.mark.parametrize("weights", [None, 0.5, [], np.ones((1, 1))])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_update_of_no_samples_leaves_no_trace(backend: str, weights: object) -> None:
    empty = np.zeros((3, 0), bool), np.zeros((3, 0), np.float32)
    assert State(3, backend=backend).update(*empty, weights) == State(3)
    assert filled(backend=backend).update(*empty, weights) == filled()
    assert filled(0.5, backend=backend).update(*empty, weights) == filled(0.5)
    assert State(3).update([], []).update([[], []], [[], []]) == State(3)


BAD_UPDATES: dict[str, Callable[[State], object]] = {
    "label": lambda state: state.update([0, 2], [0.5, 0.5]),
    "score": lambda state: state.update([0, 1], [0.5, 1.5]),
    "weight": lambda state: state.update([0, 1], [0.5, 0.5], [1.0, -1.0]),
    "sum of weights": lambda state: state.update([0, 1], [0.5, 0.5], [1.7e308, 1.7e308]),
    "sum with earlier weights": lambda state: state.update([0], [0.5], [1.7e308]),
    "shape": lambda state: state.update([0, 1], [0.5]),
    "dtype": lambda state: state.update([0, 1], [0, 1]),
}


@pytest.mark.parametrize("bad", BAD_UPDATES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_update_that_raises_leaves_the_state_as_it_was(backend: str, bad: str) -> None:
    state = filled([1.7e308, 1, 2, 3, 4], backend=backend)
    before = state.to_bytes()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        BAD_UPDATES[bad](state)
    assert state.to_bytes() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_invalid_scores_are_dropped_and_counted(backend: str) -> None:
    state = State(3, invalid="drop", backend=backend)
    state.update([0, 1, 1, 0], np.array([np.nan, 0.5, -1, np.inf], np.float32))
    state.update([1, 1], [0.5, 7.0], weights=[2.0, 3.0])
    assert (state.num_dropped, state.num_samples, state.num_positives) == (4, 3.0, 3.0)
    total = state + state
    assert total.num_dropped == 8
    assert State.from_bytes(total.to_bytes()).num_dropped == 8
    assert pickle.loads(pickle.dumps(total)).num_dropped == 8


# ---- weights ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_weighted_and_unweighted_updates_mix(backend: str) -> None:
    state = filled(backend=backend).update([1, 0], [0.5, 1.0], weights=[0.25, 0.5])
    assert counts_of(state) == {
        "tp": [3.25, 3.25, 1.0], "fp": [2.5, 1.5, 0.5], "tn": [0.0, 1.0, 2.0], "fn": [0, 0, 2.25]
    }  # fmt: skip
    assert state.compute().tp.dtype == np.float64
    assert state != filled()
    other_order = State(3).update([1, 0], [0.5, 1.0], weights=[0.25, 0.5]).merge(filled())
    assert state == other_order


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, False, [0] * 5, [-0.0] * 5, np.zeros(5, bool)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_of_zero_leave_no_trace(backend: str, zero: object) -> None:
    assert filled(zero, backend=backend) == State(3)
    state = filled(backend=backend)
    state.update([0, 1, 1, 0, 1], [0.1, 0.5, 0.7, 0.9, 1.0], zero)
    assert state == filled()
    assert state.compute().tp.dtype == np.int64


@pytest.mark.parametrize("scalar", [2, 2.5, np.float32(0.5), np.array(3), np.array([[1.5]]), True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_scalar_weight_multiplies_the_counts(backend: str, scalar: object) -> None:
    labels, scores = [[0, 1, 1, 0, 1]], [[0.1, 0.5, 0.7, 0.9, 1.0]]
    state = State(3, backend=backend).update(labels, scores, scalar)
    factor = float(np.asarray(scalar).reshape(-1)[0])
    assert counts_of(state)["tp"] == [3 * factor, 3 * factor, factor]
    assert counts_of(state)["fp"] == [2 * factor, factor, 0.0]


# ---- counts that small data never reach ----


@pytest.mark.parametrize("bits", [31, 32, 53, 61])
def test_counts_stay_exact_past_a_power_of_two(bits: int) -> None:
    state = doubled(State(3).update([1, 0], [0.5, 1.0]), bits)
    state.update([1, 1, 0], [0.5, 1.0, 0.0])
    assert counts_of(state) == {
        "tp": [2**bits + 2, 2**bits + 2, 1],
        "fp": [2**bits + 1, 2**bits, 2**bits],
        "tn": [0, 1, 1],
        "fn": [0, 0, 2**bits + 1],
    }
    assert (state.num_negatives, state.num_samples) == (2**bits + 1, 2 ** (bits + 1) + 3)
    assert State.from_bytes(state.to_bytes()).compute().tp.tolist() == state.compute().tp.tolist()


def test_dropped_samples_are_counted_up_to_the_last_int64() -> None:
    state = doubled(State(3, invalid="drop").update([1], [2.0]), 62)
    before = state.to_bytes()
    assert (state.num_dropped, state.num_samples) == (2**62, 0)
    with pytest.raises(OverflowError, match="samples are more than a state can count"):
        state.merge(state)
    assert state.to_bytes() == before


# ---- what it is ----


def test_equality_is_about_numbers_and_not_about_how_they_are_counted() -> None:
    assert filled() == filled(backend="reference", use_locking=False, name="other")
    assert filled(zero_division=float("nan")) == filled(zero_division=float("nan"))
    assert filled() != filled(zero_division=1.0)
    assert filled() != filled(invalid="drop")
    assert State(3) != State(4)
    assert filled() != filled().update([1], [0.5])
    assert filled() != filled([1, 1, 1, 1, 1])  # the same numbers, of another kind
    assert filled() != "a state"
    assert filled() is not None


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(), "num_thresholds=201, num_samples=0, num_positives=0"),
        (filled(), "num_thresholds=3, num_samples=5, num_positives=3"),
        (filled(0.5), "num_thresholds=3, num_samples=2.5, num_positives=1.5"),
        (
            State(2, zero_division=float("nan"), invalid="drop", name="a'b").update([1], [9.0]),
            "num_thresholds=2, zero_division=nan, invalid='drop', num_dropped=1, "
            'name="a\'b", num_samples=0, num_positives=0',
        ),
    ],
)
def test_repr_shows_options_and_totals(state: State, text: str) -> None:
    assert repr(state) == f"PrecisionRecallAtEqualThresholds({text})"


def test_options_can_be_read_and_not_set() -> None:
    state = State(5, use_locking=False, zero_division=1, invalid="drop", backend="auto")
    assert (state.num_thresholds, state.zero_division, state.invalid) == (5, 1.0, "drop")
    assert (state.backend, state.use_locking, state.name) == ("auto", False, None)
    assert state.thresholds.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert not state.thresholds.flags.writeable
    for name in ("num_thresholds", "zero_division", "invalid", "num_dropped"):
        with pytest.raises(AttributeError):
            setattr(state, name, 7)
