"""Rankings of device arrays from end to end, on Numba's simulator: conftest.py collects it there.

What is above the kernels is tested in more detail in tests/ranking/test_rank_device.py.
"""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest
from device_doubles import Cupy, OnCuda, OnDLPack
from ranking_contract import LABELS as LABEL_LISTS
from ranking_contract import NUM_CLASSES, SCORES, STATES, WEIGHTS, bits
from ranking_rows import KINDS, dtype_of, padded, pair

import fastpr
from fastpr import AveragePrecisionAtK
from fastpr.ranking import work_device
from fastpr.ranking.ranks import device as rank_device
from fastpr.ranking.rows import device as device_rows

LABELS = padded(LABEL_LISTS)
PAIR = pair(LABEL_LISTS)
FORMS = {"dense": LABELS, "ragged": PAIR, "single": LABELS[:, 0].copy()}


def there(value, make=Cupy):
    """Return an array, or a pair of them, on the device."""
    if value is None:
        return None
    return tuple(map(make, value)) if isinstance(value, tuple) else make(value)


@pytest.fixture(params=STATES)
def new(request):
    """Each kind of state, as a function that makes one."""
    return STATES[request.param]


def same(new, labels, scores, weights=None, **options):
    """Check that an update of device arrays is one of the same arrays on the host."""
    expected = new(backend="reference", **options).update(labels, scores, weights)
    state = new(**options)
    assert state.update(there(labels), there(scores), there(weights)) is state
    assert state.to_bytes() == expected.to_bytes()
    assert bits(state.compute()) == bits(expected.compute())


# ---- the same bytes ----

