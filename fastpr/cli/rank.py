"""The main job of ``fastpr rank``: one state over the rows, some at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import fastpr
from fastpr.cli.rank_input import Piece, RankInput
from fastpr.io.errors import BadData


@dataclass(frozen=True)
class RankOptions:
    """What to compute.

    Parameters
    ----------
    k : int
        The last cut-off.
    ties, denominator, empty : str
        As for `fastpr.RankingMetrics`.
    key, labels_key : str or None
        The array of a .npz file of scores, of labels.
    backend : str or None
        None: `FASTPR_BACKEND`, or the fastest that is there.
    """

    k: int
    ties: str = "index"
    denominator: str = "min"
    empty: str = "skip"
    key: str | None = None
    labels_key: str | None = None
    backend: str | None = None


@dataclass(frozen=True)
class Ranking:
    """What was found.

    Parameters
    ----------
    state : fastpr.RankingMetrics
    data : fastpr.RankingData
        What the state computes.
    num_rows : int
        All rows that do not weigh 0.
    num_empty : int
        Those of them without a label.
    num_weightless : int
        Rows that weigh 0.
    num_labels : int
        Distinct labels of a row in range, over all rows that do not weigh 0.
    num_classes : int
    """

    state: fastpr.RankingMetrics
    data: fastpr.RankingData
    num_rows: int
    num_empty: int
    num_weightless: int
    num_labels: int
    num_classes: int


def rank(
    source: RankInput, options: RankOptions, advance: Callable[[int], None] = lambda done: None
) -> Ranking:
    """Rank the labels of all rows.

    Parameters
    ----------
    source : RankInput
    options : RankOptions
    advance : callable, optional
        Called with the number of rows after each piece of them.

    Returns
    -------
    Ranking

    Raises
    ------
    BadData
        If k is more than there are classes, a score cannot be ranked, or a row without
        labels is an error.
    fastpr.BackendUnavailable
        If the backend is not there.
    """
    files = source.files
    if options.k > source.num_classes:
        raise BadData(
            f"{files.scores} has {source.num_classes} classes, so there is no cut-off "
            f"{options.k}; give -k {source.num_classes} or less"
        )
    state = fastpr.RankingMetrics(
        options.k,
        empty=options.empty,
        denominator=options.denominator,
        ties=options.ties,
        label_weights=source.label_weights,
        backend=options.backend,
    )
    num_labels = 0
    for piece in source.pieces():
        num_labels += _num_labels(source, piece, raises=options.empty == "raise")
        try:
            state.update(piece.labels, piece.predictions, piece.weights)
        except (ValueError, TypeError) as error:  # labels and weights were checked
            raise BadData(f"{files.scores}: {error}") from error
        advance(piece.num_rows)
    return Ranking(
        state=state,
        data=state.compute(),
        num_rows=state.num_rows,
        num_empty=state.num_empty,
        num_weightless=source.num_rows - state.num_rows,
        num_labels=num_labels,
        num_classes=source.num_classes,
    )


def _num_labels(source: RankInput, piece: Piece, *, raises: bool) -> int:
    """Count the labels of rows that weigh something; a row without any may be an error."""
    num_labels = piece.num_labels(source.num_classes)
    if piece.weights is not None:
        weighs = piece.weights.reshape(-1) != 0
    else:
        weighs = np.ones(piece.num_rows, bool)
    empty = (num_labels == 0) & weighs
    if raises and empty.any():
        index = np.unravel_index(piece.first_row + int(np.argmax(empty)), source.leading)
        place = ", ".join(str(int(axis)) for axis in index)
        raise BadData(
            f"{source.files.labels}: row {place} has no label from 0 to {source.num_classes - 1}; "
            "--empty skip leaves such rows out"
        )
    return int(num_labels[weighs].sum())
