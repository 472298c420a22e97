"""Where something was measured, and of which code."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import subprocess
import time
import tokenize
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# What decides how fast a kernel is; figures are stale when one of these changes. The sort of
# `fastpr.exact` is timed by bench/exact_scores.py, which keeps no results here.
KERNELS = (
    "csrc/**/*.[ch]",
    "fastpr/backends/c/**/*.py",
    "fastpr/backends/numba/*.py",
    "fastpr/backends/numba/histogram/**/*.py",
    "fastpr/backends/numba/ranks/**/*.py",
    "fastpr/backends/choose.py",
    "fastpr/backends/parallel.py",
    "fastpr/backends/rules.py",
    "fastpr/counts/count_host.py",
    "fastpr/counts/samples/host.py",
    "fastpr/ranking/ranks/host.py",
)
_PACKAGES = ("numpy", "numba", "llvmlite", "cffi", "pytest-benchmark", "ml_dtypes", "matplotlib")
_C_COMMENT = re.compile(r"""//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.DOTALL)
_C_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[^\n]*$", re.MULTILINE)


def fingerprint(root: Path = ROOT, patterns: tuple[str, ...] = KERNELS) -> str:
    """Return a digest of the code of all kernels.

    It is that of the sorted digests of their contents without imports, comments, docstrings and
    layout. So where a file is, and what it is called, is not in it: a move changes nothing.
    """
    paths = {path for pattern in patterns for path in root.glob(pattern)}
    codes = {code_of(path.name, path.read_text(encoding="utf-8")) for path in paths} - {""}
    return digest_of(codes)


def digest_of(codes: set[str]) -> str:
    """Return the digest of a set of codes."""
    each = sorted(hashlib.sha256(code.encode()).hexdigest() for code in codes)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()[:16]


def code_of(name: str, text: str) -> str:
    """Return what of a file of that name decides how fast it is."""
    return python_code(text) if name.endswith(".py") else c_code(text)


def c_code(text: str) -> str:
    """Return C without includes, comments and white space."""
    bare = _C_COMMENT.sub(lambda found: found[1] or " ", text)
    return re.sub(r"\s+", "", _C_INCLUDE.sub("", bare))


def python_code(text: str) -> str:
    """Return Python without imports, comments, docstrings and white space; blocks have marks.

    From tokens, and not from `ast.dump`, which differs between versions of Python.
    """
    marks = {tokenize.INDENT: "<in>", tokenize.DEDENT: "<out>", tokenize.NEWLINE: ";"}
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)
    tokens = [
        (token.type, token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in skipped
    ]
    words = []
    before, is_dropped = tokenize.NEWLINE, False
    for (kind, word), (following, _) in zip(tokens, [*tokens[1:], (-1, "")], strict=True):
        if before in marks and kind not in marks:  # a statement starts
            # a string that is a statement, and then the end of its line
            is_docstring = kind == tokenize.STRING and following == tokenize.NEWLINE
            is_dropped = is_docstring or word in ("import", "from")
        if not is_dropped:
            words.append(marks.get(kind, word))
        elif kind == tokenize.NEWLINE:
            is_dropped = False
        before = kind
    joined = re.sub(r"\s+", "", "".join(words))
    # From 3.12 on f-strings are several tokens, in which a doubled brace is a single one.
    return re.sub(r"([{}])\1+", r"\1", joined)


def file_name(machine: dict[str, Any]) -> str:
    """Return the name of the results of a machine, without suffix."""
    return re.sub(r"[^a-z0-9]+", "-", f"{machine['cpu']}-{machine['cpus']}".lower()).strip("-")


def describe(threads: int, packages: tuple[str, ...]) -> dict[str, Any]:
    """Return what a figure depends on: the machine, the commit and the versions."""
    import fastpr

    return {
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "caches": _caches(),
        "memory_gigabytes": round(memory_bytes() / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
        "backends": fastpr.available_backends(),
        "versions": {
            "fastpr": fastpr.__version__,
            "python": platform.python_version(),
            **{
                name: found
                for name in sorted({*_PACKAGES, *packages})
                if (found := _version(name)) is not None
            },
        },
    }


def memory_bytes() -> int:
    """Return the size of the memory, or 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    model, family = platform.processor() or platform.machine(), ""
    if (path := Path("/proc/cpuinfo")).exists():
        text = path.read_text()
        if found := re.search(r"model name\s*: (.*)", text):
            model = found[1]
        if found := re.search(r"cpu family\s*: (\d+)\nmodel\s*: (\d+)", text):
            family = f" (family {found[1]}, model {found[2]})"
    return f"{model}{family}"


def _caches() -> dict[str, str]:
    """Return the sizes of the caches of a core, where Linux tells them."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (index / name).read_text().strip() for name in ("level", "type", "size")
        )
        if kind != "Instruction":
            sizes[f"L{level}"] = size
    return sizes


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
        ).stdout.strip()

    changed = git("status", "--porcelain", "--", *(f":(glob){pattern}" for pattern in KERNELS))
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" and changes" if changed else "")
