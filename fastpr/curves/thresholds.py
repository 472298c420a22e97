"""Equally spaced thresholds, in float64 and in the dtype of the scores."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_NUM_THRESHOLDS = 65_537


def check_num_thresholds(num_thresholds: int) -> int:
    """Return `num_thresholds` as an int in ``[2, 65537]``, or say what is wrong with it."""
    try:
        if isinstance(num_thresholds, (bool, np.bool_)):
            raise TypeError
        number = operator.index(num_thresholds)
    except TypeError:
        raise TypeError(f"num_thresholds must be an integer, got {num_thresholds!r}") from None
    if not 2 <= number <= MAX_NUM_THRESHOLDS:
        raise ValueError(
            f"num_thresholds must be in [2, {MAX_NUM_THRESHOLDS}], got {number}; the results "
            f"of many thresholds can be thinned out after counting"
        )
    return number


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array after closing it to writing."""
    array.flags.writeable = False
    return array


@lru_cache(maxsize=32)
def equal_thresholds(num_thresholds: int) -> NDArray[np.float64]:
    """Return the thresholds ``i / (num_thresholds - 1)``, each correctly rounded.

    Parameters
    ----------
    num_thresholds : int
        Their number T, in ``[2, 65537]``.

    Returns
    -------
    ndarray of float64, shape (T,)
        Read-only.

    Examples
    --------
    >>> equal_thresholds(5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return frozen(np.arange(num_thresholds) / (num_thresholds - 1))
