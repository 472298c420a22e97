"""Which backends are tested; FASTPR_REQUIRE names those (and torch) whose absence is a failure."""

import importlib.util
import os
import sys

import pytest
from backend_rows import IS_SIMULATED, ON_DEVICE, ROWS
from hypothesis import HealthCheck, settings

import fastpr

# The examples of a test are the same in every run, and a slow day is no failure.
# `pytest --hypothesis-profile=search` looks for new ones; what it finds becomes a test.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", steady, print_blob=True)
settings.register_profile("same", steady, derandomize=True, database=None)
settings.load_profile("same")

# What needs a device, or Numba's simulator of one: tests/test_cuda_simulator.py runs these in a
# process of its own, and fails if one of them does not run there.
if "cuda" not in ROWS:
    collect_ignore = ON_DEVICE

if IS_SIMULATED:
    # Threads of a simulated block wait for each other in a loop, each 5 ms unless told otherwise.
    sys.setswitchinterval(1e-5)


def pytest_report_header(config):
    return f"fastpr {fastpr.__version__} at {fastpr.__path__[0]}; backends: {', '.join(ROWS)}"


def pytest_sessionstart(session):
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
