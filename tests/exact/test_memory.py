"""The two scores of float32 take at most 5 bytes for each sample, beside the inputs."""

import tracemalloc

import numpy as np
import pytest

import fastpr
from fastpr import exact

NUM = 1 << 24
CONSTANT = 8 << 20  # tables, whatever the number of samples


@pytest.fixture(autouse=True)
def _two_threads():
    """Each thread has tables of its own."""
    fastpr.set_num_threads(2)
    yield
    fastpr.set_num_threads(None)


@pytest.fixture(scope="module")
def uniform():
    return np.random.default_rng(0).random(NUM, dtype=np.float32)


def peak_of(function, *arrays):
    function(*(array[:1000] for array in arrays))  # compile what has to be compiled
    tracemalloc.start()
    try:
        function(*arrays)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def skewed(scores):
    scores = scores.copy()
    scores[: NUM // 2] = 0.001
    return scores


LABELS = {
    "bool": lambda flags: flags,
    "uint8": lambda flags: flags.view(np.uint8),
}


@pytest.mark.parametrize("function", [exact.average_precision_score, exact.roc_auc_score])
@pytest.mark.parametrize("spread", [lambda scores: scores, skewed], ids=["uniform", "skewed"])
@pytest.mark.parametrize("labels", LABELS)
def test_float32_takes_at_most_5_bytes_for_each_sample(uniform, function, spread, labels):
    scores = spread(uniform)
    flags = LABELS[labels](np.arange(NUM) % 3 == 0)
    assert peak_of(function, flags, scores) <= 5 * NUM + CONSTANT


def test_other_labels_take_a_byte_for_each_sample(uniform):
    few = uniform[: 1 << 22]
    for labels in (np.arange(len(few)) % 2, np.where(few > 0.5, 1, -1).astype(np.int8)):
        peak = peak_of(exact.average_precision_score, labels, few)
        assert peak <= 5 * len(few) + CONSTANT


def test_the_measure_sees_more(uniform):
    flags = np.arange(NUM) % 3 == 0
    assert peak_of(lambda y, s: exact.roc_auc_score(y, s.astype(np.float64)), flags, uniform) > (
        5 * NUM + CONSTANT
    )
