"""From ranks to the values of rows: against fractions, and means over all orders of ties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import ranking_oracle as oracle
from compare import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from rank_blocks import OPTIONS, WEIGHTED, all_values, block_of, random_rows, without_ties
from ranking_oracle import DENOMINATORS, NAMES, TIES
from tiers import examples

from fastpr.ranking.metrics import average_precision, cutoff_values, tied_ranks

ROUNDED_ONCE = ("precision", "recall", "reciprocal_rank", "hit_rate")


@st.composite
def small_rows(draw):
    """Draw rows that are small enough to go through all orders of their ties."""
    num_classes = draw(st.integers(1, 6))
    scores = st.lists(st.integers(0, 2), min_size=num_classes, max_size=num_classes)
    labels = st.sets(st.integers(0, num_classes - 1))
    k = draw(st.integers(1, num_classes))
    pairs = draw(st.lists(st.tuples(scores, labels), max_size=3))
    weights = draw(
        st.lists(st.integers(0, 5), min_size=num_classes, max_size=num_classes).map(
            lambda numbers: np.array(numbers) / 3
        )
    )
    return [oracle.entries(np.array(s, float), ids, k) for s, ids in pairs], k, weights


# ---- meaning ----


def assert_right(rows, k, weights, denominator, ties):
    """Fail unless each value is that of the definition, for a mean over orders within 1e-14."""
    block = block_of(rows)
    values = all_values(block, k, denominator, ties, weights)
    assert set(values) == set(NAMES + WEIGHTED)
    for name, matrix in values.items():
        assert matrix.shape == (len(rows), k)
        assert matrix.dtype == np.float64, name
    for index, row in enumerate(rows):
        for cutoff in range(1, k + 1):
            exact = oracle.row_values(row, k, cutoff, ties, denominator)
            exact |= oracle.row_propensity_scored(row, k, cutoff, ties, weights)
            for name, expected in exact.items():
                value = values[name][index, cutoff - 1]
                if name in ROUNDED_ONCE and ties != "expected":
                    assert value == float(expected), name
                assert value == pytest.approx(float(expected), rel=1e-14, abs=0), name


@pytest.mark.parametrize("ties", TIES)
@given(case=small_rows())
def test_values_are_those_of_the_definition(ties, case):
    rows, k, weights = case
    assert_right(rows, k, weights, "min", ties)


@pytest.mark.parametrize(("denominator", "ties"), OPTIONS)
def test_values_of_random_rows_are_those_of_the_definition(denominator, ties):
    rng = np.random.default_rng(len(denominator + ties))
    for num_classes, k, num_scores in ((5, 3, 2), (6, 6, 1), (7, 4, 3), (7, 7, 9), (4, 1, 1)):
        rows = random_rows(rng, 5, num_classes, k, num_scores)
        assert_right(rows, k, rng.random(num_classes), denominator, ties)


@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("ties", ["index", "optimistic", "pessimistic"])
def test_average_precision_has_the_promised_roundings(denominator, ties):
    rng = np.random.default_rng(3)
    for num_rows, num_classes, k in ((200, 60, 40), (30, 5, 5), (1, 9, 3)):
        rows = random_rows(rng, num_rows, num_classes, k, 12)
        values = average_precision(block_of(rows), k, denominator, ties)
        expected = [
            oracle.average_precision_in_floats(
                oracle.tied_ranks(row, k, ties), k, len(row), denominator
            )
            for row in rows
        ]
        assert_same_bits(values, np.array(expected))


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic"])
def test_tied_ranks_are_those_of_the_rule_and_k_in_gaps(ties):
    rng = np.random.default_rng(4)
    for num_classes, k, num_scores in ((9, 5, 3), (9, 9, 1), (30, 7, 9), (3, 1, 2)):
        rows = random_rows(rng, 20, num_classes, k, num_scores)
        expected = [oracle.tied_ranks(row, k, ties) for row in rows]
        gaps = rng.integers(0, 3, len(rows) + 1)
        for block in (block_of(rows), block_of(rows, gaps)):
            ranks = tied_ranks(block, k, ties)
            assert ranks.dtype == np.int32
            taken = np.zeros(len(ranks), bool)
            for start, row in zip(block.starts, expected, strict=True):
                assert ranks[start : start + len(row)].tolist() == row
                taken[start : start + len(row)] = True
            assert (ranks[~taken] == k).all()


def test_a_heavier_label_comes_first_or_last_among_ties():
    entries = [oracle.Entry(1, 1, 2, 3), oracle.Entry(2, 1, 4, 3)]  # ids 2 and 4, both at 1 to 3
    block, weights = block_of([entries]), np.array([0, 0, 0.25, 0, 8.0])
    found = {
        ties: cutoff_values(block, 3, "min", ties, ["psp_hits"], weights)["psp_hits"].tolist()
        for ties in TIES
    }
    assert found["index"] == [[0, 0.25, 8.25]]
    assert found["optimistic"] == [[0, 8, 8.25]]
    assert found["pessimistic"] == [[0, 0, 0.25]]
    assert found["expected"] == [[0, 2.75, 5.5]]


@pytest.mark.parametrize(("denominator", "ties"), OPTIONS)
def test_a_perfect_ranking_has_exactly_1(denominator, ties):
    num_classes, weights = 40, np.linspace(9, 1, 40)
    scores = np.arange(num_classes, 0, -1.0)
    rows = [oracle.entries(scores, range(count), 25) for count in range(1, num_classes + 1)]
    values = all_values(block_of(rows), 25, denominator, ties, weights)
    for name in ("ndcg", "hit_rate", "reciprocal_rank"):
        assert (values[name] == 1).all(), name
    if denominator in ("min", "hits"):
        assert (values["average_precision"] == 1).all()
    assert_same_bits(values["psp_hits"], values["psp_ideal"])
    assert_same_bits(values["psndcg_hits"], values["psndcg_ideal"])
    cutoffs = np.arange(1, 26)
    for index, recall in enumerate(values["recall"]):
        assert_same_bits(recall, np.minimum(cutoffs, index + 1) / (index + 1))


def test_rows_without_labels_have_0():
    rows = [[], [oracle.Entry(0, 0, 1, 2)], [], []]
    for denominator, ties in OPTIONS:
        block = block_of(rows)
        values = all_values(block, 3, denominator, ties, np.ones(3))
        for matrix in values.values():
            assert_same_bits(matrix[[0, 2, 3]], np.zeros((3, 3)))
        assert average_precision(block, 3, denominator, ties)[[0, 2, 3]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("ties", TIES)
def test_no_rows_have_no_values(ties):
    block = block_of([])
    assert average_precision(block, 4, "min", ties).shape == (0,)
    for matrix in all_values(block, 4, "min", ties, np.ones(3)).values():
        assert matrix.shape == (0, 4)
    if ties in ("optimistic", "pessimistic"):
        assert tied_ranks(block, 4, ties).shape == (0,)


# ---- ties of which there are too many to go through ----


def group_of_ties(num_above, num_equal, num_relevant, k, before=0):
    """Return a row with relevant classes at the top, and then some in one large group."""
    top = [oracle.Entry(rank, rank, rank, 1) for rank in range(before)]
    ranks = range(num_above, num_above + num_relevant)
    group = [oracle.Entry(min(r, k), num_above, r, num_equal) for r in ranks]
    return top + group


@pytest.mark.parametrize(
    ("num_equal", "num_relevant"),
    [(e, m) for e in (1, 2, 3, 10, 1000, 2**31 - 1) for m in (1, 2, 3, 10, 300) if m <= e],
)
@pytest.mark.parametrize(("num_above", "before"), [(0, 0), (3, 0), (3, 2), (19, 0), (19, 19)])
def test_expected_values_of_a_large_group_are_right(num_equal, num_relevant, num_above, before):
    k = 20
    row = group_of_ties(num_above, num_equal, num_relevant, k, before)
    found = all_values(block_of([row]), k, "k", "expected", np.ones(320))
    e, m, share = num_equal, num_relevant, Fraction(num_relevant, num_equal)
    none, gain, first = Fraction(1), Fraction(0), Fraction(0)
    num_hits, ideal, dcg = Fraction(0), Fraction(0), Fraction(0)
    for position in range(k):
        offset = position - num_above
        if position < before:
            here, product, chance = Fraction(1), Fraction(position + 1), Fraction(position == 0)
        elif not 0 <= offset < e:
            here = product = chance = Fraction(0)
        else:
            here = share
            product = share * (before + 1 + Fraction(offset * (m - 1), max(e - 1, 1)))
            chance = none * Fraction(m, e - offset) if not before else Fraction(0)
        none -= chance
        gain += product / (position + 1)
        first += chance / (position + 1)
        num_hits += here
        dcg += here * oracle.discount(position)
        if position < before + m:
            ideal += oracle.discount(position)
        expected = {
            "average_precision": gain / (position + 1),
            "precision": num_hits / (position + 1),
            "recall": num_hits / (before + m),
            "ndcg": dcg / ideal,
            "reciprocal_rank": first,
            "hit_rate": 1 - none,
            "psp_hits": num_hits,
        }
        for name, value in expected.items():
            actual = found[name][0, position]
            assert actual == pytest.approx(float(value), rel=1e-14, abs=0), (name, position)
        if none == 0:
            assert found["hit_rate"][0, position] == 1
        if num_hits == before + m:
            assert found["recall"][0, position] == 1


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic"])
def test_ranks_of_a_group_of_all_classes_do_not_overflow(ties):
    most = 2**31 - 1
    block = block_of([group_of_ties(5, most - 5, 3, 20), group_of_ties(19, most - 19, 1, 20)])
    expected = [5, 6, 7, 19] if ties == "optimistic" else [20, 20, 20, 20]
    assert tied_ranks(block, 20, ties).tolist() == expected
    large = block_of([group_of_ties(5, most - 5, 3, most)])
    last = [most - 3, most - 2, most - 1]
    assert tied_ranks(large, most, "pessimistic").tolist() == last


@examples(50)
@given(st.integers(0, 2**32))
def test_rules_of_ties_are_in_order(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 12))
    block = block_of(random_rows(rng, 6, 12, k, 3))
    low, mean, high = (
        all_values(block, k, "relevant", ties) for ties in ("pessimistic", "expected", "optimistic")
    )
    for name in NAMES:
        assert (low[name] <= mean[name] * (1 + 1e-14)).all(), name
        assert (mean[name] <= high[name] * (1 + 1e-14)).all(), name
        assert (high[name] <= 1 + 1e-14).all(), name
    for name in ("recall", "hit_rate", "reciprocal_rank"):
        assert (np.diff(mean[name], axis=1) >= 0).all(), name
    assert (mean["recall"] <= 1).all()
    assert (mean["hit_rate"] <= 1).all()


# ---- other input ----


def test_only_what_is_asked_for_is_returned():
    block = without_ties(block_of([[oracle.Entry(0, 0, 0, 1)]]))
    assert list(cutoff_values(block, 2, "min", "index", ["recall", "ndcg"])) == ["recall", "ndcg"]
    assert cutoff_values(block, 2, "min", "index", []) == {}


def test_discounts_are_the_logarithms_of_the_math_module():
    k = 500
    rows = [[oracle.Entry(rank, rank, rank, 1)] for rank in range(k)]
    ndcg = cutoff_values(block_of(rows), k, "min", "index", ["ndcg"])["ndcg"][:, -1]
    assert_same_bits(ndcg.copy(), np.array([1 / math.log2(rank + 2) for rank in range(k)]))


def test_label_weights_may_overflow_to_infinity_in_a_row():
    block = block_of([group_of_ties(0, 4, 3, 4)])
    weights = np.full(4, np.finfo(np.float64).max)
    for ties in TIES:
        values = cutoff_values(block, 4, "min", ties, WEIGHTED, weights)
        assert not any(np.isnan(matrix).any() for matrix in values.values())
        assert np.isinf(values["psp_ideal"][0, -1])
