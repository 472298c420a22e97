from fastpr import exact as exact
from fastpr._version import __version__ as __version__
from fastpr.backends.choose import BackendUnavailable as BackendUnavailable
from fastpr.backends.choose import available_backends as available_backends
from fastpr.backends.doctor import doctor as doctor
from fastpr.backends.parallel import get_num_threads as get_num_threads
from fastpr.backends.parallel import set_num_threads as set_num_threads
from fastpr.counts.functions import (
    precision_recall_at_equal_thresholds as precision_recall_at_equal_thresholds,
)
from fastpr.counts.state import PrecisionRecallAtEqualThresholds as PrecisionRecallAtEqualThresholds
from fastpr.curves.curve import Curve as Curve
from fastpr.curves.estimates import Conventions as Conventions
from fastpr.curves.estimates import Estimate as Estimate
from fastpr.curves.estimates import OperatingPoint as OperatingPoint
from fastpr.curves.ratios import PrecisionRecallData as PrecisionRecallData
from fastpr.ranking.functions import average_precision_at_k as average_precision_at_k
from fastpr.ranking.functions import hit_rate_at_k as hit_rate_at_k
from fastpr.ranking.functions import ndcg_at_k as ndcg_at_k
from fastpr.ranking.functions import precision_at_k as precision_at_k
from fastpr.ranking.functions import recall_at_k as recall_at_k
from fastpr.ranking.functions import reciprocal_rank_at_k as reciprocal_rank_at_k
from fastpr.ranking.label_ranks import LabelRanks as LabelRanks
from fastpr.ranking.label_ranks import label_ranks as label_ranks
from fastpr.ranking.metrics_state import RankingData as RankingData
from fastpr.ranking.metrics_state import RankingMetrics as RankingMetrics
from fastpr.ranking.state import AveragePrecisionAtK as AveragePrecisionAtK
from fastpr.ranking.top_k import average_precision_at_top_k as average_precision_at_top_k
from fastpr.resampling.bootstrap import BootstrapResult as BootstrapResult
from fastpr.resampling.bootstrap import bootstrap as bootstrap
