"""Plots of a curve, with what the bins leave open as a band; matplotlib is an optional extra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastpr.curves.plots.kinds import KINDS, Axes, Task, drawn_on, next_style

if TYPE_CHECKING:
    from fastpr.curves.curve import Curve

_MAX_INSIDE = 5  # entries of a legend; more would cover the curves


@dataclass
class CurveDisplay:
    """What was drawn of a curve, in the manner of scikit-learn's displays.

    Attributes
    ----------
    curve : Curve
    kind : str
        The kind of plot.
    name : str or None
        The name of the curve in the legend.
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    line_ : matplotlib Line2D
        The curve; for "counts" a StepPatch, the positives. Without points where there is
        nothing to draw; its label then says why.
    band_ : matplotlib Collection or None
        What the bins leave open: an area, or for "calibration" a bar at each point.
    point_ : matplotlib Line2D or None
        The best cut.
    """

    curve: Curve = field(repr=False)
    kind: str
    name: str | None
    figure_: Any = field(repr=False)
    ax_: Any = field(repr=False)
    line_: Any = field(repr=False)
    band_: Any = field(repr=False)
    point_: Any = field(repr=False)


def draw(
    curve: Curve,
    kind: str = "pr",
    ax: Axes = None,
    *,
    name: str | None = None,
    bounds: bool = True,
    iso_f1: bool = True,
    best: bool | str = True,
    **line_options: Any,
) -> CurveDisplay:
    """Plot a curve, with what its bins leave open as a band. `fastpr.Curve.plot` calls it.

    Draw several curves on one plot by passing the axes of the first; each gets a colour and a
    line style of its own, and its place in the legend.

    Parameters
    ----------
    curve : Curve
        What to plot.
    kind : {"pr", "roc", "f", "calibration", "counts"}, default "pr"
        - "pr": precision by recall, in steps as the average precision adds them up, with lines
          of equal F1 and the cut of the best F1;
        - "roc": the true by the false positive rate, with the cut of the best Youden's J;
        - "f": F1, precision and recall by threshold, with the best F1;
        - "calibration": the share of positives by mean score in ten equal bins, the mean as
          wide as it is unknown, and how many samples there are;
        - "counts": positives and negatives by bin.
    ax : matplotlib Axes, optional
        Where to; by default, new axes on a new figure of pyplot. "calibration" takes a fifth of
        their height for a histogram below.
    name : str, optional
        The name of the curve in the legend.
    bounds : bool, default True
        Whether to show bounds: the band, and those of the numbers in the legend. A curve
        without bounds, or whose bounds are equal, has no band.
    iso_f1 : bool, default True
        Whether "pr" has lines of equal F1.
    best : bool or str, default True
        Whether to mark the best cut; or the metric that is to be best there, as `fastpr.Curve.best`
        takes it. Not in "calibration" and "counts".
    **line_options
        Properties of the line, as matplotlib's Line2D takes them; for "counts" those of the
        positives, as StepPatch takes them.

    Returns
    -------
    CurveDisplay
        With ``figure_``, ``ax_``, ``line_``, ``band_`` and ``point_``.

    Raises
    ------
    ValueError
        If there is no such kind, or no such metric.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    Each bin is a rectangle of true and false positives, through which the exact curve runs in
    some way. So the areas below the edges of the band are the bounds of the average precision
    ("pr", the lower one up to the half of a sample) and of the AUROC ("roc").

    Examples
    --------
    >>> import fastpr
    >>> from matplotlib.figure import Figure  # or leave out ax, for pyplot
    >>> curve = fastpr.Curve.from_counts([4, 3, 1], [4, 1, 0], [0, 3, 4], [0, 1, 3])
    >>> display = curve.plot("roc", ax=Figure().add_subplot(), name="model")
    >>> display.line_.get_label()
    'model: AUROC 0.781 (0.624 to 0.938)'
    >>> display.point_.get_label()
    "best Youden's J: 0.500 at 0.5"
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    try:
        from matplotlib import cbook, lines
    except ImportError as error:
        raise ImportError('plots need matplotlib; pip install "fastpr[plot]"') from error
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(6, 5), layout="constrained")
    how = KINDS[kind]
    style = next_style(ax) | cbook.normalize_kwargs(line_options, lines.Line2D)
    has_bounds = bounds and curve.problem is None
    task = Task(curve, ax, name, has_bounds, iso_f1, best, style)
    if not drawn_on(ax):
        ax.set(**how.axes)
    nothing = _nothing_to_draw(curve, how.needs)
    line, band, point = (task.line([], [], nothing), None, None) if nothing else how.draw(task)
    _place_legend(ax, how.legend)
    return CurveDisplay(curve, kind, name, ax.figure, ax, line, band, point)


def _place_legend(ax: Axes, corner: str) -> None:
    """Put the legend into a corner, or, when it is long, below the axes if they can make room."""
    num_entries = len(ax.get_legend_handles_labels()[0])
    layout = ax.figure.figure.get_layout_engine()  # of the whole figure
    if num_entries <= _MAX_INSIDE or layout is None or not ax.get_xlabel():
        ax.legend(loc=corner, fontsize="small", framealpha=0.9)
        return
    from matplotlib.transforms import ScaledTranslation

    below_label = ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)  # inches
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=ax.transAxes + below_label,
        fontsize="small", ncols=2, frameon=False, borderaxespad=0,
    )  # fmt: skip


def _nothing_to_draw(curve: Curve, needs: str) -> str:
    """Return why there is nothing to draw, or an empty string."""
    if not curve.num_positives and not curve.num_negatives:
        return "no samples"
    if "p" in needs and not curve.num_positives:
        return "no positives"
    if "n" in needs and not curve.num_negatives:
        return "no negatives"
    return ""
