"""Reading one file as scores or as labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastpr.io.archives import Array, check_numbers, open_npz, read_npy, reading
from fastpr.io.errors import UnreadableFile
from fastpr.io.images import read_png, read_tiff

# One reader a suffix. Each takes the path, the key, and whether the file holds scores.
_READERS: dict[str, Callable[[Path, str | None, bool], Array]] = {
    ".npy": lambda path, key, scores: read_npy(path),
    ".npz": lambda path, key, scores: _read_npz(path, key),
    ".png": lambda path, key, scores: read_png(path, scores=scores),
    ".tif": lambda path, key, scores: read_tiff(path, scores=scores),
    ".tiff": lambda path, key, scores: read_tiff(path, scores=scores),
}

SUFFIXES = tuple(_READERS)


def read_scores(path: Path, key: str | None = None) -> Array:
    """Read a file of scores.

    Parameters
    ----------
    path : path
        A .npy, .npz, .png, .tif or .tiff file; case does not matter. A .npy file is
        mapped into memory, not read.
    key : str, optional
        The array of a .npz file. Not needed where there is one array only.

    Returns
    -------
    array
        As stored. Integer images stay integers and stand for u / (2**bits - 1).

    Raises
    ------
    UnreadableFile
        If the file is missing, damaged, or of a kind that cannot hold scores.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "scores.npy")
    ...     np.save(path, np.array([0.25, 0.75], np.float32))
    ...     read_scores(path)
    array([0.25, 0.75], dtype=float32)
    """
    return _read(path, key, scores=True)


def read_labels(path: Path, key: str | None = None) -> Array:
    """Read a file of labels.

    Parameters
    ----------
    path : path
        As for `read_scores`.
    key : str, optional
        As for `read_scores`.

    Returns
    -------
    array
        As stored: class or instance numbers, of a palette image the palette indices. A black
        and white PNG gives bool.

    Raises
    ------
    UnreadableFile
        If the file is missing, damaged, or of a kind that cannot hold labels.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "both.npz")
    ...     np.savez(path, scores=[0.25, 0.75], mask=[False, True])
    ...     read_labels(path, "mask")
    array([False,  True])
    """
    return _read(path, key, scores=False)


def _read(path: Path, key: str | None, *, scores: bool) -> Array:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableFile(
            path, f"unknown kind of file; the suffix must be one of {', '.join(SUFFIXES)}"
        )
    with reading(path):
        array = reader(path, key, scores)
    return check_numbers(path, array)


def _read_npz(path: Path, key: str | None) -> Array:
    with open_npz(path) as archive:
        return archive.chosen(key)
