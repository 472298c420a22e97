"""Compiled kernels that are kept on disk: never an error, never a wrong result."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiers import exhaustive

import fastpr

if "numba" not in fastpr.available_backends():
    pytest.skip("Numba does not work here", allow_module_level=True)

import numba

from fastpr.backends import numba as numba_cpu
from fastpr.backends.numba import compile as numba_cache
from fastpr.backends.numba.compile import SUFFIX, VARIABLE, hash_sources, keep_on_disk
from fastpr.backends.numba.histogram import encode as numba_encode
from fastpr.backends.numba.histogram import kernels as numba_kernels
from fastpr.backends.numba.ranks import blocks as rank_blocks
from fastpr.backends.numba.ranks import kernels as numba_ranks

posix_only = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are those of POSIX")


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = tmp_path / "kernels"
    monkeypatch.setenv(VARIABLE, str(place))
    return place


def make(step=1, name="small"):
    @numba.njit
    def small(number):
        return number + step

    return keep_on_disk(name, small)


def is_loaded(kernel):
    """Call a kernel that is new; return whether it came from the disk."""
    assert kernel(1) == 2
    return sum(kernel.stats.cache_hits.values()) == 1


def files(place):
    return sorted(place.iterdir()) if place.exists() else []


def test_a_kernel_comes_from_the_disk_when_it_was_compiled_before(place):
    assert not is_loaded(make())
    assert is_loaded(make())
    assert is_loaded(make())
    (file,) = files(place)
    assert file.name.endswith(SUFFIX)
    assert file.stat().st_mode & 0o777 == 0o600
    assert place.stat().st_mode & 0o777 == 0o700


def test_other_names_and_types_are_other_kernels(place):
    assert make(1)(1) == 2
    assert make(2, "two")(1) == 3
    assert make(1)(1.5) == 2.5
    assert len(files(place)) == 3
    assert make(1)(1) == 2
    assert make(2, "two")(1) == 3


def test_every_kernel_of_the_histogram_has_a_name_of_its_own():
    kernels = [
        numba_kernels.make_count(kind, labels, code_type)
        for kind in numba_kernels.ENCODE
        for labels in (False, True)
        for code_type in (np.uint16, np.uint32)
    ]
    kernels += [
        numba_kernels.make_weigh(kind, labels, weights, code_type)
        for kind in numba_kernels.ENCODE
        for labels in (False, True)
        for weights in numba_encode.READ_WEIGHTS
        for code_type in (np.uint16, np.uint32)
    ]
    names = {kernel._cache._name for kernel in kernels}
    assert len(names) == len({k.py_func.__qualname__ for k in kernels}) == len(kernels) == 80


def test_every_kernel_of_ranks_has_a_name_of_its_own():
    kernels = [
        kernel
        for bits, keys in {kinds[:2] for kinds in rank_blocks._SCORE_KINDS.values()}
        for kernel in numba_ranks.make_ranking(bits, keys)
    ]
    assert len({kernel._cache._name for kernel in kernels}) == len(kernels) == 8


# ---- what decides on a kernel ----


def run(program, folder=None):
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], capture_output=True, text=True, check=True,
        cwd=folder,
    )  # fmt: skip
    return done.stdout.strip()


COUNT = (
    "import fastpr, numpy as np; from fastpr.backends.numba.histogram.kernels import make_count; "
    "data = fastpr.precision_recall_at_equal_thresholds("
    "np.ones(3, bool), np.full(3, 0.5, np.float16), backend='numba', num_thresholds=3); "
    "hits = make_count('half', True, np.uint16).stats.cache_hits.values(); "
    "print(*data.tp, sum(hits), fastpr.__file__)"
)


@exhaustive
def test_a_change_in_another_file_compiles_anew(place, tmp_path):
    package = tmp_path / "fastpr"
    shutil.copytree(
        Path(fastpr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    where = str(package / "__init__.py")
    assert run(COUNT, tmp_path) == f"3 3 0 0 {where}"
    assert run(COUNT, tmp_path) == f"3 3 0 1 {where}"
    rules = package / "backends" / "rules.py"
    text = rules.read_text(encoding="utf-8")
    half = np.float16(0.5).view(np.uint16)  # is made to count as 0
    rules.write_text(text.replace("0x8000", str(half)), encoding="utf-8")
    assert run(COUNT, tmp_path) == f"3 0 0 0 {where}"
    assert len(files(place)) == 2


@pytest.mark.parametrize(
    "name", ["numba/vectors.py", "numba/ranks/blocks.py", "numba/sort/new.py", "rules.py"]
)
def test_the_hash_of_the_sources_knows_every_file(tmp_path, monkeypatch, name):
    backends = tmp_path / "backends"
    shutil.copytree(Path(fastpr.__path__[0]) / "backends", backends)
    monkeypatch.setattr(numba_cache, "__file__", str(backends / "numba" / "compile.py"))
    before = hash_sources()
    assert before == numba_cache._SOURCES
    with open(backends / name, "a", encoding="utf-8") as file:
        file.write("\n")
    assert hash_sources() != before


def test_sources_that_changed_since_they_were_loaded_are_not_kept(place, monkeypatch):
    monkeypatch.setattr(numba_cache, "hash_sources", lambda: b"another text")
    assert not is_loaded(make())
    assert files(place) == []


def test_without_sources_nothing_is_kept(place, monkeypatch, tmp_path):
    monkeypatch.setattr(
        numba_cache, "__file__", str(tmp_path / "archive.zip" / "numba" / "compile.py")
    )
    assert hash_sources() is None
    monkeypatch.setattr(numba_cache, "_SOURCES", None)
    assert not is_loaded(make())
    assert files(place) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (numba, "__version__"),
        (numba_cache.llvmlite, "__version__"),
        (np, "__version__"),
        (sys, "version"),
        (numba_cache, "__version__"),
        (numba_cache, "_SOURCES"),
    ],
)
def test_another_version_compiles_anew(place, monkeypatch, module, name):
    assert not is_loaded(make())
    monkeypatch.setattr(module, name, "another")
    monkeypatch.setattr(numba_cache, "hash_sources", lambda: numba_cache._SOURCES)
    assert not is_loaded(make())
    assert is_loaded(make())
    monkeypatch.undo()
    monkeypatch.setenv(VARIABLE, str(place))
    assert is_loaded(make())


def test_another_cpu_compiles_anew(place, monkeypatch):
    kernel = make()
    assert not is_loaded(kernel)
    codegen = type(kernel.targetctx.codegen())
    triple, cpu, features = kernel.targetctx.codegen().magic_tuple()
    for other in (("arm64", cpu, features), (triple, "znver9", features), (triple, cpu, "+avx9")):
        with monkeypatch.context() as context:
            context.setattr(codegen, "magic_tuple", lambda self, other=other: other)
            assert not is_loaded(make())
    assert is_loaded(make())
    assert len(files(place)) == 4


def test_another_setting_of_numba_compiles_anew(place, monkeypatch):
    assert not is_loaded(make())
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    assert not is_loaded(make())


# ---- what is on the disk ----


def _cut(data):
    return data[: len(data) // 2]


def _flip(data):
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda _: b"", lambda _: b"no kernel"])
def test_a_damaged_file_compiles_anew(place, damage):
    assert not is_loaded(make())
    (file,) = files(place)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert not is_loaded(make())
    assert files(place) == [file]
    assert is_loaded(make())


def test_a_file_under_the_name_of_another_compiles_anew(place):
    assert make(2, "two")(1) == 3
    (two,) = files(place)
    assert not is_loaded(make())
    (one,) = (path for path in files(place) if path != two)
    shutil.copy(two, one)
    assert not is_loaded(make())


@pytest.mark.parametrize("payload", [b"not a pickle", b"\x80\x05K\x01.", b"\x80\x05)."])
def test_a_whole_file_that_is_no_kernel_compiles_anew(place, payload):
    assert not is_loaded(make())
    (file,) = files(place)
    file.write_bytes(numba_cache._checksum(file, payload) + payload)
    assert not is_loaded(make())
    assert is_loaded(make())


def test_a_folder_that_cannot_be_written_to_is_still_read(place, monkeypatch):
    assert make(2, "two")(1) == 3

    def refuse(path, flags, *rest, open_=os.open, **options):
        if flags & (os.O_WRONLY | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return open_(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "utime", refuse_utime)
    assert not is_loaded(make())
    assert not is_loaded(make())
    two = make(2, "two")
    assert two(1) == 3
    assert sum(two.stats.cache_hits.values()) == 1
    assert len(files(place)) == 1


def refuse_utime(path):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("in the way")
    for place in (file, file / "below"):
        monkeypatch.setenv(VARIABLE, str(place))
        assert not is_loaded(make())
        assert not is_loaded(make())
    assert file.read_text() == "in the way"


def test_a_full_disk_leaves_nothing_behind(place, monkeypatch):
    def fail(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert not is_loaded(make())
    assert files(place) == []


def test_old_files_are_removed_and_those_of_others_are_not(place, monkeypatch):
    place.mkdir(mode=0o700)
    for name, age in (
        (f"recent{SUFFIX}", 10), (f"old{SUFFIX}", 100), (f"older{SUFFIX}", 1000),
        ("left.unfinished", 10_000), ("being written.unfinished", 5), ("letter.txt", 10_000),
    ):  # fmt: skip
        (place / name).write_bytes(bytes(1000))
        now = (place / name).stat().st_mtime
        os.utime(place / name, (now - age, now - age))
    numba_cache._remove_old(place, 2000)
    names = [path.name for path in files(place)]
    assert names == [
        "being written.unfinished", "letter.txt", f"old{SUFFIX}", f"recent{SUFFIX}"
    ]  # fmt: skip
    monkeypatch.setattr(numba_cache, "MAX_BYTES", 1)
    assert not is_loaded(make())
    assert [path.name for path in files(place)] == ["being written.unfinished", "letter.txt"]


def test_a_file_that_is_used_counts_as_new(place):
    assert not is_loaded(make())
    (file,) = files(place)
    os.utime(file, (0, 0))
    assert is_loaded(make())
    assert file.stat().st_mtime > 0


# ---- whose it is ----


@posix_only
def test_what_somebody_else_owns_is_not_read(place, monkeypatch):
    assert not is_loaded(make())
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    monkeypatch.setattr(numba_cache.pickle, "loads", None)
    before = files(place)[0].stat()
    assert not is_loaded(make())
    assert files(place)[0].stat() == before  # and nothing is put there


@posix_only
@pytest.mark.parametrize("bit", [0o020, 0o002])
@pytest.mark.parametrize("of_folder", [True, False])
def test_what_others_can_write_to_is_not_read(place, monkeypatch, bit, of_folder):
    assert not is_loaded(make())
    (file,) = files(place)
    target = place if of_folder else file
    target.chmod(target.stat().st_mode | bit)
    with monkeypatch.context() as context:
        context.setattr(numba_cache.pickle, "loads", None)
        assert not is_loaded(make())
    assert is_loaded(make()) == (not of_folder)  # a file is put there anew, by its owner


@posix_only
@pytest.mark.parametrize("of_folder", [True, False])
def test_links_are_not_followed(place, tmp_path, monkeypatch, of_folder):
    assert not is_loaded(make())
    (file,) = files(place)
    target = place if of_folder else file
    moved = target.rename(tmp_path / "elsewhere")
    target.symlink_to(moved)
    monkeypatch.setattr(numba_cache.pickle, "loads", None)
    assert not is_loaded(make())


# ---- where it is ----


def test_a_variable_turns_it_off(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "0")
    assert numba_cache.folder() is None
    assert "in every process anew" in numba_cpu.describe()
    assert not is_loaded(make())
    assert not is_loaded(make())
    assert files(tmp_path) == []


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("named", [None, ""])
def test_by_default_it_is_in_the_cache_folder_of_the_user(monkeypatch, tmp_path, platform, named):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv(VARIABLE, raising=False)
    if named is not None:
        monkeypatch.setenv(VARIABLE, named)
    base = {"linux": "xdg", "darwin": "Library/Caches", "win32": "Local"}[platform]
    assert numba_cache.folder() == tmp_path / base / "fastpr" / "numba"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.delenv("LOCALAPPDATA")
    base = {"linux": ".cache", "darwin": "Library/Caches", "win32": None}[platform]
    expected = base and tmp_path / base / "fastpr" / "numba"
    assert numba_cache.folder() == expected


def test_a_named_folder_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "here")
    assert numba_cache.folder() == tmp_path / "here"


def test_a_numba_without_these_parts_keeps_nothing(place, monkeypatch):
    monkeypatch.setattr(numba_cache, "_reduce", None)
    assert not is_loaded(make())
    assert not is_loaded(make())
    assert files(place) == []


# ---- several at once ----


TAKE_TURNS = """
import sys, time, types
import numba
from fastpr.backends.numba import compile as files

