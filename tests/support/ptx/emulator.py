"""The PTX that numba-cuda compiles, run on the CPU.

Numba's simulator runs the Python text of a kernel, so it says nothing about types, wide loads or
addresses in the code that a GPU gets. Here that code runs: translate.py writes it as C, gcc
compiles it, and the threads of a block take turns between barriers, in order or in a random one.
What is found besides wrong results: loads and stores outside the arrays, or not aligned; two
threads that touch a byte of shared memory without a barrier between them, one of them writing;
barriers that not all threads reach. Blocks run one after another, so that races between blocks
are not found.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from cuda_compile import ptx, skip_tests

from ptx.translate import Source, translate

if shutil.which("gcc") is None:
    skip_tests("there is no gcc to compile emulated kernels with")

_FOLDER = Path(__file__).parent
_FLAGS = (
    "-std=gnu11", "-Og", "-w", "-shared", "-fPIC", "-fwrapv", "-fno-strict-aliasing",
    "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-U_FORTIFY_SOURCE",
)  # fmt: skip
CC = (9, 0)


class KernelFailure(RuntimeError):  # noqa: N818 - what a kernel did, not this program
    """A kernel did what a GPU would not have done well; the message says where in the PTX."""


class _Launch(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared", ctypes.c_uint64),
        ("params", ctypes.c_void_p),
        ("regions", ctypes.c_void_p),
        ("num_regions", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("max_steps", ctypes.c_uint64),
        ("check_races", ctypes.c_uint64),
        ("num_steps", ctypes.c_uint64),
        ("error", ctypes.c_char * 1000),
    )


@lru_cache(maxsize=1)
def _cache() -> Path:
    """Return where compiled kernels are kept."""
    folder = Path(tempfile.gettempdir()) / f"fastpr-ptx-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _library(text: str) -> ctypes.CDLL:
    runtime = "".join(path.read_text() for path in sorted(_FOLDER.glob("*.h")))
    flags = _FLAGS + (("-mfma",) if _has_fma() else ())
    name = hashlib.sha256("\0".join([text, runtime, *flags]).encode()).hexdigest()[:32]
    built = _cache() / f"{name}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=_cache()) as folder:
            source, result = Path(folder) / "kernel.c", Path(folder) / "kernel.so"
            source.write_text(text)
            command = ["gcc", *flags, "-I", str(_FOLDER), str(source), "-o", str(result), "-lm"]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode:
                raise RuntimeError(f"gcc failed on the C text of a kernel:\n{run.stderr[:3000]}")
            result.replace(built)  # at once, for other processes
    library = ctypes.CDLL(str(built))
    library.ptx_run.argtypes = (ctypes.POINTER(_Launch),)
    return library


@lru_cache(maxsize=1)
def _has_fma() -> bool:
    """Return whether the CPU has fused multiply-add; else the C library takes its time."""
    try:
        return " fma " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def memory_of(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses at which the memory of an array begins and ends."""
    return np.lib.array_utils.byte_bounds(array)


class Kernel:
    """A kernel that can be run on the CPU.

    Parameters
    ----------
    ptx : str
        A module of one kernel.

    Attributes
    ----------
    source : Source
        Its C text, and what is known of it.
    num_steps : int
        How many instructions the last run took, over all threads.
    """

    def __init__(self, ptx: str) -> None:
        self.ptx = ptx
        self.source: Source = translate(ptx)
        self.num_steps = 0
        self._library = _library(self.source.text)
        self._lock = threading.Lock()

    def run(
        self, grid, block, shared_bytes, *args,
        buffers=(), seed=0, check_races=True, max_steps=1 << 34,
    ) -> None:  # fmt: skip
        """Run a grid of blocks.

        Parameters
        ----------
        grid, block : int or tuple of int
            The number of blocks, and of threads in each.
        shared_bytes : int
            Dynamic shared memory of a block.
        *args : ndarray or NumPy scalar
            As the kernel was compiled for. Kernels write to the arrays.
        buffers : sequence of ndarray or of (int, int)
            Arrays, or ranges of addresses, that the kernel knows the address of.
        seed : int
            0 for threads and blocks in order, else a random order, of the threads a new one
            after each barrier.
        check_races : bool
            Whether accesses to shared memory without a barrier between them are found.
        max_steps : int
            A kernel that needs more instructions, over all threads, fails.

        Raises
        ------
        KernelFailure
            If the kernel does what it must not.
        """
        slots, regions = [], []
        for arg in args:
            slots += _slots(arg)
            if isinstance(arg, np.ndarray):
                regions.append((*memory_of(arg), int(arg.flags.writeable)))
        for buffer in buffers:
            if isinstance(buffer, np.ndarray):
                regions.append((*memory_of(buffer), int(buffer.flags.writeable)))
            else:
                regions.append((*buffer, 1))
        if len(slots) != len(self.source.parameters):
            raise TypeError(
                f"the kernel has {len(self.source.parameters)} parameters, {len(slots)} were given"
            )
        params = np.array([*slots, 0], np.uint64)
        table = np.array(regions or [(0, 0, 0)], np.uint64)
        launch = _Launch(
            _three(grid), _three(block), shared_bytes, params.ctypes.data, table.ctypes.data,
            len(table), seed, max_steps, check_races,
        )  # fmt: skip
        num_threads = int(np.prod(_three(block)))
        if not (0 < num_threads <= 1024) or not all(_three(grid)):
            raise ValueError(f"a grid of {grid} blocks of {block} threads cannot be launched")
        with self._lock:
            is_good = self._library.ptx_run(launch)
        self.num_steps = launch.num_steps
        if not is_good:
            raise KernelFailure(self._explained(launch.error.decode()))

    def _explained(self, error: str) -> str:
        line = int(error.split()[1])
        text = self.ptx.split("\n")[line - 1].strip() if line else ""
        return f"{error}: {text}"


def _three(size) -> ctypes.Array[ctypes.c_uint32]:
    sizes = (size,) if isinstance(size, int | np.integer) else tuple(size)
    return (ctypes.c_uint32 * 3)(*sizes, *(1,) * (3 - len(sizes)))


def _slots(arg) -> list[int]:
    """Return the parameters that an argument becomes, as bits; see numba-cuda's _prepare_args."""
    if isinstance(arg, np.ndarray):
        numbers = (0, 0, arg.size, arg.itemsize, arg.ctypes.data, *arg.shape, *arg.strides)
        return [number % 2**64 for number in numbers]
    if isinstance(arg, np.generic) and arg.dtype.kind in "biuf":
        return [int.from_bytes(arg.tobytes(), "little")]
    raise TypeError(f"an argument is an array or a NumPy scalar, not {type(arg).__name__}")


@cache
def compile_kernel(py_func, signature, max_registers=None, cc=CC) -> Kernel:
    """Return a kernel to run on the CPU.

    Parameters
    ----------
    py_func : callable
        The Python function.
    signature : numba signature
        What it is compiled for.
    max_registers : int, optional
        Changes nothing here: ptxas would use it.
    cc : tuple of int
        Compute capability that NVVM compiles for.
    """
    return Kernel(ptx(py_func, signature, cc))
