"""Exact sums of float64: Python integers, counted in units of the smallest float64.

So a sum does not depend on the order or the grouping of its terms, and neither do its bytes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT_EXPONENT = -1074  # the unit, 2**-1074, is the smallest float64 above 0; all are multiples

_FEW_TERMS = 32  # up to here one by one is faster
_MAX_ROWS = 1 << 13  # added up in float64
_MAX_TERMS = 1 << 15  # of all columns, so that they stay in the cache
_BITS = 40  # taken off the terms at once: _MAX_ROWS * 2**_BITS is 2**53, which float64 holds
_MAX_SUMS = 1 << 20  # rows whose parts of _BITS bits add up in an int64
_LARGE = 2.0**900  # above, `_parts` would overflow
MAX_LIMBS = 34  # 2**63 terms of less than 2**1024 are less than 2**2161 units
_LIMB_BITS = 64


def exact_sums(terms: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return the sums along the first axis, exactly.

    Parameters
    ----------
    terms : ndarray of float64, shape (n, ...)
        Finite and >= 0; any strides.

    Returns
    -------
    ndarray of int objects, shape (...)
        In units of 2**-1074; where it has no dimensions, `int` makes a number of it.

    Notes
    -----
    The leading 40 bits of all terms are added up in float64, whose 53 bits hold the sum of
    8192 such numbers whatever their order; then the next 40 bits, until nothing is left. The
    usual row values need two such rounds.

    Examples
    --------
    >>> int(exact_sums(np.array([0.5, 0.25, 5e-324]))) == 3 * 2**1072 + 1
    True
    """
    if terms.size == len(terms) > 0:
        return np.full(terms.shape[1:], _exact_sum(terms.ravel()), object)
    columns = np.moveaxis(terms, 0, -1).reshape(math.prod(terms.shape[1:]), len(terms))
    totals = np.zeros(len(columns), object)
    for start in range(0, len(terms), _MAX_SUMS):
        _add_sums(totals, columns[:, start : start + _MAX_SUMS])
    return totals.reshape(terms.shape[1:])


def _exact_sum(terms: NDArray[np.float64]) -> int:
    """Return the sum of one-dimensional terms."""
    if len(terms) <= _FEW_TERMS:
        return sum(map(_in_units, terms.tolist()))
    total = 0
    largest = float(np.maximum.reduce(terms))
    if largest >= _LARGE:
        is_large = terms >= _LARGE
        total = sum(map(_in_units, terms[is_large].tolist()))
        terms = np.where(is_large, 0.0, terms)
    for start in range(0, len(terms), _MAX_ROWS):
        for exponent, part in _parts(terms[start : start + _MAX_ROWS], largest):
            units = int(math.ldexp(np.add.reduce(part), -exponent))
            total += units << (exponent - UNIT_EXPONENT)
    return total


def _in_units(term: float) -> int:
    """Return a float in units of 2**-1074."""
    numerator, denominator = term.as_integer_ratio()  # a power of two, at most 2**1074
    return numerator << (1 - UNIT_EXPONENT - denominator.bit_length())


