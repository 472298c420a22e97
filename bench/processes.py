"""What only a new process can tell: import times, first results, compile times, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# Where Numba's compiled code is kept between processes; see fastpr/backends/numba/compile.py.
CACHE_VARIABLE = "FASTPR_NUMBA_CACHE_DIR"

IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""

FIRST_RESULT = """
import fastpr
print(fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.8], backend="{backend}").tp[0])
"""

# The first call compiles, the second does not.
COMPILE = """
import time
import numpy as np
import fastpr
rng = np.random.default_rng(0)
scores = rng.random(1000, dtype=np.float32)
rows = scores.reshape(10, 100)
ids = rng.integers(100, size=(10, 3))
calls = {
    "counts": lambda: fastpr.precision_recall_at_equal_thresholds(
        scores > 0.5, scores, backend="numba"),
    "weighted counts": lambda: fastpr.precision_recall_at_equal_thresholds(
        scores > 0.5, scores, scores, backend="numba"),
    "ranks": lambda: fastpr.average_precision_at_k(ids, rows, 5, backend="numba"),
}
fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.8], backend="reference")
def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
import numba
for name, call in calls.items():
    first = seconds(call)
    print(name, first - seconds(call), sep=";")
"""

MEMORY = """
import numpy as np
import fastpr
def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
def count(scores, labels, weights):
    fastpr.precision_recall_at_equal_thresholds(labels, scores, weights, backend="{backend}")
scores = np.random.default_rng(0).random({num}, dtype=np.float32)
labels = scores > 0.5
weights = scores.copy() if {weighted} else None
count(scores[:1000], labels[:1000], None if weights is None else weights[:1000])
open("/proc/self/clear_refs", "w").write("5")  # the peak starts again
before = status("VmRSS")
count(scores, labels, weights)
print(status("VmHWM") - before)
"""


def run_python(program: str, cache: str | Path | None = None) -> str:
    """Run a program in a new interpreter, and return what it prints."""
    environment = dict(os.environ)
    if cache is not None:
        environment[CACHE_VARIABLE] = str(cache)
    done = subprocess.run(
        # isolated: the package that is installed, not the folder this is started from
        [sys.executable, "-I", "-c", program],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return done.stdout.strip()


def import_seconds(module: str) -> float:
    return float(run_python(IMPORT.format(module=module)))


def first_result(backend: str, cache: str | Path | None = None) -> None:
    """Start a process, import fastpr and count two samples."""
    found = run_python(FIRST_RESULT.format(backend=backend), cache)
    assert found == "1", f"{backend} counted {found} instead of 1"


def compile_seconds() -> dict[str, float]:
    """Return how long Numba compiles the kernels for float32, with nothing kept from before."""
    with tempfile.TemporaryDirectory() as empty:
        lines = run_python(COMPILE, empty).splitlines()
    return {name: float(seconds) for name, seconds in (line.split(";") for line in lines)}


def peak_megabytes(backend: str, num: int, weighted: bool) -> float:
    """Return how much memory counting takes at its peak, beside the inputs; Linux only."""
    return float(run_python(MEMORY.format(backend=backend, num=num, weighted=weighted)))


def has_peak_memory() -> bool:
    return os.access("/proc/self/clear_refs", os.W_OK)


def empty_cache() -> Any:
    """Return a temporary folder for Numba's compiled code."""
    return tempfile.TemporaryDirectory(prefix="fastpr-bench-")
