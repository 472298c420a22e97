"""How fast: each answer checked, then timed between events, beside a copy of device memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import fastpr
from gpu import data as gpu_data
from gpu.data import assert_counts, make, table_of, whole_weights
from gpu.place import Place, Scale, spread, wall_time
from gpu.results import Results

State = fastpr.PrecisionRecallAtEqualThresholds
OF_COPY = "of the copy bandwidth"
_ROUNDS = 2
_HOST_TIMES = 300
_BATCH = 20  # so many updates are queued at most, far fewer than the driver's queue holds


class Counting(NamedTuple):
    """Samples whose counting is timed, and the share of the copy bandwidth that is asked."""

    distribution: str
    kind: str
    asked: float | None = None
    num_thresholds: int = 201
    label_dtype: str = "bool"
    is_weighted: bool = False

    @property
    def name(self) -> str:
        weights = ", float32 weights" if self.is_weighted else ""
        return (
            f"{self.kind} + {self.label_dtype}{weights}, T={self.num_thresholds}, "
            f"{self.distribution}"
        )


COUNTINGS = (
    Counting("uniform", "float32", 0.9),
    Counting("skewed 85/10/5", "float32", 0.9),
    Counting("coherent", "float32", 0.9),
    Counting("one bin", "float32", 0.9),
    Counting("uniform", "bfloat16", 0.85),
    Counting("skewed 85/10/5", "bfloat16", 0.85),
    Counting("uniform", "float16"),
    Counting("uniform", "uint8", 0.75),
    Counting("skewed 85/10/5", "uint8", 0.75),
    Counting("uniform", "uint16"),
    Counting("uniform", "float64"),
    Counting("uniform", "float32", 0.5, is_weighted=True),
    Counting("skewed 85/10/5", "float32", is_weighted=True),
    Counting("coherent", "float32", is_weighted=True),
    Counting("uniform", "float32", 0.3, 65_537),
    Counting("skewed 85/10/5", "float32", 0.3, 65_537),
    Counting("uniform", "float32", label_dtype="int64"),
)


class Ranking(NamedTuple):
    """Rows whose ranking is timed, the scores of labels `boost` deviations higher."""

    num_rows: int
    num_classes: int
    num_labels: int
    k: int
    boost: float
    asked: float | None = None

    @property
    def name(self) -> str:
        model = "good" if self.boost else "random"
        return (
            f"ranks, {self.num_rows} x {self.num_classes} float32, {self.num_labels} labels, "
            f"k={self.k}, {model} model"
        )


RANKINGS = (
    Ranking(4096, 100_000, 5, 10, 4, 0.85),
    Ranking(4096, 100_000, 5, 10, 0),
    Ranking(4096, 100_000, 100, 100, 4),
    Ranking(16_384, 1000, 5, 10, 4),
    Ranking(64, 1_000_000, 50, 100, 4),
)


def run(place: Place, scale: Scale, results: Results, shard: tuple[int, int]) -> None:
    """Measure every figure. A wrong answer, or an error, is a failed check of its name."""
    copier = Copier(place, scale)

    def measure(name: str, function: Callable[..., None], *args: Any) -> None:
        results.check("timing", name, lambda: function(place, scale, results, *args))
        if place.is_cuda and place.is_alive():
            torch.cuda.empty_cache()

    for counting in COUNTINGS:
        measure(counting.name, time_counting, copier, counting)
    for ranking in RANKINGS:
        measure(ranking.name, time_ranking, copier, ranking)
    measure("host time of update", time_updates)
    copier.free()
    from gpu.peers import PEERS

    for name, peer in PEERS.items():
        measure(name, peer)
    measure("first result in a new process", time_first_results)


class Copier:
    """Copies of memory on the device, which all others are compared with."""

    def __init__(self, place: Place, scale: Scale) -> None:
        self._place, self._repeats = place, scale.repeats
        num = scale.num_samples(30)
        self._arrays = [torch.ones(num, device=place.device) for _ in "ab"]
        self._num_bytes = 2 * 4 * num  # read, and written
        self.bandwidths: list[float] = []

    def measure(self) -> float:
        """Return the seconds that a byte takes, read or written, by the median of some copies."""
        target, source = self._arrays
        times = self._place.times([lambda: target.copy_(source)], self._repeats)
        self.bandwidths.append(self._num_bytes / float(np.median(times)))
        return 1 / self.bandwidths[-1]

    def free(self) -> None:
        del self._arrays


def _beside_copies(
    place: Place, scale: Scale, copier: Copier, calls: list[Callable[[], Any]], num_bytes: int
) -> tuple[float, dict[str, Any]]:
    """Return the share of the copy bandwidth that calls reach, and more about it."""
    times: list[float] = []
    shares = []
    for _ in range(_ROUNDS):
        each_byte = copier.measure()
        found = place.times(calls, scale.repeats)
        shares.append(num_bytes * each_byte / float(np.median(found)))
        times += found
    about = spread(times)
    return float(np.mean(shares)), {
        **about, "rounds": shares, "gigabytes_per_second": num_bytes / about["seconds"] / 1e9,
        "copy_gigabytes_per_second": [b / 1e9 for b in copier.bandwidths[-_ROUNDS:]],
    }  # fmt: skip


def time_counting(
    place: Place, scale: Scale, results: Results, copier: Copier, counting: Counting
) -> None:
    num = scale.num_samples(30)
    scores, labels = make(counting.distribution, num, place, counting.kind)
    weights = whole_weights(num, place) if counting.is_weighted else None
    table = table_of(scores, labels, counting.num_thresholds, weights)
    labels = labels.to(getattr(torch, counting.label_dtype))
    arrays = [array for array in (labels, scores, weights) if array is not None]
    assert_counts(State(counting.num_thresholds).update(*arrays).compute(), table)

    num_bytes = sum(array.numel() * array.element_size() for array in arrays)
    inputs = [arrays]
    for _ in range(place.num_buffers(num_bytes) - 1):
        inputs.append([array.clone() for array in arrays])
    state, num_updates = State(counting.num_thresholds), 0

    def update(own: list[Any]) -> None:
        nonlocal num_updates
        num_updates += 1
        state.update(*own)

    calls = [lambda own=own: update(own) for own in inputs]
    reached, about = _beside_copies(place, scale, copier, calls, num_bytes)
    assert_counts(state.compute(), num_updates * table)
    results.figure(
        counting.name, reached, counting.asked, unit=OF_COPY, num_samples=num,
        giga_samples_per_second=num / about["seconds"] / 1e9, **about,
    )  # fmt: skip


def time_ranking(
    place: Place, scale: Scale, results: Results, copier: Copier, ranking: Ranking
) -> None:
    num_rows, num_classes = scale.num_rows(ranking.num_rows), ranking.num_classes
    num_classes = scale.num_classes(num_classes)
    k = min(ranking.k, num_classes)
    labels, scores = gpu_data.rows(num_rows, num_classes, ranking.num_labels, ranking.boost, place)
    ranks = gpu_data.ranks_of(labels, scores)
    values = fastpr.average_precision_at_k(labels, scores, k, per_row=True)
    expected = gpu_data.average_precisions(ranks, k)
    assert np.allclose(values, expected, rtol=1e-13, atol=0), "average precisions differ"
    found = fastpr.label_ranks(labels, scores, k)
    assert np.array_equal(np.sort(np.minimum(ranks, k), 1).reshape(-1), found.ranks), "ranks"

    num_bytes = scores.numel() * scores.element_size()
    inputs = [(labels, scores)]
    for _ in range(place.num_buffers(num_bytes) - 1):
        inputs.append((labels.clone(), scores.clone()))
    state = fastpr.AveragePrecisionAtK(k)
    calls = [lambda own=own: state.update(*own) for own in inputs]
    reached, about = _beside_copies(place, scale, copier, calls, num_bytes)
    assert abs(state.compute() - expected.mean()) <= 1e-13, "average precision after timing"
    whole = place.wall_times(lambda: fastpr.label_ranks(labels, scores, k), scale.repeats)
    results.figure(
        ranking.name, reached, ranking.asked, unit=OF_COPY, num_rows=num_rows,
        num_classes=num_classes, giga_scores_per_second=scores.numel() / about["seconds"] / 1e9,
        label_ranks_until_on_the_host=spread(whole), **about,
    )  # fmt: skip


# ---- the host ----


def time_updates(place: Place, scale: Scale, results: Results) -> None:
    """Measure when `update` returns; the device is let finish now and then, outside the clock."""
    num = scale.num_samples(20)
    scores, labels = make("uniform", num, place)
    weights = whole_weights(num, place)
    counted, weighed = State(), State()
    ranked = fastpr.AveragePrecisionAtK(10)
    ids, rows = gpu_data.rows(32, max(200, num // 64), 5, 2, place)
    for name, update in (
        ("update", lambda: counted.update(labels, scores)),
        ("update with weights", lambda: weighed.update(labels, scores, weights)),
        ("update of ranks", lambda: ranked.update(ids, rows)),
    ):
        for _ in range(_BATCH):
            update()
        times = []
        for _ in range(_HOST_TIMES // _BATCH):
            place.synchronize()
            times += [wall_time(update) for _ in range(_BATCH)]
        about = spread(times)
        results.figure(
            f"host time of {name}", about["seconds"] * 1e6, 100.0, unit="us", at_most=True, **about
        )
    assert_counts(counted.compute(), _num_updates() * table_of(scores, labels, 201))
    assert_counts(weighed.compute(), _num_updates() * table_of(scores, labels, 201, weights))


def _num_updates() -> int:
    return _BATCH + _HOST_TIMES // _BATCH * _BATCH


# ---- new processes ----

_FIRST_RESULT = """
import json, sys, time
started = float(sys.argv[1])
kind, device = sys.argv[2], sys.argv[3]
stamps = {"python": time.time() - started}
def stamp(name):
    stamps[name] = time.time() - started

