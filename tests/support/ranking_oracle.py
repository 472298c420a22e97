"""Label ranks and the metrics of them once more: by sorting, and with exact fractions.

Nothing here uses the package, so that the two cannot share a mistake. Values of metrics are
Fractions; where a logarithm comes in they are Fractions within 1e-40.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import combinations, permutations, product
from typing import NamedTuple

import numpy as np

DENOMINATORS = ("min", "relevant", "hits", "k")
TIES = ("index", "optimistic", "pessimistic", "expected")
NAMES = ("average_precision", "precision", "recall", "ndcg", "reciprocal_rank", "hit_rate")


# ---- ranks ----


def in_float64(scores) -> np.ndarray:
    """Return a copy in float64, which holds every score of the dtypes that are allowed."""
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return np.array(scores).astype(np.float64)


def ranking(scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each class of one row: its rank, the classes above it, those equal to it."""
    values = in_float64(scores)
    is_nan = np.isnan(values)
    falling = np.where(is_nan, 0.0, -values)
    order = np.lexsort((falling, is_nan))  # stable: equal scores stay in the order of their ids
    sorted_nan, sorted_values = is_nan[order], falling[order]
    starts_group = np.ones(len(order), bool)
    starts_group[1:] = (sorted_nan[1:] != sorted_nan[:-1]) | (
        sorted_values[1:] != sorted_values[:-1]
    )
    first = np.flatnonzero(starts_group)
    size = np.diff(np.append(first, len(order)))
    rank, above, equal = (np.empty(len(order), np.int64) for _ in range(3))
    rank[order] = np.arange(len(order))
    above[order] = np.repeat(first, size)
    equal[order] = np.repeat(size, size)
    return rank, above, equal


def relevant_ids(labels, num_classes: int) -> list[int]:
    """Return the distinct labels of a row that are classes, ascending."""
    return sorted({int(label) for label in labels if 0 <= int(label) < num_classes})


