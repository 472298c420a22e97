"""Canonical samples: what users pass becomes what kernels read, without copying it.

What is said of them stands in `fastpr.counts.samples.checks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastpr.arrays.dtypes import Array, ScoreKind
from fastpr.arrays.first import CHUNK, First, first_bad
from fastpr.arrays.host import ALIGNED, C_CONTIGUOUS, F_CONTIGUOUS, host_array
from fastpr.arrays.weights import as_float64, check_weight_values, first_bad_weight, weight_array
from fastpr.backends.rules import MINUS_ZERO_HALF
from fastpr.counts.samples.checks import (
    check_broadcast,
    check_kind,
    check_shapes,
    kernel_labels,
    message_of,
)

# (scores, labels) or (scores, labels, weights)
Block = tuple[Array, ...]

# Rows shorter than this are copied into chunks: a call for each row would take longer.
_MIN_ROW = 32_768

_KERNEL_WEIGHTS = (np.dtype(np.float32), np.dtype(np.float64))


def _score_array(predictions: ArrayLike) -> tuple[Array, ScoreKind]:
    array, is_bfloat16 = host_array(predictions, "predictions")
    kind = check_kind(array.dtype, is_bfloat16)
    return kind.stored(array), kind


def _label_array(labels: ArrayLike) -> Array:
    array, is_bfloat16 = host_array(labels, "labels")
    if array.size == 0 and isinstance(labels, (list, tuple)) and array.dtype.kind not in "biu":
        return np.zeros(array.shape, np.uint8)  # [] has no dtype of its own
    dtype = kernel_labels(array.dtype, is_bfloat16)
    return array if dtype is array.dtype else array.view(dtype)


def _suffix_length(array: Array) -> int:
    """Return the number of trailing axes over which an array is contiguous in C order."""
    step = array.itemsize
    length = 0
    for size, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if size != 1 and stride != step:
            break
        step *= size
        length += 1
    return length


class Samples:
    """The samples of one update, checked as far as can be without reading them.

    Parameters
    ----------
    labels, predictions, weights
        As the user passed them; see `fastpr.precision_recall_at_equal_thresholds`.

    Attributes
    ----------
    kind : ScoreKind
        How the scores are compared.
    kernel : str
        The kernel that counts them.
    num_samples : int
        Their number.
    has_weight_array : bool
        Whether samples weigh differently.
    scalar_weight : float or None
        What the counts are to be multiplied by.
    """

    is_on_device = False

    __slots__ = (
        "_given_labels", "_labels", "_lead", "_row", "_rows", "_scores", "_weights",
        "_weights_are_bfloat16", "_weights_to_float64", "has_weight_array", "kernel", "kind",
        "num_samples", "scalar_weight",
    )  # fmt: skip

    def __init__(self, labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None):
        scores, self.kind = _score_array(predictions)
        label_array = _label_array(labels)
        check_shapes(label_array.shape, scores.shape)
        self._scores = scores
        self._labels = label_array
        self._given_labels = labels
        self._weights: Array | None = None
        self._weights_are_bfloat16 = False
        self._weights_to_float64 = False
        self.scalar_weight: float | None = None
        if weights is not None:
            self._set_weights(weights)
        self.kernel = self.kind.histogram
        self.num_samples: int = scores.size
        self.has_weight_array = self._weights is not None
        self._plan()

    def _set_weights(self, weights: ArrayLike) -> None:
        array, is_bfloat16 = weight_array(weights)
        check_broadcast(array.shape, self._scores.shape)
        self._weights_are_bfloat16 = is_bfloat16
        if array.size == 1 or self._scores.size == 0:
            check_weight_values(array, is_bfloat16)  # no kernel is going to
        if array.size == 1:
            self.scalar_weight = float(as_float64(array.reshape(1), is_bfloat16)[0])
            return
        if array.dtype == np.bool_:
            array = array.view(np.uint8)
        elif is_bfloat16 or array.dtype not in _KERNEL_WEIGHTS:
            self._weights_to_float64 = True
        self._weights = np.broadcast_to(array, self._scores.shape)

    def _plan(self) -> None:
        """Find the longest rows that kernels can read where they are."""
        arrays = [self._scores, self._labels]
        if self._weights is not None:
            arrays.append(self._weights)
        self._lead: tuple[int, ...] = ()
        self._row = self.num_samples
        self._rows: Block | None = None
        flags = ALIGNED | C_CONTIGUOUS | F_CONTIGUOUS
        for array in arrays:
            flags &= array.flags.num if array.dtype.isnative else 0
        if not flags & ALIGNED or self._weights_to_float64:
            return
        if flags & C_CONTIGUOUS:
            self._rows = tuple([a if a.ndim == 1 else a.reshape(-1) for a in arrays])
            return
        if flags & F_CONTIGUOUS and self._weights is None:
            # counts do not depend on the order
            self._rows = tuple([array.T.reshape(-1) for array in arrays])
            return
        shape = self._scores.shape
        num_lead = len(shape) - min(_suffix_length(array) for array in arrays)
        row = math.prod(shape[num_lead:])
        if row >= _MIN_ROW:
            self._lead = shape[:num_lead]
            self._row = row
            self._rows = tuple([array.reshape(*self._lead, row) for array in arrays])

    def blocks(self, start: int, stop: int) -> Iterable[Block]:
        """Return contiguous (scores, labels[, weights]) of the samples from `start` to `stop`.

        Blocks of arrays that had to be copied are overwritten by the next.
        """
        if start == stop:
            return ()
        if self._rows is None:
            return self._copied_blocks(start, stop)
        if self._lead:
            return self._row_blocks(self._rows, start, stop)
        if stop - start == self.num_samples:
            return (self._rows,)
        return (tuple([rows[start:stop] for rows in self._rows]),)

    def _row_blocks(self, arrays: Block, start: int, stop: int) -> Iterator[Block]:
        for index in range(start // self._row, -(-stop // self._row)):
            place = np.unravel_index(index, self._lead)
            begin = index * self._row
            part = slice(max(start - begin, 0), min(stop - begin, self._row))
            yield tuple([rows[place][part] for rows in arrays])

    def _copied_blocks(self, start: int, stop: int) -> Iterator[Block]:
        arrays = [self._scores, self._labels]
        dtypes = [self.kind.storage, self._labels.dtype.newbyteorder("=")]
        if self._weights is not None:
            arrays.append(self._weights)
            dtypes.append(self._weights.dtype.newbyteorder("="))
        iterator: Any = np.nditer(  # type: ignore[call-overload]  # 'contig' is documented
            arrays,
            flags=["external_loop", "buffered", "ranged", "zerosize_ok"],
            op_flags=[["readonly", "nbo", "aligned", "contig"]] * len(arrays),
            op_dtypes=dtypes,
            casting="equiv",
            order="C",
            buffersize=CHUNK,
        )
        iterator.iterrange = (start, stop)
        for chunk in iterator:
            if self._weights_to_float64:
                yield chunk[0], chunk[1], as_float64(chunk[2], self._weights_are_bfloat16)
            else:
                yield chunk

    def check(self, report: Array, invalid: str) -> int:
        """Raise what a kernel reported, or return the number of scores that it left out.

        Parameters
        ----------
        report : ndarray of int64, shape (3,)
            See `fastpr.backends.protocol.Backend.score_histogram`.
        invalid : {"raise", "drop"}
            What to do with scores that are not in [0, 1].

        Raises
        ------
        ValueError
            With the first position of what is wrong.
        """
        num_invalid, num_bad_labels, num_bad_weights = report.tolist()
        if num_bad_labels or num_bad_weights or (num_invalid and invalid == "raise"):
            raise ValueError(
                message_of(num_invalid, num_bad_labels, num_bad_weights, self._first_bad, self.kind)
            )
        return int(num_invalid)

    def _first_bad(self, what: str) -> First:
        if what == "labels":
            given, _ = host_array(self._given_labels, "labels")  # unsigned ones were viewed signed
            return first_bad(given, lambda chunk: (chunk != 0) & (chunk != 1))
        if what == "weights" and self._weights is not None:
            return first_bad_weight(self._weights, self._weights_are_bfloat16)
        return first_bad(self._scores, self._is_invalid)

    def _is_invalid(self, scores: Array) -> Any:
        if self.kernel == "half":
            return (scores > self.kind.one) & (scores != MINUS_ZERO_HALF)
        return ~((scores >= 0) & (scores <= 1))
