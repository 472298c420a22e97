"""What a fork waits for: other threads that load something, or compile.

A child has the thread that forked, and no other. What another thread was importing in the parent
stays locked in the child for ever, and so does Numba's compiler.

Of what is registered to run before a fork, the last comes first. Whoever registers after this
module may so hold a lock while the fork waits here for a thread that needs that lock to go on:
those of the standard library are therefore loaded before, and no wait is without end.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401
import logging  # noqa: F401
import os
import threading
from typing import Any

# Held while a part of the package is imported. The first that a fork takes: who holds another
# of the locks never waits for this one.
loading = threading.RLock()
_locks: list[Any] = [loading]
_taken = threading.local()  # by a thread that forks
_LONGEST_WAIT = 60.0  # seconds for each lock; then the child may be one that cannot load


def wait_for(lock: Any) -> None:
    """Let forks wait until a lock is free, which their child finds free.

    Called while `loading` is held, as it is during an import that goes by
    `fastpr.backends.choose`.

    Parameters
    ----------
    lock : threading.RLock
        Or what has one as ``_lock``, as the lock of Numba's compiler.
    """
    _locks.append(getattr(lock, "_lock", lock))


def _acquire() -> None:
    _taken.locks = []
    for lock in _locks:  # which grows while `loading` is waited for
        if lock.acquire(timeout=_LONGEST_WAIT):
            _taken.locks.append(lock)


def _release() -> None:
    while _taken.locks:
        _taken.locks.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)
