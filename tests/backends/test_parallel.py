"""The driver: every slice once, parts in order, whatever the threads do."""

from __future__ import annotations

import signal
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from compare import assert_same_data
from hypothesis import given
from hypothesis import strategies as st
from waiting import FOREVER

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.backends import parallel

BACKENDS = fastpr.available_backends()
MANY = 100_000  # slices that take 20 ms: half an hour
LIMIT = 1 << 20  # samples from which several threads count


@pytest.fixture(autouse=True)
def _default_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("FASTPR_NUM_THREADS", raising=False)
    yield
    fastpr.set_num_threads(None)


def is_helper() -> bool:
    return threading.current_thread().name.startswith("fastpr")


# ---- slices ----


@given(st.one_of(st.integers(0, 2**22), st.integers(0, 2**45)))
def test_slices_cover_every_sample_once_and_in_order(num_samples: int) -> None:
    slices = parallel.slices(num_samples)
    assert slices[0][0] == 0
    assert slices[-1][1] == num_samples
    assert all(stop == start for (_, stop), (start, _) in pairwise(slices))
    assert 1 <= len(slices) <= 64
    if num_samples:
        assert all(start < stop for start, stop in slices)


def test_few_samples_are_one_slice_and_more_are_several() -> None:
    assert parallel.slices(0) == [(0, 0)]
    assert parallel.slices(LIMIT - 1) == [(0, LIMIT - 1)]
    assert len(parallel.slices(LIMIT)) > 1
    assert len(parallel.slices(2**40)) == 64


# ---- running them ----


@pytest.mark.parametrize("num_threads", [1, 2, 7, 100])
@pytest.mark.parametrize("num_slices", [0, 1, 2, 7, 64])
def test_each_slice_is_worked_once_and_parts_combine_in_order(
    num_threads: int, num_slices: int
) -> None:
    fastpr.set_num_threads(num_threads)
    worked: list[int] = []
    combined: list[int] = []
    combining = threading.Lock()

    def work(index: int) -> int:
        time.sleep(0.002 * (index * 7 % 5))
        worked.append(index)
        return index * index

    def combine(part: int) -> None:
        assert combining.acquire(blocking=False), "two threads combine at once"
        combined.append(part)
        combining.release()

    parallel.run(work, num_slices, combine)
    assert sorted(worked) == list(range(num_slices))
    assert combined == [index * index for index in range(num_slices)]


@pytest.mark.parametrize("num_threads", [1, 2, 4])
def test_as_many_threads_work_as_were_asked_for(num_threads: int) -> None:
    fastpr.set_num_threads(num_threads)
    together = threading.Barrier(num_threads, timeout=FOREVER)
    seen: set[int] = set()

    def work(index: int) -> None:
        seen.add(threading.get_ident())
        together.wait()

    parallel.run(work, 3 * num_threads, lambda part: None)
    assert len(seen) == num_threads
    assert threading.get_ident() in seen


@pytest.mark.parametrize("in_helper", [False, True])
@pytest.mark.parametrize("error", [ValueError("slice"), MemoryError(), KeyboardInterrupt()])
def test_an_error_in_any_thread_is_raised_and_stops_the_rest(
    in_helper: bool, error: BaseException
) -> None:
    fastpr.set_num_threads(2)
    other_began = threading.Event()
    worked: list[int] = []

    def work(index: int) -> None:
        worked.append(index)
        if is_helper() == in_helper:
            assert other_began.wait(FOREVER)
            raise error
        other_began.set()
        time.sleep(0.02)

    with pytest.raises(type(error)) as caught:
        parallel.run(work, MANY, lambda part: None)
    assert caught.value is error
    assert len(worked) < MANY
    parts: list[int] = []
    parallel.run(lambda index: index, 10, parts.append)
    assert parts == list(range(10))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_an_error_in_combine_is_raised(num_threads: int) -> None:
    fastpr.set_num_threads(num_threads)

    def combine(part: int) -> None:
        if part == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parallel.run(lambda index: index, 10, combine)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_ctrl_c_stops_a_run_and_the_next_one_works(num_threads: int) -> None:
    fastpr.set_num_threads(num_threads)
    worked: list[int] = []

    def work(index: int) -> None:
        worked.append(index)
        if is_helper():
            time.sleep(0.02)
        else:
            signal.raise_signal(signal.SIGINT)

    # A shell starts what runs in its background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            parallel.run(work, MANY, lambda part: None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(worked) < MANY
    parts: list[int] = []
    parallel.run(lambda index: index, 10, parts.append)
    assert parts == list(range(10))


def test_runs_within_runs_do_not_wait_for_each_other() -> None:
    fastpr.set_num_threads(2)
    sums: list[int] = []

    def work(index: int) -> int:
        inner: list[int] = []
        parallel.run(lambda i: i * index, 5, inner.append)
        return sum(inner)

    parallel.run(work, 20, sums.append)
    assert sums == [10 * index for index in range(20)]


