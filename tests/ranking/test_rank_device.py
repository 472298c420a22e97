"""Rankings of rows on a device, above the kernels: sums, what waits, what is refused."""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest
import rank_stand_in
from device_doubles import Cupy
from rank_stand_in import on_device
from ranking_contract import BACKENDS, STATES, bits
from ranking_rows import LABEL_WEIGHTS, NUM_CLASSES, dtype_of, pair, row_weights, small_rows

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics
from fastpr.ranking.ranks import device as rank_device
from fastpr.ranking.rows import device as device_rows

HOST = [name for name in BACKENDS if name != "cuda"]
RAW_SCORES, ROWS = small_rows()
SCORES = RAW_SCORES[:40]
LABELS = np.array([row[:1] + row[-1:] for row in ROWS[:40]])
PAIR = pair(ROWS[:40])
WEIGHTS = row_weights(40)
K = 4


@pytest.fixture(autouse=True)
def devices(monkeypatch):
    monkeypatch.delenv("FASTPR_BACKEND", raising=False)
    return rank_stand_in.install(monkeypatch)


@pytest.fixture
def device(devices):
    return devices[0]


def there(*arrays):
    return [None if array is None else on_device(array) for array in arrays]


# ---- functions ----

FUNCTIONS = {
    "average_precision_at_k": {},
    "precision_at_k": {"label_weights": LABEL_WEIGHTS},
    "recall_at_k": {"average": "micro"},
    "ndcg_at_k": {},
    "reciprocal_rank_at_k": {},
    "hit_rate_at_k": {},
}


