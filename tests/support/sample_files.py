"""Small files of every kind that can be read, and the reason why one is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
tifffile = pytest.importorskip("tifffile")

from PIL import Image  # noqa: E402

from fastpr.io import UnreadableFile, read_scores  # noqa: E402

RNG = np.random.default_rng(7)
FLOATS = RNG.random((9, 11), dtype=np.float32)
BYTES = RNG.integers(0, 256, (9, 11), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (9, 11), dtype=np.uint16)


def save_png(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def save_grey_png(path: Path, values: np.ndarray, bits: int) -> Path:
    """A greyscale PNG of few bits, which Pillow cannot write."""
    assert 8 % bits == 0
    rows = b""
    for row in values:
        text = "".join(f"{v:0{bits}b}" for v in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = values.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def whole_files() -> dict[str, Callable[[Path], object]]:
    return {
        "a.npy": lambda path: np.save(path, WORDS),
        "a.npz": lambda path: np.savez(path, WORDS),
        "b.npz": lambda path: np.savez_compressed(path, WORDS),
        "a.png": lambda path: save_png(path, WORDS),
        "a.tif": lambda path: tifffile.imwrite(path, WORDS),
        "b.tif": lambda path: tifffile.imwrite(path, WORDS, compression="zlib"),
        "c.tif": lambda path: Image.fromarray(WORDS).save(path),
        "d.tif": lambda path: [
            tifffile.imwrite(path, WORDS, append=page > 0, metadata=None) for page in range(3)
        ],
    }


def refused(path: Path, read: Callable[..., object] = read_scores, key: str | None = None) -> str:
    """The reason for which a file is refused; the message begins with the file."""
    with pytest.raises(UnreadableFile) as caught:
        read(path, key)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.why}"
    return caught.value.why
