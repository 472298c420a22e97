"""What a backend provides, and the blocks that it takes: nothing here knows of users or states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


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
        Labels in [0, num_ids) are in range; at most 2**31 - 1.
    ids : ndarray of int32 or int64, one-dimensional, or None
        The class of each stored score, ascending in each row.
    """

    scores: NDArray[Any]
    score_starts: NDArray[np.int64] | None
    labels: NDArray[Any]
    label_starts: NDArray[np.int64] | None
    num_ids: int
    ids: NDArray[Any] | None


class RankBlock(NamedTuple):
    """The ranks of the labels of some rows.

    Attributes
    ----------
    num_relevant : ndarray of int64, shape (num_rows,)
        The number of distinct labels of each row.
    starts : ndarray of int64, shape (num_rows,)
        Where the entries of each row begin in the following, `num_relevant` of them.
    ranks : ndarray of int32
        Ascending in each row; k stands for "not in the top k".
    labels : ndarray of int64 or None
        The label of each rank.
    num_above, num_equal : ndarray of int32 or None
        The number of classes scored higher than each label, or k if it is k or more; and
        then 0, else the number of classes of the same score, the label included.
    """

    num_relevant: NDArray[np.int64]
    starts: NDArray[np.int64]
    ranks: NDArray[np.int32]
    labels: NDArray[np.int64] | None
    num_above: NDArray[np.int32] | None
    num_equal: NDArray[np.int32] | None


