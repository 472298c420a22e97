"""Functions of rankings: simple values, rows, weights, and the same bits as the states."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from ranking_contract import BACKENDS, LABEL_WEIGHTS, LABELS, SCORES, WEIGHTS
from tiers import exhaustive

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics

Function = Callable[..., Any]
FUNCTIONS: dict[str, Function] = {
    "average_precision": fastpr.average_precision_at_k,
    "precision": fastpr.precision_at_k,
    "recall": fastpr.recall_at_k,
    "ndcg": fastpr.ndcg_at_k,
    "reciprocal_rank": fastpr.reciprocal_rank_at_k,
    "hit_rate": fastpr.hit_rate_at_k,
}
TIES = ["index", "optimistic", "pessimistic", "expected"]
EMPTY = ["skip", "zero", "one", "nan"]

# Ranks 0 and 2; rank 1; no label.
SMALL = np.array([[9, 8, 7, 6], [9, 8, 7, 6], [9, 8, 7, 6]], np.float32)
SMALL_LABELS = [[0, 2], [1], []]
SMALL_VALUES = {
    "average_precision": [(1 + 2 / 3) / 2, 1 / 2],
    "precision": [2 / 3, 1 / 3],
    "recall": [1.0, 1.0],
    "ndcg": [1.5 / (1 + 1 / math.log2(3)), 1 / math.log2(3)],
    "reciprocal_rank": [1.0, 1 / 2],
    "hit_rate": [1.0, 1.0],
}


@pytest.fixture(params=FUNCTIONS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a metric."""
    return str(request.param)


def same(actual: Any, expected: Any) -> bool:
    """Whether two floats have the same bits, NaN and NaN too."""
    assert type(actual) is float
    return math.isnan(actual) if math.isnan(expected) else actual == float(expected)


# ---- values ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_have_the_values_that_are_worked_out_by_hand(name: str, backend: str) -> None:
    function = FUNCTIONS[name]
    values = function(SMALL_LABELS, SMALL, 3, per_row=True, backend=backend)
    np.testing.assert_allclose(values, [*SMALL_VALUES[name], np.nan], rtol=1e-15)
    first, second = values[:2].tolist()
    mean = function(SMALL_LABELS, SMALL, 3, backend=backend)
    assert same(mean, (Fraction(first) + Fraction(second)) / 2)
    weighted = function(SMALL_LABELS, SMALL, 3, [3, 1, 7], backend=backend)
    assert same(weighted, (Fraction(3 * first) + Fraction(second)) / 4)


@pytest.mark.parametrize(
    ("denominator", "one_hit", "two_hits"),
    [("min", 1 / 2, 1.5 / 3), ("relevant", 1 / 3, 1.5 / 3), ("hits", 1.0, 1.5 / 2),
     ("k", 1 / 2, 1.5 / 4)],
)  # fmt: skip
def test_the_denominator_is_the_one_that_was_asked_for(
    denominator: str, one_hit: float, two_hits: float
) -> None:
    """Of labels at the ranks 0, 3 and 4, one is in the top 2 and two in the top 4."""
    labels, scores = [0, 3, 4], np.array([9, 8, 7, 6, 5], np.float32)
    for k, expected in ((2, one_hit), (4, two_hits)):
        actual = fastpr.average_precision_at_k(labels, scores, k, denominator=denominator)
        assert actual == expected


@pytest.mark.parametrize(
    ("ties", "expected"), [("index", 1 / 2), ("optimistic", 1.0), ("pessimistic", 0.0)]
)
def test_ties_are_ordered_as_is_said(ties: str, expected: float) -> None:
    scores = np.zeros(4, np.float32)
    assert fastpr.reciprocal_rank_at_k([1], scores, 2, ties=ties) == expected
    assert fastpr.reciprocal_rank_at_k([1], scores, 2, ties="expected") == (1 + 1 / 2) / 4


def test_recall_over_all_rows_is_a_quotient_of_sums() -> None:
    labels, scores = [[0, 3], [1], [-1]], SMALL
    assert fastpr.recall_at_k(labels, scores, 2) == 0.75
    assert same(fastpr.recall_at_k(labels, scores, 2, average="micro"), 2 / 3)
    assert same(fastpr.recall_at_k(labels, scores, 2, [4, 1, 9], average="micro"), 5 / 9)
    assert fastpr.recall_at_k([[]], SMALL[:1], 2, average="micro") == 0.0
    rows = fastpr.recall_at_k(labels, scores, 2, average="micro", per_row=True)
    np.testing.assert_equal(rows, [0.5, 1.0, np.nan])
    for empty, expected in [("zero", 2 / 3), ("one", 2 / 3), ("nan", math.nan)]:
        actual = fastpr.recall_at_k(labels, scores, 2, average="micro", empty=empty)
        assert same(actual, expected)


