"""What states do with updates that are counted later; here without any device."""

from __future__ import annotations

import copy
import operator
import os
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waiting import _switch_often, in_threads  # noqa: F401 - a fixture

from fastpr import PrecisionRecallAtEqualThresholds
from fastpr.counts.state import fine_table
from fastpr.counts.table import NO_SAMPLES, ScoreCounts
from fastpr.streaming import pending as pending_module
from fastpr.streaming.pending import UNKNOWN

BAD = "predictions hold 1 value that is not in [0, 1] (first: 2.0 at index (0,))"


def forks(test: Callable[[], None]) -> Any:
    """Mark a test that forks."""
    test = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")(test)
    return pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")(test)


class Later:
    """Device work that counts when it is asked for: good samples, or a text that says why not."""

    def __init__(self, num_thresholds: int) -> None:
        self.num_thresholds = num_thresholds
        self.items: list[tuple[Any, int]] = []
        self.num_finishes = 0
        self.errors: list[BaseException] = []
        self._busy = threading.Lock()

    def add(self, item: Any, ordinal: int) -> None:
        with self._alone():
            if isinstance(item, BaseException):
                raise item
            self.items.append((item, ordinal))

    def finish(self) -> tuple[ScoreCounts, list[tuple[int, str]]]:
        with self._alone():
            self.num_finishes += 1
            if self.errors:
                raise self.errors.pop()
            total, refused = NO_SAMPLES, []
            for item, ordinal in self.items:
                time.sleep(0)
                if isinstance(item, str):
                    refused.append((ordinal, item))
                else:
                    host = PrecisionRecallAtEqualThresholds(self.num_thresholds).update(*item)
                    total = total.plus(host._seen)
            self.items = []
            return total, refused

    def _alone(self) -> Any:
        assert self._busy.acquire(blocking=False), "two threads at once"
        lock = self._busy

        class Context:
            def __enter__(self) -> None:
                pass

            def __exit__(self, *args: object) -> None:
                lock.release()

        return Context()


class State(PrecisionRecallAtEqualThresholds):
    """A state with such device work."""

    def _new_device_work(self) -> Later:
        return Later(self.num_thresholds)

    def later(self, *item: Any) -> State:
        self._queue(item)
        return self

    def later_bad(self, text: str = BAD) -> State:
        self._queue(text)
        return self

    @property
    def work(self) -> Later:
        return self._pending._work


BATCH = [0, 1, 1], [0.1, 0.5, 0.9]
WEIGHTED = [1, 0], [0.5, 1.0], [0.25, 0.5]


def expected(num_times: int = 1) -> PrecisionRecallAtEqualThresholds:
    state = PrecisionRecallAtEqualThresholds(3)
    for _ in range(num_times):
        state.update(*BATCH)
    return state


READS: dict[str, Callable[[State], Any]] = {
    "compute": lambda state: state.compute().tp.tolist() == [2, 2, 0],
    "result": lambda state: state.result().tp.tolist() == [2, 2, 0],
    "repr": lambda state: repr(state) == "State(num_thresholds=3, num_samples=3, num_positives=2)",
    "==": lambda state: state == expected(),
    "== of another": lambda state: expected() == state,
    "to_bytes": lambda state: state.to_bytes() == expected().to_bytes(),
    "merge": lambda state: state.merge(expected()) == expected(2),
    "merge with nothing": lambda state: state.merge() == expected(),
    "merge of it": lambda state: expected().merge(state) == expected(2),
    "merge with itself": lambda state: state.merge(state) == expected(2),
    "+": lambda state: state + expected() == expected(2),
    "+ of another": lambda state: expected() + state == expected(2),
    "+=": lambda state: state.__iadd__(expected()) == expected(2),
    "sum": lambda state: sum([state]) == expected(),
    "copy": lambda state: copy.copy(state) == expected(),
    "deepcopy": lambda state: copy.deepcopy(state) == expected(),
    "pickle": lambda state: pickle.loads(pickle.dumps(state)) == expected(),
    "num_samples": lambda state: state.num_samples == 3,
    "num_positives": lambda state: state.num_positives == 2,
    "num_negatives": lambda state: state.num_negatives == 1,
    "num_dropped": lambda state: state.num_dropped == 0,
}


