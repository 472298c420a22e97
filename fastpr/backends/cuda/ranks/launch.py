"""Starting the ranking kernels, and reading what they wrote, without waiting in between."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastpr.backends.cuda import device as cuda_device
from fastpr.backends.cuda.device import Device
from fastpr.backends.cuda.pool import Pending, memory_of
from fastpr.backends.cuda.ranks.kernels import (
    WARP,
    count_kernel,
    global_kernel,
    num_words,
    whole_kernel,
)
from fastpr.backends.cuda.ranks.rows import NUM_OWN, storage_of
from fastpr.backends.cuda.ranks.scores import score_form
from fastpr.backends.protocol import RankBlock

# Rows of more classes have a block each, not a warp.
WARP_CLASSES = 4096
# Labels of a row in shared memory; those of more are in global memory.
WARP_LABELS = 128
BLOCK_LABELS = 1024
# Where there are fewer rows for each multiprocessor, they are cut into pieces, if they have
# the scores for two.
SPLIT_ROWS = 2
MIN_PIECE = 1 << 14
_MAX_PIECES = 65_535  # the second dimension of a grid

_THREADS = 256
# Blocks for each multiprocessor: more than run at once, as some rows are done with early.
_BLOCKS_EACH = 64
_PIECES_EACH = 8
_ALL_ROWS = -2  # fewer than the number of labels of a row that cannot be read, -1


class RankRequest(NamedTuple):
    """Rows on a device, a multiple of one stride apart, and what is asked for.

    Attributes
    ----------
    kernel : {"f16", "bf16", "f32", "f64", "u8"}
        How the scores are read.
    scores_address : int
        Of the first score of the first row; scores are aligned to their size.
    row_stride, class_stride : int
        Bytes between rows, and between the scores of a row; of any sign.
    num_rows, num_classes : int
        The number of rows, and of classes, at most 2**31 - 1.
    labels_address : int
        Of the first label of the first row; with starts, of the first label of all.
    label_dtype : dtype
        Any integer dtype; labels are aligned to their size, as are starts.
    labels_row_stride, labels_stride : int
        Bytes between the labels of rows (not used with starts), and between labels.
    num_labels : int
        Of each row; with starts, of all. Less than 2**31, all rows together.
    starts_address : int or None
        Of the first of ``num_rows + 1`` integers that say where the labels of rows begin.
    starts_dtype : dtype or None
        Any integer dtype.
    starts_stride : int
        Bytes between starts.
    k : int
        Ranks end here.
    with_labels, with_ties : bool
        Whether labels, and `num_above` and `num_equal`, are asked for.
    num_ids : int, optional
        Where labels end to be labels; `num_classes` by default.
    score_starts_address : int, optional
        Of ``num_rows + 1`` contiguous int64 that say where the scores of rows begin, counted
        in scores; `num_classes` is then what a row has on average.
    """

    kernel: str
    scores_address: int
    row_stride: int
    class_stride: int
    num_rows: int
    num_classes: int
    labels_address: int
    label_dtype: np.dtype[Any]
    labels_row_stride: int
    labels_stride: int
    num_labels: int
    starts_address: int | None
    starts_dtype: np.dtype[Any] | None
    starts_stride: int
    k: int
    with_labels: bool
    with_ties: bool
    num_ids: int | None = None
    score_starts_address: int | None = None

    @property
    def num_entries(self) -> int:
        """The number of labels of all rows."""
        return self.num_labels * (self.num_rows if self.starts_address is None else 1)

    @property
    def num_columns(self) -> int:
        """How many numbers are written for each row."""
        return 1 if self.starts_address is None else 2

    @property
    def num_fields(self) -> int:
        """How many numbers are written for each label."""
        return 1 + self.with_labels + 2 * self.with_ties


class RanksRead(NamedTuple):
    """What was read: ranks, and -1 or the first row whose starts do not ascend within the labels.

    That row has no labels then.
    """

    block: RankBlock
    bad_row: int


class PendingRanks(Pending):
    """The ranks of some rows, which have been asked for."""

    def __init__(
        self, device: Device, stream: Any, out: Any, workspace: list[Any], owners: Any,
        request: RankRequest,
    ) -> None:  # fmt: skip
        length = request.num_columns * request.num_rows + request.num_fields * request.num_entries
        super().__init__(device, stream, out, length, workspace, owners)
        self._request = request

    def read(self) -> RanksRead:
        """Wait for the ranks, and return them; the same ones each time."""
        request = self._request
        host = self._read()
        num_rows, num_entries = request.num_rows, request.num_entries
        num_relevant = host[:num_rows].astype(np.int64)
        if request.starts_address is None:
            starts = np.arange(num_rows, dtype=np.int64) * request.num_labels
        else:
            starts = host[num_rows : 2 * num_rows].astype(np.int64)
        written = host[request.num_columns * num_rows :].reshape(request.num_fields, num_entries)
        bad = np.flatnonzero(num_relevant < 0)
        block = RankBlock(
            np.maximum(num_relevant, 0),
            starts,
            written[0],
            written[1].astype(np.int64) if request.with_labels else None,
            written[-2] if request.with_ties else None,
            written[-1] if request.with_ties else None,
        )
        return RanksRead(block, int(bad[0]) if len(bad) else -1)


# ---- launches ----


def rank(
    device: Device, stream: Any, request: RankRequest, owners: tuple[Any, ...] = ()
) -> PendingRanks:
    """Start to rank the labels of rows, and return at once.

    Parameters
    ----------
    device : Device
        Where rows and labels are.
    stream : stream
        One of that device, on which they have been, or are being, made.
    request : RankRequest
        Which.
    owners : tuple
        What has to live until they have been read.
    """
    memory = memory_of(device)
    length = request.num_columns * request.num_rows + request.num_fields * request.num_entries
    out = memory.take(length, np.int32)
    workspace: list[Any] = []
    if request.num_rows:
        _Launcher(device, stream, request, out, workspace).start()
    return PendingRanks(device, stream, out, workspace, owners, request)


class _Launcher:
    """What it takes to start the kernels for a request."""

    def __init__(
        self, device: Device, stream: Any, request: RankRequest, out: Any, workspace: list[Any]
    ) -> None:
        self._device, self._stream, self._request = device, stream, request
        self._out, self._workspace = out, workspace
        self._threads = device.num_threads(_THREADS)
        form = score_form(request.kernel)
        self._key_dtype = form.key_dtype
        is_wide = request.class_stride == form.item_size
        self._form = request.kernel, is_wide, request.with_ties
        self._starts = (
            np.int64(0 if request.starts_address is None else request.starts_address),
            np.int64(request.starts_stride),
            np.int32(_starts_storage(request)),
        )

    def start(self) -> None:
        request = self._request
        few = request.num_rows < SPLIT_ROWS * self._device.num_multiprocessors
        if few and request.num_classes >= 2 * MIN_PIECE and request.score_starts_address is None:
            self._start_pieces()
            return
        is_dense = request.starts_address is None
        per_warp = request.num_classes <= WARP_CLASSES and not (
            is_dense and request.num_labels > WARP_LABELS
        )
        most = WARP_LABELS if per_warp else BLOCK_LABELS
        capacity = _capacity(request, most)
        # a row may have all labels that there are
        if request.num_labels > most:
            self._take_workspace()
            more_than = _ALL_ROWS if is_dense else capacity
            self._start_global("whole", more_than, 4)
        if not is_dense or request.num_labels <= most:
            self._start_whole(capacity, per_warp)

    def _start_whole(self, capacity: int, per_warp: bool) -> None:
        is_split = per_warp and not cuda_device.IS_SIMULATED
        num_groups = self._threads // WARP if is_split else 1
        words = num_words(self._request.with_ties) * capacity + self._threads // num_groups
        shared = num_groups * (capacity * self._key_dtype.itemsize + 4 * (words + NUM_OWN))
        grid = self._num_blocks(-(-self._request.num_rows // num_groups), _BLOCKS_EACH)
        kernel = whole_kernel(*self._form, per_warp)
        self._launch(kernel, grid, shared, *self._arguments(capacity))

    def _start_pieces(self) -> None:
        """Sort the labels of all rows, count pieces of all rows, and write the ranks of all."""
        request = self._request
        num_multiprocessors = self._device.num_multiprocessors
        wanted = -(-_PIECES_EACH * num_multiprocessors // request.num_rows)
        num_pieces = max(1, min(wanted, request.num_classes // MIN_PIECE, _MAX_PIECES))
        capacity = _capacity(request, BLOCK_LABELS)
        self._take_workspace()
        self._start_global("sort", _ALL_ROWS, _PIECES_EACH)
        if request.starts_address is not None or request.num_labels <= capacity:
            self.start_count(True, capacity, num_pieces)
        if request.num_labels > capacity:
            self.start_count(False, capacity, num_pieces)
        self._start_global("finish", _ALL_ROWS, _PIECES_EACH)

    def start_count(self, in_shared: bool, capacity: int, num_pieces: int) -> None:
        """Count pieces of rows for labels that are sorted."""
        request = self._request
        words = NUM_OWN + in_shared * num_words(request.with_ties) * capacity
        shared = in_shared * capacity * self._key_dtype.itemsize + 4 * words
        length = -(-request.num_classes // num_pieces)
        self._launch(
            count_kernel(*self._form, in_shared),
            (self._num_blocks(request.num_rows, _PIECES_EACH), -(-request.num_classes // length)),
            shared,
            *_longs(request.scores_address, request.row_stride, request.class_stride),
            np.int64(request.num_rows),
            np.int32(request.num_classes),
            np.int32(length),
            np.int64(request.num_labels),
            np.int64(request.num_entries),
            *self._starts,
            np.int32(request.k),
            np.int32(capacity),
            *self._workspace,
        )

    def _start_global(self, stage: str, more_than: int, blocks_each: int) -> None:
        kernel, is_wide, with_ties = self._form
        jitted = global_kernel(kernel, is_wide or stage != "whole", with_ties, stage)
        grid = self._num_blocks(self._request.num_rows, blocks_each)
        shared = 4 * (NUM_OWN + self._threads)
        self._launch(jitted, grid, shared, *self._arguments(more_than), *self._workspace)

    def _take_workspace(self) -> None:
        request = self._request
        memory = memory_of(self._device)
        words = num_words(request.with_ties) * request.num_entries + request.num_rows
        self._workspace.append(memory.take(request.num_entries, self._key_dtype))
        self._workspace.append(memory.take(words, np.int32))

    def _arguments(self, capacity: int) -> tuple[Any, ...]:
        request = self._request
        num_ids = request.num_classes if request.num_ids is None else request.num_ids
        return (
            *_longs(request.scores_address, request.row_stride, request.class_stride),
            *_longs(request.score_starts_address or 0, request.num_rows),
            np.int32(request.num_classes),
            np.int32(num_ids),
            *_longs(request.labels_address, request.labels_row_stride, request.labels_stride),
            np.int32(storage_of(request.label_dtype)),
            *_longs(request.num_labels, request.num_entries),
            *self._starts,
            np.int32(request.k),
            np.int32(request.with_labels),
            np.int32(capacity),
            self._out,
        )

    def _num_blocks(self, wanted: int, each: int) -> int:
        return max(1, min(wanted, each * self._device.num_multiprocessors))

    def _launch(self, kernel: Any, grid: Any, shared: int, *args: Any) -> None:
        self._device.launch(kernel, grid, self._threads, self._stream, shared, *args)


def _starts_storage(request: RankRequest) -> int:
    """Return how starts are stored, 0 for none."""
    if request.starts_address is None or request.starts_dtype is None:
        return 0
    return storage_of(request.starts_dtype)


def _capacity(request: RankRequest, most: int) -> int:
    """Return for how many labels of a row there is to be room, an even number."""
    return max(2, min(request.num_labels, most) + 1 & ~1)


def _longs(*numbers: int) -> tuple[np.int64, ...]:
    return tuple(map(np.int64, numbers))


def count_sorted(device: Device, stream: Any, request: RankRequest, keys: Any, words: Any) -> None:
    """Count the classes of one row that come before labels, which are sorted already.

    Parameters
    ----------
    device, stream : Device, stream
        Where.
    request : RankRequest
        The row, and the number of labels.
    keys, words : array
        As the kernels have them: scores; ids, counts, and the number of labels in play.
    """
    launcher = _Launcher(device, stream, request, None, [keys, words])
    capacity = _capacity(request, BLOCK_LABELS)
    num_pieces = max(1, min(request.num_classes // MIN_PIECE, _MAX_PIECES))
    launcher.start_count(request.num_labels <= capacity, capacity, num_pieces)
