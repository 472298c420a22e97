"""Memory on a device that is used again, and what kernels have been asked to write into it.

The driver's own allocation is slow, and giving memory back waits for the whole device.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda.device import Device

# Larger arrays are not kept, nor more of one size.
_MAX_KEPT = 1 << 26
_NUM_KEPT = 8
_LEAST = 256


class Memory:
    """Arrays on a device that no kernel uses any more, and those that are left to kernels."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._lock = threading.RLock()  # collecting garbage may come back here
        self._free: dict[tuple[Any, int], list[Any]] = {}
        self._left: list[tuple[Any, list[Any], Any]] = []
        self.stream = device.stream()  # for reading

    def take(self, length: int, dtype: Any) -> Any:
        """Return an array of at least so many elements."""
        self._collect()
        size = max(_LEAST, 1 << (length - 1).bit_length() if length else 0)
        with self._lock:
            kept = self._free.get((np.dtype(dtype), size))
            if kept:
                return kept.pop()
        return self._device.empty(size, dtype)

    def give(self, arrays: list[Any]) -> None:
        """Take back arrays that no kernel uses."""
        with self._lock:
            for array in arrays:
                kept = self._free.setdefault((np.dtype(array.dtype), len(array)), [])
                if array.nbytes <= _MAX_KEPT and len(kept) < _NUM_KEPT:
                    kept.append(array)

    def leave(self, event: Any, arrays: list[Any], owners: Any) -> None:
        """Keep alive what a kernel may use until an event has come."""
        with self._lock:
            self._left.append((event, arrays, owners))

    def _collect(self) -> None:
        with self._lock:
            left, self._left = self._left, []
        for event, arrays, owners in left:
            if self._device.has_come(event):
                self.give(arrays)
            else:
                self.leave(event, arrays, owners)


@cache
def memory_of(device: Device) -> Memory:
    """Return what a device keeps."""
    return Memory(device)


class Pending:
    """What a kernel writes into an array, once it has been started.

    Parameters
    ----------
    device : Device
        The device.
    stream : stream
        Where the kernel was started.
    out : array
        What it writes.
    length : int
        The elements that count.
    workspace : list of array
        What else it uses.
    owners : tuple
        What has to live until it is done.
    """

    def __init__(
        self, device: Device, stream: Any, out: Any, length: int, workspace: list[Any], owners: Any
    ) -> None:
        self._device = device
        self._length = length
        self._workspace = workspace
        self._owners = owners
        self._event = device.record(stream)
        self._out: list[Any] = [out]
        self._lock = threading.Lock()
        self._host: NDArray[Any] | None = None

    def is_done(self) -> bool:
        """Return whether reading is not going to wait; never waits itself."""
        if self._host is None and not self._device.has_come(self._event):
            return False
        with self._lock:
            self._release()
        return True

    def _release(self) -> None:
        """Let go of what only the kernel needed."""
        workspace, self._workspace, self._owners = self._workspace, [], ()
        memory_of(self._device).give(workspace)

    def _read(self) -> NDArray[Any]:
        """Wait, and return what was written; the same array each time."""
        with self._lock:
            if self._host is None:
                memory = memory_of(self._device)
                self._device.wait(self._event)
                with self._device.active():
                    part = self._out[0][: self._length]
                if self._length:
                    self._host = self._device.copy_out(part, memory.stream)
                else:
                    self._host = np.empty(0, self._out[0].dtype)
                out, self._out = self._out, []
                memory.give(out)
                self._release()
            return self._host

    def __del__(self) -> None:
        if getattr(self, "_out", None):  # nobody read it, and the kernel may still run
            arrays = self._out + self._workspace
            memory_of(self._device).leave(self._event, arrays, self._owners)
