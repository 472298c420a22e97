"""Make ranking_peers.json: what other libraries say; run it where they are installed.

Needs ranx, pytrec_eval-terrier, torchmetrics (with torch) and tensorflow-cpu. The tests read
the file, so they need none of them.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import pytrec_eval
import ranx
import tensorflow as tf
import torch
import torchmetrics.functional.retrieval as torch_retrieval

CUTOFFS = (1, 2, 5, 17, 30)
PACKAGES = ("ranx", "pytrec_eval-terrier", "torchmetrics", "torch", "tensorflow-cpu")
HERE = Path(__file__).parent


def data(name: str) -> dict:
    """Return rows of scores and of distinct labels; scores that tie only where it says so."""
    rng = np.random.default_rng(17)
    num_rows, num_classes = 12, 30
    order = rng.permuted(np.tile(np.arange(num_classes), (num_rows, 1)), axis=1)
    scores = {
        "positive": (order + 1) / 32,
        "logits": (order - 14.5) / 4,  # half of them below 0
        "ties": order // 5 / 8,
    }[name].astype(np.float32)
    labels = [rng.permutation(num_classes)[: 1 + 2 * row].tolist() for row in range(num_rows)]
    weights = rng.integers(0, 5, num_rows) / 4
    return {"name": name, "scores": scores, "labels": labels, "weights": weights}


def ranx_values(scores, labels, k: int) -> dict:
    rows = range(len(labels))
    qrels = ranx.Qrels({f"q{i:02}": {f"d{j}": 1 for j in labels[i]} for i in rows})
    run = ranx.Run({f"q{i:02}": {f"d{j}": float(s) for j, s in enumerate(scores[i])} for i in rows})
    names = {
        "average_precision": "map", "precision": "precision", "recall": "recall", "ndcg": "ndcg",
        "reciprocal_rank": "mrr", "hit_rate": "hit_rate",
    }  # fmt: skip
    metrics = [f"{theirs}@{k}" for theirs in names.values()]
    found = ranx.evaluate(qrels, run, metrics, return_mean=False)
    return {ours: found[f"{theirs}@{k}"].tolist() for ours, theirs in names.items()}


def trec_values(scores, labels, k: int) -> dict:
    names = {
        "average_precision": "map_cut", "precision": "P", "recall": "recall", "ndcg": "ndcg_cut",
        "hit_rate": "success",
    }  # fmt: skip
    rows = range(len(labels))
    qrels = {f"q{i:02}": {f"d{j}": 1 for j in labels[i]} for i in rows}
    run = {f"q{i:02}": {f"d{j}": float(s) for j, s in enumerate(scores[i])} for i in rows}
    measures = {f"{name}.{k}" for name in names.values()}
    found = pytrec_eval.RelevanceEvaluator(qrels, measures | {"recip_rank"}).evaluate(run)
    values = {
        ours: [found[f"q{i:02}"][f"{theirs}_{k}"] for i in rows] for ours, theirs in names.items()
    }
    if k == scores.shape[1]:  # trec_eval has no cut-off for this one
        values["reciprocal_rank"] = [found[f"q{i:02}"]["recip_rank"] for i in rows]
    return values


def torch_values(scores, labels, k: int) -> dict:
    names = {
        "average_precision": "average_precision", "precision": "precision", "recall": "recall",
        "ndcg": "normalized_dcg", "reciprocal_rank": "reciprocal_rank", "hit_rate": "hit_rate",
    }  # fmt: skip
    values: dict[str, list[float]] = {name: [] for name in names}
    for row, ids in zip(scores, labels, strict=True):
        target = torch.zeros(len(row), dtype=torch.int64)
        target[ids] = 1
        for ours, theirs in names.items():
            function = getattr(torch_retrieval, f"retrieval_{theirs}")
            values[ours].append(function(torch.from_numpy(row), target, top_k=k).item())
    return values


def tensorflow_mean(scores, labels, k: int, weights=None) -> float:
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        sparse = tf.sparse.SparseTensor(
            [[i, j] for i, row in enumerate(labels) for j in range(len(row))],
            tf.constant([label for row in labels for label in row], tf.int64),
            [len(labels), max(map(len, labels))],
        )
        value, update = tf1.metrics.average_precision_at_k(
            sparse, tf.constant(scores), k, None if weights is None else tf.constant(weights)
        )
        session.run(tf1.local_variables_initializer())
        session.run(update)
        return float(session.run(value))


def tensorflow_values(scores, labels, k: int) -> dict:
    return {
        "average_precision": [
            tensorflow_mean(scores[i : i + 1], labels[i : i + 1], k) for i in range(len(labels))
        ]
    }


PEERS = {
    "ranx": (ranx_values, ("positive", "logits")),
    "pytrec_eval": (trec_values, ("positive", "logits")),
    "torchmetrics": (torch_values, ("positive", "logits")),
    "tensorflow": (tensorflow_values, ("positive", "logits", "ties")),
}


def in_hex(values: dict) -> dict:
    return {name: [value.hex() for value in row] for name, row in values.items()}


def main() -> None:
    cases = []
    for name in ("positive", "logits", "ties"):
        case = data(name)
        scores, labels, weights = case["scores"], case["labels"], case["weights"]
        case["results"] = {
            peer: {k: in_hex(function(scores, labels, k)) for k in CUTOFFS}
            for peer, (function, names) in PEERS.items()
            if name in names
        }
        case["tensorflow_means"] = {
            k: tensorflow_mean(scores, labels, k, weights).hex() for k in CUTOFFS
        }
        case["scores"] = scores.tolist()  # of few bits, so JSON holds them exactly
        case["weights"] = weights.tolist()
        cases.append(case)
    versions = {package: version(package) for package in PACKAGES}
    text = json.dumps({"versions": versions, "cases": cases})
    (HERE / "ranking_peers.json").write_text(text.replace("], ", "],\n") + "\n")


if __name__ == "__main__":
    main()
