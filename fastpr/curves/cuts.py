"""What bins leave open: the counts at every cut between bins, and how wrong they can be.

Bins are in the order of the scores. Only the cuts between bins are known; the exact curve has
a cut at every distinct score, and these lie between the cuts below and above a bin. Inside a
bin, let TP and FP be the counts above it and p and n its own. Then at any cut inside

    TP <= tp <= TP + p   and   FP <= fp <= FP + n,

so a metric that grows with tp and falls with fp is at most that of the *corner*
(TP + p, FP). Where p or n is 0 the corner is one of the two cuts. Precision, recall, F, IoU,
accuracy, balanced accuracy and Youden's index are clearly such metrics. Matthews' coefficient
is one too: with a = tp + fp, b = M - a, M = P + N it is g / sqrt(P N a b), g = N tp - P fp, and
its derivative by tp has the sign of 2 N a b - g (b - a). If g > 0 and b > a, g <= N a and
b - a <= 2 b give g (b - a) <= 2 N a b. If g < 0 and b < a, -g = N fn - P tn <= N b and
a - b <= 2 a give the same. Otherwise g (b - a) <= 0. By exchange of the two classes it falls
with fp. Where a or b is 0 its value is 0, and on this side of such a corner it is at most 0.

A bin is *tied* when all its samples have one score, so that no cut lies inside: it can hold
only one value of score, or it holds only one sample. All others are *loose*.

Rounding
--------
Counts as float64 are right within `error`, relative: 2**-53 for integers (nothing below
2**53); for sums of weights 1e-12, which the states promise, and what adding up the bins
rounds. All metrics are sums of products and quotients of at most 8 such counts which are at
most 1, and are computed without a difference of nearly equal large terms; so their error is
at most ``SLACK * error``, absolute, with room to spare. Sums over bins add at most 2**-49,
relative, for any number of bins.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastpr.curves.ratios import Array, sums_from_left

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SLACK = 32.0  # times the error of a count is more than the error of a metric in [0, 1]
MAX_TOTAL = 2**63 - 1  # of an int64
_MANY_TERMS = 1024
_INTEGER_ERROR = 2.0**-52  # twice what conversion to float64 rounds
_WEIGHT_ERROR = 1e-12  # of the sum in a bin, which states promise


def sum_of(terms: Floats) -> float:
    """Return the sum of terms that are not negative, with at most 16 roundings of each.

    Few terms are added up exactly and rounded once; of many, sixteen at a time are first
    added as floats, which is faster. The same bits on all machines.

    Examples
    --------
    >>> sum_of(np.full(10, 0.1)), sum_of(np.full(10_000, 0.5))
    (1.0, 5000.0)
    """
    if len(terms) > _MANY_TERMS:
        length = -(-len(terms) // 16)
        rows = np.zeros((16, length))
        rows.ravel()[: len(terms)] = terms
        terms = rows[0]
        for row in rows[1:]:
            terms += row
    return math.fsum(terms.tolist())


class FineCuts:
    """The counts at every cut between bins, and which bins leave something open.

    Cut b, for b below B, predicts the scores of bins b, b + 1, ... positive; cut B nothing.
    Nothing here is written to.

    Parameters
    ----------
    table : ndarray of int64 or float64, shape (2, B)
        Negatives and positives by bin.
    edges : ndarray of float64, shape (B,)
        The lower edges of the bins, ascending.
    single : ndarray of bool, shape (B,)
        The bins that can hold only one value of score.

    Attributes
    ----------
    table, edges, single : ndarray
        As given.
    counts : ndarray of int64 or float64, shape (4, B + 1)
        tp, fp, fn and tn at every cut.
    floats : ndarray of float64, shape (4, B + 1)
        The same in float64.
    positives, negatives : float
        The totals.
    loose : ndarray of bool, shape (B,)
        The bins that can hold several distinct scores, of several samples.
    mixed : ndarray of int, any length
        The loose bins with samples of both classes, ascending.
    error : float
        The relative error of `floats`.

    Raises
    ------
    OverflowError
        If the positives or the negatives are more than an int64 or float64 holds.

    Examples
    --------
    >>> fine = FineCuts(np.array([[2, 1], [1, 3]]), np.array([0.0, 0.5]), np.zeros(2, bool))
    >>> fine.tp.tolist(), fine.fp.tolist(), fine.mixed.tolist()
    ([4, 3, 0], [3, 1, 0], [0, 1])
    """

    __slots__ = (
        "_mixed", "counts", "edges", "error", "floats", "is_integer", "loose", "negatives",
        "positives", "single", "table",
    )  # fmt: skip

    positives: float
    negatives: float

    def __init__(self, table: Array, edges: Floats, single: Flags) -> None:
        self.table, self.edges, self.single = table, edges, single
        num_bins = table.shape[1]
        self.is_integer = table.dtype.kind == "i"
        counts = np.zeros((4, num_bins + 1), table.dtype)
        from_above = table[::-1, ::-1]
        if self.is_integer:
            np.cumsum(from_above, axis=1, out=counts[:2, :-1][:, ::-1])
            if counts[:2].min() < 0:  # the first sum past int64 wraps around to below 0
                raise OverflowError(f"a class has more samples than {MAX_TOTAL}")
            np.subtract(counts[:2, :1], counts[:2], out=counts[2:])
            self.floats: Floats = counts.astype(np.float64)
            # no sum of both, which can be past int64
            several = (np.maximum(table[0], table[1]) > 1) | ((table[0] & table[1]) == 1)
            self.loose: Flags = ~single & several
            self.error = _INTEGER_ERROR
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                counts[:2, :-1] = sums_from_left(from_above)[:, ::-1]
            if not np.isfinite(counts[:2, 0].sum()):
                raise OverflowError("the sum of the weights does not fit into float64")
            counts[2:, 1:-1] = sums_from_left(table[::-1, :-1])
            counts[2:, -1] = counts[:2, 0]
            self.floats = counts
            self.loose = ~single & ((table[0] > 0) | (table[1] > 0))
            self.error = _WEIGHT_ERROR + 2.0**-49 * math.sqrt(num_bins)
        self.counts = counts
        self.positives, self.negatives = self.floats[:2, 0].tolist()
        self._mixed: NDArray[np.intp] | None = None

    @property
    def mixed(self) -> NDArray[np.intp]:
        """The loose bins with samples of both classes, ascending."""
        if self._mixed is None:
            self._mixed = np.flatnonzero(self.loose & (self.table[0] > 0) & (self.table[1] > 0))
        return self._mixed

    @property
    def tp(self) -> Array:
        """True positives at every cut, of shape (B + 1,)."""
        tp: Array = self.counts[0]
        return tp

    @property
    def fp(self) -> Array:
        """False positives at every cut, of shape (B + 1,)."""
        fp: Array = self.counts[1]
        return fp

    @property
    def fn(self) -> Array:
        """False negatives at every cut, of shape (B + 1,)."""
        fn: Array = self.counts[2]
        return fn

    @property
    def tn(self) -> Array:
        """True negatives at every cut, of shape (B + 1,)."""
        tn: Array = self.counts[3]
        return tn

    @property
    def thresholds(self) -> Floats:
        """The lower edges, and inf for the cut that predicts nothing, of shape (B + 1,)."""
        return np.append(self.edges, np.inf)

    @property
    def slack(self) -> float:
        """The rounding error of a metric, absolute."""
        return SLACK * self.error

    def corners(self) -> Floats:
        """Return tp, fp, fn and tn of the best that the mixed bins leave open.

        Returns
        -------
        ndarray of float64, shape (4, number of mixed bins)
            All positives of the bin above the cut, all its negatives below.
        """
        tp, fp, fn, tn = self.floats
        below, above = self.mixed, self.mixed + 1
        return np.stack([tp[below], fp[above], fn[below], tn[above]])
