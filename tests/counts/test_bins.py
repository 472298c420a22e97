"""The bins of states: which values are in them, and how they are joined to fewer."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import oracle
import pytest

from fastpr.arrays.dtypes import SCORE_KINDS
from fastpr.counts.bins import (
    KIND_OF_NAME,
    Bins,
    check_bins,
    kind_of,
    no_bounds,
    saved_dtypes,
    stored_thresholds,
    two_exact_dtypes,
)

NUM_VALUES = {"uint8": 256, "uint16": 65_536, "float16": 15_361, "bfloat16": 16_257}
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
FLOATS = [kind for kind in SCORE_KINDS if not kind.one]
COUNTED = [kind for kind in SCORE_KINDS if kind.one]
names = {"ids": lambda value: getattr(value, "name", None)}


# ---- options ----


@pytest.mark.parametrize(
    ("arguments", "bins"),
    [
        ((201,), Bins(201, 1, "thresholds")),
        ((201, 20), Bins(201, 20, "thresholds")),
        ((2, 65_536), Bins(2, 65_536, "thresholds")),
        ((65_537, np.int64(1)), Bins(65_537, 1, "thresholds")),
        ((np.uint8(3), 1, "exact"), Bins(3, 1, "exact")),
    ],
)
def test_bins_of_good_options(arguments: tuple, bins: Bins) -> None:
    made = check_bins(*arguments)
    assert made == bins
    assert type(made.num_thresholds) is type(made.bins_per_threshold) is int


@pytest.mark.parametrize(
    ("num_thresholds", "per_threshold", "most"),
    [(201, 328, 327), (201, 0, 327), (201, -1, 327), (2, 65_537, 65_536), (65_537, 2, 1),
     (32_769, 3, 2), (32_770, 2, 1), (3, 10**30, 32_768)],
)  # fmt: skip
def test_too_many_bins_are_refused_and_the_most_is_said(
    num_thresholds: int, per_threshold: int, most: int
) -> None:
    with pytest.raises(ValueError) as caught:
        check_bins(num_thresholds, per_threshold)
    assert str(caught.value) == (
        f"bins_per_threshold must be in [1, {most}] for {num_thresholds} thresholds, got "
        f"{per_threshold}"
    )
    assert (num_thresholds - 1) * most <= 65_536 < (num_thresholds - 1) * (most + 1)
    assert check_bins(num_thresholds, most).num_bins(None) <= 65_537


@pytest.mark.parametrize("value", [True, 2.0, "2", None, [2], np.bool_(True), np.array([1, 2])])
def test_bins_per_threshold_is_an_integer(value: object) -> None:
    with pytest.raises(TypeError) as caught:
        check_bins(201, value)
    assert str(caught.value) == f"bins_per_threshold must be an integer, got {value!r}"


@pytest.mark.parametrize("value", ["Exact", "", None, 1, True, ["exact"], b"exact", np.zeros(2)])
def test_there_are_two_resolutions(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        check_bins(201, 1, value)
    assert str(caught.value) == f"resolution must be 'thresholds' or 'exact', got {value!r}"


def test_values_have_no_finer_bins() -> None:
    with pytest.raises(ValueError) as caught:
        check_bins(201, 2, "exact")
    assert str(caught.value) == (
        "bins_per_threshold must be 1 with resolution='exact', which has a bin for each value, "
        "got 2"
    )


# ---- fine thresholds ----


@pytest.mark.parametrize("kind", SCORE_KINDS, **names)
@pytest.mark.parametrize(
    ("num_thresholds", "per_threshold"),
    [(2, 65_536), (3, 7), (11, 100), (201, 20), (201, 327), (1001, 3), (4001, 16), (32_769, 2)],
)
def test_every_threshold_is_a_fine_one(
    kind: object, num_thresholds: int, per_threshold: int
) -> None:
    bins, coarse = Bins(num_thresholds, per_threshold), Bins(num_thresholds)
    for fine, reported in (
        (bins.stored_edges(kind), stored_thresholds(num_thresholds, kind)),
        (bins.edges(kind), coarse.edges(kind)),
    ):
        assert len(fine) == bins.num_bins(kind) == (num_thresholds - 1) * per_threshold + 1
        assert fine[::per_threshold].tobytes() == reported.tobytes()
    first = bins.first_bins(coarse, kind)
    assert first.tolist() == list(range(0, len(fine), per_threshold))


# ---- a bin for each value ----


@pytest.mark.parametrize("kind", COUNTED, **names)
def test_values_are_all_in_0_1_in_their_order(kind: object) -> None:
    bins = Bins(201, 1, "exact")
    edges, stored = bins.edges(kind), bins.stored_edges(kind)
    assert len(edges) == len(stored) == bins.num_bins(kind) == NUM_VALUES[kind.name]
    assert stored.dtype == kind.storage
    assert stored.tolist() == list(range(len(stored)))
    if kind.name in DTYPES:
        with np.errstate(invalid="ignore"):
            every = np.arange(1 << 16).astype(np.uint16).view(DTYPES[kind.name]).astype(float)
            expected = np.unique(every[(every >= 0) & (every <= 1)]).tolist()
    else:
        expected = [float(Fraction(u, len(edges) - 1)) for u in range(len(edges))]
    assert edges.tolist() == expected
    for array in (edges, stored, bins.is_single(kind)):
        assert not array.flags.writeable
    assert bins.is_single(kind).all()


def test_without_a_dtype_there_are_no_values() -> None:
    bins = Bins(201, 1, "exact")
    assert bins.num_bins(None) == len(bins.edges(None)) == len(bins.is_single(None)) == 0


@pytest.mark.parametrize("kind", FLOATS, **names)
def test_float32_and_float64_have_too_many_values(kind: object) -> None:
    Bins(201, 300).check_kind(kind)
    with pytest.raises(TypeError) as caught:
        Bins(201, 1, "exact").check_kind(kind)
    message = str(caught.value)
    assert message.startswith(f"predictions have dtype {kind.name}, and resolution='exact' is for")
    assert "bins_per_threshold" in message
    assert "fastpr.exact" in message


@pytest.mark.parametrize("kind", SCORE_KINDS, **names)
@pytest.mark.parametrize("num_bins", [2, 201, 256, 4001, 65_537])
def test_the_lowest_score_of_a_bin_is_in_it(kind: object, num_bins: int) -> None:
    lowest = Bins(num_bins).lowest_scores(kind)
    assert lowest.dtype == np.float64
    assert not lowest.flags.writeable
    assert (lowest[0], lowest[-1]) == (0.0, 1.0)
    if kind.name in oracle.INTEGERS:
        scores = np.rint(lowest * kind.one).astype(kind.storage)
        below = np.where(scores > 0, scores - 1, 0).astype(kind.storage)
        assert (scores / kind.one == lowest).all()
    else:
        scores = lowest.astype(oracle.dtype_of(kind.name))
        bits = scores.view(oracle.FLOATS[kind.name][1])
        below = np.where(bits > 0, bits - 1, 0).astype(bits.dtype).view(scores.dtype)
        assert (scores.astype(np.float64) == lowest).all()
    is_own = np.append(lowest[1:] > lowest[:-1], True)  # of equal ones, the last bin has it
    number = np.arange(num_bins)
    assert (oracle.bins(scores, kind.name, num_bins) == number)[is_own].all()
    assert (oracle.bins(below, kind.name, num_bins) < number)[1:].all()


# ---- bins of one value ----


@pytest.mark.parametrize("kind", COUNTED, **names)
@pytest.mark.parametrize("num_bins", [2, 3, 256, 257, 1001, 15_361, 65_536, 65_537])
def test_single_bins_hold_one_value(kind: object, num_bins: int) -> None:
    """By brute force: the number of values in each bin, of all that there are."""
    values = Bins(2, 1, "exact").stored_edges(kind)
    if kind.name == "float16":
        values = values.view(np.float16)
    elif kind.name == "bfloat16":
        values = values.view(ml_dtypes.bfloat16)
    number = oracle.bins(values, kind.name, num_bins)
    num_values = np.bincount(number, minlength=num_bins)
    assert (Bins(num_bins).is_single(kind) == (num_values <= 1)).all()


@pytest.mark.parametrize("kind", FLOATS, **names)
@pytest.mark.parametrize("num_bins", [2, 201, 65_537])
def test_of_float32_only_the_last_bin_holds_one_value(kind: object, num_bins: int) -> None:
    for single in (Bins(num_bins).is_single(kind), Bins(num_bins).is_single(None)):
        assert single.tolist() == [False] * (num_bins - 1) + [True]


# ---- joining ----


def counted_coarsely(kind: object, num_bins: int) -> list[list[int]]:
    """The values in each of some equal bins, from their definition."""
    edges = stored_thresholds(num_bins, kind).astype(int).tolist()
    return [list(range(a, b)) for a, b in zip(edges, [*edges[1:], kind.one + 1], strict=True)]


@pytest.mark.parametrize("kind", COUNTED, **names)
@pytest.mark.parametrize("num_thresholds", [2, 3, 201, 256, 1001])
def test_values_are_joined_to_the_bins_they_are_in(kind: object, num_thresholds: int) -> None:
    first = Bins(2, 1, "exact").first_bins(Bins(num_thresholds), kind)
    ends = np.append(first[1:], NUM_VALUES[kind.name]).tolist()
    joined = [list(range(a, b)) for a, b in zip(first.tolist(), ends, strict=True)]
    assert joined == counted_coarsely(kind, num_thresholds)


@pytest.mark.parametrize(
    ("fine", "coarse", "message"),
    [
        (Bins(201), Bins(12), "num_thresholds can be 5, 6, 9, 11"),
        (Bins(201), Bins(202), "num_thresholds can be 41, 51, 101, 201"),
        (Bins(201), Bins(401), "num_thresholds can be 41, 51, 101, 201"),
        (Bins(201, 2), Bins(202), "num_thresholds can be 51, 81, 101, 201"),
        (Bins(11), Bins(3, 3), "bins_per_threshold can be 1, 5"),
        (Bins(11), Bins(4, 3), "num_thresholds can be 2, 3, 6, 11"),
        (Bins(8, 13), Bins(9), "num_thresholds can be 2, 8, 14, 92"),
        (Bins(201, 20), Bins(100, 5), "num_thresholds can be 41, 51, 81, 101"),
    ],
)
def test_bins_that_cannot_be_made_are_refused_with_the_nearest(
    fine: Bins, coarse: Bins, message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        fine.check_coarser(coarse)
    text = str(caught.value)
    assert f"{message}, for instance" in text
    assert text.startswith(f"{fine.num_steps} bins below the score 1 cannot be joined")
    what, _, numbers = message.partition(" can be ")
    if "with bins_per_threshold=1, " in text:
        coarse = coarse._replace(bins_per_threshold=1)
    for number in map(int, numbers.split(", ")):
        fine.check_coarser(coarse._replace(**{what: number}))


def test_every_bin_count_that_divides_is_accepted() -> None:
    for steps in range(1, 201):
        coarse = Bins(steps + 1)
        if 200 % steps == 0:
            Bins(11, 20).check_coarser(coarse)
        else:
            with pytest.raises(ValueError, match="which does not divide them"):
                Bins(11, 20).check_coarser(coarse)
        Bins(7, 1, "exact").check_coarser(coarse)


# ---- dtypes ----


def test_kinds_by_name() -> None:
    assert [kind_of({name}) for name in KIND_OF_NAME] == list(SCORE_KINDS)
    for dtypes in ((), {"unknown"}, {"float16", "float32"}, {"float16", "unknown"}):
        assert kind_of(dtypes) is None


def test_dtypes_of_files_are_known_ones() -> None:
    assert saved_dtypes(["float32", "unknown"], Bins(3)) == {"float32", "unknown"}
    assert saved_dtypes([], Bins(3, 1, "exact")) == frozenset()
    assert saved_dtypes(["uint8"], Bins(3, 1, "exact")) == {"uint8"}
    for names_, bins in (
        (["uint8", "uint16"], Bins(3, 1, "exact")),
        ([3], Bins(3)),
        (None, Bins(3)),
    ):
        with pytest.raises(ValueError, match="the saved state has dtypes of"):
            saved_dtypes(names_, bins)


def test_messages_name_the_dtypes() -> None:
    assert no_bounds(()) is no_bounds({"float32"}) is None
    assert no_bounds({"uint8", "float32", "float16"}) == (
        "the state has seen scores of float16, float32 and uint8, whose bins are not ordered "
        "alike; keep one state for each dtype"
    )
    assert "schema 1" in no_bounds({"unknown"})
    assert "schema 1" in no_bounds({"unknown", "float32"})
    assert "of uint8, and these are of float16;" in two_exact_dtypes(["uint8"], ["float16"])
