"""The commands: arguments in, exit status out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import click

import fastpr as library
from fastpr.backends.choose import BACKEND_NAMES, choose_backend
from fastpr.cli.display import progress_bar
from fastpr.cli.evaluate import BINS, Evaluation, Options, Positive, evaluate
from fastpr.cli.evaluate_plot import check_plot, draw_report
from fastpr.cli.evaluate_report import print_report, to_json
from fastpr.cli.outputs import check_keys, check_outputs, deliver
from fastpr.cli.rank import RankOptions, rank
from fastpr.cli.rank_input import RankFiles, RankInput
from fastpr.cli.rank_report import print_ranking, ranking_to_json
from fastpr.counts.bins import MAX_NUM_THRESHOLDS
from fastpr.io import Pairing, UnpairedFiles, UnreadableFile, pair_files
from fastpr.io.errors import BadData
from fastpr.ranking.options import DENOMINATORS, EMPTY, TIES

INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended

Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


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
        except (
            BadData, UnreadableFile, UnpairedFiles, library.BackendUnavailable, OSError
        ) as error:  # fmt: skip
            raise click.ClickException(str(error)) from error


def _positive(value: str) -> Positive:
    if value == "nonzero":
        return "nonzero"
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither an integer nor 'nonzero'.") from None


def _common_options(metric: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of both commands; --state saves a `metric`."""
    options = [
        click.option("--key", metavar="NAME", help="The array of .npz files that hold several."),
        click.option(
            "--labels-key",
            metavar="NAME",
            help="The same for labels, where it is not that of --key.",
        ),
        click.option(
            "--backend",
            type=click.Choice(BACKEND_NAMES),
            help="What counts. Default: the fastest here.",
        ),
        click.option("--json", "json_path", type=_PATH, help="Write all results to this file."),
        click.option(
            "--state",
            "state_path",
            type=_PATH,
            help=f"Save the state to this file, for {metric}.load.",
        ),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(library.__version__, prog_name="fastpr")
def fastpr() -> None:
    """Metrics of scores: precision and recall by threshold, and of rankings by cut-off."""


@fastpr.command("evaluate")
@click.argument("predictions", type=_PATH)
@click.argument("labels", type=_PATH)
@click.option(
    "--positive",
    type=_positive,
    metavar="VALUE|nonzero",
    help="The label that is positive, or every label but 0. Without it, labels are 0 and 1.",
)
@click.option("--ignore", type=int, metavar="VALUE", help="A label that is left out.")
@click.option(
    "--thresholds",
    type=click.IntRange(2, MAX_NUM_THRESHOLDS),
    default=201,
    show_default=True,
    metavar="N",
    help="Number of thresholds, from 0 to 1.",
)
@click.option(
    "--bins-per-threshold",
    type=click.IntRange(min=1),
    metavar="N",
    help="How much finer scores are counted than results are given. Bounds are so many times as "
    f"narrow. Default: {BINS}, or what {MAX_NUM_THRESHOLDS:,} bins have room for.",
)
@click.option(
    "--plot",
    "plot_path",
    type=_PATH,
    metavar="FILE",
    help="Draw the curves, with their bounds, to a .png, .svg or .pdf file.",
)
@_common_options("PrecisionRecallAtEqualThresholds")
def evaluate_command(
    predictions: Path,
    labels: Path,
    positive: Positive,
    ignore: int | None,
    key: str | None,
    labels_key: str | None,
    thresholds: int,
    bins_per_threshold: int | None,
    backend: str | None,
    plot_path: Path | None,
    json_path: Path | None,
    state_path: Path | None,
) -> None:
    """Compare PREDICTIONS with LABELS: two files, or two folders.

    Files of two folders pair by their names without suffix. They are .npy, .npz, PNG of 8 or 16
    bits, or TIFF, of one channel. Predictions are scores from 0 to 1; integers u of b bits
    stand for u / (2**b - 1).

    A score counts as positive at a threshold that it reaches. The table marks the best F1; of
    several thresholds that share it, the lowest. Metrics of the whole curve are given with
    bounds, between which they are when every score is a threshold. The files of --json, --state
    and --plot are written once all is done, and stay as they were if anything fails.
    """
    # Without --positive it is 1 that is positive.
    if ignore is not None and ignore == (1 if positive is None else positive):
        raise click.UsageError(f"the label {ignore} cannot be both positive and ignored.")
    pairing = pair_files(predictions, labels)
    scores_paths, labels_paths = zip(*pairing.pairs, strict=True)
    check_keys(scores_paths, labels_paths, key, labels_key)
    paths = {"--json": json_path, "--state": state_path, "--plot": plot_path}
    check_outputs((*scores_paths, *labels_paths), paths)
    if plot_path is not None:
        check_plot(plot_path)
    options = Options(
        positive=positive,
        ignore=ignore,
        key=key,
        labels_key=key if labels_key is None else labels_key,
        thresholds=thresholds,
        bins_per_threshold=_checked_bins(thresholds, bins_per_threshold),
        backend=_chosen_backend(backend),
    )
    evaluation = _evaluate_with_progress(pairing, options)
    skipped = (pairing.skipped_files, pairing.skipped_folders)
    asked = {"predictions": str(predictions), "labels": str(labels), **asdict(options)}
    document = to_json(evaluation, asked, *skipped)
    outputs = _outputs(document, evaluation.state, json_path, state_path)
    if plot_path is not None:
        kind = plot_path.suffix
        outputs[plot_path] = lambda path: draw_report(evaluation, path, kind)
    deliver(outputs, lambda: print_report(evaluation, *skipped))


@fastpr.command("rank")
@click.argument("scores", type=_PATH)
@click.argument("labels", type=_PATH)
@click.option(
    "-k",
    "k",
    type=click.IntRange(min=1),
    required=True,
    help="The last cut-off. All from 1 on are computed.",
)
@click.option(
    "--ties",
    type=click.Choice(TIES),
    default="index",
    show_default=True,
    help="Which of equal scores is first: the lower class id, the labels, the other classes; "
    "or the mean over all orders.",
)
@click.option(
    "--denominator",
    type=click.Choice(DENOMINATORS),
    default="min",
    show_default=True,
    help="What AP is divided by: the smaller of cut-off and labels, the labels, the hits, the "
    "cut-off.",
)
@click.option(
    "--empty",
    type=click.Choice(EMPTY),
    default="skip",
    show_default=True,
    help="A row without labels is left out, counts as 0, 1 or nan, or is an error.",
)
@click.option(
    "--weights", type=_PATH, metavar="FILE", help="A .npy file with a weight for each row."
)
@click.option(
    "--label-weights",
    type=_PATH,
    metavar="FILE",
    help="A .npy file with a weight for each class, inverse propensities for instance. Adds PSP "
    "and PSnDCG.",
)
@_common_options("RankingMetrics")
def rank_command(
    scores: Path,
    labels: Path,
    k: int,
    ties: str,
    denominator: str,
    empty: str,
    weights: Path | None,
    label_weights: Path | None,
    key: str | None,
    labels_key: str | None,
    backend: str | None,
    json_path: Path | None,
    state_path: Path | None,
) -> None:
    """Rank classes by SCORES, and find the LABELS in the first k.

    SCORES is a .npy or .npz file of shape (..., classes), or a sparse matrix that
    scipy.sparse.save_npz wrote, in which only stored entries are ranked. A .npy file may be
    larger than the memory.

    LABELS holds class ids: integers of shape (...) or (..., labels), where -1 stands for no
    label. It can also be a sparse matrix whose entries other than 0 are the labels, or a .npz
    file of two arrays indptr and indices.

    AP is average precision, MRR the mean reciprocal rank. All are means over rows, but for PSP
    and PSnDCG: a sum over rows of what was found, over that of the most there was to find. The
    files of --json and --state are written once all is done, and stay as they were if anything
    fails.
    """
    if ties == "expected" and denominator == "hits":
        raise click.UsageError(
            "--ties expected has no closed form with --denominator hits; choose another of them."
        )
    given = RankFiles(scores, labels, weights, label_weights)
    inputs = [path for path in (scores, labels, weights, label_weights) if path is not None]
    check_keys([scores], [labels], key, labels_key)
    check_outputs(inputs, {"--json": json_path, "--state": state_path})
    options = RankOptions(
        k=k,
        ties=ties,
        denominator=denominator,
        empty=empty,
        key=key,
        labels_key=key if labels_key is None else labels_key,
        backend=_chosen_backend(backend),
    )
    source = RankInput(given, options.key, options.labels_key)
    with progress_bar("ranking", source.num_rows) as advance:
        ranking = rank(source, options, advance)
    paths = {name: None if path is None else str(path) for name, path in asdict(given).items()}
    document = ranking_to_json(ranking, {**paths, **asdict(options)})
    outputs = _outputs(document, ranking.state, json_path, state_path)
    deliver(outputs, lambda: print_ranking(ranking))


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


def _checked_bins(thresholds: int, bins_per_threshold: int | None) -> int | None:
    most = (MAX_NUM_THRESHOLDS - 1) // (thresholds - 1)
    if bins_per_threshold is not None and bins_per_threshold > most:
        raise click.BadParameter(
            f"{thresholds} thresholds have room for at most {most} bins each.",
            param_hint="--bins-per-threshold",
        )
    return bins_per_threshold


def _outputs(
    document: str, state: Any, json_path: Path | None, state_path: Path | None
) -> dict[Path, Callable[[Path], object]]:
    """Return what writes the files that both commands can write."""
    outputs: dict[Path, Callable[[Path], object]] = {}
    if json_path is not None:
        outputs[json_path] = lambda path: path.write_text(document, encoding="utf-8")
    if state_path is not None:
        outputs[state_path] = state.save
    return outputs


def _chosen_backend(name: str | None) -> str:
    try:
        return choose_backend(name)[0]
    except ValueError as error:  # FASTPR_BACKEND
        raise click.UsageError(f"{error}.") from error


def _evaluate_with_progress(pairing: Pairing, options: Options) -> Evaluation:
    with progress_bar("evaluating", len(pairing.pairs)) as advance:
        return evaluate(pairing.pairs, options, advance)
