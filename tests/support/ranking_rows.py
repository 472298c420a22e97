"""Rows of scores and labels that are hard to rank; the metrics of some, as fractions."""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np
import ranking_oracle as oracle

# name: (NumPy dtype, unsigned integer of its size, bits of infinity)
FLOATS = {
    "float16": (np.float16, np.uint16, 0x7C00),
    "bfloat16": (ml_dtypes.bfloat16, np.uint16, 0x7F80),
    "float32": (np.float32, np.uint32, 0x7F80_0000),
    "float64": (np.float64, np.uint64, 0x7FF0_0000_0000_0000),
}
KINDS = (*FLOATS, "uint8")


def dtype_of(kind):
    return np.dtype(FLOATS[kind][0] if kind in FLOATS else kind)


# ---- rows of scores ----


def nans(kind, num, rng):
    """NaNs of either sign, quiet and signalling, of different payloads."""
    dtype, unsigned, infinity = FLOATS[kind]
    size = 8 * np.dtype(unsigned).itemsize
    payload = rng.integers(1, 64, num).astype(unsigned)
    payload[::3] = (1 << (size - 1)) - 1 - infinity
    sign = rng.integers(0, 2, num).astype(unsigned) << unsigned(size - 1)
    return (payload + unsigned(infinity) | sign).view(dtype)


def score_rows(kind, num_classes, rng):
    """Yield rows of scores that are hard to rank, by name."""
    dtype = dtype_of(kind)
    ramp = np.arange(num_classes)
    if kind == "uint8":
        yield "any", rng.integers(0, 256, num_classes).astype(dtype)
        yield "three values", rng.integers(7, 10, num_classes).astype(dtype)
        yield "two values", np.where(rng.random(num_classes) < 0.1, 255, 254).astype(dtype)
        yield "all 0", np.zeros(num_classes, dtype)
        yield "all 255", np.full(num_classes, 255, dtype)
        yield "ascending", (ramp * 255 // num_classes).astype(dtype)
        yield "descending", (255 - ramp * 255 // num_classes).astype(dtype)
        return
    unsigned, infinity = FLOATS[kind][1:]
    normal = rng.standard_normal(num_classes)
    yield "normal", normal.astype(dtype)
    yield "uniform", rng.random(num_classes).astype(dtype)
    yield "two values", np.where(rng.random(num_classes) < 0.3, 0.5, 0.25).astype(dtype)
    yield "heavy ties", np.round(normal).astype(dtype)
    yield "all equal", np.full(num_classes, -3.5, dtype)
    yield "zeros of both signs", np.where(normal < 0, -0.0, 0.0).astype(dtype)
    yield "ascending", (ramp - num_classes // 2).astype(dtype)
    yield "descending", (num_classes // 2 - ramp).astype(dtype)
    yield "infinities", rng.choice([-np.inf, 0.0, 1.0, np.inf], num_classes).astype(dtype)
    yield "all -inf", np.full(num_classes, -np.inf, dtype)
    some_nan = nans(kind, num_classes, rng)
    yield "NaN everywhere", some_nan
    yield "some NaN", np.where(rng.random(num_classes) < 0.3, some_nan, normal.astype(dtype))
    yield "-inf and NaN", np.where(normal < 0, some_nan, dtype.type(-np.inf))
    sign = np.where(normal < 0, unsigned(1 << (8 * dtype.itemsize - 1)), unsigned(0))
    near = rng.integers(0, 9, num_classes).astype(unsigned)
    yield "subnormals", (near | sign).view(dtype)
    yield "largest", (unsigned(infinity - 4) + near // unsigned(2) | sign).view(dtype)
    yield "any bits", np.frombuffer(rng.bytes(num_classes * dtype.itemsize), dtype)


# ---- rows of labels ----

BORDERS = tuple(
    edge + step for edge in (0, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096) for step in (-1, 0)
)


def label_rows(scores, rng):
    """Yield labels for a row of scores, without end: few, many, none, padded, repeated, ..."""
    num_classes = len(scores)
    order = np.argsort(oracle.ranking(scores)[0]).tolist()
    while True:
        yield rng.integers(0, num_classes, 5).tolist()
        yield order[:3]
        yield order[-2:]
        yield [label for label in BORDERS if 0 <= label < num_classes]
        yield [-1, num_classes, *rng.integers(0, num_classes, 3).tolist() * 2, num_classes - 1, -7]
        yield rng.integers(-1, num_classes, 1).tolist()
        yield rng.permutation(num_classes)[:130].tolist()
        yield [0]
        yield [num_classes - 1, 0]
        yield []
        yield order[: 2 + num_classes // 50]


def padded(rows, dtype=np.int64, fill=-1):
    """Return rows of labels as one array."""
    width = max(map(len, rows), default=0)
    return np.array([row + [fill] * (width - len(row)) for row in rows], dtype).reshape(
        len(rows), width
    )


def pair(rows, dtype=np.int64):
    """Return rows of labels as (indptr, indices)."""
    indptr = np.cumsum([0, *map(len, rows)], dtype=dtype)
    return indptr, np.array([label for row in rows for label in row], dtype)


def model(kind, num_rows, num_classes, num_labels, rng):
    """Scores of a model that is good at half of the rows, and their labels."""
    scores = rng.random((num_rows, num_classes))
    num_labels = min(num_labels, num_classes)
    labels = np.stack([rng.permutation(num_classes)[:num_labels] for _ in range(num_rows)])
    good = labels[::2]
    scores[np.arange(0, num_rows, 2)[:, np.newaxis], good] += rng.random(good.shape)
    if kind == "uint8":
        return np.minimum(scores * 128, 255).astype(np.uint8), labels
    return (8 * scores - 8).astype(dtype_of(kind)), labels


# ---- small rows with many ties ----

NUM_CLASSES = 6
CUTOFFS = range(1, NUM_CLASSES + 1)


@cache
def small_rows(seed=0, num_rows=60):
    """Rows of six classes and their labels; every ninth has none."""
    rng = np.random.default_rng(seed)
    values = np.array([0.0, -0.0, 1.0, 2.5, -1.0, np.inf, -np.inf, np.nan], np.float32)
    some = [rng.choice(values, 1 + index % 4) for index in range(num_rows)]
    scores = np.stack([rng.choice(choices, NUM_CLASSES) for choices in some])
    labels = [
        rng.integers(-1, NUM_CLASSES + 1, rng.integers(1, 6)).tolist() if index % 9 else [-1]
        for index in range(num_rows)
    ]
    return scores, labels


@cache
def exact_rows(k, ties, denominator="min", cutoff=None):
    """Return the metrics of each row of `small_rows`, as fractions; None for no labels."""
    scores, labels = small_rows()
    rows = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
    return [
        oracle.row_values(row, k, cutoff or k, ties, denominator) if row else None for row in rows
    ]


LABEL_WEIGHTS = np.array([1.0, 0.5, 4.0, 0.0, 2.5, 4.0])  # sums of them are exact


def row_weights(num_rows):
    """Return weights of rows, some of them 0, and some that vanish beside others."""
    return np.random.default_rng(0).choice([0.0, 0.1, 1.0, 3.7, 1e-200, 1e15], num_rows)
