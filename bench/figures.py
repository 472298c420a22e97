"""Measure the figures of the README: check each answer, time it, print ratios.

    python bench/figures.py            prints, and writes bench/results/<machine>.json
    python bench/figures.py --quick    small sizes, nothing written: only to see that it runs

Speed is given as a fraction of the bandwidth at which the same threads read the same
memory, measured in this process, in turn with everything else. All times are the best of
several, since the rest of a shared machine only ever adds to them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import boost_histogram
import numpy as np
from ranking import PEER_PACKAGES, measure_ranking
from rich.console import Console
from rich.table import Table
from workloads import DISTRIBUTIONS, make_reader, seconds_of

import fastpr

RESULTS = Path(__file__).parent / "results"
NUM_THRESHOLDS = 201
BYTES_PER_SAMPLE = 5  # float32 and bool


def measure_throughput(num_samples: int, repeats: int, num_threads: int) -> list[dict]:
    """Time every backend and boost-histogram on every distribution, each answer checked."""
    rng = np.random.default_rng(2026)
    reader = make_reader(num_threads)
    backends = [name for name in ("c", "numba") if name in fastpr.available_backends()]
    rows = []
    for name, make in DISTRIBUTIONS.items():
        scores, labels = make(num_samples, rng)
        expected = np.stack([
            np.bincount(
                np.searchsorted(
                    np.arange(NUM_THRESHOLDS, dtype=np.float32) / np.float32(NUM_THRESHOLDS - 1),
                    scores[labels == label], side="right",
                ) - 1,
                minlength=NUM_THRESHOLDS,
            )
            for label in (False, True)
        ])  # fmt: skip

        def count(backend, scores=scores, labels=labels):
            return fastpr.precision_recall_at_equal_thresholds(labels, scores, backend=backend)

        def fill(scores=scores, labels=labels):
            histogram = boost_histogram.Histogram(
                boost_histogram.axis.Regular(NUM_THRESHOLDS - 1, 0, 1),
                boost_histogram.axis.Boolean(),
                storage=boost_histogram.storage.Int64(),
            )
            return histogram.fill(scores, labels, threads=num_threads)

        for backend in backends:
            data = count(backend)
            assert (data.tp == expected[1, ::-1].cumsum()[::-1]).all(), (name, backend)
            assert (data.fp == expected[0, ::-1].cumsum()[::-1]).all(), (name, backend)
        table = fill().view(flow=True)[1:].T
        # Its bins are computed in float64, so the samples right at a threshold may differ.
        moved = np.abs(table - expected).sum() / num_samples
        assert moved < 1e-3, moved

        times = {"read": [], "boost": [], **{backend: [] for backend in backends}}
        for _ in range(repeats):  # in turn, so that a slow moment meets everybody
            # Three passes, so that all are timed over about as long a moment: bandwidth on a
            # shared machine comes in gusts, and a short look would catch a rarer one.
            seconds = seconds_of(lambda scores=scores: [reader(scores) for _ in range(3)])
            times["read"].append(seconds / (3 * scores.nbytes))
            for backend in backends:
                seconds = seconds_of(lambda count=count, backend=backend: count(backend))
                times[backend].append(seconds / num_samples)
        for _ in range(2):
            times["boost"].append(seconds_of(fill) / num_samples)
        read_bandwidth = 1e-9 / min(times["read"])
        for backend in backends:
            rate = 1e-9 / min(times[backend])
            rows.append({
                "distribution": name,
                "backend": backend,
                "giga_samples_per_second": rate,
                "gigabytes_per_second": rate * BYTES_PER_SAMPLE,
                "read_bandwidth": read_bandwidth,
                "of_read_bandwidth": rate * BYTES_PER_SAMPLE / read_bandwidth,
                # each round against the reading beside it: what a shared machine gives both
                "of_read_bandwidth_median": float(np.median([
                    BYTES_PER_SAMPLE * read / own
                    for read, own in zip(times["read"], times[backend], strict=True)
                ])),
                "times_boost_histogram": min(times["boost"]) / min(times[backend]),
            })  # fmt: skip
    return rows


def measure_small_update(repeats: int) -> dict:
    """Time `update` of 4096 samples beside the numpy bincount one-liner on the same data."""
    rng = np.random.default_rng(1)
    scores = rng.random(4096, dtype=np.float32)
    labels = rng.random(4096) < scores
    state = fastpr.PrecisionRecallAtEqualThresholds()

    def bincount():
        return np.bincount((scores * np.float32(200)).astype(np.intp) * 2 + labels, minlength=402)

    assert bincount().sum() == state.update(labels, scores).num_samples == 4096
    times = {"update": [], "bincount": []}
    loops = 50
    for _ in range(repeats):
        for key, function in (
            ("update", lambda: state.update(labels, scores)),
            ("bincount", bincount),
        ):
            start = time.perf_counter()
            for _ in range(loops):
                function()
            times[key].append((time.perf_counter() - start) / loops)
    update, one_liner = (min(times[key]) * 1e6 for key in ("update", "bincount"))
    return {"update_us": update, "bincount_us": one_liner, "ratio": update / one_liner}


_MEMORY_PROGRAM = """
import sys, numpy as np, fastpr
def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
num, backend, weighted = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "weighted"
scores = np.random.default_rng(0).random(num, dtype=np.float32)
labels = scores > 0.5
weights = scores.copy() if weighted else None
count = lambda s, l, w: fastpr.precision_recall_at_equal_thresholds(l, s, w, backend=backend)
some = slice(0, 1000)
count(scores[some], labels[some], weights[some] if weighted else None)  # compile, import
open("/proc/self/clear_refs", "w").write("5")  # the peak starts again
before = status("VmRSS")
count(scores, labels, weights)
print(status("VmHWM") - before)
"""

_FIRST_RESULT_PROGRAM = """
import fastpr
print(fastpr.precision_recall_at_equal_thresholds([0, 1], [0.2, 0.8], backend="c").tp[0])
"""

_IMPORT_PROGRAM = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def run_python(program: str, *arguments: str) -> str:
    done = subprocess.run(
        # isolated: the package that is installed, not the folder this is started from
        [sys.executable, "-I", "-c", program, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def measure_memory(sizes: list[int]) -> list[dict]:
    """Measure the peak of memory while counting, beside the inputs."""
    return [
        {
            "num_samples": num,
            "backend": backend,
            "weights": weights,
            "megabytes": float(run_python(_MEMORY_PROGRAM, str(num), backend, weights)),
        }
        for backend in fastpr.available_backends()
        if backend != "reference"
        for weights in ("none", "weighted")
        for num in sizes
    ]


def measure_start(repeats: int) -> dict:
    """Measure import times and the time to the first result, in new processes."""
    imports = {"numpy": [], "fastpr": []}
    first = []
    for _ in range(repeats):
        for module, times in imports.items():
            times.append(float(run_python(_IMPORT_PROGRAM.format(module=module))))
        if "c" in fastpr.available_backends():
            start = time.perf_counter()
            assert run_python(_FIRST_RESULT_PROGRAM) == "1"
            first.append(time.perf_counter() - start)
    best = {module: min(times) for module, times in imports.items()}
    return {
        "import_numpy_s": best["numpy"],
        "import_fastpr_s": best["fastpr"],
        "import_ratio": best["fastpr"] / best["numpy"],
        "first_result_with_c_s": min(first) if first else None,
    }


def describe_machine(num_threads: int) -> dict:
    model, family = platform.processor(), ""
    if (path := Path("/proc/cpuinfo")).exists():
        text = path.read_text()
        if found := re.search(r"model name\s*: (.*)", text):
            model = found[1]
        if found := re.search(r"cpu family\s*: (\d+)\nmodel\s*: (\d+)", text):
            family = f" (family {found[1]}, model {found[2]})"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, cwd=Path(__file__).parent,
    ).stdout.strip()  # fmt: skip
    return {
        "cpu": f"{model}{family}",
        "cpus": os.cpu_count(),
        "threads": num_threads,
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
        "versions": {
            "fastpr": fastpr.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "boost-histogram": boost_histogram.__version__,
        },
    }


def show(report: dict) -> None:
    console = Console(width=120)
    machine = report["machine"]
    console.print(f"{machine['cpu']}, {machine['threads']} threads, commit {machine['commit']}")
    table = Table(title=f"float32 scores, bool labels, 2^{report['log2_samples']}, T = 201")
    columns = ("distribution", "backend", "G samples/s", "GB/s", "read GB/s", "of read", "median")
    for column in (*columns, "x boost-histogram"):
        table.add_column(column, justify="left" if column in columns[:2] else "right")
    for row in report["throughput"]:
        table.add_row(
            row["distribution"], row["backend"], f"{row['giga_samples_per_second']:.2f}",
            f"{row['gigabytes_per_second']:.1f}", f"{row['read_bandwidth']:.1f}",
            f"{row['of_read_bandwidth']:.2f}", f"{row['of_read_bandwidth_median']:.2f}",
            f"{row['times_boost_histogram']:.1f}",
        )  # fmt: skip
    console.print(table)
    show_ranking(console, report["ranking"])
    for row in report["memory"]:
        console.print(
            f"memory beside inputs: {row['megabytes']:.1f} MB  ({row['backend']}, "
            f"{row['num_samples']} samples, weights: {row['weights']})"
        )
    start = report["start"]
    console.print(
        f"import fastpr {start['import_fastpr_s'] * 1e3:.0f} ms, numpy "
        f"{start['import_numpy_s'] * 1e3:.0f} ms: {start['import_ratio']:.2f} x"
    )
    if start["first_result_with_c_s"]:
        console.print(f"first result of a new process, c: {start['first_result_with_c_s']:.3f} s")
    small = report["small_update"]
    console.print(
        f"update of 4096 samples {small['update_us']:.1f} us, numpy bincount one-liner "
        f"{small['bincount_us']:.1f} us: {small['ratio']:.2f} x"
    )


def show_ranking(console: Console, ranking: dict) -> None:
    table = Table(title="average precision at k, float32 scores")
    for column in ("rows", "backend", "GB/s", "read GB/s", "of read", "median", "asked"):
        table.add_column(column, justify="left" if column in ("rows", "backend") else "right")
    for name in ranking["peers"]:
        table.add_column(f"x {name}", justify="right")
    for row in ranking["rows"]:
        table.add_row(
            f"{row['num_rows']} x {row['num_classes']}, {row['num_labels']} labels, "
            f"k={row['k']}: {row['workload']}",
            row["backend"], f"{row['gigabytes_per_second']:.1f}", f"{row['read_bandwidth']:.1f}",
            f"{row['of_read_bandwidth']:.2f}", f"{row['of_read_bandwidth_median']:.2f}",
            f"{row['asked']}", *(f"{times:.1f}" for times in row["times_peers"].values()),
        )  # fmt: skip
    console.print(table)
    for name in ranking["missing_peers"]:
        console.print(f"not compared with {name}: {PEER_PACKAGES[name]} is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing is written")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", help="of the result file; by default from the CPU")
    arguments = parser.parse_args()
    fastpr.set_num_threads(arguments.threads)
    log2_samples, repeats = (20, 2) if arguments.quick else (26, 40)
    report = {
        "machine": describe_machine(arguments.threads),
        "log2_samples": log2_samples,
        "throughput": measure_throughput(1 << log2_samples, repeats, arguments.threads),
        "ranking": measure_ranking(
            32 if arguments.quick else 1, 2 if arguments.quick else 25, arguments.threads
        ),
        "small_update": measure_small_update(20 if arguments.quick else 200),
        "memory": measure_memory([1 << 16, 1 << log2_samples]),
        "start": measure_start(2 if arguments.quick else 15),
    }
    show(report)
    if not arguments.quick:
        machine = report["machine"]
        name = arguments.name or f"{machine['cpu']}-{machine['cpus']}"
        name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(report, indent=1) + "\n")
        print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    main()
