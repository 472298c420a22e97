"""`fastpr.exact` beside scikit-learn: checks that both give the same, then times them in turns.

    python bench/exact_scores.py exact.json --sizes 22 24

prints a table, and writes what it is made of as JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from distributions import Array, make_samples, make_weights
from machine import describe
from sklearn import metrics
from timing import seconds_of

import fastpr
from fastpr import exact

FUNCTIONS = (
    "average_precision_score", "roc_auc_score", "precision_recall_curve", "roc_curve",
)  # fmt: skip
DISTRIBUTIONS = ("uniform", "iid skew 85/10/5", "coherent masks")
KINDS = ("float32", "float64", "float32, weighted")
ROUNDS, PEER_ROUNDS = 7, 2


def make_case(distribution: str, kind: str, num: int) -> tuple[Array, Array, Array | None]:
    """Return labels, scores and weights; float64 scores are not those of float32, but for ties."""
    scores, labels = make_samples(distribution, num)
    if kind == "float64":
        scores = scores.astype(np.float64)
        if not distribution.startswith("iid"):
            scores *= 1 - 2.0**-26 * make_weights(num, "float64")
    return labels, scores, make_weights(num, "float64") if "weighted" in kind else None


def check(ours: Any, theirs: Any, what: str) -> None:
    """Fail unless two results are the same, to rounding."""
    if not isinstance(ours, tuple):
        ours, theirs = (ours,), (theirs,)
    for mine, other in zip(ours, theirs, strict=True):
        assert np.shape(mine) == np.shape(other), f"{what}: {np.shape(mine)}, {np.shape(other)}"
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-13, err_msg=what)


def time_case(distribution: str, kind: str, num: int) -> Iterator[dict[str, Any]]:
    """Yield the times of each function, the best of some rounds."""
    labels, scores, weights = make_case(distribution, kind, num)
    for name in FUNCTIONS:
        seconds: dict[Any, list[float]] = {exact: [], metrics: []}
        results: dict[Any, Any] = {}

        def call(module: Any, name: str = name, results: dict[Any, Any] = results) -> None:
            results[module] = getattr(module, name)(labels, scores, sample_weight=weights)

        for turn in range(ROUNDS):
            seconds[exact].append(seconds_of(lambda: call(exact)))
            if turn < PEER_ROUNDS:
                seconds[metrics].append(seconds_of(lambda: call(metrics)))
            if turn == 0:
                check(results[exact], results[metrics], f"{name}, {distribution}, {kind}, {num}")
        best, peer = min(seconds[exact]), min(seconds[metrics])
        yield {
            "function": name,
            "distribution": distribution,
            "scores": kind,
            "num_samples": num,
            "seconds": best,
            "median_seconds": float(np.median(seconds[exact])),
            "sklearn_seconds": peer,
            "times_faster": peer / best,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--sizes", type=int, nargs="+", default=[22, 24], help="powers of two")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--distributions", nargs="+", default=DISTRIBUTIONS)
    given = parser.parse_args()
    rows = []
    for size in given.sizes:
        for kind in given.kinds:
            for distribution in given.distributions:
                for row in time_case(distribution, kind, 1 << size):
                    rows.append(row)
                    print(
                        f"2^{size} {kind:17} {distribution:16} {row['function']:24}"
                        f" {row['seconds'] * 1e3:8.1f} ms  scikit-learn"
                        f" {row['sklearn_seconds'] * 1e3:8.1f} ms  {row['times_faster']:6.1f} x",
                        flush=True,
                    )
    report = {
        "machine": describe(fastpr.get_num_threads(), ("numpy", "numba", "scikit-learn")),
        "rows": rows,
    }
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
