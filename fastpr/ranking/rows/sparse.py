"""SciPy's sparse matrices as rows. SciPy is never imported: who has such a matrix has done so."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.arrays.dtypes import Array
from fastpr.arrays.host import readable


def is_sparse(value: Any) -> bool:
    """Return whether a value is a sparse matrix or array of SciPy."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and bool(scipy_sparse.issparse(value))


class SparseRows:
    """The rows of a sparse matrix, which stays as it is.

    A matrix in CSR format is read where it is, row by row; other formats are converted. Only
    rows whose entries are not sorted, or repeat a column, are copied, and there they are
    sorted and summed as SciPy does it.

    Parameters
    ----------
    matrix : scipy.sparse matrix or array, ndim 2
        In any format.
    name : str
        What messages call it, in the plural.

    Attributes
    ----------
    dtype : numpy.dtype
        That of the entries, as the matrix has it.
    starts : ndarray of int64, shape (num_rows + 1,)
        Where the entries of each row begin, and the last end.
    num_columns : int
        The number of columns.

    Raises
    ------
    ValueError
        If the matrix is not two-dimensional, or its parts do not fit together.
    """

    def __init__(self, matrix: Any, name: str):
        if matrix.ndim != 2:
            raise ValueError(
                f"{name} are a sparse array of shape {matrix.shape}; pass one with two "
                "dimensions, rows and classes"
            )
        csr = matrix.tocsr()
        self._name = name
        self._values: Array = csr.data
        self._columns: Array = csr.indices
        self.dtype = csr.data.dtype
        self.num_columns = int(matrix.shape[1])
        self.starts = checked_starts(
            csr.indptr, matrix.shape[0], min(len(csr.data), len(csr.indices)), name
        )

    def read(self, start: int, stop: int) -> tuple[Array, Array, NDArray[np.int64]]:
        """Return values, columns and where rows begin among them, of rows `start` to `stop`.

        Columns ascend in each row, and none is there twice.

        Raises
        ------
        ValueError
            If a column is not one of the matrix.
        """
        first, last = int(self.starts[start]), int(self.starts[stop])
        starts = self.starts[start : stop + 1] - first
        columns = self._columns[first:last]
        values = readable(self._values[first:last], self.dtype.newbyteorder("="))
        if columns.size:
            self._check_columns(columns)
            if not _ascending(columns, starts):
                values, columns, starts = self._summed(values, columns, starts)
        return values, columns, starts

    def _summed(
        self, values: Array, columns: Array, starts: NDArray[np.int64]
    ) -> tuple[Array, Array, NDArray[np.int64]]:
        """Return the same with SciPy's own sums, which round and wrap as its dtypes do."""
        copy = sys.modules["scipy.sparse"].csr_array(
            (values, columns, starts), shape=(len(starts) - 1, self.num_columns), copy=True
        )
        copy.sum_duplicates()
        return copy.data, copy.indices, copy.indptr.astype(np.int64)

    def _check_columns(self, columns: Array) -> None:
        lowest, highest = int(columns.min()), int(columns.max())
        if lowest < 0 or highest >= self.num_columns:
            raise ValueError(
                f"{self._name} are a sparse matrix of {self.num_columns} columns that stores an "
                f"entry of column {lowest if lowest < 0 else highest}"
            )


def _ascending(columns: Array, starts: NDArray[np.int64]) -> bool:
    """Return whether columns ascend strictly in each row."""
    ascending = columns[1:] > columns[:-1]
    between = starts[1:-1]
    between = between[(between > 0) & (between < len(columns))]  # others are of empty rows
    ascending[between - 1] = True
    return bool(ascending.all())


def checked_starts(indptr: Array, num_rows: int, num_entries: int, name: str) -> NDArray[np.int64]:
    """Return a copy of an indptr, so that what was checked is what is read.

    Parameters
    ----------
    indptr : ndarray of int, shape (n,)
        Where the entries of each row begin, and the last end.
    num_rows, num_entries : int
        The number of rows it has to describe, and of the entries that there are.
    name : str
        What messages say it belongs to.

    Raises
    ------
    ValueError
        If it does not start at 0, decreases, or does not fit these numbers.
    """
    starts = np.array(indptr, np.int64)
    if len(starts) != num_rows + 1:
        wrong = f"has {len(starts)} elements for {num_rows} rows, which take {num_rows + 1}"
    elif starts[0] != 0:
        wrong = f"starts at {starts[0]}, not at 0"
    elif (decrease := np.flatnonzero(starts[1:] < starts[:-1])).size:
        index = int(decrease[0])
        wrong = f"decreases from {starts[index]} to {starts[index + 1]} at index {index + 1}"
    elif starts[-1] > num_entries:
        wrong = f"ends at {starts[-1]}, and there are {num_entries} indices"
    else:
        return starts
    raise ValueError(f"the indptr of {name} {wrong}")
