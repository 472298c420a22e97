"""Samples of any number: in memory, or in files that are mapped where memory is too small."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from answers import expected_table
from distributions import Array, make_samples
from machine import memory_bytes

BASE = 1 << 26  # samples that are made; more are these again
_BYTES = 5  # of a float32 score and a bool label


def disk() -> str | None:
    """Return a folder for large files: /tmp is often kept in memory."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None


def is_mapped(num: int) -> bool:
    """Return whether so many samples are kept in files: above half of the memory."""
    return _BYTES * num > memory_bytes() // 2


def lacking_room(folder: Path, num: int) -> int:
    """Return how many bytes files would need for which a disk has no room, else 0."""
    needed = _BYTES * num if is_mapped(num) else 0
    return needed if needed > shutil.disk_usage(folder).free * 0.8 else 0


class LongArrays:
    """Uniform scores and their labels; of fewer samples, take the first."""

    def __init__(self, folder: Path, num: int, base: int = BASE) -> None:
        self._base = make_samples("uniform", min(base, num))
        self._base_table: Array | None = None
        self.is_mapped = is_mapped(num)
        self.scores, self.labels = (
            self._tile(folder / name, part, num)
            for name, part in zip(("scores", "labels"), self._base, strict=True)
        )

    def _tile(self, path: Path, part: Array, num: int) -> Array:
        whole: Array
        if self.is_mapped:
            whole = np.memmap(path, part.dtype, "w+", shape=(num,))
        else:
            whole = np.empty(num, part.dtype)
        for start in range(0, num, len(part)):
            whole[start : start + len(part)] = part[: num - start]
        return whole

    def table(self, num: int, num_thresholds: int = 201) -> Array:
        """Return the counts of the first `num` samples: a part of the base, or times it."""
        length = len(self._base[0])
        if num % length:
            return expected_table(self.scores[:num], self.labels[:num], None, num_thresholds)
        if self._base_table is None:
            self._base_table = expected_table(*self._base, None, num_thresholds)
        return self._base_table * (num // length)

    def close(self) -> None:
        """Let go of the arrays, so that files can be removed."""
        del self.scores, self.labels
