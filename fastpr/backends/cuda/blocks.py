"""The CUDA backend for arrays on the host, which are copied to a device while it counts.

Arrays on a device do not come by here: they are counted and ranked where they are, see
`fastpr.backends.cuda.histogram.tally` and `fastpr.backends.cuda.ranks.launch`.
"""

from fastpr.backends.cuda import device

if reason := device.why_not():
    raise ImportError(reason)

from fastpr.backends.cuda.histogram.blocks import score_histogram
from fastpr.backends.cuda.ranks.blocks import label_counts, label_ranks

__all__ = ["describe", "label_counts", "label_ranks", "score_histogram"]


def describe() -> str:
    """Return a few words about this build."""
    return f"numba-cuda {device.version()}, {device.current().name}"
