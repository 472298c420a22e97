"""Ranks without labels and numbers of ties have ways of their own, and are the same ranks."""

from functools import cache

import numpy as np
import pytest
import ranking_oracle as oracle
from backend_rows import using
from ranking_cases import CASES, GROUPS
from ranking_rows import KINDS, dtype_of, score_rows

from fastpr.ranking.ranks import host as rank_host
from fastpr.ranking.rows.host import Rows

# Around the widths of vectors, and where more classes are read at once.
NUM_CLASSES = (63, 64, 65, 127, 129, 449, 1000, 4095, 4096, 5003)
# What fits into the lanes of one vector or not, and what is many.
NUM_LABELS = (1, 8, 9, 16, 17, 100, 256, 257)


def ranks_alone(labels, scores, k, backend):
    """Return the ranks of each row."""
    found = []

    def finish(start, stop, block):
        ends = block.starts + block.num_relevant
        return [
            block.ranks[first:last].tolist() for first, last in zip(block.starts, ends, strict=True)
        ]

    ranking = rank_host.HostRanking(
        Rows(labels, scores), k, with_labels=False, with_ties=False, backend=backend
    )
    ranking.finish(finish, found.extend)
    return found


@cache
def expected(name):
    case = CASES[name]
    table = oracle.table(case.entries(), case.k, "index")
    return [part.tolist() for part in np.split(table.ranks, table.indptr[1:-1])]


@pytest.mark.parametrize("group", GROUPS)
def test_ranks_alone_are_those_of_a_sort(row, group):
    for case in GROUPS[group]:
        if not len(case.label_rows):
            continue
        with using(row) as backend:
            assert ranks_alone(case.labels, case.scores, case.k, backend) == expected(case.name), (
                case.name
            )


@cache
def hard_rows(kind, num_classes):
    """Rows that are hard to rank, and ones whose classes come in ever better ties."""
    rng = np.random.default_rng(num_classes)
    rows = [scores for _, scores in score_rows(kind, num_classes, rng)]
    rows.append((np.arange(num_classes) // 700).astype(dtype_of(kind)))
    return np.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_labels", NUM_LABELS)
def test_ranks_alone_do_not_depend_on_the_backend(row, kind, num_labels):
    for num_classes in NUM_CLASSES:
        scores = hard_rows(kind, num_classes)
        rng = np.random.default_rng((num_classes, num_labels))
        labels = rng.integers(-1, num_classes + 1, (len(scores), num_labels))
        for k in {1, 10, 64, min(100, num_classes), num_classes * 3 // 4}:
            if k > num_classes:
                continue
            own = labels.astype(np.int32) if k == 10 else labels
            with using(row) as backend:
                actual = ranks_alone(own, scores, k, backend)
            assert actual == ranks_alone(labels, scores, k, "reference"), (num_classes, k)


def test_labels_that_are_better_than_most_classes(row):
    """A list of classes that is cut down several times, with labels on both sides of the cut."""
    rng = np.random.default_rng(5)
    for boost in (0, 1, 3):
        scores = rng.standard_normal((20, 9000)).astype(np.float32)
        labels = rng.integers(0, 9000, (20, 90))
        scores[np.arange(20)[:, None], labels] += np.float32(boost)
        for rounded in (scores, np.round(scores, 1)):
            for k in (20, 100, 1000):
                with using(row) as backend:
                    actual = ranks_alone(labels, rounded, k, backend)
                assert actual == ranks_alone(labels, rounded, k, "reference"), (boost, k)


@pytest.mark.parametrize("num_nans", [100, 600, 2000])
def test_nan_fills_no_list_of_classes(row, num_nans):
    """NaN before labels that are not above 0, and more of them than such a list has room for."""
    rng = np.random.default_rng(num_nans)
    scores = np.where(rng.random((8, num_nans + 500)) < 0.01, 0, -1).astype(np.float32)
    signs = rng.choice(np.array([-1, 1, 1], np.float32), (8, num_nans))
    scores[:, :num_nans] = np.copysign(np.float32(np.nan), signs)
    labels = rng.integers(num_nans, num_nans + 500, (8, 30))
    for k in (1, 10, 100, 450):
        with using(row) as backend:
            actual = ranks_alone(labels, scores, k, backend)
        assert actual == ranks_alone(labels, scores, k, "reference"), k


@pytest.mark.parametrize("length", [1, 2])
def test_slices_of_rows_leave_no_row_out(length, monkeypatch):
    """Rows of one length are ranked into one table, whatever the slices."""
    rng = np.random.default_rng(length)
    scores = rng.random((2003, 600), np.float32)
    labels = rng.integers(-1, 600, (2003, 3))
    whole = ranks_alone(labels, scores, 5, None)
    monkeypatch.setattr(rank_host, "_SLICE_SCORES", 600 * 17 * length)
    ragged = np.arange(0, 3 * 2003 + 1, 3), labels.reshape(-1)
    assert ranks_alone(labels, scores, 5, None) == whole
    assert ranks_alone(ragged, scores, 5, None) == whole
    assert ranks_alone(labels, scores[:, ::-1], 5, "reference") == ranks_alone(
        labels, scores[:, ::-1], 5, None
    )