def message_of(call: Callable[[], object], error: type[Exception] = ValueError) -> str:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return str(caught.value)


# ---- reading ----


@pytest.mark.parametrize("read", READS)
def test_whatever_reads_a_state_waits_for_what_is_pending(read: str) -> None:
    state = State(3).later(*BATCH)
    work = state.work
    assert work.num_finishes == 0
    assert READS[read](state)
    assert work.num_finishes == 1
    state.num_samples, repr(state), state.to_bytes()
    assert work.num_finishes == 1


def test_saving_waits_for_what_is_pending(tmp_path: Path) -> None:
    state = State(3).later(*BATCH)
    state.save(tmp_path / "state")
    assert PrecisionRecallAtEqualThresholds.load(tmp_path / "state") == expected()


def test_what_tells_nothing_of_the_samples_waits_for_nothing() -> None:
    state = State(3, name="a").later(*BATCH)
    state.name = "b"
    assert (state.num_thresholds, state.use_locking, state.backend) == (3, True, None)
    state.update(*BATCH)
    assert state.thresholds.tolist() == [0, 0.5, 1]
    assert state.work.num_finishes == 0


def test_the_same_work_is_used_again() -> None:
    state = State(3).later(*BATCH)
    work = state.work
    for times in (1, 2, 3):
        assert state == expected(times)
        state.later(*BATCH)
        assert state.work is work
    state.reset()
    assert state == PrecisionRecallAtEqualThresholds(3)
    assert state.later(*BATCH).work is work
    assert state == expected()


def test_updates_on_the_host_and_on_devices_mix() -> None:
    state = State(3).update(*BATCH).later(*WEIGHTED).update(*WEIGHTED).later(*BATCH)
    assert state.num_samples == 7.5
    state.later(*BATCH).update(*BATCH)
    host = expected(4).update(*WEIGHTED).update(*WEIGHTED)
    assert state == host
    assert state.to_bytes() == host.to_bytes()


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_has_nothing_to_do_with_what_comes_later(make: Callable[[State], State]) -> None:
    state = State(3).later(*BATCH)
    other = make(state)
    state.later(*BATCH)
    other.later_bad()
    assert message_of(other.compute).startswith("update 1 ")
    assert other == expected()
    assert state == expected(2)


# ---- errors ----


@pytest.mark.parametrize("read", READS)
def test_whatever_reads_a_state_raises_what_was_wrong_once(read: str) -> None:
    state = State(3).later(*BATCH).later_bad()
    assert message_of(lambda: READS[read](state)) == (
        f"update 2 holds bad data and was left out: {BAD}"
    )
    assert READS[read](state)


def test_saving_raises_what_was_wrong_and_writes_nothing(tmp_path: Path) -> None:
    state = State(3).later_bad()
    assert message_of(lambda: state.save(tmp_path / "state")).startswith("update 1 ")
    assert not list(tmp_path.iterdir())
    state.save(tmp_path / "state")


def test_a_merge_that_raises_changes_nothing() -> None:
    state, good, bad = (State(3).later(*BATCH) for _ in range(3))
    bad.later_bad()
    assert message_of(lambda: state.merge(good, bad)).startswith("update 2 ")
    assert state == good == bad == expected()
    assert state.merge(good, bad) == expected(3)


def test_ordinals_are_those_of_all_updates_that_were_accepted() -> None:
    state = State(3).update(*BATCH).later_bad("a").later(*BATCH)
    with pytest.raises(ValueError, match="not in"):
        state.update([0], [1.5])  # raises at once, and does not count
    with pytest.raises(MemoryError):
        state._queue(MemoryError())  # so does what cannot be started
    state.update(*BATCH).later_bad("b")
    assert message_of(state.compute) == (
        "updates 2 and 5 hold bad data and were left out. Update 2: a. Update 5: b"
    )
    assert state == expected(3)
    state.later_bad("c")
    assert message_of(state.compute) == "update 6 holds bad data and was left out: c"
    state.reset()
    assert message_of(state.later(*BATCH).later_bad("d").compute) == (
        "update 2 holds bad data and was left out: d"
    )


