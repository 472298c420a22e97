"""What `fastpr.exact` is given: scores, labels and weights, read where they are if they can be.

Messages about them are here; about arrays of any kind, in `fastpr.arrays`.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import Array
from fastpr.arrays.first import first_bad, position_text
from fastpr.arrays.host import host_array, readable
from fastpr.arrays.weights import as_float64, check_weight_values, weight_array
from fastpr.backends import parallel
from fastpr.backends.protocol import bfloat16_values

_MOST_EXACT = 2**53  # integers up to here are float64


def in_parallel(work: Callable[[int], None], num_parts: int) -> None:
    """Do the work of a number of parts, on threads if they are several."""
    if num_parts == 1:
        work(0)
    else:
        parallel.run(work, num_parts, lambda _: None)


def _parts(num: int) -> list[slice]:
    return [slice(start, stop) for start, stop in parallel.slices(num)]


# ---- scores ----


class Scores(NamedTuple):
    """Scores as they are sorted.

    Attributes
    ----------
    values : ndarray of float32 or float64
        In the order of the scores; shape (n,) or, where that is allowed, (n, num_classes).
    dtype : numpy.dtype
        That of the scores.
    distinct : ndarray or None
        What the values stand for, if they are positions in it.
    """

    values: Array
    dtype: np.dtype[Any]
    distinct: Array | None

    def restore(self, thresholds: Array) -> Array:
        """Return thresholds in the dtype of the scores."""
        if self.distinct is not None:
            restored: Array = self.distinct[thresholds.astype(np.int64)]
            return restored
        return thresholds.astype(self.dtype, copy=False)

    def sums(self) -> Array:
        """Return the sum of the scores of each sample."""
        scores = self.values if self.distinct is None else self.restore(self.values)
        sums: Array = scores.sum(axis=1)
        return sums


def read_scores(y_score: ArrayLike, max_ndim: int = 1) -> Scores:
    """Return scores in float32 or float64; ValueError if they are not real numbers."""
    array, is_bfloat16 = host_array(y_score, "y_score")
    if max_ndim == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array.reshape(-1)
    if not 1 <= array.ndim <= max_ndim:
        raise ValueError(
            f"y_score has shape {array.shape}; pass "
            + ("one score for each sample" if max_ndim == 1 else "(n,) or (n, num_classes)")
        )
    if is_bfloat16:
        array = bfloat16_values(array)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y_score holds what is no number: {error}") from None
    dtype = array.dtype.newbyteorder("=")
    kind, size = dtype.kind, dtype.itemsize
    if kind not in "biuf":
        raise ValueError(f"y_score has dtype {dtype}; pass real numbers")
    if kind == "f" and size in (4, 8):
        return Scores(readable(array, dtype), dtype, None)
    if size <= 2:
        return Scores(array.astype(np.float32), dtype, None)
    if kind != "f" and (size == 4 or not array.size or _is_exact(array)):
        return Scores(array.astype(np.float64), dtype, None)
    if kind == "f" and not np.isfinite(array).all():
        raise not_finite(array)
    # longdouble, and integers that float64 does not tell apart
    distinct, positions = np.unique(array, return_inverse=True)
    return Scores(positions.reshape(array.shape).astype(np.float64), dtype, distinct)


def _is_exact(integers: Array) -> bool:
    return int(integers.max()) <= _MOST_EXACT and int(integers.min()) >= -_MOST_EXACT


def not_finite(scores: Array) -> ValueError:
    """Return what is wrong with scores of which one is not finite."""
    first = first_bad(scores, lambda chunk: ~np.isfinite(chunk))
    return ValueError(f"y_score holds values that are not finite ({position_text(first)})")


# ---- labels ----


def read_labels(y_true: ArrayLike) -> Array:
    """Return labels as an array; a column is made one-dimensional."""
    array, is_bfloat16 = host_array(y_true, "y_true", "pass the labels that are to be counted")
    if is_bfloat16:
        array = bfloat16_values(array)
    if array.dtype.kind == "S":
        raise TypeError("y_true holds bytes; pass strings or integers, .astype(str) for instance")
    if array.dtype.kind not in "biufUOT":
        raise ValueError(f"y_true has dtype {array.dtype}; pass bool, numbers or strings")
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(
            f"y_true has shape {array.shape}; pass a label for each of at least one sample"
        )
    if array.dtype.kind == "O" and not isinstance(array.flat[0], str):
        raise ValueError(
            f"y_true holds objects ({array.flat[0]!r} first); pass bool, numbers or strings"
        )
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array


def find_classes(labels: Array) -> tuple[list[Any], bool]:
    """Return one or two of the values of labels, sorted, and whether there are others.

    Raises
    ------
    ValueError
        If a label is a float that is no integer.
    """
    if labels.dtype.kind == "f":
        first = first_bad(labels, lambda chunk: ~(np.isfinite(chunk) & (np.rint(chunk) == chunk)))
        if first is not None:
            raise ValueError(
                f"y_true is continuous ({position_text(first)}); pass classes, as labels > 0 "
                "for instance"
            )
    flat = labels.reshape(-1)
    if (flags := _flags(flat)) is not None:
        there = [not flags.all(), flags.any()]
        return [labels.dtype.type(value) for value in (0, 1) if there[value]], False
    parts = _parts(len(flat))
    classes = [flat[0]]
    for part in parts:
        others = np.flatnonzero(_differ(flat[part], classes))
        if others.size:
            classes.append(flat[part][others[0]])
            break
    has_others = [False]

    def look(index: int) -> None:
        if not has_others[0] and _differ(flat[parts[index]], classes).any():
            has_others[0] = True

    in_parallel(look, len(parts))
    return sorted(classes), has_others[0]


def _flags(labels: Array) -> NDArray[np.bool_] | None:
    """Return labels of one byte that are 0 and 1 as bool, without a copy."""
    if labels.dtype.kind == "b":
        return labels
    if labels.dtype.kind in "iu" and labels.itemsize == 1 and labels.view(np.uint8).max() <= 1:
        return labels.view(np.bool_)
    return None


def _differ(labels: Array, classes: list[Any]) -> NDArray[np.bool_]:
    differ = ~_equal(labels, classes[0])
    for known in classes[1:]:
        differ &= ~_equal(labels, known)
    return differ


def _equal(labels: Array, value: Any) -> NDArray[np.bool_]:
    try:
        equal: NDArray[np.bool_] = np.equal(labels, value)
    except TypeError:  # numbers and strings
        return np.zeros(labels.shape, bool)
    return equal


def find_positive(pos_label: Any, labels: Array, classes: list[Any], has_others: bool) -> Any:
    """Return the label of positives, which is 1 where it follows from the others."""
    if pos_label is not None:
        return check_pos_label(pos_label)
    usual = not has_others and labels.dtype.kind in "biuf"
    if not (usual and (set(classes) <= {0, 1} or set(classes) <= {-1, 1})):
        values = ", ".join(map(str, classes)) + (", ..." if has_others else "")
        raise ValueError(
            f"y_true holds the classes {values}, of which none is known to be the positive one; "
            "pass pos_label, or labels in {0, 1} or {-1, 1}"
        )
    return 1


def check_pos_label(pos_label: Any) -> Any:
    """Return pos_label if it is a number, bool or string, or say that it must be."""
    if not isinstance(pos_label, (str, numbers.Real, np.bool_)):
        raise ValueError(f"pos_label must be a number, bool or string, got {pos_label!r}")
    return pos_label


def label_bytes(labels: Array, positive: Any) -> NDArray[np.uint8]:
    """Return a byte for each label, not 0 for those of a class; 0 and 1 are not copied."""
    flags = _flags(labels)
    if flags is not None and positive == 1:
        return readable(flags, flags.dtype).view(np.uint8)
    is_positive = np.empty(len(labels), bool)
    parts = _parts(len(labels))

    def compare(index: int) -> None:
        is_positive[parts[index]] = _equal(labels[parts[index]], positive)

    in_parallel(compare, len(parts))
    return is_positive.view(np.uint8)


# ---- weights ----


def read_weights(sample_weight: ArrayLike | None, num_samples: int) -> Array | None:
    """Return weights as float32 or float64; ValueError if one is negative or not finite."""
    if sample_weight is None:
        return None
    weights, is_bfloat16 = weight_array(sample_weight, "sample_weight")
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights.reshape(-1)
    if weights.shape != (num_samples,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}; pass one weight for each of "
            f"{num_samples} samples"
        )
    if is_bfloat16 or weights.dtype not in (np.float32, np.float64):
        weights, is_bfloat16 = as_float64(weights, is_bfloat16), False
    weights = readable(weights, weights.dtype.newbyteorder("="))
    if not (weights.min() >= 0 and weights.max() <= np.finfo(np.float64).max):
        check_weight_values(weights, is_bfloat16, "sample_weight")
    return weights


def check_lengths(labels: Array, scores: Array) -> None:
    """Raise ValueError if there are not as many of both."""
    if labels.shape != scores.shape:
        raise ValueError(
            f"y_true has shape {labels.shape} and y_score {scores.shape}; pass as many of both"
        )
