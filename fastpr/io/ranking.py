"""Reading scores of classes and the labels of rows: arrays, sparse matrices, and lists.

SciPy is imported when the first sparse matrix is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.io.archives import Archive, Array, check_numbers, open_npz, read_npy, reading
from fastpr.io.errors import UnreadableFile

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What `scipy.sparse.save_npz` writes for every matrix, and for each format that is read. A
# matrix of blocks or of diagonals stores entries that nobody set, or loses zeros that were.
_OF_EVERY_MATRIX = {"format", "shape", "data"}
_OF_FORMAT = {
    "csr": ("indices", "indptr"),
    "csc": ("indices", "indptr"),
    "coo": ("row", "col"),
}
_PAIR = {"indptr", "indices"}


class LabelLists(NamedTuple):
    """Labels of rows, one after the other.

    Parameters
    ----------
    indptr : int64 array, shape (num_rows + 1,)
        The labels of row i are `indices[indptr[i] : indptr[i + 1]]`.
    indices : integer array
        Class ids.
    num_classes : int or None
        Their number, where the file says it.
    """

    indptr: NDArray[np.int64]
    indices: Array
    num_classes: int | None


def read_array(path: Path, key: str | None = None) -> Array:
    """Read an array of numbers from a .npy or .npz file.

    Parameters
    ----------
    path : path
        A .npy file is mapped into memory, not read.
    key : str, optional
        The array of a .npz file. Not needed where there is one array only.

    Returns
    -------
    array
        As stored.

    Raises
    ------
    UnreadableFile
        If the file is missing, damaged, of another kind, or holds no numbers.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npy")
    ...     np.save(path, np.array([1.0, 0.5]))
    ...     read_array(path)
    array([1. , 0.5])
    """
    with reading(path):
        if not _is_npz(path):
            return check_numbers(path, read_npy(path))
        with open_npz(path) as archive:
            return check_numbers(path, archive.chosen(key))


def read_class_scores(path: Path, key: str | None = None) -> Array | csr_array:
    """Read a file of scores of classes.

    Parameters
    ----------
    path : path
        A .npy file, which is mapped into memory and not read; a .npz file of arrays; or the
        .npz file of a sparse matrix, as `scipy.sparse.save_npz` writes it.
    key : str, optional
        The array of a .npz file that holds several. A sparse matrix needs none.

    Returns
    -------
    array or csr_array
        As stored; of a matrix in the COO format, repeated entries are summed.

    Raises
    ------
    UnreadableFile
        If the file is missing, damaged, or of another kind, or if SciPy is missing for it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "scores.npy")
    ...     np.save(path, np.array([[0.25, 0.75]], np.float32))
    ...     read_class_scores(path)
    array([[0.25, 0.75]], dtype=float32)
    """
    with reading(path):
        if not _is_npz(path):
            return check_numbers(path, read_npy(path))
        with open_npz(path) as archive:
            if _is_matrix(archive):
                return _matrix(archive)
            return check_numbers(path, archive.chosen(key))


def read_class_labels(path: Path, key: str | None = None) -> Array | LabelLists:
    """Read a file of the labels of rows.

    Parameters
    ----------
    path : path
        A .npy file, which is mapped into memory and not read; a .npz file of arrays; a .npz
        file of two arrays that are called indptr and indices; or the .npz file of a sparse
        matrix, as `scipy.sparse.save_npz` writes it.
    key : str, optional
        The array of a .npz file that holds several. A pair or a sparse matrix needs none.

    Returns
    -------
    array or LabelLists
        Of a sparse matrix, the labels are the columns where a row is not 0. Whether two
        arrays go together is not checked.

    Raises
    ------
    UnreadableFile
        If the file is missing, damaged, or of another kind, or if SciPy is missing for it.

    Examples
    --------
    >>> from itertools import pairwise
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.npz")
    ...     np.savez(path, indptr=[0, 2, 3], indices=[5, 8, 0])
    ...     labels = read_class_labels(path)
    >>> [labels.indices[start:stop].tolist() for start, stop in pairwise(labels.indptr)]
    [[5, 8], [0]]
    """
    with reading(path):
        if not _is_npz(path):
            return check_numbers(path, read_npy(path))
        with open_npz(path) as archive:
            if _is_matrix(archive):
                return _nonzero(_matrix(archive))
            if set(archive.keys) == _PAIR:
                return _lists(archive)
            return check_numbers(path, archive.chosen(key))


def _is_npz(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        raise UnreadableFile(path, "unknown kind of file; the suffix must be .npy or .npz")
    return suffix == ".npz"


def _is_matrix(archive: Archive) -> bool:
    return set(archive.keys) >= _OF_EVERY_MATRIX


def _matrix(archive: Archive) -> csr_array:
    path = archive.path
    try:
        from scipy import sparse
    except ImportError:
        raise UnreadableFile(
            path, "holds a sparse matrix, which needs SciPy: pip install scipy"
        ) from None

    name = str(archive.array("format").astype(str))  # SciPy saves it as bytes
    if name not in _OF_FORMAT:
        raise UnreadableFile(
            path, f"holds a sparse matrix in the format {name!r}; save its .tocsr()"
        )
    missing = sorted(set(_OF_FORMAT[name]) - set(archive.keys))
    if missing:
        raise UnreadableFile(
            path, f"holds a sparse matrix in the format {name!r}, but no array {missing[0]!r}"
        )
    shape = tuple(archive.array("shape").tolist())
    if len(shape) != 2:
        raise UnreadableFile(path, f"holds a sparse array of shape {shape}; save one of two axes")
    data = check_numbers(path, archive.array("data"))
    first, second = (_integers(archive, member) for member in _OF_FORMAT[name])
    if name == "coo":
        return sparse.coo_array((data, (first, second)), shape=shape).tocsr()
    build = sparse.csr_array if name == "csr" else sparse.csc_array
    matrix = build((data, first, second), shape=shape)
    matrix.check_format(full_check=True)  # an index out of bounds would be read below
    return matrix.tocsr()


def _nonzero(matrix: csr_array) -> LabelLists:
    matrix.sum_duplicates()  # only a sum that is not 0 is a label
    indptr = matrix.indptr.astype(np.int64)
    stored = matrix.data != 0
    if stored.all():
        return LabelLists(indptr, matrix.indices, matrix.shape[1])
    num_before = np.concatenate(([0], np.cumsum(stored, dtype=np.int64)))
    return LabelLists(num_before[indptr], matrix.indices[stored], matrix.shape[1])


def _lists(archive: Archive) -> LabelLists:
    indptr, indices = (_integers(archive, name) for name in ("indptr", "indices"))
    return LabelLists(indptr.astype(np.int64), indices, None)


def _integers(archive: Archive, name: str) -> Array:
    array = archive.array(name)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise UnreadableFile(
            archive.path,
            f"{name!r} has dtype {array.dtype} and shape {array.shape}; save integers, 1-D",
        )
    return array
