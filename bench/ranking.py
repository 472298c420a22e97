"""Average precision at k: each backend and the peers on the same rows, each answer checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from rank_workloads import RANK_WORKLOADS, RankWorkload
from workloads import make_reader, seconds_of

import fastpr

PEER_PACKAGES = {"torch.topk": "torch", "TensorFlow": "tensorflow-cpu"}
NUM_CHECKED = 32  # rows that are also ranked by sorting


def sorted_precision(labels: Any, scores: Any, k: int) -> Any:
    """Return average precision at k of each row, from its sorted scores."""
    values = []
    for own, row in zip(labels, scores, strict=True):
        top = np.lexsort((np.arange(len(row)), -row))[:k]
        hits = np.isin(top, own)
        found = hits.cumsum() / np.arange(1, k + 1)
        values.append((found * hits).sum() / min(k, len(set(own.tolist()))))
    return np.array(values)


def torch_topk(labels: Any, scores: Any, k: int, num_threads: int) -> Callable[[], Any]:
    """Return a call of torch.topk alone: its labels would still be to be looked up."""
    import torch

    torch.set_num_threads(num_threads)
    tensor = torch.from_numpy(scores)
    some = torch.topk(tensor[:NUM_CHECKED], k).indices.numpy()
    order = np.argsort(-scores[:NUM_CHECKED], axis=1, kind="stable")[:, :k]
    assert (some == order).mean() > 0.999  # of equal scores it may take the other
    return lambda: torch.topk(tensor, k)


def tensorflow_metric(labels: Any, scores: Any, k: int, num_threads: int) -> Callable[[], Any]:
    """Return a call of the metric of TensorFlow 1, on tensors that are in its memory."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        given = [v1.placeholder(tf.int64, labels.shape), v1.placeholder(tf.float32, scores.shape)]
        held = [v1.Variable(tensor, trainable=False) for tensor in given]
        fill = v1.global_variables_initializer()
        _, update = v1.metrics.average_precision_at_k(held[0], held[1], k)
        reset = v1.local_variables_initializer()
    config = v1.ConfigProto(
        intra_op_parallelism_threads=num_threads, inter_op_parallelism_threads=num_threads
    )
    session = v1.Session(graph=graph, config=config)
    session.run(fill, dict(zip(given, (labels, scores), strict=True)))

    def call() -> float:
        session.run(reset)
        return float(session.run(update))

    ours = fastpr.average_precision_at_k(labels, scores, k)
    assert abs(call() - ours) < 1e-6, (call(), ours)
    return call


PEERS = {"torch.topk": torch_topk, "TensorFlow": tensorflow_metric}


def measure_ranking(shrink: int, repeats: int, num_threads: int) -> dict:
    """Time every backend and peer on every workload, beside reading the scores."""
    peers, missing = {}, []
    for name, package in PEER_PACKAGES.items():
        try:
            peers[name] = version(package)
        except ImportError:
            missing.append(name)
    rows = [
        row
        for workload in RANK_WORKLOADS
        for row in measure_workload(workload, shrink, repeats, num_threads, list(peers))
    ]
    return {"rows": rows, "peers": peers, "missing_peers": missing}


def measure_workload(
    workload: RankWorkload, shrink: int, repeats: int, num_threads: int, peers: list[str]
) -> list[dict]:
    labels, scores = workload.make(np.random.default_rng(2026), shrink)
    k = workload.k
    reader = make_reader(num_threads)
    backends = [name for name in ("c", "numba") if name in fastpr.available_backends()]
    calls: dict[str, Callable[[], Any]] = {
        backend: lambda backend=backend: fastpr.average_precision_at_k(
            labels, scores, k, backend=backend
        )
        for backend in backends
    }
    expected = sorted_precision(labels[:NUM_CHECKED], scores[:NUM_CHECKED], k)
    for backend in backends:
        values = fastpr.average_precision_at_k(labels, scores, k, per_row=True, backend=backend)
        assert np.allclose(values[:NUM_CHECKED], expected, rtol=1e-14, atol=0), backend
        assert calls[backend]() == calls[backends[0]](), backend

    flat = scores.reshape(-1)
    flat = flat[: len(flat) // 2 * 2]
    passes = max(1, round(3e8 / scores.nbytes)) if repeats > 2 else 1
    times: dict[str, list[float]] = {"read": [], **{backend: [] for backend in backends}}
    for _ in range(repeats):  # in turn, so that a slow moment meets everybody
        seconds = seconds_of(lambda: [reader(flat) for _ in range(passes)])
        times["read"].append(seconds / passes)
        for backend in backends:
            times[backend].append(seconds_of(calls[backend]))
    peer_times = {}
    for name in peers:
        call = PEERS[name](labels, scores, k, num_threads)
        call()
        peer_times[name] = min(seconds_of(call) for _ in range(min(repeats, 3)))

    gigabytes = scores.nbytes / 1e9
    read = min(times["read"])
    return [
        {
            "workload": workload.name,
            "num_rows": len(scores),
            "num_classes": workload.num_classes,
            "num_labels": workload.num_labels,
            "k": k,
            "backend": backend,
            "gigabytes_per_second": gigabytes / min(times[backend]),
            "read_bandwidth": gigabytes / read,
            "of_read_bandwidth": read / min(times[backend]),
            "of_read_bandwidth_median": float(
                np.median(np.array(times["read"]) / np.array(times[backend]))
            ),
            "asked": workload.asked,
            "times_peers": {
                name: seconds / min(times[backend]) for name, seconds in peer_times.items()
            },
        }
        for backend in backends
    ]
