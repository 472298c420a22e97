"""The values of a row are the same bits, however rows are laid out, cut up or computed."""

from __future__ import annotations

import numpy as np
import pytest
import ranking_oracle as oracle
from compare import assert_same_bits
from rank_blocks import (
    OPTIONS,
    all_values,
    assert_same_values,
    block_of,
    random_rows,
    without_ties,
)
from ranking_oracle import DENOMINATORS, TIES

from fastpr.backends.protocol import RankBlock
from fastpr.ranking import hits
from fastpr.ranking.metrics import average_precision, cutoff_values, tied_ranks


@pytest.fixture(scope="module")
def many_rows():
    rng = np.random.default_rng(5)
    return random_rows(rng, 200, 30, 12, 9, max_labels=15)


@pytest.mark.parametrize(("denominator", "ties"), OPTIONS)
def test_average_precision_is_the_last_cutoff(denominator, ties, many_rows):
    rng = np.random.default_rng(6)
    for rows, k in (
        (many_rows, 12),
        (random_rows(rng, 200, 20, 20, 50, 3, 3), 20),
        (random_rows(rng, 200, 20, 3, 50, 9, 9), 3),
        (random_rows(rng, 200, 8, 5, 3, 2, 0), 5),
        (random_rows(rng, 3, 40, 40, 5), 40),
    ):
        block = block_of(rows)
        last = all_values(block, k, denominator, ties)["average_precision"][:, k - 1]
        assert_same_bits(average_precision(block, k, denominator, ties), last.copy())


@pytest.mark.parametrize("ties", TIES)
def test_values_do_not_depend_on_the_layout(ties, many_rows):
    k, weights = 12, np.random.default_rng(7).random(30)
    gaps = np.random.default_rng(8).integers(0, 4, len(many_rows) + 1)
    expected = all_values(block_of(many_rows), k, "min", ties, weights)
    for block in (
        block_of(many_rows, gaps),
        block_of(many_rows, stride=15),
        block_of(many_rows, stride=40),
    ):
        assert_same_values(all_values(block, k, "min", ties, weights), expected)
        last = expected["average_precision"][:, -1].copy()
        assert_same_bits(average_precision(block, k, "min", ties), last)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_average_precision_is_the_same_for_padded_rows(length, denominator):
    rng = np.random.default_rng(length)
    rows = random_rows(rng, 400, 9, 6, 5, length)
    expected = average_precision(block_of(rows), 6, denominator, "index")
    for stride in (length, length + 1, 20):
        block = without_ties(block_of(rows, stride=stride))
        assert_same_bits(average_precision(block, 6, denominator, "index"), expected)
        end = block.starts[-1] + block.num_relevant[-1]
        short = block._replace(ranks=block.ranks[:end])
        assert_same_bits(average_precision(short, 6, denominator, "index"), expected)


@pytest.mark.parametrize("ties", TIES)
def test_values_of_a_row_do_not_depend_on_the_other_rows(ties, many_rows):
    k, weights = 12, np.random.default_rng(9).random(30)
    together = all_values(block_of(many_rows), k, "relevant", ties, weights)
    whole = average_precision(block_of(many_rows), k, "relevant", ties)
    for index in range(0, len(many_rows), 7):
        block = block_of(many_rows[index : index + 1])
        alone = all_values(block, k, "relevant", ties, weights)
        for name, matrix in alone.items():
            assert_same_bits(matrix[0], together[name][index], name)
        assert_same_bits(average_precision(block, k, "relevant", ties), whole[index : index + 1])


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("cells", [1, 100])
def test_values_do_not_depend_on_the_pieces(ties, cells, many_rows, monkeypatch):
    k, weights = 12, np.random.default_rng(9).random(30)
    blocks = [
        block_of(many_rows),
        block_of(many_rows, [2] * (len(many_rows) + 1)),
        block_of(random_rows(np.random.default_rng(1), 300, 30, 12, 9, 5, 5)),
    ]

    def values():
        for block in blocks:
            yield average_precision(block, k, "min", ties)
            yield from all_values(block, k, "min", ties, weights).values()
            if ties in ("optimistic", "pessimistic"):
                yield tied_ranks(block, k, ties)

    whole = list(values())
    monkeypatch.setattr(hits, "_MAX_CELLS", cells)
    for actual, expected in zip(values(), whole, strict=True):
        assert_same_bits(actual, expected)


@pytest.mark.parametrize("k", [20, 1024, 1025, 3000])
@pytest.mark.parametrize("num_labels", [1, 4, 60])
def test_average_precision_is_the_same_for_every_k_and_number_of_labels(k, num_labels):
    rng = np.random.default_rng(k)
    order = rng.permuted(np.tile(np.arange(3 * k), (200, 1)), axis=1)
    ranks = np.sort(np.minimum(order[:, :num_labels], k), axis=1)
    expected = [
        oracle.average_precision_in_floats(row, k, num_labels, "min") for row in ranks.tolist()
    ]
    num_relevant, starts = np.full(200, num_labels), np.arange(200) * num_labels
    block = RankBlock(num_relevant, starts, ranks.ravel().astype(np.int32), None, None, None)
    assert_same_bits(average_precision(block, k, "min", "index"), np.array(expected))


@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_without_ties_every_rule_is_the_same(denominator):
    rng = np.random.default_rng(10)
    weights = rng.random(40)
    scores = rng.permuted(np.tile(np.arange(40.0), (200, 1)), axis=1)
    rows = [oracle.entries(row, rng.permutation(40)[: rng.integers(0, 9)], 15) for row in scores]
    block = block_of(rows)
    expected = all_values(block, 15, denominator, "index", weights)
    for ties in ("optimistic", "pessimistic", "expected"):
        if (denominator, ties) in OPTIONS:
            assert_same_values(all_values(block, 15, denominator, ties, weights), expected)
            assert_same_bits(
                average_precision(block, 15, denominator, ties),
                average_precision(block, 15, denominator, "index"),
            )


@pytest.mark.parametrize("ties", TIES)
def test_values_do_not_depend_on_what_else_is_asked_for(ties, many_rows):
    block, weights = block_of(many_rows), np.random.default_rng(11).random(30)
    together = all_values(block, 12, "min", ties, weights)
    backwards = cutoff_values(block, 12, "min", ties, list(together)[::-1], weights)
    for name, matrix in together.items():
        assert_same_bits(backwards[name], matrix, name)
        assert_same_bits(cutoff_values(block, 12, "min", ties, [name], weights)[name], matrix)


def test_a_block_is_not_written_to(many_rows):
    block = block_of(many_rows)
    for part in block:
        part.flags.writeable = False
    for denominator, ties in OPTIONS:
        average_precision(block, 12, denominator, ties)
        all_values(block, 12, denominator, ties, np.ones(30))
