"""What of numba-cuda the host side of the kernels uses: devices, memory, streams, launches.

Under Numba's CUDA simulator (NUMBA_ENABLE_CUDASIM=1) device memory is host memory, and streams
and events do nothing.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

if find_spec("numba_cuda") is None:
    raise ImportError(
        "numba-cuda is not installed; install fastpr[cuda], or numba-cuda for the CUDA version "
        "of the driver"
    )

import numba
from numba import cuda

IS_SIMULATED: bool = bool(numba.config.ENABLE_CUDASIM)

# What a block may have without asking for more.
PLAIN_SHARED = 48 * 1024
_MAX_STREAMS = 1024  # a handle of another one costs no more than a few bytes
_ATTRIBUTE_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


def why_not() -> str | None:
    """Return why no kernel can run here, or None. Initialises CUDA."""
    if IS_SIMULATED:
        return None
    from numba.cuda.cudadrv import nvvm

    if error := cuda.cuda_error():
        text = " ".join(str(error).split())
        if "driver library cannot be found" in text:
            return "there is no NVIDIA driver (libcuda was not found)"
        return f"there is no usable NVIDIA GPU or driver ({text})"
    if not len(cuda.gpus):
        return "there is no NVIDIA GPU"
    if not nvvm.is_available():
        return (
            "the CUDA toolkit's compiler (libnvvm) was not found; install numba-cuda[cu12] or "
            "numba-cuda[cu13]"
        )
    return None


_of_thread = threading.local()


class _Active:
    """Makes a device that of the calling thread, unless it is already because of another one."""

    __slots__ = ("_context", "_ordinal")

    def __init__(self, ordinal: int) -> None:
        self._ordinal = ordinal

    def __enter__(self) -> None:
        self._context = None
        if getattr(_of_thread, "ordinal", None) != self._ordinal:
            self._context = cuda.gpus[self._ordinal], getattr(_of_thread, "ordinal", None)
            self._context[0].__enter__()
            _of_thread.ordinal = self._ordinal

    def __exit__(self, *error: object) -> None:
        if self._context is not None:
            _of_thread.ordinal = self._context[1]
            self._context[0].__exit__(*error)


class SharedMemoryRefused(RuntimeError):  # noqa: N818 - a state of the machine, not a mistake
    """Blocks get no more than `PLAIN_SHARED` from this numba-cuda; `max_shared` is that now."""


class Device:
    """A GPU.

    Parameters
    ----------
    ordinal : int
        Its number, as CUDA counts.

    Attributes
    ----------
    ordinal : int
        As given.
    name : str
        What it is called.
    num_multiprocessors : int
        How many blocks run at once, at least.
    max_shared : int
        Bytes of shared memory that a block may ask for.
    """

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self._can_opt_in = True
        with self.active():
            device = cuda.get_current_device()
            name = device.name
            self.name: str = name.decode() if isinstance(name, bytes) else str(name)
            self.num_multiprocessors = int(device.MULTIPROCESSOR_COUNT)
            self._opt_in_shared = int(device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
        self._opted_in: dict[Any, int] = {}
        self._streams: dict[int, Any] = {}

    @property
    def max_shared(self) -> int:
        """Bytes of shared memory that a block may ask for."""
        return self._opt_in_shared if self._can_opt_in else PLAIN_SHARED

    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which this is the device of the calling thread."""
        return _Active(self.ordinal)

    def num_threads(self, wanted: int) -> int:
        """Return how many threads a block has where so many are best."""
        return wanted

    # ---- streams ----

    def stream(self, handle: int | None = None) -> Any:
        """Return a stream of a producer by its handle, or a new one."""
        if handle is None:
            with self.active():
                return cuda.stream()
        if handle not in self._streams:
            if len(self._streams) >= _MAX_STREAMS:
                self._streams.clear()
            with self.active():
                if handle in (0, 1):
                    self._streams[handle] = cuda.legacy_default_stream()
                elif handle == 2:
                    self._streams[handle] = cuda.per_thread_default_stream()
                else:
                    self._streams[handle] = cuda.external_stream(handle)
        return self._streams[handle]

    def stream_after(self, handle: int, others: Iterable[int]) -> Any:
        """Return a stream of a producer, on which what comes now waits for some others."""
        stream = self.stream(handle)
        for other in others:
            self.let_wait(stream, self.record(self.stream(other)))
        return stream

    def record(self, stream: Any, event: Any = None) -> Any:
        """Return an event, or use one again, that comes once all on the stream is done."""
        with self.active():
            event = cuda.event(timing=False) if event is None else event
            event.record(stream)
            return event

    def has_come(self, event: Any) -> bool:
        """Return whether an event has come; never waits."""
        with self.active():
            return bool(event.query())

    def wait(self, event: Any) -> None:
        """Let the host wait for an event."""
        with self.active():
            event.synchronize()

    def let_wait(self, stream: Any, event: Any) -> None:
        """Let what comes on a stream wait for an event; the host does not."""
        with self.active():
            event.wait(stream)

    # ---- memory ----

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """Return an array on the device, of any content."""
        with self.active():
            return cuda.device_array(shape, np.dtype(dtype))

    def pinned(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array on the host that copies can overlap with kernels from."""
        with self.active():
            array: NDArray[Any] = cuda.pinned_array(shape, np.dtype(dtype))
            return array

    def address(self, array: Any) -> int:
        """Return where an array of `empty` begins."""
        return int(array.__cuda_array_interface__["data"][0])

    def copy_in(self, array: Any, host: NDArray[Any], stream: Any) -> None:
        """Copy a contiguous array from the host, which may return before it is done."""
        with self.active():
            array[: len(host)].copy_to_device(host, stream=stream)

    def copy_out(self, array: Any, stream: Any) -> NDArray[Any]:
        """Return an array on the host, once all that is on the stream is done."""
        with self.active():
            host: NDArray[Any] = array.copy_to_host(stream=stream)
            stream.synchronize()
            return host

    # ---- kernels ----

    def launch(
        self, kernel: Any, grid: int | tuple[int, int], block: int, stream: Any, shared: int,
        *args: Any,
    ) -> None:  # fmt: skip
        """Start a kernel with so many blocks, threads in each, and bytes of dynamic shared memory.

        Arguments are arrays of `empty` and NumPy scalars: a kernel is compiled for their types.

        Raises
        ------
        SharedMemoryRefused
            If there cannot be as much shared memory, which was not known before. Nothing was
            launched.
        """
        with self.active():
            if shared > PLAIN_SHARED:
                try:
                    self._opt_in(kernel, args, shared)
                except (AttributeError, TypeError) as error:
                    self._can_opt_in = False
                    raise SharedMemoryRefused(str(error)) from error
            kernel[grid, block, stream, shared](*args)

    def _opt_in(self, kernel: Any, args: tuple[Any, ...], shared: int) -> None:
        """Let a kernel have more shared memory, for which numba-cuda has no option yet.

        What it does for the carveout of shared memory, with another attribute.
        """
        if self._opted_in.get(kernel, 0) >= shared:
            return
        from numba.cuda.cudadrv import driver

        kernel.compile(tuple(kernel.typeof_pyval(arg) for arg in args))
        for compiled in kernel.overloads.values():
            function = compiled._codelibrary.get_cufunc()
            attribute = driver.binding.CUfunction_attribute(_ATTRIBUTE_MAX_DYNAMIC_SHARED)
            driver.driver.cuKernelSetAttribute(
                attribute, shared, function.handle, function.device.id
            )
        self._opted_in[kernel] = shared


class SimulatedDevice(Device):
    """What stands for a GPU under the simulator, one kernel at a time."""

    _lock = threading.RLock()

    def __init__(self, ordinal: int = 0, max_shared: int = PLAIN_SHARED) -> None:
        self.ordinal = ordinal
        self.name = "simulator"
        self.num_multiprocessors = 1
        self._opt_in_shared = max_shared
        self._can_opt_in = True

    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which no other thread runs a kernel."""
        return self._lock

    def num_threads(self, wanted: int) -> int:
        """Return a few: each is a thread of Python."""
        return min(wanted, 4)

    def stream(self, handle: int | None = None) -> Any:
        """Return nothing: all is done at once."""
        return 0

    def record(self, stream: Any, event: Any = None) -> Any:
        """Return nothing."""
        return None

    def has_come(self, event: Any) -> bool:
        """Return True."""
        return True

    def wait(self, event: Any) -> None:
        """Do nothing."""

    def let_wait(self, stream: Any, event: Any) -> None:
        """Do nothing."""

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """Return an array on the host, of a content that shows where it is used."""
        array = np.empty(shape, dtype)
        array.view(np.uint8).fill(0xAB)
        return array

    pinned = empty

    def address(self, array: Any) -> int:
        """Return where an array begins."""
        return int(array.ctypes.data)

    def copy_in(self, array: Any, host: NDArray[Any], stream: Any) -> None:
        """Copy an array."""
        array[: len(host)] = host

    def copy_out(self, array: Any, stream: Any) -> NDArray[Any]:
        """Return a copy."""
        copy: NDArray[Any] = array.copy()
        return copy

    def launch(
        self, kernel: Any, grid: int | tuple[int, int], block: int, stream: Any, shared: int,
        *args: Any,
    ) -> None:  # fmt: skip
        """Run a kernel."""
        with self._lock, warnings.catch_warnings():
            # integers of 32 bits that wrap, as they are meant to
            warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
            kernel[grid, block, 0, shared](*args)


def version() -> str:
    """Return the version of numba-cuda."""
    from importlib.metadata import version as version_of

    return version_of("numba-cuda") + (", simulated" if IS_SIMULATED else "")


def device_of(address: int) -> int:
    """Return the number of the device that an address belongs to."""
    if IS_SIMULATED:
        return 0
    from numba.cuda.cudadrv import driver

    attribute = driver.binding.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    pointer = driver.binding.CUdeviceptr(address)
    return int(driver.driver.cuPointerGetAttribute(attribute, pointer))


@cache
def get(ordinal: int) -> Device:
    """Return a device; the same one for the same number."""
    return SimulatedDevice(ordinal) if IS_SIMULATED else Device(ordinal)


def current() -> Device:
    """Return the device that the calling thread uses."""
    return get(0 if IS_SIMULATED else int(cuda.get_current_device().id))


def device_function(function: Callable[..., Any]) -> Any:
    """Return a function that kernels can call, or that the compiler puts into them."""
    return function if IS_SIMULATED else cuda.jit(device=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Return a function that the compiler always puts into the kernels that call it."""
    return function if IS_SIMULATED else cuda.jit(device=True, forceinline=True)(function)


def jit(kernel: Callable[..., None], max_registers: int | None = None) -> Any:
    """Return a kernel that is compiled when it is first launched, for the types it then gets."""
    if IS_SIMULATED:
        return cuda.jit(kernel)
    # Not optimised again when it is linked: what runs is what the tests look at.
    return cuda.jit(kernel, max_registers=max_registers, lto=False)
