"""Curves against scikit-learn: its numbers of the raw scores, and its conventions for 0/0."""

import math
import warnings

import numpy as np
import pytest
from curve_cases import NUM_THRESHOLDS, curve_of, random_samples
from sklearn import metrics

from fastpr.curves.curve import Curve

ROUNDING = 1e-12  # of the peer, which adds up in float64


def peer_points(labels, scores, weights):
    """Return the peer's precision, recall and thresholds, and fpr and tpr."""
    options = {"sample_weight": weights}
    return (
        metrics.precision_recall_curve(labels, scores, **options),
        metrics.roc_curve(labels, scores, drop_intermediate=False, **options),
    )


def test_certificates_hold_the_numbers_of_scikit_learn():
    rng = np.random.default_rng(11)
    num_checked, violated = 0, []
    for trial in range(1000):
        num_thresholds = NUM_THRESHOLDS[trial % len(NUM_THRESHOLDS)]
        labels, scores, weights = random_samples(rng, num_thresholds, max_size=300)
        used = labels if weights is None else labels[weights > 0]
        if not 0 < used.sum() < len(used):
            continue
        curve = curve_of(labels, scores, num_thresholds, weights)
        (precision, recall, _), (fpr, tpr, _) = peer_points(labels, scores, weights)
        options = {"sample_weight": weights}
        end = float(rng.uniform(0.01, 0.99))
        some = precision[:-1] + recall[:-1] > 0
        f1 = 2 * precision[:-1] * recall[:-1] / np.where(some, precision[:-1] + recall[:-1], 1)
        pairs = [
            (curve.average_precision(), metrics.average_precision_score(labels, scores, **options)),
            (curve.auroc(), metrics.roc_auc_score(labels, scores, **options)),
            (curve.auroc(end), metrics.roc_auc_score(labels, scores, max_fpr=end, **options)),
            (curve.best().value, f1.max()),
            (curve.best("youden").value, (tpr - fpr).max()),
            (curve.best("balanced_accuracy").value, ((tpr + 1 - fpr) / 2).max()),
        ]
        if weights is None:  # the peer rounds rates of weights, and misses levels by that
            level = float(rng.choice([0.5, 0.9, 0.95, 1.0]))
            pairs += [
                (curve.fpr_at_tpr(level).value, fpr[tpr >= level].min()),
                (curve.tpr_at_fpr(1 - level).value, tpr[fpr <= 1 - level].max()),
                (
                    curve.precision_at_recall(level).value,
                    precision[:-1][recall[:-1] >= level].max(),
                ),
                (curve.recall_at_precision(level).value, recall[precision >= level].max()),
            ]
        for at, (estimate, exact) in enumerate(pairs):
            num_checked += 1
            if not estimate.low - ROUNDING <= exact <= estimate.high + ROUNDING:
                violated.append((trial, at, estimate.low, exact, estimate.high))
    print(f"\n{len(violated)} violations in {num_checked}")
    assert violated == []
    assert num_checked > 4000


def test_a_curve_of_all_distinct_scores_is_that_of_scikit_learn():
    rng = np.random.default_rng(12)
    for _ in range(150):
        labels, scores, weights = random_samples(rng, 11, max_size=100)
        used = np.ones(len(labels), bool) if weights is None else weights > 0
        if not 0 < labels[used].sum() < used.sum():
            continue
        values, groups = np.unique(scores[used], return_inverse=True)
        table = np.zeros((2, len(values)), np.int64 if weights is None else np.float64)
        np.add.at(
            table, (labels[used].astype(int), groups), 1 if weights is None else weights[used]
        )
        curve = Curve.from_bins(table, values, exact=True, conventions="sklearn")
        (precision, recall, thresholds), (fpr, tpr, _) = peer_points(labels, scores, weights)
        assert curve.thresholds.tolist() == thresholds.tolist()
        close = {"rtol": 1e-12, "atol": 1e-12}
        np.testing.assert_allclose(curve.precision, precision[:-1], **close)
        np.testing.assert_allclose(curve.recall, recall[:-1], **close)
        np.testing.assert_allclose(curve.fpr[::-1], fpr[1:], **close)
        np.testing.assert_allclose(curve.tpr[::-1], tpr[1:], **close)
        options = {"sample_weight": weights}
        for ours, theirs in (
            (curve.average_precision(), metrics.average_precision_score(labels, scores, **options)),
            (curve.average_precision("trapezoid"), metrics.auc(recall, precision)),
            (curve.auroc(), metrics.roc_auc_score(labels, scores, **options)),
            (curve.auroc(0.2), metrics.roc_auc_score(labels, scores, max_fpr=0.2, **options)),
        ):
            assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)
        for at in rng.choice(len(values), 3):
            predicted = scores >= values[at]
            for ours, score in (
                (curve.f(), metrics.f1_score),
                (curve.iou, metrics.jaccard_score),
                (curve.accuracy, metrics.accuracy_score),
                (curve.balanced_accuracy, metrics.balanced_accuracy_score),
                (curve.mcc, metrics.matthews_corrcoef),
            ):
                skewed = weights is not None and weights.max() > 1e6 * weights[used].min()
                if skewed and score is metrics.matthews_corrcoef:
                    continue  # the peer's is off by 1e-6 there, or nan
                peer = score(labels, predicted, sample_weight=weights)
                assert ours[at] == pytest.approx(peer, rel=1e-10, abs=1e-10), score
            ours = curve.f(2.0)[at]
            assert ours == pytest.approx(
                metrics.fbeta_score(labels, predicted, beta=2, sample_weight=weights), abs=1e-10
            )


def test_the_sklearn_preset_is_what_scikit_learn_says():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        no_positives, scores = np.zeros(3, int), np.array([0.1, 0.4, 0.6])
        precision, recall, _ = metrics.precision_recall_curve(no_positives, scores)
        fpr, tpr, _ = metrics.roc_curve(no_positives, scores)
        theirs = {
            "recall": recall[0],
            "tpr": tpr[0],
            "f": metrics.f1_score(no_positives, np.zeros(3, int), pos_label=1),
            "iou": metrics.jaccard_score(no_positives, np.zeros(3, int), pos_label=1),
            "average_precision": metrics.average_precision_score(no_positives, scores),
            "auroc": metrics.roc_auc_score(no_positives, scores),
            "mcc": metrics.matthews_corrcoef(no_positives, np.array([0, 1, 1])),
        }
        other_fpr, _, _ = metrics.roc_curve(1 - no_positives, scores)
        theirs["fpr"] = other_fpr[0]
        # where no score is at or above a threshold, its sums have no entry but the 0 it fills in
        theirs["precision"] = metrics.precision_score([0, 1], [0, 0])
    assert precision[0] == 0
    assert not math.isnan(fpr[0])
    preset = Curve.from_bins([[1, 2], [0, 0]], [0.0, 0.5], conventions="sklearn").conventions
    for name, value in theirs.items():
        np.testing.assert_equal(float(getattr(preset, name)), float(value), name)
    assert preset.average_precision_method == "step"
