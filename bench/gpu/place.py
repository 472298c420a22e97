"""Where the arrays are: a CUDA device, or the host as its stand-in in tests of this benchmark."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch

_BUSY_BYTES = 1 << 28
_USUAL_CACHE = 64 << 20
_USUAL_SHARED = 232_448  # what a block may ask for on an H100 or H200


class Scale(NamedTuple):
    """How much smaller than asked everything is, in powers of two."""

    samples: int
    rows: int
    classes: int
    repeats: int  # of a timed call, in each of the rounds
    step: int  # of lists of cases only every so many is tried

    def num_samples(self, log2: int) -> int:
        return 1 << max(log2 - self.samples, 12)

    def num_rows(self, number: int) -> int:
        return max(number >> self.rows, 4)

    def num_classes(self, number: int) -> int:
        return max(number >> self.classes, 200)


FULL = Scale(0, 0, 0, 20, 1)
QUICK = Scale(4, 3, 0, 5, 16)
ON_HOST = Scale(14, 9, 6, 2, 16)


class Place:
    """A device.

    Parameters
    ----------
    device : str
        As torch names it: "cuda", "cuda:1" or "cpu".
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.is_cuda = self.device.type == "cuda"
        self.name = "the host"
        self.cache_bytes, self.max_shared = 0, _USUAL_SHARED
        if not self.is_cuda:
            torch.set_num_threads(1)  # for data this small, others cost more than they help
        else:
            if self.device.index is None:
                self.device = torch.device("cuda", torch.cuda.current_device())
            torch.cuda.set_device(self.device)
            about = torch.cuda.get_device_properties(self.device)
            self.name = about.name
            self.cache_bytes = getattr(about, "L2_cache_size", _USUAL_CACHE)
            self.max_shared = getattr(about, "shared_memory_per_block_optin", _USUAL_SHARED)
        self._busy: tuple[Any, Any, float] | None = None

    def generator(self, seed: int) -> Any:
        return torch.Generator(device=self.device).manual_seed(seed)

    def num_buffers(self, num_bytes: int) -> int:
        """Return how many inputs to take in turn, so that none is in the cache when it comes."""
        return min(64, max(1, math.ceil(8 * self.cache_bytes / max(num_bytes, 1))))

    def is_alive(self) -> bool:
        """Return whether the device still answers; after a fault in a kernel it does not."""
        try:
            return int(torch.ones(3, device=self.device).sum().item()) == 3
        except RuntimeError:
            return False

    # ---- streams ----

    def synchronize(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def stream(self) -> Any:
        """Return a new stream; None on the host."""
        return torch.cuda.Stream(self.device) if self.is_cuda else None

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        """Make a stream the current one, behind what is on the one that was."""
        if stream is None:
            return nullcontext()
        stream.wait_stream(torch.cuda.current_stream(self.device))
        context: AbstractContextManager[Any] = torch.cuda.stream(stream)
        return context

    def is_idle(self) -> bool:
        """Return whether all that was queued on the current stream is done."""
        return not self.is_cuda or bool(torch.cuda.current_stream(self.device).query())

    def keep_busy(self, seconds: float) -> None:
        """Queue copies that take about so long."""
        if not self.is_cuda:
            return
        if self._busy is None:
            pair = [torch.ones(_BUSY_BYTES, dtype=torch.uint8, device=self.device) for _ in "ab"]
            pair[0].copy_(pair[1])
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in "ab")
            start.record()
            for _ in range(20):
                pair[0].copy_(pair[1])
            stop.record()
            self.synchronize()
            self._busy = (*pair, start.elapsed_time(stop) / 20e3)
        target, source, each = self._busy
        for _ in range(math.ceil(seconds / each)):
            target.copy_(source)

    # ---- times ----

    def times(self, calls: list[Callable[[], Any]], repeats: int) -> list[float]:
        """Return how many seconds the device took for each of so many calls, in turn.

        On a device these are times between events, so what the host does meanwhile does not
        count; it is given a start, so that it is always ahead.
        """
        for call in calls:
            call()
        self.synchronize()
        if not self.is_cuda:
            return [wall_time(calls[i % len(calls)]) for i in range(repeats)]
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
        self.keep_busy(0.01 + 2e-4 * repeats)
        for number, (start, stop) in enumerate(events):
            start.record()
            calls[number % len(calls)]()
            stop.record()
        self.synchronize()
        return [start.elapsed_time(stop) / 1e3 for start, stop in events]

    def wall_times(self, call: Callable[[], Any], repeats: int) -> list[float]:
        """Return how long each of some calls took on the host, until the device was done."""

        def finished() -> None:
            call()
            self.synchronize()

        finished()
        return [wall_time(finished) for _ in range(repeats)]


def wall_time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spread(seconds: list[float]) -> dict[str, Any]:
    """Return the median of times, and how far they are apart."""
    low, median, high = np.percentile(seconds, [10, 50, 90]).tolist()
    return {
        "seconds": median, "p10": low, "p90": high, "best": min(seconds), "times": len(seconds),
    }  # fmt: skip
