"""The command line as users start it: exit status, streams, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import OLD, run_process
from waiting import FOREVER


def test_a_process_exits_with_0_and_prints_the_table(pair: tuple[Path, Path]) -> None:
    out, err = run_process("evaluate", *pair)
    assert "best F1:" in out
    assert err == ""


def test_a_process_reports_bad_data_on_stderr_with_status_1(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    pair[0].write_bytes(pair[0].read_bytes()[:200])
    (tmp_path / "s").write_bytes(OLD)
    out, err = run_process("evaluate", *pair, "--state", tmp_path / "s", status=1)
    assert out == ""
    assert err.startswith(f"Error: {pair[0]}: ")
    assert err.count("\n") == 1
    assert (tmp_path / "s").read_bytes() == OLD


def test_a_process_reports_wrong_usage_with_status_2(pair: tuple[Path, Path]) -> None:
    out, err = run_process("evaluate", *pair, "--positive", "x", status=2)
    assert out == ""
    assert "neither an integer" in err


def test_names_with_markup_and_odd_bytes_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "[red]"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.npy")
    try:
        np.save(folder / name, np.array([0.5, 2.0]))
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    np.save(folder / "q.npy", np.array([0, 1]))
    _, err = run_process("evaluate", folder / name, folder / "q.npy", status=1)
    assert "[red]" in err
    np.save(folder / name, np.array([0.5, 1.0]))
    run_process("evaluate", folder / name, folder / "q.npy", "--json", folder / "out.json")
    assert json.loads((folder / "out.json").read_text())["tp"][0] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_exits_with_130_and_writes_nothing(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    code = (
        "import fastpr.cli.evaluate as e, os, signal, time\n"
        # a shell starts what runs in its background with this signal ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"e.read_labels = lambda *_: (os.kill(os.getpid(), {int(signal.SIGINT)}), time.sleep(9))"
    )
    (tmp_path / "s").write_bytes(OLD)
    out, err = run_process("evaluate", *pair, "--state", tmp_path / "s", status=130, code=code)
    assert (out, err) == ("", "interrupted\n")
    assert (tmp_path / "s").read_bytes() == OLD


@pytest.mark.parametrize("command", ["evaluate", "demo", "doctor"])
def test_a_reader_that_leaves_causes_no_noise(
    tmp_path: Path, pair: tuple[Path, Path], command: str
) -> None:
    arguments = [*pair, "--json", tmp_path / "out.json"] if command == "evaluate" else []
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-I", "-m", "fastpr.cli", command, *arguments],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=FOREVER,
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == ""
    assert (tmp_path / "out.json").exists() == (command == "evaluate")


@pytest.mark.parametrize("module", ["click", "rich", "PIL", "tifffile"])
def test_a_missing_library_says_what_to_install(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None"
    out, err = run_process("demo", status=1, code=code)
    assert out == ""
    assert 'pip install "fastpr[cli]"' in err


def test_importing_fastpr_loads_nothing_of_the_command_line() -> None:
    code = (
        "import sys, fastpr\n"
        "print([m for m in ('click', 'rich', 'PIL', 'tifffile', 'fastpr.cli', 'fastpr.io')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
