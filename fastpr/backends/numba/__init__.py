"""The Numba backend: parallel on the CPU, compiled on first use."""

from __future__ import annotations

import numba

from fastpr.backends.numba.compile import folder
from fastpr.backends.numba.histogram.blocks import score_histogram
from fastpr.backends.numba.ranks.blocks import label_counts, label_ranks

__all__ = ["describe", "label_counts", "label_ranks", "score_histogram"]


def describe() -> str:
    """Return a few words about this build."""
    place = folder()
    kept = f"and keeps that in {place}" if place else "in every process anew"
    return f"Numba {numba.__version__}, compiles on first use, {kept}"
