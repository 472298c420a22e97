"""Merging states of rankings is addition: any way gives the same bytes, whatever the weights."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranking_contract import BACKENDS, LABEL_WEIGHTS, LABELS, SCORES, STATES, bits
from state_contract import merged_anyhow
from tiers import examples

import fastpr
from fastpr import RankingMetrics

New = Callable[..., Any]


@pytest.fixture(params=STATES)
def new(request: pytest.FixtureRequest) -> New:
    """Each kind of state, as a function that makes one."""
    return STATES[request.param]


# ---- any split, order, tree, mix of backends and number of threads ----

ROW = st.tuples(
    st.lists(st.sampled_from([0.0, -0.0, 0.5, 1.0, -1e30, float("nan")]), min_size=5, max_size=5),
    st.lists(st.integers(-1, 5), max_size=4),
    st.one_of(st.floats(0, 1e300), st.sampled_from([0.0, 5e-324, 1.0])),
)


def count(new: New, options: dict[str, Any], part: list[Any], backend: str) -> Any:
    state = new(backend=backend, **options)
    scores = np.array([row[0] for row in part], np.float64).reshape(-1, 5)
    return state.update([row[1] for row in part], scores, np.array([row[2] for row in part]))


@examples(25)
@given(data=st.data())
@pytest.mark.parametrize("kind", STATES)
def test_any_way_gives_the_same_bytes(kind: str, data: st.DataObject) -> None:
    new = STATES[kind]
    rows = data.draw(st.lists(ROW, max_size=12))
    options = {
        "ties": data.draw(st.sampled_from(["index", "optimistic", "pessimistic", "expected"])),
        "empty": data.draw(st.sampled_from(["skip", "zero", "one", "nan"])),
        "denominator": data.draw(st.sampled_from(["min", "relevant", "k"])),
    }
    expected = count(new, options, rows, "reference")
    actual = merged_anyhow(data, rows, partial(count, new, options))
    assert actual.to_bytes() == expected.to_bytes()
    assert bits(actual.compute()) == bits(expected.compute())


@pytest.mark.parametrize("num_rows", [0, 1, 7, 100, 4096])
@pytest.mark.parametrize("ties", ["index", "expected"])
def test_grids_of_splits_give_the_same_bytes(new: New, num_rows: int, ties: str) -> None:
    random = np.random.default_rng(num_rows)
    scores = random.integers(0, 9, (num_rows, 5)).astype(np.float16)
    labels = random.integers(-1, 6, (num_rows, 3))
    weights = random.random(num_rows) * 2.0 ** random.integers(-40, 40, num_rows)
    whole = new(ties=ties).update(labels, scores, weights).to_bytes()
    for step in (max(1, num_rows // 8), 1000, 5000):
        parts = [
            new(ties=ties, backend=BACKENDS[start % len(BACKENDS)]).update(
                labels[start : start + step], scores[start : start + step],
                weights[start : start + step],
            )
            for start in range(0, num_rows, step)
        ]  # fmt: skip
        assert reduce(operator.add, parts, new(ties=ties)).to_bytes() == whole
        assert new(ties=ties).merge(*reversed(parts)).to_bytes() == whole


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_number_of_threads_changes_no_byte(new: New, backend: str) -> None:
    random = np.random.default_rng(7)
    num_rows, num_classes = (3000, 1000) if backend != "reference" else (1200, 1000)
    scores = random.standard_normal((num_rows, num_classes), np.float32)
    labels = random.integers(0, num_classes, (num_rows, 4))
    weights = random.random(num_rows)
    options = (
        {"label_weights": random.random(num_classes)} if "label_weights" in repr(new()) else {}
    )
    kind = type(new())
    found = set()
    for num_threads in (1, 2, 5):
        fastpr.set_num_threads(num_threads)
        try:
            state = kind(50, backend=backend, **options).update(labels, scores, weights)
        finally:
            fastpr.set_num_threads(None)
        found.add(state.to_bytes())
    assert len(found) == 1


def test_label_weights_of_equal_values_merge_whatever_their_dtype() -> None:
    a = RankingMetrics(2, label_weights=np.array([1, 2, 3, 4, 0], np.uint8)).update(LABELS, SCORES)
    b = RankingMetrics(2, label_weights=[1.0, 2.0, 3.0, 4.0, -0.0]).update(LABELS, SCORES)
    assert (a + b).num_rows == 12
    assert a == b
    assert RankingMetrics(2, label_weights=LABEL_WEIGHTS) != RankingMetrics(
        2, label_weights=[1] * 5
    )
