"""What a fork waits for: other threads that load something, or compile.

A child has the thread that forked, and no other. What another thread was importing in the parent
stays locked in the child for ever, and so does Numba's compiler.
"""

from __future__ import annotations

import os
import threading
from typing import Any

# Held while a part of the package is imported. The first that a fork takes: who holds another
# of the locks never waits for this one.
loading = threading.RLock()
_locks: list[Any] = [loading]


def wait_for(lock: Any) -> None:
    """Let forks wait until a lock is free, which their child finds free.

    Called while `loading` is held, as it is during an import that goes by
    `fastpr.backends.choose`.
    """
    _locks.append(lock)


def _acquire() -> None:
    for lock in _locks:
        lock.acquire()


def _release() -> None:
    for lock in reversed(_locks):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)
