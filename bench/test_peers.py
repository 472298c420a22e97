"""Other libraries on the same data, each answer checked before it is timed.

They run last, since some leave threads behind that wait actively.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import pytest
from answers import expected_table
from distributions import DISTRIBUTIONS, make_rows, make_samples
from peers import PEERS, Peer, missing_reason
from rank_peers import RANK_PEERS, RankPeer
from timing import measure_alone
from workloads import HEADLINE, QUICK_LOG2, RANK_WORKLOADS, RankWorkload

NUM_THRESHOLDS = 201
ROWS = [
    (distribution, peer)
    for distribution in DISTRIBUTIONS
    for peer in PEERS
    if peer.everywhere or distribution in HEADLINE
]
RANK_ROWS = [
    (workload, peer)
    for workload in RANK_WORKLOADS
    for peer in RANK_PEERS
    if workload.num_classes <= peer.most
]

reason_of = cache(missing_reason)


@lru_cache(maxsize=1)
def _samples(distribution: str, num: int) -> tuple[Any, Any]:
    return make_samples(distribution, num)


@lru_cache(maxsize=1)
def _rows(workload: RankWorkload, num_rows: int) -> tuple[Any, Any]:
    return make_rows(num_rows, workload.num_classes, workload.num_labels, workload.boost)


@pytest.mark.parametrize(
    ("distribution", "peer"), ROWS, ids=[f"{peer.name}-{name}" for name, peer in ROWS]
)
def test_counting(distribution: str, peer: Peer, benchmark: Any, keep: Any, scale: Any) -> None:
    if reason := reason_of(peer):
        keep("missing", peer.name, reason=reason)
        pytest.skip(f"{peer.name}: {reason}")
    num = min(peer.most, 1 << (16 if scale.quick else 26))
    scores, labels = _samples(distribution, num)
    table = expected_table(scores, labels, None, NUM_THRESHOLDS)
    call = peer.prepare(scores, labels, NUM_THRESHOLDS, scale.threads)
    checks = peer.check(call(), table)
    found = measure_alone(benchmark, call, scale.rounds(5))
    keep(
        "peer", peer.name, computes=peer.computes, workload={"distribution": distribution},
        samples=num, checks=checks, **found,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workload", "peer"),
    RANK_ROWS,
    ids=[f"{peer.name}-{workload.name}" for workload, peer in RANK_ROWS],
)
def test_ranking(
    workload: RankWorkload, peer: RankPeer, benchmark: Any, keep: Any, scale: Any
) -> None:
    if reason := reason_of(peer):
        keep("missing", peer.name, reason=reason)
        pytest.skip(f"{peer.name}: {reason}")
    most = min(peer.most, 1 << QUICK_LOG2) if scale.quick else peer.most
    num_rows = min(workload.num_rows, max(1, most // workload.num_classes))
    labels, scores = _rows(workload, num_rows)
    call = peer.prepare(labels, scores, workload.k, scale.threads)
    checks = peer.check(call(), labels, scores, workload.k)
    found = measure_alone(benchmark, call, scale.rounds(5))
    keep(
        "rank peer", peer.name, computes=peer.computes, workload=workload._asdict(),
        samples=scores.size, checks=checks, **found,
    )  # fmt: skip
