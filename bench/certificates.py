"""Try to find an exact value outside of its bounds.

    python bench/certificates.py [--trials N] [--seed S]

Random and adversarial samples are counted by a state, at few or many thresholds; then every metric
that has bounds is computed from all scores, each of them a threshold, in rational numbers where
samples are few, else in float64. Exits with 1 if one is outside of its bounds.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np

import fastpr

Number = Any  # Fraction or float
DTYPES = ("float32", "float64", "float16", "uint8", "uint16")
FEW = 60  # samples, up to which all is exact


def cuts(scores: Any, labels: Any, weights: Any, one: Number) -> list[tuple[Number, Number]]:
    """Return (tp, fp) with nothing predicted, and then at every score, the highest first."""
    found, tp, fp = [(0 * one, 0 * one)], 0 * one, 0 * one
    order = np.argsort(scores, kind="stable")[::-1]
    for place, index in enumerate(order):
        weight = one * (1 if weights is None else _number(weights[index], one))
        if labels[index]:
            tp += weight
        else:
            fp += weight
        is_last = place + 1 == len(order)
        if is_last or scores[order[place + 1]] != scores[index]:
            found.append((tp, fp))
    return found


def _number(value: Any, one: Number) -> Number:
    return Fraction(float(value)) if isinstance(one, Fraction) else float(value)


def exact_values(points: list[tuple[Number, Number]]) -> dict[str, Number]:
    """Return every metric that has bounds, from the cuts of all scores."""
    positives, negatives = points[-1]
    values: dict[str, Number] = {}
    if positives:
        terms = [
            (tp - before) * tp / (tp + fp)
            for (before, _), (tp, fp) in itertools.pairwise(points)
            if tp > before
        ]
        values["average_precision"] = sum(terms) / positives
        values["f1"] = max(2 * tp / (positives + tp + fp) for tp, fp in points)
        values["iou"] = max(tp / (positives + fp) for tp, fp in points)
        for recall in (0.5, 0.95):
            values[f"precision at recall {recall}"] = max(
                tp / (tp + fp) for tp, fp in points if tp + fp and float(tp / positives) >= recall
            )
        for precision in (0.5, 0.9):
            values[f"recall at precision {precision}"] = max(
                (
                    tp / positives
                    for tp, fp in points
                    if tp + fp and float(tp / (tp + fp)) >= precision
                ),
                default=0,
            )
    if positives and negatives:
        area = sum(
            (fp - fp_before) * (tp + tp_before) / 2
            for (tp_before, fp_before), (tp, fp) in itertools.pairwise(points)
        )
        values["auroc"] = area / (positives * negatives)
        values["youden"] = max(tp / positives - fp / negatives for tp, fp in points)
        for tpr in (0.8, 0.95):
            values[f"fpr at tpr {tpr}"] = min(
                fp / negatives for tp, fp in points if float(tp / positives) >= tpr
            )
        for fpr in (0.05, 0.2):
            values[f"tpr at fpr {fpr}"] = max(
                tp / positives for tp, fp in points if float(fp / negatives) <= fpr
            )
        values["equal error rate"] = _equal_error_rate(points)
    return values


def _equal_error_rate(points: list[tuple[Number, Number]]) -> Number:
    """Return where lines between the points of the ROC curve cross fpr = 1 - tpr."""
    positives, negatives = points[-1]
    for (tp_before, fp_before), (tp, fp) in itertools.pairwise(points):
        first = fp_before / negatives + tp_before / positives - 1
        second = fp / negatives + tp / positives - 1
        if second >= 0:
            share = -first / (second - first)
            return (fp_before + share * (fp - fp_before)) / negatives
    raise AssertionError("the curve ends at (1, 1)")


def bounded_values(curve: fastpr.Curve, names: Any) -> dict[str, Any]:
    """Return the same metrics of a curve, each with its bounds."""
    found = {}
    for name in names:
        words = name.split()
        if name == "average_precision":
            value = curve.average_precision("step")
        elif name == "auroc":
            value = curve.auroc()
        elif name == "equal error rate":
            value = curve.equal_error_rate().value
        elif len(words) == 1:
            value = curve.best(name).value
        else:
            value = getattr(curve, "_".join(words[:3]))(float(words[3])).value
        found[name] = value
    return found


def make(rng: np.random.Generator, kind: int, num: int, dtype: str) -> tuple[Any, Any]:
    """Return scores and labels of one of several kinds."""
    scores = rng.random(num)
    if kind == 1:  # few values, many ties
        scores = rng.choice(rng.random(4), num)
    elif kind == 2:  # at thresholds, and just beside them
        scores = rng.integers(0, 21, num) / 20
        scores = np.clip(scores + rng.choice([0, 0, -1e-7, 1e-7], num), 0, 1)
    elif kind == 3:
        scores[rng.random(num) < 0.9] = 0.001
    elif kind == 4:
        scores = 1 / (1 + np.exp(-6 * rng.standard_normal(num)))
    elif kind == 5:
        scores[:] = scores[0]
    labels = rng.random(num) < (scores if rng.random() < 0.5 else rng.random())
    if rng.random() < 0.1:
        labels[:] = rng.random() < 0.5
    if dtype.startswith("u"):
        most = np.iinfo(dtype).max
        return np.rint(scores * most).astype(dtype), labels
    return scores.astype(dtype), labels


def print_widths(num_sets: int = 50, num: int = 1000) -> None:
    """Print how wide the bounds are, of the same samples with one bin a threshold and with 20."""
    rng = np.random.default_rng(0)
    sets = []
    for _ in range(num_sets):
        scores = 1 / (1 + np.exp(-2 * rng.standard_normal(num)))
        sets.append((rng.random(num) < scores, scores))
    print(f"mean width of {num_sets} sets of {num} samples, T=201")
    for bins in (1, 20):
        widths = defaultdict(list)
        for labels, scores in sets:
            state = fastpr.PrecisionRecallAtEqualThresholds(bins_per_threshold=bins)
            curve = state.update(labels, scores).curve()
            for name, value in (
                ("average precision", curve.average_precision()),
                ("AUROC", curve.auroc()),
                ("best F1", curve.best("f1").value),
            ):
                widths[name].append(value.high - value.low)
        means = ", ".join(f"{name} {np.mean(found):.2e}" for name, found in widths.items())
        print(f"  {bins:2d} bins a threshold: {means}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Look for exact values outside of their bounds.")
    parser.add_argument("--trials", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    num_values, violations = 0, 0
    for trial in range(options.trials):
        num = int(rng.choice([1, 2, 3, 5, 10, 30, FEW, 300, 1000]))
        dtype = DTYPES[rng.integers(len(DTYPES))]
        kind = int(rng.integers(7))
        scores, labels = make(rng, kind, num, dtype)
        weights = None
        if rng.random() < 0.3:
            weights = rng.choice([0.0, 0.25, 1.0, 3.0, rng.random()], num)
        thresholds, bins = [(2, 1), (3, 1), (11, 1), (11, 20), (21, 1), (201, 1), (201, 20)][
            rng.integers(7)
        ]
        is_full = dtype not in ("float32", "float64") and rng.random() < 0.2
        state = fastpr.PrecisionRecallAtEqualThresholds(
            thresholds,
            bins_per_threshold=1 if is_full else bins,
            resolution="exact" if is_full else "thresholds",
        )
        for piece in np.array_split(np.arange(num), rng.integers(1, 4)):
            given = None if weights is None else weights[piece]
            state.update(labels[piece], scores[piece], given)
        one: Number = Fraction(1) if num <= FEW else 1.0
        slack = 0 if num <= FEW else 1e-12  # what float64 makes of the exact values
        points = cuts(scores, labels, weights, one)
        exact = exact_values(points)
        for name, value in bounded_values(state.curve(), exact).items():
            num_values += 1
            low, high = Fraction(value.low), Fraction(value.high)
            is_inside = low - Fraction(slack) <= exact[name] <= high + Fraction(slack)
            if not (is_inside and value.low <= value <= value.high):
                violations += 1
                print(f"trial {trial}: {name} is {float(exact[name])!r}, not in {value!r}")
            # Sums of weights are rounded, and may fall on either side of a condition.
            if is_full and weights is None and not value.is_exact:
                violations += 1
                print(f"trial {trial}: {name} is not exact: {value!r}")
    print(f"{options.trials} trials, {num_values} values with bounds, {violations} violations")
    print_widths()
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
