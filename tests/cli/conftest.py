"""What tests of the command line share: a good pair of files, and the same random numbers."""

from pathlib import Path

import pytest
from command_line import restart_random_numbers, save_pair


@pytest.fixture(autouse=True)
def _same_random_numbers_in_any_order_of_tests() -> None:
    restart_random_numbers()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A good pair of files."""
    return save_pair(tmp_path)