def test_merging_and_copying_count_no_updates() -> None:
    state = (expected() + State(3).later(*BATCH)).merge(expected())
    assert state == expected(3)
    other = State(3).later(*BATCH).merge(expected()).later_bad()
    assert message_of(other.compute).startswith("update 2 ")
    assert message_of(copy.copy(other).later_bad().compute).startswith("update 1 ")


def test_an_update_that_cannot_be_started_leaves_no_trace() -> None:
    state = State(3)
    with pytest.raises(MemoryError):
        state._queue(MemoryError())
    assert state == State(3)
    assert state.later(*BATCH) == expected()


def test_of_many_bad_updates_the_first_are_named() -> None:
    state = State(3)
    for number in range(1, 61):
        state.later_bad(f"text {number}")
    assert message_of(state.compute) == (
        f"updates {', '.join(map(str, range(1, 21)))} and 40 more hold bad data and were left "
        f"out. {'. '.join(f'Update {n}: text {n}' for n in range(1, 9))}"
    )
    for number in range(1, 22):
        state.later_bad(str(number))
    assert ", 80 and 1 more hold" in message_of(state.compute)


def test_updates_of_which_only_the_number_is_known_are_counted() -> None:
    refused = [UNKNOWN, (3, "b"), *((number, "c") for number in range(5, 25)), (1, "a"), UNKNOWN]
    text = str(pending_module.bad_updates(refused))
    assert text.startswith("updates 1, 3, 5, ")
    assert ", 22 and 4 more hold" in text


def test_reset_forgets_bad_updates() -> None:
    state = State(3).update(*BATCH).later_bad().later(*BATCH)
    state.reset()
    assert state == State(3)
    state.later_bad().work.errors = [OverflowError("too large")]
    state.reset()
    assert state == State(3)
    assert state.later(*BATCH) == expected()


def test_too_large_sums_leave_out_what_was_not_read() -> None:
    state = State(3).update(*BATCH).later(*BATCH)
    state.work.errors = [OverflowError("the sum is too large")]
    assert message_of(state.compute, OverflowError) == (
        "the sum is too large (update 2, not read before, left out)"
    )
    assert state == expected()
    state.later(*BATCH).update(*BATCH).later(*BATCH)
    state.work.errors = [OverflowError("the sum is too large")]
    assert message_of(lambda: repr(state), OverflowError) == (
        "the sum is too large (those updates from 3 to 5 that were on a device, not read before, "
        "left out)"
    )
    assert state == expected(2)


def test_too_large_sums_with_what_was_seen_before() -> None:
    huge = [1], [0.5], 1.7e308
    state = State(3).update(*huge).later(*huge)
    before = PrecisionRecallAtEqualThresholds(3).update(*huge)
    assert "(update 2, not read before, left out)" in message_of(state.compute, OverflowError)
    assert state == before


def test_reading_that_was_interrupted_can_be_done_again() -> None:
    state = State(3).later(*BATCH)
    for error in (KeyboardInterrupt(), RuntimeError("a kernel of somebody else failed")):
        state.work.errors = [error]
        with pytest.raises(type(error)):
            state.compute()
    assert state == expected()


# ---- threads ----


@pytest.mark.usefixtures("_switch_often")
def test_nothing_is_lost_when_threads_update_and_read() -> None:
    state, done, raised = State(3), threading.Event(), []

    def update_often() -> None:
        for number in range(60):
            state.later(*BATCH)
            if number % 20 == 0:
                state.later_bad()
            state.update(*BATCH)

    def read_often() -> None:
        while not done.is_set():
            try:
                assert state.num_samples % 3 == 0
                copy.copy(state).merge(state)
            except ValueError as error:
                raised.append(str(error))

    reader = threading.Thread(target=read_often)
    reader.start()
    in_threads(*[update_often] * 4)
    done.set()
    reader.join()
    try:
        state.compute()
    except ValueError as error:
        raised.append(str(error))
    assert state.num_samples == 3 * 2 * 4 * 60
    named = {int(word) for text in raised for word in text.split(":")[0].replace(",", " ").split()
             if word.isdecimal()}  # fmt: skip
    assert len(named) == 12
    assert max(named) <= 4 * (2 * 60 + 3)


