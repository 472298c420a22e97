"""The rows that ``fastpr rank`` reads: opened and checked first, then taken piece by piece."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.arrays.weights import check_weight_values
from fastpr.io import LabelLists, read_array, read_class_labels, read_class_scores
from fastpr.io.errors import BadData
from fastpr.ranking.rows.sparse import checked_starts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[Any]

# Scores of one piece: enough to keep all threads busy, and several pieces a second.
_PIECE = 1 << 24


@dataclass(frozen=True)
class RankFiles:
    """Where the input is.

    Parameters
    ----------
    scores, labels : path
    weights : path or None
        Of rows.
    label_weights : path or None
        Of classes.
    """

    scores: Path
    labels: Path
    weights: Path | None = None
    label_weights: Path | None = None


class Piece(NamedTuple):
    """Some rows, as `fastpr.RankingMetrics.update` takes them.

    Parameters
    ----------
    first_row : int
        How many rows come before.
    num_rows : int
    labels : integer array, or pair of indptr and indices
    predictions : array or csr_array
    weights : array or None
    """

    first_row: int
    num_rows: int
    labels: Array | tuple[NDArray[np.int64], Array]
    predictions: Array | csr_array
    weights: Array | None

    def num_labels(self, num_classes: int) -> NDArray[np.int64]:
        """Return the number of distinct labels in range, of each row.

        Parameters
        ----------
        num_classes : int

        Returns
        -------
        int64 array, shape (num_rows,)
        """
        if isinstance(self.labels, tuple):
            return _num_listed(*self.labels, num_classes)
        width = self.labels.size // max(1, self.num_rows)
        ids = np.sort(self.labels.reshape(self.num_rows, width), axis=1)
        counted = (ids >= 0) & (ids < num_classes)
        counted[:, 1:] &= ids[:, 1:] != ids[:, :-1]
        num_labels: NDArray[np.int64] = counted.sum(axis=1, dtype=np.int64)
        return num_labels


def _num_listed(indptr: NDArray[np.int64], indices: Array, num_classes: int) -> NDArray[np.int64]:
    num_rows = len(indptr) - 1
    in_range = (indices >= 0) & (indices < num_classes)
    rows = np.repeat(np.arange(num_rows), np.diff(indptr))[in_range]
    keys = rows * num_classes + indices[in_range].astype(np.int64)
    if (np.diff(keys) <= 0).any():  # what SciPy writes is sorted, and has no id twice
        rows = np.unique(keys) // num_classes
    return np.bincount(rows, minlength=num_rows)


class RankInput:
    """Scores, labels and weights of the same rows; no score is read yet.

    Parameters
    ----------
    files : RankFiles
    key, labels_key : str or None
        The array of a .npz file of scores, of labels.

    Attributes
    ----------
    leading : tuple of int
        The shape of the rows.
    num_rows, num_classes : int
    label_weights : array of shape (num_classes,), or None

    Raises
    ------
    fastpr.io.UnreadableFile
        If a file cannot be read.
    BadData
        If the arrays do not go together, or cannot be labels or weights.
    """

    def __init__(self, files: RankFiles, key: str | None, labels_key: str | None) -> None:
        self.files = files
        scores = read_class_scores(files.scores, key)
        if 0 in (scores.ndim, *scores.shape[-1:]):
            raise BadData(
                f"{files.scores} has shape {scores.shape}; save scores of at least one class, "
                "along the last axis"
            )
        *leading, self.num_classes = scores.shape
        self.leading: tuple[int, ...] = tuple(leading)
        self.num_rows = math.prod(leading)
        labels = self._read_labels(labels_key)
        weights = self._read_weights()
        self.label_weights = self._read_label_weights()

        # One axis of rows where that needs no copy: of Fortran order it can need one.
        outer = self.leading
        if isinstance(scores, np.ndarray) and (scores.flags.c_contiguous or scores.ndim == 1):
            outer = (self.num_rows,)
            scores = scores.reshape(*outer, self.num_classes)
        if isinstance(labels, np.ndarray):
            labels = labels.reshape(*outer, *labels.shape[len(leading) :])
        self._scores = scores
        self._labels = labels
        self._weights = None if weights is None else weights.reshape(outer)
        self._rows_in_step = math.prod(outer[1:])

    def _read_labels(self, key: str | None) -> Array | LabelLists:
        path, scores = self.files.labels, self.files.scores
        labels = read_class_labels(path, key)
        rows = f"{scores} has rows of shape {self.leading} and {self.num_classes} classes"
        if isinstance(labels, LabelLists):
            if len(labels.indptr) - 1 != self.num_rows:
                raise BadData(f"{path} has labels of {len(labels.indptr) - 1} rows, but {rows}")
            if labels.num_classes not in (None, self.num_classes):
                raise BadData(f"{path} has labels of {labels.num_classes} classes, but {rows}")
            try:
                checked_starts(labels.indptr, self.num_rows, len(labels.indices), "labels")
            except ValueError as error:
                raise BadData(f"{path}: {error}") from error
            return labels
        if labels.dtype.kind == "b":
            raise BadData(
                f"{path}: labels are bool; save class ids as integers, or a sparse matrix: "
                "scipy.sparse.save_npz(path, scipy.sparse.csr_array(labels))"
            )
        if labels.dtype.kind not in "iu":
            raise BadData(f"{path}: labels are {labels.dtype}; save class ids as integers")
        if self.leading not in (labels.shape, labels.shape[:-1]):
            raise BadData(
                f"{path} has shape {labels.shape}, but {rows}; save one label a row, or one "
                "more axis for several, with -1 where a row has fewer"
            )
        return labels

    def _read_weights(self) -> Array | None:
        path = self.files.weights
        if path is None:
            return None
        weights = read_array(path)
        if weights.ndim and (
            weights.ndim != len(self.leading)
            or any(ours not in (1, n) for ours, n in zip(weights.shape, self.leading, strict=True))
        ):
            raise BadData(
                f"{path} has shape {weights.shape}, but {self.files.scores} has rows of shape "
                f"{self.leading}; each axis must be 1 or equal"
            )
        _check_weights(path, weights, "rows")
        return np.broadcast_to(weights, self.leading)

    def _read_label_weights(self) -> Array | None:
        path = self.files.label_weights
        if path is None:
            return None
        weights = read_array(path)
        if weights.shape != (self.num_classes,):
            raise BadData(
                f"{path} has shape {weights.shape}, but {self.files.scores} has "
                f"{self.num_classes} classes; save one weight for each"
            )
        _check_weights(path, weights, "classes")
        return weights

    def pieces(self) -> Iterator[Piece]:
        """Yield all rows, in order; where there are none, one empty piece."""
        bounds = self._bounds()
        for start, stop in pairwise(bounds):
            rows = slice(start * self._rows_in_step, stop * self._rows_in_step)
            yield Piece(
                first_row=rows.start,
                num_rows=rows.stop - rows.start,
                labels=_label_rows(self._labels, slice(start, stop), rows),
                predictions=_score_rows(self._scores, start, stop),
                weights=None if self._weights is None else self._weights[start:stop],
            )

    def _bounds(self) -> list[int]:
        """Return where pieces begin and end on the first axis."""
        last: int = self._scores.shape[0]
        if isinstance(self._scores, np.ndarray):
            step = max(1, _PIECE // max(1, self._rows_in_step * self.num_classes))
            return [*range(0, max(1, last), step), last]
        indptr = self._scores.indptr
        ends = np.arange(_PIECE, int(indptr[-1]), _PIECE)
        inner = {int(row) for row in np.searchsorted(indptr, ends)}
        return [*sorted({0} | inner - {last}), last]


def _label_rows(
    labels: Array | LabelLists, place: slice, rows: slice
) -> Array | tuple[NDArray[np.int64], Array]:
    if isinstance(labels, np.ndarray):
        return labels[place]
    indptr = labels.indptr[rows.start : rows.stop + 1]
    return indptr - indptr[0], labels.indices[indptr[0] : indptr[-1]]


def _score_rows(scores: Array | csr_array, start: int, stop: int) -> Array | csr_array:
    if isinstance(scores, np.ndarray):
        return scores[start:stop]
    # Not scores[start:stop], which copies.
    indptr = scores.indptr[start : stop + 1]
    stored = slice(indptr[0], indptr[-1])
    return type(scores)(
        (scores.data[stored], scores.indices[stored], indptr - indptr[0]),
        shape=(stop - start, scores.shape[1]),
    )


def _check_weights(path: Path, weights: Array, left_out: str) -> None:
    try:
        check_weight_values(weights, False, left_out=left_out)
    except ValueError as error:
        raise BadData(f"{path}: {error}") from error