def test_every_slice_is_in_the_result_when_no_more_threads_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A pool queues work before it starts the thread for it. If that fails, a thread that
    # another run keeps busy finds the work later and takes a slice of a run by then over.
    start = threading.Thread.start
    helpers: list[threading.Thread] = []

    def limited_start(thread: threading.Thread) -> None:
        if thread.name.startswith("fastpr"):
            if helpers:
                raise RuntimeError("can't start new thread")
            helpers.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited_start)
    fastpr.set_num_threads(3)
    helper_is_busy, go_on = threading.Event(), threading.Event()

    def occupy(index: int) -> None:
        if is_helper():
            helper_is_busy.set()
            assert go_on.wait(FOREVER)
        else:
            assert helper_is_busy.wait(FOREVER)

    other_caller = threading.Thread(target=parallel.run, args=(occupy, 2, lambda part: None))
    other_caller.start()
    assert helper_is_busy.wait(FOREVER)

    def work(index: int) -> int:
        go_on.set()
        if is_helper():
            over.wait(1)  # slower than all the others together
        else:
            time.sleep(0.02)
        return index

    over = threading.Event()
    parts: list[int] = []
    try:
        parallel.run(work, 6, parts.append)
        assert parts == list(range(6))
    finally:
        over.set()
        other_caller.join()
        fastpr.set_num_threads(4)
        monkeypatch.undo()


def test_the_number_of_threads_can_change_while_a_run_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([4])
    monkeypatch.setattr(parallel, "get_num_threads", lambda: next(answers, 1))
    parts: list[int] = []
    parallel.run(lambda index: index, 10, parts.append)
    assert parts == list(range(10))


def test_a_slow_slice_does_not_make_the_parts_of_the_others_pile_up() -> None:
    fastpr.set_num_threads(2)
    tracemalloc.start()

    def work(index: int) -> np.ndarray:
        time.sleep(0 if index else 0.3)  # a thread that the system left waiting
        return np.zeros((2, 65_537))

    try:
        parallel.run(work, 64, lambda part: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 16 * 2**20, f"{peak / 2**20:.0f} MiB beside the input"


# ---- the number of threads ----


def test_the_number_of_threads_is_set_then_of_the_environment_then_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    default = fastpr.get_num_threads()
    assert default >= 1
    monkeypatch.setenv("FASTPR_NUM_THREADS", "3")
    assert fastpr.get_num_threads() == 3
    fastpr.set_num_threads(np.int64(5))
    assert fastpr.get_num_threads() == 5
    assert type(fastpr.get_num_threads()) is int
    fastpr.set_num_threads(None)
    assert fastpr.get_num_threads() == 3
    monkeypatch.setenv("FASTPR_NUM_THREADS", " 4 ")
    assert fastpr.get_num_threads() == 4
    monkeypatch.setenv("FASTPR_NUM_THREADS", "")
    assert fastpr.get_num_threads() == default


# ---- counting ----


def some_samples(num_samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(num_samples)
    scores = random.random(num_samples, dtype=np.float32)
    return random.random(num_samples) < scores, scores, random.random(num_samples)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_number_of_threads_changes_no_bit(backend: str, weighted: bool) -> None:
    labels, scores, weights = some_samples(2 * LIMIT + 12_345)
    states = []
    for num_threads in (1, 2, 7):
        fastpr.set_num_threads(num_threads)
        state = State(backend=backend).update(labels, scores, weights if weighted else None)
        states.append(state)
    assert states[0].to_bytes() == states[1].to_bytes() == states[2].to_bytes()
    assert_same_data(states[2].compute(), states[0].compute())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("num_samples", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_nothing_changes_where_several_threads_begin_to_count(
    backend: str, num_samples: int
) -> None:
    fastpr.set_num_threads(2)
    eighths = (np.arange(num_samples) * 2_654_435_761 >> 7) % 9
    labels = np.arange(num_samples) % 3 == 0
    counts = State(9, backend=backend).update(labels, (eighths / 8).astype(np.float32)).compute()
    in_bins = np.bincount(eighths[labels], minlength=9), np.bincount(eighths[~labels], minlength=9)
    assert counts.tp.tolist() == in_bins[0][::-1].cumsum()[::-1].tolist()
    assert counts.fp.tolist() == in_bins[1][::-1].cumsum()[::-1].tolist()


def test_many_threads_that_call_at_once_all_get_their_result() -> None:
    labels, scores, weights = some_samples(LIMIT + 77)
    fastpr.set_num_threads(3)
    expected = State().update(labels, scores).to_bytes()
    expected_sums = State().update(labels, scores, weights).to_bytes()
    shared = State()

    def call(index: int) -> bytes:
        shared.update(labels, scores)
        return State().update(labels, scores, weights if index % 2 else None).to_bytes()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(call, range(16)))
    assert results[::2] == [expected] * 8
    assert results[1::2] == [expected_sums] * 8
    assert shared.num_samples == 16 * (LIMIT + 77)
