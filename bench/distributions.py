"""The data that is timed: how scores and labels are spread, and rows of scores with labels."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Samples = tuple[Array, Array]

_CHUNK = 1 << 22  # what is made at once, so that temporaries stay small


def uniform(num: int, rng: np.random.Generator) -> Samples:
    """Scores spread evenly over [0, 1): every bin in turn, no two alike."""
    scores = rng.random(num, dtype=np.float32)
    return scores, rng.random(num, dtype=np.float32) < scores


def skewed(num: int, rng: np.random.Generator) -> Samples:
    """85 % in the lowest bin, 10 % at 1, 5 % anywhere, shuffled."""
    place = rng.random(num, dtype=np.float32)
    scores = rng.random(num, dtype=np.float32)
    scores[place < 0.95] = 1
    scores[place < 0.85] = 0.001
    return scores, rng.random(num, dtype=np.float32) < scores


def coherent(num: int, rng: np.random.Generator) -> Samples:
    """Long runs near 0 and 1, as a trained network's masks have; 2000 samples on average."""
    runs = rng.geometric(1 / 2000, size=num // 1000 + 64)
    labels = np.repeat(np.arange(runs.size) % 2, runs)[:num].astype(bool)
    assert labels.size == num
    noise = rng.random(num, dtype=np.float32)
    noise *= np.float32(0.004)
    return np.where(labels, 1 - noise, noise), labels


def one_bin(num: int, rng: np.random.Generator) -> Samples:
    """All samples in one bin, and of one label: every count waits for the one before."""
    return np.full(num, 0.5025, np.float32), np.zeros(num, bool)


def two_bins(num: int, rng: np.random.Generator) -> Samples:
    """Two bins that take turns, as do the labels: no run, and no spread either."""
    labels = np.arange(num, dtype=np.int32) % 2 == 1
    return np.where(labels, np.float32(0.8025), np.float32(0.2025)), labels


def sigmoid_normal(num: int, rng: np.random.Generator) -> Samples:
    """The sigmoid of normal logits: a hill in the middle, as an uncertain classifier has."""
    scores = rng.standard_normal(num, dtype=np.float32)
    for start in range(0, num, _CHUNK):
        part = scores[start : start + _CHUNK]
        np.divide(1, 1 + np.exp(-part), out=part)
    return scores, rng.random(num, dtype=np.float32) < scores


def probability_map(num: int, rng: np.random.Generator) -> Samples:
    """The microscopy image of `fastpr demo`, its 512 x 512 pixels tiled."""
    from fastpr.io.images import read_png

    folder = files("fastpr.data")
    with (
        as_file(folder / "nuclei_probability.png") as scores,
        as_file(folder / "nuclei_mask.png") as labels,
    ):
        image = read_png(scores, scores=True).astype(np.float32) / np.float32(65535)
        mask = read_png(labels, scores=False) > 0
    return np.resize(image, num), np.resize(mask, num)


DISTRIBUTIONS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "uniform": uniform,
    "iid skew 85/10/5": skewed,
    "coherent masks": coherent,
    "all in one bin": one_bin,
    "two alternating bins": two_bins,
    "sigmoid of a normal": sigmoid_normal,
    "real probability map": probability_map,
}


def make_samples(distribution: str, num: int) -> Samples:
    """Return float32 scores and bool labels, the same ones every time."""
    return DISTRIBUTIONS[distribution](num, np.random.default_rng(2026))


def as_scores(scores: Array, name: str) -> Array:
    """Return float32 scores in another dtype, integers as the nearest u / (2**bits - 1)."""
    if name == "float32":
        return scores
    if name == "bfloat16":
        import ml_dtypes

        dtype = np.dtype(ml_dtypes.bfloat16)
    else:
        dtype = np.dtype(name)
    out = np.empty(scores.shape, dtype)
    for start in range(0, len(scores), _CHUNK):
        part = scores[start : start + _CHUNK]
        if dtype.kind == "u":
            part = np.rint(part * np.float32(np.iinfo(dtype).max))
        out[start : start + _CHUNK] = part.astype(dtype)
    return out


def make_weights(num: int, dtype: str) -> Array:
    """Return weights in [0, 1)."""
    return np.random.default_rng(7).random(num, dtype=np.dtype(dtype))


def make_rows(
    num_rows: int, num_classes: int, num_labels: int, boost: float
) -> tuple[Array, Array]:
    """Return labels [num_rows, num_labels], all different in a row, and normal scores.

    The scores of labels are `boost` standard deviations higher.
    """
    rng = np.random.default_rng(2026)
    scores = rng.standard_normal((num_rows, num_classes), dtype=np.float32)
    if num_labels**2 > num_classes:
        labels = np.stack([
            rng.choice(num_classes, num_labels, replace=False) for _ in range(num_rows)
        ]).astype(np.int64)  # fmt: skip
    else:  # so few that most rows have none twice: draw the others again
        labels = rng.integers(num_classes, size=(num_rows, num_labels))
        while (again := (np.diff(np.sort(labels, axis=1), axis=1) == 0).any(axis=1)).any():
            labels[again] = rng.integers(num_classes, size=(again.sum(), num_labels))
    scores[np.arange(num_rows)[:, None], labels] += np.float32(boost)
    return labels, scores
