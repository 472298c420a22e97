"""Time the confidence intervals of 1000 groups, after checking resamples against merged states.

python bench/bootstrap.py [FILE]     prints a table, and writes it as JSON to FILE
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastpr

NUM_GROUPS = 1000
NUM_RESAMPLES = 1000
NUM_CHECKED = 5  # resamples that are also made by merging states
ROUNDS = 5
METRICS = ("average_precision", "auroc", "best_f1", "equal_error_rate", "fpr_at_tpr")


def make_states(num_groups: int, weighted: bool, **options: Any) -> list[Any]:
    """Return the states of images of 64 x 64 pixels, each with a quality of its own."""
    rng = np.random.default_rng(0)
    states = []
    for _ in range(num_groups):
        scores = rng.random((64, 64), dtype=np.float32)
        labels = rng.random((64, 64)) < scores ** rng.uniform(0.5, 3)
        weights = rng.random((64, 64)) if weighted else None
        state = fastpr.PrecisionRecallAtEqualThresholds(**options)
        states.append(state.update(labels, scores, weights))
    return states


def value_of(state: Any, metric: str) -> float:
    curve = state.curve()
    if metric.startswith("best_"):
        value = curve.best(metric.removeprefix("best_"))
    else:
        value = getattr(curve, metric)()
    return float(getattr(value, "value", value))


def check(states: list[Any], metric: str, weighted: bool) -> None:
    """Compare with states that are merged: equal, or with weights to the last few bits."""
    result = fastpr.bootstrap(states, metric, NUM_CHECKED, seed=1)
    rng = np.random.default_rng(1)
    for value in result.distribution.tolist():
        first, *others = rng.integers(len(states), size=len(states)).tolist()
        empty = states[0] - states[0]
        merged = empty.merge(states[first], *(states[group] for group in others))
        expected = value_of(merged, metric)
        assert abs(value - expected) <= (1e-12 if weighted else 0), (metric, value, expected)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="where the table goes, as JSON")
    file = parser.parse_args(argv).file
    cases = [("T=201", {}, False, metric, "percentile") for metric in METRICS]
    cases += [
        ("T=201", {}, False, "average_precision", "bca"),
        ("T=201, weights", {}, True, "average_precision", "percentile"),
        ("T=201, 20 bins each", {"bins_per_threshold": 20}, False, "average_precision",
         "percentile"),
    ]  # fmt: skip
    rows = []
    print(f"{NUM_RESAMPLES} resamples of {NUM_GROUPS} groups: best and median of {ROUNDS}, in s")
    for name, options, weighted, metric, method in cases:
        states = make_states(NUM_GROUPS, weighted, **options)
        check(states, metric, weighted)
        seconds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            result = fastpr.bootstrap(states, metric, NUM_RESAMPLES, method=method, seed=0)
            seconds.append(time.perf_counter() - start)
        row = {"case": name, "metric": metric, "method": method, "best": min(seconds),
               "median": float(np.median(seconds)), "checked": NUM_CHECKED,
               "estimate": float(result.estimate), "low": result.low,
               "high": result.high}  # fmt: skip
        rows.append(row)
        print(f"{name:20} {metric:18} {method:11} {row['best']:7.3f} {row['median']:7.3f}   "
              f"{row['estimate']:.4f} ({row['low']:.4f} to {row['high']:.4f})")  # fmt: skip
    if file is not None:
        file.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
