"""Scores in descending order: what the kernels need around them, and what follows from the order.

Buckets, their contents and every sum over one of them depend on the samples alone; sums of
buckets are combined in their order. So no result depends on the number of threads.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.numba.sort import buckets as sorting
from fastpr.backends.numba.sort import partition, walks
from fastpr.backends.protocol import Areas, Counts, Run

Array = NDArray[Any]
MANY = 1 << 16  # samples: for fewer, many cells would take longer than what they save
FEW_CELL_BITS, MOST_CELL_BITS = 8, 16
LEAST_IN_CELL_BITS = 5  # 32 samples for each cell: of more cells, there are too many to look at
LEAST_IN_BUCKET = 1 << 12
NUM_TASKS = 64
LARGE_BUCKET = walks.LARGE_COUNT
LARGE_TABLE = 1 << 32  # samples of one value that a uint32 cannot count
_NO_WEIGHTS = np.empty(0)


class SortedScores:
    """Samples in descending order of their scores, in buckets; see `sort_scores`.

    Attributes
    ----------
    num_samples : int
        Those of a weight that is not 0.
    """

    __slots__ = (
        "_kind", "_num_groups", "_num_positives", "_origins", "_records", "_run", "_starts",
        "_tasks", "_weights", "num_samples",
    )  # fmt: skip

    def __init__(
        self, kind: Any, records: Array, weights: Array | None, starts: Array, origins: Array,
        run: Run,
    ) -> None:  # fmt: skip
        self._kind = kind
        self._records = records
        self._weights = weights
        self._starts = starts
        self._origins = origins
        self._run = run
        self.num_samples = int(starts[-1])
        num_buckets = len(starts) - 1
        wanted = np.linspace(0, self.num_samples, NUM_TASKS + 1).astype(np.int64)
        edges = np.unique(np.searchsorted(starts, wanted)).tolist()
        if self.num_samples <= MANY:
            edges = [0, num_buckets]
        self._tasks = list(pairwise(edges))
        self._num_positives = np.empty(num_buckets, np.int64)
        self._num_groups = np.empty(num_buckets, np.int64)
        self._sort()

    def _sort(self) -> None:
        sort_buckets = sorting.make_sort(self._weights is not None)
        longest = int(np.diff(self._starts).max(initial=0))
        weighted = self._weights is not None
        weights = _NO_WEIGHTS if self._weights is None else self._weights
        # Of float32 without weights a range is never so long, unless its values are counted.
        is_large = longest > sorting.MOST_AT_ONCE and (weighted or self._kind is np.uint64)
        large = np.empty(self.num_samples if is_large else 0, self._kind)
        large_weights = np.empty(len(large) if weighted else 0)
        rooms: list[tuple[Array, ...]] = []

        def work(index: int) -> None:
            try:
                room = rooms.pop()
            except IndexError:
                room = _room(self._kind, longest, weighted)
            spare, spare_weights, *others = room
            first, last = self._tasks[index]
            sort_buckets(
                self._records, weights, self._starts, first, last, spare, spare_weights, large,
                large_weights, *others, self._num_positives, self._num_groups,
            )  # fmt: skip
            rooms.append(room)

        self._run(work, len(self._tasks))

    def _before(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positives and the negatives before each bucket."""
        tp = np.cumsum(self._num_positives) - self._num_positives
        return tp, self._starts[:-1] - tp

    def _walk_weights(self) -> tuple[float, float, float, float]:
        """Return the sums of precision and of area, and the weights of both labels."""
        precisions, areas = np.empty((2, len(self._starts) - 1))
        totals = np.empty(2)
        walks.walk_weights(self._records, self._weights, self._starts, precisions, areas, totals)
        return _sum(precisions), _sum(areas), float(totals[0]), float(totals[1])

    def precision(self) -> tuple[float, float]:
        """Return the sum over all positives of the precision at their score; and their number."""
        if self._weights is not None:
            total, _, _, num_positives = self._walk_weights()
            return total, num_positives
        tp, fp = self._before()
        precisions = np.empty(len(tp))

        def work(index: int) -> None:
            first, last = self._tasks[index]
            walks.walk_precision(
                self._records, self._starts, first, last, tp[first], fp[first], precisions
            )

        self._run(work, len(self._tasks))
        return _sum(precisions), float(self._num_positives.sum())

    def areas(self) -> Areas:
        """Return what the area under the curve of the rates is made of, of counts exactly."""
        if self._weights is not None:
            _, lost, num_negatives, num_positives = self._walk_weights()
            return Areas(lost, num_negatives, num_positives)
        walk_area = walks.make_walk_area(int(np.diff(self._starts).max()) >= LARGE_BUCKET)
        areas, large_areas = np.empty((2, len(self._starts) - 1), np.int64)

        def work(index: int) -> None:
            first, last = self._tasks[index]
            walk_area(self._records, self._starts, first, last, areas, large_areas)

        self._run(work, len(self._tasks))
        of_others = zip(self._num_positives.tolist(), self._before()[1].tolist(), strict=True)
        exact_lost = (
            sum(areas.tolist())
            + (sum(large_areas.tolist()) << walks.AREA_BITS)
            + 2 * sum(here * before for here, before in of_others)
        )
        total = int(self._num_positives.sum())
        return Areas(exact_lost, self.num_samples - total, total)

    def counts(self, dtype: Any, ascending: bool) -> Counts:
        """See `fastpr.backends.protocol.SortedSamples`."""
        num_groups = int(self._num_groups.sum())
        tps, fps = np.empty(num_groups + 1), np.empty(num_groups + 1)
        thresholds = np.empty(num_groups + 1, dtype)
        places = np.cumsum(self._num_groups) - self._num_groups
        places = num_groups - 1 - places if ascending else places + 1
        step = -1 if ascending else 1
        weighted = self._weights is not None
        write_groups = walks.make_write_groups(self._kind, weighted)
        rest = (self._origins, step, tps, fps, thresholds)
        if weighted:
            write_groups(
                self._records, self._weights, self._starts, 0, len(places), 0.0, 0.0, places,
                *rest,
            )  # fmt: skip
            return Counts(tps, fps, thresholds)
        tp, fp = self._before()

        def work(index: int) -> None:
            first, last = self._tasks[index]
            write_groups(
                self._records, _NO_WEIGHTS, self._starts, first, last, tp[first], fp[first],
                places, *rest,
            )  # fmt: skip

        self._run(work, len(self._tasks))
        return Counts(tps, fps, thresholds)


