"""What a state knows of the dtypes of its scores, and the curve that it gives."""

from __future__ import annotations

import copy
from typing import Any

import ml_dtypes
import numpy as np
import oracle
import pytest
from cases import near_thresholds
from compare import assert_same_bits, assert_same_data

from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.counts.state import fine_table
from fastpr.curves.curve import Curve, replace_table

COUNTED = ["uint8", "uint16", "float16", "bfloat16"]
NUM_VALUES = {"uint8": 256, "uint16": 65_536, "float16": 15_361, "bfloat16": 16_257}
RANDOM = np.random.default_rng(6)


def labels_of(num: int) -> np.ndarray:
    return np.random.default_rng(num).random(num) < 0.4


def some_scores(kind: str, num: int = 5000) -> np.ndarray:
    """Random values in [0, 1], each twice or more, with both ends."""
    scores = np.concatenate([[0, 0, 1, 1], np.tile(RANDOM.random(num // 2), 2)])
    if kind in oracle.INTEGERS:
        return np.rint(scores * oracle.INTEGERS[kind][1]).astype(kind)
    return scores.astype(oracle.dtype_of(kind))


def stored(scores: np.ndarray) -> np.ndarray:
    """Scores as the numbers of their values: as integers, or as their bits."""
    if scores.dtype.kind == "u":
        return scores
    bits = scores.view(np.uint16)
    return np.where(bits == 0x8000, 0, bits)


# ---- dtypes ----

SEEN = {
    "nothing": lambda state: state,
    "no samples": lambda state: state.update([], np.float32([])),
    "weights of 0": lambda state: state.update([1], np.float32([0.5]), [0.0]),
    "a weight of 0": lambda state: state.update([1], np.float32([0.5]), 0),
    "only what is dropped": lambda state: state.update([1], np.float32([1.5])),
}


@pytest.mark.parametrize("seen", SEEN)
def test_what_leaves_nothing_behind_is_of_no_dtype(seen: str) -> None:
    state = SEEN[seen](State(3, invalid="drop"))
    assert state.dtypes == ()
    half = State(3, invalid="drop").update([1], np.float16([0.5]))
    assert (state + half).dtypes == ("float16",)
    assert SEEN[seen](half).dtypes == ("float16",)


@pytest.mark.parametrize("weights", [None, 0.5, [0.0, 2.0]])
def test_dtypes_are_those_of_all_updates(weights: Any) -> None:
    state = State(3).update([1, 0], np.float32([0.5, 0.7]), weights)
    assert state.dtypes == ("float32",)
    big_endian = np.array([0.5, 0.7], ">f4")
    assert copy.copy(state).update([1, 0], big_endian).dtypes == ("float32",)
    state.update([1, 0], np.array([0.5, 0.7], ml_dtypes.bfloat16), weights)
    state.update([1, 0], [0.5, 0.7], weights)
    assert state.dtypes == ("bfloat16", "float32", "float64")
    other = State(3).update([1, 0], np.uint8([1, 2]), weights)
    total = other + state
    assert total.dtypes == ("bfloat16", "float32", "float64", "uint8")
    assert State.from_bytes(total.to_bytes()).dtypes == total.dtypes
    state.reset()
    assert state.dtypes == ()


def test_states_of_other_dtypes_are_not_equal() -> None:
    """Their counts are the same, but not what is known of the scores."""
    single = State(3).update([1], np.float32([0.5]))
    double = State(3).update([1], np.float64([0.5]))
    assert single != double
    assert_same_data(single.compute(), double.compute())


# ---- the curve ----


def test_the_curve_has_the_counts_of_compute() -> None:
    scores = some_scores("float32")
    labels = labels_of(len(scores))
    for per_threshold in (1, 20):
        state = State(201, bins_per_threshold=per_threshold).update(labels, scores)
        curve, data = state.curve(), state.compute()
        assert type(curve) is Curve
        for name in ("tp", "fp", "tn", "fn", "precision", "recall", "thresholds"):
            assert_same_bits(getattr(curve, name), getattr(data, name), name)
        before = curve.tp.tolist()
        state.update(labels, scores)
        assert curve.tp.tolist() == before  # it does not follow


@pytest.mark.parametrize("kind", oracle.KINDS)
def test_the_curve_has_all_bins(kind: str) -> None:
    scores = some_scores(kind)
    labels = labels_of(len(scores))
    coarse = State(11).update(labels, scores).curve().average_precision()
    fine = State(11, bins_per_threshold=300).update(labels, scores).curve().average_precision()
    assert coarse.low <= fine.low <= fine.high <= coarse.high
    assert coarse.width > 20 * fine.width
    if kind in COUNTED:
        curve = State(11, resolution="exact").update(labels, scores).curve()
        exact = curve.average_precision()
        assert curve.is_exact
        assert fine.low <= exact <= fine.high
        assert len(curve.thresholds) == NUM_VALUES[kind]


@pytest.mark.parametrize("kind", COUNTED)
def test_the_curve_of_values_is_that_of_scikit_learn(kind: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores = some_scores(kind)
    labels, weights = labels_of(len(scores)), RANDOM.integers(1, 5, len(scores)).astype(float)
    numbers = stored(scores).astype(np.int64)
    for given_weights in (None, weights):
        state = State(3, resolution="exact").update(labels, scores, given_weights)
        curve = state.curve()
        for ours, theirs in (
            (curve.average_precision(), metrics.average_precision_score),
            (curve.auroc(), metrics.roc_auc_score),
        ):
            expected = theirs(labels, numbers, sample_weight=given_weights)
            assert ours == pytest.approx(expected, rel=1e-12)
            assert ours.low - 1e-12 <= expected <= ours.high + 1e-12
            assert ours.is_exact


def test_scores_of_two_dtypes_have_no_bounds() -> None:
    state = State(11).update([1, 0, 1], np.float32([0.1, 0.2, 0.3]))
    assert state.curve().auroc().low <= 0.5
    state.update([1, 0], np.float16([0.5, 0.6]))
    area = state.curve().auroc()
    assert 0 <= area <= 1
    with pytest.raises(ValueError, match="seen scores of float16 and float32, whose bins are not"):
        assert area.low


def test_a_curve_of_nothing_is_empty() -> None:
    for options in ({}, {"bins_per_threshold": 20}, {"resolution": "exact"}):
        state = State(11, **options)
        curve = state.curve()
        assert (curve.num_positives, curve.num_negatives) == (0, 0)
        assert np.isnan(curve.average_precision())
        assert not fine_table(state).any()
        table = fine_table(state)
        assert replace_table(curve, table).tp.tolist() == curve.tp.tolist()
    assert State(11, resolution="exact").curve().thresholds.tolist() == [0.0, 1.0]
    assert fine_table(State(1001, resolution="exact")).shape == (2, 2)


@pytest.mark.parametrize("zero_division", [0.0, 1.0, float("nan")])
def test_the_curve_divides_by_zero_as_the_state_does(zero_division: float) -> None:
    state = State(3, zero_division=zero_division).update([0, 0], [0.1, 0.2])
    assert_same_bits(state.curve().precision, state.compute().precision)
    assert_same_bits(state.curve().recall, state.compute().recall)
    assert state.curve("sklearn").precision[-1] == 0
    assert state.curve(conventions="keras").recall.tolist() == [0.0] * 3


def test_calibration_is_bounded_in_the_dtype_of_the_scores() -> None:
    """Scores at thresholds that their dtype rounds down, or up."""
    for kind in oracle.FLOATS:
        for number in (1, 3, 7, 77, 140, 199):
            scores = np.full(3, number / 200).astype(oracle.dtype_of(kind))
            estimate = State().update([1, 1, 0], scores).curve().expected_calibration_error(10)
            exact = abs(2 / 3 - float(scores[0]))
            assert estimate.low <= exact <= estimate.high


@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("num_thresholds", [3, 201, 256])
def test_bounds_hold_what_scikit_learn_finds_in_the_scores(kind: str, num_thresholds: int) -> None:
    """With scores at the thresholds of their dtype, and next to them."""
    metrics = pytest.importorskip("sklearn.metrics")
    near = near_thresholds(kind, num_thresholds)
    near = near[near.astype(float) <= 1] if kind in oracle.FLOATS else near
    for number in range(4):
        random = np.random.default_rng(number)
        scores = random.choice(near, random.integers(5, 400))
        labels = random.random(len(scores)) < random.choice([0.03, 0.5, 0.9])
        if labels.all() or not labels.any():
            continue
        weights = None if number % 2 else random.integers(0, 4, len(scores)) + 0.5
        curve = State(num_thresholds).update(labels, scores, weights).curve()
        numbers = scores.astype(np.float64)
        for estimate, exact in (
            (curve.average_precision(), metrics.average_precision_score),
            (curve.auroc(), metrics.roc_auc_score),
        ):
            expected = exact(labels, numbers, sample_weight=weights)
            assert estimate.low - 1e-12 <= expected <= estimate.high + 1e-12
