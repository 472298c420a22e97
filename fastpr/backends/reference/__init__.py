"""The oracle: the definitions in NumPy, obvious and slow."""

from fastpr.backends.reference.histogram import score_histogram
from fastpr.backends.reference.ranks import label_counts, label_ranks

__all__ = ["describe", "label_counts", "label_ranks", "score_histogram"]


def describe() -> str:
    """Return a few words about this build."""
    return "NumPy, for checking the others"
