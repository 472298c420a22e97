"""The order of scores: keys, buckets, each way of sorting them, and sums past an int64."""

import numpy as np
import pytest
from compare import assert_same_bits
from exact_cases import SCORES

from fastpr.backends.numba.sort import blocks as numba_sort_scores
from fastpr.backends.numba.sort import buckets as numba_sort_buckets
from fastpr.backends.numba.sort import partition as numba_sort
from fastpr.backends.numba.sort import walks as numba_sort_walks

KINDS = {np.uint32: np.float32, np.uint64: np.float64}


def run_in_turn(work, num_parts):
    for part in reversed(range(num_parts)):
        work(part)


def sort(scores, labels, weights=None, num_parts=1):
    labels = np.asarray(labels).astype(np.uint8)
    return numba_sort_scores.sort_scores(scores, labels, weights, run_in_turn, num_parts)


def restored(ordered, dtype):
    """Return scores and labels from the records, bucket by bucket."""
    origins = np.repeat(ordered._origins, np.diff(ordered._starts)).astype(object)
    keys = origins + (ordered._records >> 1).astype(object)
    kind = f"u{np.dtype(dtype).itemsize}"
    zero = int(np.iinfo(kind).max) // 2
    bits = np.array([zero - key if key <= zero else key + 1 for key in keys.tolist()], kind)
    return bits.view(dtype), (ordered._records & 1).astype(bool)


# ---- keys ----


@pytest.mark.parametrize("kind", KINDS)
def test_keys_grow_as_scores_fall(kind):
    float_type = KINDS[kind]
    info = np.finfo(float_type)
    tiny = info.smallest_subnormal
    some = np.array([info.max, 1.5, 1.0, info.tiny, 2 * tiny, tiny, 0.0], float_type)
    scores = np.concatenate([[np.inf], some, -some[-2::-1], [-np.inf]]).astype(float_type)
    key_of = numba_sort.make_key(kind)
    keys = [int(key_of(bits)) for bits in scores.view(kind)]
    assert keys == sorted(set(keys))
    assert (keys[0], keys[-1]) == numba_sort.keys_of_infinity(kind)
    assert key_of(float_type(-0.0).view(kind)) == key_of(float_type(0.0).view(kind))


@pytest.mark.parametrize("num_parts", [1, 2, 5])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, -np.nan])
@pytest.mark.parametrize("dtype", KINDS.values())
def test_a_score_that_is_not_finite_is_found(dtype, bad, num_parts):
    for place in range(6):
        scores = np.linspace(-1, 1, 6).astype(dtype)
        assert sort(scores, scores > 0, num_parts=num_parts) is not None
        scores[place] = bad
        assert sort(scores, scores > 0, num_parts=num_parts) is None


# ---- order ----


@pytest.mark.parametrize("num", [1, 2, 3, 24, 25, 600, 5000, 70_000])
@pytest.mark.parametrize("dtype", KINDS.values())
@pytest.mark.parametrize("kind", SCORES)
def test_records_are_in_order_and_none_is_lost(kind, dtype, num):
    rng = np.random.default_rng(num)
    scores, labels = SCORES[kind](num, rng).astype(dtype), rng.random(num) < 0.3
    ordered = sort(scores, labels, num_parts=3)
    got, positive = restored(ordered, dtype)
    assert_same_bits(got, np.sort(scores + dtype(0))[::-1])  # -0.0 becomes 0.0
    for flag in (False, True):
        assert_same_bits(got[positive == flag], np.sort(scores[labels == flag] + dtype(0))[::-1])
    assert ordered._num_groups.sum() == len(np.unique(scores))
    assert ordered._num_positives.sum() == labels.sum()


@pytest.mark.parametrize("num", [1, 3, 24, 600, 5000, 140_000])
@pytest.mark.parametrize("dtype", KINDS.values())
@pytest.mark.parametrize("kind", SCORES)
def test_weights_go_along_and_ties_stay_in_order(kind, dtype, num):
    rng = np.random.default_rng(num)
    scores, labels = SCORES[kind](num, rng).astype(dtype), rng.random(num) < 0.3
    weights = np.arange(1.0, num + 1)
    weights[rng.random(num) < 0.1] = 0
    weights[0] = 1
    ordered = sort(scores, labels, weights, num_parts=2)
    left = weights > 0
    order = np.argsort(-scores[left], kind="stable")
    got, positive = restored(ordered, dtype)
    assert_same_bits(got, scores[left][order] + dtype(0))
    assert_same_bits(positive, labels[left][order])
    assert_same_bits(ordered._weights, weights[left][order])


