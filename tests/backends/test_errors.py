"""Errors about the machine: backends that are not there, variables, numbers of threads."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from modules import forget

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.backends import choose

AVAILABLE = fastpr.available_backends()
NO_C = (
    "the C extension was not built (import of fastpr._c halted; None in sys.modules); install a "
    "C compiler and then fastpr again, with pip's -v to see what the compiler says"
)
NO_NUMBA = "import of numba halted; None in sys.modules"
REASONS = {"c": NO_C, "numba": NO_NUMBA}


def text_of(expected: type[BaseException], call: Callable[[], object]) -> str:
    with pytest.raises(expected) as caught:
        call()
    assert type(caught.value) is expected
    return str(caught.value)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make backends look as if they could not be imported."""

    def block(*names: str) -> None:
        monkeypatch.delenv("FASTPR_BACKEND", raising=False)
        monkeypatch.delenv("FASTPR_C_VARIANT", raising=False)
        monkeypatch.setattr(choose, "_loaded", {})
        monkeypatch.setattr(choose, "_reasons", {})
        for name in names:
            module = {"c": "fastpr._c", "numba": "numba"}[name]
            forget(monkeypatch, choose._MODULES[name])
            monkeypatch.setitem(sys.modules, module, None)

    return block


@pytest.mark.parametrize("blocked", [("c",), ("numba",), ("c", "numba")])
def test_a_named_backend_that_is_not_there_is_an_error(
    without: Callable[..., None], blocked: tuple[str, ...]
) -> None:
    without(*blocked)
    others = ", ".join(name for name in AVAILABLE if name not in blocked)
    for name in blocked:
        state = State(3, backend=name)  # a state may come from another machine
        message = f"backend {name!r} is not available: {REASONS[name]} (available: {others})"
        for call in (
            lambda state=state: state.update([1], [0.5]),
            lambda name=name: fastpr.precision_recall_at_equal_thresholds([1], [0.5], backend=name),
            lambda state=state: state.update([1], [0.5]),  # and the same again
        ):
            assert text_of(fastpr.BackendUnavailable, call) == message
        assert state == State(3)


def test_the_variable_names_a_backend_as_the_argument_does(
    without: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("c", "numba")
    monkeypatch.setenv("FASTPR_BACKEND", "c")
    text = text_of(fastpr.BackendUnavailable, lambda: State().update([1], [0.5]))
    assert text == f"backend 'c' is not available: {NO_C} (available: reference)"
    again = text_of(fastpr.BackendUnavailable, lambda: State(backend="auto").update([1], [0.5]))
    assert again == text
    assert State(backend="reference").update([1], [0.5]).num_samples == 1


@pytest.mark.parametrize("blocked", [("c",), ("numba",), ("c", "numba")])
def test_auto_takes_the_next_backend_and_doctor_says_why(
    without: Callable[..., None], blocked: tuple[str, ...]
) -> None:
    without(*blocked)
    others = [name for name in AVAILABLE if name not in blocked]
    assert fastpr.available_backends() == others
    assert State().update([1], [0.5]) == State(backend="reference").update([1], [0.5])
    out = io.StringIO()
    fastpr.doctor(out)
    for name in blocked:
        assert f"  {name:<10} not there: {REASONS[name]}\n" in out.getvalue()
    assert f"host arrays: {others[0]} (the fastest that is there)\n" in out.getvalue()


def test_a_variable_that_names_no_backend_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTPR_BACKEND", "gpu")
    state = State(3)
    message = (
        "the environment variable FASTPR_BACKEND must be one of auto, c, numba, reference, "
        "cuda, got 'gpu'"
    )
    assert text_of(ValueError, lambda: state.update([1], [0.5])) == message
    assert state == State(3)
    assert state.to_bytes() == State(3).to_bytes()
    out = io.StringIO()
    fastpr.doctor(out)
    assert f"host arrays: no backend, because {message}\n" in out.getvalue()
    monkeypatch.setenv("FASTPR_BACKEND", "")
    assert state.update([1], [0.5]).num_samples == 1


@pytest.mark.parametrize("name", ["avx9", "AVX2"])
def test_a_variable_that_names_no_variant_is_an_error(
    without: Callable[..., None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if "c" not in AVAILABLE:
        return
    without()
    forget(monkeypatch, "fastpr.backends.c")
    monkeypatch.setenv("FASTPR_C_VARIANT", name)
    others = ", ".join(backend for backend in AVAILABLE if backend != "c")
    assert text_of(fastpr.BackendUnavailable, lambda: State(backend="c").update([1], [0.5])) == (
        "backend 'c' is not available: the environment variable FASTPR_C_VARIANT must be one of "
        f"avx512vbmi2, avx512, avx2, baseline, rule, got {name!r} (available: {others})"
    )


def test_a_variable_forces_a_variant_of_the_c_backend() -> None:
    if "c" not in AVAILABLE:
        pytest.skip("the C extension is not built here")
    from fastpr.backends.c import library as c

    for name in c.VARIANTS:
        done = subprocess.run(
            [sys.executable, "-I", "-c", "import fastpr; fastpr.doctor()"],
            env={**os.environ, "FASTPR_C_VARIANT": name, "FASTPR_BACKEND": "c"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert f"  c          variant {name} (this CPU runs {', '.join(c.VARIANTS)})" in done.stdout
        assert "host arrays: c (FASTPR_BACKEND says so)\n" in done.stdout


def test_the_number_of_threads_must_be_positive() -> None:
    for value in (0, -1, np.int64(0)):
        assert text_of(ValueError, lambda value=value: fastpr.set_num_threads(value)) == (
            f"num_threads must be at least 1, got {value}"
        )


@pytest.mark.parametrize("value", [2.0, "2", True, np.True_, [2], np.float32(2), np.array([1, 2])])
def test_the_number_of_threads_must_be_an_integer(value: object) -> None:
    before = fastpr.get_num_threads()
    assert text_of(TypeError, lambda: fastpr.set_num_threads(value)) == (
        f"num_threads must be an integer or None, got {value!r}"
    )
    assert fastpr.get_num_threads() == before


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "2,3", " ", "0x2", "+2"])
def test_the_variable_for_threads_must_be_a_positive_integer(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FASTPR_NUM_THREADS", text)
    message = (
        f"the environment variable FASTPR_NUM_THREADS must be a positive integer, got {text!r}"
    )
    assert text_of(ValueError, fastpr.get_num_threads) == message
    state = State(3)
    labels, scores = np.zeros(1 << 20, bool), np.zeros(1 << 20, np.float32)
    assert text_of(ValueError, lambda: state.update(labels, scores)) == message
    assert state == State(3)
    fastpr.set_num_threads(2)
    try:
        assert state.update(labels, scores).num_samples == 1 << 20
    finally:
        fastpr.set_num_threads(None)


def test_doctor_reports_a_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    # It is what one runs to find out what is wrong.
    monkeypatch.setenv("FASTPR_NUM_THREADS", "two")
    out = io.StringIO()
    fastpr.doctor(out)
    assert "FASTPR_NUM_THREADS must be a positive integer, got 'two'" in out.getvalue()