compiling = {"seconds": 0.0, "depth": 0}
def timed(function):
    def call(*args, **kwargs):
        start = time.perf_counter()
        compiling["depth"] += 1
        try:
            return function(*args, **kwargs)
        finally:
            compiling["depth"] -= 1
            if not compiling["depth"]:
                compiling["seconds"] += time.perf_counter() - start
    return call
def watch():
    from numba.cuda import codegen, dispatcher
    dispatcher.CUDADispatcher.compile = timed(dispatcher.CUDADispatcher.compile)
    codegen.CUDACodeLibrary.get_cufunc = timed(codegen.CUDACodeLibrary.get_cufunc)

if kind == "torch":
    import torch
    stamp("torch is imported")
    torch.zeros(1, device=device)
    stamp("torch has the device")
import numpy as np
import fastpr
stamp("fastpr is imported")
is_watched = device != "cpu"
try:
    if is_watched:
        watch()
except (ImportError, AttributeError):
    is_watched = False
scores = np.linspace(0, 1, 10_000, dtype=np.float32)
labels = scores > 0.5
backend = None
if kind == "torch":
    scores, labels = (torch.from_numpy(array).to(device) for array in (scores, labels))
elif device != "cpu":
    backend = "cuda"
def count(wanted=201, weights=None):
    state = fastpr.PrecisionRecallAtEqualThresholds(wanted, backend=backend)
    return state.update(labels, scores, weights).compute().tp[0]
