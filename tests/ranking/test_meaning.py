"""The metrics of ranked labels against exact fractions, and against all orders of ties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import ranking_oracle as oracle
import scipy.sparse
from compare import assert_rounded, assert_same_bits
from ranking_cases import stored_rows
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
EXACT = ("precision", "recall", "reciprocal_rank", "hit_rate")  # one rounding, without logarithms


def test_an_example_that_is_worked_by_hand():
    """Ranks 0, 2 and 3 of 3 labels: (1/1 + 2/3 + 3/4) / 3."""
    scores, labels = np.array([0.9, 0.1, 0.7, 0.6, 0.8]), [0, 2, 3]
    row = oracle.entries(scores, labels, 5)
    assert [entry.rank for entry in row] == [0, 2, 3]
    exact = Fraction(1 + Fraction(2, 3) + Fraction(3, 4)) / 3
    assert oracle.values_at([0, 2, 3], 5, 3)["average_precision"] == exact
    assert_rounded(fastpr.average_precision_at_k([labels], [scores], 5), [exact], 3e-16)
    values = {
        ("min", 1): 1.0, ("min", 2): 1 / 2, ("min", 3): (1 + 2 / 3) / 3,
        ("relevant", 2): 1 / 3, ("hits", 2): 1.0, ("hits", 3): (1 + 2 / 3) / 2,
        ("k", 2): 1 / 2, ("k", 5): (1 + 2 / 3 + 3 / 4) / 5,
    }  # fmt: skip
    for (denominator, k), value in values.items():
        assert fastpr.average_precision_at_k(
            labels, scores, k, denominator=denominator
        ) == pytest.approx(value, rel=1e-15)
    assert fastpr.precision_at_k(labels, scores, 2) == 1 / 2
    assert fastpr.recall_at_k(labels, scores, 2) == 1 / 3
    assert fastpr.reciprocal_rank_at_k([3], scores, 5) == 1 / 4
    assert fastpr.hit_rate_at_k([3], scores, 3) == 0.0
    assert fastpr.ndcg_at_k([3], scores, 5) == pytest.approx(1 / math.log2(5), rel=1e-15)


# ---- small rows with many ties ----


def column(rows, name):
    return [Fraction(0) if row is None else row[name] for row in rows]


@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("ties", oracle.TIES)
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "average_precision"])
def test_row_values_are_the_fractions(name, ties, k):
    scores, labels = small_rows()
    actual = FUNCTIONS[name](pair(labels), scores, k, ties=ties, per_row=True, empty="zero")
    exact = column(exact_rows(k, ties), name)
    assert_rounded(actual, exact, 0 if name in EXACT and ties in RULES else 3e-15)


@pytest.mark.parametrize("k", CUTOFFS)
@pytest.mark.parametrize("denominator", oracle.DENOMINATORS)
@pytest.mark.parametrize("ties", oracle.TIES)
def test_average_precision_of_rows_is_the_fraction(ties, denominator, k):
    scores, labels = small_rows()
    options = {"ties": ties, "denominator": denominator, "per_row": True, "empty": "zero"}
    if (ties, denominator) == ("expected", "hits"):
        with pytest.raises(ValueError, match="expected"):
            fastpr.average_precision_at_k(pair(labels), scores, k, **options)
        return
    actual = fastpr.average_precision_at_k(pair(labels), scores, k, **options)
    exact = column(exact_rows(k, ties, denominator), "average_precision")
    assert_rounded(actual, exact, 3e-15)
    if ties in RULES:
        rows = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
        floats = [
            oracle.average_precision_in_floats(
                oracle.tied_ranks(row, k, ties), k, len(row), denominator
            )
            for row in rows
        ]
        assert_same_bits(actual, np.array(floats))


@pytest.mark.parametrize("denominator", oracle.DENOMINATORS)
@pytest.mark.parametrize("ties", oracle.TIES)
def test_average_precision_of_rows_with_many_labels(ties, denominator):
    """Sums of hundreds of terms, and ties of hundreds of classes, half of them relevant."""
    if (ties, denominator) == ("expected", "hits"):
        return
    rng = np.random.default_rng(4)
    scores = np.concatenate([rng.integers(0, 9, (4, 1000)), rng.random((4, 1000))])
    labels = [rng.permutation(1000)[: 30 + 120 * index].tolist() for index in range(8)]
    k = 400
    actual = fastpr.average_precision_at_k(
        pair(labels), scores, k, denominator=denominator, ties=ties, per_row=True
    )
    for value, row_scores, ids in zip(actual, scores, labels, strict=True):
        row = oracle.entries(row_scores, ids, k)
        if ties == "expected":
            exact = oracle.expected_by_position(row, k) / oracle.denominator_of(
                denominator, k, len(row), 0
            )
            assert_rounded(value, [exact], 1e-13)
        else:
            ranks = oracle.tied_ranks(row, k, ties)
            floats = oracle.average_precision_in_floats(ranks, k, len(row), denominator)
            assert value == floats


@pytest.mark.parametrize("num_labels", [1, 2, 7])
@pytest.mark.parametrize(("num_rows", "num_classes"), [(300, 40), (150, 1500)])
def test_average_precision_of_many_rows_of_one_width(num_rows, num_classes, num_labels):
    rng = np.random.default_rng(num_rows)
    scores = rng.integers(0, 256, (num_rows, num_classes)).astype(np.uint8)
    labels = rng.integers(-1 - num_classes // 9, num_classes, (num_rows, num_labels))
    best = np.argsort(255 - scores, axis=1)[:, :num_labels]
    labels[::3] = rng.permuted(best, axis=1)[::3]
    for k in (1, 5, num_classes):
        rows = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
        for ties in RULES:
            ranks = [oracle.tied_ranks(row, k, ties) for row in rows]
            for denominator in oracle.DENOMINATORS:
                floats = [
                    oracle.average_precision_in_floats(row, k, len(row), denominator)
                    for row in ranks
                ]
                actual = fastpr.average_precision_at_k(
                    labels, scores, k, denominator=denominator, ties=ties, per_row=True,
                    empty="zero",
                )  # fmt: skip
                assert_same_bits(actual, np.array(floats))


def tied_values(num_above, num_equal, num_relevant, k):
    """Return the expected metrics of a row whose labels are all in one tie, within 1e-60.

    The chance that the first label is at the offset s is C(e-1-s, m-1) / C(e, m).
    """
    unit = 10**60
    ways = math.comb(num_equal, num_relevant)
    left = math.comb(num_equal - 1, num_relevant - 1)
    hit = reciprocal = 0
    last = min(k - num_above, num_equal - num_relevant + 1)
    for offset in range(last):
        hit += left
        reciprocal += left * unit // ((num_above + offset + 1) * ways)
        others = num_equal - 1 - offset
        left = left * (others - num_relevant + 1) // max(others, 1)
    chance = Fraction(num_relevant, num_equal)
    places = range(num_above, min(k, num_above + num_equal))
    gain = sum((oracle.discount(place) for place in places), Fraction(0))
    ideal = sum((oracle.discount(i) for i in range(min(k, num_relevant))), Fraction(0))
    return {
        "precision": chance * len(places) / k,
        "recall": Fraction(len(places), num_equal),
        "ndcg": chance * gain / ideal,
        "hit_rate": Fraction(hit, ways),
        "reciprocal_rank": Fraction(reciprocal, unit),
    }


@pytest.mark.parametrize("num_above", [0, 7])
@pytest.mark.parametrize("num_relevant", [1, 2, 50, 2500, 4999, 5000])
def test_ties_of_thousands_of_classes(num_relevant, num_above):
    """Where numbers of ways have hundreds of digits."""
    num_equal = 5000
    scores = np.zeros(num_above + num_equal, np.float32)
    scores[-num_above or len(scores) :] = 1
    labels = np.random.default_rng(0).permutation(num_equal)[:num_relevant]
    for k in (8, 10, 300, len(scores)):
        for name, exact in tied_values(num_above, num_equal, num_relevant, k).items():
            actual = FUNCTIONS[name](labels, scores, k, ties="expected")
            assert_rounded(actual, [exact], 1e-13, f"{name} at {k}")


@pytest.mark.parametrize("denominator", oracle.DENOMINATORS)
@pytest.mark.parametrize("ties", RULES)
def test_labels_that_are_not_stored_count_as_relevant_and_are_not_found(ties, denominator):
    rng = np.random.default_rng(2)
    scores = scipy.sparse.csr_array(rng.random((30, 20)) < 0.2, dtype=np.float32)
    scores.data = rng.integers(-2, 3, scores.nnz).astype(np.float32)  # 0 is stored as well
    labels = [rng.integers(-1, 21, rng.integers(1, 7)).tolist() for _ in range(30)]
    for k in (1, 3, 20):
        values = fastpr.average_precision_at_k(
            labels, scores, k, denominator=denominator, ties=ties, per_row=True, empty="zero"
        )
        recall = fastpr.recall_at_k(labels, scores, k, ties=ties, per_row=True, empty="zero")
        rows = [
            oracle.stored_entries(stored, ids, 20, k)
            for stored, ids in zip(stored_rows(scores), labels, strict=True)
        ]
        ranks = [oracle.tied_ranks(row, k, ties) for row in rows]
        expected = [
            oracle.average_precision_in_floats(row, k, len(row), denominator) for row in ranks
        ]
        assert_same_bits(values, np.array(expected))
        exact = [Fraction(sum(rank < k for rank in row), len(row) or 1) for row in ranks]
        assert_rounded(recall, exact)


# ---- already ranked ids ----


@pytest.mark.parametrize("denominator", oracle.DENOMINATORS)
@pytest.mark.parametrize("num_classes", [None, 9])
def test_ranked_ids_count_once_and_stay_where_they_are(denominator, num_classes):
    rng = np.random.default_rng(6)
    ids = rng.integers(-1, 12, (80, 7))
    labels = [rng.integers(-2, 12, rng.integers(0, 6)).tolist() for _ in ids]
    actual = fastpr.average_precision_at_top_k(
        pair(labels), ids, num_classes=num_classes, denominator=denominator, per_row=True,
        empty="zero",
    )  # fmt: skip
    for value, row, row_labels in zip(actual, ids, labels, strict=True):
        ranks, num_relevant = oracle.top_k_ranks(row, row_labels, num_classes)
        assert value == oracle.average_precision_in_floats(ranks, 7, num_relevant, denominator)
    weights = row_weights(len(labels))
    there = np.array(
        [oracle.top_k_ranks(*row, num_classes)[1] for row in zip(ids, labels, strict=True)]
    ) > 0  # fmt: skip
    mean = fastpr.average_precision_at_top_k(
        pair(labels), ids, weights, num_classes=num_classes, denominator=denominator
    )
    assert mean == oracle.rounded_mean(actual[there], weights[there])


def test_ranked_ids_by_hand():
    """The second 4 is no second hit, and the 2 stays at rank 3."""
    value = fastpr.average_precision_at_top_k([[4, 2, 2]], [[4, 7, 4, 2]])
    assert value == (1 / 1 + 2 / 4) / 2
    assert fastpr.average_precision_at_top_k([4, 2], [[1, 4], [-1, 2]]) == 1 / 2
    assert fastpr.average_precision_at_top_k([-1, 2], [[-1, 4], [-1, 2]]) == 1 / 2


@pytest.mark.parametrize("denominator", oracle.DENOMINATORS)
def test_ranked_ids_of_a_sort_give_what_the_scores_give(denominator):
    rng = np.random.default_rng(9)
    scores = rng.integers(0, 50, (30, 200)).astype(np.float32)
    labels = rng.integers(-1, 200, (30, 20))
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :25]
    for per_row in (True, False):
        options = {"denominator": denominator, "per_row": per_row}
        assert_same_bits(
            fastpr.average_precision_at_top_k(labels, ids, num_classes=200, **options),
            fastpr.average_precision_at_k(labels, scores, 25, **options),
        )


# ---- all of them in one pass ----


@pytest.mark.parametrize("ties", oracle.TIES)
@pytest.mark.parametrize("empty", ["skip", "zero", "one"])
def test_one_pass_gives_what_the_functions_give_at_every_cut_off(ties, empty):
    scores, labels = small_rows()
    weights = row_weights(len(labels))
    options = {"empty": empty, "ties": ties}
    metrics = fastpr.RankingMetrics(NUM_CLASSES, denominator="relevant", **options)
    for part in (slice(0, 7), slice(7, 7), slice(7, 60)):
        metrics.update(pair(labels[part]), scores[part], weights[part])
    data = metrics.compute()
    assert_same_bits(np.asarray(data.cutoffs), np.arange(1, NUM_CLASSES + 1))
    assert data.psp is None
    assert data.psndcg is None
    for name, function in FUNCTIONS.items():
        more = {"denominator": "relevant"} if name == "average_precision" else {}
        expected = [function(pair(labels), scores, k, weights, **options, **more) for k in CUTOFFS]
        assert_same_bits(getattr(data, name), np.array(expected), name)


@pytest.mark.parametrize("ties", oracle.TIES)
@pytest.mark.parametrize("average", ["micro", "rows"])
def test_one_pass_gives_the_propensity_scored_ones_at_every_cut_off(ties, average):
    scores, labels = small_rows()
    weights = row_weights(len(labels))
    metrics = fastpr.RankingMetrics(
        NUM_CLASSES, ties=ties, label_weights=LABEL_WEIGHTS, average=average
    )
    data = metrics.update(pair(labels), scores, weights).compute()
    for name, function in (("psp", fastpr.precision_at_k), ("psndcg", fastpr.ndcg_at_k)):
        expected = [
            function(
                pair(labels), scores, k, weights, ties=ties, label_weights=LABEL_WEIGHTS,
                average=average,
            )
            for k in CUTOFFS
        ]  # fmt: skip
        np.testing.assert_allclose(getattr(data, name), expected, rtol=1e-14, err_msg=name)
