"""Threads and processes in tests: nothing fails by a clock, and what is stuck says where."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

# Seconds. No test needs them, on however slow a machine: what takes longer is stuck.
FOREVER = 1800


@pytest.fixture
def _switch_often() -> Iterator[None]:
    """Let threads take turns after each few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(*tasks: Callable[[], object]) -> None:
    """Run tasks at the same time; fail if one of them does, or does not end."""
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
        thread.join(FOREVER)
        assert not thread.is_alive(), "a thread is stuck"
    assert not errors, errors
