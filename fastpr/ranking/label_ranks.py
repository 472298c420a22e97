"""The ranks of labels themselves, from which every metric of a ranking follows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import RankBlock
from fastpr.ranking.hits import rows_and_offsets
from fastpr.ranking.metrics import tied_ranks
from fastpr.ranking.options import check_k, check_ties
from fastpr.ranking.ranks.ranking import ranking_of
from fastpr.ranking.rows.read import read_rows


class LabelRanks(NamedTuple):
    """The ranks of the labels of rows.

    What there is of row i, in C order of the leading dimensions, is at
    ``indptr[i] : indptr[i + 1]``.

    Attributes
    ----------
    indptr : ndarray of int64, shape (num_rows + 1,)
        Where the distinct labels of each row begin, and the last end.
    ranks : ndarray of int32
        The number of classes before each label, ascending in each row; k stands for k and
        more. Labels that are not in the top k are the last of their row.
    labels : ndarray of int64
        The class of each rank.
    num_above : ndarray of int32, or None
        The number of classes scored higher than each label; k stands for k and more. None
        with ``ties="index"``.
    num_equal : ndarray of int32, or None
        The number of classes of the same score, the label included; 0 where ``num_above`` is
        k. None with ``ties="index"``.

    Examples
    --------
    >>> import fastpr
    >>> found = fastpr.label_ranks([[0, 2]], [[0.5, 0.9, 0.5]], k=3, ties="optimistic")
    >>> found.ranks.tolist(), found.labels.tolist()
    ([1, 2], [0, 2])
    >>> found.num_above.tolist(), found.num_equal.tolist()
    ([1, 1], [2, 2])
    """

    indptr: NDArray[np.int64]
    ranks: NDArray[np.int32]
    labels: NDArray[np.int64]
    num_above: NDArray[np.int32] | None
    num_equal: NDArray[np.int32] | None


def label_ranks(
    labels: Any, predictions: Any, k: int, *, ties: str = "index", backend: str | None = None
) -> LabelRanks:
    """Return the ranks of the labels of each row, without making the top k.

    Parameters
    ----------
    labels : array_like of int, sequence of sequences, scipy.sparse matrix or pair of arrays
        The relevant classes of each row; see `average_precision_at_k`.
    predictions : array_like of float16, bfloat16, float32, float64 or uint8, or scipy.sparse
        Scores, of shape ``[..., num_classes]``. Those on a CUDA device are ranked there, with
        labels on the same device, and their ranks are copied to the host.
    k : int
        At least 1, and at most the number of classes.
    ties : {"index", "optimistic", "pessimistic", "expected"}, default "index"
        How classes of equal scores are ordered: the lower id first, labels first, or labels
        last. With "expected", which is the mean over all orders, ranks are those of "index".
    backend : {"auto", "c", "numba", "cuda", "reference"}, optional
        Which kernels rank; by default FASTPR_BACKEND, or those of the device where the
        arrays are, of the host the fastest. All give the same integers.

    Returns
    -------
    LabelRanks
        A named tuple ``(indptr, ranks, labels, num_above, num_equal)`` of arrays.

    Raises
    ------
    ValueError
        If shapes do not fit together, or an option is out of range. If arrays are in different
        places, or a backend of the host is named for those of a device.
    TypeError
        If a dtype is not one of those above.
    BackendUnavailable
        If the backend that was named, or that of the device, does not work here.

    See Also
    --------
    average_precision_at_k : A metric that follows from them.

    Examples
    --------
    >>> import fastpr
    >>> found = fastpr.label_ranks([[0, 2], [1, -1]], [[0.1, 0.9, 0.4], [0.8, 0.8, 0.2]], k=2)
    >>> found.indptr.tolist(), found.ranks.tolist(), found.labels.tolist()
    ([0, 2, 3], [1, 2, 1], [2, 0, 1])
    """
    check_k(k)
    with_ties = check_ties(ties) != "index"
    rows = read_rows(labels, predictions, None, backend)
    number = check_k(k, rows.num_classes)
    parts: list[list[NDArray[Any] | None]] = []

    def finish(start: int, stop: int, block: RankBlock) -> list[NDArray[Any] | None]:
        return _compact(block, number, ties)

    ranking = ranking_of(rows, number, with_labels=True, with_ties=with_ties, backend=backend)
    ranking.check()
    ranking.finish(finish, parts.append)
    sizes, ranks, classes, above, equal = zip(_NO_RANKS, *parts, strict=True)
    indptr = np.append(0, np.concatenate(sizes).cumsum())
    return LabelRanks(
        indptr,
        np.concatenate(ranks),
        np.concatenate(classes),
        np.concatenate(above) if with_ties else None,
        np.concatenate(equal) if with_ties else None,
    )


_NO_RANKS = [np.zeros(0, dtype) for dtype in (np.int64, np.int32, np.int64, np.int32, np.int32)]


def _compact(block: RankBlock, k: int, ties: str) -> list[NDArray[Any] | None]:
    """Return the number of entries of each row, and the parts of a block without gaps."""
    if ties in ("optimistic", "pessimistic"):
        block = block._replace(ranks=tied_ranks(block, k, ties))
    rows, offsets = rows_and_offsets(block.num_relevant)
    entries = block.starts[rows] + offsets
    return [block.num_relevant, *(None if part is None else part[entries] for part in block[2:])]
