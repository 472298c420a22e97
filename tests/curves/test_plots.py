"""How plots of curves look: what they say, several on one plot, and what cannot be drawn.

What is drawn is compared, not pixels.
"""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from plot_cases import axes, legend, make_curve, make_samples, rendered

import fastpr
from fastpr.curves.plots.draw import CurveDisplay
from fastpr.curves.plots.kinds import COLORS, KINDS

# ---- every kind ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_kind_says_what_it_is(kind, weighted):
    ax = axes()
    curve = make_curve(weighted=weighted)
    display = curve.plot(kind, ax, name="model")
    assert isinstance(display, CurveDisplay)
    assert (display.ax_, display.figure_) == (ax, ax.figure)
    assert (display.kind, display.name, display.curve) == (kind, "model", curve)
    assert display.line_.get_label() in legend(display)
    assert display.line_.get_label().startswith("model: ")
    assert ax.get_ylabel()
    assert ax.get_xlabel() or kind == "calibration"
    assert rendered(display).std() > 10
    assert repr(display) == f"CurveDisplay(kind='{kind}', name='model')"


@pytest.mark.parametrize("kind", KINDS)
def test_several_curves_look_different(kind):
    ax = axes()
    displays = [make_curve(seed=seed).plot(kind, ax, name=f"model {seed}") for seed in range(3)]
    looks = [(to_hex(d.line_.get_edgecolor() if kind == "counts" else d.line_.get_color()),
              d.line_.get_linestyle()) for d in displays]  # fmt: skip
    assert len({color for color, _ in looks}) == 3
    assert len({style for _, style in looks}) >= 2
    assert len(set(legend(displays[-1]))) == len(legend(displays[-1]))
    assert {to_hex(color) for color, _ in looks} <= {color.lower() for color in COLORS}
    rendered(displays[-1])


@pytest.mark.parametrize("kind", ["pr", "roc", "f", "counts"])
def test_a_long_legend_is_below_the_axes(kind):
    ax = axes()
    for seed in range(4):
        display = make_curve(seed=seed).plot(kind, ax, name=f"model {seed}")
    rendered(display)
    words, label = (part.get_window_extent() for part in (ax.get_legend(), ax.xaxis.label))
    assert words.y1 <= label.y0
    assert min(words.x0, words.y0) >= 0
    assert words.x1 <= ax.figure.bbox.x1


def test_a_long_legend_stays_inside_where_the_layout_is_fixed():
    ax = Figure(figsize=(6, 5)).add_subplot()
    for seed in range(4):
        display = make_curve(seed=seed).plot("pr", ax, name=f"model {seed}")
    rendered(display)
    frame, words = ax.get_window_extent(), ax.get_legend().get_window_extent()
    assert frame.y0 <= words.y0 <= words.y1 <= frame.y1


def test_axes_of_a_part_of_a_figure_will_do():
    figure = Figure(figsize=(12, 5), layout="constrained")
    for part in figure.subfigures(1, 2):
        ax = part.add_subplot()
        for seed in range(4):
            display = make_curve(seed=seed).plot("calibration", ax)
            make_curve(seed=seed).plot("pr", part.axes[0])
        assert display.figure_ is part
    FigureCanvasAgg(figure).draw()


def test_colors_differ_in_grey_where_they_are_next_to_each_other():
    grey = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(mpl.colors.to_rgb, COLORS)]
    assert np.abs(np.diff(grey)).min() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_line_takes_what_matplotlib_takes(kind):
    display = make_curve().plot(kind, axes(), lw=3, color="red", label="mine")
    assert display.line_.get_linewidth() == 3
    assert "mine" in legend(display)
    if kind != "counts":
        assert display.line_.get_color() == "red"
    if display.band_ is not None:
        assert to_hex(display.band_.get_facecolor() if kind != "calibration"
                      else display.band_.get_edgecolor()) == "#ff0000"  # fmt: skip
    if kind != "counts":
        assert make_curve().plot(kind, axes(), c="blue").line_.get_color() == "blue"


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_curve_leaves_the_axes_alone(kind):
    ax = axes()
    make_curve().plot(kind, ax)
    ax.set_title("mine")
    ax.set_ylabel("mine too")
    make_curve(seed=1).plot(kind, ax)
    assert (ax.get_title(), ax.get_ylabel()) == ("mine", "mine too")


# ---- bounds ----


