"""How each kind of plot is drawn: lines, bands, points and what they are called."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastpr.curves.estimates import Estimate
from fastpr.curves.plots import shapes
from fastpr.curves.ratios import ratio

if TYPE_CHECKING:
    from fastpr.curves.curve import Curve

# Okabe and Ito's colours, which the colour-blind can tell apart, in an order in which
# neighbours differ in grey too; with the line styles no two of 28 curves look the same.
COLORS = ("#0072B2", "#E69F00", "#000000", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
LINE_STYLES = ("-", "--", "-.", ":")
GREY = "#707070"
_ISO_F1 = (0.2, 0.4, 0.6, 0.8)
_MAX_BARS = 256
_NUM_CALIBRATION_BINS = 10
_METRIC_NAMES = {"f1": "F1", "iou": "IoU", "mcc": "MCC", "youden": "Youden's J"}
# How artists are known when the next curve is drawn on the same axes.
_CURVE, _PART, _GUIDE, _ISO, _HISTOGRAM = (
    f"fastpr {what}" for what in ("curve", "part", "guide", "iso-F1", "histogram")
)

Axes = Any  # of matplotlib, as all artists: it is not there for all
Drawn = tuple[Any, Any, Any]  # a line, a band or None, a point or None


def drawn_on(ax: Axes) -> list[Any]:
    """Return the curves that are on these axes already."""
    return [artist for artist in (*ax.lines, *ax.patches) if artist.get_gid() == _CURVE]


def next_style(ax: Axes, skipped: int = 0) -> dict[str, Any]:
    """Return the colour and the line style of the next curve on these axes."""
    number = len(drawn_on(ax)) + skipped
    return {
        "color": COLORS[number % len(COLORS)],
        "linestyle": LINE_STYLES[number % len(LINE_STYLES)],
    }


class Task(NamedTuple):
    """A curve, where it goes, and how it is to look."""

    curve: Curve
    ax: Axes
    name: str | None
    bounds: bool
    iso_f1: bool
    best: bool | str
    style: dict[str, Any]

    def label(self, text: str) -> str:
        """Return what the legend says."""
        return text if self.name is None else f"{self.name}: {text}"

    def line(self, x: Any, y: Any, text: str, **options: Any) -> Any:
        """Draw the curve."""
        options = {"label": self.label(text), **options, **self.style}
        (line,) = self.ax.plot(x, y, gid=_CURVE, **options)
        return line

    def band(self, shape: shapes.Band) -> Any:
        """Draw what the bins leave open, if there is anything."""
        if not self.bounds or np.array_equal(shape[1], shape[2]):
            return None
        return self.ax.fill_between(
            *shape, color=self.style["color"], alpha=0.25, linewidth=0, zorder=1.5
        )

    def guide(self, x: Any, y: Any, label: str) -> None:
        """Draw a dashed line, unless it is there already."""
        for line in self.ax.lines:
            if line.get_gid() == _GUIDE and np.array_equal(line.get_ydata(), y):
                return
        self.ax.plot(
            x, y, linestyle=(0, (4, 3)), color=GREY, linewidth=1, zorder=1, label=label,
            gid=_GUIDE,
        )  # fmt: skip

    def best_point(self, default: str, place: Callable[..., tuple[float, float]]) -> Any:
        """Mark the best cut, at `place` of its true and false positives and threshold."""
        if self.best is False:
            return None
        metric = default if self.best is True else self.best
        value, threshold = self.curve.best(metric)
        if not np.isfinite(threshold):
            return None
        fine = self.curve.cuts
        cut = int(np.searchsorted(fine.edges, threshold))
        x, y = place(*fine.floats[:2, cut].tolist(), threshold)
        (point,) = self.ax.plot(
            x, y, "o", color=self.style["color"], markeredgecolor="white", markersize=8,
            zorder=3, clip_on=False,
            label=f"best {_METRIC_NAMES.get(metric, metric)}: {value:.3f} at {threshold:.3g}",
        )  # fmt: skip
        return point


def _figures(value: Estimate, bounds: bool) -> str:
    """Return a value, with its bounds, rounded outward, if it has them and they are wanted."""
    if value != value:
        return "not defined"
    if not (bounds and value.has_bounds):
        return f"{value:.4f}"
    if value.is_exact:
        return f"{value:.4f} (exact)"
    decimals = min(max(3, -math.floor(math.log10(value.width or 1))), 9)
    unit = 10.0**decimals
    low, high = math.floor(value.low * unit) / unit, math.ceil(value.high * unit) / unit
    return f"{value:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


def _iso_lines(ax: Axes) -> None:
    """Draw lines of equal F1, once; their values stand outside, where no line is."""
    if any(line.get_gid() == _ISO for line in ax.lines):
        return
    for value in _ISO_F1:
        recall = np.linspace(value / (2 - value), 1, 100)
        precision = value * recall / (2 * recall - value)
        ax.plot(recall, precision, color="#d0d0d0", linewidth=0.8, zorder=0.5, gid=_ISO)
        ax.annotate(
            f"F1 {value:g}", (1, precision[-1]), xycoords=("axes fraction", "data"),
            xytext=(4, 0), textcoords="offset points", va="center", fontsize="small",
            color=GREY, annotation_clip=False,
        )  # fmt: skip


def _draw_precision_recall(task: Task) -> Drawn:
    steps = shapes.steps(task.curve.cuts)
    num_positives = steps.num_positives
    text = f"AP {_figures(task.curve.average_precision(), task.bounds)}"
    line = task.line(*shapes.precision_recall_line(steps), text, drawstyle="steps-post")
    band = task.band(shapes.precision_recall_band(steps))
    if task.iso_f1:
        _iso_lines(task.ax)
    prevalence = num_positives / (num_positives + steps.num_negatives)
    task.guide([0, 1], [prevalence] * 2, f"chance: {prevalence:.3g}")

    def place(tp: float, fp: float, _: float) -> tuple[float, float]:
        return tp / num_positives, tp / (tp + fp) if tp + fp else 1.0

    return line, band, task.best_point("f1", place)


def _draw_roc(task: Task) -> Drawn:
    steps = shapes.steps(task.curve.cuts)
    text = f"AUROC {_figures(task.curve.auroc(), task.bounds)}"
    line = task.line(*shapes.roc_line(steps), text)
    band = task.band(shapes.roc_band(steps))
    task.guide([0, 1], [0, 1], "chance")
    rates = steps.num_positives, steps.num_negatives
    point = task.best_point("youden", lambda tp, fp, _: (fp / rates[1], tp / rates[0]))
    return line, band, point


def _draw_f(task: Task) -> Drawn:
    fine = task.curve.cuts
    finite = np.isfinite(fine.edges)
    edges, (tp, fp) = fine.edges[finite], fine.floats[:2, :-1][:, finite]
    some = (fine.table[0] > 0) | (fine.table[1] > 0)
    # between two single scores the counts are those of the next cut
    options = {"drawstyle": "steps-pre" if fine.single[some].all() else "default"}
    line = task.line(edges, shapes.f_scores(tp, fp, fine.positives), "F1", **options)
    band = task.band(shapes.f_band(fine, task.curve.score_range[1]))
    precision, recall = ratio(tp, tp + fp, np.nan), tp / fine.positives
    is_first = not any(other.get_gid() == _PART for other in task.ax.lines)
    for what, ratios, line_style in (
        ("precision", precision, ":"),
        ("recall", recall, (0, (6, 2, 1, 2))),
    ):
        task.ax.plot(
            edges, ratios, linestyle=line_style, linewidth=1, color=task.style["color"],
            label=what if is_first else None, gid=_PART, **options,
        )  # fmt: skip

    def place(tp: float, fp: float, threshold: float) -> tuple[float, float]:
        return threshold, 2 * tp / (tp + fp + fine.positives)

    return line, band, task.best_point("f1", place)


def _draw_calibration(task: Task) -> Drawn:
    ax = task.ax
    found = shapes.reliability(task.curve, _NUM_CALIBRATION_BINS)
    try:
        error = task.curve.expected_calibration_error(_NUM_CALIBRATION_BINS)
        text = f"ECE {_figures(error, task.bounds)}"
    except ValueError:  # these thresholds have no such bins
        text = "reliability"
    options = {"marker": "o", "markersize": 4}
    line = task.line(found.middle, found.positive, text, **options)
    color, band = task.style["color"], None
    if task.bounds and (found.low < found.high).any():
        band = ax.hlines(found.positive, found.low, found.high, color=color, linewidth=3, alpha=0.4)
    task.guide([0, 1], [0, 1], "calibrated")
    below = _histogram_axes(ax)
    below.stairs(found.samples, found.edges, color=color, linestyle=line.get_linestyle())
    return line, band, None


def _histogram_axes(ax: Axes) -> Axes:
    """Return the axes of the histogram below others; make room for them if they are not there."""
    for other in ax.figure.axes:
        if other.get_label() == _HISTOGRAM and other.get_shared_x_axes().joined(other, ax):
            return other
    place = ax.get_subplotspec()
    if place is None:  # axes at a place of their own
        left, bottom, width, height = ax.get_position().bounds
        ax.set_position((left, bottom + 0.25 * height, width, 0.75 * height))
        below = ax.figure.add_axes((left, bottom, width, 0.2 * height), sharex=ax, label=_HISTOGRAM)
    else:
        grid = place.subgridspec(2, 1, height_ratios=(4, 1), hspace=0.08)
        ax.set_subplotspec(grid[0])
        below = ax.figure.add_subplot(grid[1], sharex=ax, label=_HISTOGRAM)
    below.set(xlabel=ax.get_xlabel(), ylabel="Samples")
    ax.set_xlabel("")
    ax.tick_params(labelbottom=False)
    return below


def _draw_counts(task: Task) -> Drawn:
    ax = task.ax
    counts, edges = shapes.histogram(task.curve, _MAX_BARS)
    is_first = not drawn_on(ax)
    styles = next_style(ax, 1), task.style
    drawn = []
    for bars, what, style in zip(counts, ("negatives", "positives"), styles, strict=True):
        if is_first:  # more would cover each other
            ax.stairs(bars, edges, fill=True, alpha=0.25, color=style["color"])
        label = task.label(f"{what}: {bars.sum():,.6g}")
        drawn.append(ax.stairs(bars, edges, gid=_CURVE, **{"label": label, **style}))
    bars_drawn = [patch for patch in ax.patches if patch.get_gid() == _CURVE]
    every = np.concatenate([patch.get_data().values for patch in bars_drawn])
    least, most = every[every > 0].min(), every.max()
    bottom = least / 2 if task.curve.table.dtype.kind == "f" else min(least, 1) / 2
    top = max(most * (most / bottom) ** 0.3, 100 * bottom)  # with room for the legend
    ax.set(yscale="log", ylim=(bottom, top))
    return drawn[1], None, None


class Kind(NamedTuple):
    """How a kind of plot is drawn."""

    draw: Callable[[Task], Drawn]
    axes: dict[str, Any]
    legend: str
    needs: str  # what there has to be: "p"ositives, "n"egatives


_RATES = {"xlim": (-0.01, 1.01), "ylim": (-0.01, 1.01)}
_SQUARE = {**_RATES, "aspect": "equal"}
KINDS = {
    "pr": Kind(
        _draw_precision_recall,
        {"xlabel": "Recall", "ylabel": "Precision", **_SQUARE},
        "lower left", "p",
    ),
    "roc": Kind(
        _draw_roc,
        {"xlabel": "False positive rate", "ylabel": "True positive rate", **_SQUARE},
        "lower right", "pn",
    ),
    "f": Kind(
        _draw_f,
        {"xlabel": "Threshold", "ylabel": "F1, precision, recall", "ylim": (-0.01, 1.01)},
        "lower center", "p",
    ),
    "calibration": Kind(
        _draw_calibration,
        {"xlabel": "Mean score", "ylabel": "Share of positives", **_RATES},
        "upper left", "",
    ),
    "counts": Kind(
        _draw_counts, {"xlabel": "Score", "ylabel": "Samples in a bin"}, "upper center", "",
    ),
}  # fmt: skip
