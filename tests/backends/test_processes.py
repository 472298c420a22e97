"""Counting in processes that forked, that were spawned, and that are about to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import FOREVER

import fastpr

BACKENDS = fastpr.available_backends()
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

PREAMBLE = """\
import faulthandler, os, signal, sys, threading
import numpy as np
import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State

backend = {backend!r}
num_samples = 1 << 21
scores = np.linspace(0, 1, num_samples, dtype=np.float32)
labels = scores > 0.5

def count():
    data = State(3, backend=backend).update(labels, scores).compute()
    return data.tp.tolist(), data.tn.tolist()

def wait_for(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

# What is stuck, on however slow a machine, says where, and ends.
if hasattr(signal, "alarm"):
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm({forever} // 2)
    os.register_at_fork(after_in_child=lambda: signal.alarm({forever} // 2))
"""


def run_script(path: Path, script: str, backend: str, num_threads: int = 2) -> str:
    """Run a script in a process of its own; fail unless it ends well, and return its output."""
    path.write_text(PREAMBLE.format(backend=backend, forever=FOREVER) + script)
    done = subprocess.run(
        [sys.executable, "-I", str(path)],
        env={**os.environ, "FASTPR_NUM_THREADS": str(num_threads)},
        capture_output=True, text=True, timeout=FOREVER, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@forks
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_child_that_forked_after_use_counts_right(
    tmp_path: Path, backend: str, num_threads: int
) -> None:
    script = """
expected = count()
child = os.fork()
if child == 0:
    right = count() == expected and count() == expected
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(0 if count() == expected else 1)
    os._exit(0 if right and wait_for(grandchild) == 0 else 1)
assert count() == expected
print(wait_for(child))
"""
    assert run_script(tmp_path / "script.py", script, backend, num_threads) == "0\n"


@forks
def test_a_child_that_forked_has_helpers_of_its_own(tmp_path: Path) -> None:
    script = """
from fastpr.backends import parallel
count()
child = os.fork()
if child == 0:
    together = threading.Barrier(3)  # of three threads
    parallel.run(lambda index: together.wait(), 9, lambda part: None)
    os._exit(0)
print(wait_for(child))
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0], 3) == "0\n"


@forks
def test_a_child_ends_in_the_ordinary_way_after_a_fork(tmp_path: Path) -> None:
    script = """
expected = count()
child = os.fork()
if child == 0:
    sys.exit(0 if count() == expected else 1)  # joins the threads it believes it has
print(wait_for(child))
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0]) == "0\n"


@forks
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_child_can_go_on_with_a_state_that_other_threads_were_updating(
    tmp_path: Path, backend: str
) -> None:
    script = """
# adding such tables takes a while, in which the lock is held
state = State(65537, backend=backend)
one = np.ones(1, bool), np.full(1, 0.5, np.float32)
state.update(*one)  # compiles
stop = threading.Event()

def update_often():
    while not stop.is_set():
        state.update(*one)

threads = [threading.Thread(target=update_often) for _ in range(2)]
for thread in threads:
    thread.start()
results = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        before = state.num_samples
        state.update(*one)
        os._exit(0 if state.num_samples == before + 1 else 1)
    results.append(wait_for(child))
    if results[-1] != 0:
        break
stop.set()
for thread in threads:
    thread.join()
print(set(results))
"""
    assert run_script(tmp_path / "script.py", script, backend) == "{0}\n"


FIRST_USES = {
    "import": "fastpr.available_backends()",
    "count": "count()",
    "names": "[getattr(fastpr, name) for name in fastpr.__all__]",
}


@forks
@pytest.mark.parametrize("first_use", FIRST_USES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_child_that_forked_during_the_first_use_in_another_thread_can_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, first_use: str
) -> None:
    if first_use == "count":  # and compile
        monkeypatch.setenv("FASTPR_NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    script = f"""
thread = threading.Thread(target=lambda: {FIRST_USES[first_use]})
children = []
thread.start()
while thread.is_alive() and len(children) < 20:
    child = os.fork()
    if child == 0:
        os._exit(0 if count() == count() else 1)
    children.append(child)
    thread.join(0.01)
thread.join()
print(set(map(wait_for, children)) <= {{0}})
"""
    assert run_script(tmp_path / "script.py", script, backend) == "True\n"


# Modules that are loaded where no fork would wait for them, as [name, where].
FIND_UNLOCKED_IMPORTS = """
import traceback
from fastpr.backends import forks

found = []

def hook(event, arguments):
    if event == "import" and threading.current_thread() is thread:
        if not any(lock._is_owned() for lock in forks._locks):
            found.append([arguments[0], traceback.format_stack()[-3:]])

def use():
    state = State(3, backend=backend).update(labels, scores)
    state.update(labels[:9], scores[:9], weights=np.ones(9)).update([1, 0], [0.5, 0.2])
    state.compute()
    State.from_bytes(state.to_bytes())
    rows = np.linspace(0, 1, 1_500_000, dtype=np.float32).reshape(300, 5000)
    metrics = fastpr.RankingMetrics(3, backend=backend).update(np.zeros((300, 1), int), rows)
    metrics.compute()
    fastpr.average_precision_at_k([[1, 2]], np.ones((1, 5)), 3, backend=backend)
    if "numba" in fastpr.available_backends():
        fastpr.exact.roc_auc_score(labels, scores)

thread = threading.Thread(target=use)
sys.addaudithook(hook)
thread.start()
thread.join()
print(*(line for name, where in found for line in (name, *where)), sep="\\n")
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fork_waits_for_everything_that_another_thread_loads(
    tmp_path: Path, backend: str
) -> None:
    assert run_script(tmp_path / "script.py", FIND_UNLOCKED_IMPORTS, backend) == "\n"


@forks
def test_a_fork_does_not_wait_for_a_thread_that_waits_for_the_fork(tmp_path: Path) -> None:
    """Logging takes its lock before a fork, and a module that is being loaded may want it."""
    script = """
import logging
from fastpr.backends import forks

forks._LONGEST_WAIT = 1e6
forking, loading = threading.Event(), threading.Event()

def load():
    with forks.loading:
        loading.set()
        forking.wait()
        logging.getLogger("other")

class Lock:  # says that the fork has begun to wait
    def acquire(self, timeout):
        return True
    def release(self):
        pass

class First(Lock):
    def acquire(self, timeout):
        forking.set()
        return forks.loading.acquire(timeout=timeout)
    def release(self):
        forks.loading.release()

forks._locks.insert(0, First())
thread = threading.Thread(target=load)
thread.start()
loading.wait()
child = os.fork()
if child == 0:
    os._exit(0)
thread.join()
print(wait_for(child))
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0]) == "0\n"


@forks
def test_a_fork_while_other_threads_count_leaves_both_sides_working(tmp_path: Path) -> None:
    script = """
expected = count()
stop = threading.Event()
wrong = []

def count_often():
    while not stop.is_set():
        if count() != expected:
            wrong.append(1)

threads = [threading.Thread(target=count_often) for _ in range(3)]
for thread in threads:
    thread.start()
results = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if count() == expected else 1)
    results.append(wait_for(child))
stop.set()
for thread in threads:
    thread.join()
print(set(results), wrong)
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0]) == "{0} []\n"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_handler_at_exit_can_still_count(tmp_path: Path, backend: str) -> None:
    script = """
import atexit
expected = count()
atexit.register(lambda: print("at exit", count() == expected))
"""
    assert run_script(tmp_path / "script.py", script, backend, 4) == "at exit True\n"


def test_the_first_count_of_all_can_be_at_exit(tmp_path: Path) -> None:
    script = """
import atexit
atexit.register(lambda: print("at exit", count()[0]))
"""
    expected = f"at exit {[1 << 20, 1 << 20, 1]}\n"
    assert run_script(tmp_path / "script.py", script, BACKENDS[0], 4) == expected


def test_a_thread_can_count_while_the_main_thread_has_ended(tmp_path: Path) -> None:
    script = """
expected = count()

def late():
    threading.main_thread().join()
    print("late", count() == expected)

threading.Thread(target=late).start()
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0], 4) == "late True\n"


def test_spawned_processes_count_and_send_their_states_back(tmp_path: Path) -> None:
    script = """
import multiprocessing

def part(index):
    return State(11, backend=backend).update(labels[index::2], scores[index::2])

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        states = pool.map(part, range(2))
    print(sum(states) == State(11).update(labels, scores))
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0]) == "True\n"
