"""The curves and scores of scikit-learn, of every distinct score, by sorting packed keys.

The functions take what those of `sklearn.metrics` take, and return what they return, to
rounding. They are for scores that cannot be counted in bins, as logits, and for a look at what
binning changes; memory grows with the samples, while a state of counts has one size.
"""

from fastpr.exact.functions import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from fastpr.exact.points import UndefinedMetricWarning

__all__ = [
    "UndefinedMetricWarning",
    "average_precision_score",
    "precision_recall_curve",
    "roc_auc_score",
    "roc_curve",
]
