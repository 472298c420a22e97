"""Two tiers of tests: the default one, and with ``pytest --all`` the exhaustive one as well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

exhaustive = pytest.mark.exhaustive

# Files of the exhaustive tier, which the default one does not even import; the mark
# `exhaustive` is for parts of others.
FILES = {
    # need the compilers of CUDA, or numba-cuda: the extra test-all
    "backends/cuda/test_compiled.py",
    "backends/cuda/test_emulated.py",
    "backends/cuda/test_layouts.py",
    "backends/cuda/test_ptx_device.py",
    "backends/cuda/test_ptx_emulator.py",
    "backends/cuda/test_simulator.py",
    "backends/cuda/test_tally.py",
    # cases of other files, in other forms
    "backends/test_ranks_alone.py",
    "backends/test_skewed_scores.py",
    "backends/numba/test_histogram.py",
    "backends/numba/test_sort.py",
    # processes, forks, memory
    "backends/test_processes.py",
    "counts/test_memory.py",
    "exact/test_changed.py",
    "exact/test_memory.py",
    "ranking/test_memory.py",
}
# Files in which no kernel of C takes part: a machine without a compiler tells nothing new.
INDEPENDENT_OF_C = {
    "backends/numba/test_compile.py",
    "curves/test_areas.py",
    "curves/test_bounds.py",
    "curves/test_calibration.py",
    "curves/test_curve_peers.py",
    "curves/test_plots.py",
    "exact/test_curves.py",
    "exact/test_scores.py",
    "resampling/test_bootstrap.py",
    "resampling/test_group_tables.py",
}


def examples(number: int) -> settings:
    """Return the settings of a search: so many examples, in the default tier a tenth of them."""
    return settings(max_examples=max(5, number * settings().max_examples // 100))


def all_but(kept: Iterable[Any], values: Iterable[Any]) -> list[Any]:
    """Return values as parameters, of which the default tier has a few."""
    kept = list(kept)
    return [value if value in kept else pytest.param(value, marks=exhaustive) for value in values]
