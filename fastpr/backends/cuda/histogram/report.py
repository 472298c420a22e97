"""Updates of a table on a device: what is counted, and what is said of it afterwards."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda.histogram.commits import FIRST, FOUND, LABELS, NUM_BAD, SCORES, WEIGHTS
from fastpr.backends.cuda.histogram.layouts import HasAddress


class SamplesOnDevice(Protocol):
    """What is counted; see `fastpr.counts.samples.device.DeviceSamples`."""

    @property
    def kernel(self) -> str:
        """The kernel that counts them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their shape."""

    @property
    def num_samples(self) -> int:
        """Their number."""

    @property
    def scores(self) -> HasAddress:
        """The scores."""

    @property
    def labels(self) -> HasAddress:
        """The labels."""

    @property
    def weights(self) -> HasAddress | None:
        """The weights, if samples differ in these."""

    @property
    def weight_kind(self) -> str | None:
        """What they are; see `fastpr.backends.cuda.histogram.weights.WEIGHT_DTYPES`."""

    @property
    def scalar_weight(self) -> float | None:
        """What counts are multiplied by."""

    @property
    def stream(self) -> int:
        """The producer's stream."""

    @property
    def other_streams(self) -> tuple[int, ...]:
        """Streams to wait for."""

    @property
    def owners(self) -> tuple[object, ...]:
        """To be kept alive meanwhile."""


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
