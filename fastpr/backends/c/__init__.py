"""The C backend, compiled at install from ``csrc/`` when there is a compiler."""

from fastpr.backends.c.histogram import score_histogram
from fastpr.backends.c.library import describe
from fastpr.backends.c.ranks import label_counts, label_ranks

__all__ = ["describe", "label_counts", "label_ranks", "score_histogram"]
