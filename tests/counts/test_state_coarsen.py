"""A coarsened state is the one that had counted coarsely from the start."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import oracle
import pytest
from cases import near_thresholds
from compare import assert_close_sums, assert_same_bits, assert_same_data
from hypothesis import given
from hypothesis import strategies as st
from tiers import examples

from fastpr import PrecisionRecallAtEqualThresholds as State
from fastpr.counts.state import fine_table

COUNTED = ["uint8", "uint16", "float16", "bfloat16"]
RANDOM = np.random.default_rng(8)
# (num_thresholds, bins_per_threshold) before and after
COARSER = [
    ((201, 1), (2, 1)), ((201, 1), (201, 1)), ((201, 1), (101, 1)), ((201, 20), (201, 1)),
    ((201, 20), (201, 4)), ((201, 20), (101, 5)), ((11, 20), (201, 1)), ((11, 20), (41, 5)),
    ((2, 65_536), (257, 16)), ((65_537, 1), (2, 64)), ((1001, 3), (16, 40)),
]  # fmt: skip


def samples(kind: str, num_bins: int) -> tuple[np.ndarray, np.ndarray]:
    scores = near_thresholds(kind, num_bins)
    return np.random.default_rng(len(scores)).random(len(scores)) < 0.4, scores


@pytest.mark.parametrize(("fine", "coarse"), COARSER)
@pytest.mark.parametrize("kind", oracle.KINDS)
def test_equal_bins_are_joined_exactly(
    kind: str, fine: tuple[int, int], coarse: tuple[int, int]
) -> None:
    labels, scores = samples(kind, (coarse[0] - 1) * coarse[1] + 1)
    state = State(fine[0], bins_per_threshold=fine[1]).update(labels, scores)
    before = state.to_bytes()
    actual = state.coarsen(*coarse)
    assert state.to_bytes() == before
    expected = State(coarse[0], bins_per_threshold=coarse[1]).update(labels, scores)
    assert actual.to_bytes() == expected.to_bytes()
    assert actual == expected
    assert_same_data(actual.compute(), expected.compute())


@pytest.mark.parametrize(
    "coarse", [(2,), (3,), (12,), (201,), (256,), (65_537,), (11, 20), (4, 77)]
)
@pytest.mark.parametrize("kind", COUNTED)
def test_values_are_joined_to_any_bins(kind: str, coarse: tuple[int, ...]) -> None:
    labels, scores = samples(kind, (coarse[0] - 1) * (*coarse, 1)[1] + 1)
    weights = RANDOM.integers(0, 4, len(scores))
    state = State(7, resolution="exact").update(labels, scores)
    expected = State(coarse[0], bins_per_threshold=(*coarse, 1)[1]).update(labels, scores)
    actual = state.coarsen(*coarse)
    assert actual.to_bytes() == expected.to_bytes()
    assert (actual.resolution, actual.dtypes) == ("thresholds", (kind,))
    weighted = state.update(labels, scores, weights).coarsen(*coarse)
    assert weighted == expected.update(labels, scores, weights)  # whole numbers are exact


@examples(80)
@given(st.data())
def test_joining_is_what_its_definition_says(data: st.DataObject) -> None:
    """Each fine bin goes into the bin in which its lowest score is, by fractions."""
    from fractions import Fraction

    steps = data.draw(st.integers(1, 60))
    divisors = [n for n in range(1, steps + 1) if steps % n == 0]
    coarse_steps = data.draw(st.sampled_from(divisors))
    counts = data.draw(
        st.lists(st.integers(0, 2**40), min_size=2 * steps + 2, max_size=2 * steps + 2)
    )
    state = State(steps + 1).update([1], [0.5])
    table = np.array(counts).reshape(2, -1)
    state._seen = state._seen._replace(counts=table, num_counted=int(table.sum()))
    expected = [[0] * (coarse_steps + 1) for _ in range(2)]
    for label in range(2):
        for number, count in enumerate(table[label].tolist()):
            score = Fraction(number, steps)
            expected[label][int(score * coarse_steps)] += count
    assert fine_table(state.coarsen(coarse_steps + 1)).tolist() == expected


@pytest.mark.parametrize("how", ["fine", "exact"])
def test_sums_of_weights_agree_within_1e_12(how: str) -> None:
    scores = RANDOM.random(100_000).astype(np.float16)
    labels, weights = RANDOM.random(100_000) < 0.5, RANDOM.choice([0.1, 1e-3, 1e6, 0.7], 100_000)
    options = {"bins_per_threshold": 320} if how == "fine" else {"resolution": "exact"}
    state = State(201, **options).update(labels, scores)
    for part in np.array_split(np.arange(len(scores)), 9):
        state.update(labels[part], scores[part], weights[part])
    for num in (2, 3, 11, 201):
        table = state.coarsen(num)._seen.sums[0]
        assert_close_sums(table, oracle.weighted_table(labels, scores, weights, "float16", num))
        assert State.from_bytes(state.coarsen(num).to_bytes()) == state.coarsen(num)


def test_what_is_rounded_off_is_joined_too() -> None:
    large, small = State(5).update([1], [0.2], [1.0]), State(5).update([1], [0.3], [1e-20])
    assert (large + small).coarsen(3) - large.coarsen(3) == small.coarsen(3)


def test_huge_counts_are_joined_exactly() -> None:
    state = State(201).update([1] * 3 + [0], [0.1, 0.101, 0.9, 0.5])
    for _ in range(60):
        state.merge(state)
    data = state.coarsen(3).compute()
    assert data.tp.tolist() == [3 * 2**60, 2**60, 0]
    assert data.fp.tolist() == [2**60, 2**60, 0]


@pytest.mark.parametrize("resolution", ["thresholds", "exact"])
def test_an_empty_state_stays_empty(resolution: str) -> None:
    state = State(201, resolution=resolution, invalid="drop").update([1], np.float16([7.0]))
    coarse = state.coarsen(11)
    assert coarse == State(11, invalid="drop").update([1], np.float16([7.0]))
    assert coarse.num_dropped == 1
    assert coarse.dtypes == ()


def test_options_stay_and_the_states_go_their_own_ways() -> None:
    state = State(
        5, zero_division=1.0, invalid="drop", use_locking=False, backend="reference", name="a"
    )
    state.update([1, 0, 1], np.array([0.3, 0.8, 2.0], np.float32))
    coarse = state.coarsen(3)
    for name in ("zero_division", "invalid", "use_locking", "backend", "name", "num_dropped"):
        assert getattr(coarse, name) == getattr(state, name)
    before = state.to_bytes(), coarse.to_bytes()
    coarse.update([1], [0.1])
    assert state.to_bytes() == before[0]
    state.update([1], [0.1])
    assert coarse.to_bytes() != before[1]
    assert coarse == state.coarsen(3)
    assert state.coarsen(5) is not state


def test_states_of_several_dtypes_can_be_coarsened() -> None:
    state, coarse = State(201), State(11)
    for kind in oracle.KINDS:
        batch = samples(kind, 11)
        state.update(*batch)
        coarse.update(*batch)
    assert state.coarsen(11) == coarse
    assert len(coarse.dtypes) == 6


def test_coarsening_and_merging_can_change_places() -> None:
    parts = [State(41).update(*samples(kind, 11)) for kind in ("float32", "float16", "uint8")]
    assert sum(parts).coarsen(11) == sum(part.coarsen(11) for part in parts)
    assert sum(parts).coarsen(21).coarsen(11) == sum(parts).coarsen(11)
    values = np.arange(256).astype(np.uint8)
    exact = State(41, resolution="exact").update(values % 3 == 0, values)
    assert exact.coarsen(41).coarsen(11) == exact.coarsen(11)
    assert (exact + exact).coarsen(11) == exact.coarsen(11) + exact.coarsen(11)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((12,), ValueError, "200 bins below the score 1 cannot be joined to 11 "),
        ((401,), ValueError, "num_thresholds can be 41, 51, 101, 201, for instance"),
        ((101, 3), ValueError, "bins_per_threshold can be 1, 2, for instance"),
        ((1,), ValueError, r"num_thresholds must be in \[2, 65537\], got 1"),
        ((201, 0), ValueError, r"bins_per_threshold must be in \[1, 327\]"),
        ((2.0,), TypeError, "num_thresholds must be an integer, got 2.0"),
        ((2, 1.0), TypeError, "bins_per_threshold must be an integer, got 1.0"),
    ],
)
def test_bins_that_cannot_be_made_are_refused(
    arguments: tuple, error: type[Exception], message: str
) -> None:
    state = State(201).update([1], [0.5])
    before = state.to_bytes()
    with pytest.raises(error, match=message):
        state.coarsen(*arguments)
    assert state.to_bytes() == before


def test_the_curve_of_a_coarsened_state_is_that_of_wide_bins() -> None:
    scores = RANDOM.random(2000).astype(ml_dtypes.bfloat16)
    labels = RANDOM.random(2000) < scores.astype(float)
    exact = State(201, resolution="exact").update(labels, scores)
    coarse, direct = exact.coarsen(11).curve(), State(11).update(labels, scores).curve()
    assert coarse == direct
    assert_same_bits(coarse.tp, direct.tp)
    area = exact.curve().average_precision()
    assert coarse.average_precision().low <= area <= coarse.average_precision().high
