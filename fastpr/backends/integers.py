"""What values of options are, for every room alike."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


def as_integer(value: Any) -> int | None:
    """Return an integer of any kind as an int; None if it is none, as a bool is not.

    Examples
    --------
    >>> as_integer(np.uint8(3)), as_integer(True), as_integer(2.0)
    (3, None, None)
    """
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
