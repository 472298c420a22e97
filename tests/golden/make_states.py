"""Writes the saved states of the newest schema that must keep loading.

They were written once, by the version of fastpr that introduced the schema; only a new
schema gets new files beside them. ``python tests/golden/make_states.py`` writes them again.
Those of schema 1 cannot be written any more; their states are here for their numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastpr import PrecisionRecallAtEqualThresholds

FOLDER = Path(__file__).parent


def counts() -> PrecisionRecallAtEqualThresholds:
    """Integers only, one of them above 2**32, and scores that were left out."""
    state = PrecisionRecallAtEqualThresholds(5, zero_division=1.0, invalid="drop")
    scores = np.array([0.0, 0.2, 0.25, 0.5, 0.99, 1.0, 1.5, np.nan], np.float32)
    state.update([0, 1, 0, 1, 1, 1, 0, 1], scores)
    for _ in range(33):
        state.merge(state)
    return state.update([1, 0], [0.75, 0.75])


def sums() -> PrecisionRecallAtEqualThresholds:
    """Counts and sums of weights that no decimal number of a few digits is equal to."""
    state = PrecisionRecallAtEqualThresholds(3, zero_division=float("nan"))
    state.update([1, 0, 1], [0.1, 0.6, 1.0])
    state.update([1, 0, 0], [0.5, 0.4, 0.9], weights=[0.1, 1 / 3, 1e-300])
    return state.update([1], [1.0], weights=2.75)


def fine() -> PrecisionRecallAtEqualThresholds:
    """Finer bins than thresholds, and scores of two dtypes, with weights too."""
    state = PrecisionRecallAtEqualThresholds(5, bins_per_threshold=3, zero_division=1.0)
    state.update([0, 1, 1, 0], np.array([0.0, 0.33, 0.75, 1.0], np.float32))
    return state.update([1, 0], np.array([0.2, 0.5], np.float16), weights=[0.1, 1 / 3])


def exact() -> PrecisionRecallAtEqualThresholds:
    """A bin for each value of uint8, and scores that were left out before there was any."""
    state = PrecisionRecallAtEqualThresholds(5, resolution="exact", invalid="drop")
    state.update([0], np.array([1.5], np.float16))
    return state.update([0, 1, 1, 0], np.array([0, 255, 200, 200], np.uint8))


SCHEMA_1 = {"state_v1_counts.fastpr": counts, "state_v1_sums.fastpr": sums}
STATES = {
    "state_v2_counts.fastpr": counts,
    "state_v2_sums.fastpr": sums,
    "state_v2_fine.fastpr": fine,
    "state_v2_exact.fastpr": exact,
}

if __name__ == "__main__":
    for name, make in STATES.items():
        make().save(FOLDER / name)
