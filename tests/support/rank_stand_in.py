"""A stand-in for the kernels of `fastpr.backends.cuda.ranks`, over host memory.

It ranks with the reference backend, and is done when a test says so: what is tested with it
is everything above the kernels, without numba-cuda.
"""

from __future__ import annotations

import sys
import types
from typing import Any, NamedTuple

import numpy as np
from device_doubles import Cupy

import fastpr.backends.cuda.ranks
from fastpr.backends import choose, reference
from fastpr.backends.protocol import RankBlock, RowBlock


class RankRequest(NamedTuple):
    kernel: str
    scores_address: int
    row_stride: int
    class_stride: int
    num_rows: int
    num_classes: int
    labels_address: int
    label_dtype: Any
    labels_row_stride: int
    labels_stride: int
    num_labels: int
    starts_address: int | None
    starts_dtype: Any
    starts_stride: int
    k: int
    with_labels: bool
    with_ties: bool


class RanksRead(NamedTuple):
    block: RankBlock
    bad_row: int


STORAGE = {
    "f16": np.uint16,
    "bf16": np.uint16,
    "f32": np.float32,
    "f64": np.float64,
    "u8": np.uint8,
}


def memory(address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> Any:
    """Return a copy of host memory."""
    if 0 in shape:
        return np.zeros(shape, dtype)
    interface = {
        "data": (address, True),
        "shape": tuple(shape),
        "strides": tuple(strides),
        "typestr": np.dtype(dtype).str,
        "version": 3,
    }
    return np.array(types.SimpleNamespace(__array_interface__=interface))


def on_device(value: Any) -> Any:
    """Return an array, or a pair of them, as if on a device."""
    return tuple(map(Cupy, value)) if isinstance(value, tuple) else Cupy(value)


class Pending:
    """What was started; done once it is waited for, or a test says so."""

    def __init__(self, device: Device, compute: Any) -> None:
        self.device = device
        self._compute = compute
        self.has_come = device.is_fast
        self.num_waits = 0

    def is_done(self) -> bool:
        return self.has_come

    def read(self) -> Any:
        if self.device.is_broken:
            raise RuntimeError("the device is gone")
        if not self.has_come:
            self.has_come = True
            self.device.num_waits += 1
        return self._compute()


class Device:
    """A device on which nothing is done at once, unless it is fast."""

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.is_fast = False
        self.is_broken = False
        self.num_waits = 0
        self.ranks: list[Pending] = []
        self.requests: list[RankRequest] = []
        self.owners: list[Any] = []
        self.waited: list[tuple[Any, Any]] = []
        # after so many launches the next one raises
        self.num_left = 10**9

    def stream_after(self, handle: int, others: tuple[int, ...]) -> int:
        self.waited += [(handle, ("event", other)) for other in others]
        return handle


def rank(
    device: Device, stream: int, request: RankRequest, owners: tuple[Any, ...] = ()
) -> Pending:
    device.num_left -= 1
    if device.num_left < 0:
        raise MemoryError("no memory left on the device")
    ranks = _ranks(request)
    pending = Pending(device, lambda: ranks)
    device.ranks.append(pending)
    device.requests.append(request)
    device.owners.append(owners)
    return pending


def _ranks(request: RankRequest) -> RanksRead:
    num_rows, num_classes, num_labels = request.num_rows, request.num_classes, request.num_labels
    scores = memory(
        request.scores_address,
        (num_rows, num_classes),
        (request.row_stride, request.class_stride),
        STORAGE[request.kernel],
    )
    if request.starts_address is None:
        labels = memory(
            request.labels_address,
            (num_rows, num_labels),
            (request.labels_row_stride, request.labels_stride),
            request.label_dtype,
        )
        starts = np.arange(num_rows + 1, dtype=np.int64) * num_labels
    else:
        labels = memory(
            request.labels_address, (num_labels,), (request.labels_stride,), request.label_dtype
        )
        starts = memory(
            request.starts_address, (num_rows + 1,), (request.starts_stride,), request.starts_dtype
        ).astype(np.int64)
        bad = (starts[1:] < starts[:-1]) | (starts[:-1] < 0) | (starts[1:] > num_labels)
        if bad.any():
            zeros = np.zeros(num_rows, np.int64)
            none = np.zeros(0, np.int32)
            return RanksRead(RankBlock(zeros, zeros, none, None, None, None), int(bad.argmax()))
    ids = np.array([i if i < 2**31 else -1 for i in labels.reshape(-1).tolist()], np.int64)
    ranks = np.full(len(ids), -9, np.int32)
    num_relevant = np.full(num_rows, -9, np.int64)
    classes = np.full(len(ids), -9, np.int64) if request.with_labels else None
    above, equal = (np.full(len(ids), -9, np.int32) if request.with_ties else None for _ in "ab")
    block = RankBlock(num_relevant, starts[:-1], ranks, classes, above, equal)
    rows = RowBlock(scores, None, ids, starts, num_classes, None)
    reference.label_ranks(request.kernel, rows, request.k, block)
    return RanksRead(block, -1)


def as_float64(
    device: Device, stream: int, address: int, shape: Any, strides: Any, dtype: Any, is_bf16: bool
) -> Pending:
    assert len(shape) <= 4
    values = memory(address, shape, strides, dtype)
    if is_bf16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return Pending(device, lambda: values.astype(np.float64))


def install(monkeypatch: Any) -> dict[int, Device]:
    """Let fastpr use the stand-in; return its devices by their number."""
    devices = {ordinal: Device(ordinal) for ordinal in range(2)}
    launch, values = types.ModuleType("launch"), types.ModuleType("values")
    launch.RankRequest, launch.rank, values.as_float64 = RankRequest, rank, as_float64
    device = types.ModuleType("device")
    device.get = devices.__getitem__
    device.device_of = lambda address: 0
    for room, name, module in (
        (fastpr.backends.cuda.ranks, "launch", launch),
        (fastpr.backends.cuda.ranks, "values", values),
        (fastpr.backends.cuda, "device", device),
    ):
        monkeypatch.setitem(sys.modules, f"{room.__name__}.{name}", module)
        monkeypatch.setattr(room, name, module, raising=False)
    choose_backend = choose.choose_backend
    monkeypatch.setattr(
        choose,
        "choose_backend",
        lambda name=None: (name, launch) if name == "cuda" else choose_backend(name),
    )
    return devices
