"""The states of rankings that the contract of states is tested on, and what they see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics

BACKENDS = fastpr.available_backends()
NUM_CLASSES = 5
LABEL_WEIGHTS = [1.5, 0.1, 3.0, 0.0, 2.7]

STATES: dict[str, Callable[..., Any]] = {
    "average precision": lambda **options: AveragePrecisionAtK(**{"k": 3, **options}),
    **{
        name: lambda fixed=fixed, **options: RankingMetrics(**{"k": 3, **fixed, **options})
        for name, fixed in {
            "metrics": {},
            "propensity-scored": {"label_weights": LABEL_WEIGHTS},
            "propensity-scored by rows": {"label_weights": LABEL_WEIGHTS, "average": "rows"},
        }.items()
    },
}

# Rows of scores, with ties and NaN, and their labels: repeated, out of range, none.
SCORES = np.array(
    [
        [0.9, 0.8, 0.7, 0.6, 0.5],
        [0.2, 0.2, 0.2, 0.2, 0.2],
        [0.1, np.nan, 0.3, -0.0, 0.0],
        [5.0, -np.inf, 5.0, 5.0, 1.0],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [0.0, 1.0, 0.0, 1.0, 0.0],
    ],
    np.float32,
)
LABELS = [[0, 2], [4, 4, 1], [1, 3, 4, 0], [2, 3], [-1, 5], [0, 1]]
WEIGHTS = np.array([0.1, 1e16, 3.0, 1e-16, 7.0, 0.3])


def bits(result: Any) -> list[Any]:
    """Return what a state computed in a form that compares bit for bit."""
    if isinstance(result, float):
        return [result.hex()]
    return [None if part is None else (part.dtype.str, part.tobytes()) for part in result]


def filled(new: Callable[..., Any], weights: Any = None, **options: Any) -> Any:
    """Return a state that has seen all six rows, one of them without labels."""
    return new(**options).update(LABELS, SCORES, weights)
