"""The commands: arguments in, exit status out."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import fastpr as library
from fastpr.cli.evaluate import BadData, Evaluation, Options, Positive, evaluate
from fastpr.cli.report import print_report, to_json
from fastpr.dispatch import BACKEND_NAMES, choose_backend
from fastpr.io import Pairing, UnpairedFiles, UnreadableFile, check_output, pair_files, staged

INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended


class _Group(click.Group):
    """Turns the errors that input can cause into one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            raise  # click's own: the reader has seen enough
        except (BadData, UnreadableFile, UnpairedFiles, library.BackendUnavailable) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(str(error)) from error


def _positive(value: str) -> Positive:
    if value == "nonzero":
        return "nonzero"
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither an integer nor 'nonzero'.") from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(library.__version__, prog_name="fastpr")
def fastpr() -> None:
    """Exact precision and recall at equally spaced thresholds."""


@fastpr.command("evaluate")
@click.argument("predictions", type=click.Path(path_type=Path))
@click.argument("labels", type=click.Path(path_type=Path))
@click.option(
    "--positive",
    type=_positive,
    metavar="VALUE|nonzero",
    help="The label that is positive, or every label but 0. Without it, labels are 0 and 1.",
)
@click.option("--ignore", type=int, metavar="VALUE", help="A label that is left out.")
@click.option("--key", metavar="NAME", help="The array of .npz files that hold several.")
@click.option(
    "--labels-key", metavar="NAME", help="The same for labels, where it is not that of --key."
)
@click.option(
    "--thresholds",
    type=click.IntRange(2, 65537),
    default=201,
    show_default=True,
    metavar="N",
    help="Number of thresholds, from 0 to 1.",
)
@click.option(
    "--backend", type=click.Choice(BACKEND_NAMES), help="What counts. Default: the fastest here."
)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Write all results to this file."
)
@click.option(
    "--state",
    "state_path",
    type=click.Path(path_type=Path),
    help="Save the counts to this file, for PrecisionRecallAtEqualThresholds.load.",
)
def evaluate_command(
    predictions: Path,
    labels: Path,
    positive: Positive,
    ignore: int | None,
    key: str | None,
    labels_key: str | None,
    thresholds: int,
    backend: str | None,
    json_path: Path | None,
    state_path: Path | None,
) -> None:
    """Compare PREDICTIONS with LABELS: two files, or two folders.

    Files of two folders pair by their names without suffix. They are .npy, .npz, PNG of 8 or 16
    bits, or TIFF, of one channel. Predictions are scores from 0 to 1; integers u of b bits
    stand for u / (2**b - 1).

    A score counts as positive at a threshold that it reaches. The table marks the best F1; of
    several thresholds that share it, the lowest. The files of --json and --state are written
    once all is done, and stay as they were if anything fails.
    """
    # Without --positive it is 1 that is positive.
    if ignore is not None and ignore == (1 if positive is None else positive):
        raise click.UsageError(f"the label {ignore} cannot be both positive and ignored.")
    pairing = pair_files(predictions, labels)
    _check_keys(pairing, key, labels_key)
    _check_outputs(pairing, {"--json": json_path, "--state": state_path})
    try:
        backend, _ = choose_backend(backend)
    except ValueError as error:  # FASTPR_BACKEND
        raise click.UsageError(f"{error}.") from error

    options = Options(
        positive=positive,
        ignore=ignore,
        key=key,
        labels_key=key if labels_key is None else labels_key,
        thresholds=thresholds,
        backend=backend,
    )
    evaluation = _evaluate_with_progress(pairing, options)
    skipped = (pairing.skipped_files, pairing.skipped_folders)
    asked = {"predictions": str(predictions), "labels": str(labels), **asdict(options)}
    failure = None
    try:
        _write(evaluation, to_json(evaluation, asked, *skipped), json_path, state_path)
    except OSError as error:
        failure = error  # the table may have taken hours: show it all the same
    print_report(evaluation, *skipped)
    if failure is not None:
        raise click.ClickException(f"cannot write the results: {failure}")


@fastpr.command()
def demo() -> None:
    """Evaluate a sample: nuclei in a microscopy image."""
    folder = files("fastpr.data")
    with (
        as_file(folder / "nuclei_probability.png") as scores,
        as_file(folder / "nuclei_mask.png") as labels,
    ):
        same = shlex.join(["fastpr", "evaluate", str(scores), str(labels), "--positive", "nonzero"])
        click.echo(
            "A fluorescence microscopy image of cell nuclei (2018 Data Science Bowl, from the\n"
            "package stardist): nuclei outlined by experts, against the foreground probability\n"
            "of a logistic regression that was cross-validated over the quarters of the image.\n"
            f"This is the same as\n\n  {same}"
        )
        evaluation = _evaluate_with_progress(
            pair_files(scores, labels), Options(positive="nonzero")
        )
    print_report(evaluation, 0, 0)


@fastpr.command()
def doctor() -> None:
    """Say which backends are here, and which one is used."""
    text = StringIO()
    library.doctor(file=text)
    click.echo(text.getvalue(), nl=False)


def _check_keys(pairing: Pairing, key: str | None, labels_key: str | None) -> None:
    scores_npz, labels_npz = (
        any(pair[side].suffix.lower() == ".npz" for pair in pairing.pairs) for side in (0, 1)
    )
    if key is not None and not (scores_npz or labels_npz):
        raise click.UsageError("--key names an array of a .npz file, but there is none.")
    if labels_key is not None and not labels_npz:
        raise click.UsageError("--labels-key names an array of a .npz file, but there is none.")


def _check_outputs(pairing: Pairing, outputs: dict[str, Path | None]) -> None:
    """Refuse, before the long work, what could not be written or would destroy input."""
    taken = {os.path.realpath(path): str(path) for pair in pairing.pairs for path in pair}
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


def _evaluate_with_progress(pairing: Pairing, options: Options) -> Evaluation:
    console = Console(stderr=True)
    if not console.is_terminal:  # a log wants no bar
        return evaluate(pairing.pairs, options)
    progress = Progress(
        TextColumn("evaluating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with progress:
        return evaluate(progress.track(pairing.pairs), options)


def _write(
    evaluation: Evaluation, document: str, json_path: Path | None, state_path: Path | None
) -> None:
    paths = [path for path in (json_path, state_path) if path is not None]
    with staged(*paths) as temporary:
        places = iter(temporary)
        if json_path is not None:
            next(places).write_text(document, encoding="utf-8")
        if state_path is not None:
            evaluation.state.save(next(places))
