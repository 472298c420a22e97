"""One state and several threads: nothing is lost, nothing waits for ever."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from fastpr import PrecisionRecallAtEqualThresholds as State


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
        thread.join(30)
        assert not thread.is_alive(), "a thread is stuck"
    assert not errors, errors


@pytest.mark.usefixtures("_switch_often")
def test_nothing_is_lost_when_threads_update_one_state() -> None:
    state = State(1001, invalid="drop")
    labels = np.arange(100) % 3 == 0
    scores = np.linspace(0, 1.01, 100, dtype=np.float32)

    def update_often() -> None:
        for _ in range(100):
            state.update(labels, scores)
            state.update(labels, scores, weights=2)

    in_threads(*[update_often] * 8)
    once = State(1001, invalid="drop").update(labels, scores).update(labels, scores, 2)
    assert state.num_samples == 800 * once.num_samples
    assert state.num_dropped == 800 * once.num_dropped
    expected = once.compute().tp * 800
    assert state.compute().tp.tolist() == expected.tolist()


@pytest.mark.usefixtures("_switch_often")
def test_merging_in_both_directions_at_once_does_not_deadlock() -> None:
    a = State(3).update([0, 1, 1, 0, 1], [0.1, 0.5, 0.7, 0.9, 1.0])
    b = State(3).update([0, 1], [0.5, 0.5], weights=0.5)

    def merge_often(into: State, source: State) -> None:
        for _ in range(14):
            into.merge(source, into)

    in_threads(lambda: merge_often(a, b), lambda: merge_often(b, a))
    assert a.num_samples >= 5 * 2**14
    assert b.num_samples >= 2**14


@pytest.mark.usefixtures("_switch_often")
def test_totals_are_those_of_one_moment() -> None:
    state, pair = State(3), State(3).update([0, 1], [0.5, 0.5])
    done = threading.Event()
    torn: list[int] = []

    def read_often() -> None:
        torn.extend(n for n in (state.num_samples for _ in range(20_000)) if n % 2)
        done.set()

    def merge_often() -> None:
        while not done.is_set():
            state.merge(pair)

    in_threads(read_often, merge_often)
    assert not torn, f"{len(torn)} of 20000 totals were odd, though samples came in pairs"
