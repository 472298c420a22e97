"""Which tests run: tiers, and backends; FASTPR_REQUIRE names those whose absence is a failure."""

import faulthandler
import importlib.util
import os
import sys
from pathlib import Path

import pytest
import tiers
from backend_rows import IS_SIMULATED, ON_DEVICE, ROWS, is_rare
from hypothesis import HealthCheck, settings

import fastpr

FOLDER = Path(__file__).parent
KERNELS = "FASTPR_NUMBA_CACHE_DIR"

# The examples of a test are the same in every run, and a slow day is no failure.
# `pytest --hypothesis-profile=search` looks for new ones; what it finds becomes a test.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", steady, print_blob=True)
settings.register_profile("same", steady, derandomize=True, database=None)
settings.register_profile("few", settings.get_profile("same"), max_examples=10)

# What needs a device, or Numba's simulator of one: backends/cuda/test_simulator.py runs these in a
# process of its own, and fails if one of them does not run there.
if "cuda" not in ROWS:
    collect_ignore = ON_DEVICE

if IS_SIMULATED:
    # Threads of a simulated block wait for each other in a loop, each 5 ms unless told otherwise.
    sys.setswitchinterval(1e-5)


def pytest_addoption(parser):
    parser.addoption(
        "--all", action="store_true",
        help="run the exhaustive tests as well; one file of them runs when it is named",
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    settings.load_profile("same" if config.option.all else "few")
    if not hasattr(config, "workerinput") and KERNELS not in os.environ:
        share_kernels(config)


def share_kernels(config):
    """Let all workers, and the processes they start, compile each kernel once.

    Kernels are kept beside pytest's own cache: a new checkout starts with none, and
    ``--cache-clear`` removes them.
    """
    if not hasattr(config, "cache"):  # -p no:cacheprovider
        return
    try:
        folder = config.cache.mkdir("kernels")
        folder.chmod(0o700)
    except OSError:
        return
    os.environ[KERNELS] = str(folder)


def pytest_report_header(config):
    tier = "all tests" if config.option.all else "the default tier of tests (all: --all)"
    return [
        f"fastpr {fastpr.__version__} at {fastpr.__path__[0]}; backends: {', '.join(ROWS)}",
        f"{tier}; kernels of Numba are kept in {os.environ.get(KERNELS, 'the folder of the user')}",
    ]


def is_named(config, path):
    """Return whether the command line names a file, and not only a folder that it is in."""
    start = config.invocation_params.dir
    return any(Path(start, arg.partition("::")[0]).resolve() == path for arg in config.args)


def pytest_ignore_collect(collection_path, config):
    if collection_path.suffix != ".py" or config.option.all:
        return None
    name = collection_path.relative_to(FOLDER).as_posix()
    return True if name in tiers.FILES and not is_named(config, collection_path) else None


def pytest_collection_modifyitems(config, items):
    for item in items:
        name = item.path.relative_to(FOLDER).as_posix()
        if name in tiers.FILES or is_rare(item):
            item.add_marker("exhaustive")
        if name in tiers.INDEPENDENT_OF_C:
            item.add_marker("independent_of_c")
    if config.option.all:
        return
    left_out = [
        item
        for item in items
        if item.get_closest_marker("exhaustive") and not is_named(config, item.path)
    ]
    if left_out:
        left_out_ids = {id(item) for item in left_out}
        items[:] = [item for item in items if id(item) not in left_out_ids]
        config.hook.pytest_deselected(items=left_out)
    config.stash[NUM_LEFT_OUT] = len(left_out)
    if hasattr(config, "workeroutput"):
        config.workeroutput["fastpr_left_out"] = len(left_out)


NUM_LEFT_OUT = pytest.StashKey[int]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    number = getattr(node, "workeroutput", {}).get("fastpr_left_out", 0)
    node.config.stash[NUM_LEFT_OUT] = number


def pytest_terminal_summary(terminalreporter, config):
    number = config.stash.get(NUM_LEFT_OUT, 0)
    if number:
        files = f"{len(tiers.FILES)} files and {number} further tests"
        terminalreporter.line(f"{files} of the exhaustive tier were not run: pytest --all")


def pytest_sessionstart(session):
    # No test fails by a clock; what waits for ever says where.
    faulthandler.enable()
    required = [name for name in os.environ.get("FASTPR_REQUIRE", "").split(",") if name]
    missing = sorted(
        name
        for name in set(required) - set(fastpr.available_backends())
        if name != "torch" or importlib.util.find_spec("torch") is None
    )
    if missing:
        raise pytest.UsageError(f"FASTPR_REQUIRE names what is not available: {', '.join(missing)}")


@pytest.fixture(params=ROWS)
def row(request):
    """Each backend, and each variant of the C backend, as a name for `backend_rows.using`."""
    return request.param
