"""The ranking kernels under Numba's CUDA simulator, in every form, give the oracle's ranks.

Not collected but where NUMBA_ENABLE_CUDASIM is 1 (conftest.py). Rows are small: a thread of
the simulator is one of Python.
"""

import sys
import weakref
from itertools import chain

import numpy as np
import pytest
from numba import typeof
from ranking_rows import dtype_of, score_rows

from fastpr.backends import reference
from fastpr.backends.cuda import blocks as cuda_blocks
from fastpr.backends.cuda import device as cuda_device
from fastpr.backends.cuda import pool as cuda_rank_memory
from fastpr.backends.cuda.ranks import kernels as cuda_rank_kernels
from fastpr.backends.cuda.ranks import launch, values
from fastpr.backends.cuda.ranks import launch as cuda_rank_launch
from fastpr.backends.cuda.ranks import values as cuda_rank_values
from fastpr.backends.protocol import RankBlock, RowBlock

KINDS = {"f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64", "u8": "uint8"}
ALL = 1 << 30

# What makes the launcher choose each of the kernels, on both sides of each switch.
PLANS = {
    "a warp a row": {},
    "a block a row": {"WARP_CLASSES": 0},
    "a warp a row, or global memory": {"WARP_LABELS": 4},
    "a block a row, or global memory": {"WARP_CLASSES": 0, "BLOCK_LABELS": 4},
    "pieces": {"SPLIT_ROWS": ALL, "MIN_PIECE": 13},
    "pieces, or global memory": {"SPLIT_ROWS": ALL, "MIN_PIECE": 13, "BLOCK_LABELS": 4},
}


