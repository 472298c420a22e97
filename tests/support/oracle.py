"""The definitions once more, in exact fractions and integers, from docs/definitions.md alone.

Nothing here uses the package, so that the two cannot share a mistake.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import ml_dtypes
import numpy as np

# name: (NumPy dtype, unsigned integer of its size, significand bits, smallest exponent)
FLOATS = {
    "float16": (np.float16, np.uint16, 11, -14),
    "bfloat16": (ml_dtypes.bfloat16, np.uint16, 8, -126),
    "float32": (np.float32, np.uint32, 24, -126),
    "float64": (np.float64, np.uint64, 53, -1022),
}
INTEGERS = {"uint8": (np.uint8, 255), "uint16": (np.uint16, 65_535)}
KINDS = (*FLOATS, *INTEGERS)


def dtype_of(kind):
    return np.dtype(FLOATS[kind][0] if kind in FLOATS else INTEGERS[kind][0])


def round_to_bits(value: Fraction, precision: int, min_exponent: int) -> int:
    """Round a fraction in [0, 1] to nearest, ties to even; return the bits of that float."""
    if value == 0:
        return 0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    exponent = max(exponent, min_exponent)
    step = Fraction(2) ** (exponent - precision + 1)
    quotient = value / step
    whole = math.floor(quotient)
    rest = quotient - whole
    whole += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    # the significand carries into the exponent by itself
    return ((exponent - min_exponent) << (precision - 1)) + whole


@cache
def threshold_bits(num_thresholds: int, kind: str) -> np.ndarray:
    """Return the thresholds of a float dtype as bits, which are in the order of the values."""
    _, _, precision, min_exponent = FLOATS[kind]
    last = num_thresholds - 1
    bits = [
        round_to_bits(Fraction(i, last), precision, min_exponent) for i in range(num_thresholds)
    ]
    return np.array(bits, np.uint64)


def score_bits(scores: np.ndarray, kind: str) -> np.ndarray:
    unsigned = FLOATS[kind][1]
    scores = np.ascontiguousarray(scores, FLOATS[kind][0])
    bits = scores.view(unsigned).astype(np.uint64)
    minus_zero = np.uint64(1 << (8 * scores.itemsize - 1))
    return np.where(bits == minus_zero, np.uint64(0), bits)


def bins(scores: np.ndarray, kind: str, num_thresholds: int) -> np.ndarray:
    """Return the bin of each score, -1 if it is not in [0, 1]."""
    scores = np.asarray(scores).reshape(-1)
    if kind in INTEGERS:
        largest = INTEGERS[kind][1]
        # the largest i with u * (T-1) >= i * largest
        return scores.astype(np.int64) * (num_thresholds - 1) // largest
    bits = score_bits(scores, kind)
    thresholds = threshold_bits(num_thresholds, kind)
    found = np.searchsorted(thresholds, bits, side="right") - 1
    return np.where(bits > thresholds[-1], -1, found)


def table(labels, scores, kind: str, num_thresholds: int) -> np.ndarray:
    """Return counts by label and bin, scores that are not in [0, 1] left out."""
    number = bins(scores, kind, num_thresholds)
    cells = (np.asarray(labels).reshape(-1) != 0) * num_thresholds + number
    return np.bincount(cells[number >= 0], minlength=2 * num_thresholds).reshape(2, -1)


def weighted_table(labels, scores, weights, kind: str, num_thresholds: int) -> np.ndarray:
    """Return correctly rounded sums of weights by label and bin."""
    number = bins(scores, kind, num_thresholds)
    cells = (np.asarray(labels).reshape(-1) != 0) * num_thresholds + number
    terms: list[list[float]] = [[] for _ in range(2 * num_thresholds)]
    for cell, weight, bin_ in zip(cells, np.asarray(weights).reshape(-1), number, strict=True):
        if bin_ >= 0:
            terms[cell].append(float(weight))
    return np.array([math.fsum(term) for term in terms]).reshape(2, -1)


def curve(table_: np.ndarray) -> dict[str, list]:
    """Return tp, fp, tn, fn and precision and recall as fractions, None where 0/0."""
    negatives, positives = (row.tolist() for row in table_)
    num_thresholds = len(negatives)
    total = math.fsum if table_.dtype.kind == "f" else sum
    tp = [total(positives[i:]) for i in range(num_thresholds)]
    fp = [total(negatives[i:]) for i in range(num_thresholds)]
    fn = [total(positives[:i]) for i in range(num_thresholds)]
    tn = [total(negatives[:i]) for i in range(num_thresholds)]

    def divide(a, b):
        pairs = [(Fraction(x), Fraction(y)) for x, y in zip(a, b, strict=True)]
        return [x / (x + y) if x + y else None for x, y in pairs]

    return {
        "tp": tp, "fp": fp, "tn": tn, "fn": fn,
        "precision": divide(tp, fp), "recall": divide(tp, fn),
    }  # fmt: skip
