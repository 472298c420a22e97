"""Describe the C extension ``fastpr._c`` to cffi; setup.py compiles it."""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent

ffibuilder = FFI()
ffibuilder.cdef((HERE / "prototypes.h").read_text())
ffibuilder.set_source(
    "fastpr._c",
    '#include "fastpr.h"',
    include_dirs=["csrc"],
    sources=["csrc/variants.c", "csrc/variant_rule.c", "csrc/variant_baseline.c"],
    depends=[f"csrc/{header.relative_to(HERE)}" for header in sorted(HERE.rglob("*.h"))],
)
