"""Merging states of rankings is addition: any way gives the same bytes, whatever the weights."""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranking_contract import BACKENDS, LABEL_WEIGHTS, LABELS, SCORES, STATES, WEIGHTS, bits, filled
from tiers import examples

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics

New = Callable[..., Any]


@pytest.fixture(params=STATES)
def new(request: pytest.FixtureRequest) -> New:
    """Each kind of state, as a function that makes one."""
    return STATES[request.param]


def states(new: New) -> list[Any]:
    """Five states: weighted, unweighted, of no labels, of values that are all 0, of nothing."""
    return [
        new().update(LABELS, SCORES),
        new().update(LABELS, SCORES, WEIGHTS),
        new().update([[]], SCORES[:1]),
        new().update([[4]], SCORES[:1], 1e300),
        new(),
    ]


# ---- the laws of addition ----


@pytest.mark.parametrize("index", range(5))
def test_a_fresh_state_is_the_identity_on_both_sides(new: New, index: int) -> None:
    state = states(new)[index]
    before = state.to_bytes()
    for total in (new() + state, state + new(), new().merge(state), state.merge(new())):
        assert total.to_bytes() == before
        assert (total.k, total.num_rows) == (3, state.num_rows)


@pytest.mark.parametrize("i", range(5))
@pytest.mark.parametrize("j", range(5))
def test_merge_is_commutative_and_associative(new: New, i: int, j: int) -> None:
    a, b = states(new)[i], states(new)[j]
    assert (a + b).to_bytes() == (b + a).to_bytes()
    for c in states(new):
        assert ((a + b) + c).to_bytes() == (a + (b + c)).to_bytes()


@pytest.mark.parametrize("index", range(5))
def test_a_state_can_be_merged_into_itself(new: New, index: int) -> None:
    twice = states(new)[index] + states(new)[index]
    a, b, c = (states(new)[index] for _ in range(3))
    alias = a
    a += a
    assert a is alias
    assert b.merge(b) is b
    assert a == b == twice == c + c
    assert c.merge(c, c) == twice + states(new)[index]


def test_merge_takes_many_states_and_returns_the_first(new: New) -> None:
    a, b, c, d, e = states(new)
    total = new()
    assert total.merge(a, b, c, d, e) is total
    assert total == a + b + c + d == sum(states(new))
    assert (total.num_rows, total.num_empty) == (14, 3)
    assert total.merge() == a + b + c + d


def test_a_sum_of_states_changes_none_of_them(new: New) -> None:
    parts = states(new)
    before = [state.to_bytes() for state in parts]
    total = sum(parts)
    total.merge(*parts)
    total += parts[0]
    total.update([[0]], SCORES[:1])
    assert [state.to_bytes() for state in parts] == before
    assert sum([parts[0]]) is not parts[0]
    assert sum([parts[0]]) == parts[0]


def test_a_sum_is_ranked_as_its_left_operand_is(new: New) -> None:
    left = new(backend="reference", use_locking=False, name="left")
    total = left + new(name="right")
    assert (total.backend, total.use_locking, total.name) == ("reference", False, "left")


# ---- what cannot be merged ----


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ({"k": 1}, {"k": 2}, "k 1 and 2"),
        ({"empty": "one"}, {}, "empty one and skip"),
        ({"denominator": "k"}, {"denominator": "hits"}, "denominator k and hits"),
        ({}, {"ties": "expected"}, "ties index and expected"),
        (
            {"k": 2, "ties": "optimistic"},
            {"empty": "nan"},
            "k 2 and 1, empty skip and nan, ties optimistic and index",
        ),
    ],
)
@pytest.mark.parametrize("kind", [AveragePrecisionAtK, RankingMetrics])
def test_different_options_are_refused_and_both_named(
    kind: New, ours: dict[str, Any], theirs: dict[str, Any], difference: str
) -> None:
    a, same, b = (kind(**{"k": 1, **options}) for options in (ours, ours, theirs))
    for state in (a, same, b):
        state.update(LABELS[:2], SCORES[:2])
    assert_refused(a, same, b, difference)


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ({"average": "rows"}, {}, "average rows and micro"),
        ({"label_weights": [1, 2, 3, 4, 5]}, {}, "num_label_weights 5 and None"),
        (
            {"label_weights": [1, 2, 0.1, 4, 5]},
            {"label_weights": [1, 2, 0.3, 4, 7]},
            "label_weights 0.1 and 0.3 of class 2",
        ),
    ],
)
def test_different_label_weights_are_refused(
    ours: dict[str, Any], theirs: dict[str, Any], difference: str
) -> None:
    a, same, b = (RankingMetrics(2, **options) for options in (ours, ours, theirs))
    for state in (a, same, b):
        state.update(LABELS, SCORES)
    assert_refused(a, same, b, difference)


