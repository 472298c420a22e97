"""The data that is timed, and the measure that all times are compared with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def uniform(num: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Scores spread evenly over [0, 1): every bin in turn, no two alike."""
    scores = rng.random(num, dtype=np.float32)
    return scores, rng.random(num, dtype=np.float32) < scores


def skewed(num: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """85 % in the lowest bin, 10 % at 1, 5 % anywhere, shuffled."""
    place = rng.random(num, dtype=np.float32)
    scores = rng.random(num, dtype=np.float32)
    scores[place < 0.95] = 1
    scores[place < 0.85] = 0.001
    return scores, rng.random(num, dtype=np.float32) < scores


def coherent(num: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Long runs near 0 and 1, as a trained network's masks have; 2000 samples on average."""
    runs = rng.geometric(1 / 2000, size=num // 1000 + 16)
    labels = np.repeat(np.arange(runs.size) % 2, runs)[:num].astype(bool)
    assert labels.size == num
    noise = rng.random(num, dtype=np.float32)
    noise *= np.float32(0.004)
    return np.where(labels, 1 - noise, noise), labels


DISTRIBUTIONS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "uniform": uniform,
    "iid skew 85/10/5": skewed,
    "coherent masks": coherent,
}


def seconds_of(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def make_reader(num_threads: int) -> Callable[[np.ndarray], None]:
    """Return a function that reads an array with that many threads and does nothing else."""
    import numba

    @numba.njit(nogil=True)
    def read(words, out):
        any_bits = np.int64(0)
        for index in range(len(words)):
            any_bits |= words[index]
        out[0] |= any_bits

    read(np.zeros(8, np.int64), np.zeros(1, np.int64))

    def run(array: np.ndarray) -> None:
        words = array.view(np.int64)
        out = np.zeros((num_threads, 8), np.int64)
        threads = [
            threading.Thread(target=read, args=(part, out[number]))
            for number, part in enumerate(np.array_split(words, num_threads))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run
