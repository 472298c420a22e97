"""Saving is atomic: the old file or the new one is there, whole, and nothing else."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import FOREVER

from fastpr import PrecisionRecallAtEqualThresholds as State

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")


def some_state() -> State:
    return State(5).update([0, 1, 1], [0.1, 0.5, 1.0])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that is there already, alone in its folder."""
    path = tmp_path / "folder" / "state.fastpr"
    path.parent.mkdir()
    State(5).save(path)
    return path


def assert_untouched(old: Path) -> None:
    assert old.read_bytes() == State(5).to_bytes()
    assert os.listdir(old.parent) == [old.name], "a temporary file was left behind"


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", script, *map(str, arguments)],
        capture_output=True, text=True, timeout=FOREVER, check=False,
    )  # fmt: skip


def test_saving_replaces_a_file_and_leaves_nothing_else(old: Path) -> None:
    some_state().save(old)
    assert State.load(old) == some_state()
    assert os.listdir(old.parent) == [old.name]


def test_a_relative_path_is_one_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    some_state().save("a.fastpr")
    assert State.load(tmp_path / "a.fastpr") == State.load("a.fastpr") == some_state()


FAILING = ["write", "fsync", "chmod", "replace"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("function", FAILING)
def test_a_failure_leaves_the_old_file_whole(
    old: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    class FailingFile:
        def __init__(self, descriptor: int, mode: str) -> None:
            self.descriptor = descriptor

        def __enter__(self) -> FailingFile:
            return self

        def __exit__(self, *args: object) -> None:
            os.close(self.descriptor)

        write = fail

    with monkeypatch.context() as patch:
        if function == "write":
            patch.setattr(os, "fdopen", FailingFile)
        else:
            patch.setattr(os, function, fail)
        with pytest.raises(type(error)) as caught:
            some_state().save(old)
    assert caught.value is error
    assert_untouched(old)
    some_state().save(old)
    assert State.load(old) == some_state()


@posix
def test_a_write_that_the_system_cuts_short_leaves_the_old_file_whole(old: Path) -> None:
    done = run_script(
        "import resource, sys\n"
        "from fastpr import PrecisionRecallAtEqualThresholds as State\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "State(65537).save(sys.argv[1])\n",
        old,
    )
    assert done.returncode == 1
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert_untouched(old)


@posix
@pytest.mark.parametrize(("moment", "new"), [("before", False), ("after", True)])
def test_a_process_killed_while_it_saves_leaves_one_whole_file(
    old: Path, moment: str, new: bool
) -> None:
    done = run_script(
        "import os, signal, sys, fastpr\n"
        "state = fastpr.PrecisionRecallAtEqualThresholds(5)\n"
        "state.update([0, 1, 1], [0.1, 0.5, 1.0])\n"
        "replace = os.replace\n"
        "def killed(source, target):\n"
        "    if sys.argv[2] == 'after':\n"
        "        replace(source, target)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.replace = killed\n"
        "state.save(sys.argv[1])\n",
        old,
        moment,
    )
    assert done.returncode == -signal.SIGKILL
    assert State.load(old) == (some_state() if new else State(5))


def test_the_data_are_on_the_disk_before_the_old_file_goes(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def recorded(name: str) -> Callable[..., object]:
        function = getattr(os, name)

        def call(*args: object) -> object:
            if name == "fsync" and stat.S_ISREG(os.fstat(args[0]).st_mode):
                assert os.fstat(args[0]).st_size == len(some_state().to_bytes())
            calls.append(name)
            return function(*args)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, recorded(name))
    some_state().save(old)
    assert calls[:2] == ["fsync", "replace"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400])
def test_the_permissions_of_the_old_file_are_kept(old: Path, mode: int) -> None:
    old.chmod(mode)
    some_state().save(old)
    assert stat.S_IMODE(old.stat().st_mode) == mode
    assert State.load(old) == some_state()


@posix
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    some_state().save(tmp_path / "state")
    modes = [(tmp_path / name).stat().st_mode for name in ("other", "state")]
    assert modes[0] == modes[1]


@posix
def test_a_symbolic_link_is_followed_and_kept(old: Path, tmp_path: Path) -> None:
    link, second = tmp_path / "link", tmp_path / "second"
    link.symlink_to(Path("folder") / old.name)
    second.symlink_to(link)
    some_state().save(second)
    assert second.is_symlink()
    assert link.is_symlink()
    assert not old.is_symlink()
    assert State.load(old) == State.load(link) == some_state()
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "second"]


@posix
def test_a_link_to_a_file_that_is_not_there_yet_makes_it(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    some_state().save(link)
    assert link.is_symlink()
    assert State.load(tmp_path / "target") == some_state()


@posix
def test_what_is_not_a_regular_file_is_not_replaced(tmp_path: Path) -> None:
    # With the rights to do so, replacing would remove /dev/null from the system.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        try:
            some_state().save(pipe)
        except OSError:
            pass
        else:
            assert os.read(reader, 10_000) == some_state().to_bytes()
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@posix
def test_a_folder_that_cannot_be_written_to_is_an_error(old: Path) -> None:
    # An ordinary user, even where the tests run as root.
    old.parent.chmod(0o500)
    try:
        done = run_script(
            "import os, sys\n"
            "from fastpr import PrecisionRecallAtEqualThresholds as State\n"
            "if os.geteuid() == 0:\n"
            "    os.seteuid(65534)\n"
            "State(5).save(sys.argv[1])\n",
            old,
        )
    finally:
        old.parent.chmod(0o700)
    assert done.returncode == 1
    assert "PermissionError: [Errno 13] Permission denied" in done.stderr
    assert_untouched(old)


def test_a_place_where_no_file_can_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    for place, error in [
        (tmp_path / "missing" / "a", FileNotFoundError),
        (tmp_path / "file" / "a", NotADirectoryError),
        (tmp_path / "folder", IsADirectoryError),
    ]:
        with pytest.raises(error):
            some_state().save(place)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_name_as_long_as_names_can_be_is_saved(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    path.write_bytes(b"")  # a file system that has such names
    some_state().save(path)
    assert State.load(path) == some_state()


def test_states_saved_to_one_path_at_once_leave_one_of_them(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "state"
    states = [State(1001).update([1] * (i + 1), [0.5] * (i + 1)) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(states[i % 8].save, path) for i in range(40)]:
            future.result()
    assert State.load(path) in states
    assert os.listdir(tmp_path) == ["state"]
