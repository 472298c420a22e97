"""``fastpr._c``: the library, and which of its variants counts.

cffi releases the GIL around every call.
"""

from __future__ import annotations

import os
from typing import Any

try:
    from fastpr._c import ffi, lib
except ImportError as error:
    raise ImportError(
        f"the C extension was not built ({error}); install a C compiler and then fastpr again, "
        "with pip's -v to see what the compiler says"
    ) from error

_ALL = {
    ffi.string(lib.fastpr_variant_name(variant)).decode(): variant
    for index in range(lib.fastpr_num_variants())
    for variant in [lib.fastpr_get_variant(index)]
}

__all__ = ["VARIANTS", "describe", "ffi", "lib", "use_variant", "variant", "variant_name"]

# The rows of the run-time table that this CPU can run, the fastest first.
VARIANTS = {
    name: variant for name, variant in _ALL.items() if lib.fastpr_variant_is_supported(variant)
}

_variant: str = next(iter(VARIANTS))


def use_variant(name: str) -> None:
    """Make one row of the run-time table the one that counts, in this process.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.

    Raises
    ------
    ImportError
        If this build or this CPU has no such variant.
    """
    global _variant
    if name not in _ALL:
        raise ImportError(
            f"the environment variable FASTPR_C_VARIANT must be one of {', '.join(_ALL)}, "
            f"got {name!r}"
        )
    if name not in VARIANTS:
        lacking = "CPU" if lib.fastpr_variant_is_built(_ALL[name]) else "build"
        raise ImportError(
            f"this {lacking} has no variant {name} (FASTPR_C_VARIANT); it has {', '.join(VARIANTS)}"
        )
    _variant = name


if os.environ.get("FASTPR_C_VARIANT"):
    use_variant(os.environ["FASTPR_C_VARIANT"])


def variant() -> Any:
    """Return the row of the run-time table that counts."""
    return VARIANTS[_variant]


def variant_name() -> str:
    """Return its name."""
    return _variant


def describe() -> str:
    """Return a few words about this build."""
    return f"variant {_variant} (this CPU runs {', '.join(VARIANTS)})"
