"""Average precision of ids that something else has ranked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import Array
from fastpr.arrays.host import host_array
from fastpr.backends.integers import as_integer
from fastpr.backends.protocol import RankBlock
from fastpr.ranking.hits import Floats
from fastpr.ranking.rows.checks import row_weights
from fastpr.ranking.rows.dense import RowArray
from fastpr.ranking.rows.labels import read_labels
from fastpr.ranking.rows.sparse import is_sparse
from fastpr.ranking.values import Summation, average_precision_of, check_options, mean_of

# Ids that are looked up at once: 2 MB.
_MAX_IDS = 1 << 18


def average_precision_at_top_k(
    labels: Any,
    top_k_ids: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    num_classes: int | None = None,
    empty: str = "skip",
    denominator: str = "min",
    per_row: bool = False,
) -> float | Floats:
    """Compute average precision at k of classes that are ranked already.

    A class that is listed more than once counts at its first position, and what comes later
    stays where it is. So -1, which is no class, can fill a list up.

    Parameters
    ----------
    labels : array_like of int, sequence of sequences, scipy.sparse matrix or pair of arrays
        The relevant classes of each row; see `average_precision_at_k`. Ids out of range,
        such as -1, are ignored; repeated ones count once.
    top_k_ids : array_like of int
        The best classes of each row, the best first, of shape ``[..., k]`` and any integer
        dtype.
    weights : array_like of float, int or bool, optional
        Weights of rows, finite and not negative: a scalar, or an array with the leading
        dimensions of `top_k_ids`, each 1 or equal. A row of weight 0 does not count.
    num_classes : int, optional
        Ids from it on are out of range. Without it none is, or those that a sparse matrix of
        labels has no column for.
    empty : {"skip", "zero", "one", "nan", "raise"}, default "skip"
        What a row without labels counts: nothing, 0, 1, or NaN, which makes the mean NaN; or
        it is an error.
    denominator : {"min", "relevant", "hits", "k"}, default "min"
        What the sum of precisions of a row is divided by; see `average_precision_at_k`.
    per_row : bool, default False
        Whether to return the values of rows.

    Returns
    -------
    float, or ndarray of float64
        As `average_precision_at_k`.

    Raises
    ------
    ValueError
        If shapes do not fit together, weights are negative or not finite, an option is out of
        range, or with ``empty="raise"`` a row of a weight other than 0 has no labels.
    TypeError
        If labels or ids are not integers, or weights are not numbers.
    BackendUnavailable
        If an array is not in host memory.

    See Also
    --------
    average_precision_at_k : The same from the scores of all classes.

    References
    ----------
    .. [1] ``tf.compat.v1.metrics.average_precision_at_top_k``, which this metric follows.

    Examples
    --------
    >>> import fastpr
    >>> fastpr.average_precision_at_top_k([[7, 2], [5, 5]], [[7, 3, 2], [1, 5, -1]])
    0.6666666666666666
    """
    ids = _ids(top_k_ids)
    options = check_options(ids.shape[-1], empty, "index", denominator)
    if num_classes is not None:
        num_classes = _check_num_classes(num_classes)
    elif is_sparse(labels):
        num_classes = int(labels.shape[-1])
    row_labels = read_labels(labels, ids.shape, "top_k_ids", num_classes)
    rows = RowArray(ids, np.dtype(np.int64))  # in which too large an id is negative
    own_weights = None
    if weights is not None:
        own_weights = row_weights(weights, ids.shape, rows.num_rows, "top_k_ids")
    values = np.empty(rows.num_rows) if per_row else None
    summands = average_precision_of(options)
    summation = Summation(ids.shape[:-1], own_weights, options, summands, values)
    at_once = max(1, _MAX_IDS // options.k)
    for start in range(0, rows.num_rows, at_once):
        stop = min(start + at_once, rows.num_rows)
        block = _find(rows.read(start, stop), *row_labels.read(start, stop), num_classes)
        summation.combine(summation.finish(start, stop, block))
    if values is not None:
        return values.reshape(ids.shape[:-1])
    return mean_of(summation.total, options, summands)


def _ids(top_k_ids: ArrayLike) -> Array:
    ids, is_bfloat16 = host_array(top_k_ids, "top_k_ids", "pass their .filled(-1)")
    if ids.dtype.kind not in "iu" or is_bfloat16:
        raise TypeError(
            f"top_k_ids have dtype {'bfloat16' if is_bfloat16 else ids.dtype}; pass class ids as "
            "integers, with .astype(numpy.int64) for instance"
        )
    if not ids.ndim or not ids.shape[-1]:
        raise ValueError(
            f"top_k_ids of shape {ids.shape} rank no classes; pass at least one for each row, "
            "along the last dimension"
        )
    return ids


def _check_num_classes(num_classes: int) -> int:
    number = as_integer(num_classes)
    if number is None or number < 1:
        raise ValueError(f"num_classes must be an integer of at least 1, got {num_classes!r}")
    return number


def _find(
    ids: NDArray[np.int64],
    labels: Array,
    label_starts: NDArray[np.int64] | None,
    num_classes: int | None,
) -> RankBlock:
    """Return where the labels of rows are first in their lists of ids.

    Parameters
    ----------
    ids : ndarray of int64, shape (num_rows, k)
        Ranked classes.
    labels, label_starts
        As `fastpr.ranking.rows.labels.Labels.read` returns them.
    num_classes : int, optional
        Labels in [0, num_classes) are in range.
    """
    num_rows, k = ids.shape
    sizes: Any = len(labels) // num_rows if label_starts is None else np.diff(label_starts)
    row = np.repeat(np.arange(num_rows), sizes)
    in_range = labels >= 0
    if num_classes is not None:
        in_range &= labels < num_classes
    # A number for each class that is a label somewhere, then one for each row and label of it.
    classes, number = np.unique(labels[in_range], return_inverse=True)
    num_numbers = max(1, len(classes))
    keys = np.unique(row[in_range] * num_numbers + number)
    row, first = keys // num_numbers, np.full(len(keys), k, np.int32)
    if len(keys):
        number = np.minimum(classes.searchsorted(ids), len(classes) - 1)
        found_row, position = np.nonzero(classes[number] == ids)
        key = found_row * num_numbers + number[found_row, position]
        place = np.minimum(keys.searchsorted(key), len(keys) - 1)
        is_label = keys[place] == key
        np.minimum.at(first, place[is_label], position[is_label].astype(np.int32))
    num_relevant = np.bincount(row, minlength=num_rows)
    ranks = first[np.lexsort((first, row))]
    return RankBlock(num_relevant, num_relevant.cumsum() - num_relevant, ranks, None, None, None)
