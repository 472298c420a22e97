"""Which backend there is, and which one computes."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from fastpr.backends import forks
from fastpr.backends.protocol import Backend, Sorter

# Best first: what "auto" tries in this order on host arrays. bench/run.py measured c up to 1.6
# times as fast as numba; and c has nothing to compile in a new process. reference is the oracle
# of the tests, about 100 times slower. The figures are in bench/results/.
_MODULES = {
    "c": "fastpr.backends.c",
    "numba": "fastpr.backends.numba",
    "reference": "fastpr.backends.reference",
    "cuda": "fastpr.backends.cuda.blocks",
}
BACKEND_NAMES = tuple(_MODULES)
# Those that sort scores, for exact curves; best first.
_SORTERS = {
    "numba": "fastpr.backends.numba.sort.blocks",
    "reference": "fastpr.backends.reference.sort",
}
# Reads the memory of devices. Arrays on the host it has to copy, so it gets these only by name.
DEVICE_BACKEND = "cuda"
_HOST_BACKENDS = tuple(name for name in BACKEND_NAMES if name != DEVICE_BACKEND)


class BackendUnavailable(RuntimeError):  # noqa: N818 - a state of the machine, not a mistake
    """A backend that was asked for by name cannot be used here; the message says why.

    Examples
    --------
    >>> import fastpr
    >>> for name in ("c", "numba", "reference", "cuda"):
    ...     try:
    ...         _ = fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.8], backend=name)
    ...     except fastpr.BackendUnavailable as error:
    ...         assert name not in fastpr.available_backends(), error
    """


_loaded: dict[str, Backend] = {}
_reasons: dict[str, str] = {}


def _load(name: str) -> Backend:
    """Import a backend once; raise ImportError if it cannot work here."""
    if name in _loaded:
        return _loaded[name]
    if name not in _reasons:
        try:
            with forks.loading:
                # NumPy loads this when somebody looks for it, and a fork would not wait for that
                import_module("numpy.ma")
                _loaded[name] = import_module(_MODULES[name])
            return _loaded[name]
        except ImportError as error:
            _reasons[name] = str(error)
    raise ImportError(_reasons[name])


def available_backends() -> list[str]:
    """Return the names of the backends that work here, the fastest first, and then "cuda".

    Every backend is loaded to find out, so the first call can take a second, and initialises
    CUDA where there is a GPU: a process that is going to fork, and to use CUDA in its children,
    should not ask.

    Returns
    -------
    list of str
        A part of ``["c", "numba", "reference", "cuda"]``.

    Examples
    --------
    >>> import fastpr
    >>> "reference" in fastpr.available_backends()
    True
    """
    names = []
    for name in BACKEND_NAMES:
        try:
            _load(name)
        except ImportError:
            continue
        names.append(name)
    return names


def described_backends() -> dict[str, str]:
    """Return what each backend says of itself, or why it is not there."""
    available = available_backends()
    return {
        name: _loaded[name].describe() if name in available else f"not there: {_reasons[name]}"
        for name in BACKEND_NAMES
    }


def check_backend(backend: str | None) -> str | None:
    """Return `backend` if it is None, "auto" or a known name, else say what is known."""
    if backend is None or (
        isinstance(backend, str) and (backend == "auto" or backend in BACKEND_NAMES)
    ):
        return backend
    raise ValueError(
        f"backend must be one of {', '.join(map(repr, ('auto', *BACKEND_NAMES)))} or None, "
        f"got {backend!r}"
    )


# os.environ encodes the name at each look, which is 5 % of a small update; what it looks into
# does not.
_encoded_name: Any = "FASTPR_BACKEND"
_environment: Any = os.environ
if hasattr(os.environ, "_data") and hasattr(os.environ, "encodekey"):
    _encoded_name = os.environ.encodekey("FASTPR_BACKEND")
    _environment = os.environ._data


def named_backend(backend: str | None) -> str | None:
    """Return the name in an argument or in FASTPR_BACKEND, or None if there is none.

    Raises
    ------
    ValueError
        If the name is not that of a backend.
    """
    name = backend
    if name is None or check_backend(name) == "auto":
        if _encoded_name not in _environment:
            return None
        name = os.environ.get("FASTPR_BACKEND") or "auto"
        if name != "auto" and name not in BACKEND_NAMES:
            raise ValueError(
                f"the environment variable FASTPR_BACKEND must be one of "
                f"{', '.join(('auto', *BACKEND_NAMES))}, got {name!r}"
            )
    return None if name == "auto" else name


def choose_backend(backend: str | None = None) -> tuple[str, Backend]:
    """Return the backend for host arrays: as named, by FASTPR_BACKEND, or the fastest here.

    Parameters
    ----------
    backend : str, optional
        A name; None or "auto" to leave the choice to the environment variable
        FASTPR_BACKEND, and then to what is there. "cuda" is only chosen by name.

    Returns
    -------
    tuple of (str, Backend)
        The name and the module.

    Raises
    ------
    BackendUnavailable
        If a backend that was named does not work here. There is no falling back.
    ValueError
        If the name is not that of a backend.
    """
    name = named_backend(backend)
    if name is not None:
        try:
            return name, _load(name)
        except ImportError as error:
            raise BackendUnavailable(
                f"backend {name!r} is not available: {error} "
                f"(available: {', '.join(available_backends())})"
            ) from None
    for candidate in _HOST_BACKENDS:
        if candidate in _loaded:
            return candidate, _loaded[candidate]
        try:
            return candidate, _load(candidate)
        except ImportError:
            continue
    raise BackendUnavailable("no backend works here; fastpr.doctor() says why")


def choose_sorter(backend: str | None = None) -> tuple[str, Sorter]:
    """Return what sorts scores on the host: as named, by FASTPR_BACKEND, or the fastest here.

    Returns
    -------
    tuple of (str, Sorter)
        The name of the backend, and the module.

    Raises
    ------
    BackendUnavailable
        If a backend that was named does not sort, or does not work here.
    ValueError
        If the name is not that of a backend.
    """
    name = named_backend(backend)
    if name is not None and name not in _SORTERS:
        source = "" if name == backend else " (FASTPR_BACKEND names it)"
        raise BackendUnavailable(
            f"backend {name!r} does not sort scores, as exact curves need it{source}; pass "
            f"backend={' or '.join(map(repr, _SORTERS))}"
        )
    for candidate in _SORTERS if name is None else [name]:
        try:
            _load(candidate)
        except ImportError:
            continue
        with forks.loading:
            sorter: Sorter = import_module(_SORTERS[candidate])
        return candidate, sorter
    choose_backend(name)  # which says why
    raise BackendUnavailable("no backend that sorts works here; fastpr.doctor() says why")
