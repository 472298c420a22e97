"""Scores that are mostly a few values, as real ones are, are counted as any others.

Kernels look for what comes again and again and count it in another way; the samples here
make them begin, go on and stop doing so, with something else in each block of 64.
"""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from backend_rows import IS_SIMULATED, using
from compare import assert_close_sums

import fastpr

# Kernels decide for some thousand samples at a time.
NUM_SAMPLES = 700 if IS_SIMULATED else 70_001
KINDS = ["float32", "float64", "float16", "bfloat16", "uint8", "uint16"]


def _shares(rng, num, values, shares):
    """Return values in random order, the rest of them uniform."""
    return np.where(
        rng.random(num) < sum(shares),
        rng.choice(values, num, p=np.array(shares) / sum(shares)),
        rng.random(num),
    )


def _runs(rng, num, values, length):
    return np.repeat(rng.choice(values, num // length + 1), length)[:num]


STREAMS = {
    "two values": lambda rng, num: _shares(rng, num, [0.001, 1.0], [0.85, 0.10]),
    "four values": lambda rng, num: _shares(rng, num, [0.0, 0.3, 0.6, 1.0], [0.2] * 4),
    "six values": lambda rng, num: _shares(rng, num, np.arange(6) / 10, [1 / 6] * 6),
    "rarely another": lambda rng, num: _shares(rng, num, [0.0, 1.0], [0.5, 0.4999]),
    "half of them": lambda rng, num: _shares(rng, num, [0.25], [0.5]),
    "in turn": lambda _, num: np.where(np.arange(num) % 2, 0.7, 0.3),
    "long runs": lambda rng, num: _runs(rng, num, [0.0, 0.004, 0.5, 1.0], 2000),
    "short runs": lambda rng, num: _runs(rng, num, np.arange(21) / 20, 150),
    "one value": lambda _, num: np.full(num, 0.995),
    "new values": lambda rng, num: np.concatenate([
        _shares(rng, num // 4, [low, low + 0.1], [0.5, 0.4]) for low in (0, 0.2, 0.4, 0.9)
    ] + [rng.random(num - num // 4 * 4)]),
    "first uniform, then two": lambda rng, num: np.where(
        np.arange(num) < num // 2, rng.random(num), _shares(rng, num, [0.0, 1.0], [0.6, 0.39])
    ),
    "first two, then uniform": lambda rng, num: np.where(
        np.arange(num) >= num // 2, rng.random(num), _shares(rng, num, [0.0, 1.0], [0.6, 0.39])
    ),
}  # fmt: skip


def _as_kind(values, kind):
    if kind.startswith("uint"):
        return np.rint(values * np.iinfo(kind).max).astype(kind)
    if kind == "bfloat16":
        import ml_dtypes

        return values.astype(ml_dtypes.bfloat16)
    return values.astype(kind)


@pytest.mark.parametrize("num_thresholds", [2, 201, 1000])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", STREAMS)
def test_counts_are_those_of_the_definition(row, stream, kind, num_thresholds):
    rng = np.random.default_rng(3)
    values = np.minimum(STREAMS[stream](rng, NUM_SAMPLES), 1)
    labels = rng.random(NUM_SAMPLES) < values
    scores = _as_kind(values, kind)
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds, backend=backend)
        state.update(labels, scores)
    expected = oracle.table(labels, scores, kind, num_thresholds)
    assert np.array_equal(state._seen.counts, expected)


@pytest.mark.parametrize("label_dtype", [np.bool_, np.int8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("kind", KINDS[:4])
def test_what_is_not_valid_is_dropped_and_counted_among_them(row, kind, label_dtype):
    rng = np.random.default_rng(4)
    values = STREAMS["two values"](rng, NUM_SAMPLES)
    bad = np.array([-0.0, -1.0, 1.5, np.nan, np.inf, -np.inf])
    places = rng.choice(NUM_SAMPLES, NUM_SAMPLES // 50, replace=False)
    values[places] = rng.choice(bad, len(places))
    labels = (rng.random(NUM_SAMPLES) < 0.3).astype(label_dtype)
    scores = _as_kind(values, kind)
    num_dropped = np.count_nonzero(~((values >= 0) & (values <= 1)))
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(invalid="drop", backend=backend)
        state.update(labels, scores)
    assert state.num_dropped == num_dropped
    assert np.array_equal(state._seen.counts, oracle.table(labels, scores, kind, 201))


@pytest.mark.parametrize("label_dtype", [np.int8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("place", [0, 63, 4095, 30_000, 61_440, NUM_SAMPLES - 1])
def test_one_wrong_label_among_them_is_found(row, label_dtype, place):
    place = min(place, NUM_SAMPLES - 1)
    values = STREAMS["two values"](np.random.default_rng(5), NUM_SAMPLES).astype(np.float32)
    labels = np.zeros(NUM_SAMPLES, label_dtype)
    labels[place] = 2
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
        with pytest.raises(ValueError, match=rf"first: 2 at index \({place},\)"):
            state.update(labels, values)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weight_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [0, 4095, 61_440, NUM_SAMPLES - 1])
def test_one_wrong_weight_among_them_is_found(row, weight_dtype, weight, place):
    place = min(place, NUM_SAMPLES - 1)
    values = STREAMS["two values"](np.random.default_rng(5), NUM_SAMPLES).astype(np.float32)
    weights = np.ones(NUM_SAMPLES, weight_dtype)
    weights[::2] = -0.0
    weights[place] = weight
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
        with pytest.raises(ValueError, match=rf"at index \({place},\)"):
            state.update(values > 0.5, values, weights)


@pytest.mark.parametrize("weight_dtype", [np.bool_, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", ["two values", "long runs", "first two, then uniform"])
def test_their_weights_are_summed_within_1e_12(row, stream, kind, weight_dtype):
    rng = np.random.default_rng(6)
    values = np.minimum(STREAMS[stream](rng, NUM_SAMPLES), 1)
    labels = rng.random(NUM_SAMPLES) < values
    weights = rng.choice([0.0, 0.1, 1e-3, 1e6, 0.7], NUM_SAMPLES).astype(weight_dtype)
    scores = _as_kind(values, kind)
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
        state.update(labels, scores, weights)
    expected = oracle.weighted_table(labels, scores, weights.astype(np.float64), kind, 201)
    assert_close_sums(state._seen.sums[0], expected)


@pytest.mark.parametrize("num_thresholds", [203, 204, 327, 328, 329])
def test_bytes_that_are_true_and_zeros_below_zero_are_weights(row, num_thresholds):
    """With scores that are not valid among them, at the widths where tables have copies."""
    values = STREAMS["two values"](np.random.default_rng(7), NUM_SAMPLES).astype(np.float32)
    values[::5] = np.nan
    labels = np.arange(NUM_SAMPLES) % 2 == 0
    odd = np.full(NUM_SAMPLES, 2, np.uint8).view(np.bool_)
    signed = np.where(labels, -0.0, 1.0)
    for weights, own in ((None, labels >= 0), (odd, labels >= 0), (signed, ~labels)):
        with using(row) as backend:
            state = fastpr.PrecisionRecallAtEqualThresholds(
                num_thresholds, invalid="drop", backend=backend
            )
            state.update(labels, values, weights)
        table = state._seen.counts if weights is None else state._seen.sums[0]
        expected = oracle.table(labels[own], values[own], "float32", num_thresholds)
        assert np.array_equal(table, expected)


def test_a_wrong_label_of_high_bits_alone_is_found(row):
    labels = np.zeros(NUM_SAMPLES, np.int64)
    labels[100] = 1 << 32
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
        with pytest.raises(ValueError, match=r"at index \(100,\)"):
            state.update(labels, np.full(NUM_SAMPLES, 0.5, np.float32))


@pytest.mark.parametrize("weight", [0.1, 1 / 3, 0.7])
def test_a_million_weights_of_one_cell_do_not_drift(row, weight):
    num = (1 << 20) - 4096  # in one slice
    weights = np.full(num, weight)
    with using(row) as backend:
        state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
        state.update(np.ones(num, bool), np.full(num, 0.5, np.float32), weights)
    expected = Fraction(weight) * num
    assert abs(Fraction(float(state._seen.sums[0][1, 100])) / expected - 1) < Fraction(1, 10**12)
