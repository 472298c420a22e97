"""Saved states of rankings: what is written, and that nothing damaged or foreign is read."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ranking_contract import LABELS, SCORES, STATES, WEIGHTS, bits, filled

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics

New = Callable[..., Any]
MAX_INT64 = 2**63 - 1
ONE = 1 << (1074 - 16 * 64)  # 1.0, in the limb before the last of a few rows

AP_HEADER = {
    "metric": "average_precision_at_k",
    "k": 2,
    "empty": "skip",
    "denominator": "min",
    "ties": "index",
    "num_rows": 3,
    "num_empty": 1,
    "has_totals": True,
    "first_limb": 16,
    "num_limbs": 1,
}
AP_TABLE = struct.pack("<2q", 2 * ONE, ONE // 2)  # two rows, values of 0.5 together
METRICS_HEADER = {
    **AP_HEADER,
    "metric": "ranking_metrics",
    "k": 1,
    "average": "micro",
    "num_label_weights": 2,
}
METRICS_TABLE = struct.pack("<2d11q", 0.5, 2.0, 2 * ONE, *[ONE] * 6, ONE, 2 * ONE, ONE, 2 * ONE)


@pytest.fixture(params=STATES)
def new(request: pytest.FixtureRequest) -> New:
    """Each kind of state, as a function that makes one."""
    return STATES[request.param]


def written(header: dict[str, Any], table: bytes, *, schema: int = 1, text: bytes = b"") -> bytes:
    """The bytes of a state, by hand, with a checksum that fits."""
    text = text or json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    body = struct.pack("<8sII", b"\x93FASTPR\n", schema, len(text)) + text + table
    return body + struct.pack("<I", zlib.crc32(body))


def ap(table: bytes = AP_TABLE, **changes: Any) -> bytes:
    return written({**AP_HEADER, **changes}, table)


def metrics(table: bytes = METRICS_TABLE, **changes: Any) -> bytes:
    return written({**METRICS_HEADER, **changes}, table)


def refusal(data: bytes, kind: Any = AveragePrecisionAtK) -> str:
    with pytest.raises(ValueError) as caught:
        kind.from_bytes(data)
    assert type(caught.value) is ValueError
    return str(caught.value)


# ---- what is written ----


def test_the_layout_is_the_one_that_is_documented() -> None:
    state = AveragePrecisionAtK(2).update([[0], [1], []], np.array([[2, 1, 3]] * 3, np.float32))
    assert state.compute() == 0.25
    assert state.to_bytes() == ap()
    assert AveragePrecisionAtK.from_bytes(ap()) == state
    state = RankingMetrics.from_bytes(metrics())
    assert state.to_bytes() == metrics()
    assert state.compute().psp.tolist() == [0.5]


def test_a_state_of_nothing_has_no_tables() -> None:
    assert AveragePrecisionAtK(2).to_bytes() == ap(
        b"", num_rows=0, num_empty=0, has_totals=False, first_limb=0, num_limbs=0
    )
    largest = 2**31 - 1
    state = RankingMetrics(largest)  # whose tables would be of a hundred gigabytes
    assert RankingMetrics.from_bytes(state.to_bytes()).k == largest


def test_values_that_are_all_0_are_not_stored() -> None:
    state = AveragePrecisionAtK(2).update([[2], [2], []], np.array([[3, 2, 1]] * 3, np.float32))
    assert state.to_bytes() == ap(struct.pack("<q", 2 * ONE), has_totals=False)
    assert AveragePrecisionAtK.from_bytes(state.to_bytes()) == state


@pytest.mark.parametrize("weights", [None, WEIGHTS, 5e-324, 1e300])
@pytest.mark.parametrize("empty", ["skip", "zero", "one", "nan"])
def test_bytes_and_files_come_back_whole(
    new: New, tmp_path: Path, weights: Any, empty: str
) -> None:
    state = filled(new, weights, empty=empty, denominator="relevant", ties="expected")
    path = tmp_path / "a.fastpr"
    assert state.save(path) is None
    assert path.read_bytes() == state.to_bytes()
    kind = type(state)
    for back in (kind.from_bytes(state.to_bytes()), kind.load(path), kind.load(str(path))):
        assert back == state
        assert back.to_bytes() == state.to_bytes()
        assert bits(back.compute()) == bits(state.compute())
        assert (back.num_rows, back.num_empty, back.ties) == (6, 1, "expected")
        back.update([[0]], SCORES[:1])  # its tables are its own
        assert back != state


def test_large_states_are_saved_and_loaded(tmp_path: Path) -> None:
    path, random = tmp_path / "large", np.random.default_rng(0)
    state = RankingMetrics(10_000, label_weights=random.random(300_000))
    state.update(random.integers(0, 300_000, (3, 100)), random.random((3, 300_000)), [1, 1e-9, 1e9])
    assert len(state.to_bytes()) > 1 << 22
    state.save(path)
    assert RankingMetrics.load(path) == state


# ---- damage ----


def test_a_state_cut_short_anywhere_is_refused(new: New) -> None:
    kind, data = type(new()), filled(new, WEIGHTS).to_bytes()
    for length in range(0, len(data), 7):
        assert refusal(data[:length], kind)


def test_every_damaged_byte_is_noticed(new: New) -> None:
    kind, data = type(new()), filled(new, WEIGHTS).to_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x81
        assert refusal(bytes(damaged), kind)


def test_a_newer_schema_is_refused() -> None:
    message = "the saved state has schema 2, and this version of fastpr reads schemas up to 1"
    assert refusal(written(AP_HEADER, AP_TABLE, schema=2)).startswith(message)


def test_states_of_other_metrics_are_refused() -> None:
    other = fastpr.PrecisionRecallAtEqualThresholds(3).to_bytes()
    assert refusal(other) == (
        "the saved state is of the metric 'precision_recall_at_equal_thresholds', not "
        "'average_precision_at_k'"
    )
    assert refusal(ap(), RankingMetrics) == (
        "the saved state is of the metric 'average_precision_at_k', not 'ranking_metrics'"
    )
    assert "of the metric 'ranking_metrics'" in refusal(metrics())


# ---- what fits its checksum and cannot be ----


@pytest.mark.parametrize("key", sorted(METRICS_HEADER))
def test_missing_and_unknown_entries_are_named(key: str) -> None:
    header = {name: value for name, value in METRICS_HEADER.items() if name != key}
    if key != "metric":
        assert refusal(written(header, METRICS_TABLE), RankingMetrics) == (
            f"the saved state has an unknown or a missing entry: {key}"
        )
    assert refusal(metrics(**{key + "s": 1}), RankingMetrics) == (
        f"the saved state has an unknown or a missing entry: {key}s"
    )


@pytest.mark.parametrize("key", ["k", "empty", "denominator", "ties", "average"])
@pytest.mark.parametrize(
    "value",
    [True, False, None, 2.5, [], ["skip"], {}, "x", -1, 0, 2**31, 10**400],
    ids=lambda value: repr(value)[:9],
)
def test_options_of_a_wrong_type_or_range_are_refused(key: str, value: object) -> None:
    assert key in refusal(metrics(**{key: value}), RankingMetrics)


@pytest.mark.parametrize("key", ["num_rows", "num_empty", "first_limb", "num_limbs"])
@pytest.mark.parametrize("value", [-1, 2**63, True, 1.0, "1", None, [], 10**400])
def test_totals_of_a_wrong_type_or_range_are_refused(key: str, value: object) -> None:
    assert refusal(ap(**{key: value})) == f"the saved state has a {key} of {value!r}"


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_flags_of_a_wrong_type_are_refused(value: object) -> None:
    assert refusal(ap(has_totals=value)) == f"the saved state has a has_totals of {value!r}"


@pytest.mark.parametrize("value", [0, -1, True, 2.0, "2", []])
def test_numbers_of_label_weights_that_are_none_are_refused(value: object) -> None:
    assert refusal(metrics(num_label_weights=value), RankingMetrics) == (
        f"the saved state has a num_label_weights of {value!r}"
    )


@pytest.mark.parametrize("weights", [(np.nan, 1), (-1, 1), (np.inf, 1), (1e308, 1e308), (-0.0, 1)])
def test_label_weights_that_are_none_are_refused(weights: tuple[float, float]) -> None:
    table = struct.pack("<2d", *weights) + METRICS_TABLE[16:]
    assert refusal(metrics(table), RankingMetrics)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"num_limbs": 2}, 16), ({"num_limbs": 34}, 16), ({}, 8), ({}, 0), ({}, 24), ({}, 15),
        ({"has_totals": False}, 16), ({"num_limbs": 0, "has_totals": False}, 8),
    ],
)  # fmt: skip
def test_tables_of_another_size_are_refused(changes: dict[str, Any], size: int) -> None:
    assert f"has {size} bytes of tables" in refusal(ap(bytes(size), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 2**31 - 1},
        {"k": 2**31 - 1, "num_limbs": 34},
        {"k": 2**31 - 1, "num_limbs": 0},
        {"num_label_weights": 2**40},
        {"num_label_weights": 10**30},
    ],
)
def test_huge_tables_are_refused_without_allocating(changes: dict[str, Any]) -> None:
    data = metrics(**changes)
    tracemalloc.start()
    try:
        assert refusal(data, RankingMetrics)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        ap(num_rows=2, num_empty=3),
        ap(num_rows=1, num_empty=1),  # no row is left for the weights
        ap(struct.pack("<2q", 0, ONE)),  # of weights 0
        ap(struct.pack("<2q", ONE, ONE + (ONE >> 10))),  # a mean above 1
        ap(struct.pack("<2q", 2 * ONE, 0)),  # would not have been stored
        ap(struct.pack("<2q", 0, 0)),
        ap(struct.pack("<q", 0), has_totals=False),
        ap(struct.pack("<4q", 0, 1, 0, 1), first_limb=15, num_limbs=2),  # a limb too many
        ap(first_limb=34),
        ap(empty="raise"),
        ap(struct.pack("<2q", -1, 1), first_limb=33),  # weights of three rows are not as large
        ap(num_rows=MAX_INT64, num_empty=0, first_limb=0),  # each weighs 2**-1074 at least
    ],
)
def test_sums_that_no_rows_have_are_refused(data: bytes) -> None:
    assert refusal(data).startswith("the saved state ")


def test_quotients_above_1_are_refused() -> None:
    for hits, ideal in [(2 * ONE, ONE), (ONE, 0)]:
        table = struct.pack("<2d11q", 0.5, 2.0, 2 * ONE, *[ONE] * 6, hits, ideal, ONE, 2 * ONE)
        assert refusal(metrics(table), RankingMetrics) == (
            "the saved state has sums that its rows cannot have"
        )


def test_roundings_of_rows_above_1_are_accepted() -> None:
    assert AveragePrecisionAtK.from_bytes(ap(struct.pack("<2q", ONE, ONE + 8))).compute() > 1


def test_the_largest_number_of_rows_loads_and_takes_no_more() -> None:
    state = AveragePrecisionAtK.from_bytes(
        ap(num_rows=MAX_INT64, num_empty=MAX_INT64 - 2, empty="nan")
    )
    assert (state.num_rows, state.num_empty) == (MAX_INT64, MAX_INT64 - 2)
    assert np.isnan(state.compute())
    with pytest.raises(OverflowError):
        state.update([0], [[0.5, 0.25]])


TEXT = json.dumps(AP_HEADER, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(b",", b", "),
        TEXT[:-1] + b',"k":2}',
        b"{" + b",".join(reversed(TEXT[1:-1].split(b","))) + b"}",
        TEXT.replace(b'"skip"', b'"\\u0073kip"'),
    ],
    ids=["spaces", "an entry twice", "another order", "escapes"],
)
def test_a_header_that_fastpr_does_not_write_is_refused(text: bytes) -> None:
    assert "header" in refusal(written({}, AP_TABLE, text=text))


# ---- files ----


def test_errors_of_load_begin_with_the_path(new: New, tmp_path: Path) -> None:
    path, kind = tmp_path / "a.fastpr", type(new())
    for data, message in [
        (b"", "not a saved fastpr state: it does not begin with the bytes of one"),
        (filled(new).to_bytes()[:-1], "the saved state is damaged or cut short: its checksum"),
        (fastpr.PrecisionRecallAtEqualThresholds(65_537).to_bytes(), "the saved state is of the"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ValueError) as caught:
            kind.load(path)
        assert str(caught.value).startswith(f"{path}: {message}")
    with pytest.raises(FileNotFoundError):
        kind.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        kind.load(tmp_path)


@pytest.mark.parametrize("start", [b"", ap(), metrics(), metrics(k=2**31 - 1)[:-60]])
def test_a_file_of_a_gigabyte_is_refused_without_reading_it(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(2**30)
    for kind in (AveragePrecisionAtK, RankingMetrics):
        if kind is RankingMetrics and b":2147483647," in start:
            continue  # it says that it is that long
        tracemalloc.start()
        try:
            with pytest.raises(ValueError) as caught:
                kind.load(path)
            assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
        finally:
            tracemalloc.stop()
        assert str(caught.value) == f"{path}: not a saved fastpr state: it is too long"


def test_a_header_that_promises_more_than_there_is_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "short"
    for changes in ({"k": 2**31 - 1, "num_limbs": 34}, {"k": 10**300}, {"num_label_weights": -9}):
        path.write_bytes(metrics(**changes))
        tracemalloc.start()
        try:
            with pytest.raises(ValueError):
                RankingMetrics.load(path)
            assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        finally:
            tracemalloc.stop()


def test_saving_is_atomic_for_these_states_too(new: New, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "state"
    new().save(path)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError("no")))
        with pytest.raises(OSError, match="no"):
            filled(new).save(path)
    assert type(new()).load(path) == new()
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_loading_never_unpickles(new: New, tmp_path: Path) -> None:
    path, data = tmp_path / "pickle", pickle.dumps(filled(new))
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a saved fastpr state"):
        type(new()).load(path)
    assert pickle.loads(data).update(LABELS, SCORES) == filled(new) + filled(new)
