"""Canonical rows of scores and labels: what users pass becomes what kernels read.

What is said of scores and weights stands in `fastpr.ranking.rows.checks`, of labels in
`fastpr.ranking.rows.labels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import FLOAT16, Array, ScoreKind, score_kind
from fastpr.arrays.host import host_array, readable
from fastpr.backends.protocol import RowBlock
from fastpr.ranking.rows.checks import (
    MAX_CLASSES,
    check_kind,
    check_num_classes,
    check_score_shape,
    row_weights,
)
from fastpr.ranking.rows.dense import RowArray
from fastpr.ranking.rows.labels import read_labels
from fastpr.ranking.rows.sparse import SparseRows, is_sparse

_INT64 = np.dtype(np.int64)


class Rows:
    """The rows of one update, checked as far as can be without reading scores.

    Parameters
    ----------
    labels : array_like of int, sequence, scipy.sparse matrix or tuple of two arrays
        The relevant classes of each row, in one of these forms:

        - an integer array ``[..., num_labels]``, or ``[...]`` for one label a row;
        - lists nested as deep as the leading dimensions, then one of ids (or an integer
          array, or a set) for each row, or one id;
        - a SciPy sparse matrix of the shape of `predictions`, where what is not 0 is a label;
        - a tuple of two one-dimensional integer arrays ``(indptr, indices)``: the labels of
          row i, in C order of the leading dimensions, are ``indices[indptr[i]:indptr[i + 1]]``.

        Ids outside [0, num_classes) are no labels.
    predictions : array_like of float16, bfloat16, float32, float64 or uint8, or scipy.sparse
        Scores ``[..., num_classes]``, of at least one class and one dimension. Of a SciPy
        sparse matrix only stored entries are candidates.
    weights : array_like of float, int or bool, optional
        A scalar, or an array with the leading dimensions of `predictions`, each 1 or equal.

    Attributes
    ----------
    kind : ScoreKind
        How the scores are compared.
    kernel : str
        The kernel that ranks them.
    shape : tuple of int
        The leading dimensions.
    num_rows, num_classes : int
        The number of rows, and of classes.
    num_scores : int
        The number of scores, of a sparse matrix of those that are stored.
    num_labels : int
        The number of labels, repeated ones and those out of range too.
    labels_per_row : int or None
        That number of each row, if all have the same and it is known without counting.
    is_sparse : bool
        Whether scores are a sparse matrix; then there are no pieces of rows.
    readable_in_place : bool
        Whether no score is ever copied (but for unsorted rows of a sparse matrix).
    weights : ndarray of float64, shape (num_rows,), or None
        Those of rows, perhaps a broadcast view; None if none were given.

    Raises
    ------
    ValueError
        If shapes do not fit together, or weights are negative or not finite.
    TypeError
        If a dtype is not one of those above.
    BackendUnavailable
        If an array is not in host memory.
    """

    is_on_device = False

    def __init__(self, labels: Any, predictions: Any, weights: ArrayLike | None = None):
        self._dense: RowArray
        self._sparse: SparseRows
        self.is_sparse = type(predictions) is not np.ndarray and is_sparse(predictions)
        shape = self._set_sparse(predictions) if self.is_sparse else self._set_dense(predictions)
        assert self.kind.ranks is not None
        self.kernel = self.kind.ranks
        self.shape = shape[:-1]
        self.num_classes = shape[-1]
        self._labels = read_labels(labels, shape)
        self.num_labels = self._labels.num_labels
        self.labels_per_row = self._labels.labels_per_row
        self.weights = None if weights is None else row_weights(weights, shape, self.num_rows)

    def _set_dense(self, predictions: Any) -> tuple[int, ...]:
        array, self.kind = _score_array(predictions)
        shape = array.shape
        check_score_shape(shape)
        self._dense = RowArray(array, self.kind.storage)
        self.num_rows = self._dense.num_rows
        self.num_scores: int = array.size
        self.readable_in_place = self._dense.readable_in_place
        return shape

    def _set_sparse(self, predictions: Any) -> tuple[int, int]:
        rows = SparseRows(predictions, "predictions")
        kind = score_kind(rows.dtype)
        if kind is None or kind.ranks is None or kind is FLOAT16:  # which SciPy does not sum
            raise TypeError(
                f"predictions are a sparse matrix of dtype {rows.dtype}; pass scores as float32, "
                "float64 or uint8, with .astype(numpy.float32) for instance"
            )
        self.kind = kind
        self._sparse = rows
        self.num_rows = len(rows.starts) - 1
        self.num_scores = int(rows.starts[-1])
        self.readable_in_place = True
        shape = self.num_rows, rows.num_columns
        check_num_classes(shape)
        longest = int(np.diff(rows.starts).max(initial=0))
        self._num_positions = longest + rows.num_columns
        if self._num_positions > MAX_CLASSES:
            raise ValueError(
                f"predictions are a sparse matrix of shape {shape} with up to {longest} entries "
                f"in a row; columns and these must not be more than {MAX_CLASSES} together"
            )
        return shape

    def block(self, start: int, stop: int) -> RowBlock:
        """Return the rows from `start` to `stop`; only what kernels cannot read is copied."""
        labels, label_starts = self._labels.read(start, stop)
        if not self.is_sparse:
            scores = self._dense.read(start, stop)
            return RowBlock(scores, None, labels, label_starts, self.num_classes, None)
        scores, ids, starts = self._sparse.read(start, stop)
        if label_starts is None:
            lengths: Any = len(labels) // max(stop - start, 1)
        else:
            lengths = np.diff(label_starts)
        rows = np.repeat(np.arange(stop - start), lengths)
        positions = _positions(labels, rows, ids, starts, self.num_classes)
        return RowBlock(scores, starts, positions, label_starts, self._num_positions, ids)

    # ---- pieces of long dense rows ----

    def piece(self, row: int, first: int, stop: int) -> Array:
        """Return the scores of a row for the classes from `first` to `stop`, contiguous."""
        return readable(self._dense.row(row)[first:stop], self.kind.storage)

    def label_ids(self, row: int) -> NDArray[np.int64]:
        """Return the distinct labels of a row that are in range, ascending."""
        ids, _ = self._labels.read(row, row + 1)
        return np.unique(ids[(ids >= 0) & (ids < self.num_classes)]).astype(np.int64, copy=False)

    def label_scores(self, row: int, ids: NDArray[np.int64]) -> Array:
        """Return the scores of a row for some classes."""
        return readable(self._dense.row(row)[ids], self.kind.storage)


def _score_array(predictions: Any) -> tuple[Array, ScoreKind]:
    array, is_bfloat16 = host_array(
        predictions, "predictions", "pass their .filled(...) with a score below all others"
    )
    kind = check_kind(array.dtype, is_bfloat16)
    return kind.stored(array), kind


def _positions(
    labels: Array, rows: Array, ids: Array, starts: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Return where the labels of rows are among the stored scores; see `RowBlock.labels`.

    Parameters
    ----------
    labels, rows : ndarray of int, shape (num_labels,)
        Class ids, and the row of each.
    ids : ndarray of int, shape (num_stored,)
        The classes of the stored scores, ascending in each row.
    starts : ndarray of int64, shape (num_rows + 1,)
        Where those of each row begin, and the last end.
    num_classes : int
        Labels in [0, num_classes) are in range.
    """
    lengths = np.diff(starts)
    begin, num_stored = starts[rows], lengths[rows]
    low, num_left = begin.copy(), num_stored.copy()
    for _ in range(int(lengths.max(initial=0)).bit_length()):  # all searches go on at once
        half = (num_left + 1) >> 1
        low += half * (ids.take(low + (half - 1), mode="clip") < labels)
        num_left -= half
    low -= begin
    is_stored = low < num_stored
    is_stored[is_stored] = ids[(begin + low)[is_stored]] == labels[is_stored]
    positions = np.where(is_stored, low, num_stored + labels)
    positions[(labels < 0) | (labels >= num_classes)] = -1
    return positions
