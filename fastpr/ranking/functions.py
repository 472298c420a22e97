"""Metrics of rankings at a cut-off, as functions of arrays."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fastpr.ranking.hits import Floats
from fastpr.ranking.options import check_average
from fastpr.ranking.values import (
    RankingOptions,
    Summands,
    at_k,
    average_precision_of,
    check_options,
    cutoffs_of,
    hits_of,
)


def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: ArrayLike | None = None,
    *,
    empty: str = "skip",
    denominator: str = "min",
    ties: str = "index",
    per_row: bool = False,
    backend: str | None = None,
) -> float | Floats:
    """Compute average precision at k: the mean over rows, from the ranks of the labels.

    Classes are ranked by their scores, the highest first. With the labels of a row at the
    ranks r_1 < r_2 < ... below k (0 is the top), its value is the sum of ``i / (r_i + 1)``
    over these, divided by the smaller of k and its number of labels. NaN comes after every
    number. Each score is read at most once, the top k is never made, and nothing of the
    size of the scores is allocated.

    Parameters
    ----------
    labels : array_like of int, sequence of sequences, scipy.sparse matrix or pair of arrays
        The relevant classes of each row, in one of these forms:

        - an integer array ``[..., num_labels]``, or ``[...]`` for one label a row;
        - lists nested as deep as the leading dimensions, then one of ids for each row;
        - a SciPy sparse matrix of the shape of `predictions`, where what is not 0 is a label;
        - a tuple of two one-dimensional integer arrays ``(indptr, indices)``: the labels of
          row i are ``indices[indptr[i]:indptr[i + 1]]``.

        Ids out of range, such as -1, are ignored; repeated ones count once.
    predictions : array_like of float16, bfloat16, float32, float64 or uint8, or scipy.sparse
        Scores of any size, of shape ``[..., num_classes]``. NumPy arrays, torch tensors on
        the CPU, and whatever offers the buffer protocol, ``__array_interface__`` or DLPack
        are read where they are. Of a SciPy sparse matrix only stored entries are ranked,
        zeros among them; a label that is not stored is not in the top k.

        So are arrays on a CUDA device, with labels there in an array or as ``(indptr,
        indices)``: torch tensors, and what offers ``__cuda_array_interface__`` or DLPack. They
        are ranked on the device, in any strides; only ranks are copied to the host, where
        the metric follows from them.
    k : int
        At least 1, and at most the number of classes.
    weights : array_like of float, int or bool, optional
        Weights of rows, finite and not negative: a scalar, or an array with the leading
        dimensions of `predictions`, each 1 or equal, where these are. A row of weight 0 does
        not count.
    empty : {"skip", "zero", "one", "nan", "raise"}, default "skip"
        What a row without labels counts: nothing, 0, 1, or NaN, which makes the mean NaN; or
        it is an error.
    denominator : {"min", "relevant", "hits", "k"}, default "min"
        What the sum of a row is divided by: the smaller of k and its number of labels; that
        number; the number of its labels in the top k; or k.
    ties : {"index", "optimistic", "pessimistic", "expected"}, default "index"
        How classes of equal scores are ordered: the lower id first, labels first, labels
        last, or the mean over all orders, which there is not with ``denominator="hits"``.
    per_row : bool, default False
        Whether to return the values of rows.
    backend : {"auto", "c", "numba", "cuda", "reference"}, optional
        Which kernels rank; by default FASTPR_BACKEND, or those of the device where the
        arrays are, of the host the fastest. All give the same integers.

    Returns
    -------
    float, or ndarray of float64
        The weighted mean, correctly rounded, or 0.0 if no row counts. With `per_row`, the
        values, which do not depend on weights, in the leading shape; NaN where `empty` is
        "skip" or "nan" and a row has no labels.

    Raises
    ------
    ValueError
        If shapes do not fit together, weights are negative or not finite, an option is out of
        range, or with ``empty="raise"`` a row of a weight other than 0 has no labels. If arrays
        are in different places, or a backend of the host is named for those of a device.
    TypeError
        If a dtype is not one of those above.
    OverflowError
        If weights are so large that a weighted value is not finite.
    BackendUnavailable
        If the backend that was named, or that of the device, does not work here.

    See Also
    --------
    AveragePrecisionAtK : The same over a stream of batches.
    average_precision_at_top_k : The same for ids that are ranked already.

    References
    ----------
    .. [1] ``tf.compat.v1.metrics.average_precision_at_k``, which this metric follows.

    Examples
    --------
    >>> import fastpr
    >>> scores = [[0.9, 0.5, 0.4], [0.1, 0.8, 0.7]]
    >>> fastpr.average_precision_at_k([[0, 2], [2, -1]], scores, k=2)
    0.5
    >>> fastpr.average_precision_at_k([[0, 2], [2, -1]], scores, k=3, per_row=True)
    array([0.83333333, 0.5       ])
    """
    options = check_options(k, empty, ties, denominator)
    summands = average_precision_of(options)
    return at_k(labels, predictions, weights, options, summands, per_row, backend)


def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: ArrayLike | None = None,
    *,
    empty: str = "skip",
    ties: str = "index",
    label_weights: ArrayLike | None = None,
    average: str | None = None,
    per_row: bool = False,
    backend: str | None = None,
) -> float | Floats:
    """Compute precision at k: the share of labels among the first k classes of each row.

    With label weights it is the propensity-scored precision: the sum over rows of the
    weights of the labels in the top k, over the sum over rows of the k largest weights of
    its labels.

    Parameters
    ----------
    labels, predictions, k, weights, empty, ties, per_row, backend
        As for `average_precision_at_k`.
    label_weights : array_like of float, shape (num_classes,), optional
        A weight for each class, finite and not negative; inverse propensities, for instance.
    average : {"micro", "rows"}, optional
        Whether it is the quotient of two sums over rows, as usual with label weights, or the
        mean over rows of such quotients, as usual without. Without label weights the sums are
        those of labels in the top k and of k. To the sums, a row without labels adds nothing.

    Returns
    -------
    float, or ndarray of float64
        As `average_precision_at_k`; with `per_row`, the quotients of rows.

    Raises
    ------
    ValueError, TypeError, OverflowError, BackendUnavailable
        As `average_precision_at_k`.

    See Also
    --------
    RankingMetrics : The same for all cut-offs up to k, and over a stream of batches.

    References
    ----------
    .. [1] H. Jain, Y. Prabhu and M. Varma, "Extreme multi-label loss functions for
       recommendation, tagging, ranking and other missing label applications", KDD 2016.

    Examples
    --------
    >>> import fastpr
    >>> scores = [[0.9, 0.5, 0.4], [0.1, 0.8, 0.7]]
    >>> fastpr.precision_at_k([[0, 2], [2, -1]], scores, k=2)
    0.5
    >>> fastpr.precision_at_k([[0, 2], [2, -1]], scores, k=2, label_weights=[1.0, 1.0, 4.0])
    0.5555555555555556
    """
    options = check_options(k, empty, ties, label_weights=label_weights)
    if average != "micro" or options.label_weights is not None:
        summands = _scored(options, "precision", "psp", average, per_row)
    elif per_row:
        summands = cutoffs_of(options, ("precision",), (), last=True)
    else:
        summands = hits_of(options, "k")
    return at_k(labels, predictions, weights, options, summands, per_row, backend)


def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: ArrayLike | None = None,
    *,
    empty: str = "skip",
    ties: str = "index",
    average: str = "rows",
    per_row: bool = False,
    backend: str | None = None,
) -> float | Floats:
    """Compute recall at k: the share of the labels of each row among its first k classes.

    Parameters
    ----------
    labels, predictions, k, weights, empty, ties, per_row, backend
        As for `average_precision_at_k`.
    average : {"rows", "micro"}, default "rows"
        Whether it is the mean over rows, or the number of labels in the top k of all rows
        over the number of all labels. To these numbers, a row without labels adds nothing.

    Returns
    -------
    float, or ndarray of float64
        As `average_precision_at_k`.

    Raises
    ------
    ValueError, TypeError, OverflowError, BackendUnavailable
        As `average_precision_at_k`.

    See Also
    --------
    RankingMetrics : The same for all cut-offs up to k, and over a stream of batches.

    Examples
    --------
    >>> import fastpr
    >>> scores = [[0.9, 0.5, 0.4], [0.1, 0.8, 0.7]]
    >>> fastpr.recall_at_k([[0, 2], [2, -1]], scores, k=2)
    0.75
    >>> fastpr.recall_at_k([[0, 2], [2, -1]], scores, k=2, average="micro")
    0.6666666666666666
    """
    options = check_options(k, empty, ties)
    if check_average(average) == "micro" and not per_row:
        summands = hits_of(options, "relevant")
    else:
        summands = cutoffs_of(options, ("recall",), (), last=True)
    return at_k(labels, predictions, weights, options, summands, per_row, backend)


def ndcg_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: ArrayLike | None = None,
    *,
    empty: str = "skip",
    ties: str = "index",
    label_weights: ArrayLike | None = None,
    average: str | None = None,
    per_row: bool = False,
    backend: str | None = None,
) -> float | Floats:
    """Compute the normalised discounted cumulative gain at k, of labels that all gain 1.

    A label at rank r (0 is the top) counts ``1 / log2(r + 2)``. The value of a row is the
    sum over its labels in the top k, over the largest that this sum can be.

    Parameters
    ----------
    labels, predictions, k, weights, empty, ties, per_row, backend
        As for `average_precision_at_k`.
    label_weights : array_like of float, shape (num_classes,), optional
        A weight for each class, by which labels are multiplied: the propensity-scored nDCG.
        Finite and not negative; inverse propensities, for instance.
    average : {"micro", "rows"}, optional
        With label weights, whether it is the sum over rows over the largest that it can be,
        as usual, or the mean over rows of such quotients. To the sums, a row without labels
        adds nothing.

    Returns
    -------
    float, or ndarray of float64
        As `average_precision_at_k`; with `per_row`, the quotients of rows.

    Raises
    ------
    ValueError, TypeError, OverflowError, BackendUnavailable
        As `average_precision_at_k`.

    See Also
    --------
    RankingMetrics : The same for all cut-offs up to k, and over a stream of batches.

    References
    ----------
    .. [1] K. Jarvelin and J. Kekalainen, "Cumulated gain-based evaluation of IR techniques",
       ACM Transactions on Information Systems 20(4), 2002.
    .. [2] H. Jain, Y. Prabhu and M. Varma, "Extreme multi-label loss functions for
       recommendation, tagging, ranking and other missing label applications", KDD 2016.

    Examples
    --------
    >>> import fastpr
    >>> round(fastpr.ndcg_at_k([[0, 2]], [[0.9, 0.5, 0.4]], k=3), 12)
    0.919720789148
    """
    options = check_options(k, empty, ties, label_weights=label_weights)
    summands = _scored(options, "ndcg", "psndcg", average, per_row)
    return at_k(labels, predictions, weights, options, summands, per_row, backend)


def reciprocal_rank_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: ArrayLike | None = None,
    *,
    empty: str = "skip",
    ties: str = "index",
    per_row: bool = False,
    backend: str | None = None,
) -> float | Floats:
    """Compute the mean reciprocal rank: one over the place of the first label of each row.

    The first place is 1; a row without a label in the top k counts 0.

    Parameters
    ----------
    labels, predictions, k, weights, empty, ties, per_row, backend
        As for `average_precision_at_k`.

    Returns
    -------
    float, or ndarray of float64
        As `average_precision_at_k`.

    Raises
    ------
    ValueError, TypeError, OverflowError, BackendUnavailable
        As `average_precision_at_k`.

    See Also
    --------
    RankingMetrics : The same for all cut-offs up to k, and over a stream of batches.

    Examples
    --------
    >>> import fastpr
    >>> scores = [[0.9, 0.5, 0.4], [0.1, 0.8, 0.7]]
    >>> fastpr.reciprocal_rank_at_k([[0, 2], [2, -1]], scores, k=2)
    0.75
    """
    options = check_options(k, empty, ties)
    summands = cutoffs_of(options, ("reciprocal_rank",), (), last=True)
    return at_k(labels, predictions, weights, options, summands, per_row, backend)


def hit_rate_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: ArrayLike | None = None,
    *,
    empty: str = "skip",
    ties: str = "index",
    per_row: bool = False,
    backend: str | None = None,
) -> float | Floats:
    """Compute the hit rate at k: the share of rows that have a label among the first k classes.

    Of one label a row, this is the top-k accuracy.

    Parameters
    ----------
    labels, predictions, k, weights, empty, ties, per_row, backend
        As for `average_precision_at_k`.

    Returns
    -------
    float, or ndarray of float64
        As `average_precision_at_k`.

    Raises
    ------
    ValueError, TypeError, OverflowError, BackendUnavailable
        As `average_precision_at_k`.

    See Also
    --------
    RankingMetrics : The same for all cut-offs up to k, and over a stream of batches.

    Examples
    --------
    >>> import fastpr
    >>> fastpr.hit_rate_at_k([2, 0], [[0.9, 0.5, 0.4], [0.1, 0.8, 0.7]], k=2)
    0.0
    """
    options = check_options(k, empty, ties)
    summands = cutoffs_of(options, ("hit_rate",), (), last=True)
    return at_k(labels, predictions, weights, options, summands, per_row, backend)


def _scored(
    options: RankingOptions, name: str, scored_name: str, average: str | None, per_row: bool
) -> Summands:
    """Return a metric, or its propensity-scored form if there are label weights."""
    if average is not None:
        check_average(average)
    if options.label_weights is None:
        if average == "micro":
            raise ValueError(
                "average 'micro' is for label_weights; leave it out, or pass label_weights"
            )
        return cutoffs_of(options, (name,), (), last=True)
    if average == "rows" or per_row:
        return cutoffs_of(options, (scored_name,), (), last=True)
    return cutoffs_of(options, (), (scored_name,), last=True)
