"""What ranking kernels are called with, and hand on to one another: named tuples of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

# What the labels of a row need, one row each of an array of int32.
ID, INDEX, BEFORE, ABOVE, EQUAL = range(5)
NUM_FIELDS = 5


class Row(NamedTuple):
    """A row: `length` scores from `start` on."""

    scores: Any
    start: Any
    length: Any


class Options(NamedTuple):
    """Where ranks end, the bits of infinity (0 for integers), and whether ties are counted."""

    k: Any
    infinity: Any
    with_ties: Any


class Scratch(NamedTuple):
    """Room for one row.

    Attributes
    ----------
    label_keys : ndarray, shape (num_labels + 1,)
        The keys of those labels that are in the running.
    fields : ndarray of int32, shape (NUM_FIELDS, num_labels + 1)
        What else is known of these.
    bits, ids, keys : ndarray
        Classes that are compared with the labels.
    counts : ndarray of int32, shape (3, num_labels + 1)
        Of each label of the row, how many classes are before it, above it, and of its score.
    """

    label_keys: Any
    fields: Any
    bits: Any
    ids: Any
    keys: Any
    counts: Any
