"""Precision, recall and ranking metrics in one pass, for billions of samples.

Kernels count into small tables of integers; every ratio is computed once, on the host, in
float64. So all backends give the same results, and states merge by addition.
"""

from fastpr import curve, exact
from fastpr._version import __version__
from fastpr.bootstrap import BootstrapResult, bootstrap
from fastpr.curve import PrecisionRecallData
from fastpr.curves import Curve
from fastpr.dispatch import BackendUnavailable, available_backends, doctor
from fastpr.estimates import Conventions, Estimate, OperatingPoint
from fastpr.functional import precision_recall_at_equal_thresholds
from fastpr.parallel import get_num_threads, set_num_threads
from fastpr.ranking_functions import (
    average_precision_at_k,
    hit_rate_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)
from fastpr.ranking_labels import LabelRanks, label_ranks
from fastpr.ranking_states import AveragePrecisionAtK, RankingData, RankingMetrics
from fastpr.ranking_top_k import average_precision_at_top_k
from fastpr.states import PrecisionRecallAtEqualThresholds

__all__ = [
    "AveragePrecisionAtK",
    "BackendUnavailable",
    "BootstrapResult",
    "Conventions",
    "Curve",
    "Estimate",
    "LabelRanks",
    "OperatingPoint",
    "PrecisionRecallAtEqualThresholds",
    "PrecisionRecallData",
    "RankingData",
    "RankingMetrics",
    "__version__",
    "available_backends",
    "average_precision_at_k",
    "average_precision_at_top_k",
    "bootstrap",
    "curve",
    "doctor",
    "exact",
    "get_num_threads",
    "hit_rate_at_k",
    "label_ranks",
    "ndcg_at_k",
    "precision_at_k",
    "precision_recall_at_equal_thresholds",
    "recall_at_k",
    "reciprocal_rank_at_k",
    "set_num_threads",
]
