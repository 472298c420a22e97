"""Curves against Keras, torchmetrics and torcheval, where definitions meet.

Skipped where one of them is not installed; CI runs it where the peers of the benchmarks are.
"""

import warnings

import numpy as np
import pytest
from curve_cases import curve_of

from fastpr.curves.curve import Curve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    torcheval = pytest.importorskip("torcheval.metrics.functional")
    keras = pytest.importorskip("keras")

SINGLE = 2e-6  # they compute in float32


def samples(seed, size=2000, prevalence=0.3):
    """Return labels and float32 scores, none of them close to a threshold of 1/200."""
    rng = np.random.default_rng(seed)
    labels = rng.random(size) < prevalence
    scores = np.clip(rng.normal(0.4 + 0.15 * labels, 0.2), 0, 1)
    scores = (np.floor(scores * 199.99) + rng.uniform(0.1, 0.9, size)) / 200
    return labels, scores.astype(np.float32)


def keras_metric(name, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(keras.metrics, name)(*arguments, **options)


def curve_of_keras(metric):
    """Return the curve of the counts that a Keras metric holds."""
    counts = (
        metric.true_positives,
        metric.false_positives,
        metric.true_negatives,
        metric.false_negatives,
    )
    return Curve.from_counts(
        *(np.asarray(c, np.float64) for c in counts), metric.thresholds, conventions="keras"
    )


@pytest.mark.parametrize("num_thresholds", [3, 50, 201])
@pytest.mark.parametrize("prevalence", [0.02, 0.3, 0.9])
def test_keras_areas_follow_from_its_counts(num_thresholds, prevalence):
    labels, scores = samples(num_thresholds, prevalence=prevalence)
    for kind in ("PR", "ROC"):
        metric = keras_metric("AUC", num_thresholds=num_thresholds, curve=kind)
        metric.update_state(labels, scores)
        curve = curve_of_keras(metric)
        ours = curve.average_precision() if kind == "PR" else curve.auroc()
        assert ours == pytest.approx(float(metric.result()), abs=SINGLE)
    # its thresholds but the first and the last are ours, and these two take all and nothing
    own = curve_of(labels, scores.astype(float), num_thresholds)
    assert own.auroc() == pytest.approx(curve.auroc(), abs=1e-12)


def test_keras_has_0_where_a_class_is_missing():
    for label in (0, 1):
        for kind in ("PR", "ROC"):
            metric = keras_metric("AUC", num_thresholds=5, curve=kind)
            metric.update_state(np.full(4, label), np.array([0.1, 0.3, 0.6, 0.9]))
            curve = curve_of_keras(metric)
            ours = curve.average_precision() if kind == "PR" else curve.auroc()
            assert ours == pytest.approx(float(metric.result()), abs=1e-6), (label, kind)


def test_keras_operating_points():
    labels, scores = samples(4)
    for name, level in (("SpecificityAtSensitivity", 0.8), ("SensitivityAtSpecificity", 0.8),
                        ("RecallAtPrecision", 0.5), ("PrecisionAtRecall", 0.6)):  # fmt: skip
        metric = keras_metric(name, level, num_thresholds=201)
        metric.update_state(labels, scores)
        curve = curve_of_keras(metric)
        point = {
            "SpecificityAtSensitivity": lambda c: c.specificity_at_sensitivity(0.8),
            "SensitivityAtSpecificity": lambda c: c.tpr_at_fpr(1 - 0.8),
            "RecallAtPrecision": lambda c: c.recall_at_precision(0.5),
            "PrecisionAtRecall": lambda c: c.precision_at_recall(0.6),
        }[name](curve)
        assert point.value == pytest.approx(float(metric.result()), abs=SINGLE), name


@pytest.mark.parametrize("prevalence", [0.02, 0.3, 0.9])
def test_torchmetrics_at_thresholds_and_exact(prevalence):
    labels, scores = samples(5, prevalence=prevalence)
    target, preds = torch.as_tensor(labels.astype(int)), torch.as_tensor(scores)
    curve = curve_of(labels, scores.astype(float), 201)
    for name, ours in (
        ("binary_average_precision", curve.average_precision()),
        ("binary_auroc", curve.auroc()),
    ):
        score = getattr(torchmetrics, name)
        binned = float(score(preds, target, thresholds=201))
        assert ours == pytest.approx(binned, abs=SINGLE)
        exact = float(score(preds, target))
        assert ours.low - SINGLE <= exact <= ours.high + SINGLE
    exact = float(torchmetrics.binary_auroc(preds, target, max_fpr=0.2))
    assert curve.auroc(0.2).low - SINGLE <= exact <= curve.auroc(0.2).high + SINGLE


def test_torchmetrics_operating_points():
    labels, scores = samples(6)
    target, preds = torch.as_tensor(labels.astype(int)), torch.as_tensor(scores)
    curve = curve_of(labels, scores.astype(float), 201)
    for name, ours, level in (
        ("binary_recall_at_fixed_precision", curve.recall_at_precision, 0.5),
        ("binary_precision_at_fixed_recall", curve.precision_at_recall, 0.6),
        ("binary_specificity_at_sensitivity", curve.specificity_at_sensitivity, 0.8),
    ):
        score = getattr(torchmetrics, name)
        binned, _ = score(preds, target, thresholds=201, **{"min_" + name.split("_")[-1]: level})
        assert ours(level).value == pytest.approx(float(binned), abs=SINGLE), name
        exact, _ = score(preds, target, **{"min_" + name.split("_")[-1]: level})
        assert ours(level).low - SINGLE <= float(exact) <= ours(level).high + SINGLE, name


def test_torchmetrics_calibration_error():
    labels, scores = samples(7)
    target, preds = torch.as_tensor(labels.astype(int)), torch.as_tensor(scores)
    curve = curve_of(labels, scores.astype(float), 201)
    for norm in ("l1", "max"):
        exact = float(torchmetrics.binary_calibration_error(preds, target, n_bins=10, norm=norm))
        ours = curve.expected_calibration_error(10, norm)
        assert ours.low - SINGLE <= exact <= ours.high + SINGLE
        assert ours == pytest.approx(exact, abs=3e-3)


def test_torcheval_areas():
    labels, scores = samples(8)
    target, preds = torch.as_tensor(labels.astype(float)), torch.as_tensor(scores)
    curve = curve_of(labels, scores.astype(float), 201)
    auroc = float(torcheval.binary_auroc(preds, target))
    assert curve.auroc().low - SINGLE <= auroc <= curve.auroc().high + SINGLE
    area = float(torcheval.binary_auprc(preds, target))  # a step sum
    ours = curve.average_precision()
    assert ours.low - SINGLE <= area <= ours.high + SINGLE
