"""Every backend and every variant gives every label the same rank, bit for bit."""

from functools import cache

import numpy as np
import pytest
import ranking_oracle as oracle
from backend_rows import IS_SIMULATED, using
from compare import assert_same_fields
from ranking_cases import CASES, GROUPS, LONG_CASES
from ranking_rows import model
from tiers import all_but

import fastpr

# Two forms of each kernel, with and without numbers of ties; the rest follows on the host.
TIES = ("index", "expected") if IS_SIMULATED else oracle.TIES


@pytest.fixture
def _any_number_of_threads():
    yield
    fastpr.set_num_threads(None)


@cache
def expected(name):
    case = CASES[name]
    rows = case.entries()
    return {ties: oracle.table(rows, case.k, ties) for ties in TIES}


@pytest.mark.parametrize("group", GROUPS)
def test_ranks_are_those_of_a_sort(row, group):
    for case in GROUPS[group]:
        for ties, table in expected(case.name).items():
            with using(row) as backend:
                actual = fastpr.label_ranks(
                    case.labels, case.scores, case.k, ties=ties, backend=backend
                )
            assert_same_fields(actual, table, f"{case.name}, {ties}")


@pytest.fixture(scope="module", params=all_but(["long float32"], LONG_CASES))
def long_case(request):
    """A case, and what has to come out; one at a time, as each is tens of megabytes."""
    case = LONG_CASES[request.param]()
    rows = case.entries()
    return case, {ties: oracle.table(rows, case.k, ties) for ties in oracle.TIES}


@pytest.mark.usefixtures("_any_number_of_threads")
def test_ranks_in_long_rows_are_those_of_counting(long_case, row):
    case, tables = long_case
    for ties, num_threads in (("index", 2), ("pessimistic", 3)):
        fastpr.set_num_threads(num_threads)
        with using(row) as backend:
            actual = fastpr.label_ranks(
                case.labels, case.scores, case.k, ties=ties, backend=backend
            )
        assert_same_fields(actual, tables[ties])


@pytest.mark.usefixtures("_any_number_of_threads")
@pytest.mark.parametrize("num_threads", [1, 2, 3, 16])
@pytest.mark.parametrize("shape", [(3, 1 << 20), (500, 10_007), (70_001, 33)])
def test_the_number_of_threads_changes_nothing(num_threads, shape):
    rng = np.random.default_rng(shape)
    scores = rng.random(shape, np.float32)
    labels = rng.integers(-1, shape[1], (shape[0], 4))
    for rows in (scores, scores[:, ::-1]):
        fastpr.set_num_threads(1)
        one = fastpr.label_ranks(labels, rows, 30, ties="expected")
        fastpr.set_num_threads(num_threads)
        assert_same_fields(fastpr.label_ranks(labels, rows, 30, ties="expected"), one)


def test_what_is_passed_is_left_as_it_is():
    scores, labels = model("float32", 9, 200, 40, np.random.default_rng(0))
    before = scores.copy(), labels.copy()
    for backend in fastpr.available_backends():
        for ties in TIES:
            fastpr.label_ranks(labels, scores, 10, ties=ties, backend=backend)
    np.testing.assert_array_equal(scores, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("k", [1, 2, 7, 40])
def test_ranks_up_to_k_are_those_of_a_larger_k_cut_off(row, k):
    scores, labels = model("uint8", 40, 41, 9, np.random.default_rng(k))
    with using(row) as backend:
        all_ranks = fastpr.label_ranks(labels, scores, 41, ties="expected", backend=backend)
        some = fastpr.label_ranks(labels, scores, k, ties="expected", backend=backend)
    assert np.array_equal(some.ranks, np.minimum(all_ranks.ranks, k))
    assert np.array_equal(some.num_above, np.minimum(all_ranks.num_above, k))
    assert np.array_equal(some.num_equal, np.where(some.num_above < k, all_ranks.num_equal, 0))
