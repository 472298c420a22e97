"""How the ranking kernels read scores, and which of them at once cannot matter.

Scores are compared as keys: float32 for the floats of up to 32 bits, which it holds exactly,
float64, and int32 for uint8. `rules.outranks` orders keys as it orders the scores.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastpr.backends import rules
from fastpr.backends.cuda.device import IS_SIMULATED, inlined
from fastpr.backends.cuda.loads import loads

WIDE = 16  # bytes that are read at once, and aligned


outranks = inlined(rules.outranks)


def _reinterpreting(bits: int, is_half: bool) -> Any:
    """Return a device function that reads the lowest bits of an integer as a float."""
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    @intrinsic
    def reinterpret(typingctx: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = args[0]
            if word.type.width != bits:
                word = builder.trunc(word, ir.IntType(bits))
            if not is_half:
                return builder.bitcast(word, ir.FloatType())
            return builder.fpext(builder.bitcast(word, ir.HalfType()), ir.FloatType())

        return types.float32(word), codegen

    return reinterpret


if IS_SIMULATED:

    def _float_of_bits(word: Any) -> Any:
        return np.uint32(word).view(np.float32)

    def _float_of_half(word: Any) -> Any:
        with np.errstate(invalid="ignore"):  # signalling NaNs
            return np.float32(np.uint16(word & 0xFFFF).view(np.float16))

else:
    _float_of_bits = _reinterpreting(32, False)
    _float_of_half = _reinterpreting(16, True)


@inlined
def _half_key(bits: Any) -> Any:
    return _float_of_half(np.uint32(bits))


@inlined
def _bfloat16_key(bits: Any) -> Any:
    return _float_of_bits(np.uint32(np.uint32(bits) << np.uint32(16)))


@inlined
def _float_key(score: Any) -> Any:
    return score


@inlined
def _byte_key(score: Any) -> Any:
    return np.int32(score)


# Whether any score in what a wide load returns may be one that is not below a bar. NaN is not
# below anything, and nothing is below a bar that is NaN.


@inlined
def _floats_reach(words: Any, bar: Any) -> Any:
    a, b, c, d = words
    return (not a < bar) | (not b < bar) | (not c < bar) | (not d < bar)


@inlined
def _doubles_reach(words: Any, bar: Any) -> Any:
    a, b = words
    return (not a < bar) | (not b < bar)


@inlined
def _two_halves_reach(word: Any, bar: Any) -> Any:
    high = _float_of_half(np.uint32(word >> np.uint32(16)))
    return (not _float_of_half(word) < bar) | (not high < bar)


@inlined
def _halves_reach(words: Any, bar: Any) -> Any:
    a, b, c, d = words
    some = _two_halves_reach(a, bar) | _two_halves_reach(b, bar)
    return some | _two_halves_reach(c, bar) | _two_halves_reach(d, bar)


@inlined
def _two_bfloat16_reach(word: Any, bar: Any) -> Any:
    low = _float_of_bits(np.uint32(word << np.uint32(16)))
    high = _float_of_bits(np.uint32(word & np.uint32(0xFFFF0000)))
    return (not low < bar) | (not high < bar)


@inlined
def _bfloat16_reach(words: Any, bar: Any) -> Any:
    a, b, c, d = words
    some = _two_bfloat16_reach(a, bar) | _two_bfloat16_reach(b, bar)
    return some | _two_bfloat16_reach(c, bar) | _two_bfloat16_reach(d, bar)


@inlined
def _four_bytes_reach(word: Any, step: Any) -> Any:
    """Return a word whose bits 8 and 24 say whether a byte and what is added exceed 255."""
    even = np.uint32(np.uint32(word & np.uint32(0x00FF00FF)) + step)
    odd = np.uint32(np.uint32(np.uint32(word >> np.uint32(8)) & np.uint32(0x00FF00FF)) + step)
    return np.uint32(even | odd)


@inlined
def _bytes_reach(words: Any, bar: Any) -> Any:
    a, b, c, d = words
    step = np.uint32(np.uint32(256 - bar) * np.uint32(0x00010001))
    some = np.uint32(_four_bytes_reach(a, step) | _four_bytes_reach(b, step))
    more = np.uint32(_four_bytes_reach(c, step) | _four_bytes_reach(d, step))
    return np.uint32(np.uint32(some | more) & np.uint32(0x01000100)) != np.uint32(0)


class ScoreForm(NamedTuple):
    """How scores of a kind are read.

    Attributes
    ----------
    item_size : int
        The bytes of a score.
    key_dtype : dtype
        What scores are compared as.
    lowest : scalar
        A key that no score outranks is outranked by.
    load, key_of : device function
        Read a score, at an address; its key.
    load_wide, reach : device function
        Read the scores in 16 bytes; whether some key among them may be at least another one.
    """

    item_size: int
    key_dtype: Any
    lowest: Any
    load: Any
    key_of: Any
    load_wide: Any
    reach: Any


_NAN = np.float32(np.nan)


@cache
def score_form(kernel: str) -> ScoreForm:
    """Return how the scores of a kernel ("f16", "bf16", "f32", "f64", "u8") are read."""
    words = loads(np.uint32, 4)
    if kernel == "f64":
        double = np.dtype(np.float64)
        return ScoreForm(8, double, np.float64(np.nan), loads(np.float64), _float_key,
                         loads(np.float64, 2), _doubles_reach)  # fmt: skip
    single = np.dtype(np.float32)
    if kernel == "f32":
        return ScoreForm(4, single, _NAN, loads(np.float32), _float_key, loads(np.float32, 4),
                         _floats_reach)  # fmt: skip
    if kernel == "f16":
        return ScoreForm(2, single, _NAN, loads(np.uint16), _half_key, words, _halves_reach)
    if kernel == "bf16":
        return ScoreForm(2, single, _NAN, loads(np.uint16), _bfloat16_key, words, _bfloat16_reach)
    return ScoreForm(1, np.dtype(np.int32), np.int32(-1), loads(np.uint8), _byte_key, words,
                     _bytes_reach)  # fmt: skip
