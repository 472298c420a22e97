"""Average precision at k: every row of the table, its first rows checked by sorting them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from answers import check_average_precision
from timing import counting_with, measure
from workloads import AUTO, RankRow, RankWorkload, available, rank_rows

import fastpr

ROWS = rank_rows()
NUM_CHECKED = 32  # rows that are also ranked by sorting


@lru_cache(maxsize=1)
def _data(workload: RankWorkload, quick: bool) -> tuple[Any, Any, float]:
    labels, scores = workload.make(quick)
    # of all rows, by the oracle of the tests, which shares no kernel with the others
    mean = fastpr.average_precision_at_k(labels, scores, workload.k, backend="reference")
    return labels, scores, mean


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{row.subject.name}-{row.workload.name}" for row in ROWS]
)
def test_label_ranks(row: RankRow, benchmark: Any, keep: Any, scale: Any) -> None:
    workload, subject = row.workload, row.subject
    if reason := available(subject):
        pytest.skip(reason)
    labels, scores, mean = _data(workload, scale.quick)

    def rank(num: int | None = None, per_row: bool = False, backend: str = subject.backend) -> Any:
        return fastpr.average_precision_at_k(
            labels[:num], scores[:num], workload.k, per_row=per_row, backend=backend
        )

    def rank_as_auto() -> Any:
        with counting_with(AUTO, scale.threads):
            return rank(backend=AUTO.backend)

    with counting_with(subject, scale.threads) as threads:
        checks = check_average_precision(rank(NUM_CHECKED, True), labels, scores, workload.k)
        assert rank() == mean, f"{rank()} instead of {mean}"
        found = measure(
            benchmark, rank, [scores], threads, scale.rounds(30),
            None if subject == AUTO else rank_as_auto,
        )  # fmt: skip
    if found:
        seconds = found["seconds"]["best"]
        found["cycles_per_score"] = found["gigahertz"] * 1e9 * threads * seconds / scores.size
    keep(
        "label_ranks", workload.name, subject=subject.name, rows=len(scores), asked=row.asked,
        checks=checks + 1, workload=workload._asdict(), **found,
    )  # fmt: skip
