"""Average precision of ids that are ranked already: places, ranges, forms and errors."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import fastpr


def same(actual: Any, expected: Any) -> bool:
    """Whether two floats have the same bits, NaN and NaN too."""
    assert type(actual) is float
    return math.isnan(actual) if math.isnan(expected) else actual == float(expected)


def test_ids_that_are_ranked_already_have_the_values_worked_out_by_hand() -> None:
    function = fastpr.average_precision_at_top_k
    assert function([[7, 2]], [[7, 3, 2]]) == (1 + 2 / 3) / 2
    assert function([[7, 2]], [[2, 2, 7]]) == (1 + 2 / 3) / 2  # the second 2 takes a place
    assert function([[7, 2]], [[2, 2, 2]]) == 1 / 2
    assert function([[7, 7]], [[7, 7, 7]]) == 1.0
    assert function([[7]], [[-1, -5, 7]]) == 1 / 3
    assert function([[-1]], [[-1]], empty="zero") == 0.0
    assert function([7, 3], [[7], [7]]) == 0.5
    assert function([[4, 1, 0]], [[1]], denominator="relevant") == 1 / 3


def test_ids_out_of_range_never_match() -> None:
    function = fastpr.average_precision_at_top_k
    assert function([[5, 2]], [[5, 2]]) == 1.0
    assert function([[5, 2]], [[5, 2]], num_classes=5) == 1 / 2
    assert function([[5]], [[5]], num_classes=5, empty="one") == 1.0
    big = 2**64 - 1  # -1 in 64 bits
    assert function([[-1, 3]], np.array([[big, 3]], np.uint64)) == 1 / 2
    assert function(np.array([[big, 3]], np.uint64), np.array([[big, 3]], np.uint64)) == 1 / 2
    assert function([[2**62]], [[2**62]]) == 1.0
    assert function([[1, 2, 3]], [[1, 2, 3, -1, -1]], num_classes=4) == 1.0  # filled up


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, ">i2", np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("denominator", ["min", "relevant", "hits", "k"])
def test_ranked_ids_agree_with_the_scores_they_come_from(dtype: Any, denominator: str) -> None:
    random = np.random.default_rng(1)
    scores = random.standard_normal((40, 3, 90), np.float32)
    labels = random.integers(-1, 95, (40, 3, 7))
    ids = np.argsort(-scores, axis=-1, kind="stable")[..., :12].astype(dtype)
    weights = random.random((40, 1))
    expected = fastpr.average_precision_at_k(labels, scores, 12, weights, denominator=denominator)
    options = {"num_classes": 90, "denominator": denominator}
    actual = fastpr.average_precision_at_top_k(labels, ids, weights, **options)
    assert same(actual, expected)
    rows = fastpr.average_precision_at_top_k(labels, ids[:, ::-1, :], per_row=True, **options)
    assert rows.shape == (40, 3)
    backwards = fastpr.average_precision_at_k(
        labels, scores[:, ::-1, :], 12, per_row=True, denominator=denominator
    )
    assert rows.tobytes() == backwards.tobytes()


def test_many_ranked_ids_are_looked_up_in_parts() -> None:
    random = np.random.default_rng(2)
    ids = random.integers(0, 60, (70_000, 5))
    labels = random.integers(0, 60, (70_000, 3))
    values = fastpr.average_precision_at_top_k(labels, ids, per_row=True)
    for row in [0, 52_427, 52_428, 52_429, 69_999]:
        alone = fastpr.average_precision_at_top_k(labels[row], ids[row])
        assert values[row] == alone
    mean = fastpr.average_precision_at_top_k(labels, ids)
    assert same(mean, sum(map(Fraction, values.tolist())) / 70_000)


def test_labels_of_ranked_ids_come_in_every_form() -> None:
    ids = [[3, 1, 0], [2, 2, 5]]
    dense = np.zeros((2, 6))
    dense[0, [0, 3]] = dense[1, 5] = 1
    expected = fastpr.average_precision_at_top_k([[0, 3], [5, -1]], ids)
    for labels in (
        [[0, 3, 3], [5]],
        [{0, 3}, {5}],
        (np.array([0, 2, 3]), np.array([3, 0, 5])),
        scipy.sparse.csr_array(dense),
        scipy.sparse.coo_matrix(dense.astype(bool)),
    ):
        assert same(fastpr.average_precision_at_top_k(labels, ids), expected)
    narrow = scipy.sparse.csr_array(dense[:, :4])
    assert same(
        fastpr.average_precision_at_top_k(narrow, ids, empty="zero"),
        Fraction((1 + 2 / 3) / 2) / 2,
    )


def test_rows_of_ranked_ids_without_labels_count_as_is_said() -> None:
    labels, ids = [[1], []], [[1, 2], [1, 2]]
    for empty, expected in [("skip", 1.0), ("zero", 0.5), ("one", 1.0), ("nan", math.nan)]:
        assert same(fastpr.average_precision_at_top_k(labels, ids, empty=empty), expected)
    with pytest.raises(ValueError, match=r"^the row at index \(1,\) has no labels"):
        fastpr.average_precision_at_top_k(labels, ids, empty="raise")
    values = fastpr.average_precision_at_top_k(labels, ids, [1, 0], empty="raise", per_row=True)
    np.testing.assert_equal(values, [1.0, np.nan])
    assert fastpr.average_precision_at_top_k([], np.zeros((0, 2), int)) == 0.0


@pytest.mark.parametrize(
    ("labels", "ids", "options", "error", "message"),
    [
        ([[1]], [[0.5]], {}, TypeError, "top_k_ids have dtype float64; pass class ids"),
        ([[1]], [[True]], {}, TypeError, "top_k_ids have dtype bool"),
        ([1], 3, {}, ValueError, "top_k_ids of shape () rank no classes"),
        ([[1]], [[]], {}, TypeError, "top_k_ids have dtype float64"),
        ([[1]], np.zeros((1, 0), int), {}, ValueError, "top_k_ids of shape (1, 0) rank no"),
        ([[1.5]], [[1]], {}, TypeError, "labels"),
        ([[1]] * 3, [[1]] * 2, {}, ValueError, "labels"),
        ([[1]], [[1]], {"num_classes": 0}, ValueError, "num_classes must be an integer of at"),
        ([[1]], [[1]], {"num_classes": 2.5}, ValueError, "num_classes must be an integer of at"),
        ([[1]], [[1]], {"num_classes": True}, ValueError, "num_classes must be an integer of at"),
        ([[1]], [[1]], {"weights": [-1]}, ValueError, "weights must be finite"),
        ([[1]], [[1]], {"weights": [1, 2]}, ValueError, "weights of shape (2,)"),
        ([[1]], [[1]], {"empty": "no"}, ValueError, "empty must be"),
        ([[1]], [[1]], {"denominator": "no"}, ValueError, "denominator must be"),
    ],
)
def test_ranked_ids_that_are_none_are_refused(
    labels: Any, ids: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        fastpr.average_precision_at_top_k(labels, ids, **options)
    assert str(caught.value).startswith(message)