@pytest.mark.parametrize("ties", ["index", "optimistic", "pessimistic", "expected"])
@pytest.mark.parametrize("labels", [LABELS, PAIR, LABELS[:, 0]], ids=["dense", "ragged", "single"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_return_what_they_return_of_host_arrays(name, labels, ties):
    function, options = getattr(fastpr, name), FUNCTIONS[name]
    for more in ({}, {"empty": "one"}, {"per_row": True}):
        arguments = {"k": K, "ties": ties, **options, **more}
        expected = function(labels, SCORES, weights=WEIGHTS, **arguments)
        found = function(*there(labels, SCORES), weights=Cupy(WEIGHTS), **arguments)
        assert type(found) is type(expected)
        assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64", "uint8"])
def test_scores_of_every_dtype_are_ranked(kind):
    scores = np.random.default_rng(0).integers(0, 9, (7, 3, 6)).astype(dtype_of(kind))
    labels = np.random.default_rng(1).integers(-1, 7, (7, 3, 2)).astype(np.uint16)
    expected = fastpr.average_precision_at_k(labels, scores, 3, per_row=True)
    for at in (slice(None), slice(None, None, -1), slice(1, None, 2)):
        found = fastpr.average_precision_at_k(
            *there(labels[at], scores[at]), 3, per_row=True
        )  # fmt: skip
        assert found.tobytes() == expected[at].tobytes()


@pytest.mark.parametrize("most", [1, 100, 1 << 24])
@pytest.mark.parametrize("ties", ["index", "optimistic", "pessimistic", "expected"])
@pytest.mark.parametrize("labels", [LABELS, PAIR], ids=["dense", "ragged"])
def test_label_ranks_are_those_of_host_arrays(monkeypatch, labels, ties, most):
    monkeypatch.setattr(device_rows, "MAX_PIECE", most)
    monkeypatch.setattr(rank_device, "MAX_ENTRIES", most)
    expected = fastpr.label_ranks(labels, SCORES, K, ties=ties)
    found = fastpr.label_ranks(*there(labels, SCORES), K, ties=ties)
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is None:
            assert ours is None
        else:
            assert (ours.dtype, ours.tolist()) == (theirs.dtype, theirs.tolist())


def test_weights_of_many_axes_are_read():
    lead = (2, 1, 2, 3, 1, 2, 2)
    rng = np.random.default_rng(0)
    scores, labels = rng.random((*lead, 4)), rng.integers(0, 4, lead)
    weights = rng.random((2, 2, 2, 3, 2, 2, 4))[:, :1, :, ::-1, 1:, :, ::2]
    expected = fastpr.average_precision_at_k(labels, scores, 3, weights)
    assert fastpr.average_precision_at_k(*there(labels, scores), 3, *there(weights)) == expected


def raised(call):
    with pytest.raises((ValueError, TypeError, OverflowError)) as caught:
        call()
    return type(caught.value), str(caught.value)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


BAD = {
    "negative weight": (LABELS, SCORES, changed(WEIGHTS, 7, -2)),
    "NaN as a weight": (LABELS, SCORES, changed(WEIGHTS, 39, np.nan)),
    "infinite weight": (PAIR, SCORES, changed(WEIGHTS, 0, np.inf)),
    "a bad scalar weight": (LABELS, SCORES, np.array([-1.0])),
    "a negative integer": (LABELS, SCORES, changed(WEIGHTS > 0, 3, 0).astype(np.int8) - 1),
    "indptr decreases": ((changed(PAIR[0], 5, 99), PAIR[1]), SCORES, None),
    "indptr does not start at 0": ((changed(PAIR[0], 0, 1), PAIR[1]), SCORES, None),
    "negative indptr": ((changed(PAIR[0], 0, -1), PAIR[1]), SCORES, WEIGHTS),
    "too few indices": ((PAIR[0], PAIR[1][:-1]), SCORES, changed(WEIGHTS, 7, -2)),
    "indptr is far off": ((changed(PAIR[0], -1, 2**62), PAIR[1]), SCORES, None),
    "indptr of a huge unsigned": ((changed(PAIR[0].astype("u8"), 3, 2**63), PAIR[1]), SCORES, None),
    "a row without labels": (LABELS, SCORES, None),
    "one of several axes": (
        LABELS.reshape(2, 4, 5, 2),
        SCORES.reshape(2, 4, 5, 6),
        WEIGHTS.reshape(2, 4, 5),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_functions_raise_at_once_what_they_raise_of_host_arrays(name):
    labels, scores, weights = BAD[name]
    expected = raised(
        lambda: fastpr.average_precision_at_k(labels, scores, K, weights, empty="raise")
    )
    found = raised(
        lambda: fastpr.average_precision_at_k(
            *there(labels, scores), K, *there(weights), empty="raise"
        )
    )
    assert found == expected
    if isinstance(labels, tuple) and weights is None:
        assert raised(lambda: fastpr.label_ranks(*there(labels, scores), K)) == expected


HUGE = np.full(6, 1e308)


def test_an_overflow_is_raised_at_once():
    arguments = {"k": K, "label_weights": HUGE / 16, "empty": "one", "average": "micro"}
    weights = np.full(40, 1e10)
    expected = raised(lambda: fastpr.precision_at_k(LABELS, SCORES, weights=weights, **arguments))
    assert expected[0] is OverflowError
    assert expected == raised(
        lambda: fastpr.precision_at_k(*there(LABELS, SCORES), weights=Cupy(weights), **arguments)
    )


# ---- states ----


@pytest.fixture(params=STATES)
def new(request):
    """Each kind of state, as a function that makes one."""
    make = STATES[request.param]
    scored = "scored" in request.param

    def new_state(**options):
        if scored:
            average = "rows" if request.param.endswith("rows") else "micro"
            return RankingMetrics(K, label_weights=LABEL_WEIGHTS, average=average, **options)
        return type(make())(K, **options)

    return new_state


OPTIONS = [
    *({"ties": ties} for ties in ("index", "optimistic", "pessimistic", "expected")),
    *({"denominator": name} for name in ("relevant", "hits", "k")),
    *({"empty": name} for name in ("zero", "one", "nan")),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("labels", [LABELS, PAIR], ids=["dense", "ragged"])
def test_states_have_the_bytes_of_host_updates(new, labels, options):
    for weights in (None, WEIGHTS, np.float32(0.3), WEIGHTS.astype(ml_dtypes.bfloat16)):
        expected = new(**options).update(labels, SCORES, weights)
        state = new(**options)
        assert state.update(*there(labels, SCORES, weights)) is state
        assert state.to_bytes() == expected.to_bytes()
        assert bits(state.compute()) == bits(expected.compute())


@pytest.mark.parametrize("backend", [None, *HOST])
def test_host_and_device_updates_mix(new, monkeypatch, backend):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 30)
    expected, state = new(), new()
    for start, stop in ((0, 7), (7, 7), (7, 30), (30, 40)):
        part = LABELS[start:stop], SCORES[start:stop], WEIGHTS[start:stop]
        expected.update(*part)
        if start == 0 and backend is not None:
            host = new(backend=backend).update(*part)
            state.merge(host)
        elif start == 7:
            state.update(*there(*part))
        else:
            state.update(*part)
    if backend is None:
        assert (state.num_rows, state.num_empty) == (expected.num_rows, expected.num_empty)
    assert state == expected
    assert state + state == expected + expected


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_updates_wait_for_nothing(new, device, weights):
    state = new(empty="raise")
    for _ in range(5):
        state.update(*there(LABELS, SCORES, weights))
    state.update(*there(PAIR, SCORES, weights))
    assert (len(device.ranks), device.num_waits) == (6, 0)
    with pytest.raises(ValueError, match=r"^updates 1, 2, 3, 4, 5 and 6 hold bad data"):
        state.compute()
    assert device.num_waits == 6 + (6 if weights is not None else 0) + 1
    assert state.num_rows == 0
    assert device.num_waits == 6 + (6 if weights is not None else 0) + 1


READERS = {
    "compute": lambda state: state.compute(),
    "result": lambda state: state.result(),
    "to_bytes": lambda state: state.to_bytes(),
    "num_rows": lambda state: state.num_rows,
    "num_empty": lambda state: state.num_empty,
    "repr": repr,
    "==": lambda state: state == state,
    "merge": lambda state: AveragePrecisionAtK(K).merge(state),
    "merge into": lambda state: state.merge(AveragePrecisionAtK(K)),
    "+": lambda state: state + AveragePrecisionAtK(K),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("name", READERS)
def test_whatever_reads_the_state_raises_once(device, name):
    state = AveragePrecisionAtK(K)
    state.update(*there(LABELS, SCORES)).update(*there(LABELS, SCORES, -WEIGHTS))
    assert device.num_waits == 0
    with pytest.raises(ValueError, match=r"^update 2 holds bad data and was left out: weights"):
        READERS[name](state)
    READERS[name](state)
    assert state == AveragePrecisionAtK(K).update(LABELS, SCORES)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_update_is_left_out_whole(new, monkeypatch, name):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 12)
    labels, scores, weights = BAD[name]
    good = np.zeros((3, 2), int), SCORES[:3], WEIGHTS[:3]
    expected = raised(lambda: new(empty="raise").update(labels, scores, weights))
    assert expected[0] is ValueError
    state = new(empty="raise").update(*good).update(*there(*good))
    state.update(*there(labels, scores, weights))
    state.update(*there(*good))
    assert raised(state.compute) == (
        ValueError, f"update 3 holds bad data and was left out: {expected[1]}",
    )  # fmt: skip
    assert state == new(empty="raise").update(*good).update(*good).update(*good)


def test_several_bad_updates_are_named_together(new):
    state = new()
    for index, weights in enumerate([WEIGHTS, -WEIGHTS, WEIGHTS, WEIGHTS * np.nan]):
        labels = (PAIR[0] + 1, PAIR[1]) if index == 2 else PAIR
        state.update(*there(labels, SCORES, weights))
    kind, text = raised(state.compute)
    assert kind is ValueError
    assert text.startswith("updates 2, 3 and 4 hold bad data and were left out. Update 2: weights")
    assert "Update 3: the indptr of labels starts at 1, not at 0" in text
    assert state == new().update(PAIR, SCORES, WEIGHTS)


def test_an_overflow_of_an_update_leaves_it_out():
    state = RankingMetrics(K, label_weights=HUGE / 16)
    state.update(*there(LABELS, SCORES)).update(*there(LABELS, SCORES, np.full(40, 1e10)))
    with pytest.raises(ValueError, match=r"^update 2 holds bad .* do not fit into float64"):
        state.compute()
    assert state == RankingMetrics(K, label_weights=HUGE / 16).update(LABELS, SCORES)


def test_what_can_be_said_at_once_is(new, device):
    state = new().update(LABELS[1:9], SCORES[1:9])
    before = state.to_bytes()
    for labels, scores, weights in [
        (LABELS, SCORES[:, :3], None),  # k is above the classes
        (LABELS, np.repeat(SCORES, 2, 1), None)
        if "scored" in repr(state)
        else (PAIR, LABELS, None),
        (LABELS[1:], SCORES, None),
        ((PAIR[0][1:], PAIR[1]), SCORES, None),
        (LABELS, SCORES, np.ones((40, 1))),
    ]:
        expected = raised(lambda: new().update(labels, scores, weights))  # noqa: B023
        assert raised(lambda: state.update(*there(labels, scores, weights))) == expected  # noqa: B023
    assert not device.requests
    assert state.to_bytes() == before


def test_label_weights_are_checked_at_once(device):
    state = RankingMetrics(K, label_weights=np.ones(9))
    with pytest.raises(ValueError, match=r"^label_weights of 9 classes do not go"):
        state.update(*there(LABELS, SCORES))
    assert not device.requests


def test_updates_of_no_rows_leave_no_trace(new, device):
    state = new(empty="raise")
    for lead in [(0,), (3, 0), (0, 2)]:
        labels, scores = np.zeros((*lead, 2), int), np.zeros((*lead, NUM_CLASSES), np.float32)
        state.update(*there(labels, scores)).update(*there(labels, scores, np.ones(lead)))
        state.update(*there((np.zeros(1, int), np.arange(3)), scores))
    assert state == new(empty="raise")
    assert not device.requests
    state.update(*there(labels, scores, np.array(-1.0)))
    state.update(*there((np.ones(1, int), np.arange(3)), scores))
    with pytest.raises(ValueError, match=r"^updates 10 and 11 hold bad data"):
        state.compute()


def test_reset_forgets_what_waits_and_what_is_bad(new, device):
    state = new().update(*there(LABELS, SCORES)).update(*there(LABELS, SCORES, -WEIGHTS))
    state.reset()
    assert state == new()
    state.update(*there(LABELS, SCORES)).update(*there(LABELS, SCORES, -WEIGHTS))
    with pytest.raises(ValueError, match=r"^update 2 holds bad data"):
        state.compute()
    assert state == new().update(LABELS, SCORES)


@pytest.mark.parametrize("ties", ["index", "optimistic", "pessimistic", "expected"])
@pytest.mark.parametrize("lead", [(0,), (2, 0)])
def test_ranks_of_no_rows(ties, lead):
    labels, scores = np.zeros((*lead, 3), np.int64), np.zeros((*lead, 7), np.float32)
    expected = fastpr.label_ranks(labels, scores, 5, ties=ties, backend="reference")
    actual = fastpr.label_ranks(on_device(labels), on_device(scores), 5, ties=ties)
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
