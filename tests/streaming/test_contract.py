"""The laws that every state obeys: `state_contract.SUBJECTS` says which there are."""

from __future__ import annotations

import copy
import operator
import pickle
import threading
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranking_contract import bits
from state_contract import BACKENDS, MAX_INT64, SUBJECTS, Subject, merged_anyhow
from tiers import examples
from waiting import _switch_often, in_threads  # noqa: F401 - a fixture

CASES = [
    pytest.param(subject, *case, id=f"{name}-{case[2]}")
    for name, subject in SUBJECTS.items()
    for case in subject.different
]


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


# ---- updating and computing ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_update_returns_the_state_itself_and_adds_up(subject: Subject, backend: str) -> None:
    state = subject.new(backend=backend)
    for batch in subject.batches:
        assert state.update(*batch) is state
    assert state == subject.filled(backend="reference")
    assert bits(state.compute()) == bits(subject.filled(backend="reference").compute())


def test_compute_is_idempotent_and_changes_nothing(subject: Subject) -> None:
    state = subject.filled().update(*subject.weighted)
    before = state.to_bytes()
    first, second = state.compute(), state.compute()
    assert bits(first) == bits(second)
    for part in first if isinstance(first, tuple) else ():
        if part is not None and part.flags.writeable:
            part[:] = 99  # results belong to the caller
    assert state.to_bytes() == before
    assert bits(state.compute()) == bits(second) == bits(state.result())


def test_update_goes_on_after_compute(subject: Subject) -> None:
    state = subject.new()
    for batch in subject.batches:
        state.update(*batch).compute()
    assert state == subject.filled()


def test_an_update_that_raises_leaves_the_state_as_it_was(subject: Subject) -> None:
    state = subject.filled()
    before = state.to_bytes()
    with pytest.raises(ValueError):
        state.update(*subject.bad)
    assert state.to_bytes() == before


def test_reset_forgets_data_and_keeps_options(subject: Subject) -> None:
    state = subject.filled(**subject.options, name="validation")
    assert state.reset() is None
    assert state == subject.new(**subject.options)
    assert (subject.number(state), state.name) == (0, "validation")
    for batch in subject.batches:
        state.update(*batch)
    assert state == subject.filled(**subject.options)


# ---- the laws of addition ----


def test_a_fresh_state_is_the_identity_on_both_sides(subject: Subject) -> None:
    for state in subject.states():
        new, before = subject.new, state.to_bytes()
        for total in (new() + state, state + new(), new().merge(state), state.merge(new())):
            assert total.to_bytes() == before
            assert subject.number(total) == subject.number(state)


def test_merge_is_commutative_and_associative(subject: Subject) -> None:
    states = subject.states()
    for a in states:
        for b in states:
            assert (a + b).to_bytes() == (b + a).to_bytes()
            for c in states:
                assert ((a + b) + c).to_bytes() == (a + (b + c)).to_bytes()


def test_a_state_can_be_merged_into_itself(subject: Subject) -> None:
    for once, a, b, c in zip(*(subject.states() for _ in range(4)), strict=True):
        twice, alias = once + once, a
        a += a
        assert a is alias
        assert b.merge(b) is b
        assert a == b == twice == c + c
        assert c.merge(c, c) == twice + once


def test_merge_takes_many_states_and_returns_the_first(subject: Subject) -> None:
    states, total = subject.states(), subject.new()
    assert total.merge(*states) is total
    assert total == reduce(operator.add, states) == sum(states) == subject.filled()
    assert total.merge() == subject.filled()


def test_a_sum_of_states_changes_none_of_them_and_does_not_follow_them(subject: Subject) -> None:
    parts = subject.states()
    before = [state.to_bytes() for state in parts]
    total = sum(parts)
    total.merge(*parts)
    total += parts[0]
    total.update(*subject.one)
    assert [state.to_bytes() for state in parts] == before
    assert sum([parts[0]]) is not parts[0]
    assert sum([parts[0]]) == parts[0]
    before = total.to_bytes()
    parts[0].update(*subject.one)
    parts[1].reset()
    assert total.to_bytes() == before