def test_a_state_without_a_lock_reads_too() -> None:
    state = State(3, use_locking=False).later(*BATCH).later_bad()
    assert message_of(state.compute).startswith("update 2 ")
    assert state == expected()


# ---- processes ----


def in_child(task: Callable[[], object]) -> int:
    """Run a task in a child that forked; return 0 if it returns, 2 if it raises RuntimeError."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        task()
        status = 0
    except RuntimeError as error:
        status = 2 if "call compute() before forking, or reset()" in str(error) else 3
    finally:
        os._exit(status)


@forks
def test_a_child_does_not_touch_what_its_parent_has_pending() -> None:
    state = State(3).later(*BATCH)
    for task in (state.compute, state.compute, lambda: state.later(*BATCH), lambda: repr(state)):
        assert in_child(task) == 2

    def goes_on_after_reset() -> None:
        work = state.work
        state.reset()
        assert work.num_finishes == 0
        assert state == State(3)
        assert state.later(*BATCH) == expected()
        assert state.work is not work

    assert in_child(goes_on_after_reset) == 0
    assert state == expected()


@forks
def test_a_child_goes_on_with_a_state_that_was_read() -> None:
    state = State(3).later(*BATCH)
    state.compute()
    work = state.work

    def goes_on() -> None:
        assert state == expected()
        assert state.later(*BATCH) == expected(2)
        assert work.num_finishes == 1

    assert in_child(goes_on) == 0
    assert state.later(*BATCH) == expected(2)


def test_a_state_that_is_new_has_no_work() -> None:
    state = PrecisionRecallAtEqualThresholds(3).update(*BATCH)
    assert state._pending is None
    assert copy.copy(state)._pending is None
    state.reset()
    assert state == PrecisionRecallAtEqualThresholds(3)


def test_counts_of_work_are_added_as_they_are() -> None:
    counts = np.arange(6).reshape(2, 3)
    state = State(3)
    state.later(*BATCH)
    state.work.finish = lambda: (ScoreCounts(counts, None, 15, 4), [])
    assert (state.num_dropped, state.num_samples) == (4, 15)


def test_what_does_not_go_with_what_was_seen_is_left_out() -> None:
    """Values of two dtypes, counted by two threads at once, of which each was the first."""
    state = State(3, resolution="exact").update([1, 0], np.uint8([7, 9]))
    host = copy.copy(state)
    state.later(*BATCH)
    half = ScoreCounts(np.ones((2, 15_361), np.int64), None, 30_722, 0, frozenset({"float16"}))
    state.work.finish = lambda: (half, [])
    assert message_of(state.compute) == (
        "with resolution='exact' a state counts the values of one dtype; it has seen scores of "
        "uint8, and these are of float16; keep one state for each dtype (update 2, not read "
        "before, left out)"
    )
    assert state == host


# ---- differences ----


@pytest.mark.parametrize("subtract", [operator.sub, operator.isub])
def test_a_difference_waits_for_what_is_pending_in_both(subtract: Callable[..., Any]) -> None:
    state, other = State(3).later(*BATCH).later(*BATCH), State(3).later(*BATCH)
    works = state.work, other.work
    assert subtract(state, other) == expected()
    assert [work.num_finishes for work in works] == [1, 1]
    state, bad = State(3).later(*BATCH), State(3).later_bad()
    assert message_of(lambda: subtract(state, bad)).startswith("update 1 ")
    assert state == expected()
    bad.later(*BATCH)
    assert message_of(lambda: subtract(State(3).later_bad(), bad)).startswith("update 1 ")
    assert subtract(state, bad) == PrecisionRecallAtEqualThresholds(3)
    assert bad == expected()


def test_whatever_comes_from_the_samples_waits_for_them() -> None:
    for read, answer in (
        (lambda state: state.dtypes, ("float64",)),
        (lambda state: state.curve().num_positives, 2),
        (lambda state: state.coarsen(2).num_samples, 3),
        (lambda state: fine_table(state).sum(), 3),
    ):
        state = State(3).later(*BATCH)
        assert read(state) == answer
        assert state.work.num_finishes == 1
        state.later_bad()
        assert message_of(lambda state=state, read=read: read(state)).startswith("update 2 ")
