"""Ranking allocates nothing of the size of the scores, whatever these look like."""

import tracemalloc

import numpy as np
import pytest

import fastpr

NUM = 1 << 22
LIMIT = 3 << 20  # bytes; the scores below have at least 4 times as many

FORMS = {
    "contiguous": lambda s: s[:NUM].reshape(-1, 4096),
    "read-only": lambda s: np.broadcast_to(s[:4096], (NUM // 4096, 4096)),
    "rows far apart": lambda s: s.reshape(-1, 8192)[:, :4096],
    "rows backwards": lambda s: s[:NUM].reshape(-1, 4096)[::-1],
    "classes far apart": lambda s: s.reshape(-1, 8192)[:, ::2],
    "classes first": lambda s: s[:NUM].reshape(4096, -1).T,
    "big-endian": lambda s: s[:NUM].reshape(-1, 4096).astype(">f4"),
    "float64": lambda s: s[:NUM].reshape(-1, 4096).astype(np.float64),
    "one long row": lambda s: s[:NUM].reshape(1, -1),
    "one long row, classes far apart": lambda s: s[::2].reshape(1, -1),
    "three dimensions": lambda s: s.reshape(16, 2, -1, 4096)[:, 1],
}


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).random(2 * NUM, dtype=np.float32)


# reference sorts whole rows, as an oracle may
CASES = [
    (backend, form)
    for backend in fastpr.available_backends()
    for form in FORMS
    if not (backend == "reference" and "long" in form)
]


@pytest.mark.parametrize(("backend", "form"), CASES)
@pytest.mark.parametrize("ties", ["index", "pessimistic"])
def test_memory_does_not_grow_with_the_scores(scores, form, ties, backend):
    predictions = FORMS[form](scores)
    labels = np.arange(5) * np.ones((*predictions.shape[:-1], 1), np.int64)
    state = fastpr.AveragePrecisionAtK(10, ties=ties, backend=backend)
    first = (slice(0, 1),) * labels.ndim
    state.update(labels[first], predictions[(*first[:-1], slice(None))])  # compile
    tracemalloc.start()
    try:
        state.update(labels, predictions)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LIMIT < predictions.nbytes / 4
