"""Counting in processes that forked, that were spawned, and that are about to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastpr

BACKENDS = fastpr.available_backends()
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

PREAMBLE = """\
import os, signal, sys, threading, time
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

def wait_for(child, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "stuck"
"""


def run_script(path: Path, script: str, backend: str, num_threads: int = 2) -> str:
    """Run a script in a process of its own; fail unless it ends well, and return its output."""
    path.write_text(PREAMBLE.format(backend=backend) + script)
    done = subprocess.run(
        [sys.executable, "-I", str(path)],
        env={**os.environ, "FASTPR_NUM_THREADS": str(num_threads)},
        capture_output=True, text=True, timeout=60, check=False,
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
    os._exit(0 if right and wait_for(grandchild, 20) == 0 else 1)
assert count() == expected
print(wait_for(child, 30))
"""
    assert run_script(tmp_path / "script.py", script, backend, num_threads) == "0\n"


@forks
def test_a_child_that_forked_has_helpers_of_its_own(tmp_path: Path) -> None:
    script = """
from fastpr.backends import parallel
count()
child = os.fork()
if child == 0:
    together = threading.Barrier(3, timeout=10)  # broken if fewer threads come
    parallel.run(lambda index: together.wait(), 9, lambda part: None)
    os._exit(0)
print(wait_for(child, 20))
"""
    assert run_script(tmp_path / "script.py", script, BACKENDS[0], 3) == "0\n"


@forks
def test_a_child_ends_in_the_ordinary_way_after_a_fork(tmp_path: Path) -> None:
    script = """
expected = count()
child = os.fork()
if child == 0:
    sys.exit(0 if count() == expected else 1)  # joins the threads it believes it has
print(wait_for(child, 20))
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
    results.append(wait_for(child, 10))
    if results[-1] != 0:
        break
stop.set()
for thread in threads:
    thread.join()
print(set(results))
"""
    assert run_script(tmp_path / "script.py", script, backend) == "{0}\n"


@forks
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_child_that_forked_while_another_thread_compiled_can_count(
    tmp_path: Path, backend: str
) -> None:
    script = """
from fastpr.backends.choose import choose_backend
choose_backend(backend)  # imported, not compiled
thread = threading.Thread(target=count)
thread.start()
results = []
for _ in range(4):
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        right = count() == count()
        os._exit(0 if right else 1)
    results.append(wait_for(child, 40))
thread.join()
print(set(results))
"""
    assert run_script(tmp_path / "script.py", script, backend) == "{0}\n"


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
    results.append(wait_for(child, 10))
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
