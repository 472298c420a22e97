"""Saved states: what is written, and that nothing damaged or foreign is read."""

from __future__ import annotations

import json
import pickle
import runpy
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.counts.state import fine_table

GOLDEN = Path(__file__).parents[1] / "golden"
MAGIC = b"\x93FASTPR\n"
HEADER = {
    "metric": "precision_recall_at_equal_thresholds",
    "num_thresholds": 2,
    "bins_per_threshold": 1,
    "resolution": "thresholds",
    "zero_division": "0.0",
    "invalid": "raise",
    "num_dropped": 0,
    "has_sums": False,
    "dtypes": ["float64"],
}
NEW_IN_SCHEMA_2 = {"bins_per_threshold", "resolution", "dtypes"}
HEADER_1 = {key: value for key, value in HEADER.items() if key not in NEW_IN_SCHEMA_2}
COUNTS = struct.pack("<4q", 1, 2, 3, 4)
SUMS = struct.pack("<4d", 0.5, 0.0, 2.0, 1.5)


def written(
    header: object = HEADER,
    tables: bytes = COUNTS,
    *,
    schema: int = 2,
    text: bytes | None = None,
    length: int | None = None,
) -> bytes:
    """The bytes of a state, by hand, with a checksum that fits."""
    if text is None:
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    prefix = struct.pack("<8sII", MAGIC, schema, len(text) if length is None else length)
    body = prefix + text + tables
    return body + struct.pack("<I", zlib.crc32(body))


def some_state() -> State:
    state = State(5, zero_division=1.0, invalid="drop")
    state.update([0, 1, 1, 0], [0.1, 0.5, 2.0, 1.0])
    return state.update([1, 0], [0.3, 0.7], weights=[0.1, 1e-300])


def refusal(data: bytes) -> str:
    with pytest.raises(ValueError) as caught:
        State.from_bytes(data)
    assert type(caught.value) is ValueError
    return str(caught.value)


# ---- what is written ----


def test_the_layout_is_the_one_that_is_documented() -> None:
    state = State(2).update([0, 1, 1], [0.5, 0.5, 1.0])
    assert state.to_bytes() == written(tables=struct.pack("<4q", 1, 0, 1, 1))
    state.update([1, 0], [0.5, 1.0], weights=[0.25, 3.0])
    header = {**HEADER, "has_sums": True}
    tables = struct.pack("<4q8d", 1, 0, 1, 1, 0.0, 3.0, 0.25, 0.0, 0, 0, 0, 0)
    assert state.to_bytes() == written(header, tables)


def test_the_layout_of_finer_bins_and_of_values() -> None:
    state = State(2, bins_per_threshold=2).update([0, 1, 1], np.float32([0.5, 0.4, 1.0]))
    header = {**HEADER, "bins_per_threshold": 2, "dtypes": ["float32"]}
    assert state.to_bytes() == written(header, struct.pack("<6q", 0, 1, 0, 1, 0, 1))
    state.update([0], np.float16([0.5]))
    header["dtypes"] = ["float16", "float32"]
    assert state.to_bytes() == written(header, struct.pack("<6q", 0, 2, 0, 1, 0, 1))
    state = State(2, resolution="exact")
    header = {**HEADER, "resolution": "exact", "dtypes": []}
    assert state.to_bytes() == written(header, b"")  # no values are known
    counts = np.zeros((2, 256), np.int64)
    counts[1, 7] = 2
    header["dtypes"] = ["uint8"]
    state.update([1, 1], np.uint8([7, 7]))
    assert state.to_bytes() == written(header, counts.tobytes())


