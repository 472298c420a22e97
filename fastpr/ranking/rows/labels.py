"""The labels of rows: what users have them in becomes ids, and where each row begins.

Messages about labels are here; about arrays of any kind, in `fastpr.arrays`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastpr.arrays.dtypes import Array
from fastpr.arrays.host import host_array, readable
from fastpr.backends.integers import as_integer
from fastpr.ranking.rows.dense import RowArray
from fastpr.ranking.rows.sparse import SparseRows, checked_starts, is_sparse

_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)


class Labels(Protocol):
    """The labels of rows.

    Attributes
    ----------
    num_labels : int
        Their number, repeated ones and those out of range too.
    labels_per_row : int or None
        That of each row, if it is the same for all.
    """

    num_labels: int
    labels_per_row: int | None

    def read(self, start: int, stop: int) -> tuple[Array, NDArray[np.int64] | None]:
        """Return the labels of the rows from `start` to `stop`, and where each row begins.

        Labels are contiguous int32 or int64; those that no class can have may be any number
        out of range. Where rows begin, and the last ends, is None if all are of one length.
        """


class EqualLabels:
    """Rows of one length: an integer array ``[..., num_labels]``."""

    __slots__ = ("_rows", "labels_per_row", "num_labels")

    def __init__(self, ids: Array):
        self._rows = RowArray(*_signed(ids))
        self.num_labels = ids.size
        self.labels_per_row: int | None = ids.shape[-1]

    def read(self, start: int, stop: int) -> tuple[Array, None]:
        """Return labels, and None; see `Labels`."""
        labels = self._rows.read(start, stop).reshape(-1)  # which may be a column of a table
        return readable(labels, self._rows.dtype), None


class RaggedLabels:
    """Rows one after the other, and where each begins."""

    __slots__ = ("_dtype", "_ids", "_starts", "labels_per_row", "num_labels")

    def __init__(self, starts: NDArray[np.int64], ids: Array):
        self._starts = starts
        self._ids, self._dtype = _signed(ids)
        self.num_labels = int(starts[-1])
        self.labels_per_row: int | None = None

    def read(self, start: int, stop: int) -> tuple[Array, NDArray[np.int64]]:
        """Return labels and where rows begin; see `Labels`."""
        starts = self._starts[start : stop + 1]
        ids = self._ids[int(starts[0]) : int(starts[-1])]
        return readable(ids, self._dtype), starts - starts[0]


class SparseLabels:
    """The columns of a sparse matrix whose entries are not 0."""

    __slots__ = ("_rows", "labels_per_row", "num_labels")

    def __init__(self, rows: SparseRows):
        self._rows = rows
        self.num_labels = int(rows.starts[-1])
        self.labels_per_row: int | None = None

    def read(self, start: int, stop: int) -> tuple[Array, NDArray[np.int64]]:
        """Return labels and where rows begin; see `Labels`."""
        values, ids, starts = self._rows.read(start, stop)
        is_label = values != 0
        if not is_label.all():
            ids = ids[is_label]
            starts = np.append(0, np.cumsum(is_label))[starts]
        return readable(*_signed(ids)), starts


def _signed(ids: Array) -> tuple[Array, np.dtype[Any]]:
    """Return ids where they are, and the dtype that kernels read them in."""
    dtype = ids.dtype
    if dtype.kind == "i":
        return ids, _INT64 if dtype.itemsize == 8 else _INT32
    if dtype.itemsize == 8:
        # what does not fit becomes negative, and is out of range as it was before
        return ids.view(dtype.str.replace("u", "i")), _INT64
    return ids, _INT64 if dtype.itemsize == 4 else _INT32


class Ranked(NamedTuple):
    """What labels have to go with."""

    name: str
    shape: tuple[int, ...]
    num_classes: int

    def __str__(self) -> str:
        return f"{self.name} of shape {self.shape}"

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading dimensions."""
        return self.shape[:-1]


