"""What everything costs that is not counting: small updates, new processes, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import processes
import pytest
from answers import check_counts, expected_table
from distributions import make_rows, make_samples
from timing import counting_with, measure_alone, spread
from workloads import ASKED_UPDATE_SAMPLES, ASKED_UPDATE_SECONDS, AUTO, NUMBA, C, Subject, available

import fastpr

SUBJECTS = [AUTO, C, NUMBA]
IDS = [subject.name for subject in SUBJECTS]


def _skip_unless(subject: Subject) -> None:
    if reason := available(subject):
        pytest.skip(reason)


@pytest.mark.parametrize("num", [1, 256, ASKED_UPDATE_SAMPLES, 65_536])
@pytest.mark.parametrize("subject", SUBJECTS, ids=IDS)
def test_update(subject: Subject, num: int, benchmark: Any, keep: Any, scale: Any) -> None:
    _skip_unless(subject)
    scores, labels = make_samples("uniform", num)
    state = fastpr.PrecisionRecallAtEqualThresholds(backend=subject.backend)
    checks = check_counts(
        state.update(labels, scores).compute(), expected_table(scores, labels, None, 201)
    )
    with counting_with(subject, scale.threads):
        found = measure_alone(
            benchmark, lambda: state.update(labels, scores), scale.rounds(300), 20
        )
    asked = ASKED_UPDATE_SECONDS if num == ASKED_UPDATE_SAMPLES and subject == AUTO else None
    keep(
        "overhead", f"update of {num:,} sample{'s' * (num > 1)}", subject=subject.name, asked=asked,
        checks=checks, **found,
    )  # fmt: skip


def test_one_liner(benchmark: Any, keep: Any, scale: Any) -> None:
    """What NumPy takes for as many samples as the update that a figure is asked for."""
    scores, labels = make_samples("uniform", ASKED_UPDATE_SAMPLES)

    def bincount() -> Any:
        codes = (scores * np.float32(200)).astype(np.intp) * 2 + labels
        return np.bincount(codes, minlength=402)

    assert bincount().sum() == len(scores)
    found = measure_alone(benchmark, bincount, scale.rounds(300), 20)
    name = f"update of {ASKED_UPDATE_SAMPLES:,} samples"
    keep("overhead", name, subject="numpy bincount", asked=None, checks=1, **found)


@pytest.mark.parametrize("subject", SUBJECTS, ids=IDS)
def test_ranking_update(subject: Subject, benchmark: Any, keep: Any, scale: Any) -> None:
    _skip_unless(subject)
    labels, scores = make_rows(32, 1000, 5, 4)
    state = fastpr.AveragePrecisionAtK(10, backend=subject.backend)
    wanted = fastpr.average_precision_at_k(labels, scores, 10, backend="reference")
    assert state.update(labels, scores).compute() == wanted
    found = measure_alone(benchmark, lambda: state.update(labels, scores), scale.rounds(300), 20)
    keep(
        "overhead", "AveragePrecisionAtK.update of 32 x 1,000", subject=subject.name, asked=None,
        checks=1, **found,
    )  # fmt: skip


@pytest.mark.parametrize("module", ["numpy", "fastpr"])
def test_import(module: str, benchmark: Any, keep: Any, scale: Any) -> None:
    inside: list[float] = []
    rounds = scale.rounds(12)
    benchmark.pedantic(lambda: inside.append(processes.import_seconds(module)), rounds=rounds)
    keep("overhead", f"import {module}", subject=module, asked=None, seconds=spread(inside))


def test_first_result_with_c(benchmark: Any, keep: Any, scale: Any) -> None:
    _skip_unless(C)
    found = measure_alone(benchmark, lambda: processes.first_result("c"), scale.rounds(8))
    keep("overhead", "first result of a new process", subject="c", asked=None, checks=1, **found)


@pytest.mark.parametrize("kept", ["nothing compiled before", "compiled before"])
def test_first_result_with_numba(kept: str, benchmark: Any, keep: Any, scale: Any) -> None:
    _skip_unless(NUMBA)
    with processes.empty_cache() as folder:
        if kept == "compiled before":
            processes.first_result("numba", folder)
        # a folder of its own for each round that has nothing yet
        names = iter(range(100))

        def call() -> None:
            place = folder if kept == "compiled before" else f"{folder}/{next(names)}"
            processes.first_result("numba", place)

        rounds = scale.rounds(5 if kept == "compiled before" else 2)
        benchmark.pedantic(call, rounds=1 if scale.quick else rounds)
    if benchmark.stats is not None:
        times = spread(list(benchmark.stats.stats.data))
        keep(
            "overhead", "first result of a new process", subject=f"numba, {kept}", asked=None,
            checks=1, seconds=times,
        )  # fmt: skip


def test_compile_times(benchmark: Any, keep: Any) -> None:
    _skip_unless(NUMBA)
    found = benchmark.pedantic(processes.compile_seconds, rounds=1)
    keep("compile", "Numba compiles", compile_seconds=found)


@pytest.mark.skipif(not processes.has_peak_memory(), reason="peak memory is read as Linux tells it")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("subject", SUBJECTS[1:], ids=IDS[1:])
def test_memory(subject: Subject, weighted: bool, benchmark: Any, keep: Any, scale: Any) -> None:
    _skip_unless(subject)
    num = 1 << (20 if scale.quick else 26)
    megabytes = benchmark.pedantic(
        lambda: processes.peak_megabytes(subject.backend, num, weighted), rounds=1
    )
    # far below one array of the size of the input: 4 bytes a sample
    assert megabytes < max(16, num * 4 / 1e6 / 4), f"{megabytes:.0f} MB beside the inputs"
    keep("memory", subject.name, samples=num, weighted=weighted, megabytes=megabytes)
