"""Timing a call beside the reading of the same memory, with the same threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba
import numpy as np
from distributions import Array
from workloads import Subject

import fastpr

_CYCLES_OF_A_LINK = 4  # a multiplication (3) and an exclusive or (1), on x86 and most of ARM


@numba.njit(nogil=True)  # type: ignore[misc]
def _read(words: Array, out: Array) -> None:
    """Read words and do nothing else that takes time.

    Four places at once: the prefetchers of a core follow several streams, and reach a higher
    bandwidth with them than with one.
    """
    length = len(words) // 4
    first, second = words[:length], words[length : 2 * length]
    third, fourth = words[2 * length : 3 * length], words[3 * length : 4 * length]
    bits = np.int64(0)
    for index in range(length):
        bits |= first[index] | second[index] | third[index] | fourth[index]
    out[0] |= bits


@numba.njit  # type: ignore[misc]
def _chain(num: int, number: int, factor: int, mask: int) -> int:
    """Do multiplications of which each needs the one before."""
    for _ in range(num):
        number = (number * factor) ^ mask
    return number


def clock_frequency() -> float:
    """Return how many cycles a second a core makes now, from a chain of known latency."""
    _chain(1, 3, 5, 7)
    num = 1_000_000
    best = min(seconds_of(lambda: _chain(num, 3, 5, 7)) for _ in range(5))
    return _CYCLES_OF_A_LINK * num / best


def seconds_of(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Reader:
    """Threads that read arrays, each its own part of every array."""

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="reader")
        self._out = np.zeros((num_threads, 8), np.int64)  # a cache line each
        _read(np.zeros(8, np.int64), self._out[0])

    def read(self, arrays: list[Array], passes: int = 1) -> None:
        flat = [array.reshape(-1).view(np.uint8) for array in arrays]
        words = [array[: len(array) // 8 * 8].view(np.int64) for array in flat]
        parts = [np.array_split(array, self._num_threads) for array in words]

        def work(number: int) -> None:
            for _ in range(passes):
                for part in parts:
                    _read(part[number], self._out[number])

        if self._num_threads == 1:
            work(0)
        else:
            list(self._pool.map(work, range(self._num_threads)))


@cache
def reader_of(num_threads: int) -> Reader:
    return Reader(num_threads)


def spread(seconds: list[float]) -> dict[str, Any]:
    """Return the best, the median and the spread of some times."""
    first, median, third = np.quantile(seconds, [0.25, 0.5, 0.75])
    return {
        "best": min(seconds),
        "median": float(median),
        "iqr": float(third - first),
        "rounds": len(seconds),
    }


@contextmanager
def counting_with(subject: Subject, num_threads: int) -> Iterator[int]:
    """Let a subject be the one that counts; gives the number of its threads."""
    before = fastpr.get_num_threads()
    threads = subject.threads or num_threads
    fastpr.set_num_threads(threads)
    variant = None
    if subject.variant:
        from fastpr.backends.c import library as c

        variant = c.variant_name()
        c.use_variant(subject.variant)
    try:
        yield threads
    finally:
        fastpr.set_num_threads(before)
        if variant is not None:
            c.use_variant(variant)


def measure(
    benchmark: Any,
    call: Callable[[], Any],
    arrays: list[Array],
    threads: int,
    rounds: int,
    beside: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time a call, with a reading of its arrays before each round.

    Memory bandwidth on a shared machine comes in gusts. So each round has a reading beside it
    that lasts about as long, and fractions are given of the best of both and as the median over
    rounds. What is to be compared with the call, `beside`, is timed in turn with it for the same
    reason.

    Returns
    -------
    dict
        Of plain values: times of the call, of one reading, and what follows from them. Empty
        where pytest-benchmark is told not to time.
    """
    reader = reader_of(threads)
    call()
    own = seconds_of(call)
    passes = int(np.clip(round(own / seconds_of(lambda: reader.read(arrays))), 3, 10))
    reads: list[float] = []
    others: list[float] = []

    def setup() -> None:
        reads.append(seconds_of(lambda: reader.read(arrays, passes)) / passes)
        if beside is not None:
            others.append(seconds_of(beside))

    benchmark.pedantic(call, setup=setup, rounds=rounds)
    if benchmark.stats is None:
        return {}
    seconds = list(benchmark.stats.stats.data)
    size = sum(array.nbytes for array in arrays)
    times, reading = spread(seconds), spread(reads)
    return {
        "threads": threads,
        "bytes": size,
        "seconds": times,
        "read_seconds": reading,
        "gigabytes_per_second": size / times["best"] / 1e9,
        "read_gigabytes_per_second": size / reading["best"] / 1e9,
        "of_read": reading["best"] / times["best"],
        "of_read_median": float(np.median(np.divide(reads, seconds))),
        "gigahertz": clock_frequency() / 1e9,
        **({"of_auto": min(others) / times["best"]} if others else {}),
    }


def measure_alone(
    benchmark: Any, call: Callable[[], Any], rounds: int, iterations: int = 1
) -> dict[str, Any]:
    """Time a call without a reading beside it."""
    call()
    benchmark.pedantic(call, rounds=rounds, iterations=iterations)
    if benchmark.stats is None:
        return {}
    return {"seconds": spread(list(benchmark.stats.stats.data))}
