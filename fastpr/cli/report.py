"""What an evaluation looks like: a table for people, JSON for programs."""

from __future__ import annotations

from typing import Any

import click

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
    best = evaluation.best
    rows = sorted({*operating_points(len(evaluation.thresholds)), best})
    shown = _fixed([float(evaluation.thresholds[i]) for i in rows])

    table = new_table("threshold", "precision", "recall", "F1", "IoU")
    table.add_column("", no_wrap=True)
    columns = (evaluation.precision, evaluation.recall, evaluation.f1, evaluation.iou)
    for i, threshold in zip(rows, shown, strict=True):
        values = [f"{column[i]:.4f}" for column in columns]
        mark = "best F1" if i == best else ""
        table.add_row(threshold, *values, mark, style="bold" if mark else None)
    print_table(table)

    e = evaluation
    click.echo(f"best F1: {e.f1[best]:.4f} at threshold {e.thresholds[best]:.6g}")
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
    e, best = evaluation, evaluation.best
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
            "index": best,
            "threshold": number(e.thresholds[best]),
            "f1": number(e.f1[best]),
            "iou": number(e.iou[best]),
            "precision": number(e.precision[best]),
            "recall": number(e.recall[best]),
        },
        "thresholds": numbers(e.thresholds),
        "tp": e.tp.tolist(),
        "fp": e.fp.tolist(),
        "tn": e.tn.tolist(),
        "fn": e.fn.tolist(),
        "precision": numbers(e.precision),
        "recall": numbers(e.recall),
        "f1": numbers(e.f1),
        "iou": numbers(e.iou),
    }
    return to_document(options, results)


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
