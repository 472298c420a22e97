"""The two rules every backend agrees on, as plain scalar Python.

Numba compiles this text; ``csrc/rules.h`` is its one hand-written twin. The faster forms
beside the kernels are held to it by the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# The bits of a float16 or bfloat16 of -0.0, which counts as 0.
MINUS_ZERO_HALF = 0x8000


def bin_index(score: Any, thresholds: Sequence[Any]) -> int:
    """Return the largest ``i`` with ``score >= thresholds[i]``.

    Parameters
    ----------
    score : float or int
        A score in the dtype of the thresholds, at least ``thresholds[0]``.
    thresholds : sequence of float or int, length >= 1
        Thresholds that do not decrease.

    Returns
    -------
    int
        The bin of the score, in ``[0, len(thresholds))``.

    Examples
    --------
    >>> bin_index(0.5, [0.0, 0.5, 1.0])
    1
    """
    low = 0
    high = len(thresholds)
    while high - low > 1:
        middle = (low + high) // 2
        if score >= thresholds[middle]:
            low = middle
        else:
            high = middle
    return low


def outranks(score: Any, class_id: int, other_score: Any, other_id: int) -> bool:
    """Return whether a class comes before another one in the ranking of a row.

    A higher score comes first, and of equal scores the lower id; -0.0 equals 0.0. NaN comes
    after every number, and NaNs are ordered by id.

    Parameters
    ----------
    score, other_score : float or int
        The scores of the two classes.
    class_id, other_id : int
        Their ids.

    Returns
    -------
    bool

    Examples
    --------
    >>> outranks(0.7, 3, 0.2, 1), outranks(0.7, 3, 0.7, 1), outranks(float("nan"), 0, -9.0, 1)
    (True, False, False)
    """
    is_nan = score != score
    other_is_nan = other_score != other_score
    if is_nan or other_is_nan:
        return other_is_nan and (not is_nan or class_id < other_id)
    return score > other_score or (score == other_score and class_id < other_id)
