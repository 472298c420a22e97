"""The table of what is timed, with the figures that are asked for.

A row is a workload (what is counted or ranked) and a subject (who does it, with how many
threads). Speed that is asked for is given as a fraction of the bandwidth at which the same
threads read the same memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from distributions import Array, as_scores, make_rows, make_samples, make_weights

import fastpr

QUICK_LOG2 = 20  # the smallest number of samples that is counted in parallel


class Subject(NamedTuple):
    """Who counts: a backend, a variant of the C backend, and threads (0: as many as asked)."""

    backend: str = "auto"
    variant: str = ""
    threads: int = 0

    @property
    def name(self) -> str:
        who = f"{self.backend} {self.variant}".strip()
        return f"{who}, 1 thread" if self.threads == 1 else who


class ScoreWorkload(NamedTuple):
    """Samples for `score_histogram`; 2**log2 of them."""

    distribution: str
    scores: str = "float32"
    labels: str = "bool"
    weights: str = ""
    num_thresholds: int = 201
    log2: int = 26

    @property
    def name(self) -> str:
        weights = f" + {self.weights} weights" if self.weights else ""
        return (
            f"{self.scores} + {self.labels}{weights}, T={self.num_thresholds:,}, "
            f"2^{self.log2}: {self.distribution}"
        )

    def make(self, quick: bool) -> tuple[Array, Array, Array | None]:
        """Return (scores, labels, weights or None)."""
        num = 1 << (min(QUICK_LOG2, self.log2) if quick else self.log2)
        scores, labels = make_samples(self.distribution, num)
        weights = make_weights(num, self.weights) if self.weights else None
        return as_scores(scores, self.scores), labels.astype(self.labels, copy=False), weights


class RankWorkload(NamedTuple):
    """Rows for `label_ranks`; the scores of labels are `boost` standard deviations higher."""

    title: str
    num_rows: int
    num_classes: int
    num_labels: int
    k: int
    boost: float

    @property
    def name(self) -> str:
        return (
            f"{self.num_rows:,} x {self.num_classes:,}, {self.num_labels} labels, k={self.k}: "
            f"{self.title}"
        )

    def make(self, quick: bool) -> tuple[Array, Array]:
        """Return (labels, scores)."""
        num_rows = max(self.num_rows // 32, 2) if quick else self.num_rows
        return make_rows(num_rows, self.num_classes, self.num_labels, self.boost)


def _variants() -> tuple[Subject, ...]:
    """Return the variants of the C backend that this CPU runs, but for the slow one of tests."""
    if "c" not in fastpr.available_backends():
        return ()
    from fastpr.backends.c import library as c

    return tuple(Subject("c", variant) for variant in c.VARIANTS if variant != "rule")


class ScoreRow(NamedTuple):
    workload: ScoreWorkload
    subject: Subject
    asked: float | None = None


class RankRow(NamedTuple):
    workload: RankWorkload
    subject: Subject
    asked: float | None = None


# The three distributions that figures are asked for; peers are timed on all three.
HEADLINE = ("uniform", "iid skew 85/10/5", "coherent masks")
_BOTH = ("uniform", "coherent masks")
AUTO, C, NUMBA = Subject(), Subject("c"), Subject("numba")
_ONE = (Subject("auto", threads=1), Subject("numba", threads=1))
_VARIANTS = _variants()

# Each workload, and who beside "auto" and "numba" counts it.
SCORE_WORKLOADS: dict[ScoreWorkload, tuple[Subject, ...]] = {
    ScoreWorkload("uniform"): (C, *_VARIANTS, *_ONE),
    ScoreWorkload("iid skew 85/10/5"): (C, *_ONE),
    ScoreWorkload("coherent masks"): (C, *_VARIANTS, *_ONE),
    ScoreWorkload("all in one bin"): (C,),
    ScoreWorkload("two alternating bins"): (C,),
    ScoreWorkload("sigmoid of a normal"): (C,),
    ScoreWorkload("real probability map"): (C,),
    **{
        ScoreWorkload(distribution, scores): ()
        for scores in ("uint8", "uint16", "float16", "bfloat16", "float64")
        for distribution in _BOTH
    },
    **{ScoreWorkload(distribution, labels="int64"): () for distribution in _BOTH},
    **{ScoreWorkload(distribution, weights="float32"): () for distribution in _BOTH},
    **{ScoreWorkload("uniform", num_thresholds=num): () for num in (2, 4001, 65_537)},
}

# Of the read bandwidth, by "auto" with all threads.
_ASKED = {
    ScoreWorkload("uniform"): 0.6,
    ScoreWorkload("iid skew 85/10/5"): 0.85,
    ScoreWorkload("coherent masks"): 0.9,
    ScoreWorkload("coherent masks", "uint8"): 0.6,
    ScoreWorkload("uniform", "uint8"): 0.28,
    ScoreWorkload("coherent masks", "bfloat16"): 0.6,
    ScoreWorkload("uniform", "bfloat16"): 0.4,
    ScoreWorkload("uniform", weights="float32"): 0.5,
}

# How many times the speed of a peer.
ASKED_OF_PEERS = {
    "boost-histogram": dict(zip(HEADLINE, (12, 15, 20), strict=True)),
    "Keras": dict(zip(HEADLINE, (100, 100, 60), strict=True)),
    "torcheval": dict.fromkeys(HEADLINE, 100),
    "torchmetrics": dict.fromkeys(HEADLINE, 5000),
    "scikit-learn": dict.fromkeys(HEADLINE, 500),
}
ASKED_OF_C = 0.7  # the speed of numba, in each row
ASKED_OF_TWO_THREADS = 0.5  # the speed of one thread
ASKED_OF_T_201 = 0.7  # the speed at T = 4001, uniform
ASKED_UPDATE_SECONDS = 10e-6  # `update` of so many samples:
ASKED_UPDATE_SAMPLES = 4096

RANK_WORKLOADS: dict[RankWorkload, float] = {
    RankWorkload("good model", 2048, 10_000, 5, 10, 4): 0.9,
    RankWorkload("random model", 2048, 10_000, 5, 10, 0): 2.0,
    RankWorkload("1,000 classes", 20_480, 1_000, 5, 10, 4): 0.37,
    RankWorkload("100 classes", 200_000, 100, 3, 5, 4): 0.15,
    RankWorkload("a million classes", 64, 1_000_000, 50, 100, 4): 0.75,
    RankWorkload("100 labels", 2048, 10_000, 100, 100, 4): 0.25,
}


def score_rows() -> list[ScoreRow]:
    """Return the rows of counting, those of a workload together."""
    return [
        ScoreRow(workload, subject, _ASKED.get(workload) if subject == AUTO else None)
        for workload, others in SCORE_WORKLOADS.items()
        for subject in (AUTO, NUMBA, *others)
    ]


def rank_rows() -> list[RankRow]:
    """Return the rows of ranking, those of a workload together."""
    return [
        RankRow(workload, subject, asked if subject == AUTO else None)
        for workload, asked in RANK_WORKLOADS.items()
        for subject in (AUTO, C, NUMBA)
    ]


# ---- how time grows: the plots ----


class Sweep(NamedTuple):
    """What one quantity is varied over, and what limits the quick version."""

    quantity: str
    values: tuple[int, ...]
    quick_values: tuple[int, ...]


SWEEPS = {
    "samples": Sweep(
        "samples", tuple(1 << log2 for log2 in range(10, 32)), (1 << 10, 1 << 16, 1 << 20)
    ),
    "thresholds": Sweep(
        "thresholds T", (2, 5, 17, 51, 101, 201, 501, 1001, 2001, 4001, 10_001, 20_001, 32_769,
                         65_537), (2, 201, 65_537),
    ),
    "threads": Sweep("threads", (), ()),  # 1 to all: see `thread_counts`
    "classes": Sweep(
        "classes", (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
        (10, 1000, 100_000),
    ),
    "labels": Sweep("labels a row", (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), (1, 1000)),
}  # fmt: skip


def thread_counts(most: int) -> tuple[int, ...]:
    """Return 1 to `most` threads, in steps of at least an eighth."""
    counts = [1]
    while counts[-1] < most:
        counts.append(min(most, counts[-1] + max(1, counts[-1] // 8)))
    return tuple(counts)


def available(subject: Subject) -> str:
    """Return "" if a subject can count here, else why not."""
    names = fastpr.available_backends()
    backend = names[0] if subject.backend == "auto" else subject.backend
    if backend not in names:
        return f"the backend {backend} is not available"
    if subject.variant:
        from fastpr.backends.c import library as c

        if subject.variant not in c.VARIANTS:
            return f"this CPU or build has no variant {subject.variant} of the C backend"
    return ""


def num_bytes(*arrays: Array | None) -> int:
    """Return how many bytes arrays hold together."""
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