def test_a_sum_is_computed_as_its_left_operand_is(subject: Subject) -> None:
    left = subject.new(backend="reference", use_locking=False, name="left")
    total = left + subject.new(name="right")
    assert (total.backend, total.use_locking, total.name) == ("reference", False, "left")


@pytest.mark.parametrize("name", SUBJECTS)
@examples(60)
@given(data=st.data())
def test_any_split_order_tree_and_mix_of_backends_gives_the_same_bytes(
    name: str, data: st.DataObject
) -> None:
    subject = SUBJECTS[name]
    batches = data.draw(st.lists(st.sampled_from(range(len(subject.batches))), max_size=8))

    def count(part: list[int], backend: str) -> Any:
        state = subject.new(backend=backend)
        for index in part:
            state.update(*subject.batches[index])
        return state

    expected = count(batches, "reference").to_bytes()
    assert merged_anyhow(data, batches, count).to_bytes() == expected


# ---- what cannot be merged ----


@pytest.mark.parametrize(("subject", "ours", "theirs", "difference"), CASES)
def test_different_options_are_refused_and_both_named(
    subject: Subject, ours: dict[str, Any], theirs: dict[str, Any], difference: str
) -> None:
    a, same, b = (subject.new(**o).update(*subject.one) for o in (ours, ours, theirs))
    before = a.to_bytes(), b.to_bytes()
    assert a != b
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


OTHERS = [1, None, "state", np.zeros((2, 3)), b"", object, *(s.new() for s in SUBJECTS.values())]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
def test_what_is_not_such_a_state_is_refused(subject: Subject, other: Any) -> None:
    if isinstance(other, subject.kind):
        return
    state = subject.filled()
    before = state.to_bytes()
    with pytest.raises(TypeError) as caught:
        state.merge(subject.new(), other)
    assert str(caught.value) == (
        f"only {subject.kind.__name__} can be merged into one, got {type(other).__name__}"
    )
    if not isinstance(other, np.ndarray):
        assert state != other
        with pytest.raises(TypeError, match="unsupported operand"):
            state + other
        with pytest.raises(TypeError, match=r"unsupported operand|concat"):
            other + state
    assert state.to_bytes() == before


def test_a_state_counts_up_to_the_last_int64_and_refuses_one_more(subject: Subject) -> None:
    state, part = subject.new(), subject.new().update(*subject.one)
    one = copy.copy(part)
    for _ in range(63):
        state.merge(part)
        part = part + part if subject.number(part) < 2**62 else part
    assert subject.number(state) == MAX_INT64
    before = state.to_bytes()
    message = f"{2**63} {subject.unit} are more than a state can count ({MAX_INT64})"
    for refused in (
        lambda: state.update(*subject.one),
        lambda: state.merge(subject.new(), one),
        lambda: state + one,
    ):
        with pytest.raises(OverflowError) as caught:
            refused()
        assert str(caught.value) == message
        assert state.to_bytes() == before
    assert subject.number(subject.kind.from_bytes(before)) == MAX_INT64
    assert state.update(*subject.one, 0).to_bytes() == before  # a weight of 0: nothing to count


# ---- what it is ----


def test_equality_is_about_numbers_and_not_about_how_they_are_computed(subject: Subject) -> None:
    state = subject.filled()
    assert state == subject.filled(backend="reference", use_locking=False, name="other")
    assert state != subject.filled().update(*subject.one)
    assert state != subject.new()
    assert state != subject.filled(**subject.options)
    with pytest.raises(TypeError, match=f"^unhashable type: '{subject.kind.__name__}'$"):
        hash(state)


