"""Ranks and row values do not drift. tests/golden/make_ranking.py made them, from fractions."""

import json
from pathlib import Path

import numpy as np
import pytest
from backend_rows import using
from compare import assert_same_bits, assert_same_fields
from ranking_rows import pair

import fastpr

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ranking.json").read_text())
DTYPES = {"indptr": np.int64, "labels": np.int64}
FUNCTIONS = {
    "precision": fastpr.precision_at_k,
    "recall": fastpr.recall_at_k,
    "ndcg": fastpr.ndcg_at_k,
    "reciprocal_rank": fastpr.reciprocal_rank_at_k,
    "hit_rate": fastpr.hit_rate_at_k,
    "psp": fastpr.precision_at_k,
    "psndcg": fastpr.ndcg_at_k,
}
RESULTS = [
    pytest.param(case, result, id=f"{number}-k={result['k']}-{result['ties']}")
    for number, case in enumerate(GOLDEN)
    for result in case["results"]
]


def scores_of(case):
    values = [[float.fromhex(score) for score in row] for row in case["scores"]]
    return np.array(values).astype(case["dtype"])


@pytest.mark.parametrize(("case", "result"), RESULTS)
def test_golden_ranks_do_not_drift(row, case, result):
    k, ties = result["k"], result["ties"]
    with using(row) as backend:
        actual = fastpr.label_ranks(
            pair(case["labels"]), scores_of(case), k, ties=ties, backend=backend
        )
    expected = [
        None if result[field] is None else np.array(result[field], DTYPES.get(field, np.int32))
        for field in actual._fields
    ]
    assert_same_fields(actual, type(actual)(*expected))


@pytest.mark.parametrize(("case", "result"), RESULTS)
def test_golden_row_values_do_not_drift(case, result):
    """Within one or two roundings of the fractions, which a value of a row may differ by."""
    k, ties = result["k"], result["ties"]
    for name, values in result["values"].items():
        options = {"ties": ties, "per_row": True}
        if name.startswith("average_precision"):
            function = fastpr.average_precision_at_k
            options["denominator"] = name.removeprefix("average_precision").lstrip("_") or "min"
        else:
            function = FUNCTIONS[name]
        if name in ("psp", "psndcg"):
            options |= {"label_weights": case["label_weights"], "average": "rows"}
        actual = function(pair(case["labels"]), scores_of(case), k, **options)
        expected = [np.nan if value is None else float.fromhex(value) for value in values]
        if name in ("precision", "recall", "reciprocal_rank", "hit_rate") and ties != "expected":
            assert_same_bits(actual, np.array(expected), name)
        np.testing.assert_allclose(actual, expected, rtol=5e-16, atol=0, err_msg=name)


def test_there_are_golden_results():
    assert len(RESULTS) == 4 * 14
    assert all(len(result["values"]) >= 10 for case in GOLDEN for result in case["results"])
