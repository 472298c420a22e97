"""The oracle of rankings means what the definitions say, before anything is held to it."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
import ranking_oracle as oracle
from compare import assert_same_bits
from ranking_rows import CUTOFFS, KINDS, exact_rows, score_rows, small_rows


def precedes(score, class_id, other, other_id):
    """Whether a class comes before another one, from the words of the definition."""
    if math.isnan(score) or math.isnan(other):
        if math.isnan(score) and math.isnan(other):
            return class_id < other_id
        return math.isnan(other)
    return score > other or (score == other and class_id < other_id)


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_sorts_and_counts_as_the_definition_says(kind):
    for name, row in score_rows(kind, 40, np.random.default_rng(1)):
        rank, above, equal = oracle.ranking(row)
        scores = oracle.in_float64(row).tolist()
        classes = range(len(scores))
        for label in classes:
            before = sum(precedes(scores[j], j, scores[label], label) for j in classes)
            # those that are before it whatever the ids are
            strictly = sum(precedes(scores[j], 99, scores[label], label) for j in classes)
            either = sum(precedes(scores[j], -1, scores[label], label) for j in classes)
            assert (rank[label], above[label]) == (before, strictly), name
            assert equal[label] == either - strictly, name
        for ours, theirs in zip(oracle.counted(row, classes), (rank, above, equal), strict=True):
            assert_same_bits(ours, theirs, name)


def test_the_oracle_takes_the_mean_over_all_permutations_of_tied_classes():
    scores, labels, k = np.array([1, 2, 1, 1, 0, 2]), [0, 3, 5], 4
    weights = dict.fromkeys(range(6), Fraction(1)) | {3: Fraction(5), 5: Fraction(2)}
    row = oracle.entries(scores, labels, k)
    for cutoff in range(1, k + 1):
        plain, weighted = [], []
        for order in permutations(range(6)):
            if all(scores[a] >= scores[b] for a, b in pairwise(order)):
                ranks = {label: min(order.index(label), k) for label in labels}
                plain.append(oracle.values_at(ranks.values(), cutoff, 3))
                chosen = {label: weights[label] for label in labels}
                weighted.append(oracle.propensity_scored(ranks, chosen, cutoff))
        for found, expected in (
            (plain, oracle.row_values(row, k, cutoff, "expected")),
            (weighted, oracle.row_propensity_scored(row, k, cutoff, "expected", weights)),
        ):
            assert len(found) == 2 * 6
            for name, value in expected.items():
                assert value == oracle.mean_of([values[name] for values in found]), name


def test_the_closed_form_is_the_mean_over_all_orders():
    scores, labels = small_rows()
    for k in CUTOFFS:
        for row, exact in zip(
            zip(scores, labels, strict=True), exact_rows(k, "expected"), strict=True
        ):
            entries = oracle.entries(*row, k)
            if entries:
                below = min(k, len(entries))
                assert oracle.expected_by_position(entries, k) / below == exact["average_precision"]
