"""Counting samples that are on the host: they are copied to a device while it counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda import device as cuda_device
from fastpr.backends.cuda.device import Device
from fastpr.backends.cuda.histogram.request import Address, CountRequest
from fastpr.backends.cuda.histogram.tally import ScoreTally

# Samples that are copied at once, while those before them are counted.
CHUNK = 1 << 20
_NUM_SLOTS = 2
_WEIGHT_KINDS = {np.dtype(np.uint8): "bool", np.dtype(np.float32): "f32"}


class _Slot:
    """Memory for one chunk, on the host and on the device, and a stream."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._stream = device.stream()
        self._event: Any = None
        self._memory: dict[tuple[int, int], tuple[Any, Any]] = {}

    def load(self, kernel: str, arrays: list[NDArray[Any]]) -> CountRequest:
        """Copy a chunk; what was here before must have been counted."""
        if self._event is not None:
            self._device.wait(self._event)
        scores, labels, *rest = [self._copy(i, array) for i, array in enumerate(arrays)]
        weights = rest[0] if rest else None
        kind = None if weights is None else _WEIGHT_KINDS.get(arrays[2].dtype, "f64")
        shape = arrays[0].shape
        return CountRequest(self._stream, kernel, shape, scores, labels, weights, kind)

    def _copy(self, index: int, array: NDArray[Any]) -> Address:
        key = index, array.itemsize
        if key not in self._memory:
            length = CHUNK * array.itemsize
            self._memory[key] = (
                self._device.pinned(length, np.uint8), self._device.empty(length, np.uint8)
            )  # fmt: skip
        pinned, on_device = self._memory[key]
        staged = pinned[: array.nbytes]
        staged[:] = array.view(np.uint8)
        self._device.copy_in(on_device, staged, self._stream)
        return Address(self._device.address(on_device), (array.itemsize,), array.dtype)

    def done(self) -> None:
        """Remember when the chunk will have been counted."""
        self._event = self._device.record(self._stream, self._event)


class _Uploader(threading.local):
    """What a thread counts with."""

    def __init__(self) -> None:
        self._slots: dict[Device, list[_Slot]] = {}
        self._tallies: dict[tuple[Device, int], ScoreTally] = {}

    def slots(self, device: Device) -> list[_Slot]:
        if device not in self._slots:
            self._slots[device] = [_Slot(device) for _ in range(_NUM_SLOTS)]
        return self._slots[device]

    def tally(self, device: Device, num_thresholds: int) -> ScoreTally:
        key = device, num_thresholds
        if key not in self._tallies:
            self._tallies.clear()  # of one number, since a table can be large
            self._tallies[key] = ScoreTally(device, num_thresholds)
        return self._tallies[key]


_uploader = _Uploader()


def _chunks(*arrays: NDArray[Any]) -> Iterator[list[NDArray[Any]]]:
    for start in range(0, len(arrays[0]), CHUNK):
        yield [array[start : start + CHUNK] for array in arrays]


def score_histogram(
    kernel: str,
    scores: NDArray[Any],
    labels: NDArray[Any],
    weights: NDArray[Any] | None,
    thresholds: NDArray[Any],
    table: NDArray[Any],
    report: NDArray[np.int64],
) -> None:
    """Add a block of samples to a table; see `fastpr.backends.protocol.Backend`."""
    device = cuda_device.current()
    tally = _uploader.tally(device, len(thresholds))
    slots = _uploader.slots(device)
    arrays = [scores, labels] if weights is None else [scores, labels, weights]
    try:
        for number, chunk in enumerate(_chunks(*arrays)):
            slot = slots[number % _NUM_SLOTS]
            tally.add(slot.load(kernel, chunk), thresholds, False, number)
            slot.done()
        counts, refused = tally.finish()
    except BaseException:
        tally.reset()
        raise
    if weights is None:
        if counts.counts is not None:
            table += counts.counts
    elif counts.sums is not None:
        table += counts.sums[0]
    report[0] += counts.num_dropped + sum(update.num_invalid for update in refused)
    report[1] += sum(update.num_bad_labels for update in refused)
    report[2] += sum(update.num_bad_weights for update in refused)
