"""Means over rows and sums of label weights, against exact fractions that are rounded once."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import ranking_oracle as oracle
from compare import assert_rounded, assert_same_bits
from ranking_rows import (
    CUTOFFS,
    LABEL_WEIGHTS,
    NUM_CLASSES,
    exact_rows,
    pair,
    row_weights,
    small_rows,
)

import fastpr

FUNCTIONS = {name: getattr(fastpr, f"{name}_at_k") for name in oracle.NAMES}
RULES = ("index", "optimistic", "pessimistic")


@pytest.mark.parametrize("ties", oracle.TIES)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("weights", [None, 1, 0.3, "rows"])
def test_the_mean_is_exact_and_rounded_once(name, ties, weights):
    scores, labels = small_rows()
    weights = row_weights(len(labels)) if weights == "rows" else weights
    function = FUNCTIONS[name]
    values = function(pair(labels), scores, 4, ties=ties, per_row=True)
    actual = function(pair(labels), scores, 4, weights, ties=ties)
    assert type(actual) is float
    there = ~np.isnan(values)
    assert not there[::9].any()
    assert there.sum() == sum(row is not None for row in exact_rows(4, ties))
    full = np.broadcast_to(1 if weights is None else weights, values.shape)
    assert actual == oracle.rounded_mean(values[there], full[there])


@pytest.mark.parametrize("empty", ["skip", "zero", "one"])
def test_rows_without_labels_are_left_out_or_count_as_0_or_1(empty):
    scores, labels = small_rows()
    num_empty = sum(row is None for row in exact_rows(3, "index"))
    for name, function in FUNCTIONS.items():
        values = function(pair(labels), scores, 3, per_row=True, empty=empty)
        exact = exact_rows(3, "index")
        there = np.array([row is not None for row in exact])
        filled = {"skip": np.nan, "zero": 0.0, "one": 1.0}[empty]
        assert_same_bits(values[~there], np.full(num_empty, filled))
        mean = function(pair(labels), scores, 3, empty=empty)
        used = values[there] if empty == "skip" else values
        assert mean == oracle.rounded_mean(used, np.ones(len(used))), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_row_without_labels_can_make_the_mean_nan_or_an_error(name):
    scores, labels = small_rows()
    function = FUNCTIONS[name]
    assert math.isnan(function(pair(labels), scores, 3, empty="nan"))
    weights = np.array([row is not None for row in exact_rows(3, "index")])
    masked = function(pair(labels), scores, 3, weights, empty="nan")
    assert masked == function(pair(labels), scores, 3, weights, empty="raise")
    assert masked == function(pair(labels), scores, 3)
    first = int(np.flatnonzero(~weights)[0])
    with pytest.raises(ValueError, match=str(first)):
        function(pair(labels), scores, 3, empty="raise")


@pytest.mark.parametrize("shape", [(), (4, 1, 1), (1, 3, 1), (1, 1, 5), (4, 3, 1), (4, 3, 5)])
def test_weights_have_each_leading_dimension_or_1(shape):
    scores, labels = (part[:60] for part in small_rows())
    scores = scores.reshape(4, 3, 5, NUM_CLASSES)
    nested = [[labels[i : i + 5] for i in range(j, j + 15, 5)] for j in range(0, 60, 15)]
    weights = np.random.default_rng(0).random(shape)
    values = fastpr.average_precision_at_k(nested, scores, 4, per_row=True)
    assert values.shape == (4, 3, 5)
    there = ~np.isnan(values)
    actual = fastpr.average_precision_at_k(nested, scores, 4, weights)
    full = np.broadcast_to(weights, values.shape)
    assert actual == oracle.rounded_mean(values[there], full[there])


def test_a_total_weight_of_0_gives_0():
    scores, labels = small_rows()
    for function in FUNCTIONS.values():
        assert function(pair(labels), scores, 3, 0) == 0.0
        assert function(pair(labels), scores, 3, np.zeros(len(labels))) == 0.0
        assert function(pair(labels[:0]), scores[:0], 3) == 0.0
        assert function([[], []], scores[:2], 3) == 0.0
    assert math.copysign(1, fastpr.average_precision_at_k(pair(labels), scores, 3, 0)) == 1


@pytest.mark.parametrize("ties", oracle.TIES)
def test_micro_recall_is_hits_over_labels(ties):
    scores, labels = small_rows()
    for k in CUTOFFS:
        hits = sum(k * row["precision"] for row in exact_rows(k, ties) if row)
        num_relevant = sum(len(oracle.relevant_ids(row, NUM_CLASSES)) for row in labels)
        recall = fastpr.recall_at_k(pair(labels), scores, k, ties=ties, average="micro")
        assert_rounded(recall, [hits / num_relevant], 0 if ties in RULES else 1e-15)


# ---- label weights ----


def propensity_scored_rows(k, ties, weights=LABEL_WEIGHTS):
    scores, labels = small_rows()
    rows = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
    return [oracle.row_propensity_scored(row, k, k, ties, weights) for row in rows if row]


def ratios(rows, name):
    return [
        row[f"{name}_hits"] / row[f"{name}_ideal"] if row[f"{name}_ideal"] else Fraction(0)
        for row in rows
    ]


@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("ties", oracle.TIES)
def test_propensity_scored_precision_and_ndcg_are_sums_over_sums(ties, k):
    scores, labels = small_rows()
    rows = propensity_scored_rows(k, ties)
    for name, function in (("psp", fastpr.precision_at_k), ("psndcg", fastpr.ndcg_at_k)):
        actual = function(pair(labels), scores, k, ties=ties, label_weights=LABEL_WEIGHTS)
        sums = [
            sum((row[f"{name}_{part}"] for row in rows), Fraction(0)) for part in ("hits", "ideal")
        ]
        exact = name == "psp" and ties in RULES
        assert_rounded(actual, [sums[0] / sums[1]], 0 if exact else 3e-15, name)
        micro = function(
            pair(labels), scores, k, ties=ties, label_weights=LABEL_WEIGHTS, average="micro"
        )
        assert micro == actual


@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("ties", oracle.TIES)
def test_propensity_scored_ratios_of_rows_and_their_mean(ties, k):
    scores, labels = small_rows()
    rows = propensity_scored_rows(k, ties)
    for name, function in (("psp", fastpr.precision_at_k), ("psndcg", fastpr.ndcg_at_k)):
        options = {"ties": ties, "label_weights": LABEL_WEIGHTS, "average": "rows"}
        values = function(pair(labels), scores, k, per_row=True, **options)
        there = ~np.isnan(values)
        exact = name == "psp" and ties in RULES
        assert_rounded(values[there], ratios(rows, name), 0 if exact else 3e-15, name)
        weights = row_weights(len(labels))
        mean = function(pair(labels), scores, k, weights, **options)
        assert mean == oracle.rounded_mean(values[there], weights[there])


@pytest.mark.parametrize("ties", oracle.TIES)
def test_row_weights_multiply_both_sums_of_label_weights(ties):
    scores, labels = small_rows()
    weights = np.random.default_rng(1).integers(0, 5, len(labels))
    rows = propensity_scored_rows(4, ties)
    kept = [w for w, row in zip(weights.tolist(), exact_rows(4, "index"), strict=True) if row]
    for name, function in (("psp", fastpr.precision_at_k), ("psndcg", fastpr.ndcg_at_k)):
        actual = function(pair(labels), scores, 4, weights, ties=ties, label_weights=LABEL_WEIGHTS)
        hits, ideal = (
            sum((w * row[f"{name}_{part}"] for w, row in zip(kept, rows, strict=True)), Fraction(0))
            for part in ("hits", "ideal")
        )
        assert_rounded(actual, [hits / ideal], 3e-15, name)


def test_label_weights_of_1_give_the_metrics_without():
    scores, labels = small_rows()
    ones = np.ones(NUM_CLASSES)
    for k in CUTOFFS:
        ndcg = fastpr.ndcg_at_k(pair(labels), scores, k, label_weights=ones, average="rows")
        assert ndcg == pytest.approx(fastpr.ndcg_at_k(pair(labels), scores, k), rel=1e-15)
        psp = fastpr.precision_at_k(
            pair(labels), scores, k, label_weights=ones, average="rows", per_row=True
        )
        values = fastpr.precision_at_k(pair(labels), scores, k, per_row=True)
        num_relevant = np.array([len({i for i in row if 0 <= i < NUM_CLASSES}) for row in labels])
        there = num_relevant > 0
        best = np.minimum(num_relevant[there], k) / k
        np.testing.assert_allclose(psp[there] * best, values[there], rtol=1e-15)


# ---- states ----


@pytest.mark.parametrize("denominator", oracle.DENOMINATORS)
def test_the_state_gives_what_the_function_gives(denominator):
    scores, labels = small_rows()
    weights = row_weights(len(labels))
    for ties in RULES:
        options = {"denominator": denominator, "ties": ties}
        state = fastpr.AveragePrecisionAtK(4, **options)
        for start in range(0, 60, 7):
            part = slice(start, start + 7)
            state.update(pair(labels[part]), scores[part], weights[part])
        expected = fastpr.average_precision_at_k(pair(labels), scores, 4, weights, **options)
        assert state.compute() == state.result() == expected
        used = weights > 0
        assert state.num_rows == used.sum()
        empty = np.array([row is None for row in exact_rows(4, "index")])
        assert state.num_empty == (used & empty).sum()
