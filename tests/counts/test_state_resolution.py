"""States that count finer than they report: bins between thresholds, and one for each value."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import oracle
import pytest
from backend_rows import using
from cases import near_thresholds, specials
from compare import assert_close_sums, assert_same_bits, assert_same_data
from hypothesis import given
from hypothesis import strategies as st
from tiers import examples

from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.counts.state import fine_table

COUNTED = ["uint8", "uint16", "float16", "bfloat16"]
NUM_VALUES = {"uint8": 256, "uint16": 65_536, "float16": 15_361, "bfloat16": 16_257}
FINE = [(2, 5), (11, 20), (201, 20), (201, 327), (4001, 16), (2, 65_536)]
RANDOM = np.random.default_rng(6)


def labels_of(num: int) -> np.ndarray:
    return np.random.default_rng(num).random(num) < 0.4


def some_scores(kind: str, num: int = 5000) -> np.ndarray:
    """Random values in [0, 1], each twice or more, with both ends."""
    scores = np.concatenate([[0, 0, 1, 1], np.tile(RANDOM.random(num // 2), 2)])
    if kind in oracle.INTEGERS:
        return np.rint(scores * oracle.INTEGERS[kind][1]).astype(kind)
    return scores.astype(oracle.dtype_of(kind))


def stored(scores: np.ndarray) -> np.ndarray:
    """Scores as the numbers of their values: as integers, or as their bits."""
    if scores.dtype.kind == "u":
        return scores
    bits = scores.view(np.uint16)
    return np.where(bits == 0x8000, 0, bits)


def exact_table(labels: np.ndarray, scores: np.ndarray, num_values: int) -> np.ndarray:
    number = stored(scores).astype(np.int64)
    keep = number < num_values
    cells = labels[keep] * num_values + number[keep]
    return np.bincount(cells, minlength=2 * num_values).reshape(2, num_values)


# ---- bins between thresholds ----


@pytest.mark.parametrize(("num_thresholds", "per_threshold"), FINE)
@pytest.mark.parametrize("kind", oracle.KINDS)
def test_what_is_computed_does_not_depend_on_finer_bins(
    kind: str, num_thresholds: int, per_threshold: int
) -> None:
    scores = near_thresholds(kind, num_thresholds)
    labels = labels_of(len(scores))
    state = State(num_thresholds, bins_per_threshold=per_threshold).update(labels, scores)
    assert_same_data(state.compute(), State(num_thresholds).update(labels, scores).compute())
    assert_same_data(state.result(), state.compute())
    num_bins = (num_thresholds - 1) * per_threshold + 1
    fine = State(num_bins, backend="reference").update(labels, scores)
    assert_same_bits(fine_table(state), fine_table(fine))
    assert_same_bits(state.thresholds, State(num_thresholds).thresholds)
    assert state.num_samples == len(scores)


@pytest.mark.parametrize("kind", ["uint8", "float16", "float32", "float64"])
def test_finer_bins_of_any_backend_are_the_same(row: str, kind: str) -> None:
    scores = some_scores(kind)
    labels = labels_of(len(scores))
    with using(row) as backend:
        state = State(11, bins_per_threshold=300, backend=backend).update(labels, scores)
    assert_same_bits(fine_table(state), oracle.table(labels, scores, kind, 3001))


@pytest.mark.parametrize("per_threshold", [2, 3, 20, 327])
def test_weights_are_summed_as_well_as_in_wide_bins(per_threshold: int) -> None:
    scores = some_scores("float32", 60_000)
    labels, weights = labels_of(len(scores)), RANDOM.choice([0.1, 1e-3, 1e6, 0.7], len(scores))
    state = State(201, bins_per_threshold=per_threshold)
    for part in np.array_split(np.arange(len(scores)), 7):
        state.update(labels[part], scores[part], weights[part])
    exact = oracle.weighted_table(labels, scores, weights, "float32", 201)
    actual = state.compute()
    assert_close_sums(actual.tp, [np.sum(exact[1, i:].astype(np.longdouble)) for i in range(201)])
    whole = np.round(weights * 10)
    fine = State(201, bins_per_threshold=per_threshold).update(labels, scores, whole)
    assert_same_data(fine.compute(), State(201).update(labels, scores, whole).compute())


# ---- a bin for each value ----


@pytest.mark.parametrize("kind", COUNTED)
def test_every_value_has_a_bin_of_its_own(row: str, kind: str) -> None:
    """Every bit pattern of the dtype once, some of them more often, and what is not in [0, 1]."""
    if kind in oracle.INTEGERS:
        scores = np.arange(oracle.INTEGERS[kind][1] + 1).astype(kind)
    else:
        scores = np.arange(1 << 16).astype(np.uint16).view(oracle.dtype_of(kind))
    scores = np.concatenate([scores, scores[::3], np.repeat(scores[7:9], 5000)])
    labels = labels_of(len(scores))
    with using(row) as backend:
        state = State(201, resolution="exact", invalid="drop", backend=backend)
        state.update(labels, scores)
    expected = exact_table(labels, scores, NUM_VALUES[kind])
    assert_same_bits(fine_table(state), expected)
    assert state.num_dropped == len(scores) - expected.sum()
    assert state.dtypes == (kind,)


@pytest.mark.parametrize("kind", COUNTED)
@pytest.mark.parametrize("shape", ["coherent", "one value", "two values"])
def test_common_values_are_counted_apart(row: str, kind: str, shape: str) -> None:
    """What the kernels have shorter ways for: few values, and runs of them."""
    num, values = 3000, some_scores(kind, 40)
    scores = {
        "coherent": np.repeat(values, num // len(values) + 1)[:num],
        "one value": np.full(num, values[5]),
        "two values": np.where(RANDOM.random(num) < 0.5, values[6], values[7]),
    }[shape].astype(values.dtype)
    labels = labels_of(num)
    with using(row) as backend:
        state = State(3, resolution="exact", backend=backend).update(labels, scores)
        weighted = State(3, resolution="exact", backend=backend).update(labels, scores, labels + 2)
    expected = exact_table(labels, scores, NUM_VALUES[kind])
    assert_same_bits(fine_table(state), expected)
    assert_same_bits(fine_table(weighted), expected * np.array([[2.0], [3.0]]))


@pytest.mark.parametrize("kind", COUNTED)
@pytest.mark.parametrize("num_thresholds", [2, 3, 11, 201, 1001, 4001, 65_537])
def test_what_is_computed_does_not_depend_on_the_resolution(kind: str, num_thresholds: int) -> None:
    scores = near_thresholds(kind, num_thresholds)
    labels, weights = labels_of(len(scores)), RANDOM.integers(0, 9, len(scores))
    for given_weights in (None, weights):
        state = State(num_thresholds, resolution="exact").update(labels, scores, given_weights)
        expected = State(num_thresholds).update(labels, scores, given_weights)
        assert_same_data(state.compute(), expected.compute())


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_scores_outside_are_dropped_or_an_error(row: str, kind: str) -> None:
    scores = specials(kind)
    labels = labels_of(len(scores))
    with using(row) as backend:
        state = State(11, resolution="exact", invalid="drop", backend=backend)
        state.update(labels, scores)
        strict = State(11, resolution="exact", backend=backend)
        with pytest.raises(ValueError, match="not in"):
            strict.update(labels, scores)
    assert_same_bits(fine_table(state), exact_table(labels, scores, NUM_VALUES[kind]))
    assert strict == State(11, resolution="exact")
    assert state.num_dropped == len(scores) - state.num_samples


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_of_too_many_values_are_refused(dtype: str) -> None:
    state = State(resolution="exact").update([1], np.uint8([3]))
    before = state.to_bytes()
    with pytest.raises(TypeError) as caught:
        state.update([1], np.array([0.5], dtype))
    assert str(caught.value) == (
        f"predictions have dtype {dtype}, and resolution='exact' is for uint8, uint16, float16 and "
        "bfloat16, whose values can be counted one by one; pass bins_per_threshold for finer bins "
        "of such scores, or use fastpr.exact, which sorts them"
    )
    assert state.to_bytes() == before


def test_a_second_dtype_is_refused_and_both_are_named() -> None:
    state = State(resolution="exact").update([1, 0], np.uint8([3, 4]))
    other = State(resolution="exact").update([1, 0], np.float16([0.5, 0.25]))
    before = state.to_bytes(), other.to_bytes()
    for mix in (
        lambda: state.update([1], np.float16([0.5])),
        lambda: state.update([1], np.float16([0.5]), 2.5),
        lambda: state.merge(other),
        lambda: state.merge(State(resolution="exact"), other),
        lambda: state + other,
        lambda: sum([state, other]),
        lambda: state - other,
    ):
        with pytest.raises(ValueError) as caught:
            mix()
        assert str(caught.value) == (
            "with resolution='exact' a state counts the values of one dtype; it has seen scores "
            "of uint8, and these are of float16; keep one state for each dtype"
        )
        assert (state.to_bytes(), other.to_bytes()) == before


@pytest.mark.parametrize("kind", COUNTED)
def test_the_layout_is_that_of_the_first_samples_that_count(kind: str) -> None:
    state = State(11, resolution="exact", invalid="drop")
    state.update([], [])  # float64, and nothing
    state.update(np.zeros(0, bool), np.zeros(0, np.float32), 2.0)
    state.update([1], np.float16([np.nan]))
    state.update([1, 0], np.uint16([1, 2]), [0, 0])
    state.update([1, 0], np.uint8([1, 2]), 0)
    assert state.dtypes == ()
    assert (state.num_samples, state.num_dropped) == (0, 1)
    assert state.compute().tp.tolist() == [0] * 11
    scores = some_scores(kind)
    state.update(labels_of(len(scores)), scores)
    assert state.dtypes == (kind,)
    state.update([], [])
    dropped = State(11, resolution="exact", invalid="drop").update([1], np.float16([2.0]))
    assert (state + dropped).num_dropped == 2
    if kind != "float16":
        with pytest.raises(ValueError, match="has seen scores of"):
            state.update([1], np.float16([2.0]))  # whatever its values are
    state.reset()
    assert state.dtypes == ()
    assert state.update([1], np.uint8([7])).dtypes == ("uint8",)


@pytest.mark.parametrize("kind", COUNTED)
def test_an_empty_state_is_the_identity_of_merge(kind: str) -> None:
    scores = some_scores(kind)
    state = State(11, resolution="exact").update(labels_of(len(scores)), scores)
    before = state.to_bytes()
    empty = State(11, resolution="exact")
    for total in (empty + state, state + empty, copy.copy(empty).merge(state), state.merge(empty)):
        assert total.to_bytes() == before
    assert (empty + empty).to_bytes() == empty.to_bytes()
    assert empty.dtypes == ()


@examples(60)
@given(st.data(), st.sampled_from(COUNTED))
def test_any_split_and_order_gives_the_same_bytes(data: st.DataObject, kind: str) -> None:
    numbers = data.draw(st.lists(st.integers(0, NUM_VALUES[kind] - 1), max_size=30))
    scores = np.array(numbers, np.uint16)
    scores = scores.astype(kind) if kind in oracle.INTEGERS else scores.view(oracle.dtype_of(kind))
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=30, max_size=30)))[: len(scores)]
    order = data.draw(st.permutations(range(len(scores))))
    parts = np.array_split(np.array(order, int), data.draw(st.integers(1, 5)))
    states = [State(5, resolution="exact").update(labels[p], scores[p]) for p in parts]
    whole = State(5, resolution="exact").update(labels, scores)
    assert sum(states).to_bytes() == whole.to_bytes()
    assert State.from_bytes(whole.to_bytes()) == whole


# ---- options ----


def test_options_can_be_read_and_are_shown() -> None:
    fine = State(11, bins_per_threshold=4)
    assert (fine.num_thresholds, fine.bins_per_threshold, fine.resolution) == (11, 4, "thresholds")
    assert repr(fine) == (
        "PrecisionRecallAtEqualThresholds(num_thresholds=11, bins_per_threshold=4, num_samples=0, "
        "num_positives=0)"
    )
    exact = State(11, resolution="exact", name="a").update([1], np.uint8([7]))
    assert (exact.bins_per_threshold, exact.resolution) == (1, "exact")
    assert repr(exact) == (
        "PrecisionRecallAtEqualThresholds(num_thresholds=11, resolution='exact', name='a', "
        "num_samples=1, num_positives=1)"
    )
    for name in ("bins_per_threshold", "resolution", "dtypes"):
        with pytest.raises(AttributeError):
            setattr(exact, name, 7)
    for twin in (copy.copy(exact), copy.deepcopy(exact), pickle.loads(pickle.dumps(exact))):
        assert twin == exact
        assert twin.resolution == "exact"
    assert pickle.loads(pickle.dumps(fine)).bins_per_threshold == 4


@pytest.mark.parametrize(
    "options",
    [{"bins_per_threshold": 0}, {"bins_per_threshold": 328}, {"resolution": "fine"},
     {"resolution": "exact", "bins_per_threshold": 2}],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        State(201, **options)


def test_bins_are_options_that_have_to_be_equal() -> None:
    states = [State(11), State(11, bins_per_threshold=2), State(11, resolution="exact")]
    differences = {
        (0, 1): "bins_per_threshold 1 and 2",
        (0, 2): "resolution thresholds and exact",
        (1, 2): "bins_per_threshold 2 and 1, resolution thresholds and exact",
    }
    for (i, j), text in differences.items():
        assert states[i] != states[j]
        with pytest.raises(ValueError) as caught:
            states[i].merge(states[j])
        assert str(caught.value) == f"states with different options cannot be merged: {text}"
    assert State(21) != State(11, bins_per_threshold=2)