def read_labels(
    labels: Any,
    shape: tuple[int, ...],
    name: str = "predictions",
    num_classes: int | None = None,
) -> Labels:
    """Return the labels of rows from what the user passed.

    Parameters
    ----------
    labels : array_like of int, sequence of sequences, scipy.sparse matrix or tuple of arrays
        See `fastpr.ranking.rows.host.Rows`.
    shape : tuple of int
        The shape of what is ranked; all but its last are the leading dimensions.
    name : str, default "predictions"
        What messages call it, in the plural.
    num_classes : int, optional
        The number of columns of a sparse matrix of labels; the last of `shape` by default.

    Raises
    ------
    ValueError
        If they are not of as many rows.
    TypeError
        If they are not integers.
    """
    ranked = Ranked(name, shape, shape[-1] if num_classes is None else num_classes)
    if type(labels) is not np.ndarray:
        if isinstance(labels, tuple) and is_pair(labels):
            return _pair(labels[0], labels[1], ranked)
        if isinstance(labels, (list, tuple)):
            return _listed(labels, ranked)
        if is_sparse(labels):
            return _sparse(labels, ranked)
    ids = _integers(labels, "labels")
    return EqualLabels(ids[..., np.newaxis] if is_one_a_row(ids.shape, ranked) else ids)


def is_one_a_row(shape: tuple[int, ...], ranked: Ranked) -> bool:
    """Return whether labels of a shape are one a row, and not rows; ValueError if neither."""
    lead = ranked.lead
    if shape == lead:
        return True
    if len(shape) != len(lead) + 1 or shape[:-1] != lead:
        raise ValueError(
            f"labels of shape {shape} do not go with {ranked}; pass shape "
            f"{_text(*lead, 'num_labels')}, or {lead} for one label a row"
        )
    return False


def _text(*sizes: int | str) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def _integers(value: Any, name: str) -> Array:
    array, is_bfloat16 = host_array(value, name, "pass their .filled(-1), which is no class")
    dtype = label_dtype(array.dtype, is_bfloat16, array.size, name)
    return array if dtype == array.dtype else np.zeros(array.shape, dtype)


def label_dtype(
    dtype: np.dtype[Any], is_bfloat16: bool, num_labels: int, name: str
) -> np.dtype[Any]:
    """Return the dtype of integers that labels have; TypeError if they are not integers."""
    if dtype.kind in "iu" and not is_bfloat16:
        return dtype
    if num_labels == 0 and dtype == np.float64:
        return _INT64  # nothing has no dtype of its own
    given = "bfloat16" if is_bfloat16 else dtype
    todo = "as integers, with .astype(numpy.int64) for instance"
    if dtype.kind == "b":
        todo = "as integers (scipy.sparse.csr_array(labels), if these are a flag for each class)"
    elif dtype.kind == "O":
        todo = "as integers (.tolist(), if these are rows of different lengths)"
    raise TypeError(f"{name} have dtype {given}; pass the ids of the relevant classes {todo}")


# ---- (indptr, indices) ----


def is_pair(labels: tuple[Any, ...]) -> bool:
    """Return whether a tuple holds two one-dimensional arrays, and not rows."""
    return len(labels) == 2 and all(getattr(part, "ndim", None) == 1 for part in labels)


def _pair(indptr: Any, indices: Any, ranked: Ranked) -> RaggedLabels:
    starts = _integers(indptr, "labels (their indptr)")
    ids = _integers(indices, "labels (their indices)")
    return RaggedLabels(checked_indptr(starts, len(ids), ranked), ids)


def checked_indptr(indptr: Array, num_labels: int, ranked: Ranked) -> NDArray[np.int64]:
    """Return a copy of the indptr of labels, or raise ValueError if it does not describe them."""
    try:
        return checked_starts(indptr, math.prod(ranked.lead), num_labels, "labels")
    except ValueError as error:
        raise ValueError(
            f"{error}; a tuple of two arrays is (indptr, indices), and a list is rows of labels"
        ) from None


# ---- scipy.sparse ----


def _sparse(labels: Any, ranked: Ranked) -> SparseLabels:
    rows = SparseRows(labels, "labels")
    wanted = (*ranked.lead, ranked.num_classes)
    if labels.shape != wanted:
        raise ValueError(
            f"labels are a sparse matrix of shape {labels.shape}, which does not go with {ranked}; "
            + (f"pass one of shape {wanted}" if len(wanted) == 2 else "pass lists or an array")
        )
    if rows.dtype.kind not in "biuf":
        raise TypeError(
            f"labels are a sparse matrix of dtype {rows.dtype}; pass real numbers or bool, where "
            "what is not 0 is a label"
        )
    return SparseLabels(rows)


