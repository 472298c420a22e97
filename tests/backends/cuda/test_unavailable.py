"""Without a GPU, a driver or numba-cuda, the message says which of them is missing."""

import importlib.util
import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from modules import forget
from tiers import exhaustive

import fastpr
from fastpr.backends import choose


@pytest.fixture
def cuda_device(monkeypatch):
    from fastpr.backends.cuda import device as cuda_device

    monkeypatch.setattr(cuda_device, "IS_SIMULATED", False)
    return cuda_device


class Devices(list):
    pass


@exhaustive  # needs numba-cuda
@pytest.mark.parametrize(
    ("error", "gpus", "has_nvvm", "reason"),
    [
        ("CUDA driver library cannot be found.\nEnsure that a compatible ...", [], True,
         "there is no NVIDIA driver (libcuda was not found)"),
        ("[100] Call to cuInit results in CUDA_ERROR_NO_DEVICE", [], True,
         "there is no usable NVIDIA GPU or driver ([100] Call to cuInit results in "
         "CUDA_ERROR_NO_DEVICE)"),
        (None, [], True, "there is no NVIDIA GPU"),
        (None, [0], False, "the CUDA toolkit's compiler (libnvvm) was not found; install "
         "numba-cuda[cu12] or numba-cuda[cu13]"),
        (None, [0], True, None),
    ],
)  # fmt: skip
def test_the_reason_names_what_is_missing(cuda_device, monkeypatch, error, gpus, has_nvvm, reason):
    from numba.cuda.cudadrv import nvvm

    monkeypatch.setattr(
        cuda_device, "cuda", SimpleNamespace(cuda_error=lambda: error, gpus=Devices(gpus))
    )
    monkeypatch.setattr(nvvm, "is_available", lambda: has_nvvm, raising=False)
    assert cuda_device.why_not() == reason


def test_without_numba_cuda(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    forget(monkeypatch, "fastpr.backends.cuda")
    monkeypatch.setattr(choose, "_loaded", {})
    monkeypatch.setattr(choose, "_reasons", {})
    with pytest.raises(fastpr.BackendUnavailable) as caught:
        choose.choose_backend("cuda")
    text = str(caught.value)
    assert text.startswith(
        "backend 'cuda' is not available: numba-cuda is not installed; install fastpr[cuda], or "
        "numba-cuda for the CUDA version of the driver (available: "
    )


def why_not_here():
    try:
        choose.choose_backend("cuda")
    except fastpr.BackendUnavailable as error:
        return str(error)
    return None


def test_a_backend_that_is_named_never_falls_back():
    message = why_not_here()
    state = fastpr.PrecisionRecallAtEqualThresholds(3, backend="cuda")
    out = io.StringIO()
    fastpr.doctor(out)
    if message is None:
        assert state.update([1], [0.5]).num_samples == 1
        assert "device arrays: cuda (where they are)" in out.getvalue()
        return
    for call in (
        lambda: state.update([1], [0.5]),
        lambda: fastpr.label_ranks([0], np.zeros((1, 3)), 1, backend="cuda"),
    ):
        with pytest.raises(fastpr.BackendUnavailable) as caught:
            call()
        assert str(caught.value) == message
    assert state == fastpr.PrecisionRecallAtEqualThresholds(3)
    reason = message.removeprefix("backend 'cuda' is not available: ").split(" (available: ")[0]
    assert f"  cuda       not there: {reason}\n" in out.getvalue()
    assert "device arrays: no backend; copy them to the host" in out.getvalue()


def test_nothing_of_cuda_is_loaded_before_it_is_asked_for():
    program = (
        "import sys, fastpr, numpy; "
        "state = fastpr.PrecisionRecallAtEqualThresholds(backend='reference'); "
        "state.update([0, 1], numpy.array([0.2, 0.8])); state.compute(); "
        "fastpr.average_precision_at_k([[0]], [[0.5, 0.2]], k=1, backend='reference'); "
        "print([name for name in sys.modules if name.split('.')[0] in ('numba_cuda', 'cuda') "
        "or name.startswith(('numba.cuda', 'fastpr.backends.cuda'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
