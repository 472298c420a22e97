"""What other libraries take for the same tensors, their answers compared with ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

import fastpr
from gpu import data as gpu_data
from gpu.data import assert_counts, make, table_of
from gpu.place import Place, Scale, spread, wall_time
from gpu.results import Results

State = fastpr.PrecisionRecallAtEqualThresholds
_T = 201
_TIMES = "times as fast"
_LOG2 = 28


def _ours(place: Place, scale: Scale, scores: Any, labels: Any, table: Any) -> dict[str, Any]:
    assert_counts(State().update(labels, scores).compute(), table)
    state = State()
    return spread(place.times([lambda: state.update(labels, scores)], scale.repeats))


def _moved(found: Any, table: Any) -> float:
    """Return the share of samples that a peer puts elsewhere."""
    return float(np.abs(np.asarray(found, np.float64) - table).sum() / 2 / table.sum())


def _figure(
    results: Results, name: str, ours: dict[str, Any], theirs: dict[str, Any], **rest: Any
) -> None:
    results.figure(
        name, theirs["seconds"] / ours["seconds"], rest.pop("asked", None), unit=_TIMES,
        ours=ours, theirs=theirs, **rest,
    )  # fmt: skip


def torchmetrics_curve(place: Place, scale: Scale, results: Results) -> None:
    if find_spec("torchmetrics") is None:
        results.notes["torchmetrics"] = "not compared: not installed"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.classification import BinaryPrecisionRecallCurve

    # Of float32 thresholds, as they are stored here: all counts have to be the same.
    thresholds = torch.from_numpy(gpu_data.thresholds_of("float32", _T)).to(place.device)

    def curve() -> Any:
        metric = BinaryPrecisionRecallCurve(thresholds=thresholds, validate_args=False)
        return metric.to(place.device)

    for name in ("uniform", "skewed 85/10/5"):
        scores, labels = make(name, scale.num_samples(_LOG2), place)
        table = table_of(scores, labels, _T)
        ours = _ours(place, scale, scores, labels, table)
        # more samples than its other way of counting is for; the metric is warm afterwards
        curve().update(scores[:100_000], labels[:100_000].int())
        target = labels.int()
        metric = curve()
        place.synchronize()
        times = [wall_time(lambda metric=metric, s=scores, t=target: (
            metric.update(s, t), place.synchronize()
        ))]  # fmt: skip
        found = metric.confmat[:, :, 1].cpu().numpy()
        assert np.array_equal(found[:, 1], table[1, ::-1].cumsum()[::-1]), "tp of torchmetrics"
        assert np.array_equal(found[:, 0], table[0, ::-1].cumsum()[::-1]), "fp of torchmetrics"
        _figure(results, f"torchmetrics binned curve, {name}", ours, spread(times), asked=100.0)


def torch_histc(place: Place, scale: Scale, results: Results) -> None:
    scores, labels = make("uniform", scale.num_samples(_LOG2), place)
    table = table_of(scores, labels, _T)
    ours = _ours(place, scale, scores, labels, table)

    def count() -> Any:
        return [torch.histc(scores[own], _T - 1, 0, 1) for own in (~labels, labels)]

    # it has a bin less: 1 is in the last one
    found = np.array([part.cpu().numpy() for part in count()])
    moved = _moved(found, np.concatenate([table[:, :-2], table[:, -2:].sum(1, keepdims=True)], 1))
    assert moved < 1e-3, f"{moved} of the samples are elsewhere"
    times = place.times([count], max(2, scale.repeats // 4))
    _figure(results, "torch.histc, once for each label", ours, spread(times), moved=moved)


def torch_bincount(place: Place, scale: Scale, results: Results) -> None:
    for name in ("uniform", "skewed 85/10/5"):
        scores, labels = make(name, scale.num_samples(_LOG2), place)
        table = table_of(scores, labels, _T)
        ours = _ours(place, scale, scores, labels, table)

        def count(scores: Any = scores, labels: Any = labels) -> Any:
            return torch.bincount((scores * (_T - 1)).long() * 2 + labels, minlength=2 * _T)

        moved = _moved(count().cpu().numpy().reshape(_T, 2).T, table)
        assert moved < 1e-3, f"{moved} of the samples are elsewhere"
        times = place.times([count], max(2, scale.repeats // 4))
        _figure(results, f"torch.bincount, one line, {name}", ours, spread(times), moved=moved)


def torch_topk(place: Place, scale: Scale, results: Results) -> None:
    """The top k alone, without looking up which of them are labels."""
    for num_rows, num_classes, num_labels, k in (
        (4096, 100_000, 5, 10), (16_384, 1000, 5, 10), (64, 1_000_000, 50, 100)
    ):  # fmt: skip
        num_rows, num_classes = scale.num_rows(num_rows), scale.num_classes(num_classes)
        labels, scores = gpu_data.rows(num_rows, num_classes, num_labels, 4, place)
        top = torch.topk(scores, k).indices
        hits = (top[:, :, None] == labels[:, None, :]).any(2).sum(1).cpu().numpy()
        found = fastpr.label_ranks(labels, scores, k)
        own = np.add.reduceat(found.ranks < k, found.indptr[:-1])
        agree = float((hits == own).mean())
        assert agree > 0.99, f"{1 - agree} of the rows have other hits"
        size = scores.numel() * scores.element_size()
        copies = [scores, *(scores.clone() for _ in range(place.num_buffers(size) - 1))]
        state = fastpr.AveragePrecisionAtK(k)
        ours = spread(place.times(
            [lambda own=own, s=state, ids=labels: s.update(ids, own) for own in copies],
            scale.repeats,
        ))  # fmt: skip
        theirs = spread(place.times(
            [lambda own=own, k=k: torch.topk(own, k) for own in copies],
            max(2, scale.repeats // 4),
        ))  # fmt: skip
        name = f"torch.topk, {num_rows} x {num_classes}, k={k}"
        _figure(results, name, ours, theirs, rows_that_agree=agree)


PEERS: dict[str, Callable[[Place, Scale, Results], None]] = {
    "torchmetrics": torchmetrics_curve, "torch.histc": torch_histc,
    "torch.bincount": torch_bincount, "torch.topk": torch_topk,
}  # fmt: skip
