"""Which backends are tested; FASTPR_REQUIRE names those (and torch) whose absence is a failure."""

import importlib.util
import os

import pytest
from backend_rows import ROWS

import fastpr


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
