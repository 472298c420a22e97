"""What an evaluation looks like: a table for people, JSON for programs."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import click

from fastpr import Estimate
from fastpr.cli.display import count, new_table, number, numbers, print_table, to_document
from fastpr.cli.evaluate import Evaluation

NUM_ROWS = 11  # operating points in the table, besides the best F1


def print_report(evaluation: Evaluation, skipped_files: int, skipped_folders: int) -> None:
    """Print operating points, the best F1 and totals to standard output.

    Parameters
    ----------
    evaluation : Evaluation
    skipped_files : int
        Files of other kinds that were in the folders.
    skipped_folders : int
        Folders in the folders.
    """
    curve, fine, best = evaluation.curve, evaluation.fine, evaluation.best
    table = new_table("threshold", "precision", "recall", "F1", "IoU")
    table.add_column("", no_wrap=True)
    every = evaluation.state.bins_per_threshold
    rows = sorted({*(every * i for i in operating_points(len(curve.thresholds))), best})
    shown = _fixed([float(fine.thresholds[i]) for i in rows])
    columns = (fine.precision, fine.recall, fine.f(), fine.iou)
    for i, threshold in zip(rows, shown, strict=True):
        values = [f"{column[i]:.4f}" for column in columns]
        mark = "best F1" if i == best else ""
        table.add_row(threshold, *values, mark, style="bold" if mark else None)
    print_table(table)

    for line in _summary(evaluation):
        click.echo(f"{line.title + ':':<27} {_with_bounds(line.value)}{line.remark}")
    if problem := _problem(evaluation):
        click.echo(f"note: {problem}", err=True)
    e = evaluation
    click.echo(f"files:   {count(e.num_files, 'pair')}, {count(skipped_files, 'file')} skipped")
    click.echo(
        f"samples: {e.num_samples:,} ({e.num_positives:,} positive, {e.num_negatives:,} negative, "
        f"{e.num_ignored:,} ignored)"
    )
    if skipped_folders:
        click.echo(f"note: {count(skipped_folders, 'sub-folder')} not entered", err=True)
    if not e.num_positives:
        click.echo("note: no sample is positive, so recall and F1 mean nothing", err=True)


def to_json(
    evaluation: Evaluation, options: dict[str, Any], skipped_files: int, skipped_folders: int
) -> str:
    """Write an evaluation as JSON.

    Parameters
    ----------
    evaluation : Evaluation
    options : dict
        What the user asked for.
    skipped_files, skipped_folders : int
        As for `print_report`.

    Returns
    -------
    str
        Strict JSON: counts are integers, and a value that is not a number is null.
    """
    e, best, curve, fine = evaluation, evaluation.best, evaluation.curve, evaluation.fine
    results = {
        "totals": {
            "files": e.num_files,
            "samples": e.num_samples,
            "positives": e.num_positives,
            "negatives": e.num_negatives,
            "ignored": e.num_ignored,
            "skipped_files": skipped_files,
            "skipped_folders": skipped_folders,
        },
        "best_f1": {
            "threshold": number(fine.thresholds[best]),
            **_bounded(fine.best("f1").value, "f1"),
            "iou": number(fine.iou[best]),
            "precision": number(fine.precision[best]),
            "recall": number(fine.recall[best]),
        },
        **{line.key: _bounded(line.value, "value") for line in _summary(evaluation)[1:]},
        "thresholds": numbers(curve.thresholds),
        "tp": curve.tp.tolist(),
        "fp": curve.fp.tolist(),
        "tn": curve.tn.tolist(),
        "fn": curve.fn.tolist(),
        "precision": numbers(curve.precision),
        "recall": numbers(curve.recall),
        "f1": numbers(curve.f()),
        "iou": numbers(curve.iou),
    }
    return to_document(options, results)


class _Line(NamedTuple):
    """A metric of the whole curve."""

    key: str
    title: str
    value: Estimate
    remark: str = ""


def _summary(evaluation: Evaluation) -> list[_Line]:
    """Return what an evaluation comes to, the best F1 first."""
    curve, best = evaluation.fine, evaluation.fine.best("f1")
    num_bins = max(n for n in range(1, 11) if (len(curve.thresholds) - 1) % n == 0)
    return [
        _Line("best_f1", "best F1", best.value, f" at threshold {best.threshold:.6g}"),
        _Line("average_precision", "average precision", curve.average_precision("step")),
        _Line("auroc", "AUROC", curve.auroc()),
        _Line("fpr_at_95_tpr", "FPR at 95 % TPR", curve.fpr_at_tpr(0.95).value),
        _Line("equal_error_rate", "equal error rate", curve.equal_error_rate().value),
        _Line(
            "expected_calibration_error",
            "expected calibration error",
            curve.expected_calibration_error(num_bins),
            f" with {count(num_bins, 'bin')}",
        ),
    ]


def _problem(evaluation: Evaluation) -> str | None:
    """Return why there are no bounds, or None if there are."""
    try:
        _ = evaluation.fine.auroc().width
    except ValueError as error:
        return str(error)
    return None


def _with_bounds(value: Estimate) -> str:
    """Write a value and between what the exact one is."""
    if math.isnan(value):
        return "not defined"
    if not value.has_bounds:
        return f"{value:.4f}"
    if value.is_exact:
        return f"{value:.4f} (exact)"
    # rounded outward
    low, high = math.floor(value.low * 1e6) / 1e6, math.ceil(value.high * 1e6) / 1e6
    return f"{value:.4f} (exact: {low:.6f} to {high:.6f})"


def _bounded(value: Estimate, name: str) -> dict[str, float | None]:
    """Return a value and its bounds as strict JSON can have them."""
    bounds = (value.low, value.high) if value.has_bounds else (math.nan, math.nan)
    return {name: number(value), "low": number(bounds[0]), "high": number(bounds[1])}


def operating_points(num_thresholds: int) -> list[int]:
    """Choose the thresholds to show: evenly spread, with both ends.

    Parameters
    ----------
    num_thresholds : int

    Returns
    -------
    list of int
        Indices, ascending; all of them where there are few.

    Examples
    --------
    >>> operating_points(201)
    [0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200]
    >>> operating_points(3)
    [0, 1, 2]
    """
    last, steps = num_thresholds - 1, NUM_ROWS - 1
    return sorted({(2 * i * last + steps) // (2 * steps) for i in range(NUM_ROWS)})


def _fixed(thresholds: list[float]) -> list[str]:
    """Show numbers with the fewest decimals that tell them exactly, 2 to 6."""
    decimals = 2
    while decimals < 6 and any(round(t, decimals) != t for t in thresholds):
        decimals += 1
    return [f"{t:.{decimals}f}" for t in thresholds]
