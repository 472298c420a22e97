"""The table of one device, and updates that are on their way to it."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda.device import Device, SharedMemoryRefused
from fastpr.backends.cuda.histogram import forms as cuda_forms
from fastpr.backends.cuda.histogram.commits import (
    IS_TOO_LARGE,
    LOG_ENTRY,
    LOG_HEADER,
    NOWHERE,
    NUM_DROPPED,
    NUM_REFUSED,
    REPORT_LENGTH,
)
from fastpr.backends.cuda.histogram.encode import counts_values
from fastpr.backends.cuda.histogram.kernels import unit_of
from fastpr.backends.cuda.histogram.layouts import Piece, geometry, pieces, windows
from fastpr.backends.cuda.histogram.report import Refused, TallyCounts, refused_of
from fastpr.backends.cuda.histogram.request import CountRequest
from fastpr.backends.cuda.histogram.weights import WIDE, Grid, grid_of, sums_of_limbs, too_large

# Refused updates whose reports are kept until the state is read; others are only counted.
MAX_REFUSED = 64
_FEW_SAMPLES = 1 << 31  # a cell of a block has 32 bits
_NO_THRESHOLDS = 1
_EMPTY_REPORT = np.array([0, NOWHERE, 0] * 3, np.int64)


class _Where(NamedTuple):
    """The first arguments of kernels, which say where the samples of a launch are.

    Attributes
    ----------
    places : tuple of int64
        Of scores, labels and perhaps weights each the address, and the bytes from row to row
        and from column to column.
    grid : tuple of int64
        The numbers of rows and columns, and which positions these are; see `Piece`.
    """

    places: tuple[np.int64, ...]
    grid: tuple[np.int64, ...]

    @classmethod
    def of(cls, piece: Piece) -> _Where:
        """Return where a piece is."""
        places = tuple([np.int64(number) for place in piece.places for number in place])
        return cls(places, tuple(map(np.int64, piece[:5])))

    def with_no_weights(self) -> _Where:
        """Return the same for a kernel that takes weights, where there are none to be read."""
        return self._replace(places=self.places + (np.int64(0),) * 3)


@lru_cache(maxsize=64)
def _on_device(device: Device, dtype: np.dtype[Any], data: bytes) -> tuple[Any, Any, Any]:
    """Return thresholds on a device, the event after which they are there, and the pinned copy."""
    host = np.frombuffer(data, dtype)
    stream = device.stream()
    pinned = device.pinned(len(host), dtype)
    pinned[:] = host
    array = device.empty(len(host), dtype)
    device.copy_in(array, pinned, stream)
    return array, device.record(stream), pinned


class ScoreTally:
    """A table on a device that updates are added to, without waiting for it.

    Not safe to be used by several threads at once.

    Parameters
    ----------
    device : Device
        Where.
    num_thresholds : int
        The number T of thresholds.
    """

    def __init__(self, device: Device, num_thresholds: int) -> None:
        self._device = device
        self._num_thresholds = num_thresholds
        self._num_cells = 2 * num_thresholds
        self._stream = device.stream()
        self._event = device.record(self._stream)
        self._last_stream: Any = None
        # what was seen since the last reading, of all updates and of the one under way
        self._totals: dict[Grid | None, Any] = {}
        self._used: set[Grid | None] = set()
        self._scratch: dict[Grid | None, Any] = {}
        self._thresholds_there: dict[tuple[str, Any, Any], Any] = {}
        self._held: deque[tuple[Any, tuple[object, ...]]] = deque()
        self._log = self._filled(LOG_HEADER + MAX_REFUSED * LOG_ENTRY, np.int64, self._stream)
        self._reports = [device.empty(REPORT_LENGTH, np.int64) for _ in range(2)]
        self._clear_reports(self._stream)
        self._device.record(self._stream, self._event)

    def _filled(self, length: int, dtype: Any, stream: Any) -> Any:
        array = self._device.empty(length, dtype)
        self._fill(array, stream)
        return array

    def _fill(self, array: Any, stream: Any) -> None:
        blocks, threads = geometry(self._device, 0, len(array))
        zero = array.dtype.type(0)
        self._device.launch(cuda_forms.fill, blocks, threads, stream, 0, array, zero)

    def _table(self, tables: dict[Grid | None, Any], grid: Grid | None, stream: Any) -> Any:
        """Return the table of counts, or of limbs of a grid, which is made when it is wanted."""
        if grid not in tables:
            is_limbs = grid is not None
            length = self._num_cells * (grid.num_limbs if grid is not None else 1)
            dtype = np.uint32 if is_limbs and tables is self._scratch else np.int64
            tables[grid] = self._filled(length, dtype, stream)
        return tables[grid]

    def __del__(self) -> None:
        """Wait, where the device still reads what somebody else may free."""
        if getattr(self, "_held", None):
            with contextlib.suppress(Exception):  # at exit the driver may be gone
                self._device.wait(self._event)

    # ---- adding ----

    def add(
        self,
        request: CountRequest,
        thresholds: NDArray[Any],
        raise_invalid: bool,
        ordinal: int,
    ) -> None:
        """Count an update, all of it, or nothing if it holds bad data; returns at once.

        Parameters
        ----------
        request : CountRequest
            Its samples.
        thresholds : ndarray, shape (T,)
            As scores of this kind are stored; see `fastpr.counts.bins.stored_thresholds`.
        raise_invalid : bool
            Whether scores outside [0, 1] are bad data, or left out and counted.
        ordinal : int
            What `finish` is to call the update.
        """
        if not math.prod(request.shape):
            return
        device, stream = self._device, request.stream
        with device.active():
            if stream != self._last_stream:
                device.let_wait(stream, self._event)
            try:
                self._launch(request, thresholds, raise_invalid, ordinal)
            except BaseException:
                self._forget_update(stream)
                raise
            finally:
                device.record(stream, self._event)
                self._last_stream = stream
            self._hold(request.owners, stream)

    def _launch(
        self, request: CountRequest, thresholds: NDArray[Any], raise_invalid: bool, ordinal: int
    ) -> None:
        on_device = self._thresholds(request.kernel, thresholds, request.stream)
        report, next_report = self._reports
        add = self._count if request.weights is None else self._weigh
        try:
            last = add(request, thresholds, on_device, report)
        except SharedMemoryRefused:
            # It was the first launch that was refused, and `max_shared` is now what blocks
            # have without asking: what is launched for that much is not refused.
            last = add(request, thresholds, on_device, report)
        rest = (report, next_report, np.int32(raise_invalid), np.int64(ordinal))
        self._commit(request, last, rest)
        self._reports.reverse()

    def _forget_update(self, stream: Any) -> None:
        """Take back an update of which not everything could be launched."""
        for array in self._scratch.values():
            self._fill(array, stream)
        self._clear_reports(stream)

    def _clear_reports(self, stream: Any) -> None:
        for report in self._reports:
            self._device.copy_in(report, _EMPTY_REPORT, stream)

    def _hold(self, owners: tuple[object, ...], stream: Any) -> None:
        """Keep what was passed alive until the device has read it."""
        while self._held and self._device.has_come(self._held[0][0]):
            self._held.popleft()
        if owners:
            self._held.append((self._device.record(stream), owners))

    def _thresholds(self, kernel: str, thresholds: NDArray[Any], stream: Any) -> Any:
        second = thresholds[1]
        if not counts_values(kernel):
            thresholds = thresholds[:_NO_THRESHOLDS]  # computed by the kernels
        # Of float16 and bfloat16, 1 is not the same; of a grid and of all values, the second.
        key = kernel, second, thresholds[-1]
        if key not in self._thresholds_there:
            array, is_there, _ = _on_device(self._device, thresholds.dtype, thresholds.tobytes())
            self._device.let_wait(stream, is_there)
            self._thresholds_there[key] = array  # and other streams wait for this one
        return self._thresholds_there[key]

    def _count(
        self, request: CountRequest, thresholds: NDArray[Any], on_device: Any, report: Any
    ) -> _Where:
        """Launch the counting of an update; return where the samples of the last launch are."""
        kernel, device, stream = request.kernel, self._device, request.stream
        total = self._table(self._scratch, None, stream)
        one = int(thresholds[-1]) if counts_values(kernel) else 0
        num_values = one + 1 if counts_values(kernel) else self._num_thresholds
        num_windows, num_cells, shared = windows(2 * num_values, device.max_shared)
        arrays = [request.scores, request.labels]
        where: _Where | None = None
        for piece in pieces(request.shape, arrays):
            self._find(request, where, report)
            where = _Where.of(piece)
            is_wide = piece.is_wide([array.dtype for array in arrays])
            unit = unit_of(kernel, request.labels.dtype) if is_wide else 1
            num_units = piece.num_rows * -(-piece.num_cols // unit)
            blocks, threads = geometry(device, shared, num_units, num_windows)
            blocks = max(blocks, num_windows * (piece.num_rows * piece.num_cols // _FEW_SAMPLES))
            device.launch(
                cuda_forms.count_kernel(kernel, request.labels.dtype, is_wide),
                blocks, threads, stream, shared,
                *where.places, *where.grid, *_numbers(thresholds), np.int32(one), on_device,
                np.int32(num_values), np.int32(num_windows), np.int32(num_cells), total, report,
            )  # fmt: skip
        assert where is not None  # there are samples
        return where.with_no_weights()

    def _weigh(
        self, request: CountRequest, thresholds: NDArray[Any], on_device: Any, report: Any
    ) -> _Where:
        """Launch the adding of weights; return where the samples of the last launch are."""
        kernel, device, stream = request.kernel, self._device, request.stream
        assert request.weights is not None
        assert request.weight_kind is not None
        grid = grid_of(request.weight_kind)
        total = self._table(self._scratch, grid, stream)
        shared = 4 * self._num_cells * grid.num_limbs
        is_shared = shared <= device.max_shared - 64
        arrays = [request.scores, request.labels, request.weights]
        where: _Where | None = None
        for piece in pieces(request.shape, arrays):
            self._find(request, where, report)
            where = _Where.of(piece)
            is_wide = piece.is_wide([array.dtype for array in arrays])
            num_units = piece.num_rows * piece.num_cols
            blocks, threads = geometry(device, shared if is_shared else 0, num_units)
            device.launch(
                cuda_forms.weigh_kernel(
                    kernel, request.labels.dtype, request.weight_kind, is_wide, is_shared
                ),
                blocks, threads, stream, shared if is_shared else 0,
                *where.places, *where.grid, *_numbers(thresholds),
                np.int32(_one(kernel, thresholds)), on_device, np.int32(self._num_thresholds),
                total, report,
            )  # fmt: skip
        assert where is not None
        return where

    def _find(self, request: CountRequest, where: _Where | None, report: Any) -> None:
        """Find what is at the first bad positions of a launch, unless there was none yet."""
        if where is None:
            return
        if request.weights is None:
            where = where.with_no_weights()
        kernel = cuda_forms.find_kernel(request.kernel, request.labels.dtype, request.weight_kind)
        self._device.launch(kernel, 1, 1, request.stream, 0, *where.places, *where.grid, report)

    def _commit(self, request: CountRequest, where: _Where, rest: tuple[Any, ...]) -> None:
        what, stream = (request.kernel, request.labels.dtype), request.stream
        grid = None if request.weights is None else grid_of(request.weight_kind or "f64")
        scratch = self._scratch[grid]
        blocks, threads = geometry(self._device, 0, len(scratch))
        if request.weights is None and request.scalar_weight is not None:
            scale = np.float64(request.scalar_weight)
            totals = self._table(self._totals, WIDE, stream)
            self._used.add(WIDE)
            self._device.launch(
                cuda_forms.commit_scaled_kernel(*what), blocks, threads, stream, 0,
                *where.places, *where.grid, scratch, scale, *rest, totals, self._log,
            )  # fmt: skip
            return
        totals = self._table(self._totals, grid, stream)
        self._used.add(grid)
        self._device.launch(
            cuda_forms.commit_kernel(*what, request.weight_kind), blocks, threads, stream, 0,
            *where.places, *where.grid, scratch, *rest, totals, self._log,
        )  # fmt: skip

    # ---- reading ----

    def finish(self) -> tuple[TallyCounts, list[Refused]]:
        """Wait for all updates, return what was counted, and begin anew.

        Returns
        -------
        counts : TallyCounts
            What was counted.
        refused : list of Refused
            Updates that were left out, up to `MAX_REFUSED` of them.

        Raises
        ------
        OverflowError
            If a sum of weights does not fit into float64. All is forgotten then.
        """
        device, stream = self._device, self._stream
        device.wait(self._event)
        self._held.clear()
        log = device.copy_out(self._log, stream)
        tables = {grid: device.copy_out(self._totals[grid], stream) for grid in self._used}
        self.reset()

        num_refused = int(log[NUM_REFUSED])
        entries = log[LOG_HEADER:].reshape(-1, LOG_ENTRY)[:num_refused]
        refused = [refused_of(entry.tolist()) for entry in entries]
        shape = (2, self._num_thresholds)
        counts = tables.pop(None, None)
        if log[IS_TOO_LARGE]:
            raise too_large()
        sums = sums_of_limbs(tables)
        return TallyCounts(
            None if counts is None else counts.reshape(shape),
            None if sums is None else sums.reshape(2, *shape),
            0 if counts is None else int(counts.sum()),
            int(log[NUM_DROPPED]),
            num_refused,
        ), refused

    def reset(self) -> None:
        """Forget all, what is under way too; the device does so when it comes to it."""
        device, stream = self._device, self._stream
        device.let_wait(stream, self._event)
        for grid in self._used:
            self._fill(self._totals[grid], stream)
        self._used.clear()
        self._fill(self._log, stream)
        device.record(stream, self._event)
        self._last_stream = None


def _numbers(thresholds: NDArray[Any]) -> tuple[np.float64, ...]:
    """Return T - 1 and its inverse in two parts, as kernels of float scores want them."""
    last = len(thresholds) - 1
    real = np.float64 if thresholds.dtype == np.float64 else np.float32
    high = real(1 / last)
    if real is np.float64:
        exact, denominator = float(high).as_integer_ratio()
        low = np.float64((denominator - exact * last) / (denominator * last))
    else:
        low = np.float32(1 / last - float(high))
    return np.float64(last), np.float64(high), np.float64(low)


def _one(kernel: str, thresholds: NDArray[Any]) -> int:
    return int(thresholds[-1]) if kernel == "half" else 0
