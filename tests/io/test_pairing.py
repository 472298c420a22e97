"""Finding the label file of each prediction file."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_files import refused

from fastpr.io import UnpairedFiles, UnreadableFile, pair_files


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
