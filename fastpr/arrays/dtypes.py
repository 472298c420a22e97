"""The dtypes that scores can have: one table, for counting and for ranking."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.protocol import bfloat16_values

Array = NDArray[Any]


class ScoreKind(NamedTuple):
    """How the scores of one dtype are read.

    Attributes
    ----------
    name : str
        The name of the dtype in messages.
    histogram : str
        The suffix of the kernel that counts such scores.
    ranks : str or None
        That of the kernel that ranks by them; None if they are not ranked.
    storage : numpy.dtype
        What kernels read. Halves are read as their bits, which are in the order of the
        values as long as these are not negative.
    one : int
        What the score 1 is stored as; 0 for float32 and float64, which are stored as themselves.
    """

    name: str
    histogram: str
    ranks: str | None
    storage: np.dtype[Any]
    one: int

    def stored(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return scores of this kind, of any byte order, as kernels read them."""
        if self is FLOAT16:
            return scores.view(scores.dtype.str.replace("f", "u"))
        return scores

    def floats(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return the floats that are stored, as an array that NumPy computes with."""
        if self is FLOAT16:
            return stored.view(np.float16)
        return bfloat16_values(stored) if self is BFLOAT16 else stored


FLOAT16 = ScoreKind("float16", "half", "f16", np.dtype(np.uint16), 0x3C00)
BFLOAT16 = ScoreKind("bfloat16", "half", "bf16", np.dtype(np.uint16), 0x3F80)
FLOAT32 = ScoreKind("float32", "f32", "f32", np.dtype(np.float32), 0)
FLOAT64 = ScoreKind("float64", "f64", "f64", np.dtype(np.float64), 0)
UINT8 = ScoreKind("uint8", "u8", "u8", np.dtype(np.uint8), 255)
UINT16 = ScoreKind("uint16", "u16", None, np.dtype(np.uint16), 65_535)
SCORE_KINDS = (FLOAT16, BFLOAT16, FLOAT32, FLOAT64, UINT8, UINT16)

_KIND_OF_DTYPE = {np.dtype(kind.name): kind for kind in SCORE_KINDS if kind is not BFLOAT16}


def score_kind(dtype: np.dtype[Any], is_bfloat16: bool = False) -> ScoreKind | None:
    """Return the kind of scores of a dtype, of any byte order; None if they are no scores."""
    if is_bfloat16:
        return BFLOAT16
    kind = _KIND_OF_DTYPE.get(dtype)
    if kind is None and dtype.kind in "fu":
        kind = _KIND_OF_DTYPE.get(dtype.newbyteorder("="))
    return kind
