"""One list of adversarial rows of scores and labels, for every backend and variant.

A case holds what a user would pass, and the labels once more as lists; what has to come out
is computed by `ranking_oracle`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import ranking_oracle as oracle
import scipy.sparse
from ranking_rows import KINDS, dtype_of, label_rows, model, padded, pair, score_rows

LENGTHS = (1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 4097)

# In Numba's CUDA simulator, where a score takes a hundred microseconds.
SMALL = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


@dataclass
class Case:
    name: str
    labels: Any
    scores: Any
    k: int
    label_rows: list[list[int]]

    def entries(self) -> list[list[oracle.Entry]]:
        """Return what is to come out, row by row."""
        if scipy.sparse.issparse(self.scores):
            return [
                oracle.stored_entries(row, labels, self.scores.shape[1], self.k)
                for row, labels in zip(stored_rows(self.scores), self.label_rows, strict=True)
            ]
        scores = np.asarray(self.scores)
        rows = scores.reshape(-1, scores.shape[-1]) if scores.size else scores.reshape(0, 1)
        return [
            oracle.entries(row, labels, self.k)
            for row, labels in zip(rows, self.label_rows, strict=True)
        ]


def stored_rows(scores):
    """Return the stored scores of each row by class, repeated ones added up as SciPy does."""
    scores = scores.tocoo()
    rows: list[dict[int, Any]] = [{} for _ in range(scores.shape[0])]
    for row, class_id, score in zip(scores.row, scores.col, scores.data, strict=True):
        found = rows[row].get(int(class_id))
        rows[row][int(class_id)] = score if found is None else found + score
    return rows


def cutoffs(num_classes):
    """Return values of k for a number of classes: both ends, and some between."""
    between = 1 + num_classes * 7 // 10
    return sorted({1, min(10, num_classes), between, num_classes})


def _adversarial_cases():
    for kind in KINDS:
        for num_classes in (1, 2, 3, 16, 17, 33) if SMALL else LENGTHS:
            rng = np.random.default_rng([num_classes, KINDS.index(kind)])
            scores, labels = [], []
            for index, (_, row) in enumerate(score_rows(kind, num_classes, rng)):
                lists = label_rows(row, rng)
                for _ in range(index % 4):
                    next(lists)
                each = 1 if SMALL else 4
                scores += [row] * each
                labels += [next(lists) for _ in range(each)]
            scores = np.array(scores)
            for k in cutoffs(num_classes):
                name = f"{kind} x {num_classes}, k={k}"
                yield Case(name, pair(labels), scores, k, labels)
            # Each row has its labels, padded to one width, and not the others.
            yield Case(f"{kind} x {num_classes}, padded", padded(labels, np.int32), scores,
                       min(5, num_classes), labels)  # fmt: skip
        rng = np.random.default_rng(5)
        num = 20 if SMALL else 300
        scores = np.stack([row for _, row in score_rows(kind, num, rng)])
        every = [rng.permutation(num).tolist() for _ in scores]
        for k in (1, 10, num - 1, num):
            yield Case(f"{kind}, every class a label, k={k}", padded(every), scores, k, every)
        no_labels = [[] for _ in scores]
        yield Case(f"{kind}, no labels at all", padded(no_labels), scores, 3, no_labels)


def _model_cases():
    """Every number of labels with every length, as a kernel may treat each in its own way."""
    for kind in KINDS:
        many = (1, 3, 20, 100, 300, 1200) if kind == "float32" else (3, 100, 600)
        lengths = (7, 100, 1000, 5000) if kind == "float32" else (40, 1003)
        for num_classes in (40,) if SMALL else lengths:
            for num_labels in (number for number in many if number <= num_classes):
                rng = np.random.default_rng([num_classes, num_labels])
                scores, labels = model(kind, 2 if SMALL else 6, num_classes, num_labels, rng)
                for k in (5, min(100, num_classes)):
                    yield Case(
                        f"{kind} x {num_classes}, {num_labels} labels in each row, k={k}",
                        labels, scores, k, labels.tolist(),
                    )  # fmt: skip


def _many_rows():
    rng = np.random.default_rng(8)
    for kind, num_classes in (("float32", 100), ("uint8", 33), ("float16", 5)):
        scores, labels = model(kind, 20 if SMALL else 2500, num_classes, 3, rng)
        yield Case(f"{kind}, many short rows", labels, scores, 5, labels.tolist())


def _many_label_cases():
    """Hundreds of labels in no order, some of them repeated, with k among them, and many ties."""
    for kind in ("uint8", "float32", "float64"):
        rng = np.random.default_rng(9)
        shape = (2, 150) if SMALL else (5, 2500)
        scores = rng.integers(0, 60, shape).astype(dtype_of(kind))
        scores[0] = np.arange(shape[1]) % 59
        counts = ((70, (40, 60)), (250, (10, 200)), (700, (300, 450)))
        for num_labels, cutoffs in counts[:1] if SMALL else counts:
            labels = rng.integers(-3, shape[1] + 100, (shape[0], num_labels))
            for k in cutoffs:
                yield Case(
                    f"{kind}, {num_labels} labels and repeated ones, k={k}",
                    labels, scores, k, labels.tolist(),
                )  # fmt: skip


# ---- what labels and scores can be passed as ----


def _label_cases():
    rng = np.random.default_rng(1)
    num_classes, k = 37, 5
    scores = rng.integers(-9, 9, (6, num_classes)).astype(np.float32)
    for dtype in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">u4", ">i8", ">u8"):
        limits = np.iinfo(dtype)
        odd = {limits.min, limits.max, num_classes, limits.max - 1, 1 << 32, (1 << 32) + 1, 1 << 31}
        odd = [label for label in odd if label <= limits.max and not 0 <= label < num_classes]
        rows = [[*rng.integers(0, num_classes, 4).tolist(), *odd] for _ in scores]
        for row in rows:
            rng.shuffle(row)
        array = np.array(rows, np.dtype(dtype))
        assert array.tolist() == rows
        yield Case(f"labels {dtype}", array, scores, k, rows)
        yield Case(f"labels {dtype} of a pair", pair(rows, dtype), scores, k, rows)
        yield Case(f"labels {dtype}, one a row", array[:, 0], scores, k, [row[:1] for row in rows])
    rows = [[3, 1], [], [36, -1, 36, 40], [0], list(range(num_classes)), [5, 9, 2**40]]
    wide = padded(rows)
    wide = np.repeat(wide, 2, axis=1)[:, ::2]
    assert wide.strides[1] == 16
    yield Case("labels strided", wide, scores, k, rows)
    yield Case("labels in Fortran order", np.asfortranarray(wide), scores, k, rows)
    yield Case("labels backwards", wide[:, ::-1], scores, k, rows)
    yield Case("labels read-only", read_only(wide), scores, k, rows)
    yield Case("labels misaligned", misaligned(wide), scores, k, rows)
    yield Case("labels the same in every row", np.broadcast_to(wide[0], wide.shape), scores, k,
               [rows[0]] * 6)  # fmt: skip
    yield Case("labels as lists", rows, scores, k, rows)
    yield Case("labels as tuples of a list", [tuple(row) for row in rows], scores, k, rows)
    yield Case("labels as arrays in a list", [np.array(row, int) for row in rows], scores, k, rows)
    yield Case("labels as lists of one length", [[1, 2], [3, 4]], scores[:2], k, [[1, 2], [3, 4]])
    yield Case("labels as empty lists", [[], []], scores[:2], k, [[], []])
    yield Case("no labels, 2-D", np.zeros((6, 0), int), scores, k, [[]] * 6)
    yield Case("pair of int32 and int64", (pair(rows)[0].astype(np.int32), pair(rows)[1]), scores,
               k, rows)  # fmt: skip
    yield Case("pair without labels", (np.zeros(7, int), np.zeros(0, int)), scores, k, [[]] * 6)
    yield Case("pair read-only", tuple(map(read_only, pair(rows))), scores, k, rows)
    yield from _sparse_label_cases(rng, scores, k)


def _sparse_label_cases(rng, scores, k):
    there = rng.random(scores.shape) < 0.1
    there[2] = False
    rows = [np.flatnonzero(row).tolist() for row in there]
    for make in (
        scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array,
        scipy.sparse.csr_matrix, scipy.sparse.lil_matrix,
    ):  # fmt: skip
        for dtype in (bool, np.int8, np.float32):
            name = f"labels in a {make.__name__} of {np.dtype(dtype).name}"
            yield Case(name, make(there.astype(dtype)), scores, k, rows)
    stored = scipy.sparse.csr_array(rng.integers(1, 3, scores.shape) * there)
    stored.data[::2] = 0  # stored, and not a label
    rows = [np.flatnonzero(row).tolist() for row in stored.toarray()]
    yield Case("labels in a csr_array with zeros", stored, scores, k, rows)
    stored = unsorted(scipy.sparse.csr_array(there))
    rows = [np.flatnonzero(row).tolist() for row in there]
    yield Case("labels in an unsorted csr_array", stored, scores, k, rows)


def unsorted(matrix):
    """Return a CSR matrix whose indices fall in each row."""
    indices, data = matrix.indices.copy(), matrix.data.copy()
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        indices[start:stop] = matrix.indices[start:stop][::-1]
        data[start:stop] = matrix.data[start:stop][::-1]
    return type(matrix)((data, indices, matrix.indptr), shape=matrix.shape)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def _score_cases():
    rng = np.random.default_rng(2)
    k = 6
    for kind in KINDS:
        scores, labels = model(kind, 8, 70, 4, rng)
        rows = labels.tolist()
        wide = np.repeat(scores, 3, axis=1)
        yield Case(f"{kind} strided", labels, wide[:, ::3], k, rows)
        yield Case(f"{kind}, classes backwards", labels, scores[:, ::-1].copy()[:, ::-1], k, rows)
        yield Case(f"{kind}, rows backwards", labels, scores[::-1].copy()[::-1], k, rows)
        yield Case(f"{kind}, every third row", labels, np.repeat(scores, 3, axis=0)[::3], k, rows)
        yield Case(f"{kind}, part of wider rows", labels, np.tile(scores, 2)[:, :70], k, rows)
        yield Case(f"{kind} in Fortran order", labels, np.asfortranarray(scores), k, rows)
        yield Case(f"{kind} read-only", labels, read_only(scores), k, rows)
        yield Case(f"{kind} misaligned", labels, misaligned(scores), k, rows)
        one = np.broadcast_to(scores[0], scores.shape)
        yield Case(f"{kind}, one row many times", labels, one, k, rows)
        same = np.broadcast_to(scores[:, :1], scores.shape)
        yield Case(f"{kind}, one score many times", labels, same, k, rows)
        windows = np.lib.stride_tricks.sliding_window_view(scores.reshape(-1), 70)[:8]
        yield Case(f"{kind}, rows that overlap", labels, windows, k, rows)
        for shape in ((8,), (4, 2), (2, 2, 2), (1, 8, 1)):
            name = f"{kind}, leading shape {shape}"
            grid, ids = scores.reshape(*shape, 70), labels.reshape(*shape, 4)
            yield Case(name, ids, grid, k, rows)
            yield Case(f"{name}, one label a row", ids[..., 0], grid, k, [row[:1] for row in rows])
        cube = scores.reshape(2, 4, 70).transpose(1, 0, 2)
        ids = labels.reshape(2, 4, 4).transpose(1, 0, 2)
        yield Case(f"{kind}, rows transposed", ids, cube, k, ids.reshape(-1, 4).tolist())
        turned = np.moveaxis(scores.reshape(2, 4, 70), -1, 0).copy()
        yield Case(f"{kind}, classes first", labels.reshape(2, 4, 4), np.moveaxis(turned, 0, -1),
                   k, rows)  # fmt: skip
        yield Case(f"{kind}, one row", labels[0], scores[0], k, rows[:1])
        yield Case(f"{kind}, one row and label", labels[0, 0], scores[0], k, [rows[0][:1]])
        yield Case(f"{kind}, no rows", labels[:0], scores[:0], k, [])
        yield Case(f"{kind}, no rows in 3-D", np.zeros((2, 0, 3), int),
                   np.zeros((2, 0, 70), dtype_of(kind)), k, [])  # fmt: skip
    for dtype in (">f2", ">f4", ">f8"):
        scores, labels = model(np.dtype(dtype).newbyteorder("=").name, 8, 70, 4, rng)
        yield Case(f"scores {dtype}", labels, scores.astype(dtype), k, labels.tolist())
        yield Case(f"scores {dtype} strided", labels[:4], scores.astype(dtype)[::2, ::-1], k,
                   labels[:4].tolist())  # fmt: skip
    yield Case("all as lists", [[1], [2, 0]], [[0.1, 0.3, 0.2], [0.5, 0.5, 0.5]], 2, [[1], [2, 0]])
    yield Case("a row of lists", [0, 2], [0.1, 0.3, 0.2], 3, [[0, 2]])
    nested = [[[1], [2, 0], []], [[], [0, 9, -1], [1, 1]]]
    scores = rng.integers(0, 3, (2, 3, 4)).astype(np.float16)
    yield Case("labels as nested lists", nested, scores, 4, [*nested[0], *nested[1]])
    yield Case("one row, labels as an empty list", [], scores[0, 0], 2, [[]])


# ---- scores that are stored ----


def _sparse_score_cases():
    rng = np.random.default_rng(3)
    shape = (12, 50)
    for dtype in (np.float32, np.float64, np.uint8):
        low = 0 if dtype == np.uint8 else -3
        dense = rng.integers(low, 4, shape).astype(dtype)
        dense[rng.random(shape) < 0.8] = 0
        dense[3] = 0
        labels = [rng.integers(-1, 52, 6).tolist() for _ in range(12)]
        labels[5] = []
        name = np.dtype(dtype).name
        plain = scipy.sparse.csr_array(dense)
        zeros = scipy.sparse.csr_array(dense)
        zeros.data[::3] = 0  # stored, so a candidate
        falling = unsorted(zeros)
        coo = plain.tocoo()
        twice = scipy.sparse.coo_array(
            (np.tile(coo.data, 2), (np.tile(coo.row, 2), np.tile(coo.col, 2))), shape
        )
        indptr = np.arange(0, 12 * 20 + 1, 20)
        repeated = scipy.sparse.csr_array(
            (rng.integers(0, 5, 240).astype(dtype), rng.integers(0, 9, 240), indptr), shape
        )
        for k in (1, 4, 50):
            for kind, scores in (
                ("csr", plain), ("csc", plain.tocsc()), ("coo", coo),
                ("csr_matrix", scipy.sparse.csr_matrix(dense)), ("explicit zeros", zeros),
                ("unsorted", falling), ("coo repeated", twice), ("csr repeated", repeated),
            ):  # fmt: skip
                yield Case(f"sparse {name} {kind}, k={k}", pair(labels), scores, k, labels)
        yield Case(f"sparse {name}, padded labels", padded(labels), plain, 4, labels)
        there = rng.random(shape) < 0.2
        rows = [np.flatnonzero(row).tolist() for row in there]
        yield Case(f"sparse {name}, sparse labels", scipy.sparse.csr_array(there), plain, 4, rows)
        nothing = scipy.sparse.csr_array(shape, dtype=dtype)
        yield Case(f"sparse {name}, nothing stored", labels, nothing, 4, labels)
    dense = rng.choice([np.nan, -np.inf, np.inf, 1.0, -1.0, 0.0], shape).astype(np.float32)
    odd = scipy.sparse.csr_array(dense)
    rows = [rng.integers(0, 50, 9).tolist() for _ in dense]
    yield Case("sparse NaN and infinities", rows, odd, 20, rows)
    wide = scipy.sparse.csr_array(
        (np.array([1, 2, 2], np.float32), np.array([5, 7, 2**31 - 10]), np.array([0, 3])),
        (1, 2**31 - 5),
    )
    rows = [[7, 2**31 - 10, 5, 2**31 - 6, 2**31 - 5, 0]]
    yield Case("sparse, 2**31 - 5 classes", rows, wide, 3, rows)


# ---- rows so long that a row is split ----


@dataclass
class LongCase(Case):
    """A case whose ranks are counted, as sorting would take too long."""

    def entries(self):
        scores = np.asarray(self.scores)
        found = []
        for row, labels in zip(scores, self.label_rows, strict=True):
            ids = oracle.relevant_ids(labels, len(row))
            found.append(oracle.entries(row, labels, self.k, oracle.counted(row, ids)))
        return found


def _long(name, make, k, num_labels=12, num_rows=1):
    def build() -> LongCase:
        rng = np.random.default_rng(num_labels)
        scores = make(rng)
        num_classes = scores.shape[1]
        rows = [rng.integers(0, num_classes, num_labels).tolist() for _ in range(num_rows)]
        for row, values in zip(rows, scores, strict=True):
            best = np.argpartition(-values.astype(np.float32), 40)[:40]
            row += [0, num_classes - 1, -1, num_classes, *best[::7].tolist()]
        return LongCase(name, padded(rows), scores, k, rows)

    return name, build


def _floats(kind, *shape):
    return lambda rng: rng.random(shape, np.float32).astype(dtype_of(kind))


def _backwards(make):
    """Scores that have to be copied, so that shorter rows are long."""
    return lambda rng: make(rng, (1, COPIED))[:, ::-1]


def _some_nan(rng, shape):
    scores = rng.random(shape, np.float32)
    scores[rng.random(shape, np.float32) < 0.3] = np.nan
    return scores


LONG = (1 << 22) + 5  # longer than two slices where scores are read in place
COPIED = (1 << 19) + 3  # and where they are copied
LONG_CASES: dict[str, Callable[[], LongCase]] = dict([
    _long("a million classes", _floats("float32", 2, 1_000_000), 100, 50, 2),
    _long("long float32", _floats("float32", 1, LONG), 10),
    _long("long uint8", lambda rng: rng.integers(0, 256, (1, LONG), np.uint8), 20_000),
    _long("long bfloat16 of ties, k of all", _floats("bfloat16", 1, LONG), LONG),
    _long("long, strided", lambda rng: rng.random((3, 2 * COPIED), np.float32)[:, ::2], 10, 9, 3),
    _long("long, big-endian", lambda rng: rng.random((1, COPIED)).astype(">f4"), 5),
    _long("long, backwards", _backwards(lambda rng, shape: rng.random(shape)), 7),
    _long("long, many labels", _backwards(lambda rng, shape: rng.random(shape)), 200, 350),
    _long("long, all equal", _backwards(lambda rng, shape: np.zeros(shape, np.float16)), 1000),
    _long("long, some NaN", _backwards(_some_nan), 400_000),
    _long("long, NaN everywhere", _backwards(lambda rng, shape: np.full(shape, np.nan)), 50),
])  # fmt: skip

CASES = {
    case.name: case
    for cases in (
        _adversarial_cases, _model_cases, _many_label_cases, _many_rows, _label_cases, _score_cases,
        _sparse_score_cases,
    )
    for case in cases()
}  # fmt: skip

# The values of k that are tried on the same rows are one test.
GROUPS: dict[str, list[Case]] = {}
for _case in CASES.values():
    GROUPS.setdefault(_case.name.partition(", k=")[0], []).append(_case)
