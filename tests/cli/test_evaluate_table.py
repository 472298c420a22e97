"""What ``fastpr evaluate`` prints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Image, run, run_process, save

import fastpr
from fastpr.cli.evaluate_report import operating_points


def test_the_table_reads_well_when_piped(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    save(tmp_path / "p" / "a.npy", np.load(pair[0]))
    save(tmp_path / "q" / "a.png", np.asarray(Image.open(pair[1])))
    (tmp_path / "q" / "notes.txt").touch()
    (tmp_path / "q" / "sub").mkdir()
    out, err = run_process("evaluate", tmp_path / "p", tmp_path / "q")
    lines = [line.split() for line in out.splitlines()]
    assert ["threshold", "precision", "recall", "F1", "IoU"] in lines
    rows = [line for line in lines if len(line) >= 5 and line[0][0] in "01"]
    assert {float(row[0]) for row in rows} >= {i / 10 for i in range(11)}
    assert len(rows) <= 12
    assert sum(row[5:] == ["best", "F1"] for row in rows) == 1
    assert "files:   1 pair, 1 file skipped" in out
    assert "221 (" in out
    assert "\x1b" not in out + err
    assert "…" not in out
    assert err == "note: 1 sub-folder not entered\n"


@pytest.mark.parametrize("variables", [{"COLUMNS": "20"}, {"PYTHONIOENCODING": "ascii"}])
def test_the_table_survives_odd_surroundings(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = run_process("evaluate", *pair)
    heading = next(line for line in out.splitlines() if "threshold" in line)
    assert heading.replace("|", " ").split() == ["threshold", "precision", "recall", "F1", "IoU"]


@pytest.mark.parametrize("num_thresholds", [2, 3, 10, 11, 12, 201, 65537])
def test_operating_points_are_few_even_and_hold_both_ends(num_thresholds: int) -> None:
    points = operating_points(num_thresholds)
    assert len(points) == min(11, num_thresholds)
    assert (points[0], points[-1]) == (0, num_thresholds - 1)
    steps = np.diff(points)
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


def test_version_help_and_doctor_answer() -> None:
    assert fastpr.__version__ in run("--version").output
    assert "--positive" in run("evaluate", "--help").output
    assert "reference" in run_process("doctor")[0]