@pytest.mark.parametrize("kind", ["pr", "roc", "calibration"])
def test_the_legend_rounds_bounds_outward(kind):
    curve = make_curve(201)
    method = {"pr": "average_precision", "roc": "auroc"}.get(kind, "expected_calibration_error")
    value = getattr(curve, method)()
    text = curve.plot(kind, axes()).line_.get_label()
    name, number, low, _, high = text.split(" ")
    assert name == {"pr": "AP", "roc": "AUROC", "calibration": "ECE"}[kind]
    low, high = float(low[1:]), float(high[:-1])
    assert low <= value.low <= value.high <= high
    assert high - low < value.width + 0.0021
    assert abs(float(number) - value) <= 0.00051


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_can_be_left_out(kind):
    display = make_curve().plot(kind, axes(), bounds=False)
    assert display.band_ is None
    assert " to " not in display.line_.get_label()


@pytest.mark.parametrize("kind", KINDS)
def test_bins_that_are_not_ordered_alike_have_no_band(kind):
    labels, scores = make_samples()
    state = fastpr.PrecisionRecallAtEqualThresholds(11).update(labels, scores)
    curve = state.update(labels, scores.astype(np.float64)).curve()
    with pytest.raises(ValueError, match="float"):
        curve.auroc().low  # noqa: B018
    display = curve.plot(kind, axes())
    assert display.band_ is None
    assert " to " not in display.line_.get_label()
    rendered(display)


def test_conventions_without_bounds_have_a_band_all_the_same():
    display = make_curve().with_conventions("keras").plot("pr", axes())
    assert display.band_ is not None
    assert " to " not in display.line_.get_label()


# ---- what cannot be drawn ----


@pytest.mark.parametrize(
    ("labels", "missing"),
    [([], "no samples"), ([0, 0], "no positives"), ([1, 1], "no negatives")],
)
@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_curves_are_drawn_with_a_note(kind, labels, missing):
    state = fastpr.PrecisionRecallAtEqualThresholds(11)
    curve = state.update(labels, [0.4, 0.6][: len(labels)]).curve()
    display = curve.plot(kind, axes(), name="model")
    is_missing = missing == "no samples" or {
        "pr": missing == "no positives",
        "roc": True,
        "f": missing == "no positives",
    }.get(kind, False)
    assert (display.line_.get_label() == f"model: {missing}") == is_missing
    if is_missing:
        assert not len(display.line_.get_xdata())
        assert (display.band_, display.point_) == (None, None)
    rendered(display)
    make_curve().plot(kind, display.ax_)  # and the next one on the same axes
    rendered(display)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_constant_scores_are_drawn(kind, score):
    state = fastpr.PrecisionRecallAtEqualThresholds(11).update([0, 1, 1], [score] * 3)
    rendered(state.curve().plot(kind, axes()))


@pytest.mark.parametrize("kind", KINDS)
def test_huge_counts_are_drawn(kind):
    curve = fastpr.Curve.from_bins([[2**61, 2**60, 1], [1, 2**61, 2**60]], [0.0, 0.5, 1.0])
    rendered(curve.plot(kind, axes()))


def test_kinds_are_named():
    with pytest.raises(ValueError, match="kind must be one of pr, roc, f, calibration, counts"):
        make_curve().plot("det", axes())


def test_a_metric_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="metric must be one of"):
        make_curve().plot("pr", axes(), best="score")


# ---- matplotlib itself ----


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "fastpr\[plot\]"'):
        make_curve().plot("pr")


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CURVE = "import sys, fastpr; curve = fastpr.Curve.from_counts([2, 1], [2, 0], [0, 2], [0, 1]); "


def test_matplotlib_is_loaded_when_a_curve_is_drawn():
    assert run(CURVE + "curve.auroc(); print('matplotlib' in sys.modules)") == "False"


def test_pyplot_is_left_alone_when_axes_are_given():
    program = (
        CURVE + "from matplotlib.figure import Figure; "
        "[curve.plot(kind, Figure().add_subplot()) for kind in "
        "('pr', 'roc', 'f', 'calibration', 'counts')]; print('matplotlib.pyplot' in sys.modules)"
    )
    assert run(program) == "False"


def test_without_axes_there_is_a_new_figure_of_pyplot():
    program = (
        "import matplotlib; matplotlib.use('agg'); from matplotlib import pyplot; "
        + CURVE
        + "shown = [curve.plot(kind) for kind in ('pr', 'calibration')]; "
        "print([pyplot.figure(n) is d.figure_ for n, d in zip(pyplot.get_fignums(), shown)], "
        "shown[0].figure_.get_size_inches())"
    )
    assert run(program) == "[True, True] [6. 5.]"
