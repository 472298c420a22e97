"""Other libraries say the same where their definitions meet ours; here is where they do not.

scikit-learn is called. What ranx, trec_eval (through pytrec_eval), torchmetrics and TensorFlow
say was recorded by golden/make_ranking_peers.py, with their versions.

- The denominator of average precision at k is min(k, R) in TensorFlow, R in ranx, trec_eval and
  scikit-learn's label_ranking_average_precision_score (which has no k), and the number of hits
  in torchmetrics. Each of them is a `denominator` here.
- Ties: TensorFlow puts the lower class id first, as `ties="index"`. scikit-learn's
  top_k_accuracy_score puts the higher one first; its ndcg_score takes the mean over all orders,
  as `ties="expected"`; its label_ranking_average_precision_score gives all labels of a tie the
  last place of the tie and counts them all as found there, which is `ties="pessimistic"` with
  one label in each tie, and no rule of ours with more. trec_eval orders ties by the names of
  documents, ranx and torch.topk leave the order open: no ties are recorded of them.
- torchmetrics drops relevant classes whose score is 0 or less from average precision, precision,
  recall and reciprocal rank, though not from nDCG and hit rate. It computes in float32.
- TensorFlow counts repeated labels in the denominator, where labels are dense, and a row without
  labels makes its mean NaN for ever; neither is recorded.
- trec_eval has no cut-off for the reciprocal rank.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics

import fastpr

RECORDED = json.loads((Path(__file__).parents[1] / "golden" / "ranking_peers.json").read_text())
CASES = {case["name"]: case for case in RECORDED["cases"]}
DENOMINATORS = {
    "ranx": "relevant", "pytrec_eval": "relevant", "torchmetrics": "hits", "tensorflow": "min",
}  # fmt: skip


def ours(name, labels, scores, k, peer, **options):
    if name == "average_precision":
        options["denominator"] = DENOMINATORS[peer]
    function = getattr(fastpr, f"{name}_at_k")
    return function(labels, scores, k, per_row=True, empty="zero", **options)


def recorded(peer):
    return [
        pytest.param(peer, case, int(k), name, values, id=f"{peer}-{case['name']}-{name}-{k}")
        for case in RECORDED["cases"]
        for k, metrics in case["results"].get(peer, {}).items()
        for name, values in metrics.items()
    ]


# ---- recorded ----


@pytest.mark.parametrize(
    ("peer", "case", "k", "name", "values"),
    [*recorded("ranx"), *recorded("pytrec_eval"), *recorded("tensorflow")],
)
def test_recorded_row_values_are_ours(peer, case, k, name, values):
    scores = np.array(case["scores"], np.float32)
    expected = [float.fromhex(value) for value in values]
    actual = ours(name, case["labels"], scores, k, peer)
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("peer", "case", "k", "name", "values"), recorded("torchmetrics"))
def test_torchmetrics_agrees_once_relevant_classes_of_no_positive_score_are_dropped(
    peer, case, k, name, values
):
    scores = np.array(case["scores"], np.float32)
    labels = case["labels"]
    num_relevant = np.array([len(row) for row in labels])
    if name not in ("ndcg", "hit_rate"):
        labels = [
            [label for label in row if row_scores[label] > 0]
            for row, row_scores in zip(labels, scores, strict=True)
        ]
    actual = ours(name, labels, scores, k, peer)
    if name == "recall":  # over all of them still
        actual *= np.array([len(row) for row in labels]) / num_relevant
    expected = [float.fromhex(value) for value in values]
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("k", [1, 2, 5, 17, 30])
def test_the_weighted_mean_of_tensorflow_is_ours(name, k):
    case = CASES[name]
    expected = float.fromhex(case["tensorflow_means"][str(k)])
    scores = np.array(case["scores"], np.float32)
    weights = np.array(case["weights"])
    actual = fastpr.average_precision_at_k(case["labels"], scores, k, weights)
    assert actual == pytest.approx(expected, rel=1e-14, abs=0)


def test_the_records_hold_what_they_should():
    assert len(recorded("ranx")) == 2 * 5 * 6
    assert len(recorded("pytrec_eval")) == 2 * (5 * 5 + 1)
    assert len(recorded("torchmetrics")) == 2 * 5 * 6
    assert len(recorded("tensorflow")) == 3 * 5
    assert (np.array(CASES["logits"]["scores"]) < 0).any()
    for name, ties in (("positive", False), ("logits", False), ("ties", True)):
        assert any(len(set(row)) < len(row) for row in CASES[name]["scores"]) is ties


def test_the_peers_of_a_denominator_differ_where_they_should():
    case = CASES["positive"]
    for k in ("2", "5"):
        columns = [
            tuple(case["results"][peer][k]["average_precision"])
            for peer in ("ranx", "torchmetrics", "tensorflow")
        ]
        assert len(set(columns)) == 3


# ---- scikit-learn ----


def rows(ties, num_rows=50, num_classes=23, num_labels=4):
    """Scores, and relevant classes as a mask and as ids; one class at least in each row."""
    rng = np.random.default_rng(11)
    scores = rng.random((num_rows, num_classes))
    if ties:
        scores = np.floor(scores * 6)
    relevant = rng.random((num_rows, num_classes)) < num_labels / num_classes
    relevant[np.arange(num_rows), rng.integers(0, num_classes, num_rows)] = True
    return scores, relevant, [np.flatnonzero(row).tolist() for row in relevant]


def test_label_ranking_average_precision_is_that_over_all_relevant():
    scores, relevant, labels = rows(ties=False)
    weights = np.random.default_rng(0).random(len(labels))
    for sample_weight in (None, weights):
        expected = sklearn.metrics.label_ranking_average_precision_score(
            relevant, scores, sample_weight=sample_weight
        )
        actual = fastpr.average_precision_at_k(
            labels, scores, scores.shape[1], sample_weight, denominator="relevant"
        )
        assert actual == pytest.approx(expected, rel=1e-14)


def test_label_ranking_average_precision_is_pessimistic_with_one_label_in_a_tie():
    scores, _, labels = rows(ties=True)
    labels = [row[:1] for row in labels]
    relevant = np.zeros(scores.shape, bool)
    relevant[np.arange(len(labels)), [row[0] for row in labels]] = True
    expected = sklearn.metrics.label_ranking_average_precision_score(relevant, scores)
    k = scores.shape[1]
    pessimistic = fastpr.average_precision_at_k(labels, scores, k, ties="pessimistic")
    assert pessimistic == pytest.approx(expected, rel=1e-14)
    for ties in ("index", "optimistic", "expected"):
        other = fastpr.average_precision_at_k(labels, scores, k, ties=ties)
        assert other > expected * 1.01


def test_with_more_labels_in_a_tie_label_ranking_average_precision_is_another_thing():
    scores, relevant = np.zeros((1, 4)), np.array([[True, True, False, False]])
    assert sklearn.metrics.label_ranking_average_precision_score(relevant, scores) == 2 / 4
    actual = fastpr.average_precision_at_k([[0, 1]], scores, 4, ties="pessimistic")
    assert actual == (1 / 3 + 2 / 4) / 2


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 3, 10, 23])
def test_ndcg_is_that_expected_over_all_orders_of_ties(k, ties):
    scores, relevant, labels = rows(ties)
    weights = np.random.default_rng(0).random(len(labels))
    expected = sklearn.metrics.ndcg_score(relevant, scores, k=k, sample_weight=weights)
    actual = fastpr.ndcg_at_k(labels, scores, k, weights, ties="expected")
    assert actual == pytest.approx(expected, rel=1e-13)
    if not ties:
        ignoring = sklearn.metrics.ndcg_score(
            relevant, scores, k=k, sample_weight=weights, ignore_ties=True
        )
        assert fastpr.ndcg_at_k(labels, scores, k, weights) == pytest.approx(ignoring, rel=1e-13)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 3, 10, 22])
def test_top_k_accuracy_is_the_hit_rate_of_one_label(k, ties):
    """The higher class id first among ties: ours on the classes in reverse."""
    scores, _, labels = rows(ties)
    labels = np.array([row[0] for row in labels])
    num_classes = scores.shape[1]
    expected = sklearn.metrics.top_k_accuracy_score(
        labels, scores, k=k, labels=np.arange(num_classes)
    )
    actual = fastpr.hit_rate_at_k(num_classes - 1 - labels, scores[:, ::-1], k)
    assert actual == pytest.approx(expected, rel=1e-15)
    if not ties:
        assert fastpr.hit_rate_at_k(labels, scores, k) == actual


def test_the_average_precision_of_a_binary_problem_is_that_over_all_relevant():
    """One row of all samples; scikit-learn's step sum, without ties."""
    scores, relevant, labels = rows(ties=False)
    for row_scores, row, ids in zip(scores, relevant, labels, strict=True):
        expected = sklearn.metrics.average_precision_score(row, row_scores)
        actual = fastpr.average_precision_at_k(ids, row_scores, len(row), denominator="relevant")
        assert actual == pytest.approx(expected, rel=1e-14)
