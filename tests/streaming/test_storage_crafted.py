"""Saved states whose checksum fits and whose content cannot be: all refused by ValueError."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib

import pytest

from fastpr import PrecisionRecallAtEqualThresholds as State

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
EXACT = {**HEADER, "resolution": "exact", "dtypes": ["uint8"]}
COUNTS = struct.pack("<4q", 1, 2, 3, 4)
MAX_INT64 = 2**63 - 1
NOTHING = (0.0,) * 4  # rounded off


def written(header: object = HEADER, tables: bytes = COUNTS, text: bytes | None = None) -> bytes:
    """The bytes of a state, by hand, with a checksum that fits."""
    if text is None:
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    body = struct.pack("<8sII", b"\x93FASTPR\n", 2, len(text)) + text + tables
    return body + struct.pack("<I", zlib.crc32(body))


def refusal(data: bytes) -> str:
    with pytest.raises(ValueError) as caught:
        State.from_bytes(data)
    assert type(caught.value) is ValueError
    return str(caught.value)


def test_the_writer_of_these_tests_makes_states_that_load() -> None:
    assert State.from_bytes(written()).num_samples == 10
    header, tables = {**HEADER, "has_sums": True}, COUNTS + struct.pack("<8d", 0, 0, 0, 1, *NOTHING)
    assert State.from_bytes(written(header, tables)).num_samples == 11.0


@pytest.mark.parametrize(
    ("metric", "shown"), [("average_precision_at_k", "'average_precision_at_k'"), (7, "7")]
)
def test_a_state_of_another_metric_is_refused(metric: object, shown: str) -> None:
    assert refusal(written({**HEADER, "metric": metric})) == (
        f"the saved state is of the metric {shown}, not 'precision_recall_at_equal_thresholds'"
    )


@pytest.mark.parametrize("key", sorted(HEADER))
def test_a_missing_entry_is_named(key: str) -> None:
    header = {name: value for name, value in HEADER.items() if name != key}
    message = refusal(written(header))
    if key == "metric":
        assert message.startswith("the saved state is of the metric None, not ")
    else:
        assert message == f"the saved state has an unknown or a missing entry: {key}"


def test_unknown_entries_are_named() -> None:
    assert refusal(written({**HEADER, "ties": "low", "k": 3})) == (
        "the saved state has an unknown or a missing entry: k, ties"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("num_dropped", -1, "the saved state has a num_dropped of -1"),
        ("num_dropped", 2**63, f"the saved state has a num_dropped of {2**63}"),
        ("num_dropped", True, "the saved state has a num_dropped of True"),
        ("num_dropped", 1.0, "the saved state has a num_dropped of 1.0"),
        ("num_dropped", "1", "the saved state has a num_dropped of '1'"),
        ("num_dropped", None, "the saved state has a num_dropped of None"),
        ("has_sums", 0, "the saved state has a has_sums of 0"),
        ("has_sums", "false", "the saved state has a has_sums of 'false'"),
        ("has_sums", None, "the saved state has a has_sums of None"),
    ],
)
def test_totals_of_a_wrong_type_or_range_are_refused(key: str, value: object, message: str) -> None:
    assert refusal(written({**HEADER, key: value})) == message


@pytest.mark.parametrize(
    "key", ["num_thresholds", "bins_per_threshold", "resolution", "zero_division", "invalid"]
)
@pytest.mark.parametrize(
    "value",
    [True, False, None, 2.5, [], ["raise"], {}, "x", -1, 10**400],
    ids=lambda value: repr(value)[:9],
)
def test_options_of_a_wrong_type_or_range_are_refused(key: str, value: object) -> None:
    assert key in refusal(written({**HEADER, key: value}))


@pytest.mark.parametrize(
    "dtypes",
    [
        None, "float64", {}, {"float64": 1}, 1, [1], [None], [["float64"]], ["float63"], [""],
        ["float64", "float128"], ["bool"],
    ],
    ids=repr,
)  # fmt: skip
def test_dtypes_that_there_are_not_are_refused(dtypes: object) -> None:
    expected = f"the saved state has dtypes of {dtypes!r}"
    assert refusal(written({**HEADER, "dtypes": dtypes})) == expected


@pytest.mark.parametrize("dtypes", [["float64", "float32"], ["uint8", "uint8"]])
def test_dtypes_in_another_order_or_twice_are_refused(dtypes: list[str]) -> None:
    assert "spelled otherwise" in refusal(written({**HEADER, "dtypes": dtypes}))


def test_there_are_dtypes_where_there_are_samples() -> None:
    assert refusal(written({**HEADER, "dtypes": []})) == (
        "the saved state has samples, and dtypes of []"
    )
    assert refusal(written(tables=bytes(32))) == (
        "the saved state has no samples, and dtypes of ['float64']"
    )
    assert State.from_bytes(written({**HEADER, "dtypes": []}, bytes(32))) == State(2)


@pytest.mark.parametrize(
    "dtypes", [["float32"], ["float64"], ["unknown"], ["uint16", "uint8"], ["uint8", "uint8"]]
)
def test_values_of_dtypes_that_cannot_be_counted_are_refused(dtypes: list[str]) -> None:
    expected = f"the saved state has dtypes of {dtypes!r}"
    assert refusal(written({**EXACT, "dtypes": dtypes})) == expected


@pytest.mark.parametrize(
    ("dtype", "num_values"),
    [("uint8", 256), ("uint16", 65_536), ("float16", 15_361), ("bfloat16", 16_257)],
)
def test_the_tables_are_those_of_the_values_of_the_dtype(dtype: str, num_values: int) -> None:
    header = {**EXACT, "dtypes": [dtype]}
    tables = struct.pack("<q", 3) + bytes(8 * (2 * num_values - 1))
    state = State.from_bytes(written(header, tables))
    assert (state.num_samples, state.dtypes) == (3, (dtype,))
    for size in (0, 32, len(tables) - 8, len(tables) + 8, 2 * len(tables)):
        assert refusal(written(header, bytes(size))) == (
            f"the saved state has {size} bytes of tables where its header says {len(tables)}"
        )


def test_values_of_no_dtype_are_refused() -> None:
    header = {**EXACT, "dtypes": []}
    assert State.from_bytes(written(header, b"")) == State(2, resolution="exact")
    assert refusal(written(header, bytes(2 * 256 * 8))) == (
        "the saved state has 4096 bytes of tables where its header says 0"
    )
    assert "weights" in refusal(written({**header, "has_sums": True}, b""))
    assert refusal(written(EXACT, bytes(2 * 256 * 8))) == (
        "the saved state has no samples, and dtypes of ['uint8']"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins_per_threshold": 0}, "bins_per_threshold must be in [1, 65536] for 2 thresholds"),
        ({"bins_per_threshold": 65_537}, "bins_per_threshold must be in [1, 65536] for 2 thr"),
        ({"bins_per_threshold": 2}, "the saved state has 32 bytes of tables where its header"),
        ({"resolution": "fine"}, "resolution must be 'thresholds' or 'exact', got 'fine'"),
        ({"resolution": "exact", "bins_per_threshold": 2}, "bins_per_threshold must be 1 with"),
        ({"resolution": "exact", "dtypes": ["uint8"]}, "the saved state has 32 bytes of tables"),
    ],
)
def test_bins_that_are_not_those_of_the_tables_are_refused(
    options: dict[str, object], message: str
) -> None:
    assert refusal(written({**HEADER, **options})).startswith(message)


@pytest.mark.parametrize("value", ["0", "-0.0", " nan", "NaN", "1e0", "1_0.0", 0, 0.0, 1])
def test_a_zero_division_spelled_in_another_way_is_refused(value: object) -> None:
    # It would load, and be written in the usual way: one state, two sequences of bytes.
    assert "zero_division" in refusal(written({**HEADER, "zero_division": value}))


@pytest.mark.parametrize("value", [65_538, 2**31, 2**62, 10**30])
def test_a_huge_number_of_thresholds_is_refused_without_allocating(value: int) -> None:
    data = written({**HEADER, "num_thresholds": value})
    tracemalloc.start()
    try:
        assert refusal(data).startswith(f"num_thresholds must be in [2, 65537], got {value};")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ({"num_thresholds": 65_537}, 32, 2 * 65_537 * 8),
        ({"num_thresholds": 3}, 32, 48),
        ({"has_sums": True}, 32, 96),
        ({"bins_per_threshold": 65_536}, 32, 2 * 65_537 * 8),
        ({}, 64, 32),
        ({}, 0, 32),
        ({}, 31, 32),
    ],
)
def test_tables_of_another_size_are_refused(
    header: dict[str, object], size: int, expected: int
) -> None:
    assert refusal(written({**HEADER, **header}, bytes(size))) == (
        f"the saved state has {size} bytes of tables where its header says {expected}"
    )


@pytest.mark.parametrize(
    "counts",
    [
        (-1, 0, 0, 0),
        (0, 0, 0, -(2**63)),
        (MAX_INT64, 1, 0, 0),
        (MAX_INT64, MAX_INT64, 1, 1),
        (MAX_INT64, MAX_INT64, 2, 0),  # the sum is 0 in 64 bits
        (2**62, 2**62, 2**62, 2**62),
    ],
)
def test_counts_that_are_negative_or_too_large_are_refused(counts: tuple[int, ...]) -> None:
    assert refusal(written(tables=struct.pack("<4q", *counts))) == (
        "the saved state has counts that are negative or too large"
    )


def test_the_largest_counts_load_and_take_no_more() -> None:
    state = State.from_bytes(written(tables=struct.pack("<4q", MAX_INT64 - 1, 0, 0, 1)))
    assert state.num_samples == MAX_INT64
    assert state.compute().fp.tolist() == [MAX_INT64 - 1, 0]
    with pytest.raises(OverflowError):
        state.update([1], [0.5])


@pytest.mark.parametrize(
    "sums",
    [
        (float("nan"), 1, 1, 1),
        (float("inf"), 1, 1, 1),
        (1e308, 1e308, 0, 0),  # the total is not finite
        (-1.0, 1, 1, 1),
        (-5e-324, 1, 1, 1),
        (-0.0, 1, 1, 1),
        (0.0, 0, 0, 0),  # would not have been stored
        (float("-inf"), 1, 1, 1),
    ],
)
def test_sums_that_no_weights_have_are_refused(sums: tuple[float, ...]) -> None:
    data = written({**HEADER, "has_sums": True}, COUNTS + struct.pack("<8d", *sums, *NOTHING))
    assert "weights" in refusal(data)


@pytest.mark.parametrize("rounded", [0.1, -0.1, float("nan"), float("inf"), 2**-53])
def test_what_cannot_have_been_rounded_off_is_refused(rounded: float) -> None:
    good = struct.pack("<8d", 1, 1, 1, 1, 2**-54, 0, 0, 0)
    assert State.from_bytes(written({**HEADER, "has_sums": True}, COUNTS + good)).num_samples == 14
    bad = struct.pack("<8d", 1, 0.5, 1, 1, 0, rounded, 0, 0)
    assert "weights" in refusal(written({**HEADER, "has_sums": True}, COUNTS + bad))


def test_signalling_nans_are_refused_without_a_warning() -> None:
    tables = COUNTS + struct.pack("<8Q", *[0x7FF0000000000001] * 8)
    assert "weights" in refusal(written({**HEADER, "has_sums": True}, tables))


TEXT = json.dumps(HEADER, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        TEXT[:-1],
        TEXT + b"}",
        b"\xff" * 20,
        b"[" * 60_000,
        b'{"a":' * 13_000,
        b'{"a":' + b"1" * 60_000 + b"}",
    ],
    ids=lambda text: repr(text[:8]),
)
def test_a_header_that_is_not_json_is_refused(text: bytes) -> None:
    assert refusal(written(text=text)).startswith("the saved state has a header that is not JSON: ")


@pytest.mark.parametrize("text", [b"[]", b"null", b"1", b'"metric"', b"NaN"])
def test_a_header_that_is_not_an_object_is_refused(text: bytes) -> None:
    assert refusal(written(text=text)) == "the saved state has a header that is not a JSON object"


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(b",", b", "),
        TEXT[:-1] + b',"num_thresholds":2}',
        b"{" + b",".join(reversed(TEXT[1:-1].split(b","))) + b"}",
        TEXT.decode().encode("utf-16-le"),
    ],
    ids=["spaces", "an entry twice", "another order", "utf-16"],
)
def test_a_header_that_fastpr_does_not_write_is_refused(text: bytes) -> None:
    # Equal states have equal bytes, so there is one header for a state.
    assert "header" in refusal(written(text=text))