@pytest.mark.parametrize("ties", TIES)
def test_recall_over_one_row_is_its_recall(ties: str) -> None:
    scores = np.array([1, 1, 0, 1, 1, 0], np.float32)
    for k in range(1, 7):
        of_row = fastpr.recall_at_k([0, 3, 5], scores, k, ties=ties)
        of_all = fastpr.recall_at_k([0, 3, 5], scores, k, ties=ties, average="micro")
        assert of_all == pytest.approx(of_row, rel=1e-15)


def test_label_weights_make_propensity_scores() -> None:
    weights = [1.0, 2.0, 4.0, 8.0]
    labels = [[0, 2, 2], [3, 1], [9]]
    assert same(fastpr.precision_at_k(labels, SMALL, 2, label_weights=weights), 3 / 15)
    by_rows = fastpr.precision_at_k(labels, SMALL, 2, label_weights=weights, average="rows")
    assert same(by_rows, (Fraction(1 / 5) + Fraction(2 / 10)) / 2)
    values = fastpr.precision_at_k(labels, SMALL, 2, label_weights=weights, per_row=True)
    np.testing.assert_equal(values, [1 / 5, 2 / 10, np.nan])
    weighted = fastpr.precision_at_k(labels, SMALL, 2, [1, 3, 1], label_weights=weights)
    assert same(weighted, (1 + 3 * 2) / (5 + 3 * 10))
    discount = 1 / math.log2(3)
    expected = (1 + 2 * discount) / (4 + discount + 8 + 2 * discount)
    assert fastpr.ndcg_at_k(labels, SMALL, 2, label_weights=weights) == pytest.approx(expected)
    ones = np.ones(4)
    assert fastpr.ndcg_at_k(labels, SMALL, 3, label_weights=ones, average="rows") == pytest.approx(
        fastpr.ndcg_at_k(labels, SMALL, 3)
    )


def test_labels_that_weigh_nothing_have_a_score_of_0() -> None:
    for average in ("micro", "rows"):
        options = {"label_weights": [1, 0, 0, 1], "average": average}
        assert fastpr.precision_at_k([[1, 2]], SMALL[:1], 3, **options) == 0.0
        assert fastpr.ndcg_at_k([[1, 2]], SMALL[:1], 3, **options) == 0.0


