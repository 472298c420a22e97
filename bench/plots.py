"""The plots of bench/results/: how time grows, drawn from the sweeps of a report.

The same data give the same file, byte for byte, and each file carries a digest of its data.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from report import best_read, find

COLORS = {
    "auto": "#0b5fa5",
    "numba": "#d1690a",
    "boost-histogram": "#5a8a3c",
    "numpy bincount": "#8d6cab",
    "torch.topk": "#5a8a3c",
}
_MARKERS = {
    "auto": "o",
    "numba": "s",
    "boost-histogram": "^",
    "numpy bincount": "v",
    "torch.topk": "^",
}
# What is on the axes, and how many bytes an item has.
_AXES = {
    "samples": ("samples (float32 + bool, uniform, T = 201)", "ns a sample", 5),
    "thresholds": ("thresholds T (2^24 samples, uniform)", "ns a sample", 5),
    "threads": ("threads (2^24 samples, uniform, T = 201)", "ns a sample", 5),
    "classes": ("classes (2^24 scores, 5 labels a row, k = 10)", "ns a score", 4),
    "labels": ("labels a row (10,000 classes, k = 100)", "ns a score", 4),
}


def _data(report: dict[str, Any], sweep: str) -> dict[str, Any]:
    """Return what a plot shows: points by who, and the read bandwidth."""
    series: dict[str, list[list[float]]] = {}
    for row in find(report, "sweep", sweep):
        nanoseconds = row["seconds"]["best"] / row["items"] * 1e9
        series.setdefault(row["subject"], []).append([row["x"], float(f"{nanoseconds:.4g}")])
    return {"sweep": sweep, "series": series, "read": best_read(report),
            "cpu": report["machine"]["cpu"], "threads": report["machine"]["threads"]}  # fmt: skip


def digest_of(report: dict[str, Any], sweep: str) -> str:
    """Return the digest of what a plot of this report would show."""
    text = json.dumps(_data(report, sweep), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_in(path: Path) -> str:
    """Return the digest of the data that a plot was drawn from, or "" if it says none."""
    found = re.search(r"data: ([0-9a-f]{16})", path.read_text(encoding="utf-8"))
    return found[1] if found else ""


def draw(report: dict[str, Any], sweep: str, title: str, path: Path) -> None:
    """Draw a sweep: time per item, on logarithmic axes, with the limit of the memory."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    data = _data(report, sweep)
    x_label, y_label, num_bytes = _AXES[sweep]
    style = {
        "svg.hashsalt": "fastpr", "svg.fonttype": "path", "font.size": 10,
        "axes.spines.top": False, "axes.spines.right": False, "figure.facecolor": "white",
        "axes.facecolor": "white", "savefig.facecolor": "white",
    }  # fmt: skip
    with mpl.rc_context(style):
        figure, axes = plt.subplots(figsize=(7.2, 3.9), layout="constrained")
        axes.set_xscale("log", base=2 if sweep in ("samples", "threads") else 10)
        axes.set_yscale("log")
        for name, points in data["series"].items():
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=COLORS[name], marker=_MARKERS[name], markersize=4.5,
                      linewidth=1.6, label=name)  # fmt: skip
        if data["read"]:
            limit = num_bytes / data["read"] * 1e9
            label = f"memory, read at {data['read'] / 1e9:.0f} GB/s"
            axes.axhline(limit, color="#444444", linestyle="--", linewidth=1.1, label=label)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_title(f"{title}\n{data['cpu']}, {data['threads']} threads", fontsize=10)
        if sweep != "samples":
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        if sweep == "threads":
            axes.set_xticks([x for x, _ in next(iter(data["series"].values()))])
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        figure.legend(loc="outside right center", frameon=False, fontsize=9)
        metadata = {
            "Date": None,
            "Title": title,
            "Description": f"data: {digest_of(report, sweep)}",
        }
        figure.savefig(path, format="svg", metadata=metadata)
        plt.close(figure)
