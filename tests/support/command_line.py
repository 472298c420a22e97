"""Running the command line in tests, and the files that it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waiting import FOREVER

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("PIL")
tifffile = pytest.importorskip("tifffile")

from click.testing import CliRunner, Result  # noqa: E402
from PIL import Image  # noqa: E402

from fastpr.cli import commands  # noqa: E402

RNG = np.random.default_rng()
SHAPE = (13, 17)
OLD = b"an older file"


def restart_random_numbers() -> None:
    """Make a test independent of the tests before it."""
    RNG.bit_generator.state = np.random.default_rng(11).bit_generator.state


def run(*arguments: object, status: int = 0) -> Result:
    """Run the command in this process; an exception that would be a traceback fails."""
    result = CliRunner().invoke(commands.fastpr, [str(a) for a in arguments], prog_name="fastpr")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def run_process(*arguments: object, status: int = 0, code: str = "") -> tuple[str, str]:
    """Run the command as users do; `code` runs first."""
    start = (
        ["-c", f"{code}\nimport fastpr.cli; fastpr.cli.main()"] if code else ["-m", "fastpr.cli"]
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", *start, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=FOREVER,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def strict_json(path: Path) -> dict[str, Any]:
    """What a file of JSON holds; NaN and infinities, which are no JSON, fail."""

    def refuse(token: str) -> None:
        raise AssertionError(f"not strict JSON: {token}")

    return json.loads(path.read_text(), parse_constant=refuse)


def results(*arguments: object, folder: Path) -> dict[str, Any]:
    """The JSON of an evaluation."""
    run("evaluate", *arguments, "--json", folder / "out.json")
    return strict_json(folder / "out.json")


def untouched(
    tmp_path: Path, *arguments: object, status: int = 1, command: str = "evaluate"
) -> str:
    """Run what must fail; its files must stay as they were, byte for byte."""
    state, document = tmp_path / "old.state", tmp_path / "old.json"
    state.write_bytes(OLD)
    document.write_bytes(OLD)
    before = sorted(tmp_path.rglob("*"))
    output = run(command, *arguments, "--state", state, "--json", document, status=status).output
    assert state.read_bytes() == document.read_bytes() == OLD
    assert sorted(tmp_path.rglob("*")) == before
    return " ".join(output.split())


def random_scores(dtype: str) -> np.ndarray:
    if dtype.startswith("u"):
        return RNG.integers(0, np.iinfo(dtype).max, SHAPE, dtype=dtype, endpoint=True)
    scores = RNG.random(SHAPE).astype(dtype)
    scores.ravel()[:4] = (0, 1, 0.7, 0.355)  # on the thresholds themselves
    return scores


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, array)
    elif path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array)
    return path


def save_pair(folder: Path) -> tuple[Path, Path]:
    """A good pair of files."""
    scores = save(folder / "scores.npy", random_scores("f4"))
    return scores, save(folder / "labels.png", RNG.integers(0, 2, SHAPE, dtype=np.uint8))