def counted(scores, labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same for some classes, as arrays that are indexed by class: by counting.

    For rows so long that sorting them takes seconds; nothing is known of other classes.
    """
    values = in_float64(scores)
    is_nan = np.isnan(values)
    values[is_nan] = -np.inf
    numbers = np.count_nonzero(~is_nan)
    rank, above, equal = (np.full(len(values), -1) for _ in range(3))
    for label in labels:
        if is_nan[label]:
            higher, same = numbers, is_nan
        else:
            higher = np.count_nonzero(values > values[label])
            same = (values == values[label]) & ~is_nan
        above[label], equal[label] = higher, np.count_nonzero(same)
        rank[label] = higher + np.count_nonzero(same[:label])
    return rank, above, equal


class Entry(NamedTuple):
    rank: int
    num_above: int
    label: int
    num_equal: int


def entries(scores, labels, k: int, ranks=None) -> list[Entry]:
    """Return what the kernel says of one row, in its order; k stands for k and more."""
    rank, above, equal = ranking(scores) if ranks is None else ranks
    return sorted(
        Entry(
            min(int(rank[label]), k),
            min(int(above[label]), k),
            label,
            int(equal[label]) if above[label] < k else 0,
        )
        for label in relevant_ids(labels, len(rank))
    )


def stored_entries(scores: dict[int, float], labels, num_classes: int, k: int) -> list[Entry]:
    """Return the same for a row of stored scores, by class; no other class is in the top k."""
    ids = sorted(scores)
    positions = {class_id: position for position, class_id in enumerate(ids)}
    stored, missing = [], []
    for label in relevant_ids(labels, num_classes):
        (stored if label in positions else missing).append(label)
    values = np.array([scores[class_id] for class_id in ids])
    found = entries(values, [positions[label] for label in stored], k)
    return sorted(
        [entry._replace(label=ids[entry.label]) for entry in found]
        + [Entry(k, k, label, 0) for label in missing]
    )


def tie_groups(row: list[Entry], k: int) -> dict[int, list[Entry]]:
    """Return the labels of a row that can be in the top k, by the number of classes above."""
    groups: dict[int, list[Entry]] = {}
    for entry in row:
        if entry.num_above < k:
            groups.setdefault(entry.num_above, []).append(entry)
    return groups


def tied_ranks(row: list[Entry], k: int, ties: str, label_weights=None) -> list[int]:
    """Return the rank of each entry by a rule of ties, k for k and more."""
    if ties in ("index", "expected"):
        return [entry.rank for entry in row]
    weight = (lambda label: 0) if label_weights is None else lambda label: label_weights[label]
    sign = -1 if ties == "optimistic" else 1
    ranks = {}
    for above, group in tie_groups(row, k).items():
        group.sort(key=lambda entry: (sign * weight(entry.label), entry.label))
        start = above if ties == "optimistic" else above + group[0].num_equal - len(group)
        ranks.update({entry.label: start + i for i, entry in enumerate(group)})
    return [min(ranks.get(entry.label, k), k) for entry in row]


class Table(NamedTuple):
    indptr: np.ndarray
    ranks: np.ndarray
    labels: np.ndarray
    num_above: np.ndarray | None
    num_equal: np.ndarray | None


def table(rows: list[list[Entry]], k: int, ties: str = "index") -> Table:
    """Return the entries of rows as arrays, laid out as `fastpr.label_ranks` lays them out."""
    if ties == "index":  # labels that are not in the top k are then in the order of their ids
        rows = [sorted(row, key=lambda entry: (entry.rank, entry.label)) for row in rows]
    flat = [entry for row in rows for entry in row]
    ranks = [rank for row in rows for rank in tied_ranks(row, k, ties)]
    return Table(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array(ranks, np.int32),
        np.array([entry.label for entry in flat], np.int64),
        None if ties == "index" else np.array([entry.num_above for entry in flat], np.int32),
        None if ties == "index" else np.array([entry.num_equal for entry in flat], np.int32),
    )


# ---- the metrics of one row whose order is known ----


@cache
def discount(rank: int) -> Fraction:
    """Return 1 / log2(rank + 2), within 1e-40."""
    with localcontext() as context:
        context.prec = 50
        return Fraction(Decimal(2).ln() / Decimal(rank + 2).ln())


def denominator_of(kind: str, cutoff: int, num_relevant: int, num_hits: int) -> int:
    return {
        "min": min(cutoff, num_relevant), "relevant": num_relevant, "hits": num_hits, "k": cutoff,
    }[kind]  # fmt: skip


def values_at(ranks, cutoff: int, num_relevant: int, denominator: str = "min") -> dict:
    """Return every metric of a row at one cut-off; 0 where a denominator is 0."""
    hits = sorted(rank for rank in ranks if rank < cutoff)
    ideal = sum((discount(i) for i in range(min(cutoff, num_relevant))), Fraction(0))
    below = denominator_of(denominator, cutoff, num_relevant, len(hits))
    gain = sum((Fraction(i, rank + 1) for i, rank in enumerate(hits, 1)), Fraction(0))
    return {
        "average_precision": gain / below if below else Fraction(0),
        "precision": Fraction(len(hits), cutoff),
        "recall": Fraction(len(hits), num_relevant) if num_relevant else Fraction(0),
        "ndcg": sum((discount(rank) for rank in hits), Fraction(0)) / (ideal or 1),
        "reciprocal_rank": Fraction(1, hits[0] + 1) if hits else Fraction(0),
        "hit_rate": Fraction(len(hits) > 0),
    }


def average_precision_in_floats(ranks, cutoff: int, num_relevant: int, denominator: str) -> float:
    """Return AP with the roundings that are promised: hits in order, one division at the end."""
    total, num_hits = 0.0, 0
    for rank in sorted(ranks):
        if rank < cutoff:
            num_hits += 1
            total += num_hits / (rank + 1)
    below = denominator_of(denominator, cutoff, num_relevant, num_hits)
    return total / below if below else 0.0


def propensity_scored(hits: dict[int, int], weights: dict[int, Fraction], cutoff: int) -> dict:
    """Return the two sums of PSP and those of PSnDCG of a row.

    Parameters
    ----------
    hits : dict
        The rank of each label of the row.
    weights : dict
        The weight of each label of the row.
    """
    best = sorted(weights.values(), reverse=True)[:cutoff]
    found = [(rank, weights[label]) for label, rank in hits.items() if rank < cutoff]
    return {
        "psp_hits": sum((weight for _, weight in found), Fraction(0)),
        "psp_ideal": sum(best, Fraction(0)),
        "psndcg_hits": sum((weight * discount(rank) for rank, weight in found), Fraction(0)),
        "psndcg_ideal": sum((w * discount(i) for i, w in enumerate(best)), Fraction(0)),
    }


# ---- the mean over all orders of tied classes, by going through them ----


def orders_of_ties(row: list[Entry], k: int, which_label: bool = False):
    """Yield the ranks of the labels, in every order of the tied classes, all equally likely.

    A tie group is a set of places. Which of them its labels take is a choice of so many, and,
    where it matters, which label takes which of the chosen ones a permutation.
    """
    placings = []
    for above, group in tie_groups(row, k).items():
        labels = [entry.label for entry in group]
        places = range(above, above + group[0].num_equal)
        placings.append(
            [
                dict(zip(shuffled, chosen, strict=True))
                for chosen in combinations(places, len(labels))
                for shuffled in (permutations(labels) if which_label else [labels])
            ]
        )
    for placing in product(*placings):
        yield {label: min(rank, k) for part in placing for label, rank in part.items()}


def mean_of(values: list) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def expected_values_at(row: list[Entry], k: int, cutoff: int, denominator: str = "min") -> dict:
    """Return the mean of every metric of a row over all orders of the tied classes."""
    found = [
        values_at(ranks.values(), cutoff, len(row), denominator) for ranks in orders_of_ties(row, k)
    ]
    return {name: mean_of([values[name] for values in found]) for name in NAMES}


def expected_by_position(row: list[Entry], k: int) -> Fraction:
    """Return the mean of the sum of AP over all orders of ties: place by place.

    A hit at a place counts 1, and 1 for each hit at an earlier place; the chance of the one is
    m/e in a group of m labels among e classes, and of both (m/e) * (m-1)/(e-1).
    """
    chance, group_of = {}, {}
    for above, group in tie_groups(row, k).items():
        size, num = group[0].num_equal, len(group)
        for place in range(above, min(above + size, k)):
            chance[place] = Fraction(num, size)
            group_of[place] = above, Fraction(num - 1, size - 1) if size > 1 else Fraction(0)
    total = Fraction(0)
    for place, probability in chance.items():
        above, again = group_of[place]
        earlier = sum((p for other, p in chance.items() if other < above), Fraction(0))
        total += probability * (1 + earlier + (place - above) * again) / (place + 1)
    return total


def row_values(row: list[Entry], k: int, cutoff: int, ties: str, denominator: str = "min") -> dict:
    """Return every metric of a row at one cut-off, by a rule of ties."""
    if ties == "expected":
        return expected_values_at(row, k, cutoff, denominator)
    return values_at(tied_ranks(row, k, ties), cutoff, len(row), denominator)


def row_propensity_scored(row: list[Entry], k: int, cutoff: int, ties: str, label_weights) -> dict:
    """Return the sums of PSP and PSnDCG of a row at one cut-off, by a rule of ties."""
    weights = {entry.label: Fraction(float(label_weights[entry.label])) for entry in row}
    if ties == "expected":
        orders = orders_of_ties(row, k, which_label=True)
        found = [propensity_scored(ranks, weights, cutoff) for ranks in orders]
        return {name: mean_of([values[name] for values in found]) for name in found[0]}
    ranks = tied_ranks(row, k, ties, weights)
    hits = {entry.label: rank for entry, rank in zip(row, ranks, strict=True)}
    return propensity_scored(hits, weights, cutoff)


# ---- already ranked ids ----


def top_k_ranks(ids, labels, num_classes: int | None = None) -> tuple[list[int], int]:
    """Return the positions of the labels in a list of ids, and the number of labels."""
    end = math.inf if num_classes is None else num_classes
    wanted = {int(label) for label in labels if 0 <= int(label) < end}
    seen: set[int] = set()
    positions = []
    for position, found in enumerate(int(i) for i in ids):
        if found in wanted and found not in seen:
            positions.append(position)
        seen.add(found)
    return positions, len(wanted)


# ---- the mean over rows ----


def rounded_mean(values, weights) -> float:
    """Return the mean of float64 row values: terms rounded once, sums exact, one rounding."""
    terms = [Fraction(float(w) * float(v)) for v, w in zip(values, weights, strict=True)]
    total = sum((Fraction(float(w)) for w in weights), Fraction(0))
    return float(sum(terms, Fraction(0)) / total) if total else 0.0
