"""Nothing of the size of the input is allocated, whatever the input looks like."""

import tracemalloc

import numpy as np
import pytest

import fastpr

NUM = 1 << 22
LIMIT = 3 << 20  # bytes; every array below has at least 4 times as many


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).random(2 * NUM, dtype=np.float32)


FORMS = {
    "contiguous": lambda s: (s[:NUM] > 0.5, s[:NUM], None),
    "read-only": lambda s: (np.broadcast_to(True, NUM), s[:NUM], None),
    "strided": lambda s: (s[::2] > 0.5, s[::2], None),
    "backwards": lambda s: (s[:NUM] > 0.5, s[NUM - 1 :: -1], None),
    "Fortran order": lambda s: (
        np.asfortranarray(s[:NUM].reshape(1024, -1) > 0.5),
        np.asfortranarray(s[:NUM].reshape(1024, -1)),
        None,
    ),
    "one channel": lambda s: (
        s[:NUM].reshape(4, -1) > 0.5,
        s.reshape(4, 2, -1)[:, 1],
        None,
    ),
    "channels last": lambda s: (s[:NUM] > 0.5, s.reshape(-1, 2)[:, 1], None),
    "big-endian": lambda s: (s[:NUM] > 0.5, s[:NUM].astype(">f4"), None),
    "labels of 64 bits": lambda s: ((s[:NUM] > 0.5).astype(np.int64), s[:NUM], None),
    "float16": lambda s: (s[:NUM] > 0.5, s[:NUM].astype(np.float16), None),
    "weights": lambda s: (s[:NUM] > 0.5, s[:NUM], s[NUM:]),
    "weights of integers": lambda s: (s[:NUM] > 0.5, s[:NUM], (s[NUM:] * 5).astype(np.int32)),
    "weights broadcast": lambda s: (
        s[:NUM].reshape(64, -1) > 0.5,
        s[:NUM].reshape(64, -1),
        s[: NUM // 64],
    ),
    "a weight for each row": lambda s: (
        s[:NUM].reshape(64, -1) > 0.5,
        s[:NUM].reshape(64, -1),
        s[:64].reshape(64, 1),
    ),
    "scalar weight": lambda s: (s[:NUM] > 0.5, s[:NUM], 2.5),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", fastpr.available_backends())
def test_memory_does_not_grow_with_the_input(scores, form, backend):
    labels, predictions, weights = FORMS[form](scores)
    first = (slice(0, 2),) * predictions.ndim
    few = weights if np.ndim(weights) == 0 else np.broadcast_to(weights, labels.shape)[first]
    fastpr.precision_recall_at_equal_thresholds(  # compile what has to be compiled
        labels[first], predictions[first], few, backend=backend
    )
    state = fastpr.PrecisionRecallAtEqualThresholds(backend=backend)
    tracemalloc.start()
    try:
        state.update(labels, predictions, weights)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LIMIT


def test_errors_do_not_allocate_either(scores):
    labels = scores[:NUM] > 0.5
    bad = scores[:NUM].copy()
    bad[-1] = np.nan
    state = fastpr.PrecisionRecallAtEqualThresholds()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"nan at index \({NUM - 1},\)"):
            state.update(labels, bad)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LIMIT


def test_the_measure_sees_a_copy(scores):
    tracemalloc.start()
    try:
        copy = scores[:NUM].copy()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak >= copy.nbytes > LIMIT
