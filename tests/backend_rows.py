"""The rows that sameness is tested over: every backend, and every variant of the C one."""

import os
from contextlib import contextmanager

import fastpr

IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
# Tests of arrays on a device.
ON_DEVICE = [
    "test_cuda_ranking_states.py",
    "test_cuda_ranks.py",
    "test_cuda_states.py",
]


def _c_variants():
    from fastpr.backends import c

    return [f"c-{variant}" for variant in c.VARIANTS]


ROWS = [
    row
    for name in (["cuda"] if IS_SIMULATED else fastpr.available_backends())
    for row in (_c_variants() if name == "c" else [name])
]


@contextmanager
def using(row):
    """Make a row the one that counts; gives the name to pass as `backend`."""
    name, _, variant = row.partition("-")
    if not variant:
        yield name
        return
    from fastpr.backends import c

    before = c._variant
    c.use_variant(variant)
    try:
        yield name
    finally:
        c.use_variant(before)