def test_repr_names_the_kind_and_shows_totals(subject: Subject) -> None:
    state = subject.filled(name="validation")
    number = subject.number(state)
    text = repr(state)
    assert text.startswith(f"{subject.kind.__name__}(")
    assert "name='validation'" in text
    assert f"num_{subject.unit}={int(number) if number == int(number) else number}" in text


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda state, protocol=protocol: pickle.loads(
            pickle.dumps(state, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_keeps_everything_and_goes_its_own_way(subject: Subject, how: str) -> None:
    state = subject.filled(
        **subject.options, use_locking=False, backend="reference", name="validation"
    ).update(*subject.weighted)
    before = state.to_bytes()
    twin = COPIES[how](state)
    assert type(twin) is subject.kind
    assert twin is not state
    assert twin == state
    assert (twin.backend, twin.use_locking, twin.name) == ("reference", False, "validation")
    assert subject.number(twin) == subject.number(state)
    assert bits(twin.compute()) == bits(state.compute())
    twin.update(*subject.one)
    assert state.to_bytes() == before
    assert twin != state
    assert COPIES[how](subject.new(use_locking=True)).update(*subject.one).use_locking


def test_bytes_and_files_come_back_whole(subject: Subject, tmp_path: Path) -> None:
    state = subject.filled(**subject.options).update(*subject.weighted)
    path, data = tmp_path / "a.fastpr", state.to_bytes()
    assert state.save(path) is None
    assert path.read_bytes() == data
    kind = subject.kind
    for source in (bytes, bytearray, memoryview):
        given_data = source(data)
        back = kind.from_bytes(given_data)
        if source is bytearray:
            given_data[:] = bytes(len(data))  # they are not kept
        assert back.to_bytes() == data
    for back in (kind.from_bytes(data), kind.load(path), kind.load(str(path))):
        assert back == state
        assert bits(back.compute()) == bits(state.compute())
        back.update(*subject.one)  # its tables are its own
        assert back != state
    assert (kind.load(path).use_locking, kind.load(path).backend) == (True, None)
    # what is not saved is an argument
    options = {"use_locking": False, "backend": "reference", "name": "a"}
    for back in (kind.from_bytes(data, **options), kind.load(path, **options)):
        assert (back.use_locking, back.backend, back.name) == (False, "reference", "a")
    with pytest.raises(ValueError, match=r"^backend must be"):
        kind.load(path, backend="fastest")


# ---- threads ----


@pytest.mark.usefixtures("_switch_often")
def test_nothing_is_lost_when_threads_update_one_state(subject: Subject) -> None:
    state = subject.new()

    def update_often() -> None:
        for _ in range(20):
            for batch in subject.batches:
                state.update(*batch)

    in_threads(*[update_often] * 6)
    assert state.to_bytes() == sum([subject.filled()] * 120).to_bytes()


@pytest.mark.usefixtures("_switch_often")
def test_merging_in_both_directions_at_once_does_not_deadlock(subject: Subject) -> None:
    a, b = subject.filled(), subject.filled()
    start = subject.number(a)

    def merge_often(into: Any, source: Any) -> None:
        for _ in range(14):
            into.merge(source, into)

    in_threads(lambda: merge_often(a, b), lambda: merge_often(b, a))
    assert min(subject.number(a), subject.number(b)) >= start * 2**14


@pytest.mark.usefixtures("_switch_often")
def test_totals_are_those_of_one_moment(subject: Subject) -> None:
    state, pair = subject.new(), subject.new().update(*subject.one).update(*subject.one)
    done = threading.Event()
    torn: list[float] = []

    def read_often() -> None:
        torn.extend(n for n in (subject.number(state) for _ in range(5_000)) if n % 2)
        done.set()

    def merge_often() -> None:
        while not done.is_set():
            state.merge(pair)

    in_threads(read_often, merge_often)
    assert not torn, f"{len(torn)} of 5000 totals were odd, though data came in pairs"


def test_a_state_without_a_lock_adds_up_in_one_thread(subject: Subject) -> None:
    state = subject.filled(use_locking=False)
    assert state.merge(subject.new(use_locking=False)) == subject.filled()
