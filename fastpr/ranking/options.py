"""The options of rankings: what they can be, and how rows are ranked and valued with them."""

from __future__ import annotations

from fastpr.backends.integers import as_integer
from fastpr.ranking.rows.checks import MAX_CLASSES

EMPTY = ("skip", "zero", "one", "nan", "raise")
DENOMINATORS = ("min", "relevant", "hits", "k")
TIES = ("index", "optimistic", "pessimistic", "expected")
AVERAGES = ("rows", "micro")


def check_k(k: int, num_classes: int | None = None) -> int:
    """Return `k` as an int of at least 1, and at most `num_classes` if that is given.

    Examples
    --------
    >>> check_k(5, num_classes=10)
    5
    """
    number = as_integer(k)
    if number is None or not 1 <= number <= MAX_CLASSES:
        raise ValueError(f"k must be an integer in [1, {MAX_CLASSES}], got {k!r}")
    if num_classes is not None and number > num_classes:
        raise ValueError(
            f"k must not be above the number of classes, got {number}, and predictions of "
            f"{num_classes} classes"
        )
    return number


def _check_one_of(allowed: tuple[str, ...], name: str, value: str) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    *others, last = map(repr, allowed)
    raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")


def check_empty(empty: str) -> str:
    """Return `empty` if it says what rows without labels count, or say what it can be."""
    return _check_one_of(EMPTY, "empty", empty)


def check_ties(ties: str) -> str:
    """Return `ties` if it is a rule for equal scores, or say what it can be."""
    return _check_one_of(TIES, "ties", ties)


def check_denominator(denominator: str, ties: str = "index") -> str:
    """Return `denominator` if it is one of average precision by a checked rule of ties."""
    _check_one_of(DENOMINATORS, "denominator", denominator)
    if denominator == "hits" and ties == "expected":
        raise ValueError(
            "denominator 'hits' has no closed form with ties='expected'; choose another of the two"
        )
    return denominator


def check_average(average: str) -> str:
    """Return `average` if it is a way to average over rows, or say what it can be."""
    return _check_one_of(AVERAGES, "average", average)
