"""Large and adversarial data, against counts and ranks made with torch or on the host."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import fastpr
from gpu import data as gpu_data
from gpu.data import assert_counts, make, table_of
from gpu.place import Place, Scale
from gpu.results import Results

State = fastpr.PrecisionRecallAtEqualThresholds
_LABELS = ("int8", "uint8", "int16", "int32", "int64")


def run(place: Place, scale: Scale, results: Results, shard: tuple[int, int]) -> None:
    """Check everything that is large."""
    for part in (_distributions, _thresholds, _weights, _layouts, _invalid, _past_32_bits, _ranks):
        part(place, scale, results)


def _count(scores: Any, labels: Any, num_thresholds: int, weights: Any = None) -> Any:
    state = State(num_thresholds)
    return state.update(labels, scores, weights).compute()


def _distributions(place: Place, scale: Scale, results: Results) -> None:
    num = scale.num_samples(28) + 4321

    def check(name: str, kind: str) -> None:
        scores, labels = make(name, num, place, kind)
        assert_counts(_count(scores, labels, 201), table_of(scores, labels, 201))

    for kind in gpu_data.KINDS:
        for name in gpu_data.DISTRIBUTIONS:
            results.check(f"{num} samples", f"{kind} {name}", lambda k=kind, n=name: check(n, k))

    def check_labels(dtype: str) -> None:
        scores, labels = make("uniform", num, place)
        data = _count(scores, labels.to(getattr(torch, dtype)), 201)
        assert_counts(data, table_of(scores, labels, 201))

    for dtype in _LABELS:
        results.check(f"{num} samples", f"labels {dtype}", lambda d=dtype: check_labels(d))


def _numbers(place: Place, num_parts: int, limbs: int) -> list[int]:
    """Return numbers of thresholds on both sides of where a table no longer fits somewhere.

    A cell has 4 bytes, times `limbs` of a sum of weights; memory is shared by `num_parts`.
    """
    found = []
    for memory in (48 << 10, place.max_shared, place.max_shared // 2 - 2048)[:num_parts]:
        most = memory // (8 * limbs)
        found += range(most - 9, most + 2) if limbs > 1 else range(most - 2, most + 2)
    return found


def _thresholds(place: Place, scale: Scale, results: Results) -> None:
    num = scale.num_samples(24) + 77
    numbers = [2, 3, 201, 1001, 32_767, 32_768, 65_536, 65_537, *_numbers(place, 3, 1)]

    def check(kind: str, num_thresholds: int, make_scores: Callable[[], Any]) -> None:
        scores, labels = make_scores()
        data = _count(scores, labels, num_thresholds)
        assert_counts(data, table_of(scores, labels, num_thresholds))

    for kind in gpu_data.KINDS:
        for number in sorted(numbers)[:: scale.step]:
            results.check(
                "thresholds", f"{kind} uniform, T={number}",
                lambda k=kind, t=number: check(k, t, lambda: make("uniform", num, place, k)),
            )  # fmt: skip
            results.check(
                "thresholds", f"{kind} at and beside thresholds, T={number}",
                lambda k=kind, t=number: check(k, t, lambda: gpu_data.edges(num, t, place, k)),
            )  # fmt: skip


def _weights(place: Place, scale: Scale, results: Results) -> None:
    num = scale.num_samples(26) + 4321
    # 10 and 67 limbs hold the sums of float32 and float64 weights
    few, many = _numbers(place, 2, 10), _numbers(place, 2, 67)

    def check(name: str, kind: str, dtype: str, number: int, num: int = num) -> None:
        scores, labels = make(name, num, place, kind)
        weights = gpu_data.whole_weights(num, place)
        data = _count(scores, labels, number, weights.to(getattr(torch, dtype)))
        assert_counts(data, table_of(scores, labels, number, weights))

    for name in gpu_data.DISTRIBUTIONS:
        for kind in gpu_data.KINDS if name == "uniform" else ("float32",):
            results.check("weights", f"{kind} {name}", lambda k=kind, n=name: (
                check(n, k, "float32", 201)
            ))  # fmt: skip
    for dtype, numbers in (("float32", few), ("float64", many)):
        for number in (2, *numbers, 65_537)[:: scale.step]:
            results.check("weights", f"{dtype} weights, T={number}", lambda d=dtype, t=number: (
                check("uniform", "float32", d, t, num // 16)
            ))  # fmt: skip

    def check_sums(dtype: str, weights: np.ndarray) -> None:
        """Against sums that are rounded once."""
        scores, labels = make("skewed 85/10/5", len(weights), place)
        weights = weights.astype(dtype)
        data = _count(scores, labels, 11, torch.from_numpy(weights).to(place.device))
        cells = table_cells(scores, labels, 11)
        table = np.array([math.fsum(weights[cells == cell].tolist()) for cell in range(22)])
        assert_counts(data, table.reshape(2, 11))

    def table_cells(scores: Any, labels: Any, number: int) -> np.ndarray:
        thresholds = gpu_data.thresholds_of("float32", number)
        found = np.searchsorted(thresholds, scores.cpu().numpy(), side="right") - 1
        return found + number * labels.cpu().numpy()

    rng = np.random.default_rng(3)
    num = scale.num_samples(20)
    for dtype in ("float32", "float64"):
        for name, weights in (
            ("all 0.1", np.full(num, 0.1)),
            ("of any size", 10.0 ** rng.uniform(-30, 30, num)),
            ("tiny beside huge", rng.choice([1e-20, 1e15, 0.7], num)),
        ):
            results.check("weights", f"{dtype} weights {name}", lambda d=dtype, w=weights: (
                check_sums(d, w)
            ))  # fmt: skip


def _layouts(place: Place, scale: Scale, results: Results) -> None:
    side = 1 << (scale.num_samples(26).bit_length() // 2)

    def check(change: Callable[[Any], Any], change_labels: Callable[[Any], Any]) -> None:
        scores, labels = make("uniform", side * side, place)
        scores = change(scores.view(side, side))
        labels = change_labels(labels.view(side, side))
        assert_counts(_count(scores, labels, 201), table_of(scores, labels, 201))

    def same(array: Any) -> Any:
        return array

    changes = {
        "transposed": lambda a: a.T, "every second": lambda a: a[:, ::2],
        "every third row": lambda a: a[::3], "not aligned": lambda a: a[1:, 1:],
        "one row many times": lambda a: a[:1].expand(side, side),
        "one column many times": lambda a: a[:, :1].expand(side, side),
        "4-D, permuted": lambda a: a.view(4, side // 4, 4, side // 4).permute(3, 0, 2, 1),
        "not aligned, in one row": lambda a: a.reshape(-1)[3:],
    }  # fmt: skip
    for name, change in changes.items():
        results.check("layouts", f"both {name}", lambda c=change: check(c, c))
    results.check("layouts", "scores transposed", lambda: check(changes["transposed"], same))
    results.check("layouts", "labels transposed", lambda: check(same, changes["transposed"]))


def _invalid(place: Place, scale: Scale, results: Results) -> None:
    num = scale.num_samples(26) + 99

    def check(kind: str) -> None:
        scores, labels = make("uniform", num, place, kind)
        generator = place.generator(9)
        bad = torch.rand(num, device=place.device, generator=generator) < 0.01
        values = torch.tensor(
            [math.nan, -math.nan, math.inf, -math.inf, -1e-7, 1.01, -1.0, 2.0],
            dtype=scores.dtype, device=place.device,
        )  # fmt: skip
        which = torch.randint(8, (num,), device=place.device, generator=generator)
        mixed = torch.where(bad, values[which], scores)
        state = State(201, invalid="drop").update(labels, mixed)
        assert_counts(state.compute(), table_of(scores[~bad], labels[~bad], 201))
        assert state.num_dropped == int(bad.sum())

    for kind in gpu_data.FLOATS:
        results.check("invalid scores dropped", kind, lambda k=kind: check(k))


def _past_32_bits(place: Place, scale: Scale, results: Results) -> None:
    num = scale.num_samples(32) + 12_345
    some = torch.full((1,), 0.5, device=place.device)
    label = torch.ones(1, dtype=torch.bool, device=place.device)

    def one_table(weight: float | None = None) -> np.ndarray:
        table = np.zeros((2, 201), np.int64 if weight is None else np.float64)
        table[1, 100] = num * (1 if weight is None else weight)
        return table

    def one_cell() -> None:
        assert_counts(_count(some.expand(num), label.expand(num), 201), one_table())

    def one_sum() -> None:
        weights = torch.full((1,), 0.75, device=place.device).expand(num)
        data = _count(some.expand(num), label.expand(num), 201, weights)
        assert_counts(data, one_table(0.75))

    def one_array() -> None:
        """Contiguous, with a few that are other ones, far beyond 2**31."""
        scores = torch.zeros(num, dtype=torch.uint8, device=place.device)
        labels = torch.zeros(num, dtype=torch.bool, device=place.device)
        places = [0, 1, num // 2 - 5, num // 2 + 5, num - 2, num - 1]
        for where in places:
            scores[where], labels[where] = 255, True
        table = np.zeros((2, 201), np.int64)
        table[0, 0], table[1, 200] = num - len(places), len(places)
        assert_counts(_count(scores, labels, 201), table)

    for check in (one_cell, one_sum, one_array):
        results.check("past 2**32", check.__name__.replace("_", " "), check)


# ---- ranks ----


def _ragged(labels: Any, generator: Any) -> tuple[Any, Any]:
    """Return the first few labels of each row, as a pair."""
    num_rows, num_labels = labels.shape
    sizes = torch.randint(num_labels + 1, (num_rows,), device=labels.device, generator=generator)
    sizes[0], sizes[-1] = 0, num_labels
    kept = torch.arange(num_labels, device=labels.device) < sizes[:, None]
    return torch.nn.functional.pad(sizes.cumsum(0), (1, 0)), labels[kept]


def _ranks(place: Place, scale: Scale, results: Results) -> None:
    num_classes = scale.num_classes(100_000)

    def check(
        num_rows: int, num_labels: int, k: int, change: Callable[[Any], Any], ties: str,
        is_ragged: bool = False,
    ) -> None:  # fmt: skip
        labels, scores = gpu_data.rows(num_rows, num_classes, num_labels, 4, place)
        scores = change(scores)
        if is_ragged:
            pair = _ragged(labels, place.generator(8))
            ours = fastpr.label_ranks(pair, scores, k, ties=ties)
            on_host: Any = tuple(part.cpu() for part in pair)
        else:
            ours = fastpr.label_ranks(labels, scores, k, ties=ties)
            on_host = labels.cpu()
        theirs = fastpr.label_ranks(on_host, scores.cpu(), k, ties=ties)
        for field, mine, other in zip(theirs._fields, ours, theirs, strict=True):
            assert (mine is None) == (other is None), field
            assert mine is None or np.array_equal(mine, other), f"{field} differ from the host's"

    def some_nan(scores: Any) -> Any:
        generator = place.generator(4)
        where = torch.rand(scores.shape, device=place.device, generator=generator) < 0.3
        return torch.where(where, torch.full_like(scores, math.nan), scores)

    changes = {
        "": lambda scores: scores, "rounded, so of many ties": lambda scores: scores.round(),
        "bfloat16": lambda scores: scores.bfloat16(), "float16": lambda scores: scores.half(),
        "float64": lambda scores: scores.double(), "NaN": some_nan,
        "uint8": lambda scores: (scores * 20 + 128).clamp(0, 255).to(torch.uint8),
        "all equal": torch.zeros_like, "NaN everywhere": lambda s: torch.full_like(s, math.nan),
        "strided": lambda scores: scores.repeat_interleave(2, 1)[:, ::2],
        "of rows side by side": lambda scores: scores.T.contiguous().T,
    }  # fmt: skip
    many, some, few = (scale.num_rows(number) for number in (4096, 512, 64))
    hundreds, k = min(300, num_classes // 4), min(100, num_classes)
    runs: list[tuple[str, Callable[[], None]]] = [
        (f"{many} x {num_classes}, 5 labels", lambda: check(many, 5, 10, changes[""], "index")),
        (f"{many} x {num_classes}, 5 labels, ties", lambda: (
            check(many, 5, 10, torch.round, "pessimistic"))),
        (f"{few} x {num_classes}, {hundreds} labels, k of all", lambda: (
            check(few, hundreds, num_classes, changes[""], "index"))),
    ]  # fmt: skip
    for name, change in changes.items():
        for ties in ("index", "optimistic"):
            where = f"{some} x {num_classes} {name}, {ties}"
            runs += [
                (f"{where}, 20 labels", lambda c=change, t=ties: check(some, 20, 10, c, t)),
                (f"{where}, {hundreds} labels", lambda c=change, t=ties: (
                    check(some, hundreds, k, c, t))),
                (f"{where}, 40 labels or fewer", lambda c=change, t=ties: (
                    check(some, 40, 20, c, t, True))),
                (f"{where}, 2 rows", lambda c=change, t=ties: check(2, 30, 10, c, t)),
            ]  # fmt: skip
    for name, function in runs[:: 1 if scale.step == 1 else 8]:
        results.check("large ranks", name, function)
