"""Equally spaced thresholds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
