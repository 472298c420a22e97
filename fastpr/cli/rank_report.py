"""What metrics by cut-off look like: a table for people, JSON for programs."""

from __future__ import annotations

from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastpr.cli.display import new_table, numbers, print_table, to_document
from fastpr.cli.rank import Ranking

_FEW = 10  # as many cut-offs are all shown

# Fields of fastpr.RankingData, and what the table calls them.
_HEADINGS = {
    "average_precision": "AP",
    "precision": "precision",
    "recall": "recall",
    "ndcg": "nDCG",
    "reciprocal_rank": "MRR",
    "hit_rate": "hit rate",
    "psp": "PSP",
    "psndcg": "PSnDCG",
}


def print_ranking(ranking: Ranking) -> None:
    """Print the metrics at some cut-offs, and totals, to standard output.

    Parameters
    ----------
    ranking : Ranking
    """
    columns = _columns(ranking)
    table = new_table("k", *(_HEADINGS[name] for name in columns))
    for k in shown_cutoffs(len(ranking.data.cutoffs)):
        table.add_row(str(k), *(f"{values[k - 1]:.4f}" for values in columns.values()))
    print_table(table)

    r = ranking
    weightless = f"; {r.num_weightless:,} more of weight 0" if r.num_weightless else ""
    click.echo(f"rows:    {r.num_rows:,} ({r.num_empty:,} without labels{weightless})")
    click.echo(f"classes: {r.num_classes:,}")
    click.echo(f"labels:  {r.num_labels:,}")
    if not r.num_labels:
        click.echo("note: no row has a label, so the metrics mean nothing", err=True)


def ranking_to_json(ranking: Ranking, options: dict[str, Any]) -> str:
    """Write metrics at all cut-offs as JSON.

    Parameters
    ----------
    ranking : Ranking
    options : dict
        What the user asked for.

    Returns
    -------
    str
        Strict JSON: totals are integers, and a value that is not a number is null.
    """
    results = {
        "totals": {
            "rows": ranking.num_rows,
            "rows_without_labels": ranking.num_empty,
            "rows_of_weight_0": ranking.num_weightless,
            "classes": ranking.num_classes,
            "labels": ranking.num_labels,
        },
        "cutoffs": ranking.data.cutoffs.tolist(),
        **{name: numbers(values) for name, values in _columns(ranking).items()},
    }
    return to_document(options, results)


def shown_cutoffs(k: int) -> list[int]:
    """Choose the cut-offs to show: 1, 2, 3, 5, 10, 20, 50, 100, ..., and the last.

    Parameters
    ----------
    k : int
        The last cut-off.

    Returns
    -------
    list of int
        Ascending; all of them where there are few.

    Examples
    --------
    >>> shown_cutoffs(5)
    [1, 2, 3, 4, 5]
    >>> shown_cutoffs(300)
    [1, 2, 3, 5, 10, 20, 50, 100, 200, 300]
    """
    if k <= _FEW:
        return list(range(1, k + 1))
    steps = [digit * 10**power for power in range(len(str(k))) for digit in (1, 2, 5)]
    return sorted({3, k, *(step for step in steps if step < k)})


def _columns(ranking: Ranking) -> dict[str, NDArray[np.float64]]:
    """Return the metrics that there are; two need weights of labels."""
    columns = {name: getattr(ranking.data, name) for name in _HEADINGS}
    return {name: values for name, values in columns.items() if values is not None}