@pytest.fixture(scope="module", autouse=True)
def _quick_turns():
    """Let the simulator's threads, one of which always looks at the others, take turns quickly."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=PLANS)
def _plan(request, monkeypatch):
    for name, value in PLANS[request.param].items():
        monkeypatch.setattr(cuda_rank_launch, name, value)


@pytest.fixture(params=[1, 3, 4])
def _num_threads(request, monkeypatch):
    """Numbers of threads of a block: one alone, no power of two, and what is usual."""
    threads = request.param
    monkeypatch.setattr(cuda_device.SimulatedDevice, "num_threads", lambda self, wanted: threads)


# ---- rows ----


def stored(kernel, rows):
    """Return rows of scores as a kernel reads them: halves as their bits."""
    rows = np.asarray(rows, dtype_of(KINDS[kernel]))
    return rows.view(np.uint16) if rows.itemsize == 2 else rows


def some_scores(kernel, num_rows, num_classes, rng):
    hard = [row for _, row in score_rows(KINDS[kernel], num_classes, rng)]
    return stored(kernel, np.stack([hard[i] for i in rng.integers(0, len(hard), num_rows)]))


def some_labels(num, num_classes, rng):
    """Labels in no order, some of them repeated, and some out of range."""
    labels = rng.integers(-2, num_classes + 2, num)
    labels[rng.random(num) < 0.1] = rng.choice([-(2**40), 2**31 - 1, 2**32, -(2**63), 2**63 - 1])
    repeated = rng.random(num) < rng.choice([0, 0.3])
    labels[repeated] = labels[: np.count_nonzero(repeated)]
    return labels


def ranked(module, kernel, scores, labels, k, *, ties, named, score_starts=None,
           label_starts=None, num_ids=None, num_rows=None):  # fmt: skip
    """Return what a backend writes, and nothing where it may write anything."""
    num_rows = len(scores) if num_rows is None else num_rows
    num_relevant = np.full(num_rows, -9, np.int64)
    ranks = np.full(len(labels), -9, np.int32)
    ids = np.full(len(labels), -9, np.int64) if named else None
    above, equal = (np.full(len(labels), -9, np.int32) if ties else None for _ in range(2))
    width = len(labels) // num_rows
    starts = np.arange(num_rows) * width if label_starts is None else label_starts[:-1]
    block = RankBlock(num_relevant, starts, ranks, ids, above, equal)
    num_ids = scores.shape[1] if num_ids is None else num_ids
    rows = RowBlock(scores, score_starts, labels, label_starts, num_ids, None)
    module.label_ranks(kernel, rows, k, block)
    return entries(block)


def entries(block):
    """Return those of each row, as lists."""
    return [
        [None if c is None else c[start : start + num].tolist() for c in block[2:]]
        for start, num in zip(block.starts.tolist(), block.num_relevant.tolist(), strict=True)
    ]


def random_case(kernel, rng, num_labels=9, num_classes=60):
    """Return the arguments of `ranked`, but for the backend."""
    num_rows = int(rng.integers(1, 5))
    num_classes = int(rng.integers(1, num_classes))
    scores = some_scores(kernel, num_rows, num_classes, rng)
    options = {"ties": bool(rng.integers(2)), "named": bool(rng.integers(2))}
    k = int(rng.choice([1, min(3, num_classes), rng.integers(1, num_classes + 1), num_classes]))
    lengths = np.full(num_rows, rng.integers(0, num_labels))
    if rng.integers(2):
        lengths = rng.integers(0, num_labels, num_rows)
        options["label_starts"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    parts = [some_labels(num, num_classes, rng) for num in lengths.tolist()]
    labels = np.concatenate(parts).astype(np.int64)
    if rng.integers(4) == 0:
        # rows of scores that end at any place, and labels that they do not have
        ends = np.sort(rng.integers(0, scores.size + 1, num_rows - 1))
        options["score_starts"] = np.array([0, *ends, scores.size], np.int64)
        options["num_ids"] = num_classes
        options["num_rows"] = num_rows
        scores = scores.reshape(-1)
    return (kernel, scores, labels, k), options


@pytest.mark.usefixtures("_plan")
@pytest.mark.parametrize("kernel", KINDS)
def test_ranks_are_those_of_the_oracle(kernel):
    rng = np.random.default_rng(list(kernel.encode()))
    for _ in range(6):
        case, options = random_case(kernel, rng)
        expected = ranked(reference, *case, **options)
        assert ranked(cuda_blocks, *case, **options) == expected, (case, options)


@pytest.mark.parametrize("kernel", KINDS)
def test_one_class_before_a_label_is_found_wherever_it_is(kernel):
    """The inner loop looks at all scores in 16 bytes at once, and at each position of them."""
    num_classes = 70  # even, so that the class is at each position of 16 bytes in some row
    scores = np.full((num_classes, num_classes), 1.0)
    labels = (np.arange(num_classes) * 7 + 3) % num_classes
    scores[np.arange(num_classes), labels] = 2
    np.fill_diagonal(scores, 3)
    labels[labels == np.arange(num_classes)] = 0
    expected = ranked(reference, kernel, stored(kernel, scores), labels, 9, ties=False, named=True)
    actual = ranked(cuda_blocks, kernel, stored(kernel, scores), labels, 9, ties=False, named=True)
    assert actual == expected
    assert sum(row[0] == [1] for row in actual) >= num_classes - 2


@pytest.mark.usefixtures("_num_threads")
@pytest.mark.parametrize("plan", [{}, PLANS["pieces, or global memory"]])
def test_the_number_of_threads_changes_nothing(plan, monkeypatch):
    for name, value in plan.items():
        monkeypatch.setattr(cuda_rank_launch, name, value)
    rng = np.random.default_rng(3)
    for _ in range(6):
        case, options = random_case("f32", rng, 20)
        expected = ranked(reference, *case, **options)
        assert ranked(cuda_blocks, *case, **options) == expected, (case, options)


@pytest.mark.usefixtures("_plan")
@pytest.mark.parametrize("kernel", ["f32", "u8"])
@pytest.mark.parametrize("ties", [False, True])
def test_labels_leave_play_in_long_rows(kernel, ties):
    rng = np.random.default_rng(4)
    scores = some_scores(kernel, 3, 700, rng)
    labels = some_labels(3 * 20, 700, rng)
    for k in (1, 30):
        expected = ranked(reference, kernel, scores, labels, k, ties=ties, named=True)
        assert ranked(cuda_blocks, kernel, scores, labels, k, ties=ties, named=True) == expected


@pytest.mark.usefixtures("_plan")
@pytest.mark.parametrize("ties", [False, True])
def test_every_class_is_a_label(ties):
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 5, (2, 37)).astype(np.uint8)
    labels = np.concatenate([rng.permutation(37), rng.permutation(37)])
    for k in (1, 20, 37):
        expected = ranked(reference, "u8", scores, labels, k, ties=ties, named=True)
        assert ranked(cuda_blocks, "u8", scores, labels, k, ties=ties, named=True) == expected


@pytest.mark.usefixtures("_plan")
def test_the_last_label_that_fits_and_the_first_that_does_not():
    rng = np.random.default_rng(6)
    scores = some_scores("f64", 4, 30, rng)
    for num_labels in (3, 4, 5):
        labels = some_labels(4 * num_labels, 30, rng)
        starts = np.arange(5) * num_labels
        expected = ranked(reference, "f64", scores, labels, 7, ties=True, named=True)
        for options in ({}, {"label_starts": starts}):
            actual = ranked(cuda_blocks, "f64", scores, labels, 7, ties=True, named=True, **options)
            assert actual == expected


# ---- which kernels are launched ----

CHOSEN = {
    "a warp a row": {"a warp"},
    "a block a row": {"a block"},
    "a warp a row, or global memory": {"a warp", "any labels"},
    "a block a row, or global memory": {"a block", "any labels"},
    "pieces": {"sort", "pieces, shared", "finish"},
    "pieces, or global memory": {"sort", "pieces, shared", "pieces, global", "finish"},
}


@pytest.fixture
def launched(monkeypatch):
    """The names of the kernels that are launched, whose arguments are checked."""
    forms = {}
    for name, function, signature, _ in chain(
        cuda_rank_kernels.compiled_forms(), cuda_rank_values.compiled_forms()
    ):
        forms.setdefault(function, (name, signature.args))
    launch, names = cuda_device.SimulatedDevice.launch, []

    def checked(self, kernel, grid, block, stream, shared, *args):
        name, types = forms[kernel.py_func]
        assert tuple(map(typeof, args)) == types, name
        assert shared <= cuda_device.PLAIN_SHARED
        names.append(name)
        launch(self, kernel, grid, block, stream, shared, *args)

    monkeypatch.setattr(cuda_device.SimulatedDevice, "launch", checked)
    return names


@pytest.mark.parametrize("plan", PLANS)
def test_each_plan_launches_its_kernels_with_the_types_that_are_compiled(
    plan, launched, monkeypatch
):
    for name, value in PLANS[plan].items():
        monkeypatch.setattr(cuda_rank_launch, name, value)
    rng = np.random.default_rng(14)
    for kernel in KINDS:
        scores = some_scores(kernel, 2, 30, rng)
        labels = some_labels(12, 30, rng)
        starts = np.array([0, 3, 12])
        for ties in (False, True):
            del launched[:]
            options = {"ties": ties, "named": True, "label_starts": starts}
            ranked(cuda_blocks, kernel, scores, labels, 7, **options)
            chosen = {name.removeprefix("rank, ").partition(f", {kernel}")[0] for name in launched}
            assert {name.removesuffix(" a row") for name in chosen} == CHOSEN[plan]
            assert all(kernel in name.split(", ") for name in launched)
            assert {name.endswith(" no ties") for name in launched} == {not ties}
            assert len(launched) == len(chosen)


# ---- rows on a device ----


def on_device(kernel, scores, labels, k, starts=None, num_rows=None, **options):
    """Rank rows where they are; scores and labels may have any strides."""
    num_rows = len(scores) if num_rows is None else num_rows
    request = launch.RankRequest(
        kernel=kernel,
        scores_address=scores.ctypes.data,
        row_stride=scores.strides[0],
        class_stride=scores.strides[1],
        num_rows=num_rows,
        num_classes=scores.shape[1],
        labels_address=labels.ctypes.data,
        label_dtype=labels.dtype,
        labels_row_stride=labels.strides[0],
        labels_stride=labels.strides[-1],
        num_labels=labels.shape[-1],
        starts_address=None if starts is None else starts.ctypes.data,
        starts_dtype=None if starts is None else starts.dtype,
        starts_stride=0 if starts is None else starts.strides[0],
        k=k,
        with_labels=options.get("named", True),
        with_ties=options.get("ties", True),
    )
    device = cuda_device.get(0)
    return launch.rank(device, device.stream(), request, (options.get("owner"),))


def layouts(scores):
    """Yield views of the same rows, strided in every way, and beginning anywhere."""
    num_rows, num_classes = scores.shape
    yield np.repeat(scores, 2, axis=1)[:, ::2]
    yield scores[:, ::-1].copy()[:, ::-1]
    yield scores[::-1].copy()[::-1]
    yield np.asfortranarray(scores)
    for offset in range(1, 16 // scores.itemsize + 1):
        wide = np.zeros((num_rows, num_classes + offset + 3), scores.dtype)
        wide[:, offset : offset + num_classes] = scores
        yield wide[:, offset : offset + num_classes]


@pytest.mark.parametrize("kernel", KINDS)
def test_scores_are_read_in_any_layout(kernel):
    rng = np.random.default_rng(7)
    for num_classes in (5, 70):
        scores = some_scores(kernel, 2, num_classes, rng)
        labels = some_labels(2 * 3, num_classes, rng)
        expected = ranked(reference, kernel, scores, labels, 4, ties=True, named=True)
        for view in layouts(scores):
            pending = on_device(kernel, view, labels.reshape(2, 3), 4)
            assert entries(pending.read().block) == expected, view.strides


@pytest.mark.usefixtures("_plan")
@pytest.mark.parametrize("kernel", ["f16", "f64"])
def test_rows_far_apart_backwards_and_the_same(kernel):
    rng = np.random.default_rng(8)
    scores = some_scores(kernel, 3, 40, rng)
    labels = some_labels(3 * 6, 40, rng).reshape(3, 6)
    spread = np.repeat(np.repeat(labels, 2, axis=0), 3, axis=1)[::2, ::3]
    for rows in (scores[::-1], np.broadcast_to(scores[:1], scores.shape), scores[:, ::-1]):
        flat = np.ascontiguousarray(rows)
        expected = ranked(reference, kernel, flat, labels.reshape(-1), 5, ties=True, named=True)
        assert entries(on_device(kernel, rows, labels, 5).read().block) == expected
        assert entries(on_device(kernel, rows, spread, 5).read().block) == expected


INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_labels_and_starts_are_any_integers(dtype):
    rng = np.random.default_rng(9)
    limits = np.iinfo(dtype)
    scores = some_scores("f32", 3, 30, rng)
    rows = [[1, 29, limits.min, limits.max, 1], [], [0, 30, 7, limits.max - 1]]
    labels = np.array([label for row in rows for label in row], dtype)
    starts = np.array([0, 5, 5, 9], dtype)
    known = np.where(labels < 30, labels, -1).astype(np.int64)
    expected = ranked(reference, "f32", scores, known, 9, ties=True, named=True,
                      label_starts=starts.astype(np.int64))  # fmt: skip
    for twice in (1, 2):
        pending = on_device(
            "f32", scores, np.repeat(labels, twice)[::twice], 9, np.repeat(starts, twice)[::twice]
        )
        assert entries(pending.read().block) == expected
        assert pending.read().bad_row == -1


@pytest.mark.usefixtures("_plan")
@pytest.mark.parametrize(
    ("starts", "bad_row"),
    [
        ([0, 2, 1, 6], 1),
        ([-1, 2, 4, 6], 0),
        ([0, 2, 4, 7], 2),
        ([0, 2**62, 4, 6], 0),
        ([0, 2, 2**63 - 1, -(2**63)], 1),
        ([6, 5, 4, 3], 0),
        ([2, 3, 3, 6], -1),
    ],
)
def test_starts_that_do_not_ascend_are_found(starts, bad_row):
    scores = some_scores("f32", 3, 30, np.random.default_rng(10))
    read = on_device("f32", scores, np.arange(6), 5, np.array(starts)).read()
    assert read.bad_row == bad_row


def test_what_is_read_stays_the_same_when_memory_is_used_again():
    rng = np.random.default_rng(11)
    scores = some_scores("f32", 3, 30, rng)
    first = on_device("f32", scores, rng.integers(0, 30, (3, 4)), 5)
    assert first.is_done()
    before = entries(first.read().block)
    for _ in range(3):
        on_device("f32", scores, rng.integers(0, 30, (3, 4)), 5).read()
        on_device("f32", scores, rng.integers(0, 30, (3, 4)), 5)  # which nobody reads
    assert entries(first.read().block) == before


class _Owner:
    """What can be asked whether it is still there."""


@pytest.fixture
def busy(monkeypatch):
    """A device that is not done until it is told so; the list is empty then."""
    busy = [True]
    monkeypatch.setattr(cuda_device.SimulatedDevice, "has_come", lambda self, event: not busy)
    return busy


def test_what_a_kernel_uses_stays_until_it_is_done(busy):
    owner = _Owner()
    is_there = weakref.ref(owner)
    rows = np.zeros((1, 5), np.float32), np.zeros((1, 2), np.int64)
    pending = on_device("f32", *rows, 2, owner=owner)
    del owner
    assert not pending.is_done()
    assert is_there() is not None
    busy.clear()
    assert pending.is_done()
    assert is_there() is None
    assert pending.read().block.ranks[0] == 0


def test_what_nobody_reads_stays_until_the_kernel_is_done(busy):
    owner = _Owner()
    is_there = weakref.ref(owner)
    rows = np.zeros((1, 5), np.float32), np.zeros((1, 2), np.int64)
    memory = cuda_rank_memory.memory_of(cuda_device.get(0))
    out = on_device("f32", *rows, 2, owner=owner)._out[0]
    del owner
    others = [memory.take(len(out), out.dtype) for _ in range(20)]
    assert is_there() is not None
    assert all(other is not out for other in others)
    busy.clear()
    assert any(memory.take(len(out), out.dtype) is out for _ in range(20))
    assert is_there() is None


def test_no_rows_and_no_labels():
    scores = np.zeros((0, 5), np.float32)
    read = on_device("f32", scores, np.zeros((0, 3), np.int64), 2).read()
    assert read.block.num_relevant.size == read.block.ranks.size == 0
    assert read.bad_row == -1
    read = on_device("f32", np.zeros((2, 5), np.float32), np.zeros((2, 0), np.int64), 2).read()
    assert read.block.num_relevant.tolist() == [0, 0]


# ---- pieces of a row on the host ----


@pytest.mark.parametrize("capacity", [4, 1024])
@pytest.mark.parametrize("kernel", KINDS)
def test_counts_of_pieces_are_those_of_the_oracle(kernel, capacity, monkeypatch):
    monkeypatch.setattr(cuda_rank_launch, "BLOCK_LABELS", capacity)
    monkeypatch.setattr(cuda_rank_launch, "MIN_PIECE", 20)
    rng = np.random.default_rng(12)
    for number in range(6):
        num_classes = int(rng.integers(1, 90))
        scores = some_scores(kernel, 1, num_classes, rng)[0]
        ids = np.flatnonzero(rng.random(num_classes) < rng.random())
        first = int(rng.integers(0, num_classes))
        piece = scores[first : first + int(rng.integers(0, 60))]
        for ties, k in zip((True, False), (num_classes, 1 + number), strict=True):
            totals = []
            for module in (reference, cuda_blocks):
                found = np.full((3, len(ids)), 3, np.int64)
                own = found if ties else found[:1]
                module.label_counts(kernel, piece, first, ids, scores[ids], k, own)
                # those that have reached k need not be exact, nor then what is equal
                before, above, equal = (part - 3 for part in found)
                equal[above >= k] = 0
                totals.append([np.minimum(before, k), np.minimum(above, k), equal])
            np.testing.assert_array_equal(*totals)


# ---- values ----


@pytest.mark.parametrize("dtype", [*INTEGERS, "?", "f2", "f4", "f8"])
def test_values_of_any_dtype_are_copied(dtype):
    rng = np.random.default_rng(13)
    raw = rng.integers(0, 256, (2, 3, 4, 5, np.dtype(dtype).itemsize), np.uint8)
    values = raw.view(dtype)[..., 0]
    with np.errstate(invalid="ignore"):
        expected = (raw[..., 0] != 0 if dtype == "?" else values).astype(np.float64)
    everywhere = np.s_[()], np.s_[1], np.s_[1, 2], np.s_[1, 2, 3], np.s_[1, 2, 3, 4, ...]
    for index in (*everywhere, np.s_[::-1, :, ::2, ::-2], np.s_[:, :0]):
        assert_values(values[index], expected[index], False)
    one, wanted = (np.broadcast_to(array[0, 0, 0], (3, 5)) for array in (values, expected))
    assert_values(one, wanted, False)


def test_bfloat16_values_are_copied():
    bits = np.arange(0, 1 << 16, 37, np.uint16)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        wanted = (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    assert_values(bits, wanted, True)


def assert_values(view, wanted, is_bfloat16):
    device = cuda_device.get(0)
    pending = values.as_float64(
        device, device.stream(), view.ctypes.data, view.shape, view.strides, view.dtype, is_bfloat16
    )
    actual = pending.read()
    assert actual.dtype == np.float64
    np.testing.assert_array_equal(actual, wanted, strict=True)
