"""The cuda backend, with kernels as numba-cuda compiles them, counts and ranks every case.

The simulator runs the Python text of the kernels on lists of cases; here the compiled ones run,
on two emulated devices: one that does everything at once and has little shared memory, and one
that has much, does nothing before somebody waits, and runs threads in random orders.
"""

from functools import cache

import numpy as np
import oracle
import pytest
import ranking_oracle
from cases import CASES, WEIGHTED_CASES
from compare import assert_same_data, assert_same_fields
from ptx import device as ptx_device
from ranking_cases import CASES as RANKING_CASES
from ranking_cases import GROUPS, LONG_CASES
from ranking_rows import KINDS, model

import fastpr
from fastpr.curves.ratios import precision_recall

# Two forms of each kernel; the other rules follow on the host.
TIES = ("index", "expected")

LATE = "227 KB, late, in random order"
DEVICES = {
    "48 KB, in order": {"max_shared": 48 * 1024},
    LATE: {"max_shared": 227 * 1024, "seed": 1, "is_late": True},
}
# for what takes long, and needs less shared memory than any device has
on_one_device = pytest.mark.parametrize("device", [LATE], indirect=True)


@pytest.fixture(scope="module", params=DEVICES)
def device(request):
    with ptx_device.emulated(**DEVICES[request.param]) as device:
        yield device


def counted(case):
    state = fastpr.PrecisionRecallAtEqualThresholds(
        case.num_thresholds, invalid=case.invalid, backend="cuda"
    )
    return state.update(case.labels, case.scores, case.weights)


@cache
def expected_counts(name):
    case = CASES[name]
    return oracle.table(case.labels, case.scores, case.kind, case.num_thresholds)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("name", CASES)
def test_counts_are_those_of_the_definition(name):
    state = counted(CASES[name])
    expected = expected_counts(name)
    assert_same_data(state.compute(), precision_recall(expected))
    assert state.num_dropped == np.size(CASES[name].scores) - expected.sum()


@cache
def expected_sums(name):
    case = WEIGHTED_CASES[name]
    weights = np.broadcast_to(case.weights, np.shape(case.scores)).astype(np.float64)
    return oracle.weighted_table(case.labels, case.scores, weights, case.kind, case.num_thresholds)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("name", WEIGHTED_CASES)
def test_whole_weights_are_summed_exactly(name):
    state = counted(WEIGHTED_CASES[name])
    expected = expected_sums(name)
    if not expected.any():
        assert state == fastpr.PrecisionRecallAtEqualThresholds(state.num_thresholds)
        return
    assert_same_data(state.compute(), precision_recall(expected))


@cache
def expected_ranks(name):
    case = RANKING_CASES[name]
    rows = case.entries()
    return {ties: ranking_oracle.table(rows, case.k, ties) for ties in TIES}


@on_one_device
@pytest.mark.parametrize("group", GROUPS)
def test_ranks_are_those_of_a_sort(device, group):
    for case in GROUPS[group]:
        for ties, table in expected_ranks(case.name).items():
            actual = fastpr.label_ranks(case.labels, case.scores, case.k, ties=ties, backend="cuda")
            assert_same_fields(actual, table, f"{case.name}, {ties}")


def test_both_kinds_of_shared_memory_were_needed(device):
    device.launches.clear()
    counted(CASES["float32 near 65537 thresholds"])
    most = max(shared for _, _, _, shared in device.launches)
    assert device.max_shared // 2 < most <= device.max_shared


@on_one_device
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_labels", [3, 1500])
def test_rows_of_many_classes_are_cut_into_pieces(device, kind, num_labels):
    rng = np.random.default_rng(num_labels)
    scores, labels = model(kind, 3, 40_003, num_labels, rng)
    device.launches.clear()
    for ties in TIES:
        actual = fastpr.label_ranks(labels, scores, 20_000, ties=ties, backend="cuda")
        expected = fastpr.label_ranks(labels, scores, 20_000, ties=ties, backend="reference")
        assert_same_fields(actual, expected, ties)
    assert any(np.size(grid) == 2 for _, grid, _, _ in device.launches)


@on_one_device
@pytest.mark.parametrize("name", ["long, strided", "long, some NaN"])
def test_ranks_in_long_rows_are_those_of_counting(device, name):
    case = LONG_CASES[name]()
    rows = case.entries()
    for ties in ("index", "pessimistic"):
        actual = fastpr.label_ranks(case.labels, case.scores, case.k, ties=ties, backend="cuda")
        assert_same_fields(actual, ranking_oracle.table(rows, case.k, ties))
