"""What is there, which backend arrays get, and why."""

from __future__ import annotations

import os
import sys
from typing import IO

import numpy as np

from fastpr._version import __version__
from fastpr.backends import parallel
from fastpr.backends.choose import (
    DEVICE_BACKEND,
    BackendUnavailable,
    available_backends,
    choose_backend,
    choose_sorter,
    described_backends,
)


def doctor(file: IO[str] | None = None) -> None:
    """Print what is there, which backend arrays get, and why.

    Initialises CUDA, where there is a GPU, to look for it.

    Parameters
    ----------
    file : text file, optional
        Where to print; standard output by default.

    Examples
    --------
    >>> import io
    >>> import fastpr
    >>> text = io.StringIO()
    >>> fastpr.doctor(file=text)
    >>> "reference" in text.getvalue()
    True
    """
    import platform

    out = file if file is not None else sys.stdout
    try:
        threads = str(parallel.get_num_threads())
    except ValueError as error:
        threads = str(error)
    lines = [
        f"fastpr {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{platform.system()} {platform.machine()}",
        f"threads: {threads} (FASTPR_NUM_THREADS="
        f"{os.environ.get('FASTPR_NUM_THREADS', 'not set')})",
        "backends for arrays on the host, the fastest first, and for those on a device:",
    ]
    lines += [f"  {name:<10} {state}" for name, state in described_backends().items()]
    try:
        chosen, _ = choose_backend()
    except (BackendUnavailable, ValueError) as error:
        lines.append(f"host arrays: no backend, because {error}")
    else:
        named = os.environ.get("FASTPR_BACKEND", "auto") not in ("", "auto")
        reason = "FASTPR_BACKEND says so" if named else "the fastest that is there"
        lines.append(f"host arrays: {chosen} ({reason})")
    try:
        lines.append(f"exact curves: {choose_sorter()[0]} (of those that sort)")
    except (BackendUnavailable, ValueError) as error:
        lines.append(f"exact curves: no backend, because {error}")
    if DEVICE_BACKEND in available_backends():
        lines.append(f"device arrays: {DEVICE_BACKEND} (where they are)")
    else:
        lines.append("device arrays: no backend; copy them to the host")
    print("\n".join(lines), file=out)