def _add_sums(totals: NDArray[np.object_], columns: NDArray[np.float64]) -> None:
    """Add to totals the sums of each of these columns, which have at most _MAX_SUMS terms."""
    largest = float(columns.max(initial=0.0))
    length = min(_MAX_ROWS, max(1, _MAX_TERMS // max(1, len(columns))))
    sums: dict[int, NDArray[np.int64]] = {}
    for start in range(0, columns.shape[1], length):
        rest = np.ascontiguousarray(columns[:, start : start + length])
        if largest >= _LARGE:
            rest = _without_large(totals, rest)
        for exponent, part in _parts(rest, largest):
            units = np.ldexp(np.add.reduce(part, axis=1), -exponent).astype(np.int64)
            sums[exponent] = sums[exponent] + units if exponent in sums else units
    for exponent, units in sums.items():
        totals += units.astype(object) * (1 << (exponent - UNIT_EXPONENT))


def _parts(rest: NDArray[np.float64], largest: float) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Split terms into parts that are multiples of some 2**exponent, and are exactly summed.

    Parameters
    ----------
    rest : ndarray of float64
        At most _MAX_ROWS terms in each sum.
    largest : float
        No term is larger.

    Yields
    ------
    exponent : int
        The same from one call to the next, as it follows from the largest term.
    part : ndarray of float64
        Multiples of 2**exponent, at most 2**_BITS of them.
    """
    exponent = math.frexp(min(largest, _LARGE))[1] - _BITS
    while np.count_nonzero(rest):
        exponent = max(exponent, UNIT_EXPONENT)
        # A number this large has no bits below the unit, so adding it rounds to the unit.
        rounder = math.ldexp(1.5, exponent + sys.float_info.mant_dig - 1)
        part = rest + rounder
        part -= rounder
        rest = rest - part
        yield exponent, part
        exponent -= _BITS + 1  # what is left is at most half a unit


def _without_large(
    totals: NDArray[np.object_], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add the large terms to the totals, one by one, and return the columns without them."""
    large = columns >= _LARGE
    for column, row in zip(*np.nonzero(large), strict=True):
        totals[column] += _in_units(columns[column, row].item())
    return np.where(large, 0.0, columns)


def quotient(total: int, weight: int) -> float:
    """Return ``total / weight``, correctly rounded, and 0.0 where the weight is 0.

    Parameters
    ----------
    total, weight : int
        In the same unit. The quotient is that of a mean of float64 values, so it fits.
    """
    return total / weight if weight else 0.0


def to_limbs(totals: Iterable[int]) -> tuple[int, NDArray[np.int64]]:
    """Return totals as limbs of 64 bits: the few that they need, and equal for equal totals.

    Parameters
    ----------
    totals : iterable of int
        From `exact_sums`.

    Returns
    -------
    first_limb : int
        The limbs before this one are 0 in all totals.
    limbs : ndarray of int64, shape (len(totals), num_limbs)
        The bits of each total, lowest limb first, up to the last that is not 0 in all totals;
        if all totals are 0, `first_limb` and `num_limbs` are 0.

    Examples
    --------
    >>> to_limbs([5 << 128, 0])
    (2, array([[5],
           [0]]))
    """
    totals = [int(total) for total in totals]
    bits = 0
    for total in totals:
        bits |= total
    lowest = (bits & -bits).bit_length() - 1
    first_limb = max(lowest, 0) // _LIMB_BITS
    num_limbs = -(-bits.bit_length() // _LIMB_BITS) - first_limb
    shifted = (total >> (first_limb * _LIMB_BITS) for total in totals)
    data = b"".join(total.to_bytes(num_limbs * 8, "little") for total in shifted)
    limbs = np.frombuffer(data, "<i8").astype(np.int64)
    return first_limb, limbs.reshape(len(totals), num_limbs)


def from_limbs(first_limb: int, limbs: NDArray[np.int64]) -> list[int]:
    """Return the totals that `to_limbs` was given.

    Parameters
    ----------
    first_limb : int
        As from `to_limbs`.
    limbs : ndarray of int64, shape (num_totals, num_limbs)
        As from `to_limbs`.

    Raises
    ------
    ValueError
        If `to_limbs` does not give these limbs for any sums, because there are limbs that are
        not needed, or sums that no terms have.
    """
    num_limbs = limbs.shape[1]
    if not 0 <= first_limb <= first_limb + num_limbs <= MAX_LIMBS:
        raise ValueError(
            f"exact sums have at most {MAX_LIMBS} limbs, and the saved ones are limbs "
            f"{first_limb} to {first_limb + num_limbs}; the data are damaged"
        )
    needed = bool(limbs[:, 0].any() and limbs[:, -1].any()) if num_limbs else first_limb == 0
    if not needed:
        raise ValueError("exact sums are saved with limbs that are all 0; the data are damaged")
    rows: Any = np.ascontiguousarray(limbs, "<i8")
    shift = first_limb * _LIMB_BITS
    return [int.from_bytes(row.tobytes(), "little") << shift for row in rows]
