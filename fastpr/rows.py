"""Canonical rows of scores and labels: what users pass becomes what kernels read.

Every message about scores, row weights and the options of rankings is here; those about
labels are in `fastpr.labels`.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays import (
    Array,
    RowArray,
    as_float64,
    check_weight_values,
    host_array,
    readable,
    weight_array,
)
from fastpr.labels import read_labels
from fastpr.sparse import SparseRows, is_sparse

EMPTY = ("skip", "zero", "one", "nan", "raise")
DENOMINATORS = ("min", "relevant", "hits", "k")
TIES = ("index", "optimistic", "pessimistic", "expected")
AVERAGES = ("rows", "micro")
# Ranks are int32, and k stands for all that are not below it.
MAX_CLASSES = 2**31 - 1

_INT64 = np.dtype(np.int64)


class RankKind(NamedTuple):
    """How the scores of one dtype are compared with each other.

    Attributes
    ----------
    name : str
        The name of the dtype in messages.
    kernel : str
        The suffix of the kernel that ranks by such scores.
    storage : numpy.dtype
        What the kernel reads; halves are read as their bits.
    """

    name: str
    kernel: str
    storage: np.dtype[Any]


FLOAT16 = RankKind("float16", "f16", np.dtype(np.uint16))
BFLOAT16 = RankKind("bfloat16", "bf16", np.dtype(np.uint16))
FLOAT32 = RankKind("float32", "f32", np.dtype(np.float32))
FLOAT64 = RankKind("float64", "f64", np.dtype(np.float64))
UINT8 = RankKind("uint8", "u8", np.dtype(np.uint8))
RANK_KINDS = (FLOAT16, BFLOAT16, FLOAT32, FLOAT64, UINT8)

_KIND_OF_DTYPE = {np.dtype(kind.name): kind for kind in RANK_KINDS if kind is not BFLOAT16}


class RowBlock(NamedTuple):
    """Rows as kernels read them.

    Attributes
    ----------
    scores : ndarray, shape (num_rows, num_classes), or one-dimensional
        In the storage dtype of their kind, native and aligned. Rows are contiguous, any
        multiple of the itemsize apart (0 and less too). Of sparse rows, the stored scores.
    score_starts : ndarray of int64, shape (num_rows + 1,), or None
        Where the scores of each sparse row begin, and the last end.
    labels : ndarray of int32 or int64, one-dimensional
        Contiguous class ids, repeated ones and those out of range too. Of sparse rows, the
        position of a class among the stored scores of its row; for a class that is not
        stored, the number of those plus its id; for what is no class, -1.
    label_starts : ndarray of int64, shape (num_rows + 1,), or None
        Where the labels of each row begin, and the last end; None if all rows have the same
        number.
    num_ids : int
        Labels in [0, num_ids) are in range.
    ids : ndarray of int32 or int64, one-dimensional, or None
        The class of each stored score, ascending in each row.
    """

    scores: Array
    score_starts: NDArray[np.int64] | None
    labels: Array
    label_starts: NDArray[np.int64] | None
    num_ids: int
    ids: Array | None


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
    kind : RankKind
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

    def __init__(self, labels: Any, predictions: Any, weights: ArrayLike | None = None):
        self._dense: RowArray
        self._sparse: SparseRows
        self.is_sparse = type(predictions) is not np.ndarray and is_sparse(predictions)
        shape = self._set_sparse(predictions) if self.is_sparse else self._set_dense(predictions)
        self.kernel = self.kind.kernel
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
        kind = _KIND_OF_DTYPE.get(rows.dtype.newbyteorder("="))
        if kind is None or kind is FLOAT16:  # which SciPy does not sum
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
        _check_num_classes(shape)
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


def _score_array(predictions: Any) -> tuple[Array, RankKind]:
    array, is_bfloat16 = host_array(
        predictions, "predictions", "pass their .filled(...) with a score below all others"
    )
    kind = score_kind(array.dtype, is_bfloat16)
    if kind is FLOAT16:
        array = array.view(array.dtype.str.replace("f", "u"))
    return array, kind


def score_kind(dtype: np.dtype[Any], is_bfloat16: bool) -> RankKind:
    """Return how scores of a dtype are compared; TypeError if that is not said of it."""
    if is_bfloat16:
        return BFLOAT16
    kind = _KIND_OF_DTYPE.get(dtype)
    if kind is None and dtype.kind == "f":
        kind = _KIND_OF_DTYPE.get(dtype.newbyteorder("="))
    if kind is None:
        raise TypeError(
            f"predictions have dtype {dtype}; pass scores as float16, bfloat16, float32, "
            "float64 or uint8, with .astype(numpy.float32) for instance"
        )
    return kind


def check_score_shape(shape: tuple[int, ...]) -> None:
    """Raise ValueError if an array of this shape has no dimension of classes, or no class."""
    if not shape:
        raise ValueError(
            "predictions are a single number; pass at least one dimension, that of classes"
        )
    _check_num_classes(shape)


def _check_num_classes(shape: tuple[int, ...]) -> None:
    if not 1 <= shape[-1] <= MAX_CLASSES:
        raise ValueError(
            f"predictions of shape {shape} have {shape[-1]} classes; pass scores of 1 to "
            f"{MAX_CLASSES} classes, along the last dimension"
        )


def row_weights(
    weights: ArrayLike, shape: tuple[int, ...], num_rows: int, name: str = "predictions"
) -> NDArray[np.float64]:
    """Return the weights of rows as float64, as they are or as a broadcast view where they can.

    Parameters
    ----------
    weights : array_like of float, int or bool
        As the user passed them.
    shape : tuple of int
        The shape of what is ranked; all but its last are the leading dimensions.
    num_rows : int
        Their product.
    name : str, default "predictions"
        What messages call it.

    Returns
    -------
    ndarray of float64, shape (num_rows,)
        Finite and not negative.
    """
    array, is_bfloat16 = weight_array(
        weights, if_masked="pass their .filled(0), so that masked rows weigh 0"
    )
    lead = shape[:-1]
    check_weight_shape(array.shape, shape, name)
    values = as_float64(array, is_bfloat16)
    if not (np.isfinite(values) & (values >= 0)).all():
        check_weight_values(array, is_bfloat16, left_out="rows")
    if values.size == 1:
        return np.broadcast_to(values.reshape(1), (num_rows,))
    return np.broadcast_to(values, lead).reshape(num_rows)


def check_weight_shape(
    weights_shape: tuple[int, ...], shape: tuple[int, ...], name: str = "predictions"
) -> None:
    """Raise ValueError if weights of one shape are not those of the rows of another."""
    lead = shape[:-1]
    if weights_shape and (
        len(weights_shape) != len(lead)
        or any(ours not in (1, theirs) for ours, theirs in zip(weights_shape, lead, strict=True))
    ):
        raise ValueError(
            f"weights of shape {weights_shape} do not go with {name} of shape {shape}; pass a "
            f"scalar, or an array of the leading shape {lead}, whose dimensions may also be 1"
        )


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


# ---- options ----


def check_k(k: int, num_classes: int | None = None) -> int:
    """Return `k` as an int of at least 1, and at most `num_classes` if that is given.

    Examples
    --------
    >>> check_k(5, num_classes=10)
    5
    """
    try:
        if isinstance(k, (bool, np.bool_)):
            raise TypeError
        number = operator.index(k)
    except TypeError:
        number = 0
    if not 1 <= number <= MAX_CLASSES:
        raise ValueError(f"k must be an integer in [1, {MAX_CLASSES}], got {k!r}")
    if num_classes is not None and number > num_classes:
        raise ValueError(
            f"k must not be above the number of classes, got {number}, and predictions of "
            f"{num_classes} classes"
        )
    return number


def _check_one_of(allowed: tuple[str, ...], name: str, value: str) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    *others, last = map(repr, allowed)
    raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def check_empty(empty: str) -> str:
    """Return `empty` if it says what rows without labels count, or say what it can be."""
    return _check_one_of(EMPTY, "empty", empty)


def check_ties(ties: str) -> str:
    """Return `ties` if it is a rule for equal scores, or say what it can be."""
    return _check_one_of(TIES, "ties", ties)


def check_denominator(denominator: str, ties: str = "index") -> str:
    """Return `denominator` if it is one of average precision by a checked rule of ties."""
    _check_one_of(DENOMINATORS, "denominator", denominator)
    if denominator == "hits" and ties == "expected":
        raise ValueError(
            "denominator 'hits' has no closed form with ties='expected'; choose another of the two"
        )
    return denominator


def check_average(average: str) -> str:
    """Return `average` if it is a way to average over rows, or say what it can be."""
    return _check_one_of(AVERAGES, "average", average)
