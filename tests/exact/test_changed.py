"""Samples that somebody else changes while they are sorted: no memory of others is touched."""

import os
import subprocess
import sys

import numpy as np
import pytest
import waiting
from waiting import FOREVER

from fastpr.backends.numba.sort import blocks as numba_sort_scores

# Of a pass over the samples, which is one turn of `run`: least and largest, cells, buckets.
NUM_PASSES = 3
NUM = 1 << 14  # so many that there are several buckets
CHANGES = ("infinite", "nan", "largest", "lowest", "reversed", "spread", "one")
WEIGHTS = (None, "ones", "some zeros")


def changed_during(scores, weights, which, change):
    """Sort scores, changed before a pass; return what comes out, or None if they are refused."""
    passes = []

    def change_and_run(work, num_parts):
        if len(passes) == which:
            change(scores, weights)
        passes.append(num_parts)
        for part in range(num_parts):
            work(part)

    labels = (np.arange(NUM) % 3 == 0).astype(np.uint8)
    try:
        ordered = numba_sort_scores.sort_scores(scores, labels, weights, change_and_run, 3)
    except RuntimeError as error:
        if "was changed during the call" not in str(error):
            raise
        return None
    assert ordered is None or len(passes) >= NUM_PASSES
    return ordered


def make_change(name):
    def change(scores, weights):
        largest = np.finfo(scores.dtype).max
        if name == "reversed":
            scores[:] = scores[::-1].copy()
        elif name == "spread":
            scores[:] = np.linspace(-1, 1, NUM) * largest
        elif name == "one":
            scores[0] = 0.01
        else:
            values = {"infinite": np.inf, "nan": np.nan, "largest": largest, "lowest": -largest}
            scores[:] = values[name]
        if weights is not None:
            weights[:] = 1.0 - weights if name == "reversed" else 1.0

    return change


def make_scores(dtype):
    rng = np.random.default_rng(0)
    yield rng.random(NUM).astype(dtype)
    yield np.where(rng.random(NUM) < 0.9, 0.25, rng.random(NUM)).astype(dtype)
    yield np.full(NUM, 0.5, dtype)  # all in one cell, which is the only one


def make_weights(name):
    if name is None:
        return None
    return np.ones(NUM) if name == "ones" else (np.arange(NUM) % 2).astype(np.float64)


def check_everything():
    """Run every change in every pass, under Numba's check of each place in an array."""
    num_refused = 0
    for dtype in (np.float32, np.float64):
        for scores in make_scores(dtype):
            for which in range(NUM_PASSES + 2):
                for name in CHANGES:
                    for weighting in WEIGHTS[: 3 if dtype is np.float32 else 1]:
                        weights = make_weights(weighting)
                        ordered = changed_during(scores.copy(), weights, which, make_change(name))
                        num_refused += ordered is None
                        if ordered is not None and ordered.num_samples:
                            ordered.precision(), ordered.areas()
                            ordered.counts(dtype, ascending=True)
    print(num_refused, "changes were refused")


def test_no_change_leads_out_of_an_array():
    child = subprocess.run(
        [sys.executable, "-c", "import test_changed as t; t.check_everything()"],
        env={
            **os.environ,
            "NUMBA_BOUNDSCHECK": "1",
            "FASTPR_NUMBA_CACHE_DIR": "0",
            "PYTHONPATH": os.pathsep.join(map(os.path.dirname, (__file__, waiting.__file__))),
        },
        capture_output=True,
        text=True,
        timeout=FOREVER,
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout.split()[0]) > 50, child.stdout


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["infinite", "nan", "largest", "spread", "one"])
def test_samples_in_other_buckets_are_refused(name, dtype):
    scores = np.random.default_rng(0).random(NUM).astype(dtype)
    assert changed_during(scores, None, NUM_PASSES - 1, make_change(name)) is None


def test_weights_that_become_zero_are_seen():
    def clear(_, weights):
        weights[:] = 0.0

    scores = np.random.default_rng(0).random(NUM)
    assert changed_during(scores, np.ones(NUM), 1, clear).num_samples == 0
    assert changed_during(scores, np.ones(NUM), 2, clear) is None


def test_samples_where_there_were_none_are_refused():
    def move(scores, weights):
        if weights is None:
            scores[0] = 0.5  # it was in the first bucket, the one of the highest scores
        else:
            weights[1] = 1.0

    scores = np.where(np.arange(NUM) % 2, 0.1, 0.9)
    assert changed_during(scores.copy(), None, NUM_PASSES - 1, move) is None
    scores[1], weights = 0.5, np.ones(NUM)
    weights[1] = 0.0
    assert changed_during(scores, weights, NUM_PASSES - 1, move) is None
