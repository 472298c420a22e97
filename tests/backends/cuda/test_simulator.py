"""The CUDA backend passes the conformance list in Numba's simulator, in a process of its own.

The simulator has no types and no hardware: what is compiled is run by test_emulated.py.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backend_rows import IS_SIMULATED, ON_DEVICE
from waiting import FOREVER

FOLDER = Path(__file__).parents[2]
FILES = list(
    dict.fromkeys(
        [
            "backends/test_label_ranks.py",
            "backends/cuda/test_ranks.py",
            "backends/test_score_histogram.py",
            "backends/cuda/test_tally.py",
            *ON_DEVICE,
        ]
    )
)
# Too many samples for threads of Python; the emulator and devices take them.
TOO_LARGE = "not 2_to_the_32 and not every_float32 and not long_rows and not number_of_threads"


def report_of(name):
    return name.replace("/", "-") + ".xml"


def run(name, report):
    """Run a file of tests, and return its process and what pytest counted."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "FASTPR_REQUIRE": "cuda"}
    environment.pop("FASTPR_BACKEND", None)
    environment.pop("PYTEST_ADDOPTS", None)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", str(report),
        "-k", TOO_LARGE, str(FOLDER / name),
    ]  # fmt: skip
    return subprocess.run(
        command, env=environment, cwd=FOLDER.parent, capture_output=True, text=True,
        timeout=2 * FOREVER,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All files, as many at once as there are CPUs, the longest first."""
    folder = tmp_path_factory.mktemp("simulator")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            name: (pool.submit(run, name, folder / report_of(name)), folder / report_of(name))
            for name in FILES
        }


@pytest.mark.skipif(IS_SIMULATED, reason="this is the process of its own")
@pytest.mark.parametrize("name", FILES)
def test_what_runs_in_the_simulator(name, runs):
    future, report = runs[name]
    done = future.result()
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert int(suite.get("tests")) >= 10
    assert suite.get("skipped") == suite.get("failures") == suite.get("errors") == "0"
