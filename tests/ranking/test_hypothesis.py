"""Properties of ranks and of their metrics, on rows that hypothesis makes up."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import ranking_oracle as oracle
from compare import assert_rounded, assert_same_bits, assert_same_fields
from hypothesis import assume, given
from hypothesis import strategies as st
from ranking_rows import pair
from tiers import examples

import fastpr

BACKENDS = fastpr.available_backends()
VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, math.inf, -math.inf, math.nan, 1e-40, -1e-40, 3e38]
RULES = oracle.TIES[:3]
many = examples(50)
few = examples(25)


@st.composite
def rows_of(draw, dtypes=(np.float32,), max_classes=70, max_labels=12):
    """Rows of scores, and lists of labels, some of them repeated or out of range."""
    num_classes = draw(st.integers(1, max_classes))
    num_rows = draw(st.integers(1, 5))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = num_rows, num_classes
    if dtype == np.uint8:
        scores = rng.integers(0, draw(st.sampled_from([1, 2, 256])), shape).astype(dtype)
    else:
        some = draw(st.lists(st.sampled_from(VALUES), max_size=4))
        random = rng.standard_normal(shape)
        if some:
            random = np.where(rng.random(shape) < 0.8, rng.choice(some, shape), random)
        with np.errstate(over="ignore"):
            scores = random.astype(dtype)
    label = st.integers(-2, num_classes + 1)
    labels = draw(
        st.lists(st.lists(label, max_size=max_labels), min_size=num_rows, max_size=num_rows)
    )
    return scores, labels, draw(st.integers(1, num_classes))


DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.uint8)


@many
@given(rows_of(DTYPES), st.sampled_from(oracle.TIES))
def test_all_backends_rank_as_a_sort_does(rows, ties):
    scores, labels, k = rows
    entries = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
    expected = oracle.table(entries, k, ties)
    for backend in BACKENDS:
        actual = fastpr.label_ranks(pair(labels), scores, k, ties=ties, backend=backend)
        assert_same_fields(actual, expected)


@many
@given(rows_of(), st.sampled_from(RULES), st.sampled_from(oracle.DENOMINATORS))
def test_average_precision_is_that_of_the_ranks(rows, ties, denominator):
    scores, labels, k = rows
    actual = fastpr.average_precision_at_k(
        labels, scores, k, ties=ties, denominator=denominator, per_row=True, empty="zero"
    )
    for value, *row in zip(actual, scores, labels, strict=True):
        entries = oracle.entries(*row, k)
        ranks = oracle.tied_ranks(entries, k, ties)
        assert value == oracle.average_precision_in_floats(ranks, k, len(entries), denominator)


@few
@given(rows_of(max_classes=7, max_labels=3), st.sampled_from(["min", "relevant", "k"]))
def test_expected_values_are_means_over_all_orders(rows, denominator):
    scores, labels, k = rows
    entries = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
    exact = [oracle.row_values(row, k, k, "expected", denominator) for row in entries]
    for name in oracle.NAMES:
        more = {"denominator": denominator} if name == "average_precision" else {}
        function = getattr(fastpr, f"{name}_at_k")
        actual = function(labels, scores, k, ties="expected", per_row=True, empty="zero", **more)
        assert_rounded(actual, [values[name] for values in exact], 2e-15, name)


@many
@given(rows_of(), st.randoms(use_true_random=False))
def test_the_order_of_labels_padding_and_repeats_change_nothing(rows, random):
    scores, labels, k = rows
    shuffled = [
        random.sample(row, len(row)) + random.choices([*row, -1, scores.shape[1], 2**40], k=3)
        for row in labels
    ]
    for ties in oracle.TIES:
        assert_same_fields(
            fastpr.label_ranks(shuffled, scores, k, ties=ties),
            fastpr.label_ranks(labels, scores, k, ties=ties),
        )


@many
@given(rows_of((np.float32, np.float64, np.uint8)))
def test_only_the_order_of_scores_matters(rows):
    """Ranks of ranks are the same ranks, in any dtype that holds them apart."""
    scores, labels, k = rows
    above = np.array([oracle.ranking(row)[1] for row in scores])
    for dtype in (np.float16, np.float32, np.float64, np.uint8):
        other = (100 - above).astype(dtype)
        for ties in oracle.TIES:
            assert_same_fields(
                fastpr.label_ranks(labels, other, k, ties=ties),
                fastpr.label_ranks(labels, scores, k, ties=ties),
            )


@many
@given(rows_of())
def test_rules_of_ties_are_in_order(rows):
    """Pessimistic is the least and optimistic the most; index and expected lie between."""
    scores, labels, k = rows
    for name in oracle.NAMES:
        function = getattr(fastpr, f"{name}_at_k")
        least, most, *between = (
            function(labels, scores, k, ties=ties, per_row=True, empty="zero")
            for ties in ("pessimistic", "optimistic", "index", "expected")
        )
        for values in between:
            assert (least <= values * (1 + 1e-14)).all(), name
            assert (values <= most * (1 + 1e-14)).all(), name
        assert ((least >= 0) & (most <= 1 + 1e-15)).all(), name


@many
@given(rows_of(max_classes=30), st.sampled_from(oracle.TIES))
def test_without_ties_every_rule_is_the_same(rows, ties):
    scores, labels, k = rows
    order = np.stack([oracle.ranking(row)[0] for row in scores])
    distinct = (-order).astype(np.float32)
    for name in oracle.NAMES:
        function = getattr(fastpr, f"{name}_at_k")
        index = function(labels, scores, k, per_row=True)
        other = function(labels, distinct, k, ties=ties, per_row=True)
        if ties == "expected":
            np.testing.assert_allclose(other, index, rtol=3e-15)
        else:
            assert_same_bits(other, index, name)


finite_weights = st.floats(0, 1e30) | st.sampled_from([0.0, 5e-324, 1e-300, 0.1])


@many
@given(rows_of(), st.data())
def test_the_mean_is_the_exact_one_however_rows_are_split_and_merged(rows, data):
    scores, labels, k = rows
    weights = [data.draw(finite_weights) for _ in labels]
    values = fastpr.average_precision_at_k(labels, scores, k, per_row=True)
    there = ~np.isnan(values)
    used = np.array(weights)[there]
    exact = oracle.rounded_mean(values[there], used)
    assert fastpr.average_precision_at_k(labels, scores, k, np.array(weights)) == exact
    states = [fastpr.AveragePrecisionAtK(k) for _ in range(3)]
    for index, row in enumerate(labels):
        state = data.draw(st.sampled_from(states))
        state.update([row], scores[index : index + 1], weights[index])
    merged = states[2] + states[0] + states[1]
    whole = fastpr.AveragePrecisionAtK(k).update(labels, scores, np.array(weights))
    assert merged.compute() == exact
    assert merged.to_bytes() == whole.to_bytes()


@few
@given(rows_of(max_classes=20), st.data())
def test_one_pass_is_the_functions_at_every_cut_off(rows, data):
    scores, labels, k = rows
    ties = data.draw(st.sampled_from(oracle.TIES))
    found = fastpr.RankingMetrics(k, ties=ties).update(labels, scores).compute()
    for name in oracle.NAMES:
        function = getattr(fastpr, f"{name}_at_k")
        expected = [function(labels, scores, cutoff, ties=ties) for cutoff in range(1, k + 1)]
        assert_same_bits(getattr(found, name), np.array(expected), name)


@many
@given(rows_of(max_classes=20, max_labels=4), st.data())
def test_scores_that_are_stored_rank_as_a_dense_row_of_them(rows, data):
    """With everything that is not stored below all of them."""
    import scipy.sparse

    scores, labels, k = rows
    stored = np.array([[data.draw(st.booleans()) for _ in row] for row in scores], bool).reshape(
        scores.shape
    )
    matrix = scipy.sparse.csr_array(stored.astype(scores.dtype))
    matrix.data = scores[stored]
    assume(not np.isnan(scores).any())
    found = fastpr.label_ranks(labels, matrix, k)
    row = np.repeat(np.arange(len(labels)), np.diff(found.indptr))
    expected = []
    for index, label in zip(row.tolist(), found.labels.tolist(), strict=True):
        if stored[index, label]:
            ids = np.flatnonzero(stored[index])
            rank = oracle.ranking(scores[index, ids])[0][np.flatnonzero(ids == label)[0]]
            expected.append(min(int(rank), k))
        else:
            expected.append(k)
    assert found.ranks.tolist() == expected


@many
@given(
    st.lists(st.tuples(finite_weights, finite_weights), min_size=1, max_size=9),
    st.integers(2, 9),
)
def test_a_mean_of_hits_is_the_fraction_of_weights(pairs, num_classes):
    """With hits of 0 and 1 the mean is a ratio of two sums of weights, rounded once."""
    weights = [weight for row in pairs for weight in row]
    labels = [row % 2 for row in range(len(weights))]
    scores = np.zeros((len(weights), num_classes), np.float32)
    total = sum(map(Fraction, weights))
    expected = float(sum(map(Fraction, weights[::2])) / total) if total else 0.0
    actual = fastpr.hit_rate_at_k(np.array(labels), scores, 1, np.array(weights))
    assert actual == expected
