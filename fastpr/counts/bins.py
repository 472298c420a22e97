"""The bins that a state counts into: those of its thresholds, finer ones, or one for each value."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.arrays.dtypes import BFLOAT16, FLOAT16, SCORE_KINDS, ScoreKind
from fastpr.backends.integers import as_integer
from fastpr.curves.thresholds import equal_thresholds, frozen

MAX_NUM_THRESHOLDS = 65_537
RESOLUTIONS = ("thresholds", "exact")
# In the place of a dtype that a file of schema 1 does not tell.
UNKNOWN_DTYPE = "unknown"
KIND_OF_NAME = {kind.name: kind for kind in SCORE_KINDS}
_MAX_STEPS = MAX_NUM_THRESHOLDS - 1
_NUM_NEAREST = 4


class Bins(NamedTuple):
    """How the scores in [0, 1] are put into bins; made by `check_bins`.

    With the resolution "thresholds" there are equally many bins from each threshold to the
    next, all of the same width, and one for the score 1. With "exact" there is one for each
    value in [0, 1] of the dtype of the scores, which has to be known.

    Attributes
    ----------
    num_thresholds : int
        The number T of thresholds that are reported.
    bins_per_threshold : int
        The number of bins from a threshold to the next.
    resolution : {"thresholds", "exact"}
        Which bins.
    """

    num_thresholds: int
    bins_per_threshold: int = 1
    resolution: str = "thresholds"

    @property
    def num_steps(self) -> int:
        """The number of equal bins below the score 1."""
        return (self.num_thresholds - 1) * self.bins_per_threshold

    @property
    def is_exact(self) -> bool:
        """Whether there is a bin for each value."""
        return self.resolution == "exact"

    def check_kind(self, kind: ScoreKind) -> None:
        """Raise TypeError if scores of a kind have more values than can be counted."""
        if self.is_exact and not kind.one:
            raise TypeError(
                f"predictions have dtype {kind.name}, and resolution='exact' is for uint8, uint16, "
                "float16 and bfloat16, whose values can be counted one by one; pass "
                "bins_per_threshold for finer bins of such scores, or use fastpr.exact, which "
                "sorts them"
            )

    def num_bins(self, kind: ScoreKind | None) -> int:
        """Return the number of bins for scores of a kind.

        None stands for scores of several kinds, or for none yet; then there are no bins with
        the resolution "exact".
        """
        if not self.is_exact:
            return self.num_steps + 1
        return 0 if kind is None else kind.one + 1

    def stored_edges(self, kind: ScoreKind) -> NDArray[Any]:
        """Return the lower edges as scores of a kind are stored: what kernels count with."""
        if self.is_exact:
            return _stored_values(kind)
        return stored_thresholds(self.num_steps + 1, kind)

    def edges(self, kind: ScoreKind | None) -> NDArray[np.float64]:
        """Return the lower edges, ascending, as float64, read-only."""
        if not self.is_exact:
            return equal_thresholds(self.num_steps + 1)
        return np.empty(0) if kind is None else self.lowest_scores(kind)

    def lowest_scores(self, kind: ScoreKind | None) -> NDArray[np.float64]:
        """Return the lowest score of a kind that each bin can hold, as float64, read-only.

        In the dtype of the scores, edges are rounded: it may be below the edge, or above.
        """
        return self.edges(None) if kind is None else _lowest_scores(self, kind)

    def is_single(self, kind: ScoreKind | None) -> NDArray[np.bool_]:
        """Return which bins can hold one value of the scores of a kind only."""
        if kind is None:
            single = np.zeros(self.num_bins(None), np.bool_)
            single[-1:] = True  # the score 1
            return single
        return _is_single(self, kind)

    def first_bins(self, coarse: Bins, kind: ScoreKind | None) -> NDArray[np.intp]:
        """Return the first of these bins in each bin of coarser ones, of shape (num_coarse,).

        Of two that are the same, the first has no values.

        Parameters
        ----------
        coarse : Bins
            Of the resolution "thresholds", whose edges are some of these; see `check_coarser`.
        kind : ScoreKind or None
            That of the scores.
        """
        if not self.is_exact:
            return np.arange(0, self.num_steps + 1, self.num_steps // coarse.num_steps)
        if kind is None:
            return np.zeros(coarse.num_steps + 1, np.intp)
        return coarse.stored_edges(kind).astype(np.intp)

    def check_coarser(self, coarse: Bins) -> None:
        """Raise ValueError if bins cannot be made of these, and say which can."""
        if self.is_exact or self.num_steps % coarse.num_steps == 0:
            return
        num_steps, (number, per_threshold, _) = self.num_steps, coarse
        if num_steps % per_threshold and num_steps % (number - 1) == 0:
            what = "bins_per_threshold"
            nearest = _nearest_divisors(num_steps // (number - 1), per_threshold)
        else:
            what = "num_thresholds"
            if num_steps % per_threshold:
                what, per_threshold = "with bins_per_threshold=1, num_thresholds", 1
            nearest = [
                divisor + 1 for divisor in _nearest_divisors(num_steps // per_threshold, number - 1)
            ]
        raise ValueError(
            f"{num_steps} bins below the score 1 cannot be joined to {coarse.num_steps} "
            f"((num_thresholds - 1) * bins_per_threshold), which does not divide them; "
            f"{what} can be {', '.join(map(str, nearest))}, for instance"
        )


def check_num_thresholds(num_thresholds: int) -> int:
    """Return `num_thresholds` as an int in ``[2, 65537]``, or say what is wrong with it."""
    number = as_integer(num_thresholds)
    if number is None:
        raise TypeError(f"num_thresholds must be an integer, got {num_thresholds!r}")
    if not 2 <= number <= MAX_NUM_THRESHOLDS:
        raise ValueError(
            f"num_thresholds must be in [2, {MAX_NUM_THRESHOLDS}], got {number}; the results "
            f"of many thresholds can be thinned out after counting"
        )
    return number


def check_bins(
    num_thresholds: int, bins_per_threshold: int = 1, resolution: str = "thresholds"
) -> Bins:
    """Return the bins of these options, or say what is wrong with them."""
    number = check_num_thresholds(num_thresholds)
    per_threshold = as_integer(bins_per_threshold)
    if per_threshold is None:
        raise TypeError(f"bins_per_threshold must be an integer, got {bins_per_threshold!r}")
    if not (isinstance(resolution, str) and resolution in RESOLUTIONS):
        raise ValueError(f"resolution must be 'thresholds' or 'exact', got {resolution!r}")
    most = _MAX_STEPS // (number - 1)
    if not 1 <= per_threshold <= most:
        raise ValueError(
            f"bins_per_threshold must be in [1, {most}] for {number} thresholds, got "
            f"{per_threshold}"
        )
    if resolution == "exact" and per_threshold != 1:
        raise ValueError(
            "bins_per_threshold must be 1 with resolution='exact', which has a bin for each value, "
            f"got {per_threshold}"
        )
    return Bins(number, per_threshold, resolution)


# ---- dtypes of scores, by name ----


def kind_of(dtypes: Collection[str]) -> ScoreKind | None:
    """Return the kind of scores of these dtypes; None if they are not of one that is known."""
    (name,) = dtypes if len(dtypes) == 1 else ("",)
    return KIND_OF_NAME.get(name)


def saved_dtypes(names: Any, bins: Bins) -> frozenset[str]:
    """Return the dtypes in the header of a saved state; ValueError if they cannot be there."""
    known = {UNKNOWN_DTYPE, *KIND_OF_NAME}
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if good and bins.is_exact:
        known = {name for name, kind in KIND_OF_NAME.items() if kind.one}
        good = len(names) <= 1
    if not good or not known.issuperset(names):
        raise ValueError(f"the saved state has dtypes of {names!r}")
    return frozenset(names)


def two_exact_dtypes(ours: Iterable[str], theirs: Iterable[str]) -> str:
    """Return the message about scores of two dtypes that have bins for each value."""
    return (
        f"with resolution='exact' a state counts the values of one dtype; it has seen scores of "
        f"{', '.join(ours)}, and these are of {', '.join(theirs)}; keep one state for each dtype"
    )


def no_bounds(dtypes: Collection[str]) -> str | None:
    """Return why there are no bounds on what follows exactly from scores of these dtypes."""
    if UNKNOWN_DTYPE in dtypes:
        return (
            "the state was loaded from a file of schema 1, which does not tell the dtypes of its "
            "scores, and bins of two dtypes are not in one order; count again for bounds"
        )
    if len(dtypes) > 1:
        *others, last = sorted(dtypes)
        return (
            f"the state has seen scores of {', '.join(others)} and {last}, whose bins are not "
            "ordered alike; keep one state for each dtype"
        )
    return None


# ---- what bins are made of ----


def _nearest_divisors(number: int, wanted: int) -> list[int]:
    divisors = [divisor for divisor in range(1, number + 1) if number % divisor == 0]
    return sorted(sorted(divisors, key=lambda divisor: abs(divisor - wanted))[:_NUM_NEAREST])


@lru_cache(maxsize=8)
def _stored_values(kind: ScoreKind) -> NDArray[Any]:
    """Return all values in [0, 1] as they are stored."""
    stored = np.arange(kind.one + 1).astype(kind.storage)
    stored.flags.writeable = False
    return stored


@lru_cache(maxsize=8)
def _lowest_scores(bins: Bins, kind: ScoreKind) -> NDArray[np.float64]:
    stored = bins.stored_edges(kind)
    if kind.storage.kind == "u" and kind not in (FLOAT16, BFLOAT16):
        return frozen(stored / kind.one)
    return frozen(kind.floats(stored).astype(np.float64))


@lru_cache(maxsize=8)
def _is_single(bins: Bins, kind: ScoreKind) -> NDArray[np.bool_]:
    edges = bins.stored_edges(kind)
    # The bits of floats that are not negative are in the order of their values.
    bits = edges.view(f"u{edges.itemsize}")
    single = np.ones(len(bits), np.bool_)
    np.less_equal(bits[1:] - bits[:-1], 1, out=single[:-1])
    single.flags.writeable = False
    return single


@lru_cache(maxsize=32)
def stored_thresholds(num_thresholds: int, kind: ScoreKind) -> NDArray[Any]:
    """Return the thresholds as scores of `kind` are stored, for exact comparison with them.

    Float thresholds are rounded to nearest once. An integer score ``u`` of b bits is at or
    above threshold i when ``u * (T-1) >= i * (2**b - 1)``, so its threshold is the smallest
    such ``u``.

    Parameters
    ----------
    num_thresholds : int
        Their number T.
    kind : ScoreKind
        The kind of the scores.

    Returns
    -------
    ndarray of kind.storage, shape (T,)
        Read-only, not decreasing; the first is 0 and the last is `kind.one`, or 1.0.
    """
    exact = equal_thresholds(num_thresholds)
    if kind is FLOAT16:
        return frozen(exact.astype(np.float16).view(np.uint16))
    if kind is BFLOAT16:
        # By way of float32, which cannot round onto a midpoint of bfloat16: with at most
        # 65,536 steps, i / (T-1) is a midpoint itself or further from it than half an ulp.
        bits = exact.astype(np.float32).view(np.uint32)
        return frozen(((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16))
    if kind.one:
        steps = np.arange(num_thresholds, dtype=np.int64) * kind.one
        return frozen((-(-steps // (num_thresholds - 1))).astype(kind.storage))
    return frozen(exact.astype(kind.storage))