before = time.time()
assert count() == 5000
stamp("first result")
first = time.time() - before
compiled = compiling["seconds"]
before = time.time()
assert count() == 5000
again = time.time() - before
before = time.time()
assert count(weights=scores) > 3000
weighted = time.time() - before
print(json.dumps({"stamps": stamps, "first": first, "again": again, "weighted": weighted,
                  "compiling": compiled if is_watched else None}))
"""


def time_first_results(place: Place, scale: Scale, results: Results) -> None:
    """Measure from the start of a process, with torch's tensors and with host arrays alone."""
    root = Path(fastpr.__file__).parent.parent
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    for kind, name in (("torch", "of torch tensors"), ("host", "of host arrays, without torch")):
        found = []
        for _ in range(1 if scale.step > 1 else 3):
            done = subprocess.run(
                [sys.executable, "-c", _FIRST_RESULT, str(time.time()), kind, str(place.device)],
                capture_output=True, text=True, env=environment, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr[-1500:]
            found.append(json.loads(done.stdout.splitlines()[-1]))
        found.sort(key=lambda run: run["stamps"]["first result"])
        median = found[len(found) // 2]
        results.figure(
            f"first result in a new process, {name}", median["stamps"]["first result"], 5.0,
            unit="s", at_most=True, of_which_not_again=median["first"] - median["again"],
            of_which_compiling=median["compiling"], runs=found,
        )  # fmt: skip
