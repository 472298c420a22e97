"""The rooms of the house: who may use whom, what is where, and that importing it is cheap."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import tiers

import fastpr
from fastpr.backends.choose import BACKEND_NAMES

PACKAGE = Path(fastpr.__path__[0])
ROOT = Path(__file__).resolve().parents[2]
BACKENDS = {"backends.choose", "backends.integers", "backends.parallel", "backends.protocol"}

# What a file of each room may import, beside its own room. A room is a folder of fastpr/; in
# backends/, each file and each backend is one. "face" is the package itself.
MAY_USE = {
    "backends.forks": set(),
    "backends.integers": set(),
    "backends.protocol": set(),
    "backends.rules": set(),
    "backends.parallel": {"backends.integers"},
    "backends.choose": {"backends.forks", "backends.protocol"},
    "backends.doctor": {"backends.choose", "backends.parallel"},
    "backends.c": {"backends.protocol"},
    "backends.reference": {"backends.protocol", "backends.rules"},
    "backends.numba": {"backends.forks", "backends.protocol", "backends.rules"},
    "backends.cuda": {"backends.protocol", "backends.rules"},
    "curves": set(),
    "io": set(),
    "data": set(),
    "arrays": {"backends.choose", "backends.protocol"},
    "streaming": {"backends.choose", "backends.parallel"},
    "counts": {"curves", "streaming", "arrays", "backends.rules", *BACKENDS},
    "ranking": {"streaming", "arrays", *BACKENDS},
    "exact": {"arrays", "backends.choose", "backends.parallel", "backends.protocol"},
    "resampling": {"counts", "curves", "streaming"},
    "face": {"counts", "ranking", "exact", "curves", "resampling", "backends.doctor",
             "backends.forks", *BACKENDS},
    # the face, and what options can be, and the checks of weights and of an indptr
    "cli": {
        "face", "io", "data", "backends.choose", "counts.bins", "curves.curve", "ranking.options",
        "arrays.weights", "ranking.rows.sparse",
    },
}  # fmt: skip
# Files that load what they run on a device, inside functions, and its kernels by name.
ON_DEVICE = {"arrays/device.py", "counts/count_device.py", "ranking/ranks/device.py"}
# Files that import what their tables of literal names say.
BY_TABLE = {"choose.py", "__init__.py"}
MOST_FILES = 16
LONGEST_CHAIN = 12


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
}  # fmt: skip


def walk(node):
    """Yield the nodes of a tree, but for what is there for type checkers alone."""
    yield node
    for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in node.orelse if for_types else ast.iter_child_nodes(node):
        yield from walk(child)


def found_imports(path, modules=FILES):
    """Yield (module of the package, whether it is inside a function) for each import of a file.

    Strings that name a module count: `importlib.import_module` gets them.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.append(full if full in modules else node.module or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if node.value in modules and "." in node.value else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # a name that is put together is seen nowhere
            is_literal = isinstance(node.args[0], ast.Constant)
            assert is_literal or path.name in BY_TABLE, f"{path}: import_module of a variable"
        for name in names:
            if name.split(".")[0] == "fastpr":
                yield name, id(node) in inner


def room_of(module):
    parts = module.split(".")
    if len(parts) == 1 or parts[1] in ("_version", "_c"):
        return "face"
    return ".".join(parts[1:3]) if parts[1] == "backends" else parts[1]


IMPORTS = {module: list(found_imports(path)) for module, path in FILES.items()}
IMPORTS["fastpr"] += [(f"fastpr.{room}", True) for room in fastpr._NAMES_OF]


def relative(module):
    return FILES[module].relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", FILES)
def test_a_room_uses_what_it_may(module):
    here = room_of(module)
    allowed = MAY_USE[here] if here != "backends" else set()
    for name, is_inside in IMPORTS[module]:
        room = room_of(name)
        if name == "fastpr._c":
            assert module == "fastpr.backends.c.library"
            continue
        if room == here or name == "fastpr._version" or room in allowed:
            continue
        by_name = name.removeprefix("fastpr.")
        if room == "backends.cuda" and relative(module) in ON_DEVICE and is_inside:
            continue
        if room in {f"backends.{backend}" for backend in BACKEND_NAMES}:
            assert module == "fastpr.backends.choose", f"{module} imports {name}"
            continue
        assert by_name in allowed, f"{module} ({here}) imports {name}"


def test_every_room_is_in_the_table():
    rooms = {room_of(module) for module in FILES} - {"backends"}
    assert rooms == MAY_USE.keys()


def first_circle(graph):
    """Return a list of modules that import each other in a circle, or None."""
    done, way = set(), []

    def visit(module):
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done or module not in graph:
            return None
        way.append(module)
        circle = next(filter(None, map(visit, graph[module])), None)
        way.pop()
        done.add(module)
        return circle

    return next(filter(None, map(visit, graph)), None)


GRAPH = {
    # that of a name from the face is that of the file which has it
    module: sorted({name for name, _ in found if name not in (module, "fastpr")})
    for module, found in IMPORTS.items()
}


def test_no_circle():
    assert first_circle(GRAPH) is None
    assert first_circle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]


