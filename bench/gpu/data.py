"""Large data on a device, and its counts and ranks once more: with torch, from the definitions.

Nothing here uses the package, so that the two cannot share a mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gpu.place import Place

Tensor = torch.Tensor

FLOATS = ("float16", "bfloat16", "float32", "float64")
LARGEST = {"uint8": 255, "uint16": 65_535}
KINDS = (*FLOATS, *LARGEST)
_CHUNK = 1 << 26
_BITS = {"float16": np.int16, "bfloat16": np.int16, "float32": np.int32, "float64": np.int64}


# ---- scores and labels ----


def _uniform(num: int, rand: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    scores = rand(num)
    return scores, rand(num) < scores


def _skewed(num: int, rand: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """85 % in the lowest bin, 10 % at 1, 5 % anywhere, shuffled."""
    scores, place = rand(num), rand(num)
    scores[place < 0.95] = 1
    scores[place < 0.85] = 0.001
    return scores, rand(num) < scores


def _coherent(num: int, rand: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """Long runs near 0 and 1, as a trained network's masks have; 2000 samples on average."""
    labels = (rand(num) < 1 / 2000).cumsum(0, dtype=torch.int32).bitwise_and_(1).bool()
    noise = rand(num).mul_(0.004)
    return torch.where(labels, 1 - noise, noise), labels


def _one_bin(num: int, rand: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    scores = torch.full_like(rand(1), 0.5).repeat(num)
    return scores, torch.ones_like(scores, dtype=torch.bool)


def _alternating(num: int, rand: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    scores = torch.zeros_like(rand(num))
    labels = torch.zeros_like(scores, dtype=torch.bool)
    scores[1::2], labels[::2] = 0.75, True
    return scores, labels


DISTRIBUTIONS = {
    "uniform": _uniform, "skewed 85/10/5": _skewed, "coherent": _coherent, "one bin": _one_bin,
    "alternating": _alternating,
}  # fmt: skip


def make(
    name: str, num: int, place: Place, kind: str = "float32", seed: int = 1
) -> tuple[Tensor, Tensor]:
    """Return scores of a distribution and dtype, and bool labels."""
    generator = place.generator(seed)

    def rand(number: int) -> Tensor:
        return torch.rand(number, device=place.device, generator=generator)

    scores, labels = DISTRIBUTIONS[name](num, rand)
    return as_kind(scores, kind), labels


def as_kind(scores: Tensor, kind: str) -> Tensor:
    """Return float32 scores in another dtype."""
    if kind in FLOATS:
        return scores.to(getattr(torch, kind))
    wide = (scores * LARGEST[kind] + 0.5).to(torch.int32)
    return wide.to(torch.uint8) if kind == "uint8" else wide.to(torch.int16).view(torch.uint16)


def edges(
    num: int, num_thresholds: int, place: Place, kind: str, seed: int = 1
) -> tuple[Tensor, Tensor]:
    """Return scores at thresholds and right beside them, in any order, and labels."""
    if kind in FLOATS:
        thresholds = thresholds_of(kind, num_thresholds)
        if kind == "bfloat16":
            bits = (thresholds.view(np.int32) >> 16).astype(np.int16)
        elif kind == "float16":
            bits = thresholds.astype(np.float16).view(np.int16)
        else:
            bits = thresholds.view(_BITS[kind])
        near = np.unique(bits[:, np.newaxis] + np.arange(-1, 2, dtype=bits.dtype))
        near = near[(near >= 0) & (near <= bits[-1])]
    else:
        near = np.arange(LARGEST[kind] + 1).astype("u1" if kind == "uint8" else "i2")
    generator = place.generator(seed)
    chosen = torch.randint(len(near), (num,), device=place.device, generator=generator)
    scores = torch.from_numpy(near).to(place.device)[chosen].view(getattr(torch, kind))
    labels = torch.rand(num, device=place.device, generator=generator) < 0.4
    return scores, labels


def whole_weights(num: int, place: Place, seed: int = 2) -> Tensor:
    """Return float32 weights in [0, 1) whose sums are exact in float64, in any order."""
    generator = place.generator(seed)
    whole = torch.randint(
        1 << 20, (num,), dtype=torch.int32, device=place.device, generator=generator
    )
    return whole.to(torch.float32).mul_(2.0**-20)


# ---- counts ----


def thresholds_of(kind: str, num_thresholds: int) -> np.ndarray:
    """Return ``i / (T - 1)``, correctly rounded to a dtype of floats, as float32 or float64."""
    exact = np.arange(num_thresholds) / (num_thresholds - 1)
    if kind == "float64":
        return exact
    if kind == "float32":
        return np.arange(num_thresholds, dtype=np.float32) / np.float32(num_thresholds - 1)
    # Two roundings are one here: no quotient is so close to the middle between two halves.
    if kind == "float16":
        return exact.astype(np.float16).astype(np.float32)
    bits = exact.view(np.int64)
    bits = (bits + (1 << 44) - 1 + (bits >> 45 & 1)) >> 45 << 45
    return bits.view(np.float64).astype(np.float32)


def _bins(scores: Tensor, kind: str, num_thresholds: int, thresholds: Tensor | None) -> Tensor:
    if thresholds is None:
        wide = scores.view(torch.int16).to(torch.int64) & 0xFFFF if kind == "uint16" else (
            scores.to(torch.int64))  # fmt: skip
        return wide * (num_thresholds - 1) // LARGEST[kind]
    return torch.bucketize(scores.to(thresholds.dtype).contiguous(), thresholds, right=True) - 1


def table_of(
    scores: Tensor, labels: Tensor, num_thresholds: int, weights: Tensor | None = None
) -> np.ndarray:
    """Return counts, or sums of whole weights, by label and bin; all scores are in [0, 1]."""
    kind = str(scores.dtype).removeprefix("torch.")
    thresholds = None
    if kind in FLOATS:
        thresholds = torch.from_numpy(thresholds_of(kind, num_thresholds)).to(scores.device)
    dtype = torch.int64 if weights is None else torch.float64
    total = torch.zeros(2 * num_thresholds, dtype=dtype, device=scores.device)
    arrays = [scores, labels] if weights is None else [scores, labels, weights]
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].numel(), _CHUNK):
        some, theirs, *rest = (array[start : start + _CHUNK] for array in flat)
        cells = _bins(some, kind, num_thresholds, thresholds)
        cells += theirs.to(torch.int64) * num_thresholds
        own = rest[0].to(torch.float64) if rest else None
        total += torch.bincount(cells, own, minlength=2 * num_thresholds)
    return total.cpu().numpy().reshape(2, num_thresholds)


