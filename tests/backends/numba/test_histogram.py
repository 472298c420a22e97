"""The ways in which the Numba kernel counts a row of 64: each gives the counts of the others."""

from functools import cache

import numpy as np
import pytest
from compare import assert_same_bits

import fastpr

if "numba" not in fastpr.available_backends():
    pytest.skip("Numba does not work here", allow_module_level=True)

from numba import njit
from numba.core.registry import cpu_target

from fastpr.backends import reference
from fastpr.backends.numba.histogram import blocks as numba_cpu
from fastpr.backends.numba.histogram import kernels as numba_kernels
from fastpr.backends.numba.histogram.encode import GROUP
from fastpr.backends.numba.histogram.hot_bins import (
    CANDIDATES,
    ENOUGH,
    FEW_LEFT,
    MANY_LEFT,
    NUM_HOT,
    WINDOW,
    put_aside_each,
    put_aside_together,
)
from fastpr.backends.numba.histogram.kernels import LAG, NUM_ROWS, QUEUE
from fastpr.backends.numba.vectors import can_compress, four_codes

HAS_COMPRESS = can_compress(cpu_target.target_context)

# Kernel, thresholds as the kernel has them, and scores that are not valid.
F32 = (np.arange(201) / 200).astype(np.float32)
KERNELS = {
    "f32": ("f32", F32, [-1, 1.5, np.nan, -np.inf]),
    "f32 in 32 bits": ("f32", (np.arange(40_001) / 40_000).astype(np.float32), [-1, 1.5, np.nan]),
    "f64": ("f64", np.arange(201) / 200, [-1, 1.5, np.nan]),
    "u8": ("u8", np.ceil(np.arange(201) * 255 / 200).astype(np.uint8), []),
    "u8 of 5 bins": ("u8", np.ceil(np.arange(5) * 255 / 4).astype(np.uint8), []),
    "u16": ("u16", np.ceil(np.arange(201) * 65_535 / 200).astype(np.uint16), []),
    "half": ("half", F32.astype(np.float16).view(np.uint16), [0x8001, 0x3C01, 0x7C00, 0xFFFF]),
    "half of 3 bins": ("half", np.array([0, 0.5, 1], np.float16).view(np.uint16), [0x3C01]),
}


def draw(rng, thresholds, num):
    """Return scores anywhere in the range, most of them of their own."""
    if thresholds.dtype.kind == "f":
        return rng.random(num).astype(thresholds.dtype)
    return rng.integers(0, int(thresholds[-1]) + 1, num).astype(thresholds.dtype)


def of_bin(rng, thresholds, index, num):
    """Return scores of one bin, which many values may be in."""
    first = thresholds[index]
    if thresholds.dtype.kind == "f" or index + 1 == len(thresholds):
        return np.full(num, first)
    return rng.integers(int(first), int(thresholds[index + 1]), num).astype(thresholds.dtype)


def check(kernel, thresholds, scores, labels):
    tables = []
    for backend in (numba_cpu, reference):
        table, report = np.zeros((2, len(thresholds)), np.int64), np.zeros(3, np.int64)
        backend.score_histogram(kernel, scores, labels, None, thresholds, table, report)
        tables.append((table, report))
    assert_same_bits(tables[0][0], tables[1][0])
    assert_same_bits(tables[0][1], tables[1][1])


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("num_hot", [1, 2, 3, 4, 5])
def test_rows_with_any_number_of_scores_outside_the_frequent_bins(name, num_hot):
    kernel, thresholds, invalid = KERNELS[name]
    rng = np.random.default_rng(num_hot)
    rows = []
    for number in range(8 * WINDOW):
        # calm first, so that frequent bins are counted apart; then more and more others
        others = number % 10 if number < 4 * WINDOW else number % (GROUP + 1)
        step = number // (2 * WINDOW)  # the frequent bins are other ones from time to time
        hot = rng.integers(0, num_hot, GROUP) * (2 + step) % len(thresholds)
        row = np.concatenate([of_bin(rng, thresholds, index, 1) for index in hot])
        row[:others] = draw(rng, thresholds, others)
        if invalid and number % 7 == 0:
            row[rng.integers(0, GROUP, 3)] = rng.choice(invalid, 3).astype(row.dtype)
        rows.append(rng.permutation(row))
    scores = np.concatenate(rows)
    labels = (rng.random(scores.size) < 0.3).astype(np.uint8)
    for num in (scores.size, scores.size - 1, scores.size - GROUP, scores.size - GROUP + 1):
        check(kernel, thresholds, scores[:num], labels[:num])
        check(kernel, thresholds, scores[:num], labels[:num].astype(np.int64))


@pytest.mark.parametrize("name", KERNELS)
def test_most_scores_are_not_valid(name):
    kernel, thresholds, invalid = KERNELS[name]
    rng = np.random.default_rng(5)
    num = 3 * WINDOW * GROUP + 17
    scores = draw(rng, thresholds, num)
    if invalid:
        wrong = rng.random(num) < 0.9
        scores[wrong] = np.array(invalid[0]).astype(scores.dtype)
    check(kernel, thresholds, scores, (rng.random(num) < 0.5).astype(np.uint8))


