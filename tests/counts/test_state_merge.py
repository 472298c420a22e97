"""Merging is addition: any split, order, tree and mix of backends gives the same state."""

from __future__ import annotations

import operator
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from compare import assert_close_sums
from hypothesis import given
from hypothesis import strategies as st
from state_contract import BACKENDS, merged_anyhow
from tiers import examples

from fastpr import PrecisionRecallAtEqualThresholds as State


def test_merging_weights_that_overflow_is_refused_whole() -> None:
    state = State(3).update([1], [0.5], weights=1e308)
    before = state.to_bytes()
    with pytest.raises(OverflowError) as caught:
        state.merge(State(3).update([0], [0.5]), state)
    assert str(caught.value) == (
        "the sum of the weights does not fit into float64; scale the weights down"
    )
    assert state.to_bytes() == before


# ---- any split, order, tree and mix of backends ----

T = 11
SCORES = st.one_of(
    st.sampled_from([np.float32(i / 10) for i in range(11)]),
    st.sampled_from([np.nextafter(np.float32(i / 10), np.float32(0)) for i in range(1, 11)]),
    st.floats(0, 1, width=32),
    st.sampled_from([float("nan"), -1.0, 2.0]),
)
PLAIN = st.none()
INTEGERS = st.integers(0, 1000)
FLOATS = st.floats(0, 1e6)


def samples(weights: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(st.tuples(st.booleans(), SCORES, weights), max_size=40)


def count(part: list, backend: str) -> State:
    """A state that has seen samples, those without a weight in an update of their own."""
    state = State(T, invalid="drop", backend=backend)
    for weighted in (False, True):
        chosen = [sample for sample in part if (sample[2] is not None) == weighted]
        labels = np.array([label for label, _, _ in chosen], bool)
        scores = np.array([score for _, score, _ in chosen], np.float32)
        weights = np.array([weight for _, _, weight in chosen], float) if weighted else None
        state.update(labels, scores, weights)
    return state


@examples(60)
@given(st.data())
def test_counts_and_integer_weights_give_the_same_bytes_in_any_way(data: st.DataObject) -> None:
    all_samples = data.draw(samples(st.one_of(PLAIN, INTEGERS)))
    expected = count(all_samples, "reference")
    assert merged_anyhow(data, all_samples, count).to_bytes() == expected.to_bytes()


@examples(60)
@given(st.data())
def test_float_weights_agree_within_1e_12_with_exact_fractions(data: st.DataObject) -> None:
    all_samples = data.draw(samples(st.one_of(PLAIN, INTEGERS, FLOATS)))
    actual = merged_anyhow(data, all_samples, count).compute()
    thresholds = [np.float32(Fraction(i, T - 1)) for i in range(T)]
    valid = [sample for sample in all_samples if 0 <= sample[1] <= 1]

    def exact(label: bool, predicted: bool) -> list[float]:
        return [
            float(
                sum(
                    Fraction(1 if weight is None else weight)
                    for is_positive, score, weight in valid
                    if is_positive == label and (np.float32(score) >= threshold) == predicted
                )
            )
            for threshold in thresholds
        ]

    assert_close_sums(actual.tp, exact(label=True, predicted=True))
    assert_close_sums(actual.fp, exact(label=False, predicted=True))
    assert_close_sums(actual.fn, exact(label=True, predicted=False))
    assert_close_sums(actual.tn, exact(label=False, predicted=False))


def test_a_thousand_batches_make_the_state_of_one() -> None:
    random = np.random.default_rng(3)
    scores = random.random(50_000, dtype=np.float32)
    labels = random.random(50_000) < scores
    weights = random.integers(0, 5, 50_000)
    parts = [
        State(201, backend=BACKENDS[i % len(BACKENDS)])
        .update(labels[i::1000], scores[i::1000])
        .update(labels[i::1000], scores[i::1000], weights[i::1000])
        for i in range(1000)
    ]
    whole = State(201).update(labels, scores).update(labels, scores, weights)
    assert reduce(operator.add, parts) == whole
    assert State(201).merge(*reversed(parts)) == whole


def test_float_weights_stay_within_1e_12_however_long_the_stream_is() -> None:
    # A weight whose rounding errors all have one sign while such sums of it grow.
    weight = float.fromhex("0x1.151b9fa4a3fb4p-3")
    part, stream = State(2).update([1], [0.5], weight), State(2)
    for _ in range(1 << 16):
        stream.merge(part)
    assert_close_sums(stream.num_positives, weight * (1 << 16))  # exact: a power of two
