"""Equally spaced thresholds, in float64 and in the dtype of the scores."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_NUM_THRESHOLDS = 65_537


class ScoreKind(NamedTuple):
    """How the scores of one dtype are compared with thresholds.

    Attributes
    ----------
    name : str
        The name of the dtype in messages.
    kernel : str
        The suffix of the kernel that counts such scores.
    storage : numpy.dtype
        What the kernel reads. Halves are read as their bits, which are in the order of the
        values as long as these are not negative.
    one : int
        What the score 1 is stored as; 0 for float32 and float64, which are stored as themselves.
    """

    name: str
    kernel: str
    storage: np.dtype[Any]
    one: int


FLOAT16 = ScoreKind("float16", "half", np.dtype(np.uint16), 0x3C00)
BFLOAT16 = ScoreKind("bfloat16", "half", np.dtype(np.uint16), 0x3F80)
FLOAT32 = ScoreKind("float32", "f32", np.dtype(np.float32), 0)
FLOAT64 = ScoreKind("float64", "f64", np.dtype(np.float64), 0)
UINT8 = ScoreKind("uint8", "u8", np.dtype(np.uint8), 255)
UINT16 = ScoreKind("uint16", "u16", np.dtype(np.uint16), 65_535)
SCORE_KINDS = (FLOAT16, BFLOAT16, FLOAT32, FLOAT64, UINT8, UINT16)


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


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
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
    return _frozen(np.arange(num_thresholds) / (num_thresholds - 1))


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
        return _frozen(exact.astype(np.float16).view(np.uint16))
    if kind is BFLOAT16:
        # By way of float32, which cannot round onto a midpoint of bfloat16: with at most
        # 65,536 steps, i / (T-1) is a midpoint itself or further from it than half an ulp.
        bits = exact.astype(np.float32).view(np.uint32)
        return _frozen(((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16))
    if kind.one:
        steps = np.arange(num_thresholds, dtype=np.int64) * kind.one
        return _frozen((-(-steps // (num_thresholds - 1))).astype(kind.storage))
    return _frozen(exact.astype(kind.storage))
