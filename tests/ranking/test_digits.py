"""Real data: the digits that come with scikit-learn, ranked by a classifier and by likeness."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import sklearn.metrics
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import fastpr


class Ranked(NamedTuple):
    labels: np.ndarray | list[np.ndarray]
    scores: np.ndarray
    relevant: np.ndarray  # the labels as a mask


@pytest.fixture(scope="module")
def halves():
    """Return the images and digits of both halves, in the order of the data set."""
    images, digits = load_digits(return_X_y=True)
    images, middle = images / 16, len(digits) // 2
    return images[:middle], digits[:middle], images[middle:], digits[middle:]


@pytest.fixture(scope="module")
def classified(halves):
    """The ten digits ranked for each image by a classifier that is trained on the other half."""
    train, train_digits, test, digits = halves
    model = LogisticRegression(max_iter=1000, random_state=0).fit(train, train_digits)
    scores = model.predict_proba(test)
    return Ranked(digits, scores, digits[:, np.newaxis] == np.arange(10))


@pytest.fixture(scope="module")
def retrieved(halves):
    """The images of one half ranked for each of the other by likeness; the same digit is right."""
    train, train_digits, test, digits = halves
    norms = np.linalg.norm(train, axis=1)[np.newaxis] * np.linalg.norm(test, axis=1)[:, np.newaxis]
    relevant = digits[:, np.newaxis] == train_digits
    return Ranked([np.flatnonzero(row) for row in relevant], test @ train.T / norms, relevant)


def sorted_relevant(data):
    """Return whether the class at each rank is relevant, by sorting."""
    order = np.argsort(-data.scores, axis=1, kind="stable")
    return np.take_along_axis(data.relevant, order, axis=1)


def brute_force(data, k):
    """Return each metric of the rows, from the order as a whole."""
    hits = sorted_relevant(data)[:, :k]
    num_relevant = data.relevant.sum(axis=1)
    places = np.arange(1, k + 1)
    precisions = hits.cumsum(axis=1) / places
    discounts = 1 / np.log2(places + 1)
    ideal = np.array([discounts[:number].sum() for number in np.minimum(num_relevant, k)])
    return {
        "average_precision": (precisions * hits).sum(axis=1) / np.minimum(k, num_relevant),
        "precision": precisions[:, -1],
        "recall": hits.sum(axis=1) / num_relevant,
        "ndcg": hits @ discounts / ideal,
        "reciprocal_rank": (hits / places).max(axis=1),
        "hit_rate": hits.any(axis=1).astype(np.float64),
    }


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_classes_are_ranked_as_by_sorting(classified, k, dtype):
    data = classified._replace(scores=classified.scores.astype(dtype))
    for name, expected in brute_force(data, k).items():
        function = getattr(fastpr, f"{name}_at_k")
        actual = function(data.labels, data.scores, k, per_row=True)
        np.testing.assert_allclose(actual, expected, rtol=1e-14, err_msg=name)


@pytest.mark.parametrize("k", [1, 10, 100, 898])
def test_images_are_ranked_as_by_sorting(retrieved, k):
    for name, expected in brute_force(retrieved, k).items():
        function = getattr(fastpr, f"{name}_at_k")
        actual = function(retrieved.labels, retrieved.scores, k, per_row=True)
        np.testing.assert_allclose(actual, expected, rtol=1e-13, err_msg=name)
        mean = function(retrieved.labels, retrieved.scores, k)
        assert mean == pytest.approx(expected.mean(), rel=1e-13)


@pytest.mark.parametrize("backend", fastpr.available_backends())
def test_one_pass_over_images_is_right_at_every_cut_off(retrieved, backend):
    metrics = fastpr.RankingMetrics(100, backend=backend)
    for start in range(0, len(retrieved.labels), 250):
        rows = slice(start, start + 250)
        metrics.update(retrieved.labels[rows], retrieved.scores[rows])
    data = metrics.compute()
    for k in (1, 7, 50, 100):
        for name, expected in brute_force(retrieved, k).items():
            assert getattr(data, name)[k - 1] == pytest.approx(expected.mean(), rel=1e-13), name


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_hit_rate_is_the_top_k_accuracy(classified, k):
    expected = sklearn.metrics.top_k_accuracy_score(classified.labels, classified.scores, k=k)
    actual = fastpr.hit_rate_at_k(classified.labels, classified.scores, k)
    assert actual == pytest.approx(expected, rel=1e-15)
    assert actual > 0.85  # the classifier is a real one


@pytest.mark.parametrize("which", ["classified", "retrieved"])
def test_the_ndcg_of_scikit_learn_is_that_expected_over_ties(which, request):
    data = request.getfixturevalue(which)
    for k in (1, 5, data.scores.shape[1]):
        expected = sklearn.metrics.ndcg_score(data.relevant, data.scores, k=k)
        actual = fastpr.ndcg_at_k(data.labels, data.scores, k, ties="expected")
        assert actual == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("which", "num_rows"), [("classified", 899), ("retrieved", 763)])
def test_label_ranking_average_precision_agrees_on_rows_without_ties(which, num_rows, request):
    data = request.getfixturevalue(which)
    num_classes = data.scores.shape[1]
    rows = [i for i, row in enumerate(data.scores) if len(np.unique(row)) == num_classes]
    assert abs(len(rows) - num_rows) < 30  # that many, but for roundings of another BLAS
    relevant, scores = data.relevant[rows], data.scores[rows]
    expected = sklearn.metrics.label_ranking_average_precision_score(relevant, scores)
    labels = [np.flatnonzero(row) for row in relevant]
    actual = fastpr.average_precision_at_k(labels, scores, num_classes, denominator="relevant")
    assert actual == pytest.approx(expected, rel=1e-14)


def test_ranked_ids_of_images_give_the_same(retrieved):
    ids = np.argsort(-retrieved.scores, axis=1, kind="stable")[:, :100]
    assert fastpr.average_precision_at_top_k(
        retrieved.labels, ids, num_classes=898
    ) == fastpr.average_precision_at_k(retrieved.labels, retrieved.scores, 100)
