"""Options and fixtures of the benchmarks: `pytest bench`, or `python bench/run.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import fastpr  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fastpr benchmarks")
    group.addoption("--quick", action="store_true", help="small sizes: only check the answers")
    group.addoption(
        "--threads", type=int, default=None, help="that count; by default, one for each CPU"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            # warnings of peers are theirs
            item.add_marker(pytest.mark.filterwarnings("ignore"))


class Scale(NamedTuple):
    quick: bool
    threads: int

    def rounds(self, num: int) -> int:
        return 2 if self.quick else num


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    """How large everything is, and how many threads count."""
    threads = request.config.getoption("--threads") or fastpr.get_num_threads()
    return Scale(request.config.getoption("--quick"), threads)


@pytest.fixture
def keep(benchmark: Any) -> Any:
    """Return a function that keeps what was measured, for bench/run.py to collect."""

    def function(kind: str, name: str, **values: Any) -> None:
        benchmark.extra_info.update({"kind": kind, "name": name, **values})

    return function
