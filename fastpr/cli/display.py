"""What all commands show alike: a bar while they work, then tables, totals and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import fastpr

_WIDEST = 120  # columns; more than any table has


@contextmanager
def progress_bar(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and nothing elsewhere, while the block runs.

    Parameters
    ----------
    verb : str
        What is being done.
    total : int
        How much there is to do.

    Yields
    ------
    callable
        To be called with how much more has been done.
    """
    console = Console(stderr=True)
    if not console.is_terminal:  # a log wants no bar
        yield lambda done: None
        return
    progress = Progress(
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with progress:
        task = progress.add_task(verb, total=total)
        yield lambda done: progress.advance(task, done)


def new_table(*headings: str) -> Table:
    """Return an empty table whose columns of numbers are never cut.

    Parameters
    ----------
    *headings : str

    Returns
    -------
    rich.table.Table
    """
    table = Table(box=box.SIMPLE)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table to standard output.

    Parameters
    ----------
    table : rich.table.Table
    """
    console = Console(highlight=False, markup=False)
    # Numbers are never cut: a narrow terminal wraps lines, and a file has no width.
    console.width = max(console.width, _WIDEST)
    console.print(table)


def count(number: int, noun: str) -> str:
    """Say a number of things.

    Parameters
    ----------
    number : int
    noun : str
        In the singular.

    Returns
    -------
    str

    Examples
    --------
    >>> count(1, "row"), count(2500, "row")
    ('1 row', '2,500 rows')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def number(value: float) -> float | None:
    """Return a number as strict JSON can have it.

    Parameters
    ----------
    value : float

    Returns
    -------
    float or None
        None where it is NaN.
    """
    return None if math.isnan(value) else float(value)


def numbers(values: NDArray[Any] | Sequence[float]) -> list[float | None]:
    """Return numbers as strict JSON can have them; see `number`.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    list of float or None
    """
    return [number(value) for value in values]


def to_document(options: dict[str, Any], results: dict[str, Any]) -> str:
    """Write results as JSON.

    Parameters
    ----------
    options : dict
        What the user asked for.
    results : dict
        Lists, strings, integers and floats, and None for what is not a number.

    Returns
    -------
    str
        One line of strict JSON.
    """
    document = {"version": fastpr.__version__, "options": options, **results}
    return json.dumps(document, allow_nan=False) + "\n"
