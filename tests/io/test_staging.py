"""Writing results: all of them at the end, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastpr.io import check_output, staged


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
