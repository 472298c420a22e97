"""What was merged can be taken away again: sliding windows, and one group left out."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from compare import assert_close_sums, assert_same_data
from hypothesis import given
from hypothesis import strategies as st
from ranking_contract import STATES
from tiers import examples

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.ranking.row_sums import RowSums

RANDOM = np.random.default_rng(9)
NUM_BATCHES = 12


def counts(**options: Any) -> list[State]:
    """States of batches, of int64 counts; one of them empty."""
    states = []
    for number in range(NUM_BATCHES):
        num = 0 if number == 3 else 50 + number
        scores = RANDOM.random(num).astype(np.float32)
        scores[: num // 10] = [7.0] * (num // 10)
        state = State(11, invalid="drop", **options)
        states.append(state.update(RANDOM.random(num) < 0.5, scores))
    return states


def values() -> list[State]:
    """States with a bin for each value of uint8, and a few of all that can be dropped."""
    states = [State(11, resolution="exact") for _ in range(NUM_BATCHES)]
    for number, state in enumerate(states):
        num = 0 if number % 5 == 0 else 30
        state.update(RANDOM.random(num) < 0.5, RANDOM.integers(0, 256, num).astype(np.uint8))
    return states


def whole_weights() -> list[State]:
    """States of weights whose sums are exact, and of counts."""
    states = counts()
    for state in states[::2]:
        scores = RANDOM.random(20).astype(np.float32)
        state.update(RANDOM.random(20) < 0.5, scores, RANDOM.integers(0, 4, 20))
    return states


def rankings(name: str) -> list[Any]:
    states = [STATES[name]() for _ in range(NUM_BATCHES)]
    for number, state in enumerate(states):
        num = 0 if number == 2 else 5
        labels = RANDOM.integers(-1, 5, (num, 2))
        scores = RANDOM.standard_normal((num, 5)).astype(np.float32)
        state.update(labels, scores, RANDOM.choice([0.0, 0.1, 1.0, 1e300, 5e-324], num))
    return states


EXACT: dict[str, Callable[[], list[Any]]] = {
    "counts": counts,
    "finer bins": lambda: counts(bins_per_threshold=20),
    "values": values,
    "whole weights": whole_weights,
    **{name: lambda name=name: rankings(name) for name in STATES},
}


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as caught:
        call()
    assert type(caught.value) is ValueError
    return str(caught.value)


# ---- a difference is what is left ----


@pytest.mark.parametrize("kind", EXACT)
def test_a_sum_minus_a_part_is_the_rest(kind: str) -> None:
    states = EXACT[kind]()
    before = [state.to_bytes() for state in states]
    for a in states:
        for b in states:
            assert ((a + b) - b).to_bytes() == a.to_bytes()
            assert ((a + b) - a).to_bytes() == b.to_bytes()
    assert [state.to_bytes() for state in states] == before


@pytest.mark.parametrize("kind", EXACT)
def test_a_state_minus_itself_is_empty(kind: str) -> None:
    for state in EXACT[kind]():
        empty = copy.copy(state)
        empty.reset()
        assert (state - state).to_bytes() == empty.to_bytes()
        assert (state - empty).to_bytes() == state.to_bytes()
        alias = copied = copy.copy(state)
        alias -= alias
        assert alias is copied
        assert alias == empty
        assert getattr(alias, "dtypes", ()) == ()


@pytest.mark.parametrize("kind", EXACT)
def test_a_sliding_window_is_the_sum_of_its_batches(kind: str) -> None:
    states = EXACT[kind]()
    window = copy.copy(states[0])
    window.reset()
    for number, state in enumerate(states):
        same = window
        window += state
        if number >= 4:
            window -= states[number - 4]
        assert window is same
        assert window.to_bytes() == sum(states[max(0, number - 3) : number + 1]).to_bytes()


@pytest.mark.parametrize("kind", EXACT)
def test_one_group_can_be_left_out(kind: str) -> None:
    states = EXACT[kind]()
    total = sum(states)
    for number, state in enumerate(states):
        rest = sum(states[:number] + states[number + 1 :])
        assert total - state == rest
        assert type(total - state) is type(total)


def test_a_difference_is_computed_as_the_rest_is() -> None:
    states = counts()
    rest = sum(states) - states[1]
    assert_same_data(rest.compute(), sum([states[0], *states[2:]]).compute())
    assert rest.num_dropped == sum(state.num_dropped for state in states) - states[1].num_dropped
    assert rest.num_samples == sum(s.num_samples for s in states) - states[1].num_samples


@examples(60)
@given(st.data())
def test_any_batches_can_be_taken_away_in_any_order(data: st.DataObject) -> None:
    states = EXACT[data.draw(st.sampled_from(sorted(EXACT)))]()
    kept = data.draw(st.sets(st.sampled_from(range(NUM_BATCHES)), min_size=1))
    taken = data.draw(st.permutations([i for i in range(NUM_BATCHES) if i not in kept]))
    total = sum(states)
    for number in taken:
        total = total - states[number]
    assert total.to_bytes() == sum(states[number] for number in sorted(kept)).to_bytes()


def test_counts_past_2_to_the_53_are_exact() -> None:
    big = State(3).update([1, 0], [0.5, 1.0])
    for _ in range(61):
        big.merge(big)
    one = State(3).update([1], [0.5])
    assert (big + one) - big == one
    assert (big - one).num_positives == 2**61 - 1


# ---- weights ----


def test_float_weights_agree_within_1e_12() -> None:
    states, batches = [], []
    for _ in range(40):
        scores = RANDOM.random(300).astype(np.float32)
        labels, weights = RANDOM.random(300) < 0.5, RANDOM.choice([0.1, 1e-3, 0.7, 1e6], 300)
        states.append(State(11).update(labels, scores, weights))
        batches.append((labels, scores, weights))
    total = sum(states)
    for state in states[:39]:
        total -= state
    assert_close_sums(total.compute().tp, states[39].compute().tp)
    assert_close_sums(total.compute().tn, states[39].compute().tn)
    assert State.from_bytes(total.to_bytes()) == total
    total -= states[39]
    assert total == State(11)  # nothing of the roundings stays


def test_what_was_counted_otherwise_is_taken_away_all_the_same() -> None:
    """A sum of the same weights in another order, rounded otherwise, is not negative."""
    weights = RANDOM.random(2000)
    labels, scores = RANDOM.random(2000) < 0.5, np.float32(RANDOM.integers(0, 3, 2000) / 2)
    order = RANDOM.permutation(2000)
    total = State(3).update(labels, scores, weights)
    parts = [State(3).update(labels[i], scores[i], weights[i]) for i in np.split(order, 100)]
    for part in parts:
        total -= part
    assert total.num_samples <= 1e-12 * weights.sum()
    twice = State(3).update(labels, scores, weights) + State(3).update(labels, scores, weights)
    (twice - sum(parts)) - sum(parts)


@pytest.mark.parametrize(("excess", "good"), [(1e-13, True), (0.9e-9, True), (1.1e-9, False)])
def test_less_than_a_rounding_may_be_missing(excess: float, good: bool) -> None:
    state = State(3).update([1, 0], [0.5, 0.0], [100.0, 7.0])
    taken = State(3).update([1], [0.5], [100.0 * (1 + excess)])
    before = state.to_bytes()
    if good:
        assert state - taken == State(3).update([0], [0.0], [7.0])
    else:
        assert refused(lambda: state - taken).startswith(
            "what is taken away is not part of it: of positives in bin 1, -1.1"
        )
    assert state.to_bytes() == before


def test_a_cell_of_its_own_decides_what_a_rounding_is() -> None:
    state = State(3).update([1, 1], [0.5, 0.0], [1e-3, 1e9])
    assert "in bin 1" in refused(lambda: state - State(3).update([1], [0.5], [2e-3]))
    assert "in bin 2" in refused(lambda: state - State(3).update([1], [1.0], [1e-300]))


def test_small_weights_beside_large_ones_stay() -> None:
    """The second number of a sum has what the first has no room for."""
    large, small = State(2).update([1], [0.5], [1.0]), State(2).update([1], [0.5], [1e-20])
    assert (large + small) - large == small
    back = (large + small + large) - large - large
    assert_close_sums(back.num_positives, 1e-20)


def test_counts_and_weights_are_taken_from_their_own() -> None:
    """An update without weights is not part of one with weights, though its numbers are."""
    weighted = State(3).update([1, 1], [0.5, 0.5], [1.0, 1.0])
    plain = State(3).update([1], [0.5])
    assert "of positives in bin 1, -1 would be left" in refused(lambda: weighted - plain)
    assert "of positives in bin 1, -2.0 would be left" in refused(lambda: plain - weighted)
    both = weighted + plain
    assert both - plain == weighted
    assert both - weighted == plain


# ---- what is refused ----


@pytest.mark.parametrize("subtract", [operator.sub, operator.isub])
def test_what_would_be_negative_is_refused_and_said(subtract: Callable[[Any, Any], Any]) -> None:
    a = State(3, invalid="drop").update([1, 0, 1], [0.5, 0.2, 5.0])
    for batch, message in (
        (([1], [1.0]), "what is taken away is not part of it: of positives in bin 2, -1 would be"),
        (([0, 0], [0.2, 0.1]), "it: of negatives in bin 0, -1 would be left"),
        (([1, 0], [2.0, 2.0]), "num_dropped would be negative, 1 - 2"),
    ):
        b = State(3, invalid="drop").update(*batch)
        before = a.to_bytes(), b.to_bytes()
        assert message in refused(lambda b=b: subtract(a, b))
        assert (a.to_bytes(), b.to_bytes()) == before
    assert "of positives in bin 1, -1" in refused(lambda: State(3) - State(3).update([1], [0.5]))


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ({"num_thresholds": 3}, {"num_thresholds": 5}, "num_thresholds 3 and 5"),
        ({"invalid": "drop"}, {}, "invalid drop and raise"),
        ({"bins_per_threshold": 2}, {}, "bins_per_threshold 2 and 1"),
        ({"resolution": "exact"}, {}, "resolution exact and thresholds"),
    ],
)
def test_different_options_are_refused(ours: dict, theirs: dict, difference: str) -> None:
    expected = f"states with different options cannot be subtracted: {difference}"
    assert refused(lambda: State(**ours) - State(**theirs)) == expected
    assert refused(lambda: operator.isub(State(**ours), State(**theirs))) == expected


@pytest.mark.parametrize("other", [0, 1, None, "state", np.zeros((2, 3)), fastpr.RankingMetrics(2)])
def test_what_is_not_such_a_state_is_a_type_error(other: object) -> None:
    state = State(3).update([1], [0.5])
    before = state.to_bytes()
    for subtract in (operator.sub, operator.isub):
        for operands in ((state, other), (other, state)):
            with pytest.raises(TypeError, match=r"unsupported operand|does not support ufuncs"):
                subtract(*operands)
    assert state.to_bytes() == before


def test_a_dtype_that_was_never_merged_cannot_be_taken_away() -> None:
    single, double = (State(3).update([1, 1], np.array([0.5, 0.7], d)) for d in ("f4", "f8"))
    assert refused(lambda: single - double) == (
        "what is taken away has seen scores of float64, and what it is taken from has not; it has "
        "seen float32"
    )
    mixed = single + double
    assert (mixed - double).dtypes == ("float32", "float64")  # what is left may be of both
    assert (mixed - double - single).dtypes == ()
    assert (mixed - mixed).dtypes == ()
    half = State(3).update([1], np.array([0.7], ml_dtypes.bfloat16))
    assert "has seen scores of bfloat16" in refused(lambda: mixed - half)


def test_unknown_dtypes_may_be_any() -> None:
    known = State(3).update([1, 1], np.float32([0.5, 0.7]))
    unknown = copy.copy(known)
    unknown._seen = unknown._seen._replace(dtypes=frozenset({"unknown"}))
    assert known - unknown == unknown - known == State(3)


# ---- rankings ----


def test_rankings_that_were_not_merged_are_refused() -> None:
    def state(*labels: list[int], weights: object = None) -> Any:
        scores = np.array([[2, 1, 3]] * len(labels), np.float32)
        return fastpr.AveragePrecisionAtK(2).update(list(labels), scores, weights)

    one, empty, two = state([0]), state([]), state([0], [1])
    before = [s.to_bytes() for s in (one, empty, two)]
    head = "what is taken away is not part of it: "
    assert refused(lambda: one - two) == f"{head}num_rows would be negative"
    assert refused(lambda: one - empty) == f"{head}num_empty would be negative"
    assert refused(lambda: two - state([0], weights=[3])) == (
        f"{head}the sum of weights would be negative"
    )
    assert refused(lambda: state([1]) - one) == f"{head}a sum of values would be negative"
    # nothing is negative, and no rows are like that
    assert refused(lambda: one - state([1])) == (
        f"{head}no rows could have the sums that would be left"
    )
    assert refused(lambda: state([0], weights=[0.5]) - state([1], weights=[0.25])) == (
        f"{head}no rows could have the sum of weights that would be left"
    )
    assert [s.to_bytes() for s in (one, empty, two)] == before


def test_more_empty_rows_than_rows_are_refused() -> None:
    rest = RowSums(None, 0, 1, 2)
    with pytest.raises(ValueError, match="no rows could have the num_empty that would be left"):
        rest.check((1, 1), 1, True)


@pytest.mark.parametrize("name", STATES)
def test_differences_of_rankings_can_be_saved(name: str) -> None:
    states = rankings(name)
    total = sum(states)
    for state in states[:7]:
        total -= state
        assert type(total).from_bytes(total.to_bytes()) == total


def test_label_weights_have_to_be_equal() -> None:
    a, b = (fastpr.RankingMetrics(1, label_weights=[1.0, w]) for w in (2.0, 3.0))
    assert "label_weights 2.0 and 3.0 of class 1" in refused(lambda: a - b)


# ---- threads and devices ----


@pytest.mark.parametrize("use_locking", [True, False])
def test_a_difference_is_counted_as_its_left_operand_is(use_locking: bool) -> None:
    left = State(3, backend="reference", use_locking=use_locking, name="left").update([1], [0.5])
    rest = left - State(3, name="right")
    assert (rest.backend, rest.use_locking, rest.name) == ("reference", use_locking, "left")
    assert rest is not left


def test_nothing_is_lost_when_threads_add_and_take_away() -> None:
    from concurrent.futures import ThreadPoolExecutor

    state, part = State(3).update([1], [0.5]), State(3).update([0, 1], [0.2, 0.9])

    def add_and_take(_: int) -> None:
        for _ in range(50):
            state.merge(part)
            operator.isub(state, part)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_and_take, range(4)))
    assert state == State(3).update([1], [0.5])
