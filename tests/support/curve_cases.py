"""Sets of samples that are hard for binned curves, and their tables, by comparison."""

from __future__ import annotations

import numpy as np

from fastpr.curves.curve import Curve

NUM_THRESHOLDS = (2, 3, 11, 201, 4001)


def random_scores(rng, size, edges):
    """Return scores of one of many shapes; `edges` are thresholds to lie on, or just below."""
    shape = rng.integers(12)
    if shape == 0:
        return rng.random(size)
    if shape == 1:
        return rng.choice(edges, size)
    if shape == 2:
        return np.maximum(np.nextafter(rng.choice(edges, size), -1.0), 0.0)
    if shape == 3:
        return np.full(size, rng.choice([0.0, 0.3, 1.0, rng.random()]))
    if shape == 4:
        return np.ones(size)
    if shape == 5:
        return rng.random(size) ** 8
    if shape == 6:
        return 1 - rng.random(size) ** 30
    if shape == 7:
        return rng.integers(0, 4, size) / 3
    if shape == 8:
        return rng.choice([0.0, 5e-324, 1e-300, 0.5, 1.0], size)
    if shape == 9:  # a few neighbours in one bin
        return np.clip(0.4 + rng.integers(-2, 3, size) * 2.0**-53, 0, 1)
    if shape == 10:
        return rng.integers(0, 256, size) / 255
    on, below = rng.choice(edges, size), np.nextafter(rng.choice(edges, size), -1.0)
    return np.where(rng.random(size) < 0.5, on, np.maximum(below, 0.0))


def random_labels(rng, scores):
    """Return labels of one of several shapes; sometimes of one class."""
    shape = rng.integers(6)
    if shape == 0:
        return rng.random(len(scores)) < 0.5
    if shape == 1:
        return rng.random(len(scores)) < scores
    if shape == 2:
        return rng.random(len(scores)) > scores
    if shape == 3:
        return rng.random(len(scores)) < 0.05
    if shape == 4:
        return scores > np.median(scores) if len(scores) else np.zeros(0, bool)
    return rng.random(len(scores)) < 0.95


def random_weights(rng, size):
    """Return weights of one of several shapes, with zeros, or None."""
    shape = rng.integers(6)
    if shape < 2:
        return None
    if shape == 2:
        return rng.integers(0, 4, size).astype(float)
    if shape == 3:
        return rng.random(size) * (rng.random(size) < 0.8)
    if shape == 4:
        return 10.0 ** rng.integers(-12, 12, size)
    return np.full(size, 0.1)


def random_samples(rng, num_thresholds, max_size=60):
    edges = np.arange(num_thresholds) / (num_thresholds - 1)
    size = int(rng.integers(1, max_size))
    scores = random_scores(rng, size, edges)
    return random_labels(rng, scores), scores, random_weights(rng, size)


def table_of(labels, scores, edges, weights=None):
    """Return the table of float64 scores, each in the last bin whose edge it is at or above."""
    bins = (np.asarray(scores)[:, np.newaxis] >= edges[np.newaxis, :]).sum(axis=1) - 1
    table = np.zeros((2, len(edges)), np.int64 if weights is None else np.float64)
    np.add.at(table, (np.asarray(labels, int), bins), 1 if weights is None else weights)
    return table


def curve_of(labels, scores, num_thresholds, weights=None, **options):
    """Return the curve of float64 scores; only the last bin holds a single one."""
    edges = np.arange(num_thresholds) / (num_thresholds - 1)
    single = np.arange(num_thresholds) == num_thresholds - 1
    table = table_of(labels, scores, edges, weights)
    return Curve.from_bins(table, edges, single=single, **options)