def sort_scores(
    scores: Array, labels: NDArray[np.uint8], weights: Array | None, run: Run, num_parts: int
) -> SortedScores | None:
    """Sort samples by their scores; see `fastpr.backends.protocol.Sorter`.

    Raises
    ------
    RuntimeError
        If samples were changed during the call, and that was seen; else they are counted as they
        were in one of the passes over them.
    """
    kind: Any = np.dtype(f"u{scores.itemsize}").type
    bits, labels = _read_only(scores.view(kind)), _read_only(labels)
    weighted = weights is not None
    given = _read_only(weights) if weights is not None else _NO_WEIGHTS
    edges = [len(bits) * part // num_parts for part in range(num_parts + 1)]
    cuts = [slice(*pair) for pair in pairwise(edges)]

    def samples(part: int) -> tuple[Array, Array]:
        return bits[cuts[part]], given[cuts[part]] if weighted else given

    ends = np.empty((num_parts, 2), kind)
    find_range = partition.make_find_range(kind)
    run(lambda part: find_range(samples(part)[0], ends[part]), num_parts)
    origin, span = ends[:, 0].min(), int(ends[:, 1].max()) - int(ends[:, 0].min())
    highest, lowest = partition.keys_of_infinity(kind)
    if int(origin) <= highest or int(origin) + span >= lowest:
        return None

    cell_bits = FEW_CELL_BITS
    if len(bits) > MANY:
        cell_bits = min(len(bits).bit_length() - LEAST_IN_CELL_BITS, MOST_CELL_BITS)
        if kind is np.uint32 and not weighted:  # a cell has values that can be counted
            cell_bits = max(cell_bits, span.bit_length() - sorting.DENSE_BITS)
    shift = max(span.bit_length() - cell_bits, 0)
    place = (origin, kind(span), np.uint64(shift))
    counts = np.zeros((num_parts, (span >> shift) + 1), np.uint32)
    count_cells = partition.make_count_cells(kind, weighted)
    run(lambda part: count_cells(*samples(part), *place, counts[part]), num_parts)

    # More buckets are sorted faster, and fewer are written faster: 256 for 4 bytes.
    share = len(bits) >> (8 if kind is np.uint32 and not weighted else 9)
    most = min(max(share, LEAST_IN_BUCKET), sorting.MOST_AT_ONCE)
    # so that a record has room for what is left of a key, and the label
    widest = 1 << min(8 * scores.itemsize - 1 - shift, 31)
    bucket_of_cell = np.empty(counts.shape[1], np.uint16)
    first_cells, starts = np.empty((2, counts.shape[1] + 1), np.int64)
    num_buckets = partition.plan_buckets(counts, most, widest, bucket_of_cell, first_cells, starts)
    bucket_of_cell[~counts.any(axis=0)] = num_buckets
    starts = starts[: num_buckets + 1].copy()
    bases = np.append(first_cells[:num_buckets], 0).astype(np.uint64) << np.uint64(shift)
    places = np.empty((num_parts, num_buckets + 1), np.int64)
    partition.plan_places(counts, bucket_of_cell, starts, places)
    ends = np.vstack([places[1:, :-1], starts[1:]])

    records = np.empty(starts[-1], kind)
    own_weights = np.empty(starts[-1]) if weighted else None
    scatter = partition.make_scatter(kind, weighted)

    def write(part: int) -> None:
        part_bits, part_weights = samples(part)
        scatter(
            part_bits, labels[cuts[part]], part_weights, *place, bucket_of_cell, bases,
            places[part], records, _NO_WEIGHTS if own_weights is None else own_weights,
        )  # fmt: skip

    if len(records):  # else all weights are 0
        run(write, num_parts)
    if not np.array_equal(places[:, :-1], ends) or places[:, -1].any():
        raise _changed()
    return SortedScores(kind, records, own_weights, starts, bases[:-1] + np.uint64(origin), run)


def keep_points(
    counts: Counts, first: int, last: int, corners_only: bool, run: Run, num_parts: int
) -> Counts:
    """Leave out points of a curve; see `fastpr.backends.protocol.Sorter`."""
    # each part with the point before it and the one after it, which it looks at
    edges = [first + 1 + (last - first - 1) * part // num_parts for part in range(num_parts + 1)]
    cuts = [slice(start - 1, stop + 1) for start, stop in pairwise(edges)]
    nums = np.empty(num_parts, np.int64)

    def count(part: int) -> None:
        tps, fps, _ = (values[cuts[part]] for values in counts)
        nums[part] = walks.count_kept(tps, fps, corners_only)

    run(count, num_parts)
    places = first + 1 + np.cumsum(nums) - nums
    size = int(nums.sum()) + 3
    kept = Counts(np.empty(size), np.empty(size), np.empty(size, counts.thresholds.dtype))

    def write(part: int) -> None:
        given = (values[cuts[part]] for values in counts)
        place = places[part]
        walks.write_kept(*given, corners_only, place, place + nums[part], *kept)

    run(write, num_parts)
    own_last = first + 1 + int(nums.sum())
    for values, own in zip(counts, kept, strict=True):
        own[first], own[own_last] = values[first], values[last]
    return kept


def to_precision_and_recall(counts: Counts, num_positives: float, run: Run, num: int) -> None:
    """Make recall of true positives and precision of false ones, in so many parts."""
    _convert(walks.to_precision_and_recall, counts, (num_positives,), run, num)


def to_rates(
    counts: Counts, num_positives: float, num_negatives: float, run: Run, num: int
) -> None:
    """Make rates of counts, in so many parts."""
    _convert(walks.to_rates, counts, (num_positives, num_negatives), run, num)


def _convert(kernel: Any, counts: Counts, totals: tuple[float, ...], run: Run, num: int) -> None:
    edges = [len(counts.tps) * part // num for part in range(num + 1)]

    def work(part: int) -> None:
        cut = slice(edges[part], edges[part + 1])
        kernel(counts.tps[cut], counts.fps[cut], *totals)

    run(work, num)


def _room(kind: Any, longest: int, weighted: bool) -> tuple[Array, ...]:
    """Return what a thread sorts with, of constant size."""
    length = min(longest, sorting.MOST_AT_ONCE)
    # values are counted only if they are as many as 4 for each record, with their labels
    num_cells = 0 if weighted else min(sorting.TABLE_CELLS, 4 * longest)
    return (
        np.empty(length, kind),
        np.empty(length if weighted else 0),
        np.zeros(num_cells, np.uint32 if longest < LARGE_TABLE else np.int64),
        np.empty((2, 1 << sorting.DIGIT_BITS), np.uint32),
        np.empty(1 << sorting.SPLIT_BITS, np.int64),
        np.empty((sorting.STACK_SIZE, 2), np.int64),
    )


def _read_only(array: Array) -> Array:
    """Return a view, so that one compiled form serves every array."""
    view = array[:]
    view.flags.writeable = False
    return view


def _changed() -> RuntimeError:
    return RuntimeError(
        "y_score or sample_weight was changed during the call; pass arrays that stay as they are"
    )


def _sum(terms: Array) -> float:
    return math.fsum(terms.tolist())
