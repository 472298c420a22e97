"""Sums of the tables of groups, many at once, by matrix products that do not round."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastpr.curves.ratios import Array
from fastpr.streaming.storage import MAX_COUNT

MAX_BYTES = 1 << 25  # of the sums of a batch, and of the groups' tables as float64


class GroupTables:
    """The tables of groups, which matrix products can add up without rounding.

    A table is taken apart into digits of `bits` bits: integers so small that the sum of as many
    of them as there are groups is below 2**53. A product of matrices of such integers is exact
    in float64, in whatever order it is summed; so the result does not depend on the library of
    the products, its threads, or the size of a batch. Weighted tables have digits too, in units
    of each column's own; only joining their sums rounds, by at most 2**-52 of the result.
    """

    def __init__(self, tables: Sequence[Array]) -> None:
        self.num_groups = len(tables)
        self.num_bins: int = max(table.shape[1] for table in tables)
        self._is_integer = all(table.dtype.kind == "i" for table in tables)
        self._bits = 53 - self.num_groups.bit_length()
        nothing = np.zeros(2 * self.num_bins, np.int64)  # of a state that knows no layout yet
        self._rows = [
            table.reshape(-1) if table.shape[1] == self.num_bins else nothing for table in tables
        ]
        num_columns = min(max(MAX_BYTES // (8 * self.num_groups), 1), 2 * self.num_bins)
        self._tiles = [
            slice(start, min(start + num_columns, 2 * self.num_bins))
            for start in range(0, 2 * self.num_bins, num_columns)
        ]
        self._kept: tuple[list[NDArray[np.float64]], Array] | None = None
        self._check_sums()

    def _check_sums(self) -> None:
        """Raise OverflowError if a resample could hold more than int64 or float64 can."""
        largest = self.num_groups * max(float(row.sum(dtype=np.float64)) for row in self._rows)
        if self._is_integer and largest > MAX_COUNT * (1 - 1e-9):  # more than float64 rounds off
            raise OverflowError(
                f"a resample of these groups could hold about {largest:.3g} samples, which is "
                f"more than can be counted ({MAX_COUNT})"
            )
        if largest == float("inf"):
            raise OverflowError(
                "the weights of a resample do not fit into float64; scale the weights down"
            )

    @property
    def num_rows_at_once(self) -> int:
        """How many sums of tables can be in memory together."""
        return max(MAX_BYTES // (8 * max(2 * self.num_bins, self.num_groups)), 1)

    def resampled(self, multiplicities: NDArray[np.float64]) -> Array:
        """Return sums of tables, of shape (R, 2, B), for how often each group is taken, (R, G)."""
        return self._summed(len(multiplicities), lambda digit: multiplicities @ digit)

    def without_each(self, start: int, stop: int) -> Array:
        """Return the sums of all tables but one, for the groups from `start` to `stop`."""
        return self._summed(stop - start, lambda digit: digit.sum(axis=0) - digit[start:stop])

    def _summed(
        self, num_rows: int, sums_of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> Array:
        dtype = np.int64 if self._is_integer else np.float64
        tables: Array = np.empty((num_rows, 2 * self.num_bins), dtype)
        for columns in self._tiles:
            digits, exponents = self._kept or self._digits(columns)
            if len(self._tiles) == 1:
                self._kept = digits, exponents
            tables[:, columns] = self._joined([sums_of(digit) for digit in digits], exponents)
        return tables.reshape(num_rows, 2, self.num_bins)

    def _digits(self, columns: slice) -> tuple[list[NDArray[np.float64]], Array]:
        """Return the digits of some columns, the highest first, and the exponents of its unit.

        Digits are float64 of shape (G, columns), exponents of shape (columns,).
        """
        tile = np.stack([row[columns] for row in self._rows])
        digits: list[NDArray[np.float64]] = []
        if self._is_integer:
            mask = (1 << self._bits) - 1
            while not digits or tile.any():
                digits.append((tile & mask).astype(np.float64))
                tile >>= self._bits
            return digits[::-1], np.zeros(0)
        # What is left stays where it is: moved down beside a large weight, it would lose bits
        # below the smallest float64.
        exponents = np.frexp(tile.max(axis=0))[1] - self._bits
        unit = exponents
        while not digits or tile.any():
            digits.append(np.floor(np.ldexp(tile, -unit)))
            tile -= np.ldexp(digits[-1], unit)
            unit = unit - self._bits
        return digits, exponents

    def _joined(self, sums: list[NDArray[np.float64]], exponents: Array) -> Array:
        """Return what sums of digits stand for."""
        if self._is_integer:
            counts = sums[0].astype(np.int64)
            for part in sums[1:]:
                counts = (counts << self._bits) + part.astype(np.int64)
            return counts
        weights: Array = np.zeros(sums[0].shape)
        for i in reversed(range(len(sums))):  # so that only the last two additions round visibly
            weights += np.ldexp(sums[i], exponents - i * self._bits)
        return weights
