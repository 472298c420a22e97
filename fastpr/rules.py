"""The rule every backend agrees on, as plain scalar Python.

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
