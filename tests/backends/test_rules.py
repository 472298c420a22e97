"""The rules, their twins and the faster forms agree."""

import re
from importlib import import_module
from itertools import permutations
from pathlib import Path

import numpy as np
import oracle
import pytest
from backend_rows import using

import fastpr
from fastpr.arrays.dtypes import SCORE_KINDS
from fastpr.backends.rules import bin_index, outranks
from fastpr.counts.bins import stored_thresholds
from fastpr.curves.thresholds import equal_thresholds

NUMBERS = (2, 3, 11, 201, 1001, 4001, 65_537)


@pytest.mark.parametrize("num_thresholds", NUMBERS)
def test_thresholds_are_correctly_rounded_fractions(num_thresholds):
    expected = oracle.threshold_bits(num_thresholds, "float64")
    assert equal_thresholds(num_thresholds).view(np.uint64).tolist() == expected.tolist()


def test_thresholds_do_not_drift_as_linspace_does():
    assert equal_thresholds(1001)[1000 - 7] == 993 / 1000
    steps = np.arange(4001) / 4000
    assert (equal_thresholds(4001) == steps).all()


@pytest.mark.parametrize("kind", SCORE_KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("num_thresholds", [*NUMBERS, 4097, 65_536, 60_001])
def test_stored_thresholds_are_rounded_once(kind, num_thresholds):
    stored = stored_thresholds(num_thresholds, kind)
    assert stored.dtype == kind.storage
    assert not stored.flags.writeable
    if kind.name in oracle.FLOATS:
        bits = stored.view(f"u{stored.itemsize}").astype(np.uint64)
        assert bits.tolist() == oracle.threshold_bits(num_thresholds, kind.name).tolist()
    else:
        # the smallest u with u * (T-1) >= i * largest
        largest, last = oracle.INTEGERS[kind.name][1], num_thresholds - 1
        u, i = stored.astype(np.int64), np.arange(num_thresholds)
        assert (u * last >= i * largest).all()
        assert ((u - 1) * last < i * largest).all()


@pytest.mark.parametrize("num_thresholds", [2, 3, 11, 201])
def test_the_rule_is_the_largest_threshold_at_or_below(num_thresholds):
    thresholds = equal_thresholds(num_thresholds)
    for score in [
        *thresholds,
        *np.nextafter(thresholds[1:], 0),
        *np.random.default_rng(0).random(50),
    ]:
        expected = max(i for i in range(num_thresholds) if score >= thresholds[i])
        assert bin_index(score, thresholds) == expected


def test_the_rule_compiles_with_numba_as_it_stands():
    numba = pytest.importorskip("numba")
    compiled = numba.njit(bin_index)
    thresholds = np.asarray(equal_thresholds(201), np.float32)
    scores = np.concatenate([thresholds, np.nextafter(thresholds[1:], np.float32(0))])
    expected = oracle.bins(scores, "float32", 201)
    assert [compiled(score, thresholds) for score in scores] == expected.tolist()


def test_the_tempting_product_is_not_the_rule():
    """What is said of floor(p * (T-1)) at T = 201 in float32, so the tests can see it."""
    thresholds = equal_thresholds(201).astype(np.float32)
    below = np.nextafter(thresholds[1:], np.float32(0))
    tempting = np.floor(thresholds * np.float32(200))
    assert np.count_nonzero(tempting != oracle.bins(thresholds, "float32", 201)) == 6
    tempting = np.floor(below * np.float32(200))
    assert np.count_nonzero(tempting != oracle.bins(below, "float32", 201)) == 22


def test_a_threshold_is_recomputed_exactly_from_its_number():
    """The arithmetic of encode.h, for every threshold of many T, against the division."""
    for num_thresholds in [*range(2, 1500), 4001, 4097, 60_001, 65_521, 65_535, 65_536, 65_537]:
        last = num_thresholds - 1
        number = np.arange(num_thresholds)
        exact = number / last
        # baseline: a float64 product with the inverse, rounded to float32
        product = (number * (1.0 / last)).astype(np.float32)
        assert (product == exact.astype(np.float32)).all(), num_thresholds
        # Numba: a float32 division
        quotient = number.astype(np.float32) / np.float32(last)
        assert (quotient == exact.astype(np.float32)).all(), num_thresholds


def test_sixteen_bit_scores_are_divided_exactly():
    """The formula of encode_u16, for every score."""
    u = np.arange(65_536, dtype=np.uint32)
    for last in [*range(1, 300), 1000, 4000, 4096, 32_766, 32_768, 60_000, 65_534, 65_535]:
        product = u * np.uint32(last)
        formula = (product + (product >> np.uint32(16)) + np.uint32(1)) >> np.uint32(16)
        assert (formula == product // np.uint32(65_535)).all(), last


NAN = float("nan")
# Best first: by score, then by id.
RANKING = [
    (float("inf"), 3), (1.5, 2), (1.5, 7), (5e-324, 0), (0.0, 1), (-0.0, 4), (0.0, 5),
    (-5e-324, 6), (float("-inf"), 8), (NAN, 9), (-NAN, 10), (NAN, 11),
]  # fmt: skip


def test_the_order_of_a_ranking_is_total():
    for (place, (score, own)), (other_place, (other_score, other)) in permutations(
        enumerate(RANKING), 2
    ):
        assert outranks(score, own, other_score, other) == (place < other_place)
    assert not any(outranks(score, own, score, own) for score, own in RANKING)


def test_every_backend_ranks_by_the_rule(row):
    scores = np.empty(len(RANKING))
    for score, own in RANKING:
        scores[own] = score
    with using(row) as backend:
        found = fastpr.label_ranks(
            [range(len(RANKING))], scores[np.newaxis], len(RANKING), backend=backend
        )
    assert found.labels.tolist() == [own for _, own in RANKING]
    assert found.ranks.tolist() == list(range(len(RANKING)))


# What was measured for one form of a kernel is taken over by its twin.
SHARED_CONSTANTS = {
    "ranks/label_ranks.h": {
        "FEW_LABELS": "ranks.race.FEW_LABELS",
        "FEW_CLASSES": "ranks.race.FEW_CLASSES",
        "SHORT_ROW": "ranks.kernels.SHORT_ROW",
        "SHORT_WORK": "ranks.kernels.SHORT_WORK",
        "BATCH": "ranks.race.BATCH",
        "FIRST_LINES": "ranks.few_labels.FIRST_LINES",
        "MOST_PREFETCHED": "ranks.few_labels.MOST_FETCHED",
    },
    "ranks/avx512_bars.h": {
        "LANES": "vectors.NUM_LANES",
        "FIRST_CHUNK": "ranks.few_labels.FIRST_CHUNK",
        "MOST_CHUNK": "ranks.few_labels.MOST_CHUNK",
    },
    "ranks/avx512_many_labels.h": {
        "MANY_LABELS": "ranks.many_labels.MANY_LABELS",
        "MANY_RANKS": "ranks.many_labels.MANY_RANKS",
        "MANY_CLASSES": "ranks.many_labels.MANY_CLASSES",
        "CLASSES_AT_ONCE": "ranks.many_labels._AT_ONCE",
    },
    "histogram/samples.h": {"GROUP": "histogram.encode.GROUP"},
    "histogram/accumulate.h": {
        "TURNS": "histogram.kernels.TURNS",
        "MAX_PENDING": "histogram.kernels.MAX_PENDING",
        "ROUNDS_PER_COPY": "histogram.kernels.ROUNDS_PER_COPY",
        "SUM_CACHE": "histogram.blocks.SUM_CACHE",
    },
}


@pytest.mark.parametrize("header", SHARED_CONSTANTS)
def test_constants_of_numba_are_those_of_c(header):
    if "numba" not in fastpr.available_backends():
        pytest.skip("Numba does not work here")
    text = Path(__file__).parents[2].joinpath("csrc", header).read_text()
    for name, path in SHARED_CONSTANTS[header].items():
        (value,) = re.findall(rf"#define FASTPR_{name} ([^/\n]*)", text)
        module, _, constant = path.rpartition(".")
        ours = getattr(import_module(f"fastpr.backends.numba.{module}"), constant)
        assert ours == eval(value.replace("(int64_t)", "")), name
