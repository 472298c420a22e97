"""Locks of states, which a forked child finds open."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar
from weakref import WeakSet


class ForkSafeLock:
    """A lock that a forked child finds open, whoever held it in the parent.

    Only for critical sections that replace one reference, so that there is nothing half done, or
    that hand work to a device, which a child leaves alone.

    Attributes
    ----------
    current : threading.Lock
        The lock to take, asked for each time: a child has another one than its parent.
    """

    _all: ClassVar[WeakSet[ForkSafeLock]] = WeakSet()

    def __init__(self) -> None:
        self.current = threading.Lock()
        self._all.add(self)

    @classmethod
    def _open_all(cls) -> None:
        for lock in list(cls._all):
            lock.current = threading.Lock()


class NoLock:
    """What stands in for a lock where none is wanted."""

    current: ClassVar[AbstractContextManager[None]] = nullcontext()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ForkSafeLock._open_all)