@cache
def longest_chain(module):
    others = [
        name
        for name in GRAPH.get(module, [])
        if room_of(name) not in {f"backends.{backend}" for backend in BACKEND_NAMES}
    ]
    return max([[module], *([module, *longest_chain(name)] for name in others)], key=len)


def test_chains_of_imports_are_short():
    library = [name for name in GRAPH if room_of(name) not in ("face", "cli")]
    chain = max(map(longest_chain, library), key=len)
    assert len(chain) - 1 <= LONGEST_CHAIN, " -> ".join(chain)


def test_host_and_device_do_not_know_each_other():
    for folder in PACKAGE.rglob("*"):
        if not (folder / "device.py").exists() or not (folder / "host.py").exists():
            continue
        names = {name: module_name(folder / f"{name}.py") for name in ("host", "device")}
        assert names["device"] not in {name for name, _ in IMPORTS[names["host"]]}
        assert names["host"] not in {name for name, _ in IMPORTS[names["device"]]}


def private_uses(tree):
    """Yield names with a leading underscore that are used and not made in a file.

    What a class inherits it may use: attributes of `self`, `cls` and `super()`.
    """
    made = {"_version", "_c", "_replace", "_fields", "_asdict", "_make"}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            made.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            made |= set(ast.literal_eval(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastpr"):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            named = node.args[1]
            names = [named.value] if isinstance(named, ast.Constant) else []
            names = [] if ast.unparse(node.args[0]) == "self" else names
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            inherits = owner in ("self", "cls", "super()")
            names = [] if inherits else [node.attr]
        else:
            continue
        for name in names:
            if name.startswith("_") and not name.startswith("__") and name not in made:
                yield name


# Private parts of others' packages: of Python's os, and of Numba and numba-cuda.
OF_OTHERS = {
    "backends/choose.py": {"_data"},
    "backends/cuda/device.py": {"_codelibrary"},
    "backends/forks.py": {"_lock"},
    "backends/numba/compile.py": {"_reduce", "_rebuild", "_cache", "_lock"},
}


@pytest.mark.parametrize("module", FILES)
def test_private_names_stay_in_their_file(module):
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    assert set(private_uses(tree)) <= OF_OTHERS.get(relative(module), set())


def test_a_private_name_of_another_file_is_seen():
    for text, names in (
        ("from fastpr.a import _b", ["_b"]),
        ("x.a._b", ["_b"]),
        ("def _b(): 0\nx._b()", []),
        ("class A:\n  def f(self): return self._b, super()._c", []),
        ("getattr(x, '_b')", ["_b"]),
        ("class A:\n  __slots__ = ('_b', 'c')\nx._b, x._d", ["_d"]),
    ):
        assert list(private_uses(ast.parse(text))) == names


@pytest.mark.parametrize("top", ["fastpr", "csrc"])
def test_folders_stay_small(top):
    folders = [PACKAGE if top == "fastpr" else ROOT / top]
    folders += [path for path in folders[0].rglob("*") if path.is_dir()]
    for folder in folders:
        if folder.name in ("__pycache__", "data"):
            continue
        files = [p for p in folder.iterdir() if p.suffix in (".py", ".pyi", ".c", ".h")]
        assert len(files) <= MOST_FILES, folder
    if top == "fastpr":
        names = {p.name for p in PACKAGE.iterdir() if p.is_file() and not p.name.startswith("_c.")}
        assert names == {"__init__.py", "__init__.pyi", "_version.py", "py.typed"}


def test_every_folder_is_a_package():
    for path in FILES.values():
        assert (path.parent / "__init__.py").exists(), path


# ---- the face ----


def test_the_stub_says_what_the_face_loads():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    said = {alias.asname: (node.module, alias.name) for node in stub.body for alias in node.names}
    assert sorted(said) == fastpr.__all__
    for public, (room, name) in said.items():
        assert public == name
        if public in ("__version__", "exact"):
            continue
        assert f"fastpr.{fastpr._ROOM_OF[public]}" == room
        assert getattr(fastpr, public) is getattr(sys.modules[room], name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'fastpr' has no attribute 'curve_of'"):
        _ = fastpr.curve_of
    assert set(fastpr.__all__) <= set(dir(fastpr))
    namespace = {}
    exec("from fastpr import *", namespace)
    assert namespace.keys() >= set(fastpr.__all__)


def loaded_by(program):
    """Return the modules that a program in a new process has loaded, beside those of NumPy."""
    program = (
        "import sys, numpy; before = set(sys.modules)\n"
        f"{program}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


# concurrent.futures and logging are there for a reason: fastpr/backends/forks.py
HEAVY = {
    "numba", "llvmlite", "cffi", "_cffi_backend", "torch", "cupy", "jax", "scipy", "click",
    "rich", "PIL", "tifffile", "ml_dtypes", "multiprocessing", "pathlib", "platform", "matplotlib",
}  # fmt: skip


def test_importing_loads_nothing_heavy():
    every = "import fastpr\n" + "\n".join(
        f"fastpr.{name}" for name in fastpr.__all__ if name != "exact"
    )
    for program in ("import fastpr", every):
        loaded = loaded_by(program)
        assert not {name.split(".")[0] for name in loaded} & HEAVY, program
        assert "fastpr" in loaded
    assert len([name for name in loaded_by("import fastpr") if name.startswith("fastpr")]) < 6


@pytest.mark.skipif("c" not in fastpr.available_backends(), reason="needs the C extension")
def test_counting_with_c_loads_no_numba():
    loaded = loaded_by(
        "import fastpr\n"
        "fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.8], backend='c')"
    )
    assert "numba" not in loaded
    assert "fastpr.backends.c" in loaded


def test_there_is_one_list_of_backends():
    """Names of backends are written out in the table and in documentation, nowhere else."""
    for module, path in FILES.items():
        if module == "fastpr.backends.choose" or room_of(module) in {
            f"backends.{name}" for name in BACKEND_NAMES
        }:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in ("numba", "reference"):
                raise AssertionError(f"{path} names the backend {node.value!r}")


def test_strings_and_types_are_told_apart(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport_module('fastpr.curves.curve')\n"
        "if TYPE_CHECKING:\n    from fastpr.curves import areas\nelse:\n    import fastpr.io\n"
        "def f():\n    from fastpr.curves import best\n"
    )
    assert list(found_imports(path)) == [
        ("fastpr.curves.curve", False),
        ("fastpr.io", False),
        ("fastpr.curves.best", True),
    ]
    path.write_text("import_module(f'fastpr.{room}')\n")
    with pytest.raises(AssertionError, match="import_module of a variable"):
        list(found_imports(path))
    assert room_of("fastpr.backends.numba.sort.blocks") == "backends.numba"


def test_the_tiers_name_files_that_are_there():
    """A file that moved would go over to the default tier without a word."""
    for name in tiers.FILES | tiers.INDEPENDENT_OF_C:
        assert (ROOT / "tests" / name).exists(), name
