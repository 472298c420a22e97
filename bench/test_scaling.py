"""How time grows with samples, thresholds, threads, classes and labels: the plots."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
from answers import check_average_precision, check_counts, expected_table
from distributions import Array, make_rows, make_samples
from long_arrays import LongArrays, disk, lacking_room
from peers import PEERS, missing_reason
from rank_peers import RANK_PEERS
from timing import counting_with, measure_alone
from workloads import AUTO, NUMBA, SWEEPS, Subject, available, thread_counts

import fastpr

NUM_SAMPLES = 1 << 24  # of a sweep over something else
NUM_SCORES = 1 << 24
NUM_CHECKED = 8  # rows that are also ranked by sorting
SUBJECTS = [AUTO, NUMBA]
# Those that need no memory but their own, and no minutes.
CHEAP_PEERS = [peer for peer in PEERS if peer.name in ("boost-histogram", "numpy bincount")]
TOP_K = next(peer for peer in RANK_PEERS if peer.name == "torch.topk")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each value of a sweep and each who counts or ranks."""
    quantity = metafunc.function.__name__.removeprefix("test_")
    sweep, quick = SWEEPS[quantity], metafunc.config.getoption("--quick")
    values = sweep.quick_values if quick else sweep.values
    if quantity == "threads":
        values = thread_counts(metafunc.config.getoption("--threads") or os.cpu_count() or 1)
    peers = [TOP_K] if quantity in ("classes", "labels") else CHEAP_PEERS
    metafunc.parametrize(
        ("subject", "value"),
        [
            pytest.param(subject, value, id=f"{subject.name}-{value}")
            for subject in (*SUBJECTS, *peers)
            for value in values
            # more of the same would take a peer long
            if isinstance(subject, Subject) or quantity != "samples" or value <= NUM_SAMPLES
        ],
    )


def _rounds(scale: Any, work: int) -> int:
    """Many rounds of what is short."""
    return int(scale.rounds(max(3, min(200, (1 << 28) // work))))


@pytest.fixture(scope="module")
def long_arrays(scale: Any) -> Iterator[LongArrays]:
    sweep = SWEEPS["samples"]
    most = max(sweep.quick_values if scale.quick else sweep.values)
    with tempfile.TemporaryDirectory(prefix="fastpr-bench-", dir=disk()) as folder:
        if needed := lacking_room(Path(folder), most):
            pytest.skip(f"{needed / 1e9:.0f} GB have no room in {Path(folder).parent}")
        arrays = LongArrays(Path(folder), most)
        yield arrays
        arrays.close()


@lru_cache(maxsize=1)
def _samples(num: int) -> tuple[Array, Array]:
    return make_samples("uniform", num)


@lru_cache(maxsize=1)
def _rows(num_rows: int, num_classes: int, num_labels: int) -> tuple[Array, Array]:
    return make_rows(num_rows, num_classes, num_labels, 4)


class Sweeper:
    """Checks and times one point of a sweep, and keeps it."""

    def __init__(self, benchmark: Any, keep: Any, scale: Any, sweep: str, value: int) -> None:
        self._benchmark, self._keep, self._scale = benchmark, keep, scale
        self._sweep, self._value = sweep, value
        self.threads = scale.threads

    def count(self, subject: Any, scores: Array, labels: Array, table: Array) -> None:
        num_thresholds = table.shape[1]
        if isinstance(subject, Subject):

            def call() -> Any:
                return fastpr.precision_recall_at_equal_thresholds(
                    labels, scores, num_thresholds=num_thresholds, backend=subject.backend
                )

            self._time_subject(subject, call, lambda: check_counts(call(), table), len(scores))
        else:
            make = partial(subject.prepare, scores, labels, num_thresholds, self.threads)
            self._time_peer(subject, make, lambda answer: subject.check(answer, table), len(scores))

    def rank(self, subject: Any, labels: Array, scores: Array, k: int) -> None:
        if isinstance(subject, Subject):

            def call(num: int | None = None) -> Any:
                return fastpr.average_precision_at_k(
                    labels[:num], scores[:num], k, per_row=num is not None, backend=subject.backend
                )

            def check() -> int:
                return check_average_precision(call(NUM_CHECKED), labels, scores, k)

            self._time_subject(subject, call, check, scores.size)
        else:
            make = partial(subject.prepare, labels, scores, k, self.threads)
            self._time_peer(
                subject, make, lambda answer: subject.check(answer, labels, scores, k), scores.size
            )

    def _time_subject(self, subject: Subject, call: Any, check: Any, items: int) -> None:
        if reason := available(subject):
            pytest.skip(reason)
        with counting_with(subject, self.threads):
            check()
            found = measure_alone(self._benchmark, call, _rounds(self._scale, items))
        self._save(subject.name, items, found)

    def _time_peer(self, peer: Any, make: Any, check: Any, items: int) -> None:
        if reason := missing_reason(peer):
            pytest.skip(reason)
        call = make()
        check(call())
        rounds = min(_rounds(self._scale, items), 5)
        self._save(peer.name, items, measure_alone(self._benchmark, call, rounds))

    def _save(self, name: str, items: int, found: dict[str, Any]) -> None:
        if found:
            self._keep("sweep", self._sweep, x=self._value, subject=name, items=items, **found)


@pytest.fixture
def sweeper(
    request: pytest.FixtureRequest, benchmark: Any, keep: Any, scale: Any, value: int
) -> Sweeper:
    quantity = request.function.__name__.removeprefix("test_")
    return Sweeper(benchmark, keep, scale, quantity, value)


def test_thresholds(subject: Any, value: int, sweeper: Sweeper, scale: Any) -> None:
    scores, labels = _samples(NUM_SAMPLES >> (4 if scale.quick else 0))
    sweeper.count(subject, scores, labels, expected_table(scores, labels, None, value))


def test_threads(subject: Any, value: int, sweeper: Sweeper, scale: Any) -> None:
    scores, labels = _samples(NUM_SAMPLES >> (4 if scale.quick else 0))
    sweeper.threads = value
    sweeper.count(subject, scores, labels, expected_table(scores, labels, None, 201))


def test_classes(subject: Any, value: int, sweeper: Sweeper, scale: Any) -> None:
    num_rows = max(2, (NUM_SCORES >> (4 if scale.quick else 0)) // value)
    sweeper.rank(subject, *_rows(num_rows, value, min(5, value // 5)), k=min(10, value))


def test_labels(subject: Any, value: int, sweeper: Sweeper, scale: Any) -> None:
    num_classes = 10_000
    num_rows = (NUM_SCORES >> (4 if scale.quick else 0)) // num_classes
    sweeper.rank(subject, *_rows(num_rows, num_classes, value), k=100)


def test_samples(subject: Any, value: int, sweeper: Sweeper, long_arrays: LongArrays) -> None:
    scores, labels = long_arrays.scores[:value], long_arrays.labels[:value]
    sweeper.count(subject, scores, labels, long_arrays.table(value))