def say(word):
    print(word, flush=True)

def save_when_told(self, *what, save=files.KernelFiles.save_overload):
    say("compiled")
    sys.stdin.readline()
    save(self, *what)

if sys.argv[1] == "first":
    files.KernelFiles.save_overload = save_when_told
else:
    files.time = types.SimpleNamespace(
        time=time.time, monotonic=time.monotonic,
        sleep=lambda seconds: (say("waits"), time.sleep(seconds)),
    )

@numba.njit
def small(number):
    return number + 1

kernel = files.keep_on_disk("small", small)
say(kernel(1))
say(f"{sum(kernel.stats.cache_hits.values())} from the disk")
"""


def take_turns(which):
    return subprocess.Popen(
        [sys.executable, "-c", TAKE_TURNS, which], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.skipif(numba_cache.fcntl is None, reason="locks are those of POSIX")
@pytest.mark.parametrize("is_killed", [False, True])
def test_of_two_processes_one_compiles_and_the_other_waits_while_it_lives(place, is_killed):
    with take_turns("first") as first:
        assert first.stdout.readline() == "compiled\n"
        with take_turns("second") as second:
            assert second.stdout.readline() == "waits\n"
            if is_killed:
                first.kill()
            else:
                first.stdin.write("go on\n")
                first.stdin.flush()
            *_, result, source = second.stdout.read().splitlines()
    assert (result, source) == ("2", f"{int(not is_killed)} from the disk")
    assert [path.suffix for path in files(place)] == [SUFFIX]  # and no lock is left


def test_a_kernel_that_cannot_be_compiled_leaves_no_lock(place):
    @numba.njit
    def wrong(number):
        return number.no_such_thing

    for _ in range(2):
        with pytest.raises(numba.TypingError):
            keep_on_disk("wrong", wrong)(1)
    assert numba_cache._turns == {}
    assert files(place) == []


@posix_only
def test_a_link_in_the_place_of_a_lock_is_not_followed(place, tmp_path):
    assert not is_loaded(make())
    (file,) = files(place)
    file.unlink()
    numba_cache._lock_of(file).symlink_to(tmp_path / "elsewhere")
    assert not is_loaded(make())
    assert is_loaded(make())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(numba_cache.fcntl is None, reason="locks are those of POSIX")
def test_who_waited_for_too_long_compiles(place, monkeypatch):
    assert not is_loaded(make())
    (file,) = files(place)
    file.unlink()
    assert numba_cache._try_lock(file)
    turns = dict(numba_cache._turns)
    numba_cache._turns.clear()  # as if another process had it
    monkeypatch.setattr(numba_cache, "_LONGEST_WAIT", 0)
    assert not is_loaded(make())
    assert is_loaded(make())
    numba_cache._turns.update(turns)
    numba_cache._end_turn(file)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@exhaustive
def test_a_child_that_forked_reads_and_writes(place):
    program = (
        "import os, numpy as np, fastpr\n"
        "labels, scores = np.ones(3, bool), np.full(3, 0.5, np.float16)\n"
        "count = lambda backend: fastpr.precision_recall_at_equal_thresholds("
        "labels, scores, backend=backend, num_thresholds=2).tp.tolist()\n"
        "from fastpr.backends.choose import choose_backend; choose_backend('numba')\n"
        "child = os.fork()\n"
        "right = count('numba') == [3, 0]\n"
        "if child == 0: os._exit(0 if right else 1)\n"
        "print(right, os.waitpid(child, 0)[1])\n"
    )
    assert run(program) == "True 0"
    assert run(program) == "True 0"
    assert len(files(place)) == 1
