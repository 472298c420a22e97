"""Canonical rows of scores and labels on a device: addresses and strides, and what they lack."""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.device import DeviceArray, check_same_device, device_array
from fastpr.arrays.weights import check_weight_dtype
from fastpr.ranking.rows.checks import (
    check_kind,
    check_score_shape,
    check_weight_shape,
    row_weights,
)
from fastpr.ranking.rows.labels import Ranked, checked_indptr, is_one_a_row, label_dtype

# Rows and labels that are ranked at once: what is waited for at least, and stored.
MAX_PIECE = 1 << 22

# Kernels write entries at places that are int32.
_MAX_LABELS = 2**31 - 1

PAIR = ("labels (their indptr)", "labels (their indices)")


class RowPiece(NamedTuple):
    """Rows that are a multiple of one stride apart, as are their labels.

    Attributes
    ----------
    start, stop : int
        The first of these rows, and the row after the last.
    scores_address : int
        Of the first score of the first row.
    labels_address : int
        Of its first label; with an indptr, of the first label of all.
    starts_address : int or None
        Of the element of the indptr that says where its labels begin.
    num_entries : int
        How many numbers it takes to describe their ranks, at most.
    """

    start: int
    stop: int
    scores_address: int
    labels_address: int
    starts_address: int | None
    num_entries: int


