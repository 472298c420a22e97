"""Compiled kernels are kept on disk, so that the next process need not compile them again.

Numba's own ``cache=True`` knows a kernel by the file it is written in, and so misses what
changes in the files it uses; it unpickles whatever it finds, and a damaged file is an error.
Here the name of a file is a hash of everything that decides what is compiled: the sources,
the versions, the CPU, the settings of Numba and the types. What is in it is read only if it
is the user's own and whole. Whatever goes wrong, the kernel is compiled as if nothing was there.
Processes that want the same kernel at the same time compile it once: one does, and others wait
for its file.

Files are in ``fastpr/numba`` in the user's cache folder, or in the folder that the environment
variable FASTPR_NUMBA_CACHE_DIR names; ``FASTPR_NUMBA_CACHE_DIR=0`` keeps nothing.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import NDArray

from fastpr._version import __version__
from fastpr.backends import forks

VARIABLE = "FASTPR_NUMBA_CACHE_DIR"
SUFFIX = ".fastpr-kernel"
MAX_BYTES = 64 << 20  # of all files; a kernel takes 50 to 300 KB
_UNFINISHED = ".unfinished"
_LONG_AGO = 3600.0  # seconds: what is unfinished for so long was left by a process that died
_LONGEST_WAIT = 120.0  # seconds that a kernel is waited for, before it is compiled here as well
_BINARY = getattr(os, "O_BINARY", 0)  # on Windows
_CHECKSUM_SIZE = hashlib.sha256().digest_size

try:
    import fcntl
except ImportError:  # Windows: each process compiles
    fcntl = None  # type: ignore[assignment]

try:  # private parts of Numba, the same from 0.59 to 0.68
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps

    _reduce, _rebuild = CompileResult._reduce, CompileResult._rebuild
except (ImportError, AttributeError):  # pragma: no cover - a Numba of the future
    _reduce = None


def hash_sources() -> bytes | None:
    """Return a hash of the text of all that is compiled; None where there is no text to read."""
    folder = Path(__file__).parent
    hasher = hashlib.sha256()
    try:
        paths = [*sorted(folder.rglob("*.py")), folder.parent / "rules.py"]
        for path in paths:
            text = path.read_bytes()
            # two folders have a file of the same name
            name = path.relative_to(folder.parent).as_posix()
            hasher.update(f"{name} {len(text)}\n".encode())
            hasher.update(text)
    except OSError:
        return None
    return hasher.digest() if len(paths) > 1 else None


# This module is loaded before those with kernels: what it sees is what they were made of,
# unless it is something else by the time they are compiled.
_SOURCES = hash_sources()


def _settings() -> list[tuple[str, Any]]:
    """Return the settings of Numba, which can change the code it makes."""
    return sorted(
        (name, value)
        for name, value in vars(numba.config).items()
        if name.isupper() and isinstance(value, (bool, int, float, str))
        # not those that differ with the number of CPUs a process has
        if "THREAD" not in name
    )


def folder() -> Path | None:
    """Return where compiled kernels are kept, or None if they are not."""
    named = os.environ.get(VARIABLE, "")
    if named == "0" or _reduce is None:
        return None
    if named:
        return Path(os.path.abspath(named))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):  # which is to be ignored, says the standard
            base = os.path.expanduser("~/.cache")
    return Path(base, "fastpr", "numba") if os.path.isabs(base) else None


def _is_own(status: os.stat_result) -> bool:
    """Return whether a file or folder is the user's, and nobody else can write to it."""
    if not hasattr(os, "geteuid"):
        return True  # Windows: what is in a user's profile is closed to others
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_safe(place: Path) -> bool:
    """Return whether a folder is there, is no link, and is the user's own."""
    try:
        status = os.lstat(place)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _is_own(status)


