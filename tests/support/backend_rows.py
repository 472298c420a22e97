"""The rows that sameness is tested over: every backend, and every variant of the C one."""

import os
import re
from contextlib import contextmanager

import fastpr

IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
# Tests of arrays on a device.
ON_DEVICE = [
    "backends/cuda/test_ranking_states.py",
    "backends/cuda/test_ranks.py",
    "backends/cuda/test_count_states.py",
]


BACKENDS = ["cuda"] if IS_SIMULATED else fastpr.available_backends()


def _c_variants():
    """Return the rows of the C backend, the best for this CPU first."""
    if "c" not in BACKENDS:
        return []
    from fastpr.backends.c import library as c

    return [f"c-{variant}" for variant in c.VARIANTS]


ROWS = [row for name in BACKENDS for row in (_c_variants() if name == "c" else [name])]
# What the exhaustive tier alone runs: the text of the best variant, compiled for other CPUs,
_RARE = set(_c_variants()[1:])
# and kernels that Numba compiles for dtypes other than float32 and float64.
_RARE_DTYPE = re.compile("(^|-)(sparse |long )?(b?float16|uint16|uint8|half|u16|u8)([ ,-]|$)")


def is_rare(item):
    """Return whether the parameters of a test put it into the exhaustive tier."""
    call = getattr(item, "callspec", None)
    row = call and call.params.get("row", call.params.get("backend"))
    return row in _RARE or (row == "numba" and _RARE_DTYPE.search(call.id) is not None)


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
