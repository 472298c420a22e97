"""The gate: what users pass becomes samples, on the host or on a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastpr.arrays.device import on_device
from fastpr.arrays.places import is_cuda, place_of
from fastpr.counts.samples.device import DeviceSamples
from fastpr.counts.samples.host import Samples


def read_samples(
    labels: Any, predictions: Any, weights: Any, backend: str | None
) -> Samples | DeviceSamples:
    """Return what the user passed as samples, where they are.

    Raises
    ------
    ValueError
        If labels, predictions and weights are in different places, or a host backend is
        named for arrays on a device; and as `fastpr.counts.samples.host.Samples`.
    TypeError
        If a dtype is not one of those that are read.
    BackendUnavailable
        If arrays are on a device, and no backend works there.
    """
    if type(labels) is np.ndarray and type(predictions) is np.ndarray and weights is None:
        return Samples(labels, predictions, weights)
    places = {"labels": place_of(labels), "predictions": place_of(predictions)}
    if weights is not None and is_cuda(place := place_of(weights)):  # a number can be on the host
        places["weights"] = place
    if on_device(places, backend):
        return DeviceSamples(labels, predictions, weights, places)
    return Samples(labels, predictions, weights)
