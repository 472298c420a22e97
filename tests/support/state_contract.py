"""What every state has to do, as data: the states, what they see, and what has to come out.

A new state is a new entry of `SUBJECTS`; `tests/streaming/test_contract.py` holds the laws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ranking_contract import LABELS, SCORES, STATES, WEIGHTS

import fastpr
from fastpr import PrecisionRecallAtEqualThresholds

BACKENDS = fastpr.available_backends()
MAX_INT64 = 2**63 - 1


@dataclass(frozen=True)
class Subject:
    """A kind of state.

    Attributes
    ----------
    new : callable
        Makes one, of options.
    batches : tuple
        Arguments of updates, each of them once; the sums of any of them are exact.
    weighted : tuple
        Arguments of an update whose weights need every bit of a float64.
    one : tuple
        Arguments of an update that counts as one.
    bad : tuple
        Arguments of an update that raises.
    unit : str
        What is counted: ``num_{unit}`` of a state.
    options : dict
        Options that a state keeps, and is compared by.
    different : list
        Options of two states that cannot be merged, and how the message names them.
    """

    new: Callable[..., Any]
    batches: tuple[Any, ...]
    weighted: tuple[Any, ...]
    one: tuple[Any, ...]
    bad: tuple[Any, ...]
    unit: str
    options: dict[str, Any]
    different: tuple[tuple[dict[str, Any], dict[str, Any], str], ...]

    @property
    def kind(self) -> Any:
        return type(self.new())

    def states(self) -> list[Any]:
        """Return states of each batch, and one that has seen nothing."""
        return [*(self.new().update(*batch) for batch in self.batches), self.new()]

    def filled(self, **options: Any) -> Any:
        """Return a state that has seen all batches."""
        state = self.new(**options)
        for batch in self.batches:
            state.update(*batch)
        return state

    def number(self, state: Any) -> float:
        return getattr(state, f"num_{self.unit}")


def _counts(**fixed: Any) -> Subject:
    def new(**options: Any) -> Any:
        return PrecisionRecallAtEqualThresholds(
            **{"num_thresholds": 3, "invalid": "drop", **fixed, **options}
        )

    nan = float("nan")
    return Subject(
        new,
        batches=(
            ([0, 1, 1, 0, 1], np.float16([0.1, 0.5, 0.7, 0.9, 1.0])),
            ([0, 1], np.float16([0.5, 0.5]), [3.0, 4.0]),
            ([0, 1, 1], np.float16([1.0, 0.0, 0.2]), 2),
            ([1, 0, 1], np.float16([nan, 0.5, -1.0])),
        ),
        weighted=([0, 1, 1], np.float16([0.1, 0.5, 0.7]), [0.1, 1e-300, 1 / 3]),
        one=([1], np.float16([0.5])),
        bad=([0, 2], np.float16([0.5, 0.5])),
        unit="samples",
        options={"zero_division": 1.0},
        different=(
            ({}, {"num_thresholds": 5}, "num_thresholds 3 and 5"),
            ({"zero_division": 0}, {"zero_division": 1}, "zero_division 0.0 and 1.0"),
            ({"zero_division": nan}, {}, "zero_division nan and 0.0"),
            ({}, {"invalid": "raise"}, "invalid drop and raise"),
            (
                {"invalid": "raise"}, {"num_thresholds": 5},
                "num_thresholds 3 and 5, invalid raise and drop",
            ),
        ),
    )  # fmt: skip


_RANKING_OPTIONS = (
    ({"empty": "one"}, {}, "empty one and skip"),
    ({"denominator": "k"}, {"denominator": "hits"}, "denominator k and hits"),
    ({}, {"ties": "expected"}, "ties index and expected"),
    (
        {"ties": "optimistic"}, {"empty": "nan"},
        "empty skip and nan, ties optimistic and index",
    ),
)  # fmt: skip
_WEIGHT_OPTIONS = (
    ({"average": "rows"}, {"average": "micro"}, "average rows and micro"),
    ({}, {"label_weights": None}, "num_label_weights 5 and None"),
    (
        {"label_weights": [1, 2, 0.1, 4, 5]}, {"label_weights": [1, 2, 0.3, 4, 7]},
        "label_weights 0.1 and 0.3 of class 2",
    ),
)  # fmt: skip


def _ranking(name: str) -> Subject:
    different = (({"k": 1}, {"k": 2}, "k 1 and 2"), *_RANKING_OPTIONS)
    return Subject(
        STATES[name],
        batches=(
            (LABELS, SCORES),
            (LABELS, SCORES, WEIGHTS),
            ([[]], SCORES[:1]),
            ([[4]], SCORES[:1], 1e300),
        ),
        weighted=(LABELS, SCORES, WEIGHTS),
        one=(LABELS[:1], SCORES[:1]),
        bad=(LABELS, SCORES, [1, 1, 1, 1, 1, -1]),
        unit="rows",
        options={"empty": "one", "denominator": "relevant", "ties": "pessimistic"},
        different=different + (_WEIGHT_OPTIONS if "propensity" in name else ()),
    )


SUBJECTS = {
    "counts": _counts(),
    "counts of finer bins": _counts(bins_per_threshold=7),
    "counts of all values": _counts(resolution="exact"),
    **{name: _ranking(name) for name in STATES},
}


def merged_anyhow(data: st.DataObject, items: list[Any], count: Callable[..., Any]) -> Any:
    """Split and shuffled, counted by any backend, and merged in the order of a random tree."""
    shuffled = data.draw(st.permutations(items))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(items)), max_size=5)))
    parts = [
        count(shuffled[start:stop], data.draw(st.sampled_from(BACKENDS)))
        for start, stop in pairwise([0, *cuts, len(items)])
    ]
    while len(parts) > 1:
        into = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        other = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        if data.draw(st.booleans()):
            other = type(other).from_bytes(other.to_bytes())
        parts.append(into + other if data.draw(st.booleans()) else into.merge(other))
    return parts[0]
