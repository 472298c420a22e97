"""The files that commands are given: what must hold before the long work, and what is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from fastpr.io import check_output, staged


def check_keys(
    scores: Iterable[Path], labels: Iterable[Path], key: str | None, labels_key: str | None
) -> None:
    """Refuse a key where no file has keys.

    Parameters
    ----------
    scores, labels : iterable of path
        The files that are going to be read.
    key, labels_key : str or None
        The options --key and --labels-key.

    Raises
    ------
    click.UsageError
        If there is no .npz file that the key could be for.
    """
    scores_npz, labels_npz = (
        any(path.suffix.lower() == ".npz" for path in paths) for paths in (scores, labels)
    )
    if key is not None and not (scores_npz or labels_npz):
        raise click.UsageError("--key names an array of a .npz file, but there is none.")
    if labels_key is not None and not labels_npz:
        raise click.UsageError("--labels-key names an array of a .npz file, but there is none.")


def check_outputs(inputs: Iterable[Path], outputs: Mapping[str, Path | None]) -> None:
    """Refuse, before the long work, what could not be written or would destroy input.

    Parameters
    ----------
    inputs : iterable of path
        The files that are going to be read.
    outputs : dict of str to path or None
        The file of each option that names one.

    Raises
    ------
    click.BadParameter
        If an output cannot be written, or is an input or another output.
    """
    taken = {os.path.realpath(path): str(path) for path in inputs}
    for option, path in outputs.items():
        if path is None:
            continue
        try:
            check_output(path)
        except OSError as error:
            raise click.BadParameter(f"{error}.", param_hint=option) from error
        real = os.path.realpath(path)
        if real in taken:
            raise click.BadParameter(f"{path} would replace {taken[real]}.", param_hint=option)
        taken[real] = f"the file of {option}"


def deliver(outputs: Mapping[Path, Callable[[Path], object]], show: Callable[[], None]) -> None:
    """Write the results to the files that were asked for, and show them.

    Parameters
    ----------
    outputs : dict of path to callable
        What writes each file to a path. All are written, or none.
    show : callable
        Prints the results.

    Raises
    ------
    click.ClickException
        If the files cannot be written.
    """
    failure = None
    try:
        with staged(*outputs) as temporary:
            for place, write in zip(temporary, outputs.values(), strict=True):
                write(place)
    except OSError as error:
        failure = error  # the table may have taken hours: show it all the same
    show()
    if failure is not None:
        raise click.ClickException(f"cannot write the results: {failure}")
