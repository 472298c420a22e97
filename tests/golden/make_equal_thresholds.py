"""Make equal_thresholds.json from the oracle of the tests; run it as a script."""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))
import oracle  # noqa: E402

CASES = [
    {"seed": 1, "num_samples": 1000, "dtype": "float32", "num_thresholds": 11, "weighted": False},
    {"seed": 2, "num_samples": 777, "dtype": "float16", "num_thresholds": 4, "weighted": False},
    {"seed": 3, "num_samples": 5000, "dtype": "float64", "num_thresholds": 21, "weighted": True},
    {"seed": 4, "num_samples": 10, "dtype": "float32", "num_thresholds": 201, "weighted": False},
]


def main() -> None:
    for case in CASES:
        rng = np.random.default_rng(case["seed"])
        num = case["num_samples"]
        scores = (rng.integers(0, 2**16, num) / 2**16).astype(case["dtype"])
        labels = rng.integers(0, 3, num) == 0
        arguments = case["dtype"], case["num_thresholds"]
        if case["weighted"]:
            weights = rng.integers(0, 4, num)
            table = oracle.weighted_table(labels, scores, weights, *arguments)
        else:
            table = oracle.table(labels, scores, *arguments)
        exact = oracle.curve(table)
        for name in ("tp", "fp", "tn", "fn"):
            case[name] = exact[name]
        for name in ("precision", "recall"):
            ratios = [0.0 if ratio is None else float(ratio) for ratio in exact[name]]
            case[name] = [ratio.hex() for ratio in ratios]
        last = case["num_thresholds"] - 1
        case["thresholds"] = [(i / last).hex() for i in range(last + 1)]
    (HERE / "equal_thresholds.json").write_text(json.dumps(CASES, indent=1) + "\n")


if __name__ == "__main__":
    main()
