"""Ranking rows that are on the host: they are copied to a device, and what it wrote back."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastpr.backends.cuda import device as cuda_device
from fastpr.backends.cuda.device import Device
from fastpr.backends.cuda.ranks.kernels import num_words
from fastpr.backends.cuda.ranks.launch import RankRequest, count_sorted, rank
from fastpr.backends.cuda.ranks.scores import score_form
from fastpr.backends.protocol import RankBlock, RowBlock, bfloat16_values


class _Copies:
    """What a thread has on a device: a stream, and memory that grows to the largest block."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.stream = device.stream()
        self._arrays: dict[tuple[str, Any], Any] = {}

    def put(self, name: str, host: NDArray[Any]) -> Any:
        """Copy a contiguous array; what had that name must not be used any more."""
        array = self._arrays.get((name, host.dtype))
        if array is None or len(array) < len(host):
            size = max(256, 1 << max(0, len(host) - 1).bit_length())
            array = self._arrays[name, host.dtype] = self.device.empty(size, host.dtype)
        if len(host):
            self.device.copy_in(array, host, self.stream)
        return array

    def address_of(self, name: str, host: NDArray[Any]) -> int:
        """Copy an array of any layout, and return where it is, in C order."""
        flat = np.ascontiguousarray(host).reshape(-1).view(np.uint8)
        return self.device.address(self.put(name, flat))


class _Threads(threading.local):
    """What each thread has."""

    def __init__(self) -> None:
        self._copies: dict[Device, _Copies] = {}

    def copies(self) -> _Copies:
        """Return what the calling thread has on its device."""
        device = cuda_device.current()
        if device not in self._copies:
            self._copies[device] = _Copies(device)
        return self._copies[device]


_threads = _Threads()


def label_ranks(kernel: str, rows: RowBlock, k: int, out: RankBlock) -> None:
    """Rank the labels of a block of rows; see `fastpr.backends.protocol.Backend`."""
    copies = _threads.copies()
    scores, score_starts, labels, label_starts, num_ids, _ = rows
    num_rows, item_size = len(out.num_relevant), scores.itemsize
    if not num_rows:
        return
    num_classes = scores.size // num_rows
    request = RankRequest(
        kernel=kernel,
        scores_address=copies.address_of("scores", scores),
        row_stride=num_classes * item_size,
        class_stride=item_size,
        num_rows=num_rows,
        num_classes=num_classes,
        labels_address=copies.address_of("labels", labels),
        label_dtype=labels.dtype,
        labels_row_stride=len(labels) // num_rows * labels.itemsize,
        labels_stride=labels.itemsize,
        num_labels=len(labels) // (num_rows if label_starts is None else 1),
        starts_address=(
            None if label_starts is None else copies.address_of("label starts", label_starts)
        ),
        starts_dtype=np.dtype(np.int64),
        starts_stride=8,
        k=k,
        with_labels=out.labels is not None,
        with_ties=out.num_above is not None,
        num_ids=num_ids,
        score_starts_address=(
            None if score_starts is None else copies.address_of("score starts", score_starts)
        ),
    )
    read = rank(copies.device, copies.stream, request).read()
    assert read.bad_row < 0
    for array, found in zip(out, read.block, strict=True):
        if array is not None and found is not None and array is not out.starts:
            array[:] = found


def label_counts(
    kernel: str,
    piece: NDArray[Any],
    first: int,
    ids: NDArray[np.int64],
    label_scores: NDArray[Any],
    k: int,
    counts: NDArray[np.int64],
) -> None:
    """Count what comes before labels; see `fastpr.backends.protocol.Backend`."""
    num, with_ties = len(ids), len(counts) == 3
    if not num or not len(piece):
        return
    copies = _threads.copies()
    keys = _keys(kernel, label_scores)
    order = np.lexsort((ids, -keys, np.isnan(keys)))
    keys = keys[order]
    words = np.zeros(num_words(with_ties) * num + 1, np.int32)
    words[:num] = ids[order] - first
    words[-1] = num
    request = RankRequest(
        kernel=kernel,
        scores_address=copies.address_of("scores", piece),
        row_stride=0,
        class_stride=piece.itemsize,
        num_rows=1,
        num_classes=len(piece),
        labels_address=0,
        label_dtype=ids.dtype,
        labels_row_stride=0,
        labels_stride=0,
        num_labels=num,
        starts_address=None,
        starts_dtype=None,
        starts_stride=0,
        k=k,
        with_labels=False,
        with_ties=with_ties,
    )
    on_device = copies.put("words", words)
    count_sorted(copies.device, copies.stream, request, copies.put("keys", keys), on_device)
    with copies.device.active():
        on_device = on_device[: len(words)]
    found = copies.device.copy_out(on_device, copies.stream)[:-1].reshape(-1, num)
    before = found[1].cumsum(dtype=np.int64)
    counts[0, order] += before
    if with_ties:
        is_new = np.ones(num, bool)
        is_new[1:] = (keys[1:] != keys[:-1]) & ~(np.isnan(keys[1:]) & np.isnan(keys[:-1]))
        begins = np.flatnonzero(is_new)
        ends = np.append(begins[1:], num)
        group = is_new.cumsum() - 1
        counts[1, order] += (before[ends - 1] - found[3][begins])[group]
        counts[2, order] += found[2][begins][group]


def _keys(kernel: str, scores: NDArray[Any]) -> NDArray[Any]:
    """Return what the kernels compare scores as."""
    if kernel == "f16":
        scores = scores.view(np.float16)
    elif kernel == "bf16":
        scores = bfloat16_values(scores)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return scores.astype(score_form(kernel).key_dtype)