def assert_counts(data: Any, table: np.ndarray, relative: float = 1e-12) -> None:
    """Fail unless a result has the counts of a table, or within a relative error its sums."""
    below = table.cumsum(1) - table
    at_least = table[:, ::-1].cumsum(1)[:, ::-1]
    for name, expected in (
        ("tp", at_least[1]), ("fp", at_least[0]), ("fn", below[1]), ("tn", below[0])
    ):  # fmt: skip
        ours = getattr(data, name)
        assert ours.dtype == table.dtype, f"{name}: {ours.dtype} and {table.dtype}"
        assert ours.shape == expected.shape, f"{name}: {ours.shape} and {expected.shape}"
        if table.dtype == np.int64:
            wrong = ours != expected
        else:
            wrong = ~(np.abs(ours - expected) <= relative * np.abs(expected))
        first = int(wrong.argmax())
        assert not wrong.any(), (
            f"{name}: {wrong.sum()} of {wrong.size} are wrong, first at {first}: {ours[first]!r}, "
            f"not {expected[first]!r}"
        )


# ---- ranks ----


def rows(
    num_rows: int, num_classes: int, num_labels: int, boost: float, place: Place, seed: int = 1
) -> tuple[Tensor, Tensor]:
    """Return distinct labels and random scores, those of labels `boost` deviations higher."""
    generator = place.generator(seed)
    scores = torch.randn(num_rows, num_classes, device=place.device, generator=generator)
    # one label in each of so many parts of the classes
    step = num_classes // num_labels
    labels = torch.randint(
        step, (num_rows, num_labels), device=place.device, generator=generator
    ) + step * torch.arange(num_labels, device=place.device)
    scores.scatter_add_(1, labels, torch.full_like(labels, boost, dtype=scores.dtype))
    return labels, scores


def ranks_of(labels: Tensor, scores: Tensor) -> np.ndarray:
    """Return the rank of each of some distinct labels of a row, by counting; no score is NaN."""
    ids = torch.arange(scores.shape[1], device=scores.device)
    ranks = torch.empty_like(labels)
    for column in range(labels.shape[1]):
        label = labels[:, column, None]
        own = scores.gather(1, label)
        before = (scores > own).sum(1)
        ranks[:, column] = before + ((scores == own) & (ids < label)).sum(1)
    return ranks.cpu().numpy()


def average_precisions(ranks: np.ndarray, k: int) -> np.ndarray:
    """Return average precision at k of each row."""
    ranks = np.sort(ranks, axis=1)
    hits = np.arange(1, ranks.shape[1] + 1) / (ranks + 1)
    return np.where(ranks < k, hits, 0).sum(1) / min(k, ranks.shape[1])