# ---- the same bits as the states ----


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("denominator", ["min", "relevant", "hits", "k"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_every_cutoff_of_a_state_is_that_of_the_functions(
    ties: str, denominator: str, weights: Any
) -> None:
    if (ties, denominator) == ("expected", "hits"):
        denominator = "min"
    for empty in EMPTY:
        options = {"ties": ties, "empty": empty}
        state = RankingMetrics(5, denominator=denominator, **options)
        data = state.update(LABELS, SCORES, weights).compute()
        for name, function in FUNCTIONS.items():
            more = {"denominator": denominator} if name == "average_precision" else {}
            for k in range(1, 6):
                actual = function(LABELS, SCORES, k, weights, **options, **more)
                assert same(actual, getattr(data, name)[k - 1]), (name, k, empty)
        single = AveragePrecisionAtK(4, denominator=denominator, **options)
        mean = single.update(LABELS, SCORES, weights).compute()
        assert same(mean, data.average_precision[3])


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("average", ["micro", "rows"])
def test_every_cutoff_of_label_weights_is_that_of_the_functions(ties: str, average: str) -> None:
    options = {"ties": ties, "label_weights": LABEL_WEIGHTS, "average": average}
    weights = WEIGHTS[::-1]
    data = RankingMetrics(5, **options).update(LABELS, SCORES, weights).compute()
    for k in range(1, 6):
        psp = fastpr.precision_at_k(LABELS, SCORES, k, weights, **options)
        psndcg = fastpr.ndcg_at_k(LABELS, SCORES, k, weights, **options)
        assert data.psp is not None
        assert data.psndcg is not None
        assert same(psp, data.psp[k - 1])
        assert same(psndcg, data.psndcg[k - 1])


def test_many_rows_and_cutoffs_are_added_up_in_parts() -> None:
    """More values than are there at once, in rows that are not all of a slice."""
    random = np.random.default_rng(5)
    scores = random.standard_normal((3000, 700), np.float32)
    labels = random.integers(0, 700, (3000, 5))
    data = RankingMetrics(700).update(labels, scores).compute()
    for name, function in FUNCTIONS.items():
        for k in (1, 350, 700):
            assert same(function(labels, scores, k), getattr(data, name)[k - 1]), name


# ---- rows ----


@pytest.mark.parametrize("lead", [(), (6,), (2, 3), (3, 1, 2), (0,), (2, 0)])
def test_values_of_rows_have_the_leading_shape(name: str, lead: tuple[int, ...]) -> None:
    function = FUNCTIONS[name]
    num_rows = math.prod(lead)
    labels = np.array([(row + [-1] * 4)[:4] for row in LABELS])[:num_rows]
    flat = function(labels, SCORES[:num_rows], 3, per_row=True)
    values = function(
        labels.reshape(*lead, 4), SCORES[:num_rows].reshape(*lead, 5), 3, per_row=True
    )
    assert (values.shape, values.dtype) == (lead, np.float64)
    assert values.tobytes() == flat.tobytes()


def test_values_of_rows_do_not_depend_on_weights_or_other_rows(name: str) -> None:
    function = FUNCTIONS[name]
    values = function(LABELS, SCORES, 3, per_row=True)
    weighted = function(LABELS, SCORES, 3, np.zeros(6), per_row=True)
    assert weighted.tobytes() == values.tobytes()
    for index, value in enumerate(values):
        alone = function(LABELS[index], SCORES[index], 3, per_row=True)
        assert alone.tobytes() == value.tobytes()


def test_rows_without_labels_have_the_value_that_is_said(name: str) -> None:
    function = FUNCTIONS[name]
    for empty, expected in [("skip", math.nan), ("nan", math.nan), ("zero", 0.0), ("one", 1.0)]:
        values = function(LABELS, SCORES, 3, empty=empty, per_row=True)
        np.testing.assert_equal(values[4], expected)
        assert np.isfinite(np.delete(values, 4)).all()
    with pytest.raises(ValueError, match=r"^the row at index \(4,\) has no labels"):
        function(LABELS, SCORES, 3, empty="raise", per_row=True)
    weights = [1, 1, 1, 1, 0, 1]
    masked = function(LABELS, SCORES, 3, weights, empty="raise", per_row=True)
    assert np.isnan(masked[4])


def test_no_rows_have_a_mean_of_0(name: str) -> None:
    function = FUNCTIONS[name]
    for empty in [*EMPTY, "raise"]:
        assert function([], np.zeros((0, 3), np.float32), 2, empty=empty) == 0.0
        assert function([[0]], np.zeros((1, 3), np.float32), 2, 0.0, empty=empty) == 0.0
    assert function([[]], np.zeros((1, 3), np.float32), 2) == 0.0


# ---- what is refused ----


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "2", None, 6, 2**40])
def test_a_k_that_is_no_cutoff_is_refused(name: str, k: Any) -> None:
    for function in (FUNCTIONS[name], fastpr.label_ranks):
        with pytest.raises(ValueError, match="k must"):
            function(LABELS, SCORES, k)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"empty": "omit"}, "empty must be"),
        ({"ties": "max"}, "ties must be"),
        ({"backend": "fastest"}, "backend must be"),
        ({"weights": [1, 1, -1, 1, 1, 1]}, "weights must be finite and not negative"),
        ({"weights": np.ones((6, 1))}, "weights of shape"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        FUNCTIONS[name](LABELS, SCORES, 2, **options)
    assert str(caught.value).startswith(message)


def test_averages_out_of_place_are_refused() -> None:
    with pytest.raises(ValueError, match="average 'micro' is for label_weights"):
        fastpr.ndcg_at_k(LABELS, SCORES, 2, average="micro")
    for function in (fastpr.precision_at_k, fastpr.ndcg_at_k):
        with pytest.raises(ValueError, match="average must be"):
            function(LABELS, SCORES, 2, average="macro", label_weights=LABEL_WEIGHTS)
        assert function(LABELS, SCORES, 2, average="rows") == function(LABELS, SCORES, 2)
        with pytest.raises(ValueError, match="label_weights of 2 classes do not go with"):
            function(LABELS, SCORES, 2, label_weights=[1, 2])
    with pytest.raises(ValueError, match="average must be"):
        fastpr.recall_at_k(LABELS, SCORES, 2, average=None)
    with pytest.raises(ValueError, match="denominator 'hits'"):
        fastpr.average_precision_at_k(LABELS, SCORES, 2, denominator="hits", ties="expected")


# ---- memory ----


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "reference"])
@pytest.mark.parametrize("how", ["function", "rows", "every cutoff", "ranks"])
@exhaustive
def test_nothing_of_the_size_of_the_scores_is_allocated(backend: str, how: str) -> None:
    random = np.random.default_rng(0)
    scores = random.random((16_000, 1000), np.float32)  # 64 MB
    labels = random.integers(0, 1000, (16_000, 3))
    calls: dict[str, Callable[[], Any]] = {
        "function": lambda: fastpr.average_precision_at_k(labels, scores, 10, backend=backend),
        "rows": lambda: fastpr.ndcg_at_k(labels, scores, 100, per_row=True, backend=backend),
        "every cutoff": lambda: RankingMetrics(300, backend=backend).update(labels, scores),
        "ranks": lambda: fastpr.label_ranks(labels, scores, 10, backend=backend),
    }
    fastpr.hit_rate_at_k(labels[:2], scores[:2], 1, backend=backend)  # compiles
    fastpr.set_num_threads(2)
    tracemalloc.start()
    try:
        calls[how]()
        peak = tracemalloc.get_traced_memory()[1]
        assert peak < (8 if how != "every cutoff" else 24) * 2**20
    finally:
        fastpr.set_num_threads(None)
        tracemalloc.stop()


