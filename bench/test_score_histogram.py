"""Counting: every row of the table, each answer compared with NumPy's before it is timed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from answers import check_counts, expected_table
from timing import counting_with, measure
from workloads import AUTO, ScoreRow, ScoreWorkload, available, score_rows

import fastpr

ROWS = score_rows()


@lru_cache(maxsize=1)
def _data(workload: ScoreWorkload, quick: bool) -> tuple[Any, ...]:
    scores, labels, weights = workload.make(quick)
    table = expected_table(scores, labels, weights, workload.num_thresholds)
    return scores, labels, weights, table


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{row.subject.name}-{row.workload.name}" for row in ROWS]
)
def test_score_histogram(row: ScoreRow, benchmark: Any, keep: Any, scale: Any) -> None:
    workload, subject = row.workload, row.subject
    if reason := available(subject):
        pytest.skip(reason)
    if workload.scores == "bfloat16":
        pytest.importorskip("ml_dtypes")
    scores, labels, weights, table = _data(workload, scale.quick)

    def count(backend: str = subject.backend) -> Any:
        return fastpr.precision_recall_at_equal_thresholds(
            labels, scores, weights, workload.num_thresholds, backend=backend
        )

    def count_as_auto() -> Any:
        with counting_with(AUTO, scale.threads):
            return count(AUTO.backend)

    with counting_with(subject, scale.threads) as threads:
        checks = check_counts(count(), table)
        arrays = [array for array in (scores, labels, weights) if array is not None]
        found = measure(
            benchmark, count, arrays, threads, scale.rounds(80 if row.asked else 25),
            None if subject == AUTO else count_as_auto,
        )  # fmt: skip
    if found:
        seconds = found["seconds"]["best"]
        found["giga_samples_per_second"] = len(scores) / seconds / 1e9
        found["bytes_per_sample"] = found["bytes"] / len(scores)
        cycles = found["gigahertz"] * 1e9 * threads * seconds
        found["cycles_per_sample"] = cycles / len(scores)  # of a core
    keep(
        "score_histogram", workload.name, subject=subject.name, samples=len(scores),
        asked=row.asked, checks=checks, workload=workload._asdict(), **found,
    )  # fmt: skip
