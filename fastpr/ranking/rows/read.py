"""The gate: what users pass becomes rows of scores and labels, on the host or on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastpr.arrays.device import device_array, on_device
from fastpr.arrays.places import HOST, is_cuda, place_of
from fastpr.arrays.weights import weight_array
from fastpr.ranking.rows.device import PAIR, DeviceRows
from fastpr.ranking.rows.host import Rows

# Types of what is on the host, of which nothing else has to be asked.
_AT_HOME = (np.ndarray, list, int, float, type(None))


def read_rows(
    labels: Any, predictions: Any, weights: ArrayLike | None, backend: str | None
) -> Rows | DeviceRows:
    """Return the rows of one update, on the host or on the device that they are on.

    Parameters
    ----------
    labels, predictions, weights
        As the user passed them; see `fastpr.ranking.rows.host.Rows` and `DeviceRows`.
    backend : str, optional
        What was asked for.

    Raises
    ------
    ValueError
        If arrays are in different places, or a backend that was named does not read those of
        a device; and as these classes do.
    TypeError, BackendUnavailable
        As these classes do.
    """
    if all(type(value) in _AT_HOME for value in (labels, predictions, weights)):
        return Rows(labels, predictions, weights)
    scores_place = place_of(predictions)
    places = {"labels": place_of(labels)}
    if isinstance(labels, tuple) and len(labels) == 2:
        of_pair = [place_of(part) for part in labels]
        if any(map(is_cuda, of_pair)):
            places = dict(zip(PAIR, of_pair, strict=True))
    places["predictions"] = scores_place
    if weights is not None:
        place = place_of(weights)
        if not (is_cuda(scores_place) and place == HOST and _is_scalar(weights)):
            places["weights"] = place
    if not on_device(places, backend):
        return Rows(labels, predictions, weights)
    scores = device_array(predictions, "predictions")
    return DeviceRows(labels, scores, weights, places)


def _is_scalar(weights: ArrayLike) -> bool:
    return weight_array(weights)[0].size <= 1
