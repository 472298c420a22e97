"""Curves to plot, and what to read from plots, for tests."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import fastpr

BINS_OF = {"threshold": {}, "fine": {"bins_per_threshold": 10}}


def make_samples(num=400, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    labels = rng.random(num) < 0.3
    scores = 1 / (1 + np.exp(-(rng.normal(size=num) + 1.5 * labels - 1)))
    scores[:5] = 1  # the last bin, which holds one value
    return labels, (scores * 255).round().astype(dtype) if dtype == np.uint8 else scores.astype(
        dtype
    )


def make_curve(num_thresholds=11, weighted=False, seed=0, dtype=np.float32, **options):
    labels, scores = make_samples(seed=seed, dtype=dtype)
    weights = np.random.default_rng(7).random(len(labels)) if weighted else None
    state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds, **options)
    return state.update(labels, scores, weights).curve()


def exact_curve():
    return make_curve(dtype=np.uint8, resolution="exact")


def axes():
    return Figure(figsize=(6, 5), dpi=60, layout="constrained").add_subplot()


def rendered(display):
    """Return the picture, drawn without a warning."""
    canvas = FigureCanvasAgg(display.figure_)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def band_edges(display):
    """Return x, ascending, and the lower and upper edge of a band drawn by fill_between."""
    (path,) = display.band_.get_paths()
    num = (len(path.vertices) - 3) // 2
    lower, upper = path.vertices[1 : num + 1], path.vertices[num + 2 : -1][::-1]
    assert np.array_equal(lower[:, 0], upper[:, 0])
    return lower[:, 0], lower[:, 1], upper[:, 1]


def area(y, x):
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())


def with_gid(display, name):
    return [line for line in display.ax_.lines if line.get_gid() == f"fastpr {name}"]
