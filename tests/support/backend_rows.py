"""The rows that sameness is tested over: every backend, and every variant of the C one."""

import os
from contextlib import contextmanager

import fastpr

IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
# Tests of arrays on a device.
ON_DEVICE = [
    "backends/cuda/test_ranking_states.py",
    "backends/cuda/test_ranks.py",
    "backends/cuda/test_count_states.py",
]


def _c_variants():
    from fastpr.backends.c import library as c

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
    from fastpr.backends.c import library as c

    before = c.variant_name()
    c.use_variant(variant)
    try:
        yield name
    finally:
        c.use_variant(before)
