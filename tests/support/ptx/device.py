"""A device whose kernels are emulated, and the cuda backend on it.

It stands for a GPU as numba-cuda shows one, so that what runs is `fastpr.backends.cuda.device`
but for a few methods: arrays have no more methods than arrays on a device have, and streams can
leave everything undone until somebody waits for it, which is as late as a GPU might do it.
"""

from __future__ import annotations

import random
import sys
import threading
import weakref
from collections import deque
from contextlib import contextmanager
from importlib import import_module

import numba
import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

import fastpr.backends
from fastpr.backends import choose
from fastpr.backends.cuda import device as cuda_device
from fastpr.backends.cuda.device import PLAIN_SHARED, Device
from ptx.emulator import compile_kernel

_GAP = 512  # bytes between arrays, so that what is read behind one is in no other


class Stream:
    """What is done in order; with `is_late`, only when somebody waits."""

    def __init__(self, is_late) -> None:
        self._is_late = is_late
        self._work = deque()
        self._num_done = 0

    def add(self, work) -> None:
        self._work.append(work)
        if not self._is_late:
            self.synchronize()

    def place(self) -> int:
        """Return how much there is to do until here."""
        return self._num_done + len(self._work)

    def run(self, place) -> None:
        """Do all that was added before a place."""
        while self._num_done < place:
            work = self._work.popleft()
            self._num_done += 1
            work()

    def has_done(self, place) -> bool:
        return self._num_done >= place

    def synchronize(self) -> None:
        self.run(self.place())


class Event:
    """A place in a stream."""

    def __init__(self) -> None:
        self.stream, self.place = None, 0

    def record(self, stream) -> None:
        self.stream, self.place = stream, stream.place()

    def query(self) -> bool:
        if self.stream is None or self.stream.has_done(self.place):
            return True
        self.stream.run(self.stream._num_done + 1)  # the device goes on meanwhile
        return False

    def synchronize(self) -> None:
        if self.stream is not None:
            self.stream.run(self.place)

    def wait(self, stream) -> None:
        before, place = self.stream, self.place  # it may be recorded again
        if before is not None and before is not stream:
            stream.add(lambda: before.run(place))


class Array:
    """An array on the device: what numba-cuda's DeviceNDArray has, as far as it is used."""

    def __init__(self, device, host) -> None:
        self._device, self._host = device, host
        self.shape, self.strides, self.dtype = host.shape, host.strides, host.dtype
        self.size, self.nbytes, self.ndim = host.size, host.nbytes, host.ndim

    @property
    def __cuda_array_interface__(self):
        return {
            "shape": self.shape, "strides": None, "typestr": self.dtype.str, "version": 3,
            "data": (self._host.ctypes.data, False),
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._host)

    def __getitem__(self, item):
        if not isinstance(item, slice):
            raise TypeError("reading a single value would wait for the device")
        return Array(self._device, self._host[item])

    def view(self, dtype):
        return Array(self._device, self._host.view(dtype))

    def reshape(self, *shape):
        return Array(self._device, self._host.reshape(*shape))

    def copy_to_device(self, source, stream) -> None:
        if isinstance(source, Array):
            source = source._host
        elif not self._device.is_pinned(source):
            source = source.copy()  # memory that may be paged out is read before the call returns
        if source.dtype != self.dtype or source.shape != self.shape:
            raise TypeError(
                f"an array of {source.dtype} and shape {source.shape} is not copied to one of "
                f"{self.dtype} and {self.shape}"
            )
        stream.add(lambda: np.copyto(self._host, source))

    def copy_to_host(self, stream):
        host = np.empty(self.shape, self.dtype)
        host.view(np.uint8).reshape(-1)[:] = 0xCD
        stream.add(lambda: np.copyto(host, self._host))
        return host