OPTIONS = [
    *({"ties": ties} for ties in ("index", "optimistic", "pessimistic", "expected")),
    *({"denominator": name, "empty": "zero"} for name in ("relevant", "hits", "k")),
    *({"empty": name} for name in ("one", "nan")),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_states_have_the_bytes_of_host_updates(new, options):
    form = [*FORMS][OPTIONS.index(options) % len(FORMS)]  # each option with one is enough here
    same(new, FORMS[form], SCORES, WEIGHTS, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_every_dtype(kind):
    scores = np.nan_to_num(SCORES, posinf=0, neginf=-9)
    scores = (scores * 9 + 90).astype(dtype_of(kind))
    same(STATES["metrics"], LABELS, scores)
    if kind != "uint8":
        same(STATES["metrics"], LABELS, SCORES.astype(dtype_of(kind)))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_labels_of_every_dtype(dtype):
    same(STATES["metrics"], LABELS.astype(dtype), SCORES)
    same(STATES["metrics"], (PAIR[0].astype(dtype), PAIR[1].astype(dtype)), SCORES)


@pytest.mark.parametrize(
    "weights",
    [
        WEIGHTS.astype(np.float32), WEIGHTS.clip(0, 9).astype(np.float16), WEIGHTS > 1,
        WEIGHTS.astype(ml_dtypes.bfloat16), (WEIGHTS * 9).astype(np.uint64),
        (WEIGHTS > 1).astype(np.int8), np.array(0.3), np.array([2.5]), WEIGHTS.repeat(2)[::-2],
        np.broadcast_to(0.1, 6),
    ],
    ids=lambda weights: f"{weights.dtype}{weights.strides}",
)  # fmt: skip
def test_weights_of_every_dtype(weights):
    same(average_precision, LABELS, SCORES, weights)


def average_precision(**options):
    return AveragePrecisionAtK(2, **options)


def layouts():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (2, 3, 2, 6)).astype(np.float32)
    labels = rng.integers(-1, 5, (2, 3, 2, 4))
    yield "reversed", scores[::-1, ::-1, ::-1, :4], labels[::-1, ::-1, ::-1, 1:3]
    yield "every second class", scores[..., ::-2], labels[..., ::2]
    yield "every second row", scores[:, ::2, :, :4], labels[:, 1:, 1:, :1].repeat(2, 2)
    yield "swapped axes", scores.transpose(2, 0, 1, 3)[..., :5], labels.transpose(2, 0, 1, 3)
    first = np.moveaxis(rng.integers(-1, 3, (3, 3, 2, 2)), 0, -1)
    yield "classes first", np.moveaxis(scores, 0, -1)[:, :, ::4], first
    yield "repeated", np.broadcast_to(scores[:, :1], scores.shape)[..., :4], labels[..., 0]
    yield "one row", scores[0, 0, 0], labels[0, 0, 0]
    yield "a column of labels", scores[0, 0], labels[0, 0, :, :1]


LAYOUTS = {name: (scores, labels) for name, scores, labels in layouts()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_arrays_of_any_strides(monkeypatch, name):
    scores, labels = LAYOUTS[name]
    lead = scores.shape[:-1]
    num_rows = int(np.prod(lead))
    ragged = padded([[index % 5, index % 3] for index in range(num_rows)])
    starts = np.repeat(2 * np.arange(num_rows + 1), 3)[::3], ragged.reshape(-1)[::-1]
    same(average_precision, starts, scores)
    for most in (1 << 22, 6):
        monkeypatch.setattr(device_rows, "MAX_PIECE", most)
        same(average_precision, labels, scores, np.ones(lead)[..., :1] if len(lead) else None)


@pytest.mark.parametrize("make", [OnCuda, OnDLPack])
@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_any_producer(form, make):
    labels, weights = FORMS[form], np.abs(WEIGHTS)
    state = average_precision().update(there(labels, make), make(SCORES), make(weights))
    assert state == average_precision().update(labels, SCORES, weights)


def test_arrays_of_several_producers_go_together():
    state = average_precision().update(OnCuda(LABELS), Cupy(SCORES, stream=5), OnDLPack(WEIGHTS))
    assert state == average_precision().update(LABELS, SCORES, WEIGHTS)


def test_no_rows_and_no_labels(new):
    state = new(empty="raise")
    for lead in [(0,), (3, 0), (0, 2)]:
        labels, scores = np.zeros((*lead, 2), int), np.zeros((*lead, NUM_CLASSES), np.float32)
        state.update(there(labels), there(scores), there(np.ones(lead)))
        state.update(there((np.zeros(1, int), np.zeros(0, int))), there(scores))
    assert state == new(empty="raise")
    same(new, np.zeros((6, 0), int), SCORES, WEIGHTS)
    same(new, (np.zeros(7, int), np.zeros(0)), SCORES)
    same(new, (np.zeros(7, int), np.arange(4)), SCORES, empty="one")


def test_a_k_of_all_classes_and_many_labels():
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 9, (3, 40)), rng.integers(-3, 45, (3, 60))
    for ties in ("index", "expected"):
        same(
            lambda **options: fastpr.RankingMetrics(40, **options),
            labels, scores.astype(np.float32), ties=ties,
        )  # fmt: skip


# ---- functions ----


@pytest.mark.parametrize("ties", ["index", "optimistic", "pessimistic", "expected"])
@pytest.mark.parametrize("form", FORMS)
def test_functions_return_what_they_return_of_host_arrays(form, ties):
    labels = FORMS[form]
    expected = fastpr.label_ranks(labels, SCORES, 3, ties=ties)
    found = fastpr.label_ranks(there(labels), there(SCORES), 3, ties=ties)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist())
    arguments = there(labels), there(SCORES), 3, there(WEIGHTS)
    found = fastpr.ndcg_at_k(*arguments, ties=ties, per_row=True)
    expected = fastpr.ndcg_at_k(labels, SCORES, 3, WEIGHTS, ties=ties, per_row=True)
    assert found.tobytes() == expected.tobytes()


def test_the_backend_may_be_named(monkeypatch):
    expected = fastpr.average_precision_at_k(LABELS, SCORES, 3)
    assert (
        fastpr.average_precision_at_k(there(LABELS), there(SCORES), 3, backend="cuda") == expected
    )
    monkeypatch.setenv("FASTPR_BACKEND", "cuda")
    assert fastpr.average_precision_at_k(there(LABELS), there(SCORES), 3) == expected
    with pytest.raises(ValueError, match=r"'reference' .* on cuda:0"):
        fastpr.average_precision_at_k(there(LABELS), there(SCORES), 3, backend="reference")


# ---- errors ----


def raised(call):
    with pytest.raises(Exception) as caught:
        call()
    return type(caught.value), str(caught.value)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


