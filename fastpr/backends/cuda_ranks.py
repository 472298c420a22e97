"""Ranks on a GPU: of rows that are there (`rank`), and of the host's (`label_ranks`)."""

from fastpr.backends.cuda_rank_blocks import label_counts, label_ranks
from fastpr.backends.cuda_rank_launch import PendingRanks, RankRequest, RanksRead, rank
from fastpr.backends.cuda_rank_values import PendingValues, as_float64

__all__ = [
    "PendingRanks",
    "PendingValues",
    "RankRequest",
    "RanksRead",
    "as_float64",
    "label_counts",
    "label_ranks",
    "rank",
]
