"""Reading NumPy's own files: what is damaged or holds Python objects is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.io.errors import UnreadableFile

Array = NDArray[Any]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn every error of a reader into one that names the file.

    Parameters
    ----------
    path : path
        The file that the block reads.

    Raises
    ------
    UnreadableFile
        If the path is no regular file, or the block raises an Exception.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise UnreadableFile(path, "is not a regular file")
        yield
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


def check_numbers(path: Path, array: Array) -> Array:
    """Return an array of a file if it is of real numbers or bool.

    Parameters
    ----------
    path : path
        The file, for the message.
    array : array

    Returns
    -------
    array

    Raises
    ------
    UnreadableFile
        If it is of any other dtype.
    """
    if array.dtype.kind not in "biuf":
        raise UnreadableFile(path, f"holds values of dtype {array.dtype}, which are not numbers")
    return array


def read_npy(path: Path) -> Array:
    """Map a .npy file into memory, read-only.

    Parameters
    ----------
    path : path

    Returns
    -------
    array

    Raises
    ------
    UnreadableFile
        If it holds Python objects.
    """
    # Not np.load: what lacks the magic string it takes for a pickle, and says so.
    try:
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise UnreadableFile(path, "holds Python objects, which are never loaded") from None


class Archive:
    """A .npz file that is open; see `open_npz`.

    Parameters
    ----------
    path : path
        For messages.
    members : np.lib.npyio.NpzFile

    Attributes
    ----------
    keys : list of str
        The names of its arrays.
    """

    def __init__(self, path: Path, members: Any) -> None:
        self.path = path
        self.keys: list[str] = members.files
        self._members = members

    def array(self, name: str) -> Array:
        """Return the array of a name, whatever its dtype.

        Parameters
        ----------
        name : str
            One of `keys`.

        Returns
        -------
        array

        Raises
        ------
        UnreadableFile
            If it is not an array, or holds Python objects.
        """
        try:
            array = self._members[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise UnreadableFile(
                self.path, f"{name!r} holds Python objects, never loaded"
            ) from None
        if not isinstance(array, np.ndarray):  # NumPy hands out foreign members as bytes
            raise UnreadableFile(self.path, f"{name!r} is not an array")
        return array

    def chosen(self, key: str | None) -> Array:
        """Return the array of a key, or the only one.

        Parameters
        ----------
        key : str or None

        Returns
        -------
        array

        Raises
        ------
        UnreadableFile
            As `array`, and if there is none, or it takes another key to tell which.
        """
        names = ", ".join(self.keys)
        if not self.keys:
            raise UnreadableFile(self.path, "holds no array")
        if key is None and len(self.keys) > 1:
            raise UnreadableFile(
                self.path, f"holds {len(self.keys)} arrays; choose one by its key: {names}"
            )
        if key is not None and key not in self.keys:
            raise UnreadableFile(self.path, f"holds no array {key!r}; its keys are: {names}")
        return self.array(self.keys[0] if key is None else key)


@contextmanager
def open_npz(path: Path) -> Iterator[Archive]:
    """Open a .npz file; nothing in it is ever unpickled.

    Parameters
    ----------
    path : path

    Yields
    ------
    Archive

    Raises
    ------
    UnreadableFile
        If it is not such a file.
    """
    if path.exists() and not zipfile.is_zipfile(path):
        raise UnreadableFile(path, "is not a .npz file, or is truncated")
    # NumPy leaves a file of its own open where the directory of the archive is damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
        yield Archive(path, members)
