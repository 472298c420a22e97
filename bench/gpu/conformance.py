"""The adversarial cases of the tests, put on the device, against the oracles of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import fastpr
from fastpr.curves.ratios import precision_recall
from gpu.arrays import plain, put
from gpu.place import Place, Scale
from gpu.results import Results

Shard = tuple[int, int]


def _dtype_name(value: Any) -> str:
    return str(getattr(value, "dtype", type(value).__name__))


def _of_shard(cases: Iterable[Any], shard: Shard, form_of: Callable[[Any], str]) -> list[Any]:
    """Return the cases of one process: those of one dtype stay together, to be compiled once."""
    cases = list(cases)
    forms = sorted({form_of(case) for case in cases})
    mine = set(forms[shard[0] :: shard[1]])
    return [case for case in cases if form_of(case) in mine]


# ---- histograms ----


def _is_number(value: Any) -> bool:
    """Whether weights are such as can be on the host, whatever the scores are."""
    return value is None or not isinstance(value, np.ndarray) or value.size == 1


def _check_counts(place: Place, case: Any, is_weighted: bool) -> None:
    import oracle
    from compare import assert_same_data

    labels = plain(case.labels)
    if not labels.size and labels.dtype.kind == "f":  # a list without anything in it
        labels = labels.astype(bool)
    weights = case.weights if _is_number(case.weights) else put(case.weights, place)
    state = fastpr.PrecisionRecallAtEqualThresholds(case.num_thresholds, invalid=case.invalid)
    state.update(put(labels, place), put(case.scores, place), weights)
    actual = state.compute()
    arrays = case.labels, case.scores
    if is_weighted:
        full = np.broadcast_to(case.weights, np.shape(case.scores)).astype(np.float64)
        expected = oracle.weighted_table(*arrays, full, case.kind, case.num_thresholds)
        if not expected.any():
            assert state == fastpr.PrecisionRecallAtEqualThresholds(case.num_thresholds)
            return
    else:
        expected = oracle.table(*arrays, case.kind, case.num_thresholds)
        dropped = np.size(case.scores) - expected.sum()
        assert state.num_dropped == dropped, f"dropped {state.num_dropped}, not {dropped}"
    assert_same_data(actual, precision_recall(expected))


def score_cases(place: Place, scale: Scale, results: Results, shard: Shard) -> None:
    """Check the counts of every case, bit for bit."""
    from cases import CASES

    mine = _of_shard(CASES.values(), shard, lambda case: case.kind + _dtype_name(case.labels))
    for case in mine[:: scale.step]:
        results.check("tests/cases.py", case.name, lambda case=case: (
            _check_counts(place, case, False)
        ))  # fmt: skip


def weighted_cases(place: Place, scale: Scale, results: Results, shard: Shard) -> None:
    """Check the sums of every case of whole weights, bit for bit."""
    from cases import WEIGHTED_CASES

    def form_of(case: Any) -> str:
        return case.kind + _dtype_name(case.weights)

    for case in _of_shard(WEIGHTED_CASES.values(), shard, form_of)[:: scale.step]:
        results.check("tests/cases.py, weighted", case.name, lambda case=case: (
            _check_counts(place, case, True)
        ))  # fmt: skip


# ---- ranks ----


def _labels_of(case: Any, place: Place) -> Any:
    """Return the labels on the device: in their own form, or those of lists as a pair."""
    from ranking_rows import pair

    if isinstance(case.labels, np.ndarray):
        return put(case.labels, place)
    labels = case.labels
    if not (isinstance(labels, tuple) and len(labels) == 2 and isinstance(labels[0], np.ndarray)):
        labels = pair(case.label_rows)
    return tuple(put(part, place) for part in labels)


def _check_ranks(place: Place, case: Any) -> None:
    import ranking_oracle as oracle
    from compare import assert_same_fields

    labels, scores = _labels_of(case, place), put(case.scores, place)
    rows = case.entries()
    for ties in oracle.TIES:
        actual = fastpr.label_ranks(labels, scores, case.k, ties=ties)
        assert_same_fields(actual, oracle.table(rows, case.k, ties), ties)


def rank_cases(place: Place, scale: Scale, results: Results, shard: Shard) -> None:
    """Check the ranks of every case of dense scores, bit for bit, with every rule of ties."""
    import scipy.sparse
    from ranking_cases import CASES, LONG_CASES

    dense = [case for case in CASES.values() if not scipy.sparse.issparse(case.scores)]

    def form_of(case: Any) -> str:
        return str(plain(case.scores).dtype)

    for case in _of_shard(dense, shard, form_of)[:: scale.step]:
        results.check("tests/ranking_cases.py", case.name, lambda case=case: (
            _check_ranks(place, case)
        ))  # fmt: skip
    long = list(LONG_CASES)[shard[0] :: shard[1]]
    for name in long if scale.step == 1 else ():
        results.check("tests/ranking_cases.py, long rows", name, lambda name=name: (
            _check_ranks(place, LONG_CASES[name]())
        ))  # fmt: skip
