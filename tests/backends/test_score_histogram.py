"""Every backend and every variant puts every case into the same table, bit for bit."""

import numpy as np
import oracle
import pytest
from backend_rows import IS_SIMULATED, using
from cases import CASES, WEIGHTED_CASES
from compare import assert_close_sums, assert_same_bits, assert_same_data
from tiers import exhaustive

import fastpr
from fastpr.curves.ratios import precision_recall


def run(case, backend):
    state = fastpr.PrecisionRecallAtEqualThresholds(
        case.num_thresholds, invalid=case.invalid, backend=backend
    )
    return state.update(case.labels, case.scores, case.weights)


@pytest.mark.parametrize("name", CASES)
def test_counts_are_those_of_the_definition(row, name):
    case = CASES[name]
    with using(row) as backend:
        state = run(case, backend)
    expected = oracle.table(case.labels, case.scores, case.kind, case.num_thresholds)
    assert_same_data(state.compute(), precision_recall(expected))
    assert state.num_dropped == np.size(case.scores) - expected.sum()


@pytest.mark.parametrize("name", WEIGHTED_CASES)
def test_whole_weights_are_summed_exactly(row, name):
    case = WEIGHTED_CASES[name]
    with using(row) as backend:
        state = run(case, backend)
    weights = np.broadcast_to(case.weights, np.shape(case.scores)).astype(np.float64)
    expected = oracle.weighted_table(
        case.labels, case.scores, weights, case.kind, case.num_thresholds
    )
    if not expected.any():
        assert state == fastpr.PrecisionRecallAtEqualThresholds(case.num_thresholds)
        return
    assert_same_data(state.compute(), precision_recall(expected))


@pytest.mark.parametrize("num_thresholds", [2, 201, 500, 1000, 4001])
@pytest.mark.parametrize("weight_dtype", [np.float32, np.float64])
def test_weights_are_summed_within_1e_12(row, num_thresholds, weight_dtype):
    rng = np.random.default_rng(7)
    num = 400 if IS_SIMULATED else 60_000
    scores = np.where(rng.random(num) < 0.8, 0.1, rng.random(num)).astype(np.float32)
    labels = rng.random(num) < 0.5
    weights = rng.choice([0.1, 1e-3, 1e6, 0.7], num).astype(weight_dtype)
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds, backend=backend)
        state.update(labels, scores, weights)
    expected = oracle.weighted_table(labels, scores, weights, "float32", num_thresholds)
    assert_close_sums(state._seen.sums[0], expected)


def test_a_repeated_tenth_does_not_drift(row):
    """A plain running sum of 0.1 is off by 1e-11 after a million."""
    num = 1 << (8 if IS_SIMULATED else 16 if row in ("reference", "c-rule") else 20)
    labels, scores = np.ones(num, bool), np.full(num, 0.5, np.float32)
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
        state.update(labels, scores, np.full(num, 0.1))
    exact = 0.1 * num if num & (num - 1) == 0 else None  # a power of two: no rounding
    assert abs(state.compute().tp[0] - exact) <= 1e-12 * exact


@pytest.mark.parametrize("start", [2**31 - 5, 2**32 - 5, 2**53 - 5, 2**62])
@pytest.mark.parametrize("kernel", ["f32", "f64", "u8", "u16", "half"])
def test_counts_carry_over_any_boundary(row, start, kernel):
    """Large fake counts instead of large data."""
    from fastpr.backends.choose import choose_backend

    dtype = {"f32": np.float32, "f64": np.float64, "u8": np.uint8}.get(kernel, np.uint16)
    one = {"f32": 1, "f64": 1, "u8": 255, "u16": 65_535, "half": 0x3C00}[kernel]
    thresholds = np.array([0, one], dtype)
    table = np.full((2, 2), start, np.int64)
    report = np.zeros(3, np.int64)
    with using(row) as backend:
        module = choose_backend(backend)[1]
        module.score_histogram(
            kernel, np.full(1000, one, dtype), np.ones(1000, np.uint8), None, thresholds, table,
            report,
        )  # fmt: skip
    assert table.tolist() == [[start, start], [start, start + 1000]]
    assert report.tolist() == [0, 0, 0]


@pytest.mark.parametrize("backend", [b for b in fastpr.available_backends() if b != "reference"])
@exhaustive
def test_one_kernel_call_counts_past_2_to_the_32(backend):
    """All in one bin, so that 32-bit cells would wrap. Pages of zeros take no memory."""
    from fastpr.backends.choose import choose_backend

    num = 2**32 + 12_345
    zeros = np.zeros(num, np.uint8)
    table, report = np.zeros((2, 3), np.int64), np.zeros(3, np.int64)
    thresholds = np.array([0, 128, 255], np.uint8)
    choose_backend(backend)[1].score_histogram("u8", zeros, zeros, None, thresholds, table, report)
    assert table.tolist() == [[num, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("backend", [b for b in fastpr.available_backends() if b != "reference"])
@pytest.mark.parametrize("num_thresholds", [201, 1000])
@exhaustive
def test_every_float32_in_0_1_is_in_its_bin(backend, num_thresholds):
    """All 2**30 of them, in order, so that a bin holds what lies between its thresholds."""
    bits = oracle.threshold_bits(num_thresholds, "float32").astype(np.int64)
    one = bits[-1]
    length = 1 << 24
    labels = np.zeros(length, bool)
    for start in range(0, one + 1, length):
        stop = min(start + length, one + 1)
        scores = np.arange(start, stop, dtype=np.uint32).view(np.float32)
        data = fastpr.precision_recall_at_equal_thresholds(
            labels[: stop - start], scores, num_thresholds=num_thresholds, backend=backend
        )
        edges = np.clip(np.append(bits, one + 1), start, stop)
        assert_same_bits(data.fp[:-1] - data.fp[1:], np.diff(edges)[:-1])
        assert data.fp[-1] == edges[-1] - edges[-2]