@pytest.mark.parametrize(
    "options",
    [{"bins_per_threshold": 20}, {"resolution": "exact"}, {"num_thresholds": 65_537}],
    ids=str,
)
@pytest.mark.parametrize("dtype", [None, "uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("weights", [None, [0.1, 0.2, 0.3]])
def test_states_of_all_bins_come_back_whole(options: dict, dtype: str, weights: object) -> None:
    if dtype == "float32" and "resolution" in options:
        return
    state = State(**options)
    if dtype is not None:
        state.update([0, 1, 1], np.array([0, 0.5, 1]).astype(dtype), weights)
    back = State.from_bytes(state.to_bytes())
    assert back == state
    assert back.dtypes == state.dtypes == (() if dtype is None else (dtype,))
    for name in ("num_thresholds", "bins_per_threshold", "resolution"):
        assert getattr(back, name) == getattr(state, name)
    assert fine_table(back).tobytes() == fine_table(state).tobytes()


@pytest.mark.parametrize("zero_division", [0.0, 1.0, float("nan")])
@pytest.mark.parametrize("invalid", ["raise", "drop"])
@pytest.mark.parametrize("weights", [None, [0.1, 0.2, 0.3]])
def test_bytes_and_files_come_back_whole(
    tmp_path: Path, zero_division: float, invalid: str, weights: object
) -> None:
    state = State(7, zero_division=zero_division, invalid=invalid)
    state.update([0, 1, 1], [0.1, 0.5, 1.0], weights)
    path = tmp_path / "a.fastpr"
    assert state.save(path) is None
    assert path.read_bytes() == state.to_bytes()
    for back in (State.from_bytes(state.to_bytes()), State.load(path), State.load(str(path))):
        assert back == state
        assert back.to_bytes() == state.to_bytes()
        assert (back.invalid, repr(back.zero_division)) == (invalid, repr(zero_division))
        assert back.compute().tp.tobytes() == state.compute().tp.tobytes()
        back.update([1], [0.5])  # its tables are its own
        assert back != state


def test_the_largest_state_fits() -> None:
    state = State(65_537).update([1], [0.5], weights=0.5).update([0], [1.0])
    assert State.from_bytes(state.to_bytes()) == state


# ---- golden files ----


MADE = runpy.run_path(str(GOLDEN / "make_states.py"))


@pytest.mark.parametrize("name", MADE["STATES"])
def test_golden_states_have_the_same_bytes(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    assert State.load(GOLDEN / name).to_bytes() == data
    assert MADE["STATES"][name]().to_bytes() == data


@pytest.mark.parametrize("name", MADE["SCHEMA_1"])
def test_states_of_schema_1_keep_loading_and_are_saved_in_the_newest(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    state = State.load(GOLDEN / name)
    assert (state.bins_per_threshold, state.resolution) == (1, "thresholds")
    assert state.dtypes == ("unknown",)
    saved = state.to_bytes()
    assert saved[8] == 2
    assert State.from_bytes(saved) == state
    assert State.from_bytes(saved).dtypes == ("unknown",)
    assert pickle.loads(pickle.dumps(state)) == state
    made = MADE["SCHEMA_1"][name]()
    for field, expected in zip(state.compute(), made.compute(), strict=True):
        assert field.tobytes() == expected.tobytes()

    assert data[8] == 1


def test_an_empty_state_of_schema_1_is_an_empty_state() -> None:
    header = {**HEADER_1, "num_dropped": 3, "invalid": "drop"}
    state = State.from_bytes(written(header, bytes(32), schema=1))
    assert state.dtypes == ()
    assert state == State(2, invalid="drop").update([0] * 3, [2.0] * 3)


def test_the_entries_of_a_header_are_those_of_its_schema() -> None:
    assert State.from_bytes(written(HEADER_1, schema=1)).num_samples == 10
    message = "the saved state has an unknown or a missing entry: " + ", ".join(
        sorted(NEW_IN_SCHEMA_2)
    )
    assert refusal(written(HEADER, schema=1)) == message
    assert refusal(written(HEADER_1, schema=2)) == message


def test_golden_counts_have_their_values() -> None:
    state = State.load(GOLDEN / "state_v1_counts.fastpr")
    data = state.compute()
    assert (state.num_dropped, state.zero_division, state.invalid) == (2**34, 1.0, "drop")
    assert data.tp.tolist() == [2**35 + 1, 3 * 2**33 + 1, 3 * 2**33 + 1, 2**34 + 1, 2**33]
    assert data.fp.tolist() == [2**34 + 1, 2**33 + 1, 1, 1, 0]
    assert data.precision[0].hex() == "0x1.55555555471c7p-1"
    assert data.recall[4].hex() == "0x1.ffffffffc0000p-3"


def test_golden_sums_have_their_values() -> None:
    state = State.load(GOLDEN / "state_v1_sums.fastpr")
    data = state.compute()
    assert (state.num_dropped, repr(state.zero_division)) == (0, "nan")
    assert [x.hex() for x in data.tp.tolist()] == [
        "0x1.3666666666666p+2", "0x1.ecccccccccccdp+1", "0x1.e000000000000p+1"
    ]  # fmt: skip
    assert [x.hex() for x in data.fp.tolist()] == [
        "0x1.5555555555555p+0", "0x1.0000000000000p+0", "0x0.0p+0"
    ]  # fmt: skip


# ---- damage ----


def test_a_state_cut_short_anywhere_is_refused() -> None:
    data = some_state().to_bytes()
    for length in range(len(data)):
        message = refusal(data[:length])
        if length < 16:
            assert message == "not a saved fastpr state: it does not begin with the bytes of one"
        else:
            assert message.startswith("the saved state is damaged or cut short: its ")


def test_every_damaged_byte_is_noticed() -> None:
    data = some_state().to_bytes()
    for position in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= flip
            assert refusal(bytes(damaged))


@pytest.mark.parametrize("extra", [b"\0", b"x" * 8, COUNTS])
def test_extra_bytes_are_refused(extra: bytes) -> None:
    message = "the saved state is damaged or cut short: its checksum does not match"
    assert refusal(written() + extra) == message
    assert refusal(extra + written()).startswith("not a saved fastpr state")
    assert refusal(written(tables=COUNTS + extra)) == (
        f"the saved state has {32 + len(extra)} bytes of tables where its header says 32"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93",
        MAGIC,
        b"\x93NUMPY\x01\x00" + bytes(120),
        b"PK\x03\x04" + bytes(100),
        b"{}",
        bytes(1000),
        MAGIC.replace(b"\n", b"\r\n") + written()[8:],  # a transfer in text mode
    ],
)
def test_what_never_was_a_state_is_refused(data: bytes) -> None:
    assert refusal(data) == "not a saved fastpr state: it does not begin with the bytes of one"


@pytest.mark.parametrize("schema", [3, 4, 2**32 - 1])
def test_a_newer_schema_is_refused_before_anything_else_is_read(schema: int) -> None:
    message = (
        f"the saved state has schema {schema}, and this version of fastpr reads schemas up to 2; "
        "use a newer fastpr"
    )
    assert refusal(written(schema=schema)) == message
    assert refusal(struct.pack("<8sII", MAGIC, schema, 7) + b"another layout") == message


def test_a_schema_that_never_was_is_not_called_newer() -> None:
    message = refusal(written(schema=0))
    assert "schema 0" in message
    assert "newer" not in message


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 2**16 + 1, 10**6, 290])
def test_a_header_longer_than_the_data_is_refused(length: int) -> None:
    assert refusal(written(length=length)) == (
        "the saved state is damaged or cut short: its header does not fit"
    )


# ---- files ----


def test_errors_of_load_begin_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.fastpr"
    path.write_bytes(b"")
    with pytest.raises(ValueError) as caught:
        State.load(path)
    assert str(caught.value) == (
        f"{path}: not a saved fastpr state: it does not begin with the bytes of one"
    )
    with pytest.raises(FileNotFoundError):
        State.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        State.load(tmp_path)


@pytest.mark.parametrize("magic", [b"", written()])
def test_a_file_of_a_gigabyte_is_refused_without_reading_it(tmp_path: Path, magic: bytes) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(magic)
        file.truncate(2**30)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            State.load(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert str(caught.value) == f"{path}: not a saved fastpr state: it is too long"


class Bomb:
    """What a pickle would do when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_loading_never_unpickles(tmp_path: Path) -> None:
    fuse, path = tmp_path / "fuse", tmp_path / "bomb"
    bomb = pickle.dumps(Bomb(fuse))
    np.save(tmp_path / "bomb.npy", np.array([Bomb(fuse)]), allow_pickle=True)
    arrays = (tmp_path / "bomb.npy").read_bytes()
    for data in (bomb, arrays, written(text=bomb), written(tables=bomb), written(tables=arrays)):
        path.write_bytes(data)
        with pytest.raises(ValueError):
            State.load(path)
        assert not fuse.exists()
    pickle.loads(bomb)
    assert fuse.exists()  # it would have been seen