@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_in_clusters_are_split_to_the_last_bit(weighted):
    """Ranges of more than MOST_AT_ONCE, whose bits differ at every level."""
    rng = np.random.default_rng(2)
    num = 400_000
    level = rng.integers(0, 6, num)
    scores = 1 + rng.integers(0, 64, num) * 2.0 ** (-6 - 8.0 * level)
    scores[0] = 1e300  # so that cells are wide
    labels = rng.random(num) < 0.5
    ordered = sort(scores, labels, np.arange(1.0, num + 1) if weighted else None)
    assert np.diff(ordered._starts).max() > numba_sort_buckets.MOST_AT_ONCE
    order = np.argsort(-scores, kind="stable")
    got, positive = restored(ordered, np.float64)
    assert_same_bits(got, scores[order])
    if weighted:
        assert_same_bits(ordered._weights, order + 1.0)
        assert_same_bits(positive, labels[order])


@pytest.mark.parametrize("num_parts", [1, 2, 3, 8])
def test_the_number_of_parts_changes_nothing(num_parts):
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(size=9000).astype(np.float32).round(2), rng.random(9000) < 0.5
    first, other = (
        sort(scores, labels, np.arange(1.0, 9001), num_parts=parts) for parts in (1, num_parts)
    )
    for name in ("_records", "_weights", "_starts", "_origins"):
        assert_same_bits(getattr(first, name), getattr(other, name), name)


def test_float32_never_needs_room_for_all_records():
    """A bucket of more than MOST_AT_ONCE is one cell, of so few bits that values are counted."""
    rng = np.random.default_rng(4)
    scores = np.append(1 + rng.random(300_000) * 1e-3, [-3e38, 3e38]).astype(np.float32)
    ordered = sort(scores, rng.random(len(scores)) < 0.5)
    longest = int(np.argmax(np.diff(ordered._starts)))
    start, stop = ordered._starts[longest], ordered._starts[longest + 1]
    assert stop - start > numba_sort_buckets.MOST_AT_ONCE
    assert (int(ordered._records[start:stop].max()) >> 1).bit_length() <= (
        numba_sort_buckets.DENSE_BITS
    )


# ---- sums ----


def test_products_past_an_int64_are_exact():
    rng = np.random.default_rng(5)
    area, large, expected = 0, 0, 0
    for exponent in range(1, 36):
        for _ in range(20):
            gain, width = (int(number) for number in rng.integers(0, 2**exponent, 2))
            area, large = numba_sort_walks.count_area(gain, width, area, large)
            expected += gain * width
            assert int(area) + (int(large) << numba_sort_walks.AREA_BITS) == expected
            assert 0 <= area < numba_sort_walks.LARGE_AREA
    assert expected > 2**66


@pytest.mark.parametrize("kind", ["uniform", "few values", "one value", "skewed"])
def test_the_area_in_two_parts_is_the_same(kind, monkeypatch):
    rng = np.random.default_rng(6)
    scores, labels = SCORES[kind](5000, rng), rng.random(5000) < 0.5
    expected = sort(scores, labels).areas()
    monkeypatch.setattr(numba_sort_scores, "LARGE_BUCKET", 0)
    assert sort(scores, labels).areas() == expected


def test_counts_past_a_uint32_have_a_wider_table(monkeypatch):
    rng = np.random.default_rng(7)
    scores = rng.integers(0, 50, 5000) / 50
    expected = sort(scores, scores > 0.3)._records.copy()
    monkeypatch.setattr(numba_sort_scores, "LARGE_TABLE", 0)
    assert_same_bits(sort(scores, scores > 0.3)._records, expected)


def test_precision_of_counts_before_that_int32_cannot_hold():
    """P = N = 5e9 before a bucket of two positives and a negative of lower score."""
    records = np.array([1, 3, 4], np.uint32)
    before = 5_000_000_000
    out = np.zeros(1)
    numba_sort_walks.walk_precision(
        records, np.array([0, 3]), 0, 1, np.int64(before), np.int64(before), out
    )
    expected = (before + 1) / (2 * before + 1) + (before + 2) / (2 * before + 2)
    assert out[0] == expected
