"""The picture of an evaluation."""

from __future__ import annotations

from pathlib import Path

import click

from fastpr.cli.evaluate import Evaluation

KINDS = ("pr", "roc", "f", "calibration")
SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Refuse, before the long work, a picture that could not be drawn.

    Parameters
    ----------
    path : path
        Where it is to be.

    Raises
    ------
    click.ClickException
        If it is of no kind that can be drawn, or there is nothing to draw it with.
    """
    if path.suffix not in SUFFIXES:
        raise click.BadParameter(f"{path} is none of {', '.join(SUFFIXES)}.", param_hint="--plot")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise click.ClickException(
            f'--plot needs matplotlib: pip install "fastpr[plot]" ({error})'
        ) from error


def draw_report(evaluation: Evaluation, path: Path, suffix: str) -> None:
    """Draw the curves of an evaluation to a file.

    Parameters
    ----------
    evaluation : Evaluation
    path : path
        Where to.
    suffix : str
        One of `SUFFIXES`, which says of which kind the file is.
    """
    import matplotlib
    from matplotlib.figure import Figure

    # The same picture has the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "fastpr"}):
        figure = Figure(figsize=(11, 9.5), layout="constrained")
        for kind, ax in zip(KINDS, figure.subplots(2, 2).flat, strict=True):
            evaluation.fine.plot(kind, ax)
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
        figure.savefig(path, format=suffix[1:], dpi=150, metadata=metadata)
