"""The plots: the same data give the same bytes, and each file says what it was drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plots
import pytest
import readme
from workloads import SWEEPS


def _report(factor: float) -> dict[str, Any]:
    rows = [
        {"kind": "sweep", "name": sweep, "x": x, "subject": who, "items": 1 << 20,
         "seconds": {"best": factor * x * 1e-6}}
        for sweep in SWEEPS
        for x in (1, 10, 100, 1000)
        for who in plots.COLORS
    ]  # fmt: skip
    rows.append({"kind": "score_histogram", "threads": 2, "read_gigabytes_per_second": 30.0})
    return {"machine": {"cpu": "A CPU", "threads": 2}, "rows": rows}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_plot_is_the_same_file_each_time(sweep: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = [tmp_path / f"{number}.svg" for number in range(3)]
    for path, factor in zip(paths, (1, 1, 2), strict=True):
        plots.draw(_report(factor), sweep, readme.PLOTS[sweep], path)
    one, again, other = (path.read_bytes() for path in paths)
    assert one == again != other
    assert plots.digest_in(paths[0]) == plots.digest_of(_report(1), sweep)
    assert plots.digest_in(paths[2]) == plots.digest_of(_report(2), sweep)
