r"""Saved states: a header that says what they are, then tables, then a checksum.

The layout, all little-endian::

    8 bytes   magic, b"\x93FASTPR\n"
    uint32    schema
    uint32    length of the header
    header    JSON object, ASCII, keys sorted, no spaces
    tables    as the header says, in C order
    uint32    CRC-32 of everything before

Equal states have equal bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x93FASTPR\n"
SCHEMA = 2  # the newest of any metric
_PREFIX = struct.Struct("<8sII")
_CHECKSUM = struct.Struct("<I")
_MAX_HEADER = 1 << 16
MAX_COUNT = 2**63 - 1  # what an int64 holds
_PIECE = 1 << 20


def pack(header: Mapping[str, Any], tables: list[NDArray[Any]], schema: int) -> bytes:
    """Return a header and tables as bytes.

    Parameters
    ----------
    header : mapping
        What JSON can hold; has to say the shapes and dtypes of the tables.
    tables : list of ndarray
        Of int64 or float64.
    schema : int
        What the entries of the header are those of.
    """
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    parts = [_PREFIX.pack(MAGIC, schema, len(text)), text]
    parts += [np.ascontiguousarray(t, t.dtype.newbyteorder("<")).tobytes() for t in tables]
    body = b"".join(parts)
    return body + _CHECKSUM.pack(zlib.crc32(body))


def unpack_header(data: bytes) -> tuple[int, dict[str, Any], memoryview]:
    """Return the schema, the header and what follows it, the checksum verified and taken off.

    Parameters
    ----------
    data : bytes-like
        What `pack` returned.

    Raises
    ------
    ValueError
        If it is not a saved state, of an unknown schema, cut short, or damaged.
    """
    view = memoryview(data)
    view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    if len(view) < _PREFIX.size or bytes(view[: len(MAGIC)]) != MAGIC:
        raise ValueError("not a saved fastpr state: it does not begin with the bytes of one")
    _, schema, length = _PREFIX.unpack_from(view)
    check_schema(schema, SCHEMA)
    if schema < 1:
        raise ValueError(f"the saved state is damaged: there is no schema {schema}")
    end = len(view) - _CHECKSUM.size
    if length > _MAX_HEADER or _PREFIX.size + length > end:
        raise ValueError("the saved state is damaged or cut short: its header does not fit")
    body = view[:end]
    if _CHECKSUM.unpack_from(view, end)[0] != zlib.crc32(body):
        raise ValueError("the saved state is damaged or cut short: its checksum does not match")
    try:
        header = json.loads(bytes(view[_PREFIX.size : _PREFIX.size + length]))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the saved state has a header that is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise ValueError("the saved state has a header that is not a JSON object")
    return schema, header, body[_PREFIX.size + length :]


def check_schema(schema: int, newest: int) -> None:
    """Raise ValueError if a schema is one of a newer version."""
    if schema > newest:
        raise ValueError(
            f"the saved state has schema {schema}, and this version of fastpr reads schemas up "
            f"to {newest}; use a newer fastpr"
        )


def peek_header(start: bytes) -> dict[str, Any]:
    """Return the header that a file begins with, or an empty one; nothing is verified.

    To learn how much there is to read, before `unpack_header` can verify all of it.
    """
    if len(start) < _PREFIX.size:
        return {}
    _, _, length = _PREFIX.unpack_from(start)
    try:
        header = json.loads(start[_PREFIX.size : _PREFIX.size + length])
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def read(file: BinaryIO, max_bytes: Callable[[bytes], int]) -> bytes:
    """Return what a file holds, unless it is longer than a saved state can be.

    Parameters
    ----------
    file : binary file
        Open for reading.
    max_bytes : callable
        Takes the first bytes, a whole header among them, and returns how many there can be.

    Raises
    ------
    ValueError
        If the file is longer.
    """
    parts = [file.read(_PREFIX.size + _MAX_HEADER)]
    size, limit = len(parts[0]), max_bytes(parts[0])
    # In pieces, since a file may be much shorter than its header says it is.
    while size <= limit and (part := file.read(min(_PIECE, limit + 1 - size))):
        parts.append(part)
        size += len(part)
    if size > limit:
        raise ValueError("not a saved fastpr state: it is too long")
    return b"".join(parts)


def unpack_tables(
    data: memoryview, shapes: list[tuple[int, ...]], dtypes: list[Any]
) -> list[NDArray[Any]]:
    """Return tables of these shapes and dtypes, their size checked before they are made.

    Raises
    ------
    ValueError
        If the data are not of that size.
    """
    specs = [np.dtype(dtype).newbyteorder("<") for dtype in dtypes]
    sizes = [int(np.prod(shape)) * spec.itemsize for shape, spec in zip(shapes, specs, strict=True)]
    if sum(sizes) != len(data):
        raise ValueError(
            f"the saved state has {len(data)} bytes of tables where its header says {sum(sizes)}"
        )
    tables = []
    start = 0
    for shape, spec, size in zip(shapes, specs, sizes, strict=True):
        table = np.frombuffer(data[start : start + size], spec).reshape(shape)
        tables.append(table.astype(spec.newbyteorder("=")))
        start += size
    return tables


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that, whatever happens, the old or the new one is there, whole.

    Parameters
    ----------
    path : path-like
        An existing file is replaced, and keeps its permissions; a link is followed.
    data : bytes
        The content.

    Raises
    ------
    OSError
        If it cannot be written, or the path is there and not a regular file. The old file is
        then as it was.
    """
    target = os.path.realpath(os.fsdecode(path))
    if os.path.exists(target) and not (os.path.isfile(target) or os.path.isdir(target)):
        raise OSError(f"{target} is not a regular file, and is not replaced by one")
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".fastpr-{os.getpid()}-{os.urandom(6).hex()}")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            os.chmod(temporary, os.stat(target).st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_directory(folder)


def _sync_directory(folder: str) -> None:
    """Make a rename last through a crash, where folders can be synced."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