def bfloat16_values(bits: NDArray[Any]) -> NDArray[np.float32]:
    """Return the values of bfloat16 that are given as their bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


class Backend(Protocol):
    """What a module of ``fastpr.backends`` provides."""

    def describe(self) -> str:
        """Return a few words about this build, for `doctor`."""

    def score_histogram(
        self,
        kernel: str,
        scores: NDArray[Any],
        labels: NDArray[Any],
        weights: NDArray[Any] | None,
        thresholds: NDArray[Any],
        table: NDArray[Any],
        report: NDArray[np.int64],
    ) -> None:
        """Add a block of samples to a table.

        Parameters
        ----------
        kernel : {"f32", "f64", "u8", "u16", "half"}
            How the scores are read.
        scores : ndarray, shape (n,)
            Contiguous, in the storage dtype of their kind.
        labels : ndarray, shape (n,)
            Contiguous; uint8 for bool (any byte but 0 is true), else a signed integer type.
        weights : ndarray, shape (n,), optional
            Contiguous; uint8 for bool, float32 or float64.
        thresholds : ndarray, shape (T,)
            In the dtype of the scores.
        table : ndarray, shape (2, T)
            Added to: int64 counts without weights, else float64 sums (negative, positive).
        report : ndarray of int64, shape (3,)
            Added to: the number of scores outside [0, 1], which are in no bin; not 0 if a
            label was neither 0 nor 1; not 0 if a weight was negative or not finite.
        """

    def label_ranks(self, kernel: str, rows: RowBlock, k: int, out: RankBlock) -> None:
        """Rank the labels of a block of rows.

        Parameters
        ----------
        kernel : {"f16", "bf16", "f32", "f64", "u8"}
            How the scores are read; float16 and bfloat16 as their bits.
        rows : RowBlock
            At least one row. Labels outside [0, num_ids) are ignored, repeated ones count
            once. A label that is not below the length of its row is one, but in no top k.
            Their `ids` are not looked at.
        k : int
            Ranks end here.
        out : RankBlock
            Written, but for `starts`, which says where the labels of `rows` begin: the other
            arrays have room for as many. `num_above` and `num_equal` are both there, or none.
            Labels of rank k are ordered by (`num_above` and) id.
        """

    def label_counts(
        self,
        kernel: str,
        piece: NDArray[Any],
        first: int,
        ids: NDArray[np.int64],
        label_scores: NDArray[Any],
        k: int,
        counts: NDArray[np.int64],
    ) -> None:
        """Count which classes of a piece of a row come before labels.

        Parameters
        ----------
        kernel : {"f16", "bf16", "f32", "f64", "u8"}
            How the scores are read.
        piece : ndarray, one-dimensional
            Contiguous scores of some classes.
        first : int
            The id of the first of them.
        ids : ndarray of int64, shape (num_labels,)
            Ascending ids of the labels, which need not be in the piece.
        label_scores : ndarray, shape (num_labels,)
            Their scores, stored as those of the piece.
        k : int
            A count that has reached it need not be exact.
        counts : ndarray of int64, shape (1 or 3, num_labels)
            Added to: the number of classes that outrank each label; and, where there are
            three rows, of those scored higher, and equal.
        """


# ---- sorting, which exact curves take ----

# Does the work of a number of parts, on threads or not.
Run = Callable[[Callable[[int], None], int], None]


class Areas(NamedTuple):
    """What the area under the curve of the rates is made of.

    Attributes
    ----------
    lost : int or float
        Twice the pairs of a positive and a higher negative, and those of the same score.
    num_negatives, num_positives : int or float
        Counts, or sums of weights.
    """

    lost: int | float
    num_negatives: int | float
    num_positives: int | float


class Counts(NamedTuple):
    """The counts at each distinct score, which is a threshold.

    Attributes
    ----------
    tps, fps : ndarray of float64, shape (num_groups + 1,)
        Positives and negatives at or above it.
    thresholds : ndarray of float, shape (num_groups + 1,)
        The score.
    """

    tps: NDArray[np.float64]
    fps: NDArray[np.float64]
    thresholds: NDArray[Any]


class SortedSamples(Protocol):
    """Samples in descending order of their scores, and what follows from the order.

    Attributes
    ----------
    num_samples : int
        Those of a weight that is not 0.
    """

    num_samples: int

    def precision(self) -> tuple[float, float]:
        """Return the sum over all positives of the precision at their score; and their number."""

    def areas(self) -> Areas:
        """Return what the area under the curve of the rates is made of, of counts exactly."""

    def counts(self, dtype: Any, ascending: bool) -> Counts:
        """Return the counts at each score, with one more place for a point without one.

        Parameters
        ----------
        dtype : numpy.dtype
            Of the thresholds, float32 or float64.
        ascending : bool
            Whether the lowest score comes first, and the place is the last one; or else the
            highest, and the place is the first one.
        """


class Sorter(Protocol):
    """What a backend that sorts scores provides in its ``sort``."""

    def sort_scores(
        self,
        scores: NDArray[Any],
        labels: NDArray[np.uint8],
        weights: NDArray[Any] | None,
        run: Run,
        num_parts: int,
    ) -> SortedSamples | None:
        """Sort samples by their scores, the highest first; None if a score is not finite.

        Parameters
        ----------
        scores : ndarray of float32 or float64, shape (n,), n > 0
            Contiguous. -0.0 is 0.0.
        labels : ndarray of uint8, shape (n,)
            Contiguous; 0 is a negative, anything else a positive.
        weights : ndarray of float32 or float64, shape (n,), optional
            Contiguous; finite and not negative. Samples of weight 0 are left out.
        run : callable
            Does the work of a number of parts.
        num_parts : int
            How many parts the input is read in.
        """

    def keep_points(
        self, counts: Counts, first: int, last: int, corners_only: bool, run: Run, num_parts: int
    ) -> Counts:
        """Return the points of a curve that are drawn, and room for the one without a threshold.

        Parameters
        ----------
        counts : Counts
            Of `SortedSamples.counts`.
        first, last : int
            The first point and the last one, which are kept.
        corners_only : bool
            Whether only corners of the curve of the rates are kept, or the ends of the lines on
            which the recall does not change.
        run, num_parts
            As for `sort_scores`.
        """

    def to_precision_and_recall(
        self, counts: Counts, num_positives: float, run: Run, num: int
    ) -> None:
        """Make recall of true positives (1 without any) and precision of false ones, in place."""

    def to_rates(
        self, counts: Counts, num_positives: float, num_negatives: float, run: Run, num: int
    ) -> None:
        """Make rates of counts, in place; NaN where there is nothing to count."""
