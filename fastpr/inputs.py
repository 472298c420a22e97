"""Canonical arrays: what users pass becomes what kernels read, without copying it.

Every message about an input is here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.dispatch import BackendUnavailable
from fastpr.rules import MINUS_ZERO_HALF
from fastpr.thresholds import BFLOAT16, FLOAT16, SCORE_KINDS, ScoreKind

Array = NDArray[Any]
# (scores, labels) or (scores, labels, weights)
Block = tuple[Array, ...]

# Samples of one chunk of arrays that kernels cannot read where they are; the only copies.
_CHUNK = 16_384
# Rows shorter than this are copied into chunks: a call for each row would take longer.
_MIN_ROW = 32_768

_KIND_OF_DTYPE = {np.dtype(kind.name): kind for kind in SCORE_KINDS if kind is not BFLOAT16}
# Bits of ndarray.flags.num (NPY_ARRAY_* in NumPy's C API).
_C_CONTIGUOUS, _F_CONTIGUOUS, _ALIGNED = 0x1, 0x2, 0x100
# kDLCPU, kDLCUDAHost and kDLROCMHost of DLPack.
_DLPACK_HOST = (1, 3, 11)
_KERNEL_WEIGHTS = (np.dtype(np.float32), np.dtype(np.float64))


def _host_array(value: Any, name: str) -> tuple[Array, bool]:
    """Return a value as an array that shares its memory, and whether its uint16 are bfloat16."""
    if type(value) is not np.ndarray:
        value = _foreign_array(value, name)
        if isinstance(value, tuple):
            return value
    dtype = value.dtype
    if dtype.kind == "V" and dtype.name == "bfloat16":
        return value.view(np.uint16), True
    return value, False


def _foreign_array(value: Any, name: str) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _torch_array(torch, value, name)
    if hasattr(value, "__cuda_array_interface__"):
        raise _not_on_host(name, "a CUDA device")
    if hasattr(value, "__dlpack_device__"):
        device_type, device_id = value.__dlpack_device__()
        if device_type not in _DLPACK_HOST:
            raise _not_on_host(name, f"DLPack device {int(device_type)}:{device_id}")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} are a masked array; pass their .filled(0) and weights of "
            "~numpy.ma.getmaskarray(...), so that masked samples weigh 0"
        )
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {error}"
        ) from None


def _torch_array(torch: Any, tensor: Any, name: str) -> Any:
    if tensor.device.type != "cpu":
        raise _not_on_host(name, str(tensor.device))
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} are a sparse tensor ({tensor.layout}); pass a dense one")
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16), True
    return tensor.numpy()


def _not_on_host(name: str, place: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{name} are on {place}, and no backend of this version reads device memory; "
        "copy them to the host first, with .cpu() for instance"
    )


def _score_array(predictions: ArrayLike) -> tuple[Array, ScoreKind]:
    array, is_bfloat16 = _host_array(predictions, "predictions")
    if is_bfloat16:
        return array, BFLOAT16
    kind = _KIND_OF_DTYPE.get(array.dtype)
    if kind is None and array.dtype.kind in "fu":
        kind = _KIND_OF_DTYPE.get(array.dtype.newbyteorder("="))
    if kind is None:
        raise TypeError(
            f"predictions have dtype {array.dtype}; pass scores in [0, 1] as float16, bfloat16, "
            "float32 or float64, or uint8 or uint16 that stand for u / (2**bits - 1)"
        )
    if kind is FLOAT16:
        array = array.view(array.dtype.str.replace("f", "u"))
    return array, kind


def _label_array(labels: ArrayLike) -> Array:
    array, is_bfloat16 = _host_array(labels, "labels")
    kind = array.dtype.kind
    if kind == "b":
        return array.view(np.uint8)
    if kind == "i":
        return array
    if kind == "u" and not is_bfloat16:
        return array.view(array.dtype.str.replace("u", "i"))
    if array.size == 0 and isinstance(labels, (list, tuple)):
        return np.zeros(array.shape, np.uint8)  # [] has no dtype of its own
    raise TypeError(
        f"labels have dtype {'bfloat16' if is_bfloat16 else array.dtype}; pass bool labels, or "
        "integers 0 and 1 (labels > 0, for instance)"
    )


def _check_broadcast(weights: Array, shape: tuple[int, ...]) -> None:
    trailing = shape[len(shape) - weights.ndim :] if weights.ndim <= len(shape) else None
    if trailing is None or any(
        ours not in (1, theirs) for ours, theirs in zip(weights.shape, trailing, strict=True)
    ):
        raise ValueError(
            f"weights of shape {weights.shape} do not broadcast to predictions of shape {shape}; "
            "each of their dimensions, counted from the last, must be 1 or equal"
        )


def _suffix_length(array: Array) -> int:
    """Return the number of trailing axes over which an array is contiguous in C order."""
    step = array.itemsize
    length = 0
    for size, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if size != 1 and stride != step:
            break
        step *= size
        length += 1
    return length


def _first_bad(array: Array, is_bad: Callable[[Array], Array]) -> tuple[Any, str] | None:
    """Return the first value, in C order, that `is_bad`, and its index as text."""
    iterator: Any = np.nditer(  # type: ignore[call-overload]  # 'contig' is documented
        array,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly", "nbo", "aligned", "contig"]],
        order="C",
        buffersize=_CHUNK,
    )
    position = 0
    for chunk in iterator:
        bad = np.flatnonzero(is_bad(chunk))
        if bad.size:
            index = np.unravel_index(position + int(bad[0]), array.shape)
            return chunk[bad[0]], str(tuple(int(axis) for axis in index))
        position += chunk.size
    return None


def _found(first: tuple[Any, str] | None) -> str:
    if first is None:  # the array was written to in between
        return "which have changed since"
    value, index = first
    return f"first: {value!s} at index {index}"


class Samples:
    """The samples of one update, checked as far as can be without reading them.

    Parameters
    ----------
    labels, predictions, weights
        As the user passed them; see `fastpr.precision_recall_at_equal_thresholds`.

    Attributes
    ----------
    kind : ScoreKind
        How the scores are compared.
    kernel : str
        The kernel that counts them.
    num_samples : int
        Their number.
    has_weight_array : bool
        Whether samples weigh differently.
    scalar_weight : float or None
        What the counts are to be multiplied by.
    """

    def __init__(self, labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None):
        scores, self.kind = _score_array(predictions)
        label_array = _label_array(labels)
        if label_array.shape != scores.shape:
            raise ValueError(
                f"labels of shape {label_array.shape} and predictions of shape {scores.shape} "
                "must have the same shape"
            )
        self._scores = scores
        self._labels = label_array
        self._given_labels = labels
        self._weights: Array | None = None
        self._weights_are_bfloat16 = False
        self._weights_to_float64 = False
        self.scalar_weight: float | None = None
        if weights is not None:
            self._set_weights(weights)
        self.kernel = self.kind.kernel
        self.num_samples: int = scores.size
        self.has_weight_array = self._weights is not None
        self._plan()

    def _set_weights(self, weights: ArrayLike) -> None:
        array, is_bfloat16 = _host_array(weights, "weights")
        if not is_bfloat16 and array.dtype.kind not in "biuf":
            raise TypeError(f"weights have dtype {array.dtype}; pass real numbers or bool")
        _check_broadcast(array, self._scores.shape)
        self._weights_are_bfloat16 = is_bfloat16
        if array.size == 1 or self._scores.size == 0:
            self._check_weight_values(array)  # no kernel is going to
        if array.size == 1:
            self.scalar_weight = float(self._as_float64(array.reshape(1))[0])
            return
        if array.dtype == np.bool_:
            array = array.view(np.uint8)
        elif is_bfloat16 or array.dtype not in _KERNEL_WEIGHTS:
            self._weights_to_float64 = True
        self._weights = np.broadcast_to(array, self._scores.shape)

    def _as_float64(self, weights: Array) -> Array:
        if self._weights_are_bfloat16:
            weights = (weights.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(weights, np.float64)

    def _plan(self) -> None:
        """Find the longest rows that kernels can read where they are."""
        arrays = [self._scores, self._labels]
        if self._weights is not None:
            arrays.append(self._weights)
        self._lead: tuple[int, ...] = ()
        self._row = self.num_samples
        self._rows: Block | None = None
        flags = _ALIGNED | _C_CONTIGUOUS | _F_CONTIGUOUS
        for array in arrays:
            flags &= array.flags.num if array.dtype.isnative else 0
        if not flags & _ALIGNED or self._weights_to_float64:
            return
        if flags & _C_CONTIGUOUS:
            self._rows = tuple([a if a.ndim == 1 else a.reshape(-1) for a in arrays])
            return
        if flags & _F_CONTIGUOUS and self._weights is None:
            # counts do not depend on the order
            self._rows = tuple([array.T.reshape(-1) for array in arrays])
            return
        shape = self._scores.shape
        num_lead = len(shape) - min(_suffix_length(array) for array in arrays)
        row = math.prod(shape[num_lead:])
        if row >= _MIN_ROW:
            self._lead = shape[:num_lead]
            self._row = row
            self._rows = tuple([array.reshape(*self._lead, row) for array in arrays])

    def blocks(self, start: int, stop: int) -> Iterable[Block]:
        """Return contiguous (scores, labels[, weights]) of the samples from `start` to `stop`.

        Blocks of arrays that had to be copied are overwritten by the next.
        """
        if start == stop:
            return ()
        if self._rows is None:
            return self._copied_blocks(start, stop)
        if self._lead:
            return self._row_blocks(self._rows, start, stop)
        if stop - start == self.num_samples:
            return (self._rows,)
        return (tuple([rows[start:stop] for rows in self._rows]),)

    def _row_blocks(self, arrays: Block, start: int, stop: int) -> Iterator[Block]:
        for index in range(start // self._row, -(-stop // self._row)):
            place = np.unravel_index(index, self._lead)
            begin = index * self._row
            part = slice(max(start - begin, 0), min(stop - begin, self._row))
            yield tuple([rows[place][part] for rows in arrays])

    def _copied_blocks(self, start: int, stop: int) -> Iterator[Block]:
        arrays = [self._scores, self._labels]
        dtypes = [self.kind.storage, self._labels.dtype.newbyteorder("=")]
        if self._weights is not None:
            arrays.append(self._weights)
            dtypes.append(self._weights.dtype.newbyteorder("="))
        iterator: Any = np.nditer(  # type: ignore[call-overload]  # 'contig' is documented
            arrays,
            flags=["external_loop", "buffered", "ranged", "zerosize_ok"],
            op_flags=[["readonly", "nbo", "aligned", "contig"]] * len(arrays),
            op_dtypes=dtypes,
            casting="equiv",
            order="C",
            buffersize=_CHUNK,
        )
        iterator.iterrange = (start, stop)
        for chunk in iterator:
            if self._weights_to_float64:
                yield chunk[0], chunk[1], self._as_float64(chunk[2])
            else:
                yield chunk

    def check(self, report: Array, invalid: str) -> int:
        """Raise what a kernel reported, or return the number of scores that it left out.

        Parameters
        ----------
        report : ndarray of int64, shape (3,)
            See `fastpr.dispatch.Backend.score_histogram`.
        invalid : {"raise", "drop"}
            What to do with scores that are not in [0, 1].

        Raises
        ------
        ValueError
            With the first position of what is wrong.
        """
        num_invalid, bad_labels, bad_weights = report.tolist()
        if not (num_invalid or bad_labels or bad_weights):
            return 0
        if bad_labels:
            given, _ = _host_array(self._given_labels, "labels")  # unsigned ones were viewed signed
            first = _first_bad(given, lambda chunk: (chunk != 0) & (chunk != 1))
            raise ValueError(
                f"labels hold values other than 0 and 1 ({_found(first)}); pass labels > 0, "
                "and weights of 0 where samples are to be ignored"
            )
        if bad_weights and self._weights is not None:
            self._check_weight_values(self._weights)
            raise ValueError(f"weights must be finite and not negative ({_found(None)})")
        if num_invalid and invalid == "raise":
            first = _first_bad(self._scores, self._is_invalid)
            if first is not None:
                first = self._decoded(first[0]), first[1]
            noun = "value that is" if num_invalid == 1 else "values that are"
            raise ValueError(
                f"predictions hold {num_invalid} {noun} not in [0, 1] ({_found(first)}); pass "
                "probabilities (of logits, the sigmoid), or invalid='drop' to leave such "
                "samples out and count them"
            )
        return int(num_invalid)

    def _check_weight_values(self, weights: Array) -> None:
        def is_bad(chunk: Array) -> Array:
            chunk = self._as_float64(chunk)
            return ~(np.isfinite(chunk) & (chunk >= 0))

        first = _first_bad(weights, is_bad)
        if first is not None:
            first = self._as_float64(np.asarray(first[0]).reshape(1))[0], first[1]
            raise ValueError(
                f"weights must be finite and not negative ({_found(first)}); pass 0 to leave "
                "samples out"
            )

    def _is_invalid(self, scores: Array) -> Any:
        if self.kernel == "half":
            return (scores > self.kind.one) & (scores != MINUS_ZERO_HALF)
        return ~((scores >= 0) & (scores <= 1))

    def _decoded(self, score: Any) -> Any:
        if self.kind is FLOAT16:
            return score.view(np.float16)
        if self.kind is BFLOAT16:
            return (np.uint32(score) << np.uint32(16)).view(np.float32)
        return score
