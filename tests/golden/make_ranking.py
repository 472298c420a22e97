"""Make ranking.json from the oracle of the tests; run it as a script."""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))
import ranking_oracle as oracle  # noqa: E402

# (dtype, number of classes, number of values that scores take, the values of k)
SHAPES = [
    ("float32", 1, 1, (1,)),
    ("float32", 5, 3, (1, 2, 5)),
    ("float64", 9, 900, (4, 9)),
    ("float16", 12, 4, (3, 12)),
    ("uint8", 20, 5, (2, 7)),
    ("float32", 40, 30, (1, 10)),
    ("uint8", 130, 200, (10, 130)),
]
NUM_ROWS = 5


def scores_of(rng, dtype: str, num_classes: int, num_values: int) -> np.ndarray:
    values = rng.integers(0, num_values, (NUM_ROWS, num_classes))
    if dtype == "uint8":
        return values.astype(dtype)
    scores = (values / 64 - 1).astype(dtype)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], dtype)
    return np.where(rng.random(scores.shape) < 0.15, rng.choice(odd, scores.shape), scores)


def labels_of(rng, num_classes: int) -> list[list[int]]:
    """Labels with padding and repeats; at most four distinct, and none in the last row."""
    rows = [
        rng.choice(rng.integers(0, num_classes, 4), 1 + 2 * index).tolist()
        for index in range(NUM_ROWS - 1)
    ]
    rows[1].append(-1)
    rows[2].append(num_classes)
    return [*rows, []]


def values_of(rows, k: int, ties: str, label_weights) -> dict:
    """Return the metrics of each row in hex; null for the row without labels."""
    values: dict[str, list] = {name: [] for name in oracle.NAMES}
    for denominator in oracle.DENOMINATORS[1:]:
        values[f"average_precision_{denominator}"] = []
    values |= {"psp": [], "psndcg": []}
    for row in rows:
        if not row:
            for column in values.values():
                column.append(None)
            continue
        found = oracle.row_values(row, k, k, ties)
        for denominator in oracle.DENOMINATORS[1:]:
            found[f"average_precision_{denominator}"] = oracle.row_values(
                row, k, k, ties, denominator
            )["average_precision"]
        sums = oracle.row_propensity_scored(row, k, k, ties, label_weights)
        for name in ("psp", "psndcg"):
            found[name] = sums[f"{name}_hits"] / (sums[f"{name}_ideal"] or 1)
        for name, column in values.items():
            column.append(float(found[name]).hex())
    if ties == "expected":  # not defined
        del values["average_precision_hits"]
    return values


def main() -> None:
    cases = []
    for seed, (dtype, num_classes, num_values, ks) in enumerate(SHAPES):
        rng = np.random.default_rng(seed)
        scores = scores_of(rng, dtype, num_classes, num_values)
        labels = labels_of(rng, num_classes)
        label_weights = rng.integers(0, 64, num_classes) / 8
        case = {
            "dtype": dtype,
            "scores": [[float(score).hex() for score in row] for row in scores],
            "labels": labels,
            "label_weights": label_weights.tolist(),
            "results": [],
        }
        for k in ks:
            rows = [oracle.entries(*row, k) for row in zip(scores, labels, strict=True)]
            for ties in oracle.TIES:
                table = oracle.table(rows, k, ties)
                result = {"k": k, "ties": ties}
                result |= {
                    field: None if array is None else array.tolist()
                    for field, array in table._asdict().items()
                }
                result["values"] = values_of(rows, k, ties, label_weights)
                case["results"].append(result)
        cases.append(case)
    lines = ",\n".join(json.dumps(case).replace('{"k"', '\n {"k"') for case in cases)
    (HERE / "ranking.json").write_text(f"[{lines}]\n")


if __name__ == "__main__":
    main()
