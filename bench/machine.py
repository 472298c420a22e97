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
# What decides how fast a kernel is; figures are stale when one of these changes.
KERNELS = (
    "csrc/*.[ch]",
    "fastpr/backends/c.py",
    "fastpr/backends/numba_*.py",
    "fastpr/dispatch.py",
    "fastpr/inputs.py",
    "fastpr/parallel.py",
    "fastpr/rank_dispatch.py",
    "fastpr/rules.py",
)
NOT_TIMED = "numba_sort*.py"  # by bench/exact_scores.py, which keeps no results here
_PACKAGES = ("numpy", "numba", "llvmlite", "cffi", "pytest-benchmark", "ml_dtypes", "matplotlib")
_C_COMMENT = re.compile(r"""//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.DOTALL)


def fingerprint(root: Path = ROOT) -> str:
    """Return a digest of the code of all kernels, whatever its comments, docstrings and layout."""
    digest = hashlib.sha256()
    paths = sorted({path for pattern in KERNELS for path in root.glob(pattern)})
    paths = [path for path in paths if not path.match(NOT_TIMED)]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        code = python_code(text) if path.suffix == ".py" else c_code(text)
        digest.update(f"{path.relative_to(root).as_posix()}\0{code}\0".encode())
    return digest.hexdigest()[:16]


def c_code(text: str) -> str:
    """Return C without comments and white space."""
    return re.sub(r"\s+", "", _C_COMMENT.sub(lambda found: found[1] or " ", text))


def python_code(text: str) -> str:
    """Return Python without comments, docstrings and white space; blocks have marks.

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
        starts = before in marks
        # a string that is a statement, and then the end of its line
        is_dropped = (is_dropped and kind == tokenize.NEWLINE) or (
            starts and kind == tokenize.STRING and following == tokenize.NEWLINE
        )
        if not is_dropped:
            words.append(marks.get(kind, word))
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

    changed = git("status", "--porcelain", "--", *(pattern for pattern in KERNELS))
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" and changes" if changed else "")
