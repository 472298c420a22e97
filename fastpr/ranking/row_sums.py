"""Exact sums over rows, and how they add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.ranking.exact_sums import (
    MAX_LIMBS,
    UNIT_EXPONENT,
    exact_sums,
    from_limbs,
    quotient,
    to_limbs,
)
from fastpr.streaming.storage import MAX_COUNT, unpack_tables

Totals = NDArray[np.object_]  # of Python integers, in units of 2**-1074

# The entries of the header of a saved state, but for the bool has_totals.
_MOST = {
    "num_rows": MAX_COUNT,
    "num_empty": MAX_COUNT,
    "first_limb": MAX_LIMBS,
    "num_limbs": MAX_LIMBS,
}
SAVED_ENTRIES = frozenset({*_MOST, "has_totals"})
_ONE = 1 << -UNIT_EXPONENT
_MAX_WEIGHT = int(np.finfo(np.float64).max) * _ONE
# By how much roundings may bring the value of a row above its most: one part in 2**_SLACK.
_SLACK = 20


class RowSums(NamedTuple):
    """Exact sums over rows. Never written to, so whoever has it has a consistent whole.

    Attributes
    ----------
    totals : ndarray of int, or None
        Sums over rows of their weighted values, of shape (num_sums, num_cutoffs); None if
        they are all 0.
    weight : int
        The sum of the weights of the rows that are in the mean.
    num_rows : int
        The rows that have a weight other than 0.
    num_empty : int
        Those of them that have no labels.
    """

    totals: Totals | None
    weight: int
    num_rows: int
    num_empty: int

    @classmethod
    def of_rows(
        cls,
        values: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        is_empty: NDArray[np.bool_],
        empty_counts: bool,
    ) -> RowSums:
        """Return the sums over some rows.

        Parameters
        ----------
        values : ndarray of float64, shape (num_rows, num_sums, num_cutoffs)
            What is to be summed; at least 0.
        weights : ndarray of float64, shape (num_rows,), optional
            Finite, at least 0.
        is_empty : ndarray of bool, shape (num_rows,)
            Rows without labels.
        empty_counts : bool
            Whether such rows are in the mean.

        Raises
        ------
        OverflowError
            If a weighted value is not finite.
        """
        in_mean = np.ones(len(values), bool) if empty_counts else ~is_empty
        if weights is None:
            num_rows, num_empty = len(values), int(np.count_nonzero(is_empty))
            weight = int(np.count_nonzero(in_mean)) * _ONE
        else:
            has_weight = weights > 0
            num_rows = int(np.count_nonzero(has_weight))
            num_empty = int(np.count_nonzero(has_weight & is_empty))
            in_mean &= has_weight
            weight = int(exact_sums(weights[in_mean]))
        terms = values if in_mean.all() else values[in_mean]
        if weights is not None:
            with np.errstate(over="ignore", under="ignore"):
                terms = terms * weights[in_mean, np.newaxis, np.newaxis]
        if not np.isfinite(terms).all():
            raise OverflowError(
                "the weights of a row, or of its labels, do not fit into float64; scale the "
                "weights down"
            )
        totals = exact_sums(terms)
        return cls(totals if totals.any() else None, weight, num_rows, num_empty)

    def plus(self, other: RowSums) -> RowSums:
        """Return the sum, or raise OverflowError if there are too many rows."""
        num_rows = self.num_rows + other.num_rows
        if num_rows > MAX_COUNT:
            raise OverflowError(f"{num_rows} rows are more than a state can count ({MAX_COUNT})")
        if self.totals is None or other.totals is None:
            totals = other.totals if self.totals is None else self.totals
        else:
            totals = self.totals + other.totals
        weight = self.weight + other.weight
        return RowSums(totals, weight, num_rows, self.num_empty + other.num_empty)

    def minus(self, other: RowSums) -> RowSums:
        """Return what is left without the rows of another, which have to be in these.

        Exactly, since sums are exact. Raises ValueError if something would be negative;
        `check` finds what is impossible beyond that.
        """
        totals = self.totals
        if other.totals is not None:
            totals = -other.totals if totals is None else totals - other.totals
        weight = self.weight - other.weight
        left = RowSums(
            totals if totals is not None and totals.any() else None,
            weight,
            self.num_rows - other.num_rows,
            self.num_empty - other.num_empty,
        )
        wrong = {
            "num_rows": left.num_rows < 0,
            "num_empty": left.num_empty < 0,
            "the sum of weights": weight < 0,
            "a sum of values": left.totals is not None and (left.totals < 0).any(),
        }
        for what, is_negative in wrong.items():
            if is_negative:
                raise ValueError(f"what is taken away is not part of it: {what} would be negative")
        return left

    def check(self, shape: tuple[int, int], num_means: int, empty_counts: bool) -> None:
        """Raise ValueError if no rows can leave this behind; see `from_saved`."""
        fault = self._fault(shape, num_means, empty_counts)
        if self.num_empty > self.num_rows:
            fault = "num_empty"
        if fault is not None:
            raise ValueError(
                f"what is taken away is not part of it: no rows could have the {fault} that "
                "would be left"
            )

    def _fault(self, shape: tuple[int, int], num_means: int, empty_counts: bool) -> str | None:
        """Return which of the sums is not one that so many rows can have."""
        num_in_mean = self.num_rows if empty_counts else self.num_rows - self.num_empty
        if not num_in_mean <= self.weight <= num_in_mean * _MAX_WEIGHT:
            return "sum of weights"
        totals = self.totals
        if totals is None:
            return None
        most = np.full(shape, self.weight, object)
        most[num_means::2] = most[num_means + 1 :: 2] = totals[num_means + 1 :: 2]
        most += (most >> _SLACK) + self.num_rows  # a row is rounded to a unit, or a few ulps
        if not (num_in_mean and totals.any()) or (totals > most).any():
            return "sums"
        return None

    def all_totals(self, shape: tuple[int, int]) -> Totals:
        """Return the totals of rows whose values have this shape, also where they are 0."""
        return np.zeros(shape, object) if self.totals is None else self.totals

    def means(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the weighted means, correctly rounded; 0 without rows."""
        return ratios(self.all_totals(shape), self.weight)

    # ---- saving ----

    def to_save(self) -> tuple[dict[str, Any], NDArray[np.int64]]:
        """Return the entries of the header and the table that a file holds."""
        totals = [] if self.totals is None else self.totals.ravel().tolist()
        first_limb, limbs = to_limbs([self.weight, *totals])
        entries = {
            "num_rows": self.num_rows,
            "num_empty": self.num_empty,
            "has_totals": self.totals is not None,
            "first_limb": first_limb,
            "num_limbs": limbs.shape[1],
        }
        return entries, limbs

    @classmethod
    def from_saved(
        cls,
        header: Mapping[str, Any],
        table: memoryview,
        shape: tuple[int, int],
        num_means: int,
        empty_counts: bool,
    ) -> RowSums:
        """Return what `to_save` gave, or raise ValueError if it cannot have.

        Parameters
        ----------
        header : mapping
            With the entries that it gave.
        table : memoryview
            The bytes of its table.
        shape : tuple of int
            That of the values of a row.
        num_means : int
            The first so many values of a row are at most 1. Then come pairs of which the
            first is at most the second.
        empty_counts : bool
            Whether rows without labels are in the mean.
        """
        _check_entries(header)
        num_sums = 1 + header["has_totals"] * math.prod(shape)
        (limbs,) = unpack_tables(table, [(num_sums, header["num_limbs"])], [np.int64])
        try:
            weight, *sums = from_limbs(header["first_limb"], limbs)
        except ValueError as error:
            raise ValueError(f"the saved state is damaged: {error}") from None
        num_rows, num_empty = header["num_rows"], header["num_empty"]
        totals = np.array(sums, object).reshape(shape) if header["has_totals"] else None
        seen = cls(totals, weight, num_rows, num_empty)
        if fault := seen._fault(shape, num_means, empty_counts):
            which = "a sum of weights" if fault == "sum of weights" else fault
            raise ValueError(f"the saved state has {which} that its rows cannot have")
        return seen


NO_ROWS = RowSums(None, 0, 0, 0)


def ratios(numerators: Totals, denominators: Totals | int) -> NDArray[np.float64]:
    """Return the quotients of integers, correctly rounded; 0 where the denominator is 0."""
    return np.asarray(_QUOTIENTS(numerators, denominators), np.float64)


_QUOTIENTS = np.frompyfunc(quotient, 2, 1)


def _check_entries(header: Mapping[str, Any]) -> None:
    """Raise ValueError if an entry is not of its type, or out of range."""
    for key, most in _MOST.items():
        if type(header[key]) is not int or not 0 <= header[key] <= most:
            raise ValueError(f"the saved state has a {key} of {header[key]!r}")
    has_totals = header["has_totals"]
    if type(has_totals) is not bool or has_totals > header["num_limbs"]:
        raise ValueError(f"the saved state has a has_totals of {header['has_totals']!r}")
    if header["num_empty"] > header["num_rows"]:
        raise ValueError(
            f"the saved state has a num_empty of {header['num_empty']}, but a num_rows of "
            f"{header['num_rows']}"
        )
