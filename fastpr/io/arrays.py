"""Reading one file as scores or as labels."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.io.errors import UnreadableFile
from fastpr.io.images import read_png, read_tiff

Array = NDArray[Any]

# One reader a suffix. Each takes the path, the key, and whether the file holds scores.
_READERS: dict[str, Callable[[Path, str | None, bool], Array]] = {
    ".npy": lambda path, key, scores: _read_npy(path),
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
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise UnreadableFile(path, "is not a regular file")
        array = reader(path, key, scores)
    except UnreadableFile:
        raise
    except FileNotFoundError:
        raise UnreadableFile(path, "there is no such file") from None
    except PermissionError:
        raise UnreadableFile(path, "no permission to read it") from None
    except MemoryError:
        raise UnreadableFile(path, "there is not enough memory to read it") from None
    except Exception as error:
        # Decoders meet damaged files with errors of every type.
        why = str(error) or type(error).__name__
        raise UnreadableFile(
            path, f"cannot be read, and may be damaged or truncated ({why})"
        ) from error
    if array.dtype.kind not in "biuf":
        raise UnreadableFile(path, f"holds values of dtype {array.dtype}, which are not numbers")
    return array


def _read_npy(path: Path) -> Array:
    # Not np.load: what lacks the magic string it takes for a pickle, and says so.
    try:
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise UnreadableFile(path, "holds Python objects, which are never loaded") from None


def _read_npz(path: Path, key: str | None) -> Array:
    if path.exists() and not zipfile.is_zipfile(path):
        raise UnreadableFile(path, "is not a .npz file, or is truncated")
    # NumPy leaves a file of its own open where the directory of the archive is damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        keys = archive.files
        if not keys:
            raise UnreadableFile(path, "holds no array")
        if key is None and len(keys) > 1:
            raise UnreadableFile(
                path, f"holds {len(keys)} arrays; choose one by its key: {', '.join(keys)}"
            )
        if key is not None and key not in keys:
            raise UnreadableFile(path, f"holds no array {key!r}; its keys are: {', '.join(keys)}")
        name = keys[0] if key is None else key
        try:
            array = archive[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise UnreadableFile(path, f"{name!r} holds Python objects, never loaded") from None
    if not isinstance(array, np.ndarray):  # NumPy hands out foreign members as bytes
        raise UnreadableFile(path, f"{name!r} is not an array")
    return array
