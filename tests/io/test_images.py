"""Images that are refused, as they cannot hold scores or labels."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sample_files import (
    BYTES,
    FLOATS,
    Image,
    refused,
    save_grey_png,
    save_png,
    tifffile,
    whole_files,
)

from fastpr.io import read_labels, read_scores


@pytest.mark.parametrize("read", [read_scores, read_labels])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_of_several_channels_is_refused(
    tmp_path: Path, channels: int, read: Callable[..., object]
) -> None:
    path = save_png(tmp_path / "a.png", np.stack([BYTES] * channels, axis=-1))
    assert f"{channels} channels" in refused(path, read)


def test_png_colour_of_16_bits_is_refused(tmp_path: Path) -> None:
    # Pillow would open it as 8 bits a channel, and cannot write it.
    path = save_grey_png(tmp_path / "a.png", np.zeros((1, 48), int), 1)
    content = bytearray(path.read_bytes())
    content[16:29] = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    assert "3 channels" in refused(path)


def test_png_of_several_frames_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(BYTES), Image.fromarray(255 - BYTES)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert "2 frames" in refused(tmp_path / "a.png")


def test_palette_images_are_no_scores(tmp_path: Path) -> None:
    image = Image.fromarray(BYTES).convert("P")
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.tif")
    assert "palette" in refused(tmp_path / "a.png")
    assert "palette" in refused(tmp_path / "a.tif")
    read_labels(tmp_path / "a.png")
    read_labels(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits_is_no_scores(tmp_path: Path, bits: int) -> None:
    path = save_grey_png(tmp_path / "a.png", BYTES % 2, bits)
    assert f"{bits} bits" in refused(path)


def test_tiff_of_one_bit_is_labels_and_no_scores(tmp_path: Path) -> None:
    Image.fromarray(BYTES > 99).save(tmp_path / "a.tif")
    assert "1 bits" in refused(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), BYTES > 99)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_of_several_channels_is_refused(tmp_path: Path, planar: str) -> None:
    colour = np.stack([BYTES] * 3, axis=-1 if planar == "contig" else 0)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", planarconfig=planar)
    assert "3 channels" in refused(tmp_path / "a.tif")


def test_tiff_with_images_of_different_kinds_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", BYTES)
    tifffile.imwrite(tmp_path / "a.tif", FLOATS[:5], append=True)
    assert "2 images" in refused(tmp_path / "a.tif")


def test_a_missing_tiff_codec_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", BYTES)

    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fail)
    why = refused(tmp_path / "a.tif")
    assert "LZW" in why
    assert "pip install imagecodecs" in why


@pytest.mark.parametrize(("module", "name"), [("PIL", "a.png"), ("tifffile", "a.tif")])
def test_a_missing_image_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    for loaded in [m for m in sys.modules if m == module or m.startswith(f"{module}.")]:
        monkeypatch.setitem(sys.modules, loaded, None)
    assert 'pip install "fastpr[cli]"' in refused(tmp_path / name)


def test_reading_emits_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged TIFF gives one error, and tifffile's own log goes into it."""
    whole_files()["d.tif"](tmp_path / "d.tif")
    content = (tmp_path / "d.tif").read_bytes()
    (tmp_path / "d.tif").write_bytes(content[: len(content) * 2 // 3])
    code = (
        "import sys; from pathlib import Path; from fastpr.io import *\n"
        "try: read_scores(Path(sys.argv[1]))\n"
        "except UnreadableFile: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, tmp_path / "d.tif"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")