def assert_refused(a: Any, same: Any, b: Any, difference: str) -> None:
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
def test_what_is_not_a_state_is_refused(new: New, other: object) -> None:
    state = filled(new)
    before = state.to_bytes()
    with pytest.raises(TypeError, match=r"can be merged into one, got"):
        state.merge(filled(new), other)
    if not isinstance(other, np.ndarray):
        with pytest.raises(TypeError, match="unsupported operand"):
            state + other
        with pytest.raises(TypeError, match=r"unsupported operand|concat"):
            other + state
    assert state.to_bytes() == before


def test_states_of_different_metrics_are_not_merged() -> None:
    kinds = [AveragePrecisionAtK(3), RankingMetrics(3), fastpr.PrecisionRecallAtEqualThresholds(3)]
    for one in kinds:
        for two in kinds:
            if one is not two:
                with pytest.raises(TypeError) as caught:
                    one.merge(two)
                assert str(caught.value) == (
                    f"only {type(one).__name__} can be merged into one, got {type(two).__name__}"
                )
                with pytest.raises(TypeError, match="unsupported operand"):
                    one + two


# ---- any split, order, tree, mix of backends and number of threads ----

ROW = st.tuples(
    st.lists(st.sampled_from([0.0, -0.0, 0.5, 1.0, -1e30, float("nan")]), min_size=5, max_size=5),
    st.lists(st.integers(-1, 5), max_size=4),
    st.one_of(st.floats(0, 1e300), st.sampled_from([0.0, 5e-324, 1.0])),
)


def count(new: New, part: list[Any], backend: str, options: dict[str, Any]) -> Any:
    state = new(backend=backend, **options)
    scores = np.array([row[0] for row in part], np.float64).reshape(-1, 5)
    return state.update([row[1] for row in part], scores, np.array([row[2] for row in part]))


def merged_anyhow(new: New, data: st.DataObject, rows: list[Any], options: dict[str, Any]) -> Any:
    """Split, shuffled, ranked by any backend, and merged in the order of a random tree."""
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    parts = [
        count(new, shuffled[start:stop], data.draw(st.sampled_from(BACKENDS)), options)
        for start, stop in pairwise([0, *cuts, len(shuffled)])
    ]
    while len(parts) > 1:
        into = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        other = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        if data.draw(st.booleans()):
            other = type(other).from_bytes(other.to_bytes())
        parts.append(into + other if data.draw(st.booleans()) else into.merge(other))
    return parts[0]


@examples(25)
@given(data=st.data())
@pytest.mark.parametrize("kind", STATES)
def test_any_way_gives_the_same_bytes(kind: str, data: st.DataObject) -> None:
    new = STATES[kind]
    rows = data.draw(st.lists(ROW, max_size=12))
    options = {
        "ties": data.draw(st.sampled_from(["index", "optimistic", "pessimistic", "expected"])),
        "empty": data.draw(st.sampled_from(["skip", "zero", "one", "nan"])),
        "denominator": data.draw(st.sampled_from(["min", "relevant", "k"])),
    }
    expected = count(new, rows, "reference", options)
    actual = merged_anyhow(new, data, rows, options)
    assert actual.to_bytes() == expected.to_bytes()
    assert bits(actual.compute()) == bits(expected.compute())


