"""Build the optional C extension; everything else about the package is in pyproject.toml."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from setuptools import setup
from setuptools.command.build_ext import build_ext

# Files that are compiled for more than the baseline CPU. A run-time check picks among
# them, so no flag of this list may ever be given to another file.
AVX512_FLAGS = [
    "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma",
    "-mprefer-vector-width=512",
]  # fmt: skip
VARIANT_FLAGS = {
    "csrc/variant_avx2.c": {
        "unix": ["-mavx2", "-mfma"],
        "msvc": ["/arch:AVX2"],
    },
    "csrc/variant_avx512.c": {
        "unix": AVX512_FLAGS,
        "msvc": ["/arch:AVX512"],
    },
    "csrc/variant_avx512vbmi2.c": {
        "unix": [*AVX512_FLAGS, "-mavx512vbmi2"],
        "msvc": ["/arch:AVX512"],
    },
}

# No contraction: the same arithmetic in every build. No errno and no traps: the loops
# can then be vectors. Neither changes a result.
COMMON_FLAGS = {
    "unix": [
        "-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
        "-Wall", "-Wextra",
    ],
    "msvc": ["/std:c11", "/O2", "/fp:precise"],
}  # fmt: skip


class BuildVariants(build_ext):
    """Compile each variant with its own flags, and go on without the extension if need be."""

    def build_extension(self, ext):
        ext.optional = True
        flavour = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
        common = list(COMMON_FLAGS[flavour])
        ext.extra_compile_args = common + ext.extra_compile_args

        def compile_one(item):
            source, flags = item
            return self.compile_variant(ext, source, flags[flavour], common)

        try:
            # side by side: each is the whole of the kernels again
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                ext.extra_objects = [
                    *ext.extra_objects,
                    *pool.map(compile_one, VARIANT_FLAGS.items()),
                ]
            super().build_extension(ext)
        except Exception as error:
            if os.environ.get("FASTPR_REQUIRE_C"):
                raise
            self.warn(
                f"the C extension of fastpr was not built: {error}\n"
                "fastpr works without it, on Numba. For the C backend, install a C compiler "
                "(Debian and Ubuntu: apt-get install gcc python3-dev) and install fastpr again."
            )

    def compile_variant(self, ext, source, flags, common):
        def compile_with(extra):
            return self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=ext.include_dirs,
                extra_postargs=common + extra,
                depends=ext.depends,
            )[0]

        try:
            return compile_with(flags)
        except Exception:
            # Another architecture or an old compiler: the file then compiles to a row
            # without kernels, which the run-time table skips.
            return compile_with([])


setup(
    cffi_modules=["csrc/build_c.py:ffibuilder"],
    cmdclass={"build_ext": BuildVariants},
)
