"""Imports point down, and importing the package is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastpr

PACKAGE = Path(fastpr.__path__[0])

# Floors, the lowest first; a module may import from its own floor and from those below.
FLOORS = [
    {"rules", "_version"},
    {"backends"},
    {"parallel", "dispatch", "rank_dispatch"},
    {
        "thresholds", "bins", "arrays", "inputs", "sparse", "labels", "rows",
        "dlpack", "device_arrays", "device_samples", "device_rows",
    },
    {
        "curve", "counts", "storage", "exact_sums", "row_sums", "hits", "ranking",
        "count_tables", "binned_counts", "estimates", "areas", "bounds", "best_cuts",
        "operating_points", "calibration", "curves",
    },
    {
        "pending", "functional", "streaming", "states", "device_counts", "device_ranking",
        "device_rank_work",
        "ranking_values", "ranking_functions", "ranking_labels", "ranking_top_k",
        "ranking_streaming", "ranking_states",
        "saving", "exact", "exact_curves", "exact_inputs", "group_tables", "bootstrap",
        "plots", "plot_kinds", "plot_shapes",
    },
    {"__init__"},
    {"io"},
    {"cli"},
]  # fmt: skip
FLOOR_OF = {name: number for number, floor in enumerate(FLOORS) for name in floor}


def imported_parts(path):
    """Yield the first part below `fastpr` of everything a file imports from the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "fastpr":
                    yield [*alias.name.split("."), "__init__"][1]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            parts = (node.module or "").split(".")
            if parts[0] != "fastpr":
                continue
            if len(parts) > 1:
                yield parts[1]
            else:
                names = {alias.name for alias in node.names}
                yield from names & FLOOR_OF.keys() or {"__init__"}


FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "data"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    relative = path.relative_to(PACKAGE)
    here = relative.parts[0] if len(relative.parts) > 1 else relative.stem
    for part in imported_parts(path):
        if part == "_c":
            assert relative.as_posix() == "backends/c.py"
            continue
        assert FLOOR_OF[part] <= FLOOR_OF[here], f"{relative} imports {part}"


def test_the_floors_hold_every_module():
    parts = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in FILES}
    assert parts == FLOOR_OF.keys()


def test_importing_loads_nothing_heavy():
    program = (
        "import sys, numpy; before = set(sys.modules); import fastpr; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    heavy = {
        "numba", "llvmlite", "cffi", "_cffi_backend", "torch", "cupy", "jax", "scipy", "click",
        "rich", "PIL", "tifffile", "ml_dtypes", "concurrent", "multiprocessing", "logging",
        "pathlib", "platform", "importlib",
    }  # fmt: skip
    assert not loaded & (heavy - {"importlib"}), loaded & heavy
    assert "fastpr" in loaded


def test_counting_with_c_loads_no_numba():
    if "c" not in fastpr.available_backends():
        pytest.skip("the C extension is not built here")
    program = (
        "import sys, fastpr; "
        "fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.8], backend='c'); "
        "print('numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False"


def test_there_is_one_list_of_backends():
    """Names of backends are written out in the table and in documentation, nowhere else."""
    for path in FILES:
        if path.name in ("dispatch.py",) or path.parent.name == "backends":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in ("numba", "reference"):
                raise AssertionError(f"{path} names the backend {node.value!r}")
