"""Canonical samples on a CUDA device, with the checks and the messages of those on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastpr.arrays.device import DeviceArray, check_same_device, device_array
from fastpr.arrays.places import HOST, differ_in_place
from fastpr.arrays.weights import as_float64, check_weight_dtype, check_weight_values, weight_array
from fastpr.counts.samples.checks import check_broadcast, check_kind, check_shapes, kernel_labels


class DeviceSamples:
    """The samples of one update, on one device, checked as far as can be without reading them.

    Parameters
    ----------
    labels, predictions
        As the user passed them; they are on CUDA devices.
    weights
        On the same device; or a number, or an array of one element, on the host.
    places : dict of str to str
        Where these are, without those on the host.

    Attributes
    ----------
    kind : ScoreKind
        How the scores are compared.
    kernel : str
        The kernel that counts them.
    shape : tuple of int
        That of the predictions.
    num_samples : int
        Their number.
    scores : DeviceArray
        In the storage dtype of their kind.
    labels : DeviceArray
        Of uint8 if they are bool, of which every byte is a label; else of signed integers.
    given_labels : numpy.dtype
        The dtype that the labels had.
    weights : DeviceArray or None
        Of the shape of the predictions, strides perhaps 0. Floats are read as their bits,
        of float64 as int64.
    weight_kind : str or None
        What they are: "bool", "f16", "bf16", "f32", "f64", or "i1" to "u8", of so many bytes.
    given_weights : numpy.dtype or None
        The dtype that they had.
    scalar_weight : float or None
        What the counts are to be multiplied by.
    device : int
        The number of the device.
    stream : int
        The producer's stream of the scores, on which to count.
    other_streams : tuple of int
        Those that it has to wait for.
    owners : tuple
        To be kept alive until the samples are counted.
    """

    is_on_device = True

    __slots__ = (
        "device", "given_labels", "given_weights", "kernel", "kind", "labels", "num_samples",
        "other_streams", "owners", "scalar_weight", "scores", "shape", "stream", "weight_kind",
        "weights",
    )  # fmt: skip

    def __init__(self, labels: Any, predictions: Any, weights: Any, places: dict[str, str]):
        scores = device_array(predictions, "predictions")
        label_array = device_array(labels, "labels")
        self.kind = check_kind(scores.dtype, scores.is_bfloat16)
        self.kernel = self.kind.histogram
        self.given_labels = label_array.dtype
        label_dtype = np.dtype(kernel_labels(label_array.dtype, label_array.is_bfloat16))
        check_shapes(label_array.shape, scores.shape)
        self.shape = scores.shape
        self.num_samples = scores.size
        self.scores = scores.seen_as(self.kind.storage)
        self.labels = label_array.seen_as(label_dtype)
        self.weights: DeviceArray | None = None
        self.weight_kind: str | None = None
        self.given_weights: np.dtype[Any] | None = None
        self.scalar_weight: float | None = None
        arrays = {"labels": label_array, "predictions": scores}
        if weights is not None:
            if "weights" not in places:
                self.scalar_weight = self._host_weight(weights, places["predictions"])
            else:
                array = device_array(weights, "weights")
                check_weight_dtype(array.dtype, array.is_bfloat16)
                check_broadcast(array.shape, self.shape)
                arrays["weights"] = array
                self.given_weights = array.dtype
                self.weight_kind, dtype = _kernel_weights(array)
                self.weights = array.broadcast_to(self.shape).seen_as(dtype)
        check_same_device(arrays)
        self.device, self.stream = scores.device, scores.stream
        streams = dict.fromkeys(array.stream for array in arrays.values())
        self.other_streams = tuple([stream for stream in streams if stream != self.stream])
        owners = [array.owner for array in arrays.values() if array.owner is not None]
        if self.other_streams:
            # An allocator that knows what its own stream needs does not know about ours.
            owners += [labels, predictions, weights]
        self.owners = tuple(owners)

    def _host_weight(self, weights: ArrayLike, place: str) -> float | None:
        array, is_bfloat16 = weight_array(weights)
        check_broadcast(array.shape, self.shape)
        if array.size > 1:
            raise differ_in_place("predictions", place, "weights", HOST)
        check_weight_values(array, is_bfloat16)
        return float(as_float64(array.reshape(1), is_bfloat16)[0]) if array.size else None


def _kernel_weights(weights: DeviceArray) -> tuple[str, np.dtype[Any]]:
    """Return the kind of weights, and as what kernels read them."""
    dtype = weights.dtype
    if weights.is_bfloat16:
        return "bf16", dtype
    if dtype.kind == "b":
        return "bool", np.dtype(np.uint8)
    if dtype.kind == "f":
        bits = np.dtype(np.int64 if dtype.itemsize == 8 else f"u{dtype.itemsize}")
        return f"f{8 * dtype.itemsize}", bits
    return f"{dtype.kind}{dtype.itemsize}", dtype
