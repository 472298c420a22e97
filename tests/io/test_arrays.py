"""Files of scores and labels: what is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_files import BYTES, FLOATS, WORDS, Image, save_grey_png, save_png, tifffile

from fastpr.io import read_labels, read_scores


@pytest.mark.parametrize("array", [FLOATS, FLOATS.astype(">f8"), BYTES, WORDS, FLOATS > 0.5])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_numpy_files_give_back_what_was_saved(
    tmp_path: Path, array: np.ndarray, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)
    for read in (read_scores, read_labels):
        found = read(path)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_npy_files_are_mapped_and_read_only(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FLOATS)
    array = read_scores(tmp_path / "a.npy")
    assert isinstance(array.base, np.memmap)
    assert not array.flags.writeable


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_npy_files_of_odd_shapes_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    assert read_scores(tmp_path / "a.npy").shape == shape


def test_the_key_chooses_an_array_of_a_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, scores=FLOATS, labels=BYTES)
    np.testing.assert_array_equal(read_scores(path, "scores"), FLOATS)
    np.testing.assert_array_equal(read_labels(path, "labels"), BYTES)


@pytest.mark.parametrize("array", [BYTES, WORDS], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("name", ["a.png", "a.PNG"])
def test_grey_png_gives_its_integers(tmp_path: Path, array: np.ndarray, name: str) -> None:
    path = save_png(tmp_path / name, array)
    for read in (read_scores, read_labels):
        found = read(path)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_black_and_white_png_gives_bool_labels(tmp_path: Path) -> None:
    path = save_png(tmp_path / "a.png", BYTES > 99)
    found = read_labels(path)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, BYTES > 99)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png_gives_the_palette_index(tmp_path: Path, bits: int) -> None:
    classes = BYTES & (2**bits - 1)
    palette = Image.new("P", classes.shape[::-1])
    palette.frombytes(classes.tobytes())
    # Colours in descending order, so that no index is its own grey value.
    palette.putpalette([v for i in range(2**bits) for v in (255 - i,) * 3])
    palette.save(tmp_path / "a.png", bits=bits)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), classes)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_png_of_few_bits_gives_labels_as_stored(tmp_path: Path, bits: int) -> None:
    classes = BYTES & (2**bits - 1)
    path = save_grey_png(tmp_path / "a.png", classes, bits)
    np.testing.assert_array_equal(read_labels(path), classes)


def test_png_beyond_the_limit_of_pillow_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_png(tmp_path / "a.png", BYTES)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    np.testing.assert_array_equal(read_scores(path), BYTES)


@pytest.mark.parametrize(
    "array", [FLOATS, FLOATS.astype(np.float16), BYTES, WORDS, np.stack([WORDS] * 3)]
)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
@pytest.mark.parametrize("name", ["a.tif", "a.TIFF"])
def test_tiff_gives_back_what_was_saved(
    tmp_path: Path, array: np.ndarray, options: dict[str, str], name: str
) -> None:
    path = tmp_path / name
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    found = read_scores(path)
    assert found.dtype.newbyteorder("=") == array.dtype
    np.testing.assert_array_equal(found, array)


def test_importing_io_loads_no_image_library() -> None:
    code = (
        "import sys, fastpr.io\n"
        "print([m for m in ('PIL', 'tifffile', 'scipy', 'click', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
