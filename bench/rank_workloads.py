"""The rows that ranking is timed on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class RankWorkload(NamedTuple):
    """Rows of random scores; those of labels are `boost` standard deviations higher."""

    name: str
    num_rows: int
    num_classes: int
    num_labels: int
    k: int
    boost: float
    asked: float  # of the read bandwidth

    def make(self, rng: np.random.Generator, shrink: int = 1) -> tuple[Any, Any]:
        """Return (labels, scores); `shrink` takes that part of the rows."""
        num_rows = max(self.num_rows // shrink, 1)
        scores = rng.standard_normal((num_rows, self.num_classes), dtype=np.float32)
        labels = np.empty((num_rows, self.num_labels), np.int64)
        for row in labels:
            row[:] = rng.choice(self.num_classes, self.num_labels, replace=False)
        scores[np.arange(num_rows)[:, None], labels] += np.float32(self.boost)
        return labels, scores


RANK_WORKLOADS = (
    RankWorkload("good model", 2048, 10_000, 5, 10, 4, 0.8),
    RankWorkload("random model", 2048, 10_000, 5, 10, 0, 1.5),
    RankWorkload("1,000 classes", 20_480, 1_000, 5, 10, 4, 0.3),
    RankWorkload("100 classes", 200_000, 100, 3, 5, 4, 0.12),
    RankWorkload("a million classes", 64, 1_000_000, 50, 100, 4, 0.6),
    RankWorkload("100 labels", 2048, 10_000, 100, 100, 4, 0.2),
)
