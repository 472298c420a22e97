"""Precision, recall and ranking metrics in one pass, for billions of samples.

Kernels count into small tables of integers; every ratio is computed once, on the host, in
float64. So all backends give the same results, and states merge by addition.
"""

# Names are loaded on first use, so that importing the package costs next to nothing;
# __init__.pyi says the same to type checkers.

from importlib import import_module as _import_module

from fastpr._version import __version__ as __version__
from fastpr.backends.forks import loading as _loading

_NAMES_OF = {
    "backends.choose": ("BackendUnavailable", "available_backends"),
    "backends.doctor": ("doctor",),
    "backends.parallel": ("get_num_threads", "set_num_threads"),
    "counts.functions": ("precision_recall_at_equal_thresholds",),
    "counts.state": ("PrecisionRecallAtEqualThresholds",),
    "curves.curve": ("Curve",),
    "curves.estimates": ("Conventions", "Estimate", "OperatingPoint"),
    "curves.ratios": ("PrecisionRecallData",),
    "ranking.metrics_state": ("RankingData", "RankingMetrics"),
    "ranking.functions": (
        "average_precision_at_k", "hit_rate_at_k", "ndcg_at_k", "precision_at_k",
        "recall_at_k", "reciprocal_rank_at_k",
    ),
    "ranking.label_ranks": ("LabelRanks", "label_ranks"),
    "ranking.state": ("AveragePrecisionAtK",),
    "ranking.top_k": ("average_precision_at_top_k",),
    "resampling.bootstrap": ("BootstrapResult", "bootstrap"),
}  # fmt: skip
_ROOM_OF = {name: room for room, names in _NAMES_OF.items() for name in names}
__all__ = sorted(["__version__", "exact", *_ROOM_OF])


def __getattr__(name):
    """Load a public name on first use."""
    if name == "exact":
        with _loading:
            return _import_module("fastpr.exact")
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'fastpr' has no attribute {name!r}")
    with _loading:
        value = getattr(_import_module(f"fastpr.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    """Return the public names, and those of a module."""
    return sorted({*globals(), *__all__})
