"""Samples on CUDA devices become counts, which are read later, or at once."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastpr.arrays.dtypes import ScoreKind
from fastpr.arrays.first import First
from fastpr.arrays.weights import as_float64
from fastpr.counts.bins import Bins, two_exact_dtypes
from fastpr.counts.samples.checks import message_of
from fastpr.counts.samples.device import DeviceSamples
from fastpr.counts.table import NO_SAMPLES, ScoreCounts
from fastpr.streaming.pending import UNKNOWN

if TYPE_CHECKING:
    from fastpr.backends.cuda.histogram.report import Refused, TallyCounts
    from fastpr.backends.cuda.histogram.request import CountRequest
    from fastpr.backends.cuda.histogram.tally import ScoreTally

# Updates in a row that were not read yet and differ in shape, and whose shapes are kept.
_MAX_SHAPES = 100_000


class _Described(NamedTuple):
    """What a message about an update has to know."""

    shape: tuple[int, ...] | None
    kind: ScoreKind
    labels: np.dtype[Any]
    weights: np.dtype[Any] | None
    weight_kind: str | None


class ScoreWork:
    """Updates of one state that devices count; see `fastpr.streaming.pending.DeviceWork`.

    Parameters
    ----------
    bins : Bins
        What is counted into.
    invalid : {"raise", "drop"}
        What to do with scores that are not in [0, 1].
    """

    def __init__(self, bins: Bins, invalid: str) -> None:
        self._bins = bins
        self._raise_invalid = invalid == "raise"
        # By device and kind of scores, so that it is known of which kinds something was counted.
        self._tallies: dict[tuple[int, ScoreKind], ScoreTally] = {}
        # Each with the first ordinal of those that it is true of.
        self._described: list[tuple[int, _Described]] = []
        self._total = NO_SAMPLES
        self._refused: list[tuple[int, str]] = []

    @property
    def dtypes(self) -> frozenset[str]:
        """The dtypes of the scores of updates that were not read, whether they count or not."""
        return frozenset(described.kind.name for _, described in self._described)

    def add(self, samples: DeviceSamples, ordinal: int) -> None:
        """Start counting an update on its device.

        Raises ValueError if there are bins for each value, and those before it that were not
        read are of another dtype.
        """
        if not samples.num_samples:
            return
        kind = samples.kind
        if self._bins.is_exact and self.dtypes - {kind.name}:
            raise ValueError(two_exact_dtypes(self.dtypes, [kind.name]))
        from fastpr.backends.cuda import device as cuda_device

        device = cuda_device.get(samples.device)
        tally = self._tallies.get((samples.device, kind))
        if tally is None:
            from fastpr.backends.cuda.histogram.tally import ScoreTally

            tally = ScoreTally(device, self._bins.num_bins(kind))
            self._tallies[samples.device, kind] = tally
        request = _request(samples, device.stream_after(samples.stream, samples.other_streams))
        tally.add(request, self._bins.stored_edges(kind), self._raise_invalid, ordinal)
        self._describe(samples, ordinal)

    def _describe(self, samples: DeviceSamples, ordinal: int) -> None:
        described = _Described(
            samples.shape if len(self._described) < _MAX_SHAPES else None,
            samples.kind, samples.given_labels, samples.given_weights, samples.weight_kind,
        )  # fmt: skip
        if not self._described or self._described[-1][1] != described:
            self._described.append((ordinal, described))

    def finish(self) -> tuple[ScoreCounts, list[tuple[int, str]]]:
        """Wait for all devices, and return what was counted."""
        overflow = None
        for (_, kind), tally in self._tallies.items():
            try:
                counts, refused = tally.finish()
                self._total = self._total.plus(_score_counts(counts, kind))
            except OverflowError as error:
                overflow = error  # the others are waited for all the same
                continue
            self._refused += [(one.ordinal, self._text(one)) for one in refused]
            self._refused += [UNKNOWN] * (counts.num_refused - len(refused))
        if overflow is not None:
            raise overflow
        total, refused_updates = self._total, self._refused
        self._total, self._refused = NO_SAMPLES, []
        self._described.clear()
        return total, refused_updates

    def _text(self, refused: Refused) -> str:
        """Return what `fastpr.counts.samples.host.Samples.check` says of the same samples."""
        after = bisect_right(self._described, refused.ordinal, key=lambda entry: entry[0])
        described = self._described[after - 1][1]

        def first(what: str) -> First:
            if what == "labels":
                label = _from_bits(refused.first_label, described.labels)
                return _first(label, refused.first_label_index, described)
            if what == "weights":
                assert described.weights is not None
                given = _from_bits(refused.first_weight, described.weights)
                weight = as_float64(given.reshape(1), described.weight_kind == "bf16")[0]
                return _first(weight, refused.first_weight_index, described)
            score = _from_bits(refused.first_score, described.kind.storage)
            return _first(score, refused.first_score_index, described)

        return message_of(
            refused.num_invalid, refused.num_bad_labels, refused.num_bad_weights, first,
            described.kind,
        )  # fmt: skip


def _request(samples: DeviceSamples, stream: Any) -> CountRequest:
    from fastpr.backends.cuda.histogram.request import CountRequest

    return CountRequest(
        stream, samples.kernel, samples.shape, samples.scores, samples.labels, samples.weights,
        samples.weight_kind, samples.scalar_weight, samples.owners,
    )  # fmt: skip


def _score_counts(counted: TallyCounts, kind: ScoreKind) -> ScoreCounts:
    """Return what a tally held of scores of a kind."""
    counts = counted.counts if counted.num_counted else None
    is_empty = counts is None and counted.sums is None
    dtypes = frozenset() if is_empty else frozenset({kind.name})
    return ScoreCounts(counts, counted.sums, counted.num_counted, counted.num_dropped, dtypes)


def _from_bits(bits: int, dtype: np.dtype[Any]) -> Any:
    """Return the value that has these bits, perhaps after zeros or ones, as a NumPy scalar."""
    bits &= (1 << 8 * dtype.itemsize) - 1
    return np.array(bits, f"u{dtype.itemsize}").view(dtype)[()]


def _first(value: Any, position: int, described: _Described) -> First:
    if described.shape is None:
        return value, f"{position}, in C order"
    return value, str(tuple(map(int, np.unravel_index(position, described.shape))))


def count_on_device(samples: DeviceSamples, bins: Bins, invalid: str) -> ScoreCounts:
    """Count samples, wait, and raise what is wrong with them."""
    work = ScoreWork(bins, invalid)
    work.add(samples, 1)
    counts, refused = work.finish()
    if refused:
        raise ValueError(refused[0][1])
    return counts
