"""The table of peers that count: each called as its documentation says, each answer checked.

A peer prepares its input outside the clock, in the type it asks for. What its check allows is
what its own method justifies. It is timed on at most `most` samples: a rate is a rate, and a
smaller input that fits the caches is in its favour.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from answers import average_precision_bounds, check_close, check_moved
from distributions import Array

# Samples that may be in another bin than ours where a bin is computed, `floor(p * (T - 1))`,
# or thresholds are those of `linspace`: only scores within a rounding error of a threshold.
_AT_THRESHOLDS = 1e-4


def _computed(table: Array) -> float:
    """Return the share of samples that a computed bin may put elsewhere.

    The product of a score and T - 1 is rounded, by half an ulp of a float32 at most, which is
    T * 2**-24 of the width of a bin; so that part of the samples, twice over, is near enough.
    """
    return max(_AT_THRESHOLDS, 2 * table.shape[1] * 2.0**-24)


Call = Callable[[], Any]
# Takes the answer and the right table of counts; raises AssertionError if they do not agree.
Check = Callable[[Any, Array], int]


class Peer(NamedTuple):
    """A library, what of it is called, and how its answer is compared."""

    name: str
    package: str  # of PyPI, which pip installs
    modules: tuple[str, ...]  # that have to import
    computes: str
    prepare: Callable[..., Call]
    check: Check
    most: int
    everywhere: bool = False  # timed on all distributions, not only those with a figure asked


def missing_reason(peer: Any) -> str:
    """Return "" if a peer imports here, else why it does not."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        for module in peer.modules:
            import_module(module)
    except Exception as error:  # whatever a package does when it does not fit the others
        return f"{peer.package} does not import here ({type(error).__name__}: {error})"[:200]
    return ""


def _tail_sums(table: Array) -> tuple[Array, Array]:
    """Return (fp, tp) of a table: the sums over a bin and all that are higher."""
    fp, tp = table[:, ::-1].cumsum(axis=1)[:, ::-1]
    return fp, tp


def _table_of(fp: Any, tp: Any) -> Array:
    """Return the counts by bin that have these sums."""
    sums = np.array([fp, tp], np.float64)
    return sums - np.concatenate([sums[:, 1:], np.zeros((2, 1))], axis=1)


# ---- histograms ----


