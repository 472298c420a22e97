"""The table of peers that rank, each called as its documentation says, each answer checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from answers import check_close
from distributions import Array

import fastpr

Call = Callable[[], Any]


class RankPeer(NamedTuple):
    """A library; `most` is the number of scores that it is timed on."""

    name: str
    package: str
    modules: tuple[str, ...]
    computes: str
    prepare: Callable[[Array, Array, int, int], Call]
    check: Callable[[Any, Array, Array, int], int]
    most: int


def _check_top(top: Array, scores: Array, k: int) -> int:
    """The k highest scores, whatever their order, and whichever of equal ones were taken."""
    found = np.sort(np.take_along_axis(scores, top, axis=1), axis=1)
    wanted = np.sort(np.partition(scores, scores.shape[1] - k, axis=1)[:, -k:], axis=1)
    return check_close("top scores", found, wanted, 0.0)


def _topk(labels: Array, scores: Array, k: int, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    tensor = torch.from_numpy(scores)
    return lambda: torch.topk(tensor, k)


def _check_topk(answer: Any, labels: Array, scores: Array, k: int) -> int:
    return _check_top(answer.indices.numpy(), scores, k)


def _argpartition(labels: Array, scores: Array, k: int, threads: int) -> Call:
    first = scores.shape[1] - k
    return lambda: np.argpartition(scores, first, axis=1)[:, first:]


def _check_argpartition(answer: Any, labels: Array, scores: Array, k: int) -> int:
    return _check_top(answer, scores, k)


def _tensorflow(labels: Array, scores: Array, k: int, threads: int) -> Call:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        given = [v1.placeholder(tf.int64, labels.shape), v1.placeholder(tf.float32, scores.shape)]
        # variables, so that the tensors are in its memory before the clock starts
        held = [v1.Variable(tensor, trainable=False) for tensor in given]
        fill = v1.global_variables_initializer()
        _, update = v1.metrics.average_precision_at_k(held[0], held[1], k)
        reset = v1.local_variables_initializer()
    config = v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )
    session = v1.Session(graph=graph, config=config)
    session.run(fill, dict(zip(given, (labels, scores), strict=True)))

    def call() -> float:
        session.run(reset)
        return float(session.run(update))

    return call


def _check_tensorflow(answer: Any, labels: Array, scores: Array, k: int) -> int:
    # the same definition; its mean is added up in float64
    ours = fastpr.average_precision_at_k(labels, scores, k)
    return check_close("mean", [answer], [ours], 1e-9)


def _ranx(labels: Array, scores: Array, k: int, threads: int) -> Call:
    import numba
    from ranx import Qrels, Run, evaluate

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    names = [str(index) for index in range(max(scores.shape))]
    relevant = Qrels({
        names[row]: {names[label]: 1 for label in own.tolist()}
        for row, own in enumerate(labels)
    })  # fmt: skip
    run = {
        names[row]: dict(zip(names[: len(own)], own.tolist(), strict=True))
        for row, own in enumerate(scores)
    }
    # making its own form of a run is part of the work; making dictionaries of strings is not
    return lambda: evaluate(relevant, Run(run), f"map@{k}")


def _check_ranx(answer: Any, labels: Array, scores: Array, k: int) -> int:
    # it divides by the number of relevant classes; of equal scores it may take either first
    ours = fastpr.average_precision_at_k(labels, scores, k, denominator="relevant")
    return check_close("mean", [answer], [ours], 1e-4)


RANK_PEERS = (
    RankPeer("torch.topk", "torch", ("torch",), "the top k alone, labels not looked up", _topk,
             _check_topk, 1 << 26),
    RankPeer("argpartition", "numpy", ("numpy",), "the top k alone, in no order", _argpartition,
             _check_argpartition, 1 << 24),
    RankPeer("TensorFlow", "tensorflow-cpu", ("tensorflow",),
             "tf.compat.v1.metrics.average_precision_at_k", _tensorflow, _check_tensorflow,
             1 << 26),
    RankPeer("ranx", "ranx", ("ranx",), "Run of a dictionary, and evaluate map@k", _ranx,
             _check_ranx, 1 << 16),
)  # fmt: skip