@pytest.mark.parametrize("name", ["f32", "f32 in 32 bits", "u8", "half"])
def test_without_the_instruction_that_moves_codes_together(name, monkeypatch):
    monkeypatch.setattr(numba_kernels, "can_compress", lambda context: False)
    monkeypatch.setattr(numba_cpu, "make_count", cache(numba_kernels.make_count.__wrapped__))
    for num_hot in (2, 4):
        test_rows_with_any_number_of_scores_outside_the_frequent_bins(name, num_hot)


@pytest.mark.parametrize("code_type", [np.uint16, np.uint32])
@pytest.mark.parametrize("put_aside", [put_aside_each, *[put_aside_together] * HAS_COMPRESS])
def test_chosen_codes_are_put_aside_in_their_order(put_aside, code_type):
    @njit
    def run(codes, chosen, aside, num_aside):
        return put_aside(codes, chosen, aside, num_aside)

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**15, GROUP).astype(code_type)
    for num in (*range(FEW_LEFT + 1), 31, 32, 33, MANY_LEFT, 63, 64):
        if num > FEW_LEFT and put_aside is put_aside_each:
            continue
        chosen = rng.permutation(GROUP) < num
        bits = np.uint64(sum(1 << j for j in np.flatnonzero(chosen).tolist()))
        aside = np.full(3 * GROUP, 7, code_type)
        assert run(codes, bits, aside, 5) == 5 + num
        assert_same_bits(aside[5 : 5 + num], codes[chosen])
        assert (aside[:5] == 7).all()
        assert (aside[5 + GROUP :] == 7).all()


def test_four_codes_are_read_at_once():
    @njit
    def run(codes, start):
        return four_codes(codes, start)

    codes = np.arange(1, 13, dtype=np.uint16) * 5000
    for start in (0, 1, 8):
        number = int(run(codes, start))
        assert [number >> shift & 0xFFFF for shift in (0, 16, 32, 48)] == [
            *codes[start : start + 4].tolist()
        ]


@pytest.mark.parametrize("others", [0, 1, 8, 9, FEW_LEFT - 1, FEW_LEFT, FEW_LEFT + 1, GROUP])
def test_one_number_of_others_in_every_row(others):
    rng = np.random.default_rng(others)
    scores = np.full((3 * WINDOW, GROUP), 0.5, np.float32)
    scores[:, GROUP // 2 :] = 1
    scores[1:, :others] = rng.random((3 * WINDOW - 1, others))
    labels = rng.integers(0, 2, scores.size).astype(np.uint8)
    check("f32", F32, scores.reshape(-1), labels)


def test_the_limits_fit_each_other():
    assert GROUP - FEW_LEFT <= ENOUGH  # else what was found to pay would be refused at once
    assert FEW_LEFT <= MANY_LEFT
    assert NUM_HOT <= CANDIDATES
    # of a queue that is nearly full, and what is left of one: what a row may write
    assert QUEUE * GROUP - 1 + max(FEW_LEFT + 8, MANY_LEFT + GROUP // 2) <= (NUM_ROWS - 2) * GROUP
    assert QUEUE * GROUP + MANY_LEFT <= (QUEUE + 1) * GROUP  # LAG + 1 rows are moved
    assert QUEUE - LAG >= LAG + 1  # to where they are not read from


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("other", [2, -1, 127, -128])
def test_one_label_that_is_neither_0_nor_1_is_reported(dtype, other):
    labels = np.zeros(3 * GROUP, dtype)
    scores = np.zeros(3 * GROUP, np.float32)
    for index in (0, GROUP - 1, GROUP, 3 * GROUP - 1):
        labels[:] = 1
        labels[index] = other
        table, report = np.zeros((2, 201), np.int64), np.zeros(3, np.int64)
        numba_cpu.score_histogram("f32", scores, labels, None, F32, table, report)
        assert report[1] == 1


@pytest.mark.parametrize("kernel", ["f32", "u8"])
def test_the_loops_are_made_vectors_of(kernel, monkeypatch):
    """Else they would take several times as long, and nothing else would tell."""
    monkeypatch.setenv("FASTPR_NUMBA_CACHE_DIR", "0")
    numba_kernels = numba_cpu.make_count.__wrapped__(kernel, True, np.uint16)
    scores = np.zeros((2, GROUP), np.float32 if kernel == "f32" else np.uint8)
    labels = np.zeros((2, GROUP), np.uint8)
    for array in (scores, labels):
        array.flags.writeable = False
    numba_kernels(
        scores, labels, 2 * GROUP, 256, np.empty(0, np.int64),
        np.zeros((NUM_ROWS, GROUP), np.uint16), np.zeros((2, NUM_HOT), np.uint16),
        np.zeros(NUM_HOT, np.int64), np.zeros((2, 528), np.uint32), np.zeros((2, 256), np.int64),
        np.zeros(3, np.int64),
    )  # fmt: skip
    (code,) = numba_kernels.inspect_llvm().values()
    assert "x float>" in code or kernel == "u8"
    assert "x i16>" in code
    assert "NRT_incref" not in code