class DeviceRows:
    """The rows of one update on a device, checked as far as can be without waiting for it.

    Parameters
    ----------
    labels : device array of int, or tuple of two such arrays
        The relevant classes of each row, on the device of the scores:

        - an integer array ``[..., num_labels]``, or ``[...]`` for one label a row;
        - a tuple of two one-dimensional integer arrays ``(indptr, indices)``.
    scores : DeviceArray
        Of float16, bfloat16, float32, float64 or uint8, of shape ``[..., num_classes]``.
    weights : float, or device array of float, int or bool, optional
        A scalar, or an array on the device of the scores with their leading dimensions, each
        1 or equal.
    places : dict of str to str
        Where these are, without those on the host.

    Attributes
    ----------
    kernel : str
        The kernel that ranks them.
    shape : tuple of int
        The leading dimensions.
    num_rows, num_classes : int
        The number of rows, and of classes.
    num_labels : int
        The number of labels of each row or, with an indptr, of all.
    scores, labels : DeviceArray
        Labels are of shape ``[..., num_labels]``, or one-dimensional with an indptr.
    indptr : DeviceArray or None
        Where the labels of each row begin; what it holds is not known yet.
    owners : list
        What has to live until kernels have read scores and labels; they keep the list alive.
    row_stride : int
        Bytes between the rows of a piece.
    labels_row_stride : int
        Bytes between the labels of its rows; 0 with an indptr.

    Raises
    ------
    ValueError
        If arrays are in different places, shapes do not fit together, or a scalar weight is
        negative or not finite.
    TypeError
        If a dtype is not one of those above.
    """

    is_on_device = True

    def __init__(
        self, labels: Any, scores: DeviceArray, weights: ArrayLike | None, places: dict[str, str]
    ):
        kind = check_kind(scores.dtype, scores.is_bfloat16)
        assert kind.ranks is not None
        self.kernel = kind.ranks
        check_score_shape(scores.shape)
        self.scores = scores._replace(owner=None)
        self.owners = [scores.owner]
        self.shape = scores.shape[:-1]
        self.num_rows = math.prod(self.shape)
        self.num_classes = scores.shape[-1]
        self._ranked = Ranked("predictions", scores.shape, self.num_classes)
        self.indptr: DeviceArray | None = None
        self._set_labels(labels)
        self._weights: DeviceArray | NDArray[np.float64] | None = None
        if weights is not None and "weights" in places:
            self._weights = self._device_weights(weights)
        elif weights is not None:
            self._weights = row_weights(weights, scores.shape, self.num_rows)
        self._plan()

    def _set_labels(self, labels: Any) -> None:
        if isinstance(labels, tuple):
            indptr, ids = map(self._integers, labels, PAIR)
            if not len(indptr.shape) == len(ids.shape) == 1:
                raise ValueError(
                    f"labels are a tuple of arrays of shapes {indptr.shape} and {ids.shape}; pass "
                    "an array, or (indptr, indices), which have one dimension each"
                )
            if indptr.size != self.num_rows + 1:  # all that can be said before it is read
                checked_indptr(np.broadcast_to(np.int64(0), indptr.shape), 0, self._ranked)
            if indptr.dtype == np.uint64:
                indptr = indptr.seen_as(np.dtype(np.int64))  # too large is negative, as on the host
            self.indptr = indptr
        else:
            ids = self._integers(labels, "labels")
            if is_one_a_row(ids.shape, self._ranked):
                ids = ids._replace(shape=(*ids.shape, 1), strides=(*ids.strides, 0))
        self.owners.append(ids.owner)
        self.labels = ids._replace(owner=None)
        self.num_labels = ids.shape[-1]
        if self.num_labels > _MAX_LABELS:
            what = "in each row" if self.indptr is None else "in all"
            raise ValueError(
                f"labels on a device are {self.num_labels} {what}; pass at most {_MAX_LABELS} in "
                "an update"
            )

    def _integers(self, labels: Any, name: str) -> DeviceArray:
        array = self._here(labels, name)
        return array.seen_as(label_dtype(array.dtype, array.is_bfloat16, array.size, name))

    def _here(self, value: Any, name: str) -> DeviceArray:
        array = device_array(value, name)
        check_same_device({name: array, "predictions": self.scores})
        return array

    def _device_weights(self, weights: Any) -> DeviceArray:
        array = self._here(weights, "weights")
        check_weight_dtype(array.dtype, array.is_bfloat16)
        check_weight_shape(array.shape, self.scores.shape)
        return array

    def _plan(self) -> None:
        """Find the trailing ones of the leading axes that are one in both arrays."""
        scores, labels = self.scores.strides[:-1], self.labels.strides[:-1]
        if self.indptr is not None:
            labels = (0,) * len(scores)  # which the indptr says of each row
        num_outer, strides = _as_one(self.shape, [scores, labels])
        self._outer = self.shape[:num_outer]
        self._outer_strides = scores[:num_outer], labels[:num_outer]
        self.row_stride, self.labels_row_stride = strides

    @property
    def other_streams(self) -> tuple[int, ...]:
        """The streams on which labels and weights are made, where that is not the scores'."""
        arrays = [self.labels, self.indptr, self._weights]
        streams = {array.stream for array in arrays if isinstance(array, DeviceArray)}
        return tuple(sorted(streams - {self.scores.stream}))

    def release(self) -> None:
        """Keep scores and labels alive no longer: kernels have read them."""
        self.owners.clear()

    @property
    def device_weights(self) -> DeviceArray | None:
        """The weights, if they are on the device; their values are not checked."""
        return self._weights if isinstance(self._weights, DeviceArray) else None

    def pieces(self) -> Iterator[RowPiece]:
        """Yield the rows, in order; a piece has at most `MAX_PIECE` rows and labels.

        With an indptr it may have more: which labels are those of some rows is not known, so
        there are as few pieces as the strides of the scores allow.
        """
        num_inner = math.prod(self.shape[len(self._outer) :])
        if self.indptr is None:
            num_each, num_shared = 1 + self.num_labels, 0
            step = max(1, MAX_PIECE // num_each)
        else:
            num_each, num_shared = 1, self.num_labels
            step = max(1, num_inner)
        for number, index in enumerate(np.ndindex(self._outer)):
            scores, labels = (sum(map(mul, index, strides)) for strides in self._outer_strides)
            for first in range(0, num_inner, step):
                num_rows = min(step, num_inner - first)
                start = number * num_inner + first
                starts = None
                if self.indptr is not None:
                    starts = self.indptr.address + start * self.indptr.strides[0]
                yield RowPiece(
                    start,
                    start + num_rows,
                    self.scores.address + scores + first * self.row_stride,
                    self.labels.address + labels + first * self.labels_row_stride,
                    starts,
                    num_rows * num_each + num_shared,
                )

    def check_indptr(self, values: NDArray[np.int64]) -> None:
        """Raise ValueError if what the indptr holds does not describe the labels."""
        checked_indptr(values, self.num_labels, self._ranked)

    def weights(self, values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Return the weights of rows, perhaps a broadcast view; None if none were given.

        Parameters
        ----------
        values : ndarray of float64, or None
            The values of `device_weights`, if that is not None.

        Raises
        ------
        ValueError
            If one of them is negative or not finite.
        """
        if not isinstance(self._weights, DeviceArray):
            return self._weights
        assert values is not None
        return row_weights(values, self.scores.shape, self.num_rows)


def _as_one(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[int, list[int]]:
    """Return how many axes come before those that are one in all arrays, and the strides of it.

    Parameters
    ----------
    shape : tuple of int
        The axes that arrays have in common.
    strides : list of tuple of int
        Of each array, along these axes.
    """
    size, steps = 1, [0] * len(strides)
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            continue
        here = [of_array[axis] for of_array in strides]
        if size == 1:
            steps = here
        elif here != [step * size for step in steps]:
            return axis + 1, steps
        size *= shape[axis]
    return 0, steps
