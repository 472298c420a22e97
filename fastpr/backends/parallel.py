"""The one driver of the host backends: slices over a pool of threads, reduced in order.

Kernels are serial and release the GIL. How samples are sliced depends on their number
alone, and the parts are combined in the order of the slices, so the number of threads
changes nothing in a result.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fastpr.backends.integers import as_integer

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Part = TypeVar("Part")

# Handing work to a thread and waiting for it costs 30 to 60 us, which is what a kernel
# takes for about 100,000 samples.
MIN_PARALLEL = 1 << 20
_MIN_SLICE = 1 << 18
_MAX_SLICES = 64
_SLICE_MULTIPLE = 4096

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_num_threads: int | None = None


def _num_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """Return the number of threads that large inputs are counted with.

    The value of `set_num_threads`, else of the environment variable FASTPR_NUM_THREADS,
    else the number of CPUs this process may use.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If FASTPR_NUM_THREADS is not a positive integer.

    Examples
    --------
    >>> import fastpr
    >>> fastpr.get_num_threads() >= 1
    True
    """
    if _num_threads is not None:
        return _num_threads
    text = os.environ.get("FASTPR_NUM_THREADS", "")
    if not text:
        return _num_cpus()
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(
            f"the environment variable FASTPR_NUM_THREADS must be a positive integer, got {text!r}"
        )
    return int(text)


def set_num_threads(num_threads: int | None) -> None:
    """Set the number of threads that large inputs are counted with, in this process.

    Parameters
    ----------
    num_threads : int or None
        At least 1; 1 counts in the calling thread. None goes back to the default.

    Raises
    ------
    ValueError, TypeError
        If it is not a positive integer.

    Examples
    --------
    >>> import fastpr
    >>> fastpr.set_num_threads(1)
    >>> fastpr.get_num_threads()
    1
    >>> fastpr.set_num_threads(None)
    """
    global _num_threads
    if num_threads is not None:
        given, num_threads = num_threads, as_integer(num_threads)
        if num_threads is None:
            raise TypeError(f"num_threads must be an integer or None, got {given!r}")
        if num_threads < 1:
            raise ValueError(f"num_threads must be at least 1, got {num_threads}")
    _num_threads = num_threads


def slices(num_samples: int) -> list[tuple[int, int]]:
    """Return where to cut samples: one slice if they are few, else at most 64."""
    if num_samples < MIN_PARALLEL:
        return [(0, num_samples)]
    length = max(_MIN_SLICE, -(-num_samples // _MAX_SLICES))
    length = -(-length // _SLICE_MULTIPLE) * _SLICE_MULTIPLE
    return [(start, min(start + length, num_samples)) for start in range(0, num_samples, length)]


def _helpers(size: int) -> ThreadPoolExecutor:
    """Return the pool of this process, made anew when its size changes."""
    from concurrent.futures import ThreadPoolExecutor

    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size != size:
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool = ThreadPoolExecutor(size, thread_name_prefix="fastpr")
            _pool_size = size
        return _pool


def _forget_pool() -> None:
    """Drop what a forked child has of its parent's pool: threads do not survive a fork."""
    global _lock, _pool, _pool_size
    _lock = threading.Lock()
    _pool = None
    _pool_size = 0


class _Run:
    """One call of `run`: hands out slices, and combines their parts in order.

    What is waited for is slices, not threads: a thread that comes late finds nothing to do.
    """

    def __init__(
        self,
        work: Callable[[int], Part],
        num_slices: int,
        combine: Callable[[Part], None],
        max_ahead: int,
    ) -> None:
        self._work = work
        self._num_slices = num_slices
        self._combine = combine
        self._max_ahead = max_ahead
        self._changed = threading.Condition()
        self._next_slice = 0
        self._next_part = 0
        self._num_working = 0
        self._waiting: dict[int, Part] = {}
        self._error: BaseException | None = None

    def take_slices(self) -> None:
        while (index := self._begin()) is not None:
            try:
                part = self._work(index)
                with self._changed:
                    self._waiting[index] = part
                    while self._next_part in self._waiting:
                        self._combine(self._waiting.pop(self._next_part))
                        self._next_part += 1
            except BaseException as error:
                with self._changed:
                    self._error = self._error or error
                    self._next_slice = self._num_slices  # nobody begins another one
            finally:
                with self._changed:
                    self._num_working -= 1
                    self._changed.notify_all()

    def _begin(self) -> int | None:
        with self._changed:
            # Parts must not pile up behind a slow slice; whoever has that one never waits here.
            while (
                self._next_slice < self._num_slices
                and self._next_slice - self._next_part >= self._max_ahead
            ):
                self._changed.wait()
            if self._next_slice >= self._num_slices:
                return None
            self._num_working += 1
            self._next_slice += 1
            return self._next_slice - 1

    def finish(self) -> None:
        """Let nobody begin another slice, wait for those under way, and raise what went wrong."""
        with self._changed:
            self._next_slice = self._num_slices
            self._changed.notify_all()
            while self._num_working:
                self._changed.wait()
            self._waiting.clear()
        if self._error is not None:
            raise self._error


def run(work: Callable[[int], Part], num_slices: int, combine: Callable[[Part], None]) -> None:
    """Do `work` for each slice, on threads, and `combine` the parts in the order of slices.

    The calling thread takes part, so many threads that call at once all make progress,
    and so does one that calls when no thread can be started any more, at interpreter exit.

    Parameters
    ----------
    work : callable
        Takes the index of a slice, returns its part. Runs in several threads at once.
    num_slices : int
        Their number.
    combine : callable
        Takes a part. Never runs in two threads at once.
    """
    num_threads = get_num_threads()
    this = _Run(work, num_slices, combine, num_threads + 2)
    futures: list[Future[None]] = []
    try:
        for _ in range(min(num_threads, num_slices) - 1):
            try:
                futures.append(_helpers(num_threads - 1).submit(this.take_slices))
            except RuntimeError:  # shutting down, no more threads, or another pool just now
                break
        this.take_slices()
    finally:
        for future in futures:
            future.cancel()  # so that a queue does not keep the arrays alive
        this.finish()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