def _boost_histogram(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    import boost_histogram as bh

    def call() -> Any:
        histogram = bh.Histogram(
            bh.axis.Regular(num_thresholds - 1, 0, 1), bh.axis.Boolean(), storage=bh.storage.Int64()
        )
        return histogram.fill(scores, labels, threads=threads)

    return call


def _check_boost_histogram(answer: Any, table: Array) -> int:
    # its bins are computed; scores of exactly 1 are in the bin of overflow
    return check_moved(answer.view(flow=True)[1:].T, table, _computed(table))


def _fast_histogram(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    from fast_histogram import histogram2d

    # one bin more, above 1, for the scores of exactly 1
    top = num_thresholds / (num_thresholds - 1)
    numbers = labels.view(np.uint8)  # it takes no bool
    return lambda: histogram2d(scores, numbers, bins=(num_thresholds, 2), range=((0, top), (0, 2)))


def _bincount(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    steps = np.float32(num_thresholds - 1)
    return lambda: np.bincount(
        (scores * steps).astype(np.intp) * 2 + labels, minlength=2 * num_thresholds
    ).reshape(num_thresholds, 2)


def _check_by_bin(answer: Any, table: Array) -> int:
    return check_moved(answer.T, table, _computed(table))


# ---- curves ----


def _keras(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    import keras
    import tensorflow as tf

    held = tf.constant(labels), tf.constant(scores)
    metric = keras.metrics.AUC(num_thresholds=num_thresholds, curve="PR")

    def call() -> Any:
        metric.reset_state()
        metric.update_state(*held)
        metric.result()
        return metric

    return call


def _check_keras(answer: Any, table: Array) -> int:
    # It moves the first threshold below 0 and the last above 1, so these differ by design;
    # and it counts in float32, which is exact for as few samples as it gets here.
    wanted = [sums[1:-1] for sums in _tail_sums(table)]
    found = [np.asarray(value)[1:-1] for value in (answer.false_positives, answer.true_positives)]
    return check_close("counts", found, wanted, _AT_THRESHOLDS * table.sum())


def _torchmetrics(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    import torch
    from torchmetrics.classification import BinaryPrecisionRecallCurve

    torch.set_num_threads(threads)
    held = torch.from_numpy(scores), torch.from_numpy(labels.astype(np.int64))
    metric = BinaryPrecisionRecallCurve(thresholds=num_thresholds)

    def call() -> Any:
        metric.reset()
        metric.update(*held)
        return metric.confmat, metric.compute()

    return call


def _check_torchmetrics(answer: Any, table: Array) -> int:
    counts = answer[0].numpy()[:, :, 1]  # thresholds of linspace, scores at or above them
    return check_moved(_table_of(counts[:, 0], counts[:, 1]), table, _AT_THRESHOLDS)


def _torcheval(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    import torch
    from torcheval.metrics.functional import binary_binned_precision_recall_curve

    torch.set_num_threads(threads)
    held = torch.from_numpy(scores), torch.from_numpy(labels.astype(np.int64))
    return lambda: binary_binned_precision_recall_curve(*held, threshold=num_thresholds)


def _check_torcheval(answer: Any, table: Array) -> int:
    # Thresholds of linspace, at or above. A share of the samples elsewhere moves a recall by
    # that over the share of positives; a precision by that over the share that is positive.
    precision, recall, _ = (values.numpy() for values in answer)
    fp, tp = _tail_sums(table)
    some = (tp + fp) >= 0.01 * table.sum()
    checks = check_close("recall", recall[:-1], tp / tp[0], _AT_THRESHOLDS * table.sum() / tp[0])
    wanted = (tp / np.maximum(tp + fp, 1))[some]
    return checks + check_close("precision", precision[:-1][some], wanted, 100 * _AT_THRESHOLDS)


def _sklearn_curve(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    from sklearn.metrics import precision_recall_curve

    return lambda: precision_recall_curve(labels, scores)


def _check_sklearn_curve(answer: Any, table: Array) -> int:
    # Exact: at the lowest of its thresholds that is not below ours it has our counts.
    precision, recall, thresholds = answer
    num_thresholds = table.shape[1]
    ours = (np.arange(num_thresholds) / (num_thresholds - 1)).astype(thresholds.dtype)
    place = np.searchsorted(thresholds, ours)
    fp, tp = _tail_sums(table)
    some = tp + fp > 0  # it has no threshold above all scores
    place = place[some]
    checks = check_close("recall", recall[place], (tp / tp[0])[some], 1e-12)
    return checks + check_close("precision", precision[place], (tp[some] / (tp + fp)[some]), 1e-12)


def _sklearn_average(scores: Array, labels: Array, num_thresholds: int, threads: int) -> Call:
    from sklearn.metrics import average_precision_score

    return lambda: average_precision_score(labels, scores)


def _check_sklearn_average(answer: Any, table: Array) -> int:
    # It is the step sum over unbinned scores; counts say between which values that lies.
    low, high = average_precision_bounds(table)
    assert low <= answer <= high, f"average precision {answer} is not in [{low}, {high}]"
    return 1


PEERS = (
    Peer("boost-histogram", "boost-histogram", ("boost_histogram",),
         "Histogram(Regular, Boolean, storage=Int64).fill(threads=)", _boost_histogram,
         _check_boost_histogram, 1 << 26, everywhere=True),
    Peer("fast-histogram", "fast-histogram", ("fast_histogram",), "histogram2d", _fast_histogram,
         _check_by_bin, 1 << 24, everywhere=True),
    Peer("numpy bincount", "numpy", ("numpy",), "bincount of 2 * bin + label", _bincount,
         _check_by_bin, 1 << 24, everywhere=True),
    Peer("scikit-learn", "scikit-learn", ("sklearn.metrics",), "precision_recall_curve",
         _sklearn_curve, _check_sklearn_curve, 1 << 22),
    Peer("scikit-learn AP", "scikit-learn", ("sklearn.metrics",), "average_precision_score",
         _sklearn_average, _check_sklearn_average, 1 << 22),
    Peer("torcheval", "torcheval", ("torch", "torcheval.metrics.functional"),
         "binary_binned_precision_recall_curve", _torcheval, _check_torcheval, 1 << 22),
    Peer("torchmetrics", "torchmetrics", ("torch", "torchmetrics.classification"),
         "BinaryPrecisionRecallCurve(thresholds=T)", _torchmetrics, _check_torchmetrics, 1 << 20),
    Peer("Keras", "tensorflow-cpu", ("tensorflow", "keras"),
         "metrics.AUC(num_thresholds=T, curve='PR')", _keras, _check_keras, 1 << 22),
)  # fmt: skip
