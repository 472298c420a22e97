"""The state contract of rankings: equality, repr, options and copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ranking_contract import SCORES, STATES, filled

import fastpr
from fastpr import AveragePrecisionAtK, RankingMetrics

New = Callable[..., Any]


@pytest.fixture(params=STATES)
def new(request: pytest.FixtureRequest) -> New:
    """Each kind of state, as a function that makes one."""
    return STATES[request.param]


# ---- what it is ----


def test_equality_is_about_numbers_and_not_about_how_they_are_ranked(new: New) -> None:
    state = filled(new)
    assert state == filled(new, backend="reference", use_locking=False, name="other")
    for options in ({"empty": "zero"}, {"ties": "pessimistic"}, {"denominator": "k"}):
        assert state != filled(new, **options)
        assert new() != new(**options)
    assert state != filled(new).update([[0]], SCORES[:1])
    assert state != filled(new, 2.0)  # the same mean, of other sums
    assert state != "a state"


def test_states_of_different_metrics_are_different() -> None:
    states = [new() for new in STATES.values()] + [fastpr.PrecisionRecallAtEqualThresholds(3)]
    states += [AveragePrecisionAtK(2), RankingMetrics(2)]
    states += [RankingMetrics(3, label_weights=[1, 2, 3]), RankingMetrics(3, average="rows")]
    for i, one in enumerate(states):
        for j, two in enumerate(states):
            assert (one == two) == (i == j)


def test_a_state_is_not_hashable(new: New) -> None:
    with pytest.raises(TypeError, match=r"^unhashable type"):
        hash(new())


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (AveragePrecisionAtK(10), "AveragePrecisionAtK(k=10, num_rows=0, num_empty=0)"),
        (
            AveragePrecisionAtK(
                1, empty="one", denominator="k", ties="expected", name="a'b"
            ).update([[], [0]], [[1.0], [2.0]]),
            "AveragePrecisionAtK(k=1, empty='one', denominator='k', ties='expected', "
            'name="a\'b", num_rows=2, num_empty=1)',
        ),
        (RankingMetrics(np.int64(3)), "RankingMetrics(k=3, num_rows=0, num_empty=0)"),
        (
            RankingMetrics(1, label_weights=[1, 2], average="rows", name="x"),
            "RankingMetrics(k=1, label_weights=<of 2 classes>, average='rows', name='x', "
            "num_rows=0, num_empty=0)",
        ),
    ],
)
def test_repr_shows_options_and_totals(state: Any, text: str) -> None:
    assert repr(state) == text


def test_options_can_be_read_and_not_set(new: New) -> None:
    state = new(
        empty="nan", denominator="relevant", ties="expected", use_locking=False, backend="auto"
    )
    assert (state.k, state.empty, state.denominator) == (3, "nan", "relevant")
    assert (state.ties, state.backend, state.use_locking) == ("expected", "auto", False)
    assert state.name is None
    for name in ("k", "empty", "denominator", "ties", "num_rows", "num_empty", "backend"):
        with pytest.raises(AttributeError):
            setattr(state, name, 7)


def test_label_weights_are_a_read_only_copy() -> None:
    given = np.array([1.0, -0.0, 2.0], np.float32)
    state = RankingMetrics(1, label_weights=given)
    given[:] = 9
    weights = state.label_weights
    assert weights is not None
    assert (weights.dtype, weights.tolist()) == (np.float64, [1.0, 0.0, 2.0])
    assert not np.signbit(weights).any()
    with pytest.raises(ValueError):
        weights[0] = 3
    assert RankingMetrics(1).label_weights is None
    assert (state.average, RankingMetrics(1, average="rows").average) == ("micro", "rows")


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3", None, 2**31, 10**400, np.float64(2)])
def test_a_k_that_is_no_cutoff_is_refused(k: Any) -> None:
    for kind in (AveragePrecisionAtK, RankingMetrics):
        with pytest.raises(ValueError, match=r"^k must be an integer"):
            kind(k)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"empty": "drop"}, "empty must be 'skip', 'zero', 'one', 'nan' or 'raise', got 'drop'"),
        ({"empty": None}, "empty must be"),
        ({"denominator": "R"}, "denominator must be"),
        ({"ties": "first"}, "ties must be"),
        ({"ties": "expected", "denominator": "hits"}, "denominator 'hits'"),
        ({"backend": "fastest"}, "backend must be"),
    ],
)
def test_options_out_of_range_are_refused(new: New, options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        new(**options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([[1.0]], ValueError, "label_weights have shape (1, 1); pass one weight for each class"),
        (1.0, ValueError, "label_weights have shape ()"),
        ([], ValueError, "label_weights have shape (0,)"),
        ([1, -1], ValueError, "label_weights must be finite and not negative (first: -1.0 at"),
        ([1, np.nan], ValueError, "label_weights must be finite and not negative (first: nan at"),
        ([1, np.inf], ValueError, "label_weights must be finite and not negative (first: inf at"),
        ([1e308, 1e308], ValueError, "the sum of label_weights does not fit into float64"),
        (["a"], TypeError, "label_weights have dtype"),
        ([1j], TypeError, "label_weights have dtype complex128"),
    ],
)
def test_label_weights_that_are_none_are_refused(
    weights: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        RankingMetrics(1, label_weights=weights)
    assert str(caught.value).startswith(message)


def test_an_average_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^average must be"):
        RankingMetrics(1, average="macro")
