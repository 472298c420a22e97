"""Arrays on a device that are not torch's, arrays of the host, and several devices."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import fastpr
from gpu import data as gpu_data
from gpu.data import assert_counts, make, table_of
from gpu.place import Place

State = fastpr.PrecisionRecallAtEqualThresholds
Notes = dict[str, Any]


def producers_of(place: Place, notes: Notes) -> dict[str, Callable[..., None]]:
    """Return checks by name, of which there are none without a device."""
    if not place.is_cuda:
        return {}
    found: dict[str, Callable[..., None]] = {
        "DLPack": _dlpack, "Numba device arrays": _numba, "CuPy arrays": _cupy, "JAX arrays": _jax,
        "host arrays with backend cuda": _host_arrays,
    }  # fmt: skip
    if torch.cuda.device_count() > 1:
        found["two GPUs"] = _two_devices
    else:
        notes["several GPUs"] = "not tried: there is one"
    return found


def _check_producer(place: Place, num: int, convert: Callable[[Any], Any]) -> None:
    scores, labels = make("uniform", num, place)
    place.synchronize()  # not every producer waits for torch's stream
    state = State().update(convert(labels), convert(scores))
    assert_counts(state.compute(), table_of(scores, labels, 201))
    ids, rows = gpu_data.rows(50, 700, 4, 2, place)
    place.synchronize()
    ours = fastpr.label_ranks(convert(ids), convert(rows), 10)
    assert np.array_equal(ours.ranks, fastpr.label_ranks(ids.cpu(), rows.cpu(), 10).ranks)


class _OnlyDLPack:
    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __dlpack_device__(self) -> Any:
        return self._tensor.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        return self._tensor.__dlpack__(**options)


def _dlpack(place: Place, num: int, notes: Notes) -> None:
    def as_bytes(tensor: Any) -> Any:  # torch may not export bool
        return tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor

    _check_producer(place, num, lambda tensor: _OnlyDLPack(as_bytes(tensor)))


def _numba(place: Place, num: int, notes: Notes) -> None:
    from numba import cuda

    _check_producer(place, num, lambda tensor: cuda.to_device(tensor.cpu().numpy()))


def _cupy(place: Place, num: int, notes: Notes) -> None:
    try:
        import cupy
    except ImportError:
        notes["CuPy arrays"] = "not tried: CuPy is not installed"
        return
    _check_producer(place, num, lambda tensor: cupy.asarray(tensor.cpu().numpy()))


def _jax(place: Place, num: int, notes: Notes) -> None:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        import jax

        jax.devices("cuda")
    except (ImportError, RuntimeError) as error:
        notes["JAX arrays"] = f"not tried: {' '.join(str(error).split())[:200]}"
        return

    def convert(tensor: Any) -> Any:
        # jax has no int64 unless told so
        array = tensor.cpu().numpy()
        array = array.astype(np.int32) if array.dtype == np.int64 else array
        return jax.device_put(array, jax.devices("cuda")[0]).block_until_ready()

    _check_producer(place, num, convert)


def _host_arrays(place: Place, num: int, notes: Notes) -> None:
    scores, labels = make("uniform", (1 << 25) + 5, place)
    table = table_of(scores, labels, 201)
    arrays = labels.cpu().numpy(), scores.cpu().numpy()
    del scores, labels
    torch.cuda.empty_cache()
    State(backend="cuda").update(arrays[0][:9], arrays[1][:9]).compute()
    before = torch.cuda.mem_get_info(place.device)[0]
    state = State(backend="cuda").update(*arrays)
    taken = before - torch.cuda.mem_get_info(place.device)[0]
    assert_counts(state.compute(), table)
    notes["device memory that host arrays of 160 MB took"] = taken
    assert taken < 64 << 20, f"{taken} bytes of device memory are taken"


def _two_devices(place: Place, num: int, notes: Notes) -> None:
    places = [Place("cuda:0"), Place("cuda:1")]
    states, tables = [], []
    for other in places:
        scores, labels = make("uniform", num, other)
        states.append(State().update(labels, scores))
        tables.append(table_of(scores, labels, 201))
    Place(str(place.device))  # the current device again
    assert_counts((states[0] + states[1]).compute(), tables[0] + tables[1])
