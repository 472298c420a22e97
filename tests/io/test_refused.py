"""Files that are refused: missing, damaged, of another kind, or not of numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sample_files import BYTES, FLOATS, Image, refused, whole_files

from fastpr.io import UnreadableFile, read_labels, read_scores


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".tif"])
def test_a_missing_file_is_refused(tmp_path: Path, suffix: str) -> None:
    assert refused(tmp_path / f"a{suffix}") == "there is no such file"


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    assert ".npy, .npz, .png, .tif, .tiff" in refused(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".tif"])
def test_a_folder_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").mkdir()
    assert refused(tmp_path / f"a{suffix}") == "is not a regular file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert refused(tmp_path / "a.png") == "is not a regular file"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".tif"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04]\x94." * 20])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    why = refused(path)
    assert "pickle" not in why


def test_a_jpeg_called_png_is_refused(tmp_path: Path) -> None:
    Image.fromarray(BYTES).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert "PNG" in refused(tmp_path / "a.png")


@pytest.mark.parametrize("name", whole_files())
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole_files()[name](path)
    content = path.read_bytes()
    expected = read_scores(path).copy()
    num_refused = 0
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        try:
            found = read_scores(path)
        except UnreadableFile:
            num_refused += 1
        else:  # what was cut off held no pixels
            np.testing.assert_array_equal(found, expected)
    assert num_refused > 0.9 * len(content) / 3


@pytest.mark.parametrize("name", ["a.npz", "b.npz", "a.png"])
def test_a_changed_byte_is_refused_where_there_is_a_checksum(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole_files()[name](path)
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") + 30 if name == "a.png" else 150
    content[at] ^= 0x10
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("read", [read_scores, read_labels])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_python_objects_are_refused(tmp_path: Path, name: str, read: Callable[..., object]) -> None:
    save = np.save if name == "a.npy" else np.savez
    save(tmp_path / name, np.array([{"a": 1}, None]))
    assert "Python objects" in refused(tmp_path / name, read)


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros(2, "V2"), np.zeros(2, complex)])
def test_arrays_that_are_not_real_numbers_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert "not numbers" in refused(tmp_path / "a.npy")


def test_several_arrays_without_a_key_are_refused_with_the_keys(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", scores=FLOATS, mask=BYTES)
    why = refused(tmp_path / "a.npz")
    assert "2 arrays" in why
    assert "scores, mask" in why


def test_a_wrong_key_is_refused_with_the_keys(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", scores=FLOATS, mask=BYTES)
    why = refused(tmp_path / "a.npz", key="nothing")
    assert "'nothing'" in why
    assert "scores, mask" in why


def test_an_empty_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    assert refused(tmp_path / "a.npz") == "holds no array"


def test_a_foreign_member_of_a_npz_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert "not an array" in refused(tmp_path / "a.npz")