# ---- sequences ----


def _is_sequence(value: Any) -> bool:
    return (isinstance(value, Sequence) and not isinstance(value, (str, bytes))) or (
        getattr(value, "ndim", 0) > 0
    )


def _is_row(value: Any) -> bool:
    return isinstance(value, Set) or _is_sequence(value)


def _listed(labels: Sequence[Any], ranked: Ranked) -> Labels:
    rows: list[Any] = [labels]
    for depth, size in enumerate(ranked.lead):
        for index, part in enumerate(rows):
            if not _is_sequence(part) or len(part) != size:
                raise _not_so_many(part, np.unravel_index(index, ranked.lead[:depth]), size, ranked)
        rows = list(chain.from_iterable(rows))
    if not set(map(type, rows)) <= {list, tuple}:
        are_rows = list(map(_is_row, rows))
        if not any(are_rows):
            return EqualLabels(_ids(rows, None, ranked)[:, np.newaxis])
        if not all(are_rows):
            single = are_rows.index(False)
            raise TypeError(
                f"labels mix rows of ids and single ids (first: {rows[single]!r} in row {single});"
                " pass rows, of one id where there is one"
            )
        if not any(isinstance(row, (Sequence, Set)) for row in rows):
            return _ragged([_row_array(row, ranked) for row in rows])
        rows = [
            list(row) if isinstance(row, (Sequence, Set)) else _row_array(row, ranked).tolist()
            for row in rows
        ]
    starts = _starts(rows)
    return RaggedLabels(starts, _ids(list(chain.from_iterable(rows)), starts, ranked))


def _not_so_many(part: Any, index: tuple[Any, ...], size: int, ranked: Ranked) -> ValueError:
    given = f"a {type(part).__name__} of {len(part)}" if _is_sequence(part) else repr(part)
    place = f" at index {tuple(map(int, index))}" if index else ""
    pair = isinstance(part, tuple) and not index and len(part) == 2
    return ValueError(
        f"labels are {given}{place}, where {ranked} have {size} rows; pass "
        "lists nested as deep as the leading dimensions, then one of ids for each row"
        + (", or (indptr, indices) as two arrays" if pair else "")
    )


def _row_array(row: Any, ranked: Ranked) -> Array:
    ids = _integers(row, "labels")
    if ids.ndim != 1:
        raise _too_deep(ranked)
    return _signed(ids)[0]


def _too_deep(ranked: Ranked) -> ValueError:
    return ValueError(
        f"labels are nested deeper than {ranked}; pass lists nested as deep "
        "as the leading dimensions, then one of ids for each row"
    )


def _starts(rows: list[Any]) -> NDArray[np.int64]:
    return np.fromiter(chain((0,), map(len, rows)), np.int64, len(rows) + 1).cumsum()


def _ragged(rows: list[Array]) -> RaggedLabels:
    return RaggedLabels(_starts(rows), np.concatenate(rows))


def _ids(values: list[Any], starts: NDArray[np.int64] | None, ranked: Ranked) -> NDArray[np.int64]:
    """Return labels as an array; rows begin at `starts`, or each label is one."""
    if not set(map(type, values)) <= {int}:
        values = [_id(value, position, starts, ranked) for position, value in enumerate(values)]
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([value if abs(value) < 2**63 else -1 for value in values], np.int64)


def _id(value: Any, position: int, starts: NDArray[np.int64] | None, ranked: Ranked) -> int:
    if _is_row(value):
        raise _too_deep(ranked)
    if (class_id := as_integer(value)) is not None:
        return class_id
    if starts is None:
        index = np.unravel_index(position, ranked.lead)
    else:
        row = int(np.searchsorted(starts, position, side="right")) - 1
        index = *np.unravel_index(row, ranked.lead), position - starts[row]
    raise TypeError(
        f"labels hold what is no class id (first: {value!r} at index "
        f"{tuple(map(int, index))}); pass the ids of the relevant classes as integers"
    )