# ---- ranks ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_ranks_come_without_gaps(backend: str) -> None:
    found = fastpr.label_ranks(LABELS, SCORES, 3, backend=backend)
    assert found.indptr.tolist() == [0, 2, 4, 8, 10, 10, 12]
    assert found.ranks.tolist() == [0, 2, 1, 3, 1, 2, 3, 3, 1, 2, 0, 2]
    assert found.labels.tolist() == [0, 2, 1, 4, 0, 3, 1, 4, 2, 3, 1, 0]
    assert found.num_above is None
    assert found.num_equal is None
    dtypes = [part.dtype for part in found[:3]]
    assert dtypes == [np.int64, np.int32, np.int64]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("ties", "ranks"),
    [("index", [1, 3]), ("optimistic", [1, 2]), ("pessimistic", [2, 3]), ("expected", [1, 3])],
)
def test_ranks_follow_the_rule_of_ties(backend: str, ties: str, ranks: list[int]) -> None:
    scores = np.array([5, 9, 5, 5], np.float32)
    found = fastpr.label_ranks([0, 3], scores, 4, ties=ties, backend=backend)
    assert found.ranks.tolist() == ranks
    assert found.labels.tolist() == [0, 3]
    if ties == "index":
        assert found.num_above is None
    else:
        assert found.num_above is not None
        assert found.num_equal is not None
        assert (found.num_above.tolist(), found.num_equal.tolist()) == ([1, 1], [3, 3])
        assert found.num_above.dtype == found.num_equal.dtype == np.int32


@pytest.mark.parametrize("ties", TIES)
def test_no_labels_have_no_ranks(ties: str) -> None:
    for labels, shape in ([], (0, 3)), ([[], [-1]], (2, 3)), ([], (3,)):
        found = fastpr.label_ranks(labels, np.zeros(shape, np.float32), 1, ties=ties)
        assert found.indptr.tolist() == [0] * (math.prod(shape[:-1]) + 1)
        for part, dtype in zip(found[1:], (np.int32, np.int64, np.int32, np.int32), strict=True):
            if part is not None:
                assert (part.shape, part.dtype) == ((0,), dtype)


def test_micro_precision_is_the_hits_of_all_rows_over_k_for_each_with_labels() -> None:
    labels, scores = [[0, 2], [2], []], [[0.9, 0.5, 0.4], [0.1, 0.8, 0.7], [0.3, 0.2, 0.1]]
    for weights, expected in ((None, 2 / 4), ([1, 3, 5], (1 + 3) / (2 + 6))):
        found = fastpr.precision_at_k(labels, scores, 2, weights, average="micro")
        assert found == expected
    rows = fastpr.precision_at_k(labels, scores, 2, average="micro", per_row=True)
    assert rows[:2].tolist() == [0.5, 0.5]
