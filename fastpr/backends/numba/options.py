"""How kernels and the functions in them are compiled: what is handed to ``numba.njit``."""

from __future__ import annotations

from typing import Any

# Division by zero and NaN as IEEE has them; no fastmath, which removes tests for NaN. No
# reference counting: Numba would count, atomically, each use of each array for each row, which
# took twice the time of short rows. Nothing here makes or keeps an array.
KERNEL_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

# Handing over a dozen arrays takes longer than the work on a row. By LLVM, functions become part
# of what calls them after they are compiled; by Numba before that, which takes longer to
# compile, and is faster where arguments are only handed on.
INLINED_BY_LLVM: dict[str, Any] = {**KERNEL_OPTIONS, "forceinline": True}
INLINED_BY_NUMBA: dict[str, Any] = {**KERNEL_OPTIONS, "inline": "always"}