class EmulatedDevice(Device):
    """What stands for a GPU where there is none.

    Parameters
    ----------
    max_shared : int
        Bytes of shared memory that a block may ask for.
    num_multiprocessors : int
        As many blocks are to run at once.
    seed : int
        0 for threads and blocks in order, else for random orders.
    is_late : bool
        Whether nothing is done until somebody waits for it.
    check_races : bool
        Whether accesses to shared memory without a barrier between them are found.

    Attributes
    ----------
    launches : list of (str, tuple, int, int)
        Of each launch the kernel's name, blocks, threads and shared memory.
    """

    def __init__(
        self, max_shared=227 * 1024, num_multiprocessors=2, seed=0, is_late=False, check_races=True
    ) -> None:
        self.ordinal = 0
        self.name = "emulator"
        self.num_multiprocessors = num_multiprocessors
        self._opt_in_shared = max_shared
        self._can_opt_in = True
        self._lock = threading.RLock()
        self._random = random.Random(seed) if seed else None
        self._is_late, self._check_races = is_late, check_races
        self._streams: dict[int, Stream] = {}
        self._regions: dict[int, tuple[int, int]] = {}
        self._pinned: list[weakref.ref] = []
        self.launches = []

    def active(self):
        return self._lock

    # ---- streams ----

    def stream(self, handle=None):
        if handle is None:
            return Stream(self._is_late)
        with self._lock:
            return self._streams.setdefault(handle, Stream(self._is_late))

    def record(self, stream, event=None):
        with self._lock:
            event = Event() if event is None else event
            event.record(stream)
            return event

    # ---- memory ----

    def empty(self, shape, dtype):
        shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        dtype = np.dtype(dtype)
        num_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        memory = np.full(num_bytes + 2 * _GAP, 0xAB, np.uint8)
        start = -(-memory.ctypes.data // 256) * 256 - memory.ctypes.data
        address = memory.ctypes.data + start
        self.allow(address, num_bytes, memory)
        return Array(self, memory[start : start + num_bytes].view(dtype).reshape(shape))

    def allow(self, address, num_bytes, owner) -> None:
        """Let kernels touch memory as long as its owner lives."""
        with self._lock:
            self._regions[address] = (address, address + num_bytes)
        weakref.finalize(owner, self._regions.pop, address, None)

    def pinned(self, shape, dtype):
        array = np.empty(shape, dtype)
        array.view(np.uint8).reshape(-1)[:] = 0xAB
        self._pinned.append(weakref.ref(array))
        return array

    def is_pinned(self, array) -> bool:
        while isinstance(array.base, np.ndarray):
            array = array.base
        return any(ref() is array for ref in self._pinned)

    # ---- kernels ----

    def launch(self, kernel, grid, block, stream, shared, *args) -> None:
        if shared > self.max_shared:
            raise ValueError(f"{shared} bytes of shared memory, of {self.max_shared}")
        signature = types.void(*(_type_of(arg) for arg in args))
        with self._lock:
            compiled = compile_kernel(kernel.py_func, signature)
            most = self.max_shared if shared > PLAIN_SHARED else PLAIN_SHARED
            if compiled.source.static_shared + shared > most:
                raise ValueError(
                    f"{compiled.source.static_shared} + {shared} bytes of shared memory, of {most}"
                )
            self.launches.append((kernel.py_func.__name__, grid, block, shared))
            given = [arg._host if isinstance(arg, Array) else arg for arg in args]
            seed = self._random.getrandbits(63) | 1 if self._random else 0
            stream.add(
                lambda: compiled.run(
                    grid, block, shared, *given, seed=seed, check_races=self._check_races,
                    buffers=list(self._regions.values()),
                )
            )  # fmt: skip

    def check_opt_in(self, kernel, args) -> None:
        pass


def _type_of(arg):
    if isinstance(arg, Array):
        layout = "C" if arg._host.flags.c_contiguous else "A"
        return types.Array(from_dtype(arg.dtype), arg.ndim, layout)
    if isinstance(arg, np.generic):
        return numba.typeof(arg)
    raise TypeError(f"an argument of a kernel is a {type(arg).__name__}")


@contextmanager
def emulated(**options):
    """Let the cuda backend be there, on an `EmulatedDevice` of these options, which this yields.

    Afterwards it is as it was before.
    """
    device = EmulatedDevice(**options)
    patched = {
        "get": lambda ordinal: device,
        "current": lambda: device,
        "why_not": lambda: None,
        "device_of": lambda address: 0,
    }
    before = {name: getattr(cuda_device, name) for name in patched}
    loaded, reasons = dict(choose._loaded), dict(choose._reasons)
    name = "fastpr.backends.cuda.blocks"
    module = sys.modules.pop(name, None)
    try:
        for function, replacement in patched.items():
            setattr(cuda_device, function, replacement)
        choose._loaded["cuda"] = import_module(name)
        choose._reasons.pop("cuda", None)
        yield device
    finally:
        for function, original in before.items():
            setattr(cuda_device, function, original)
        for state, content in ((choose._loaded, loaded), (choose._reasons, reasons)):
            state.clear()
            state.update(content)
        sys.modules.pop(name, None)
        if module is None:
            vars(fastpr.backends.cuda).pop("blocks", None)
        else:
            sys.modules[name] = fastpr.backends.cuda.blocks = module
