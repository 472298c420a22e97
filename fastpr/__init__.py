"""Precision and recall at equal thresholds, in one pass, for billions of samples.

Kernels count into small tables of integers; every ratio is computed once, on the host, in
float64. So all backends give the same results, and states merge by addition.
"""

from fastpr import curve
from fastpr._version import __version__
from fastpr.curve import PrecisionRecallData
from fastpr.dispatch import BackendUnavailable, available_backends, doctor
from fastpr.functional import precision_recall_at_equal_thresholds
from fastpr.parallel import get_num_threads, set_num_threads
from fastpr.states import PrecisionRecallAtEqualThresholds

__all__ = [
    "BackendUnavailable",
    "PrecisionRecallAtEqualThresholds",
    "PrecisionRecallData",
    "__version__",
    "available_backends",
    "curve",
    "doctor",
    "get_num_threads",
    "precision_recall_at_equal_thresholds",
    "set_num_threads",
]
