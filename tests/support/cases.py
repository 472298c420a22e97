"""One list of adversarial inputs, for every backend and variant.

A case holds what a user would pass; what has to come out is computed by `oracle`. In Numba's
CUDA simulator, where a sample takes a hundred microseconds, the cases are the same and small.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import oracle

SMALL = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
GRID = (2, 3, 5, 13) if SMALL else (6, 7, 11, 13)
_NUM = int(np.prod(GRID))
_MANY = 611 if SMALL else (1 << 20) + 4321  # so many that slices cut through rows and chunks
_ROW = 97 if SMALL else 150_000


@dataclass
class Case:
    name: str
    labels: Any
    scores: Any
    kind: str
    num_thresholds: int = 201
    weights: Any = None
    invalid: str = "raise"
    options: dict = field(default_factory=dict)


def _labels(num, seed=1):
    return np.random.default_rng(seed).random(num) < 0.4


def _uniform(num, kind="float32", seed=0):
    scores = np.random.default_rng(seed).random(num)
    if kind in oracle.INTEGERS:
        return (scores * oracle.INTEGERS[kind][1] + 0.5).astype(kind)
    return scores.astype(oracle.dtype_of(kind))


def _some(values):
    """Return a few hundred of many values, at all distances from a multiple of 7."""
    step = max(1, values.size // 300) | 1
    return values[:: step + 2 * (step % 7 == 0)]


def near_thresholds(kind, num_thresholds):
    """Each threshold and its neighbours up to 3 ulp, as far as they are in [0, 1]; 0 and -0.0."""
    if kind in oracle.INTEGERS:
        dtype, largest = oracle.INTEGERS[kind]
        values = np.arange(largest + 1).astype(dtype)
        return _some(values) if SMALL else values
    dtype, unsigned, _, _ = oracle.FLOATS[kind]
    bits = oracle.threshold_bits(num_thresholds, kind).astype(np.int64)
    bits = np.unique(bits[:, np.newaxis] + np.arange(-3, 4))
    bits = bits[(bits >= 0) & (bits <= oracle.threshold_bits(num_thresholds, kind)[-1])]
    minus_zero = 1 << (8 * np.dtype(unsigned).itemsize - 1)
    if SMALL:
        bits = np.append(_some(bits), bits[-1])
    return np.append(bits.astype(unsigned), np.array([minus_zero], unsigned)).view(dtype)


def specials(kind):
    """Valid and invalid scores in one array: denormals, limits, just outside, NaN, infinities."""
    dtype, unsigned, _, _ = oracle.FLOATS[kind]
    size = 8 * np.dtype(unsigned).itemsize
    one = int(oracle.threshold_bits(2, kind)[-1])
    sign = 1 << (size - 1)
    infinity = int(np.array(np.inf, dtype).view(unsigned))
    positive = [0, 1, 2, one - 1, one, one + 1, infinity - 1, infinity, infinity + 1, sign - 1]
    return np.array([*positive, *(sign + bits for bits in positive)], unsigned).view(dtype)


def _strided(array):
    wide = np.zeros((2 * array.size,), array.dtype)
    wide[::2] = array
    return wide[::2]


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def _misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype)
    view[:] = array
    return view


def _odd_bool(labels):
    """True as 1, 2, 128 and 255: what a view of other bytes as bool can hold."""
    bytes_ = np.random.default_rng(2).choice(np.array([1, 2, 128, 255], np.uint8), labels.size)
    return np.where(labels, bytes_, np.uint8(0)).view(np.bool_)


def _distributions():
    num = 311 if SMALL else 20_011
    rng = np.random.default_rng(5)
    uniform = rng.random(num, np.float32)
    runs = np.repeat(np.arange(40) % 2, 9 if SMALL else 600)[:num].astype(bool)
    yield "coherent", runs, np.where(runs, 1 - 0.004 * uniform, 0.004 * uniform)
    lots = rng.random(num)
    yield "skewed", lots > 0.9, np.where(lots < 0.85, 0.001, np.where(lots < 0.95, 1, uniform))
    yield "one bin", np.ones(num, bool), np.full(num, 0.5)
    yield "all zero", np.zeros(num, bool), np.zeros(num)
    yield "all one", np.ones(num, bool), np.ones(num)
    yield "alternating", np.arange(num) % 2 == 0, np.arange(num) % 2 * 0.75
    yield "sigmoid", lots > 0.5, 1 / (1 + np.exp(-4 * rng.standard_normal(num)))


def _cases():
    for kind in oracle.KINDS:
        for num_thresholds in (2, 3, 11, 201, 1001, 4001, 65_537):
            scores = near_thresholds(kind, num_thresholds)
            yield Case(
                f"{kind} near {num_thresholds} thresholds",
                _labels(scores.size), scores, kind, num_thresholds,
            )  # fmt: skip
        for num_thresholds in (32_767, 32_768):  # on both sides of codes of 16 bits
            scores = near_thresholds(kind, num_thresholds)[:: 1 if kind == "uint8" else 7]
            yield Case(
                f"{kind} near {num_thresholds} thresholds",
                _labels(scores.size), scores, kind, num_thresholds,
            )  # fmt: skip
        if kind in oracle.FLOATS:
            for num_thresholds in (2, 201, 65_537):
                scores = np.tile(specials(kind), 4 if SMALL else 40)
                yield Case(
                    f"{kind} specials dropped at {num_thresholds}",
                    _labels(scores.size), scores, kind, num_thresholds, invalid="drop",
                )  # fmt: skip
            # One special score among valid ones, for each block to find by itself.
            alone = specials(kind)
            length = 32 if SMALL else 512
            scores = np.full((alone.size, length), 0.5, oracle.dtype_of(kind))
            scores[np.arange(alone.size), np.arange(alone.size) * 23 % length] = alone
            yield Case(
                f"{kind} specials alone",
                _labels(scores.size), scores.reshape(-1), kind, invalid="drop",
            )  # fmt: skip
        for num in (0, 1, 2, 63, 64, 65, 511, 512, 513, 1024, 4095, 70_001)[: 8 if SMALL else None]:
            yield Case(f"{kind} x {num}", _labels(num), _uniform(num, kind), kind)
        for name, labels, scores in _distributions():
            if kind in oracle.INTEGERS:
                scores = scores * oracle.INTEGERS[kind][1]
            yield Case(f"{kind} {name}", labels, scores.astype(oracle.dtype_of(kind)), kind)

    labels, scores = _labels(_NUM), _uniform(_NUM)
    for dtype in "bBhHiIlLqQ":
        name = f"labels {np.dtype(dtype).name} ({dtype})"
        yield Case(name, labels.astype(dtype), scores, "float32")
    for order in "<>":
        for dtype in ("i2", "u4", "i8"):
            yield Case(f"labels {order}{dtype}", labels.astype(order + dtype), scores, "float32")
    yield Case("labels bool of odd bytes", _odd_bool(labels), scores, "float32")
    yield Case("labels as lists", labels[:9].tolist(), scores[:9].tolist(), "float64")
    yield Case("labels strided", _strided(labels), scores, "float32")
    yield Case("scores strided", labels, _strided(scores), "float32")
    yield Case("both backwards", labels[::-1], scores[::-1], "float32")
    yield Case("both read-only", _read_only(labels), _read_only(scores), "float32")
    yield Case("scores misaligned", labels, _misaligned(scores), "float32")
    for dtype, kind in (
        (">f2", "float16"),
        (">f4", "float32"),
        (">f8", "float64"),
        (">u2", "uint16"),
    ):
        swapped = _uniform(_NUM, kind).astype(dtype)
        yield Case(f"scores {dtype}", labels, swapped, kind)
    grid = scores.reshape(GRID), labels.reshape(GRID)
    yield Case("4-D", grid[1], grid[0], "float32")
    yield Case("Fortran order", np.asfortranarray(grid[1]), np.asfortranarray(grid[0]), "float32")
    yield Case("one in Fortran order", grid[1], np.asfortranarray(grid[0]), "float32")
    yield Case("transposed", grid[1].T, grid[0].T, "float32")
    height = 2 if SMALL else 50
    long = _uniform(3 * 2 * height * 100).reshape(3, 2, height, 100)
    yield Case("one channel of rows that are long",
               _labels(3 * height * 100).reshape(3, height, 100), long[:, 1],
               "float32")  # fmt: skip
    num = _MANY
    many, some = _uniform(2 * num), _labels(num)
    yield Case("many", some, many[:num], "float32")
    yield Case("many, strided", some, many[::2], "float32")
    yield Case("many, labels of 64 bits", some.astype(np.int64), many[num:], "float32")
    num_rows = 3 if SMALL else 7
    rows = many[: 2 * num_rows * _ROW].reshape(num_rows, 2, _ROW)
    yield Case("many, in rows", some[: num_rows * _ROW].reshape(num_rows, -1), rows[:, 1],
               "float32")  # fmt: skip
    yield Case("broadcast scores", labels, np.broadcast_to(np.float32(0.25), _NUM), "float32")
    yield Case("0-d", np.array(True), np.array(0.7, np.float32), "float32")
    yield Case("Python scalars", True, 0.7, "float64")
    yield Case("no samples, no dtype", [], [], "float64")
    yield Case(
        "no samples, 3-D", np.zeros((4, 0, 3), bool), np.zeros((4, 0, 3), np.float16), "float16"
    )


def _weighted_cases():
    rng = np.random.default_rng(3)
    for kind in oracle.KINDS:
        for num_thresholds in (2, 201, 700, 1500) if SMALL else (2, 201, 700, 4001, 40_000):
            num = 101 if SMALL else 9001
            yield Case(
                f"{kind} weighted at {num_thresholds}",
                _labels(num), _uniform(num, kind), kind, num_thresholds,
                weights=rng.integers(0, 50, num).astype(np.float64),
            )  # fmt: skip
    first, second, third = shape = GRID[0], GRID[1], GRID[2] * GRID[3]
    labels, scores = _labels(_NUM).reshape(shape), _uniform(_NUM).reshape(shape)
    whole = rng.integers(0, 9, scores.shape)
    for dtype in ("?", "b", "B", "i2", "u4", "i8", ">i4", "f2", "f4", "f8", ">f4", "g",
                  ml_dtypes.bfloat16):  # fmt: skip
        dtype = np.dtype(dtype)
        yield Case(f"weights {dtype.str} {dtype.name}", labels, scores, "float32",
                   weights=whole.astype(dtype))  # fmt: skip
    for shape in (
        (third,), (second, 1), (second, third), (first, 1, 1), (1, second, 1), (first, second, 1)
    ):  # fmt: skip
        yield Case(f"weights broadcast from {shape}", labels, scores, "float32",
                   weights=rng.integers(0, 9, shape).astype(np.float32))  # fmt: skip
    yield Case("weights of rows", labels.reshape(2, -1), scores.reshape(2, -1), "float32",
               weights=rng.integers(0, 9, _NUM // 2).astype(np.float32))  # fmt: skip
    yield Case(
        "weights strided", labels, scores, "float32", weights=np.repeat(whole, 2, 2)[..., ::2]
    )
    yield Case("weights read-only", labels, scores, "float32", weights=_read_only(whole))
    yield Case(
        "weights in Fortran order", labels, scores, "float32", weights=np.asfortranarray(whole)
    )
    yield Case("everything in Fortran order", np.asfortranarray(labels), np.asfortranarray(scores),
               "float32", weights=np.asfortranarray(whole * 1.0))  # fmt: skip
    num = 7 * _ROW
    many = _uniform(2 * num).reshape(7, 2, _ROW)[:, 1], _labels(num).reshape(7, -1)
    yield Case("many, weights broadcast over rows", many[1], many[0], "float32",
               weights=rng.integers(0, 9, _ROW).astype(np.float32))  # fmt: skip
    yield Case("many, a weight for each row", many[1], many[0], "float32",
               weights=rng.integers(0, 9, (7, 1)))  # fmt: skip
    yield Case("weights all 0", labels, scores, "float32", weights=np.zeros(third))
    for weight in (3, 0.5, True, np.float32(2), np.array([4.0])):
        yield Case(f"weight {weight!r}", labels, scores, "float32", weights=weight)
    for kind in oracle.FLOATS:
        scores = np.tile(specials(kind), 4 if SMALL else 40)
        yield Case(f"{kind} specials dropped, weighted", _labels(scores.size), scores, kind,
                   weights=rng.integers(0, 9, scores.size).astype(np.float32),
                   invalid="drop")  # fmt: skip


CASES = {case.name: case for case in _cases()}
WEIGHTED_CASES = {case.name: case for case in _weighted_cases()}
