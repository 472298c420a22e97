"""Merging is addition: any split, order, tree and mix of backends gives the same state."""

from __future__ import annotations

import operator
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from compare import assert_close_sums
from hypothesis import given
from hypothesis import strategies as st
from tiers import examples

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State

BACKENDS = fastpr.available_backends()


def states() -> list[State]:
    """Four states of integer totals: counts, weights, both, and dropped samples."""
    options = {"num_thresholds": 3, "invalid": "drop"}
    return [
        State(**options).update([0, 1, 1, 0, 1], [0.1, 0.5, 0.7, 0.9, 1.0]),
        State(**options).update([0, 1], [0.5, 0.5], weights=[3.0, 4.0]),
        State(**options).update([1], [0.2]).update([0, 1], [1.0, 0.0], weights=2),
        State(**options).update([1, 0, 1], [float("nan"), 0.5, -1.0]),
    ]


def fresh() -> State:
    return State(3, invalid="drop")


# ---- the laws of addition ----


@pytest.mark.parametrize("index", range(4))
def test_a_fresh_state_is_the_identity_on_both_sides(index: int) -> None:
    state = states()[index]
    before = state.to_bytes()
    for total in (fresh() + state, state + fresh(), fresh().merge(state), state.merge(fresh())):
        assert total.to_bytes() == before
    assert fresh() + fresh() == fresh()


@pytest.mark.parametrize("i", range(4))
@pytest.mark.parametrize("j", range(4))
def test_merge_is_commutative_and_associative(i: int, j: int) -> None:
    a, b = states()[i], states()[j]
    assert (a + b).to_bytes() == (b + a).to_bytes()
    for c in states():
        assert ((a + b) + c).to_bytes() == (a + (b + c)).to_bytes()


@pytest.mark.parametrize("index", range(4))
def test_a_state_can_be_merged_into_itself(index: int) -> None:
    twice = states()[index] + states()[index]
    a, b, c = (states()[index] for _ in range(3))
    alias = a
    a += a
    assert a is alias
    assert b.merge(b) is b
    assert a == b == twice == c + c
    assert c.merge(c, c) == twice + states()[index]


def test_merge_takes_many_states_and_returns_the_first() -> None:
    a, b, c, d = states()
    total = fresh()
    assert total.merge(a, b, c, d) is total
    assert total == a + b + c + d == sum(states())
    assert total.num_dropped == 2
    assert total.num_samples == 5 + 7 + 5 + 1
    assert total.merge() == a + b + c + d


def test_a_sum_of_states_changes_none_of_them() -> None:
    parts = states()
    before = [state.to_bytes() for state in parts]
    total = sum(parts)
    total.merge(*parts)
    total += parts[0]
    total.update([1], [0.5])
    assert [state.to_bytes() for state in parts] == before
    assert sum([parts[0]]) is not parts[0]
    assert sum([parts[0]]) == parts[0]


def test_a_sum_is_counted_as_its_left_operand_is() -> None:
    left = State(3, backend="reference", use_locking=False, name="left")
    total = left + State(3, name="right")
    assert (total.backend, total.use_locking, total.name) == ("reference", False, "left")


def test_a_merged_state_does_not_follow_its_parts() -> None:
    a, b = states()[:2]
    total = a + b
    before = total.to_bytes()
    a.update([1], [0.5])
    b.reset()
    assert total.to_bytes() == before


# ---- what cannot be merged ----


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ({"num_thresholds": 3}, {"num_thresholds": 5}, "num_thresholds 3 and 5"),
        ({"zero_division": 0}, {"zero_division": 1}, "zero_division 0.0 and 1.0"),
        ({"zero_division": float("nan")}, {}, "zero_division nan and 0.0"),
        ({"invalid": "drop"}, {}, "invalid drop and raise"),
        (
            {"num_thresholds": 3, "invalid": "raise"},
            {"num_thresholds": 5, "invalid": "drop"},
            "num_thresholds 3 and 5, invalid raise and drop",
        ),
    ],
)
def test_different_options_are_refused_and_both_named(
    ours: dict[str, object], theirs: dict[str, object], difference: str
) -> None:
    a = State(**ours).update([1, 0], [0.5, 0.7])
    same = State(**ours).update([1, 0], [0.5, 0.7])
    b = State(**theirs).update([1, 0], [0.2, 0.7])
    before = a.to_bytes(), b.to_bytes()
    for merge in (
        lambda: a.merge(b),
        lambda: a.merge(same, b),  # nothing of the first is kept either
        lambda: a + b,
        lambda: operator.iadd(a, b),
    ):
        with pytest.raises(ValueError) as caught:
            merge()
        assert str(caught.value) == (
            f"states with different options cannot be merged: {difference}"
        )
        assert (a.to_bytes(), b.to_bytes()) == before


@pytest.mark.parametrize("other", [1, None, "state", np.zeros((2, 3)), b"", object])
def test_what_is_not_a_state_is_refused(other: object) -> None:
    state = states()[0]
    before = state.to_bytes()
    with pytest.raises(TypeError) as caught:
        state.merge(states()[1], other)
    assert str(caught.value) == (
        f"only PrecisionRecallAtEqualThresholds can be merged into one, got {type(other).__name__}"
    )
    if not isinstance(other, np.ndarray):
        with pytest.raises(TypeError, match="unsupported operand"):
            state + other
        with pytest.raises(TypeError, match=r"unsupported operand|concat"):
            other + state
    assert state.to_bytes() == before


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


def merged_anyhow(data: st.DataObject, all_samples: list) -> State:
    """Split, shuffled, counted by any backend, and merged in the order of a random tree."""
    shuffled = data.draw(st.permutations(all_samples))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    bounds = [0, *cuts, len(shuffled)]
    parts = [
        count(shuffled[start:stop], data.draw(st.sampled_from(BACKENDS)))
        for start, stop in pairwise(bounds)
    ]
    while len(parts) > 1:
        into = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        other = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        if data.draw(st.booleans()):
            other = State.from_bytes(other.to_bytes())
        parts.append(into + other if data.draw(st.booleans()) else into.merge(other))
    return parts[0]


@examples(60)
@given(st.data())
def test_counts_and_integer_weights_give_the_same_bytes_in_any_way(data: st.DataObject) -> None:
    all_samples = data.draw(samples(st.one_of(PLAIN, INTEGERS)))
    expected = count(all_samples, "reference")
    assert merged_anyhow(data, all_samples).to_bytes() == expected.to_bytes()


@examples(60)
@given(st.data())
def test_float_weights_agree_within_1e_12_with_exact_fractions(data: st.DataObject) -> None:
    all_samples = data.draw(samples(st.one_of(PLAIN, INTEGERS, FLOATS)))
    actual = merged_anyhow(data, all_samples).compute()
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
