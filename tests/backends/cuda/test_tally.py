"""Updates of a table on a device: exact whatever the layout, left out whole when they are bad."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from backend_rows import IS_SIMULATED, ROWS
from compare import assert_same_bits

from fastpr.arrays.dtypes import SCORE_KINDS
from fastpr.backends import reference
from fastpr.backends.cuda import device as cuda_device
from fastpr.backends.cuda.histogram import tally as cuda_tables
from fastpr.backends.cuda.histogram.request import Address, CountRequest
from fastpr.backends.cuda.histogram.tally import MAX_REFUSED, ScoreTally
from fastpr.counts.bins import stored_thresholds

KINDS = {kind.name: kind for kind in SCORE_KINDS}


@pytest.fixture(scope="module")
def device():
    """A device; without one its emulator, which runs what is compiled."""
    if "cuda" in ROWS:
        yield cuda_device.current()
        return
    from ptx import device as ptx_device

    with ptx_device.emulated(check_races=True) as emulated:
        yield emulated


def put(device, view, kept):
    """Copy an array, with what it is a view of, to the device."""
    base = view
    while isinstance(base.base, np.ndarray):
        base = base.base
    flat = np.ascontiguousarray(base).reshape(-1).view(np.uint8)
    assert base.flags.c_contiguous
    memory = device.empty(max(flat.size, 1) + 16, np.uint8)
    stream = device.stream()
    if flat.size:
        device.copy_in(memory, flat, stream)
    device.wait(device.record(stream))
    kept.append(memory)
    offset = view.ctypes.data - base.ctypes.data
    return Address(device.address(memory) + offset, view.strides, view.dtype)


def update(device, kind, scores, labels, weights=None, weight_kind=None, **rest):
    kept: list[Any] = []
    if labels.dtype == bool:
        labels = labels.view(np.uint8)
    placed = [put(device, array, kept) for array in (scores, labels)]
    if weights is not None:
        placed.append(put(device, weights, kept))
    return CountRequest(
        device.stream(1), KINDS[kind].histogram, scores.shape, *placed, weight_kind=weight_kind,
        owners=(kept,), **rest,
    )  # fmt: skip


def table_of(kind, scores, labels, num_thresholds, weights=None):
    thresholds = stored_thresholds(num_thresholds, KINDS[kind])
    table = np.zeros((2, num_thresholds), np.int64 if weights is None else np.float64)
    if labels.dtype == bool:
        labels = labels.view(np.uint8)
    reference.score_histogram(
        KINDS[kind].histogram, scores.ravel(), labels.ravel(),
        None if weights is None else np.ascontiguousarray(weights.ravel()), thresholds, table,
        np.zeros(3, np.int64),
    )  # fmt: skip
    return table


def scores_and_labels(kind, shape, seed=0):
    rng = np.random.default_rng(seed)
    storage = KINDS[kind].storage
    if KINDS[kind].one:
        scores = rng.integers(0, KINDS[kind].one + 1, shape).astype(storage)
    else:
        scores = rng.random(shape).astype(storage)
    return scores, rng.random(shape) < 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_views_of_all_layouts(device, kind):
    num_thresholds = 11
    scores, labels = scores_and_labels(kind, (3, 2, 5, 9))
    tally = ScoreTally(device, num_thresholds)
    thresholds = stored_thresholds(num_thresholds, KINDS[kind])
    total = np.zeros((2, num_thresholds), np.int64)
    views = [
        lambda a: a, lambda a: a[:, 1], lambda a: a[..., ::2], lambda a: a[..., ::-1, ::-1],
        lambda a: a.T, lambda a: a.transpose(0, 2, 3, 1), lambda a: a[1:, :, 2], lambda a: a[:0],
        lambda a: a.reshape(-1)[1:], lambda a: a.reshape(-1)[5:6],
    ]  # fmt: skip
    for ordinal, view in enumerate(views):
        given = update(device, kind, view(scores), view(labels))
        tally.add(given, thresholds, True, ordinal)
        total += table_of(kind, view(scores), view(labels), num_thresholds)
    counted, refused = tally.finish()
    assert_same_bits(counted.counts, total)
    assert (counted.num_counted, counted.num_dropped, refused) == (total.sum(), 0, [])


@pytest.mark.parametrize("kind", ["float32", "float16", "uint8", "uint16"])
@pytest.mark.parametrize("beyond", [-1, 0, 1, 600])
def test_tables_on_both_sides_of_what_fits_into_a_block(device, monkeypatch, kind, beyond):
    """A window more is needed above this number of thresholds; of values, at any."""
    num_cells = 240
    monkeypatch.setattr(
        type(device), "max_shared", property(lambda self: 4 * (num_cells + 2)), raising=False
    )
    num_thresholds = num_cells // 2 + beyond
    scores, labels = scores_and_labels(kind, 300)
    if not KINDS[kind].one or kind == "float16":
        scores[[7, 250]] = np.array([np.nan], kind).view(scores.dtype)[0]
    tally = ScoreTally(device, num_thresholds)
    thresholds = stored_thresholds(num_thresholds, KINDS[kind])
    tally.add(update(device, kind, scores, labels), thresholds, False, 0)
    counted, _ = tally.finish()
    expected = table_of(kind, scores, labels, num_thresholds)
    assert_same_bits(counted.counts, expected)
    assert counted.num_dropped == 300 - expected.sum()  # each once, whatever the windows


@pytest.mark.parametrize("view", [lambda a: a[:, 0], lambda a: a[:, 0, ::2], lambda a: a[:, 0, 1:]])
def test_threads_go_from_row_to_row(device, view):
    """More than all threads take at once, in rows that are no multiple of what they take."""
    shape = (3, 2, 50) if IS_SIMULATED else (41, 2, 3008)
    scores, labels = scores_and_labels("float32", shape)
    thresholds = stored_thresholds(21, KINDS["float32"])
    tally = ScoreTally(device, 21)
    tally.add(update(device, "float32", view(scores), view(labels)), thresholds, True, 0)
    counted, _ = tally.finish()
    assert_same_bits(counted.counts, table_of("float32", view(scores), view(labels), 21))


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize(("weight_kind", "dtype"), [("f32", np.float32), ("f64", np.float64)])
def test_sums_on_both_sides_of_what_fits_into_a_block(
    device, monkeypatch, beyond, weight_kind, dtype
):
    num_limbs = cuda_tables.grid_of(weight_kind).num_limbs
    num_thresholds = 12
    most = 4 * 2 * num_thresholds * num_limbs + 64
    monkeypatch.setattr(
        type(device), "max_shared", property(lambda self: most + beyond), raising=False
    )
    scores, labels = scores_and_labels("float32", 90)
    rng = np.random.default_rng(4)
    weights = np.ldexp(rng.random(90), rng.integers(-100, 100, 90)).astype(dtype)
    tally = ScoreTally(device, num_thresholds)
    thresholds = stored_thresholds(num_thresholds, KINDS["float32"])
    tally.add(
        update(device, "float32", scores, labels, weights, weight_kind), thresholds, True, 0
    )  # fmt: skip
    counted, _ = tally.finish()
    expected = exact_sums(scores, labels, weights, thresholds)
    assert_same_bits(counted.sums[0], expected)


def exact_sums(scores, labels, weights, thresholds):
    """Return sums of weights, each rounded once."""
    from fractions import Fraction

    bins = np.searchsorted(thresholds, scores, side="right") - 1
    sums = {}
    for label, place, weight in zip(labels.tolist(), bins.tolist(), weights.tolist(), strict=True):
        sums[label, place] = sums.get((label, place), 0) + Fraction(weight)
    table = np.zeros((2, len(thresholds)))
    for (label, place), total in sums.items():
        table[int(label), place] = total.numerator / total.denominator
    return table


WEIGHTS = {
    "bool": np.array([0, 1, 2, 255], np.uint8),
    "f16": np.array([0, 1, 0x3C00, 0x7BFF, 0x8000, 0x0400, 0x03FF], np.uint16).view(np.float16),
    "f32": np.array([0, 1, 0x3F800000, 0x7F7FFFFF, 0x80000000, 0x00800000, 0x007FFFFF],
                    np.uint32).view(np.float32),
    "f64": np.array([0.0, 5e-324, 1e300, 2.2250738585072014e-308, -0.0, 0.1, 1e-310, 3.5]),
    "i1": np.array([0, 1, 127], np.int8), "u1": np.array([0, 1, 255], np.uint8),
    "i2": np.array([0, 1, 32767], np.int16), "u2": np.array([0, 65535], np.uint16),
    "i4": np.array([0, 1, 2**31 - 1], np.int32), "u4": np.array([0, 2**32 - 1], np.uint32),
    "i8": np.array([0, 1, 2**53 + 1, 2**63 - 1], np.int64),
    "u8": np.array([0, 1, 2**53 + 3, 2**64 - 1], np.uint64),
}  # fmt: skip


@pytest.mark.parametrize("weight_kind", WEIGHTS)
def test_sums_of_weights_are_exact(device, weight_kind):
    values = WEIGHTS[weight_kind]
    num = 8 * len(values)
    scores, labels = scores_and_labels("float32", num, seed=2)
    weights = np.resize(values, num)
    as_floats = (weights != 0 if weight_kind == "bool" else weights).astype(np.float64)
    thresholds = stored_thresholds(3, KINDS["float32"])
    for stride in (1, 2):
        tally = ScoreTally(device, 3)
        spread = np.zeros(num * stride, weights.dtype)
        spread[::stride] = weights
        tally.add(
            update(device, "float32", scores, labels, spread[::stride], weight_kind), thresholds,
            True, 0,
        )  # fmt: skip
        counted, refused = tally.finish()
        assert refused == []
        assert_same_bits(counted.sums[0], exact_sums(scores, labels, as_floats, thresholds))


def test_bfloat16_weights(device):
    weights = np.array([0, 1, 0x3F80, 0x7F7F, 0x8000, 0x4049] * 4, np.uint16)
    scores, labels = scores_and_labels("float32", 24)
    thresholds = stored_thresholds(3, KINDS["float32"])
    tally = ScoreTally(device, 3)
    tally.add(update(device, "float32", scores, labels, weights, "bf16"), thresholds, True, 0)
    as_floats = (weights.astype(np.uint32) << 16).view(np.float32)
    counted, _ = tally.finish()
    assert_same_bits(counted.sums[0], exact_sums(scores, labels, as_floats, thresholds))


def test_the_order_of_weights_changes_no_bit(device):
    rng = np.random.default_rng(9)
    scores, labels = scores_and_labels("float32", 200)
    weights = np.ldexp(rng.random(200), rng.integers(-60, 60, 200))
    thresholds = stored_thresholds(3, KINDS["float32"])
    results = []
    for order in (np.arange(200), rng.permutation(200)):
        tally = ScoreTally(device, 3)
        for part in np.array_split(order, 3):
            given = update(device, "float32", scores[part], labels[part], weights[part], "f64")
            tally.add(given, thresholds, True, 0)
        results.append(tally.finish()[0].sums)
    assert_same_bits(*results)


def test_a_scalar_weight_multiplies_counts(device):
    scores, labels = scores_and_labels("uint8", 100)
    thresholds = stored_thresholds(5, KINDS["uint8"])
    tally = ScoreTally(device, 5)
    for weight in (0.1, 3.0, 0.0, 1e-320):
        given = update(device, "uint8", scores, labels, scalar_weight=weight)
        tally.add(given, thresholds, True, 0)
    counts = table_of("uint8", scores, labels, 5)
    counted, _ = tally.finish()
    expected = sum(counts * weight for weight in (0.1, 3.0, 0.0, 1e-320))
    np.testing.assert_allclose(counted.sums[0], expected, rtol=1e-15)
    assert counted.counts is None

    tally.add(update(device, "uint8", scores, labels, scalar_weight=1.7e308), thresholds, True, 0)
    with pytest.raises(OverflowError, match="scale the weights down"):
        tally.finish()
    assert tally.finish()[0] == (None, None, 0, 0, 0)


# ---- bad data ----


def bad_scores(kind, shape, places):
    scores, labels = scores_and_labels(kind, shape)
    for place, value in places.items():
        scores[place] = value
    return scores, labels


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[:, ::-1], lambda a: a.T])
def test_bad_scores_are_counted_and_the_first_is_told(device, view):
    scores, labels = bad_scores("float32", (7, 40), {(2, 33): np.nan, (5, 1): 1.5, (6, 39): -1})
    thresholds = stored_thresholds(3, KINDS["float32"])
    tally = ScoreTally(device, 3)
    tally.add(update(device, "float32", view(scores), view(labels)), thresholds, True, 7)
    counted, (refused,) = tally.finish()
    assert not counted.counts.any()
    assert counted.num_refused == 1
    flat = view(scores).ravel()
    first = np.flatnonzero(~((flat >= 0) & (flat <= 1)))[0]
    assert (refused.ordinal, refused.num_invalid, refused.first_score_index) == (7, 3, first)
    assert refused.first_score == flat[first : first + 1].copy().view(np.uint32)[0]
    assert refused.num_bad_labels == refused.num_bad_weights == 0


def test_bad_labels_and_weights_are_told_too(device):
    scores, _ = scores_and_labels("float64", (3, 50))
    labels = np.zeros((3, 50), np.int16)
    labels[1, 7], labels[2, 2] = -3, 2
    weights = np.ones((3, 50), np.float32)
    weights[0, 49], weights[2, 2] = np.inf, -1
    thresholds = stored_thresholds(3, KINDS["float64"])
    tally = ScoreTally(device, 3)
    tally.add(update(device, "float64", scores, labels, weights, "f32"), thresholds, True, 1)
    _, (refused,) = tally.finish()
    assert (refused.num_bad_labels, refused.first_label_index, refused.first_label) == (2, 57, -3)
    assert (refused.num_bad_weights, refused.first_weight_index) == (2, 49)
    assert np.uint32(refused.first_weight).view(np.float32) == np.inf


def test_first_positions_are_those_of_the_update_over_all_its_pieces(device):
    base = np.full((2, 3, 4, 5), 0.5, np.float32)
    scores = base.transpose(2, 0, 3, 1)
    scores[3, 1, 4, 2] = 2
    scores[1, 0, 3, 1] = 3
    labels = np.zeros(scores.shape, bool)
    thresholds = stored_thresholds(3, KINDS["float32"])
    tally = ScoreTally(device, 3)
    given = update(device, "float32", scores, labels)
    assert len(list(cuda_tables.pieces(given.shape, [given.scores, given.labels]))) > 1
    tally.add(given, thresholds, True, 0)
    _, (refused,) = tally.finish()
    assert refused.first_score_index == np.ravel_multi_index((1, 0, 3, 1), scores.shape)
    assert np.uint32(refused.first_score).view(np.float32) == 3


def test_a_bad_update_is_left_out_whole_and_the_others_are_exact(device):
    thresholds = stored_thresholds(5, KINDS["float32"])
    tally = ScoreTally(device, 5)
    total = np.zeros((2, 5), np.int64)
    for ordinal in range(6):
        places = {3: np.nan} if ordinal in (1, 4) else {}
        scores, labels = bad_scores("float32", 40 + ordinal, places)
        tally.add(update(device, "float32", scores, labels), thresholds, True, ordinal)
        if not places:
            total += table_of("float32", scores, labels, 5)
    counted, refused = tally.finish()
    assert [(bad.ordinal, bad.num_invalid, bad.first_score_index) for bad in refused] == [
        (1, 1, 3), (4, 1, 3),
    ]  # fmt: skip
    assert_same_bits(counted.counts, total)
    assert tally.finish() == ((None, None, 0, 0, 0), [])


def test_scores_that_are_dropped_are_counted(device):
    scores, labels = bad_scores("float16", 60, {5: 0xFFFF, 6: 0x3C01, 7: 0x8000})
    thresholds = stored_thresholds(5, KINDS["float16"])
    tally = ScoreTally(device, 5)
    tally.add(update(device, "float16", scores, labels), thresholds, False, 0)
    counted, refused = tally.finish()
    assert (counted.num_dropped, counted.num_counted, refused) == (2, 58, [])
    assert_same_bits(counted.counts, table_of("float16", scores, labels, 5))


def test_more_bad_updates_than_are_told(device, monkeypatch):
    scores, labels = bad_scores("uint8", 3, {})
    labels = labels.astype(np.int8) + 5
    thresholds = stored_thresholds(2, KINDS["uint8"])
    tally = ScoreTally(device, 2)
    given = update(device, "uint8", scores, labels)
    for ordinal in range(MAX_REFUSED + 2):
        tally.add(given, thresholds, True, ordinal)
    counted, refused = tally.finish()
    assert counted.num_refused == MAX_REFUSED + 2
    assert [bad.ordinal for bad in refused] == list(range(MAX_REFUSED))


# ---- order, and what goes wrong ----


def test_reset_forgets_what_is_under_way(device):
    scores, labels = bad_scores("float32", 30, {3: 7})
    thresholds = stored_thresholds(3, KINDS["float32"])
    tally = ScoreTally(device, 3)
    tally.add(update(device, "float32", scores, labels), thresholds, True, 0)
    tally.add(update(device, "float32", scores, labels), thresholds, False, 1)
    tally.reset()
    assert tally.finish() == ((None, None, 0, 0, 0), [])


@pytest.mark.parametrize("number", range(2))
def test_an_update_that_cannot_be_launched_leaves_nothing_behind(device, monkeypatch, number):
    scores, labels = bad_scores("float32", 30, {3: 7})
    thresholds = stored_thresholds(3, KINDS["float32"])
    tally = ScoreTally(device, 3)
    given = update(device, "float32", scores, labels)
    tally.add(given, thresholds, False, 0)
    launch, launched = device.launch, []

    def fail_at(kernel, *args):
        if kernel is not cuda_tables.cuda_forms.fill:
            launched.append(kernel)
            if len(launched) == number + 1:
                raise RuntimeError("out of memory")
        launch(kernel, *args)

    monkeypatch.setattr(device, "launch", fail_at)
    with pytest.raises(RuntimeError, match="out of memory"):
        tally.add(given, thresholds, False, 1)
    monkeypatch.undo()
    tally.add(given, thresholds, False, 2)
    counted, refused = tally.finish()
    assert_same_bits(counted.counts, 2 * table_of("float32", scores, labels, 3))
    assert (counted.num_dropped, refused) == (2, [])


def test_updates_of_several_streams_wait_for_each_other(device, monkeypatch):
    """On the device, and the host for none of them."""
    log: list[tuple[str, Any]] = []

    def record(stream, event=None):
        event = [""] if event is None else event
        event[0] = f"after {stream}"
        return event

    monkeypatch.setattr(device, "stream", lambda handle=None: f"stream {handle}")
    monkeypatch.setattr(device, "record", record)
    monkeypatch.setattr(device, "let_wait", lambda stream, event: log.append((stream, event[0])))
    monkeypatch.setattr(device, "wait", lambda event: log.append(("host", event[0])))
    monkeypatch.setattr(device, "copy_in", lambda array, host, stream: None)
    monkeypatch.setattr(device, "launch", lambda *args: None)
    cuda_tables._on_device.cache_clear()
    try:
        scores, labels = np.zeros(3, np.float32), np.zeros(3, np.uint8)
        places = [
            Address(array.ctypes.data, array.strides, array.dtype) for array in (scores, labels)
        ]
        thresholds = stored_thresholds(3, KINDS["float32"])
        tally = ScoreTally(device, 3)
        waits = []
        for stream, others in ((5, ()), (5, ()), (6, (7, 8)), (5, ())):
            log.clear()
            request = CountRequest(device.stream_after(stream, others), "f32", (3,), *places)
            tally.add(request, thresholds, True, 0)
            waits.append(log[:])
        assert waits == [
            [("stream 5", "after stream None"), ("stream 5", "after stream None")],  # made there
            [],
            [("stream 6", f"after stream {other}") for other in (7, 8, 5)],
            [("stream 5", "after stream 6")],
        ]
    finally:
        cuda_tables._on_device.cache_clear()


def test_what_was_passed_is_kept_until_the_device_has_read_it(device, monkeypatch):
    import weakref

    class Owner:
        pass

    has_come = [False]
    monkeypatch.setattr(device, "has_come", lambda event: has_come[0])
    scores, labels = scores_and_labels("float32", 5)
    thresholds = stored_thresholds(3, KINDS["float32"])
    tally = ScoreTally(device, 3)
    given = update(device, "float32", scores, labels)
    owner = Owner()
    gone = weakref.ref(owner)
    tally.add(given._replace(owners=(owner,)), thresholds, True, 0)
    del owner
    tally.add(given, thresholds, True, 1)
    assert gone() is not None
    has_come[0] = True
    tally.add(given, thresholds, True, 2)
    assert gone() is None


def test_the_oracle_agrees_on_integers_and_floats(device):
    """The reference backend, which the tests above compare with, is held to fractions."""
    scores, labels = scores_and_labels("float32", 40)
    expected = oracle.table(labels, scores, "float32", 7)
    assert_same_bits(table_of("float32", scores, labels, 7), expected)