BAD = {
    "negative weight": (LABELS, SCORES, changed(WEIGHTS, 3, -2)),
    "NaN as a weight": (PAIR, SCORES, changed(WEIGHTS, 5, np.nan)),
    "a bad scalar weight": (LABELS, SCORES, np.array([-1.0])),
    "indptr decreases": ((changed(PAIR[0], 2, 99), PAIR[1]), SCORES, None),
    "indptr does not start at 0": ((changed(PAIR[0], 0, 1), PAIR[1]), SCORES, None),
    "negative indptr": ((changed(PAIR[0], 0, -1), PAIR[1]), SCORES, None),
    "too few indices": ((PAIR[0], PAIR[1][:-1]), SCORES, WEIGHTS),
    "indptr of a huge unsigned": ((changed(PAIR[0].astype("u8"), 3, 2**63), PAIR[1]), SCORES, None),
    "a row without labels": (LABELS, SCORES, None),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_updates_are_left_out_whole_and_named(name):
    labels, scores, weights = BAD[name]
    expected = raised(lambda: average_precision(empty="raise").update(labels, scores, weights))
    assert expected[0] is ValueError
    device = there(labels), there(scores), there(weights)
    call = raised(lambda: fastpr.average_precision_at_k(*device[:2], 2, device[2], empty="raise"))
    assert call == expected
    good = LABELS[:2], SCORES[:2], WEIGHTS[:2]
    state = average_precision(empty="raise").update(*good).update(*map(there, good))
    state.update(*device)
    state.update(*map(there, good))
    assert raised(state.compute) == (
        ValueError, f"update 3 holds bad data and was left out: {expected[1]}",
    )  # fmt: skip
    assert state == average_precision(empty="raise").update(*good).update(*good).update(*good)


def test_several_bad_updates_are_named_together_or_forgotten():
    state = average_precision()
    for sign in (1, -1, 1, -1):
        state.update(there(LABELS), there(SCORES), there(sign * WEIGHTS))
    with pytest.raises(ValueError, match=r"^updates 2 and 4 hold bad data and were left out"):
        state.to_bytes()
    expected = average_precision().update(LABELS, SCORES, WEIGHTS)
    assert state == expected + expected
    state.update(there(LABELS), there(SCORES), there(-WEIGHTS))
    state.reset()
    assert state == average_precision()
    state.update(there(LABELS), there(SCORES), there(-WEIGHTS))
    with pytest.raises(ValueError, match=r"^update 1 holds bad data"):
        state.compute()


def test_an_update_that_raises_at_once_leaves_the_state_as_it_was():
    state = average_precision().update(there(LABELS), there(SCORES))
    for labels, scores, weights in [
        (LABELS[1:], SCORES, None), (LABELS > 0, SCORES, None), (LABELS, SCORES > 0, None),
        (LABELS, SCORES[:, :1], None), (LABELS, SCORES, WEIGHTS[1:]),
    ]:  # fmt: skip
        expected = raised(lambda: average_precision().update(labels, scores, weights))  # noqa: B023
        update = there(labels), there(scores), there(weights)
        assert raised(lambda: state.update(*update)) == expected  # noqa: B023
    assert state == average_precision().update(LABELS, SCORES)


# ---- streams of updates ----


@pytest.mark.parametrize("limits", [(1 << 24, 1 << 10), (40, 1 << 10), (1 << 24, 2), (1, 1)])
def test_host_and_device_updates_mix(monkeypatch, limits):
    monkeypatch.setattr(rank_device, "MAX_ENTRIES", limits[0])
    monkeypatch.setattr(work_device, "MAX_PIECES", limits[1])
    state, expected = average_precision(), average_precision()
    for index, labels in enumerate([LABELS, PAIR, LABELS[:, 1], PAIR, LABELS]):
        expected.update(labels, SCORES, WEIGHTS)
        if index % 2:
            state.update(labels, SCORES, WEIGHTS)
        else:
            state.update(there(labels), there(SCORES), there(WEIGHTS))
        waiting = state._pending._work._waiting
        assert len(waiting) == 1 or len(waiting) <= limits[1]
    assert (state.num_rows, state.num_empty) == (expected.num_rows, expected.num_empty)
    assert state == expected


def test_states_with_updates_on_a_device_are_merged_copied_and_pickled():
    def one():
        return average_precision().update(there(LABELS), there(SCORES), there(WEIGHTS))

    expected = average_precision().update(LABELS, SCORES, WEIGHTS)
    assert one() == expected
    assert one() + one() == expected + expected
    assert copy.deepcopy(one()) == copy.copy(one()) == expected
    assert pickle.loads(pickle.dumps(one())) == expected
    assert repr(one()) == repr(expected)
    assert one().merge(one(), expected) == expected + expected + expected