def _read(path: Path) -> bytes | None:
    """Return what a file holds, if it is the user's own and whole."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _BINARY)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or not _is_own(status):
                return None
            data = file.read()
    except OSError:
        return None
    checksum, payload = data[:_CHECKSUM_SIZE], data[_CHECKSUM_SIZE:]
    return payload if checksum == _checksum(path, payload) else None


def _write(path: Path, payload: bytes) -> None:
    """Put a file in its place, whole, whatever other processes do."""
    unfinished = path.with_name(f"{path.name}.{os.urandom(8).hex()}{_UNFINISHED}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
    try:
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
            file.write(_checksum(path, payload) + payload)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


# A child would find these locks held by nobody who could open them. Who compiles holds the first,
# who calls LLVM the second, be it only to throw away what was compiled.
forks.wait_for(global_compiler_lock)
with suppress(AttributeError):  # a private part of llvmlite
    forks.wait_for(llvmlite.binding.ffi.lib._lock)

# The kernels that this process is compiling, and the locks that say so. Only changed while Numba's
# compiler is locked, which a fork waits for: so no child holds such a lock without knowing.
_turns: dict[Path, int] = {}


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{_UNFINISHED}")


def _wait_for_turn(path: Path) -> bytes | None:
    """Wait while another process compiles a kernel, and return what it left.

    None if it is to be compiled here, and as long as `_turns` holds it, others wait. The system
    opens the lock of a process that died, and what is left of it is an empty file.
    """
    if fcntl is None or path in _turns:
        return None
    end = time.monotonic() + _LONGEST_WAIT
    pause = 0.005
    while True:
        if _try_lock(path):
            payload = _read(path)  # of the process that had the lock before
            if payload is not None:
                _end_turn(path)
            return payload
        payload = _read(path)
        if payload is not None or time.monotonic() > end:
            return payload
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def _try_lock(path: Path) -> bool:
    """Take the lock of a kernel, if no other process has it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(_lock_of(path), flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(handle)
        # not the file that was removed by the process which had it locked
        if os.path.samestat(status, os.lstat(_lock_of(path))) and _is_own(status):
            _turns[path], handle = handle, -1
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        if handle >= 0:
            os.close(handle)
    return path in _turns


def _end_turn(path: Path) -> None:
    """Let others have the lock of a kernel."""
    with suppress(OSError):
        _lock_of(path).unlink()  # while it is locked: nobody else has taken it
    os.close(_turns.pop(path))


def _checksum(path: Path, payload: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + payload).digest()


def _remove_old(place: Path, max_bytes: int) -> None:
    """Remove the files that were not used for longest, until the others are few enough."""
    kept = []
    for entry in os.scandir(place):
        status = entry.stat(follow_symlinks=False)
        if entry.name.endswith(SUFFIX):
            kept.append((status.st_mtime, status.st_size, entry.path))
        elif entry.name.endswith(_UNFINISHED) and status.st_mtime < time.time() - _LONG_AGO:
            os.unlink(entry.path)
    num_bytes = 0
    for _, size, path in sorted(kept, reverse=True):
        num_bytes += size
        if num_bytes > max_bytes:
            os.unlink(path)


class KernelFiles:
    """What a dispatcher of Numba asks for compiled code, and gives it to.

    Parameters
    ----------
    name : str
        The name of the kernel, which says what it was made for.
    """

    cache_path = None  # what Numba would print

    def __init__(self, name: str) -> None:
        self._name = name

    def _path(self, place: Path, signature: Any, target: Any) -> Path:
        decides = (
            _SOURCES, self._name, str(signature), target.codegen().magic_tuple(), _settings(),
            __version__, numba.__version__, llvmlite.__version__, np.__version__,
            sys.implementation.cache_tag, sys.version,
        )  # fmt: skip
        digest = hashlib.sha256(repr(decides).encode()).hexdigest()
        return place / f"{self._name}-{digest[:40]}{SUFFIX}"

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return what was compiled for a signature, or None."""
        place = folder()
        if place is None or _SOURCES is None:
            return None
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_safe(place):
                return None
            target.refresh()  # as Numba's own cache does: a new process has set up nothing yet
            path = self._path(place, signature, target)
            payload = _read(path) or _wait_for_turn(path)
            if payload is None:
                return None
            result = _rebuild(target, *pickle.loads(payload))
        except Exception:  # there is always the compiler
            return None
        with suppress(OSError):
            os.utime(path)  # the files that were not used for longest are removed first
        return result

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep what was compiled for a signature, if there is where."""
        place = folder()
        if place is None or _SOURCES is None or result.library.has_dynamic_globals:
            return
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # sources that changed since they were loaded are not what was compiled
            if _is_safe(place) and hash_sources() == _SOURCES:
                payload = dumps(_reduce(result))
                _write(self._path(place, signature, result.target_context), payload)
                _remove_old(place, MAX_BYTES)
        except Exception:  # a full disk, a folder that cannot be written to: keep nothing
            return

    def enable(self) -> None:
        """Do nothing; Numba has this for its own."""

    disable = flush = enable


def keep_on_disk(name: str, kernel: Any) -> Any:
    """Return a kernel that looks for its compiled code on disk, and leaves it there.

    Parameters
    ----------
    name : str
        Letters, digits, ``_`` and ``-``; another one for each kernel that is made, by the
        same text or not, from other functions or constants.
    kernel : dispatcher
        As ``numba.njit`` returns it, before its first call.

    Returns
    -------
    dispatcher
        The same.
    """
    if _reduce is not None and hasattr(kernel, "_cache") and hasattr(kernel, "py_func"):
        # Symbols are named after the function and a number that counts up in each process:
        # without this, two kernels from one piece of text could meet in a third process
        # under one name, and one of them run for the other.
        kernel.py_func.__qualname__ = f"{kernel.py_func.__qualname__}.{name}"
        kernel._cache = KernelFiles(name)
        kernel.compile = _in_turn(kernel.compile)
    return kernel


def _in_turn(compile_kernel: Any) -> Any:
    """Let others have their turn when a kernel is compiled, was found, or cannot be compiled."""

    def compile_in_turn(signature: Any) -> Any:
        with global_compiler_lock:
            before = set(_turns)
            try:
                return compile_kernel(signature)
            finally:
                for path in set(_turns) - before:
                    _end_turn(path)

    return compile_in_turn


def read_only(view: NDArray[Any]) -> NDArray[Any]:
    """Return a view after closing it to writing, so that one compiled form serves every array."""
    view.flags.writeable = False
    return view
