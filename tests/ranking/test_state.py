"""The state contract of rankings: streaming, weights, rows without labels, large counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from ranking_contract import (
    BACKENDS,
    LABEL_WEIGHTS,
    LABELS,
    NUM_CLASSES,
    SCORES,
    STATES,
    WEIGHTS,
    bits,
    filled,
)

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics

METRICS = (
    "average_precision", "precision", "recall", "ndcg", "reciprocal_rank", "hit_rate", "psp",
    "psndcg",
)  # fmt: skip

New = Callable[..., Any]


@pytest.fixture(params=STATES)
def new(request: pytest.FixtureRequest) -> New:
    """Each kind of state, as a function that makes one."""
    return STATES[request.param]


def doubled(state: Any, times: int) -> Any:
    for _ in range(times):
        state.merge(state)
    return state


# ---- streaming ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_mean_is_that_of_the_rows(backend: str) -> None:
    """Ranks 0 and 2 of two labels, then 1 of one, by hand."""
    state = AveragePrecisionAtK(3, backend=backend)
    state.update([[0, 2]], [[0.9, 0.8, 0.7, 0.6]])
    first = (1 + 2 / 3) / 2  # a row value is a float64
    assert state.compute() == first
    state.update([3], [[0.1, 0.8, 0.2, 0.6]])
    assert state.compute() == float((Fraction(first) + Fraction(1, 2)) / 2)
    data = RankingMetrics(3, backend=backend).update([[0, 2]], [[0.9, 0.8, 0.7, 0.6]]).compute()
    assert data.cutoffs.tolist() == [1, 2, 3]
    assert data.average_precision.tolist() == [1.0, 0.5, first]
    assert data.precision.tolist() == [1.0, 0.5, 2 / 3]
    assert data.recall.tolist() == [0.5, 0.5, 1.0]
    assert data.reciprocal_rank.tolist() == [1.0, 1.0, 1.0]
    assert data.hit_rate.tolist() == [1.0, 1.0, 1.0]
    assert data.ndcg[1:].tolist() == pytest.approx(
        [1 / (1 + 1 / math.log2(3)), 1.5 / (1 + 1 / math.log2(3))], rel=1e-15
    )
    assert data.psp is None
    assert data.psndcg is None


def test_propensity_scores_are_quotients_of_sums_or_means_of_quotients() -> None:
    weights = [1.0, 2.0, 4.0, 8.0]
    labels, scores = [[0, 2], [3, 1], []], [[9, 8, 7, 6], [9, 8, 7, 6], [9, 8, 7, 6]]
    micro = RankingMetrics(2, label_weights=weights)
    rows = RankingMetrics(2, label_weights=weights, average="rows")
    for state in (micro, rows):
        state.update(labels, np.array(scores, np.float32))
    assert micro.compute().psp.tolist() == [1 / 12, 3 / 15]
    assert rows.compute().psp.tolist() == [1 / 8, float((Fraction(1 / 5) + Fraction(2 / 10)) / 2)]
    discount = 1 / math.log2(3)
    ideal = [4 + discount, 8 + 2 * discount]
    assert micro.compute().psndcg[1] == pytest.approx((1 + 2 * discount) / sum(ideal))
    assert rows.compute().psndcg[1] == pytest.approx((1 / ideal[0] + 2 * discount / ideal[1]) / 2)
    for name in METRICS[:-2]:
        assert getattr(micro.compute(), name).tolist() == getattr(rows.compute(), name).tolist()


def test_a_new_state_computes_zeros() -> None:
    assert AveragePrecisionAtK(3).compute().hex() == "0x0.0p+0"
    data = RankingMetrics(2, label_weights=[1, 2]).compute()
    assert data.cutoffs.dtype == np.int64
    for name in METRICS:
        assert getattr(data, name).dtype == np.float64
        assert getattr(data, name).tolist() == [0.0, 0.0]
    assert RankingMetrics(2).compute().psp is None


@pytest.mark.parametrize("weights", [None, 0.5])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_update_of_no_rows_leaves_no_trace(new: New, backend: str, weights: object) -> None:
    for lead in [(0,), (3, 0), (0, 2)]:
        labels, scores = np.zeros((*lead, 2), int), np.zeros((*lead, NUM_CLASSES), np.float32)
        assert new(backend=backend).update(labels, scores, weights) == new()
        assert filled(new, backend=backend).update(labels, scores, weights) == filled(new)
    assert new(empty="raise").update([], np.zeros((0, NUM_CLASSES))).num_rows == 0


def test_leading_dimensions_are_rows(new: New) -> None:
    grid = SCORES.reshape(2, 3, NUM_CLASSES)
    labels = [LABELS[:3], LABELS[3:]]
    state = new().update(labels, grid, WEIGHTS.reshape(2, 3))
    assert state == filled(new, WEIGHTS)
    single = new()
    for row, row_labels, weight in zip(SCORES, LABELS, WEIGHTS, strict=True):
        single.update(row_labels, row, weight)
    assert single == state


BAD_UPDATES: dict[str, tuple[type[Exception], Callable[[Any], object]]] = {
    "k above the classes": (ValueError, lambda s: s.update([[0]], np.zeros((1, 2)))),
    "number of rows": (ValueError, lambda s: s.update([[0]] * 3, SCORES)),
    "labels nested too deep": (ValueError, lambda s: s.update([[[0]]] * 6, SCORES)),
    "float labels": (TypeError, lambda s: s.update(np.zeros((6, 2)), SCORES)),
    "no classes": (ValueError, lambda s: s.update([[0]], np.zeros((1, 0)))),
    "dtype of scores": (TypeError, lambda s: s.update(LABELS, np.zeros((6, 5), int))),
    "negative weight": (ValueError, lambda s: s.update(LABELS, SCORES, [1, 1, 1, 1, 1, -1])),
    "NaN as a weight": (ValueError, lambda s: s.update(LABELS, SCORES, [1, 1, 1, 1, 1, np.nan])),
    "infinite weight": (ValueError, lambda s: s.update(LABELS, SCORES, np.inf)),
    "shape of weights": (ValueError, lambda s: s.update(LABELS, SCORES, [1, 1])),
    "dimensions of weights": (ValueError, lambda s: s.update(LABELS, SCORES, [[1]] * 6)),
    "dtype of weights": (TypeError, lambda s: s.update(LABELS, SCORES, ["1"] * 6)),
    "a row without labels": (ValueError, lambda s: s.update(LABELS, SCORES)),
}


@pytest.mark.parametrize("bad", BAD_UPDATES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_update_that_raises_leaves_the_state_as_it_was(new: New, backend: str, bad: str) -> None:
    state = new(empty="raise", backend=backend).update(LABELS[:2], SCORES[:2], 0.3)
    before = state.to_bytes()
    error, update = BAD_UPDATES[bad]
    with pytest.raises(error) as caught:
        update(state)
    assert type(caught.value) is error
    assert state.to_bytes() == before


def test_label_weights_have_to_be_those_of_the_classes() -> None:
    state = RankingMetrics(3, label_weights=LABEL_WEIGHTS).update(LABELS, SCORES)
    before = state.to_bytes()
    with pytest.raises(ValueError) as caught:
        state.update([[0]], np.zeros((1, 4)))
    assert str(caught.value) == (
        "label_weights of 5 classes do not go with predictions of 4 classes"
    )
    assert state.to_bytes() == before


# ---- weights ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_mean_is_the_correctly_rounded_quotient_of_exact_sums(backend: str) -> None:
    values = fastpr.average_precision_at_k(LABELS, SCORES, 3, per_row=True, backend=backend)
    state = AveragePrecisionAtK(3, backend=backend).update(LABELS, SCORES, WEIGHTS)
    has_labels = ~np.isnan(values)
    terms = [Fraction(term) for term in (WEIGHTS * values)[has_labels].tolist()]
    total = sum(Fraction(weight) for weight in WEIGHTS[has_labels].tolist())
    assert state.compute() == float(sum(terms) / total)


@pytest.mark.parametrize("weights", [1, 1.0, True, np.ones(6), np.ones(1), [1] * 6])
def test_weights_of_1_are_none(new: New, weights: object) -> None:
    assert filled(new, weights) == filled(new)


@pytest.mark.parametrize("zero", [0, -0.0, False, np.zeros(6), np.zeros(6, bool), [0]])
@pytest.mark.parametrize("empty", ["skip", "zero", "one", "nan", "raise"])
def test_rows_of_weight_0_leave_no_trace(new: New, zero: object, empty: str) -> None:
    state = filled(new, zero, empty=empty)
    assert state == new(empty=empty)
    assert bits(state.compute()) == bits(new().compute())
    weights = [1, 1, 1, 1, 0, 1]  # 0 where there are no labels
    assert filled(new, weights, empty=empty) == new(empty=empty).update(
        LABELS[:4] + LABELS[5:], np.delete(SCORES, 4, axis=0)
    )


def test_rows_of_weight_0_are_checked() -> None:
    with pytest.raises(TypeError):
        AveragePrecisionAtK(1).update(np.zeros((1, 1)), np.zeros((1, 2)), 0)


def test_weights_of_any_size_add_up_exactly(new: New) -> None:
    """Sums in float64 would lose the small ones, or overflow."""
    weights = np.array([1e307, 1e-300, 5e-324, 1e307, 1.0, 2**-1000])
    orders = [np.arange(6), np.arange(6)[::-1], np.array([2, 0, 5, 3, 1, 4])]
    states = [new() for _ in orders]
    for state, order in zip(states, orders, strict=True):
        for index in order:
            state.update([LABELS[index]], SCORES[[index]], weights[index])
    whole = filled(new, weights)
    assert all(state.to_bytes() == whole.to_bytes() for state in states)


def test_a_weighted_value_that_is_not_finite_is_refused_whole() -> None:
    state = RankingMetrics(1, label_weights=[10.0, 1.0])
    with pytest.raises(OverflowError, match="scale the weights down"):
        state.update([[1], [0]], [[0.5, 0.6], [0.5, 0.6]], [1.0, 1.7e308])
    assert state == RankingMetrics(1, label_weights=[10.0, 1.0])


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-60, 3.0, 2.0**1000])
def test_a_common_factor_of_the_weights_changes_little(scale: float) -> None:
    once = AveragePrecisionAtK(3).update(LABELS, SCORES).compute()
    scaled = AveragePrecisionAtK(3).update(LABELS, SCORES, scale).compute()
    assert scaled == pytest.approx(once, rel=1e-15)
    if scale != 3.0:
        assert scaled == once


# ---- rows without labels ----


@pytest.mark.parametrize(
    ("empty", "expected"), [("skip", 1.0), ("zero", 0.5), ("one", 1.0), ("nan", math.nan)]
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_without_labels_counts_as_is_said(backend: str, empty: str, expected: float) -> None:
    labels, scores = [[0, 1], [-1, 2]], np.array([[2, 1], [1, 2]], np.float32)
    state = AveragePrecisionAtK(2, empty=empty, backend=backend).update(labels, scores)
    assert (state.num_rows, state.num_empty) == (2, 1)
    np.testing.assert_equal(state.compute(), expected)
    data = (
        RankingMetrics(2, empty=empty, label_weights=[1, 1], average="rows", backend=backend)
        .update(labels, scores)
        .compute()
    )
    for name in METRICS:
        value = getattr(data, name)[1]
        np.testing.assert_equal(value, expected, err_msg=name)


def test_a_row_without_labels_adds_nothing_to_a_sum() -> None:
    labels, scores = [[0], []], np.array([[1, 2, 3], [1, 2, 3]], np.float32)
    for empty in ("skip", "zero", "one"):
        state = RankingMetrics(3, empty=empty, label_weights=[1, 1, 1]).update(labels, scores)
        assert state.compute().psp.tolist() == [0.0, 0.0, 1.0]
    nan = RankingMetrics(3, empty="nan", label_weights=[1, 1, 1]).update(labels, scores)
    assert np.isnan(nan.compute().psp).all()


def test_nan_goes_away_with_the_rows(new: New) -> None:
    state = filled(new, empty="nan")
    part = state.compute() if isinstance(state, AveragePrecisionAtK) else state.compute().recall
    assert np.isnan(part).all()
    state.reset()
    state.update(LABELS[:4], SCORES[:4])
    part = state.compute() if isinstance(state, AveragePrecisionAtK) else state.compute().recall
    assert np.isfinite(part).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_row_without_labels_is_named(new: New, backend: str) -> None:
    def message(labels: object, scores: object, weights: object = None) -> str:
        with pytest.raises(ValueError) as caught:
            new(empty="raise", backend=backend).update(labels, scores, weights)
        return str(caught.value)

    rest = (
        " has no labels in range, and empty is 'raise'; pass a weight of 0 for such rows, or "
        "empty='skip' to leave them out and count them"
    )
    assert message(LABELS, SCORES) == "the row at index (4,)" + rest
    grid = SCORES.reshape(3, 2, NUM_CLASSES)
    labels = [LABELS[:2], LABELS[2:4], LABELS[4:]]
    assert message(labels, grid) == "the row at index (2, 0)" + rest
    assert message([], SCORES[0]) == "the row at index ()" + rest


@pytest.mark.parametrize("num_threads", [1, 3])
def test_the_first_row_without_labels_is_named_whichever_thread_finds_one(num_threads: int) -> None:
    labels, weights = np.full((4000, 1), -1), np.zeros(4000)
    weights[2500:] = 1
    scores = np.zeros((4000, 2000), np.float16)
    fastpr.set_num_threads(num_threads)
    try:
        for _ in range(3):
            with pytest.raises(ValueError, match=r"^the row at index \(2500,\) has no labels"):
                AveragePrecisionAtK(1, empty="raise").update(labels, scores, weights)
    finally:
        fastpr.set_num_threads(None)


# ---- counts that small data never reach ----


def test_one_row_among_2_to_the_62_is_not_lost() -> None:
    state = doubled(AveragePrecisionAtK(1).update([0], [[1.0, 2.0]]), 62)
    assert state.compute() == 0.0
    state.update([1], [[1.0, 2.0]])
    assert state.compute() == 2.0**-62
