"""The sample that ships in the package, and the command that runs on it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from waiting import FOREVER

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("PIL")
pytest.importorskip("tifffile")

from PIL import Image

DATA = Path(str(files("fastpr.data")))


def image(name: str) -> np.ndarray:
    with Image.open(DATA / f"nuclei_{name}.png") as file:
        return np.asarray(file)


def fastpr(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-m", "fastpr.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=FOREVER,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_sample_is_whole_and_of_one_shape() -> None:
    shapes = {image(name).shape for name in ("image", "mask", "probability")}
    assert shapes == {(512, 512)}
    assert image("mask").dtype == image("probability").dtype == np.uint16
    assert len(np.unique(image("mask"))) == 126  # 125 nuclei and the background


def test_the_sample_carries_its_licence_and_its_origin() -> None:
    assert "Uwe Schmidt, Martin Weigert" in (DATA / "LICENSE.stardist").read_text()
    assert "BSD 3-clause" in (DATA / "README.md").read_text()


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("nuclei_*")) < 500_000


def test_demo_prints_the_table_of_evaluate_on_the_sample(tmp_path: Path) -> None:
    scores, labels = DATA / "nuclei_probability.png", DATA / "nuclei_mask.png"
    options = ["--positive", "nonzero", "--json", tmp_path / "out.json"]
    table = fastpr("evaluate", scores, labels, *options)
    shown = fastpr("demo")
    assert "cell nuclei" in shown
    assert shown.endswith(table)

    # And the figures that the README beside the sample gives are those of a brute force.
    mask, u = image("mask") > 0, image("probability").astype(np.int64)
    best = max(
        (2 * int((above & mask).sum()) / int(above.sum() + mask.sum()), -i)
        for i in range(1, 4001)
        if (above := u * 4000 >= i * 65535) is not None
    )
    found = json.loads((tmp_path / "out.json").read_text())["best_f1"]
    assert found["f1"] == pytest.approx(best[0], rel=1e-15)
    assert found["threshold"] == -best[1] / 4000
    text = " ".join((DATA / "README.md").read_text().split())
    assert f"best F1 is {found['f1']:.3f} (IoU {found['iou']:.3f})" in text
    assert f"at the threshold {found['threshold']:.4f}" in text
