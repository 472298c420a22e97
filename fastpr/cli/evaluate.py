"""The main job: count over pairs of files, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import fastpr
from fastpr.counts.bins import MAX_NUM_THRESHOLDS
from fastpr.curves.curve import replace_table
from fastpr.io import read_labels, read_scores
from fastpr.io.errors import BadData

Positive = int | Literal["nonzero"] | None
BINS = 20  # costs nothing, and bounds are so many times as narrow


@dataclass(frozen=True)
class Options:
    """What to count.

    Parameters
    ----------
    positive : int, "nonzero" or None
        The label that is positive; all others are negative. None: labels are 0 and 1.
    ignore : int or None
        The label that is left out. Scores there must be valid all the same.
    key, labels_key : str or None
        The array of a .npz file of scores, of labels.
    thresholds : int
        Number of thresholds.
    bins_per_threshold : int or None
        How much finer than these the scores are counted; None: 20, or what there is room for.
    backend : str or None
        None: `FASTPR_BACKEND`, or the fastest that is there.
    """

    positive: Positive = None
    ignore: int | None = None
    key: str | None = None
    labels_key: str | None = None
    thresholds: int = 201
    bins_per_threshold: int | None = None
    backend: str | None = None

    @property
    def bins(self) -> int:
        """Bins per threshold: as asked for, or so many that bounds are narrow."""
        if self.bins_per_threshold is not None:
            return self.bins_per_threshold
        return max(1, min(BINS, (MAX_NUM_THRESHOLDS - 1) // (self.thresholds - 1)))


@dataclass(frozen=True)
class Evaluation:
    """What was counted, and what follows from it.

    Parameters
    ----------
    state : PrecisionRecallAtEqualThresholds
    curve : Curve
        At the thresholds that were asked for.
    fine : Curve
        At all thresholds that were counted at.
    num_files : int
        Pairs of files.
    num_samples : int
        All samples in them: positive, negative and ignored.
    num_ignored : int
    """

    state: fastpr.PrecisionRecallAtEqualThresholds
    curve: fastpr.Curve
    fine: fastpr.Curve
    num_files: int
    num_samples: int
    num_ignored: int

    @property
    def num_positives(self) -> int:
        """Samples that are positive and not ignored."""
        return int(self.curve.num_positives)

    @property
    def num_negatives(self) -> int:
        """Samples that are negative and not ignored."""
        return int(self.curve.num_negatives)

    @property
    def best(self) -> int:
        """Index, in `fine`, of the best F1: of several thresholds that share it, the lowest."""
        return int(np.searchsorted(self.fine.thresholds, self.fine.best("f1").threshold))


def evaluate(
    pairs: Iterable[tuple[Path, Path]],
    options: Options,
    advance: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Count over pairs of files of scores and labels.

    Parameters
    ----------
    pairs : iterable of (path, path)
        Scores and labels. One pair is in memory at a time.
    options : Options
    advance : callable, optional
        Called with 1 after each pair.

    Returns
    -------
    Evaluation

    Raises
    ------
    fastpr.io.UnreadableFile
        If a file cannot be read.
    BadData
        If the arrays of a pair do not go together, or hold what cannot be counted.
    fastpr.BackendUnavailable
        If the backend is not there.
    """
    state = fastpr.PrecisionRecallAtEqualThresholds(
        options.thresholds, bins_per_threshold=options.bins, backend=options.backend
    )
    num_files = num_samples = num_ignored = 0
    for scores_path, labels_path in pairs:
        scores = read_scores(scores_path, options.key)
        labels = read_labels(labels_path, options.labels_key)
        if scores.shape != labels.shape:
            raise BadData(
                f"{scores_path} has shape {scores.shape}, but {labels_path} has {labels.shape}"
            )
        if labels.dtype.kind not in "biu":
            raise BadData(f"{labels_path}: labels are {labels.dtype}; save them as integers")
        targets, weights = _targets(labels, options)
        try:
            state.update(targets, scores, weights)
        except (ValueError, TypeError) as error:
            _explain_labels(labels_path, targets, options)
            raise BadData(f"{scores_path}: {error}") from error
        num_files += 1
        num_samples += labels.size
        if weights is not None:
            num_ignored += labels.size - int(np.count_nonzero(weights))
        advance(1)
    return _finish(state, num_files, num_samples, num_ignored)


def _targets(
    labels: NDArray[Any], options: Options
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    weights = None if options.ignore is None else labels != options.ignore
    if options.positive == "nonzero":
        return labels != 0, weights
    if options.positive is not None:
        return labels == options.positive, weights
    if weights is not None:
        # The value that is ignored need not be a label.
        return np.where(weights, labels, np.zeros((), labels.dtype)), weights
    return labels, weights


def _explain_labels(path: Path, targets: NDArray[Any], options: Options) -> None:
    """Raise if it is the labels that are wrong, and say which options would help."""
    if targets.dtype.kind == "b":
        return
    wrong = (targets < 0) | (targets > 1)
    if not wrong.any():
        return
    first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    index = tuple(int(i) for i in first)
    besides = "" if options.ignore is None else f", besides {options.ignore} (--ignore)"
    raise BadData(
        f"{path}: labels hold values other than 0 and 1{besides} (first: {targets[first]} at "
        f"index {index}); say what is positive with --positive VALUE, or --positive nonzero for "
        "instance masks, and leave a value out with --ignore VALUE"
    )


def _finish(
    state: fastpr.PrecisionRecallAtEqualThresholds,
    num_files: int,
    num_samples: int,
    num_ignored: int,
) -> Evaluation:
    num_fine = (state.num_thresholds - 1) * state.bins_per_threshold + 1
    return Evaluation(
        state=state,
        curve=_curve(state),
        fine=_curve(state.coarsen(num_fine)),
        num_files=num_files,
        num_samples=num_samples,
        num_ignored=num_ignored,
    )


def _curve(state: fastpr.PrecisionRecallAtEqualThresholds) -> fastpr.Curve:
    """Return the curve of a state whose weights are 0 and 1: sums of such are counts."""
    curve = state.curve()
    return replace_table(curve, curve.table.astype(np.int64))