@pytest.mark.parametrize("num_rows", [0, 1, 7, 100, 4096])
@pytest.mark.parametrize("ties", ["index", "expected"])
def test_grids_of_splits_give_the_same_bytes(new: New, num_rows: int, ties: str) -> None:
    random = np.random.default_rng(num_rows)
    scores = random.integers(0, 9, (num_rows, 5)).astype(np.float16)
    labels = random.integers(-1, 6, (num_rows, 3))
    weights = random.random(num_rows) * 2.0 ** random.integers(-40, 40, num_rows)
    whole = new(ties=ties).update(labels, scores, weights).to_bytes()
    for step in (max(1, num_rows // 8), 1000, 5000):
        parts = [
            new(ties=ties, backend=BACKENDS[start % len(BACKENDS)]).update(
                labels[start : start + step], scores[start : start + step],
                weights[start : start + step],
            )
            for start in range(0, num_rows, step)
        ]  # fmt: skip
        assert reduce(operator.add, parts, new(ties=ties)).to_bytes() == whole
        assert new(ties=ties).merge(*reversed(parts)).to_bytes() == whole


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_number_of_threads_changes_no_byte(new: New, backend: str) -> None:
    random = np.random.default_rng(7)
    num_rows, num_classes = (3000, 1000) if backend != "reference" else (1200, 1000)
    scores = random.standard_normal((num_rows, num_classes), np.float32)
    labels = random.integers(0, num_classes, (num_rows, 4))
    weights = random.random(num_rows)
    options = (
        {"label_weights": random.random(num_classes)} if "label_weights" in repr(new()) else {}
    )
    kind = type(new())
    found = set()
    for num_threads in (1, 2, 5):
        fastpr.set_num_threads(num_threads)
        try:
            state = kind(50, backend=backend, **options).update(labels, scores, weights)
        finally:
            fastpr.set_num_threads(None)
        found.add(state.to_bytes())
    assert len(found) == 1


# ---- one state and several threads ----


@pytest.fixture
def _switch_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(*tasks: Callable[[], object]) -> None:
    errors: list[BaseException] = []

    def guarded(task: Callable[[], object]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread is stuck"
    assert not errors, errors


@pytest.mark.usefixtures("_switch_often")
def test_nothing_is_lost_when_threads_update_one_state(new: New) -> None:
    state = new()

    def update_often() -> None:
        for _ in range(20):
            state.update(LABELS, SCORES, WEIGHTS)
            state.update(LABELS, SCORES)

    in_threads(*[update_often] * 6)
    expected = sum([filled(new, WEIGHTS) + filled(new)] * 120)
    assert state.to_bytes() == expected.to_bytes()


@pytest.mark.usefixtures("_switch_often")
def test_merging_in_both_directions_at_once_does_not_deadlock(new: New) -> None:
    a, b = filled(new), filled(new, WEIGHTS)

    def merge_often(into: Any, source: Any) -> None:
        for _ in range(14):
            into.merge(source, into)

    in_threads(lambda: merge_often(a, b), lambda: merge_often(b, a))
    assert min(a.num_rows, b.num_rows) >= 6 * 2**14


def test_a_state_without_a_lock_adds_up_in_one_thread(new: New) -> None:
    state = new(use_locking=False)
    for row, labels, weight in zip(SCORES, LABELS, WEIGHTS, strict=True):
        state.update([labels], row[np.newaxis], weight)
    assert state.merge(new(use_locking=False)) == filled(new, WEIGHTS)


def test_label_weights_of_equal_values_merge_whatever_their_dtype() -> None:
    a = RankingMetrics(2, label_weights=np.array([1, 2, 3, 4, 0], np.uint8)).update(LABELS, SCORES)
    b = RankingMetrics(2, label_weights=[1.0, 2.0, 3.0, 4.0, -0.0]).update(LABELS, SCORES)
    assert (a + b).num_rows == 12
    assert a == b
    assert RankingMetrics(2, label_weights=LABEL_WEIGHTS) != RankingMetrics(
        2, label_weights=[1] * 5
    )
