"""What is said of the updates of a table on a device, once they have been counted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda.histogram.commits import FIRST, FOUND, LABELS, NUM_BAD, SCORES, WEIGHTS


class Refused(NamedTuple):
    """An update that was left out, and why.

    Attributes
    ----------
    ordinal : int
        As it was given.
    num_invalid, first_score_index, first_score : int
        Scores outside [0, 1], the position of the first, in C order, and its bits.
    num_bad_labels, first_label_index, first_label : int
        The same of labels that are neither 0 nor 1, and the value.
    num_bad_weights, first_weight_index, first_weight : int
        The same of weights that are negative or not finite, and its bits.
    """

    ordinal: int
    num_invalid: int
    first_score_index: int
    first_score: int
    num_bad_labels: int
    first_label_index: int
    first_label: int
    num_bad_weights: int
    first_weight_index: int
    first_weight: int


class TallyCounts(NamedTuple):
    """What a tally held; as `fastpr.counts.table.ScoreCounts`.

    `num_refused` is the number of updates that were left out, reported or not.
    """

    counts: NDArray[np.int64] | None
    sums: NDArray[np.float64] | None
    num_counted: int
    num_dropped: int
    num_refused: int


def refused_of(entry: list[int]) -> Refused:
    """Return what an entry of the log says."""
    ordinal, report = entry[0], entry[1:]
    parts = [
        report[what + field] for what in (SCORES, LABELS, WEIGHTS)
        for field in (NUM_BAD, FIRST, FOUND)
    ]  # fmt: skip
    return Refused(ordinal, *parts)
