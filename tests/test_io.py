"""Files of scores and labels: what is read, what is refused, what is written."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
tifffile = pytest.importorskip("tifffile")

from PIL import Image  # noqa: E402

from fastpr.io import (  # noqa: E402
    UnpairedFiles,
    UnreadableFile,
    check_output,
    pair_files,
    read_labels,
    read_scores,
    staged,
)

RNG = np.random.default_rng(7)
FLOATS = RNG.random((9, 11), dtype=np.float32)
BYTES = RNG.integers(0, 256, (9, 11), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (9, 11), dtype=np.uint16)


def save_png(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def save_grey_png(path: Path, values: np.ndarray, bits: int) -> Path:
    """A greyscale PNG of few bits, which Pillow cannot write."""
    assert 8 % bits == 0
    rows = b""
    for row in values:
        text = "".join(f"{v:0{bits}b}" for v in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = values.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


# ---- what is read


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


# ---- what is refused


def refused(path: Path, read: Callable[..., object] = read_scores, key: str | None = None) -> str:
    """The reason for which a file is refused; the message begins with the file."""
    with pytest.raises(UnreadableFile) as caught:
        read(path, key)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.why}"
    return caught.value.why


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


def whole_files() -> dict[str, Callable[[Path], object]]:
    return {
        "a.npy": lambda path: np.save(path, WORDS),
        "a.npz": lambda path: np.savez(path, WORDS),
        "b.npz": lambda path: np.savez_compressed(path, WORDS),
        "a.png": lambda path: save_png(path, WORDS),
        "a.tif": lambda path: tifffile.imwrite(path, WORDS),
        "b.tif": lambda path: tifffile.imwrite(path, WORDS, compression="zlib"),
        "c.tif": lambda path: Image.fromarray(WORDS).save(path),
        "d.tif": lambda path: [
            tifffile.imwrite(path, WORDS, append=page > 0, metadata=None) for page in range(3)
        ],
    }


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


def test_importing_io_loads_no_image_library() -> None:
    code = (
        "import sys, fastpr.io\n"
        "print([m for m in ('PIL', 'tifffile', 'click', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# ---- pairing


def make_folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_two_files_pair_whatever_their_names(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "f", "scores.npy", "mask.png")
    pairing = pair_files(folder / "scores.npy", folder / "mask.png")
    assert pairing == ([(folder / "scores.npy", folder / "mask.png")], 0, 0)


def test_folders_pair_by_stem_in_sorted_order(tmp_path: Path) -> None:
    p = make_folder(tmp_path / "p", "b.npy", "a.PNG", "c.1.tif")
    q = make_folder(tmp_path / "q", "a.tiff", "c.1.npz", "b.Npy")
    assert pair_files(p, q).pairs == [
        (p / "a.PNG", q / "a.tiff"),
        (p / "b.npy", q / "b.Npy"),
        (p / "c.1.tif", q / "c.1.npz"),
    ]


def test_other_files_and_folders_are_counted_and_hidden_ones_are_not(tmp_path: Path) -> None:
    p = make_folder(tmp_path / "p", "a.npy", "readme.txt", ".hidden.npy", ".DS_Store")
    q = make_folder(tmp_path / "q", "a.npy", "b.jpg", "noext")
    (q / "sub.npy").mkdir()
    (q / ".git").mkdir()
    pairing = pair_files(p, q)
    assert len(pairing.pairs) == 1
    assert (pairing.skipped_files, pairing.skipped_folders) == (3, 1)


def test_a_missing_partner_is_named_on_either_side(tmp_path: Path) -> None:
    p = make_folder(tmp_path / "p", "a.npy", "b.npy", "c.npy")
    q = make_folder(tmp_path / "q", "a.npy")
    for one, other in ((p, q), (q, p)):
        with pytest.raises(UnpairedFiles, match="has no partner") as caught:
            pair_files(one, other)
        assert str(p / "b.npy") in str(caught.value)
        assert "1 other" in str(caught.value)


def test_stems_differ_by_case(tmp_path: Path) -> None:
    p, q = make_folder(tmp_path / "p", "A.npy"), make_folder(tmp_path / "q", "a.npy")
    with pytest.raises(UnpairedFiles, match="has no partner"):
        pair_files(p, q)


def test_an_ambiguous_stem_names_both_files(tmp_path: Path) -> None:
    p, q = make_folder(tmp_path / "p", "a.npy"), make_folder(tmp_path / "q", "a.npy", "a.png")
    with pytest.raises(UnpairedFiles) as caught:
        pair_files(p, q)
    assert str(q / "a.npy") in str(caught.value)
    assert str(q / "a.png") in str(caught.value)


def test_a_folder_with_nothing_to_read_is_named(tmp_path: Path) -> None:
    p, q = make_folder(tmp_path / "p", "a.npy"), make_folder(tmp_path / "q", "a.jpg")
    with pytest.raises(UnpairedFiles) as caught:
        pair_files(p, q)
    assert str(caught.value).startswith(f"{q} holds no file")


def test_a_file_against_a_folder_names_both(tmp_path: Path) -> None:
    p, q = make_folder(tmp_path / "p", "a.npy"), make_folder(tmp_path / "q", "a.npy")
    for one, other in ((p, q / "a.npy"), (q / "a.npy", p)):
        with pytest.raises(UnpairedFiles) as caught:
            pair_files(one, other)
        assert str(caught.value).startswith(f"{p} is a folder and {q / 'a.npy'} is a file")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as caught:
        pair_files(make_folder(tmp_path / "p"), tmp_path / "q")
    assert caught.value.path == tmp_path / "q"


def test_a_dangling_link_is_a_missing_file(tmp_path: Path) -> None:
    p, q = make_folder(tmp_path / "p"), make_folder(tmp_path / "q", "a.npy")
    (p / "a.npy").symlink_to(tmp_path / "gone.npy")
    assert refused(pair_files(p, q).pairs[0][0]) == "there is no such file"


# ---- writing


def test_staged_files_replace_old_ones_at_the_end(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.npz"
    old.write_text("old")
    old.chmod(0o640)
    with staged(old, new) as (first, second):
        assert (first.suffix, second.suffix) == (".json", ".npz")
        first.write_text("1")
        second.write_text("2")
        assert old.read_text() == "old"
        assert not new.exists()
    assert (old.read_text(), new.read_text()) == ("1", "2")
    assert old.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [new, old]


def test_staged_files_are_dropped_when_the_block_fails(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")

    def interrupted() -> None:
        with staged(old, tmp_path / "new") as (first, _):
            first.write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_no_staged_file_is_placed_when_one_was_not_written(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    with pytest.raises(FileNotFoundError), staged(old, tmp_path / "new") as (first, _):
        first.write_text("1")
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    with staged(tmp_path / "link.json") as (temporary,):
        temporary.write_text("new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_outputs_that_cannot_be_written_are_found_early(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "no" / "a", "no folder"), (tmp_path, "not a regular file")):
        with pytest.raises(OSError, match=why) as caught:
            check_output(path)
        assert str(caught.value).startswith(f"cannot write {path}: ")
    check_output(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
