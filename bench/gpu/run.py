"""Check the CUDA backend on a GPU, and time it: conformance, promises, figures, peers.

    python bench/gpu/run.py                 all of it, in at most 8 minutes on an H200
    python bench/gpu/run.py --quick         a part of it, smaller, to see that it runs
    python bench/gpu/run.py --device cpu    the checks themselves, where there is no GPU

Run from the repository. Needs an NVIDIA GPU, torch with CUDA, numba-cuda, and of the tests'
packages ml_dtypes and scipy; what else is missing is named. Prints a table of what was asked and
reached, and writes a JSON file. The exit status is 1 if a check failed or could not be run; a
figure that was not reached is in the table.

Each part runs in a process of its own, so that a fault in a kernel ends no other.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
for folder in (HERE.parent, ROOT / "tests" / "support"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
if find_spec("fastpr") is None:
    sys.path.append(str(ROOT))
if find_spec("torch") is None:
    sys.exit("bench/gpu/run.py needs torch; with CUDA, or --device cpu to check the checks")

import torch  # noqa: E402

import fastpr  # noqa: E402
from gpu.place import FULL, ON_HOST, QUICK, Place, Scale  # noqa: E402
from gpu.results import Results  # noqa: E402

MOST_SECONDS = 450.0
PACKAGES = (
    "torch", "numba", "numba-cuda", "numpy", "ml_dtypes", "scipy", "torchmetrics", "jax",
    "cupy-cuda13x", "cupy-cuda12x", "cuda-bindings",
)  # fmt: skip


class Part(NamedTuple):
    """What one process does, or so many at once, which share the cases."""

    name: str
    module: str
    function: str
    num_shards: int = 1


class Stage(NamedTuple):
    """Parts that run at the same time, and how long they may take."""

    parts: tuple[Part, ...]
    seconds: float


# Timing has the GPU to itself. What takes long in lists of cases is compiling their kernels.
STAGES = (
    Stage((
        Part("counts", "gpu.conformance", "score_cases", 4),
        Part("sums", "gpu.conformance", "weighted_cases", 4),
        Part("ranks", "gpu.conformance", "rank_cases", 6),
    ), 150),
    Stage((Part("behaviour", "gpu.behaviour", "run"),), 60),
    Stage((Part("timing", "gpu.timing", "run"),), 150),
    Stage((Part("large", "gpu.large", "run"),), 120),
)  # fmt: skip
# Timing is all that has to be alone.
QUICK_STAGES = (
    Stage(tuple(part for i in (0, 1, 3) for part in STAGES[i].parts), 120),
    STAGES[2],
)
PARTS = {part.name: part for stage in STAGES for part in stage.parts}


# ---- one part ----


def run_part(
    part: Part, place: Place, scale: Scale, results: Results, shard: tuple[int, int] = (0, 1)
) -> None:
    """Run one part in this process; what stops it is a failed check."""
    try:
        module = importlib.import_module(part.module)
        getattr(module, part.function)(place, scale, results, shard)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        results.group(part.name)["failed"].append(["the whole part", text])
        print(f"FAILED {part.name}: {text}", flush=True)
    results.save()


def run_as_child(arguments: argparse.Namespace) -> None:
    index, num_shards = map(int, arguments.shard.split("/"))
    place = Place(arguments.device)
    deadline = time.monotonic() + arguments.seconds
    results = Results(place, Path(arguments.keep), deadline)
    scale = scale_of(arguments)
    run_part(PARTS[arguments.part], place, scale, results, (index, num_shards))


def run_stage(
    stage: Stage, arguments: argparse.Namespace, results: Results, seconds: float, folder: Path
) -> None:
    """Run the parts of a stage in processes of their own, and add what they have found."""
    children = []
    for part in stage.parts:
        num_shards = part.num_shards if results.place.is_cuda else 1
        for index in range(num_shards):
            keep = folder / f"{part.name}-{index}.json"
            command = [
                sys.executable, str(HERE / "run.py"), "--part", part.name,
                "--shard", f"{index}/{num_shards}", "--keep", str(keep),
                "--device", arguments.device, "--seconds", str(seconds),
                *(["--quick"] if arguments.quick else []),
            ]  # fmt: skip
            name = part.name if num_shards == 1 else f"{part.name} {index + 1} of {num_shards}"
            children.append((name, keep, subprocess.Popen(command, cwd=ROOT)))
    deadline = time.monotonic() + seconds + 15  # for the check that is under way
    for name, keep, child in children:
        try:
            code = child.wait(max(0.1, deadline - time.monotonic()))
            ended = None if code == 0 else f"its process ended with status {code}"
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            ended = "it was still running when its time was up"
        if keep.exists():
            results.add(json.loads(keep.read_text()))
        elif ended is None:
            ended = "it left no results"
        if ended is not None:
            results.group(name)["failed"].append(["the whole part", ended])
            print(f"FAILED {name}: {ended}", flush=True)
        results.save()


# ---- what it runs on ----


def scale_of(arguments: argparse.Namespace) -> Scale:
    if not arguments.device.startswith("cuda"):
        return ON_HOST
    return QUICK if arguments.quick else FULL


def _output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def describe(place: Place) -> dict[str, Any]:
    """Return what it all runs on."""
    versions = {"fastpr": fastpr.__version__, "python": platform.python_version()}
    missing = []
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            missing.append(package)
    changed = _output_of("git", "status", "--porcelain", "--untracked-files=no")
    machine = {
        "device": place.name,
        "commit": _output_of("git", "rev-parse", "--short", "HEAD") or "unknown",
        "changed_files": len(changed.splitlines()),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions,
        "not_installed": missing,
    }
    if not place.is_cuda:
        machine["figures"] = "mean nothing: there is no device, and all is tiny"
    else:
        about = torch.cuda.get_device_properties(place.device)
        query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        machine |= {
            "driver": (_output_of(*query).splitlines() or ["unknown"])[0],
            "cuda_of_torch": torch.version.cuda,
            "compute_capability": f"{about.major}.{about.minor}",
            "memory_bytes": about.total_memory,
            "num_multiprocessors": about.multi_processor_count,
            "cache_bytes": place.cache_bytes,
            "max_shared_bytes": place.max_shared,
            "num_devices": torch.cuda.device_count(),
        }
    return machine


def check_device(device: str) -> None:
    """Exit with a message where there is no such device, or the backend does not work there."""
    if not device.startswith("cuda"):
        return
    if not torch.cuda.is_available():
        sys.exit(
            "bench/gpu/run.py needs an NVIDIA GPU and a torch with CUDA, and there is none here; "
            "--device cpu checks the checks themselves"
        )
    if "cuda" not in fastpr.available_backends():
        fastpr.doctor()
        sys.exit(
            "bench/gpu/run.py needs fastpr's cuda backend, which does not work here; see above"
        )


# ---- the report ----


def show(report: dict[str, Any]) -> None:
    machine = report["machine"]
    print(f"\n{machine['device']}, commit {machine['commit']}, {machine['changed_files']} changed "
          f"files, driver {machine.get('driver', 'none')}")  # fmt: skip
    print(", ".join(f"{name} {number}" for name, number in machine["versions"].items()))
    print(f"not installed: {', '.join(machine['not_installed']) or 'nothing'}\n")
    if "figures" in machine:
        print(f"the figures {machine['figures']}")
    print(f"{'figure':<66} {'asked':>8} {'reached':>9}  {'met':<4} unit")
    for figure in report["figures"]:
        asked = "" if figure["asked"] is None else f"{figure['asked']:g}"
        met = {True: "yes", False: "NO", None: ""}[figure["met"]]
        rate = f" ({figure['gigabytes_per_second']:.0f} GB/s)" if (
            "gigabytes_per_second" in figure) else ""  # fmt: skip
        print(f"{figure['name']:<66} {asked:>8} {figure['reached']:>9.3g}  {met:<4} "
              f"{figure['unit']}{rate}")  # fmt: skip
    print(f"\n{'checks':<40} {'passed':>7} {'failed':>7} {'not run':>8} {'seconds':>8}")
    for name, group in report["groups"].items():
        print(f"{name:<40} {group['passed']:>7} {len(group['failed']):>7} "
              f"{len(group['not_run']):>8} {group['seconds']:>8.1f}")  # fmt: skip
    for key in ("failed", "not_run"):
        for name, group in report["groups"].items():
            for what, why in group[key][:20]:
                print(f"{key.replace('_', ' ')}: {name}: {what}: {why[:300]}")
            if len(group[key]) > 20:
                print(f"{key.replace('_', ' ')}: {name}: {len(group[key]) - 20} more")
    for name, note in report["notes"].items():
        print(f"note: {name}: {note}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="the JSON file; by default bench/results/gpu-<name>.json")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--device", default="cuda", help="as torch names it; cuda by default")
    parser.add_argument(
        "--only", default=",".join(PARTS), help="some of the parts, separated by commas"
    )
    parser.add_argument(
        "--isolate", action=argparse.BooleanOptionalAction,
        help="whether parts run in processes of their own; on a GPU they do",
    )  # fmt: skip
    for own in ("--part", "--shard", "--keep"):  # of the processes that this one starts
        parser.add_argument(own, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="at most, about")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.only.split(",")) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}, only {', '.join(PARTS)}")
    return arguments


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    if arguments.part:
        run_as_child(arguments)
        return 0
    start = time.monotonic()
    check_device(arguments.device)
    place = Place(arguments.device)
    machine = describe(place)
    name = re.sub(r"[^a-z0-9]+", "-", f"gpu-{place.name}".lower()).strip("-")
    path = Path(arguments.out) if arguments.out else ROOT / "bench" / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = arguments.only.split(",")
    results = Results(place)
    is_isolated = place.is_cuda if arguments.isolate is None else arguments.isolate

    def report() -> dict[str, Any]:
        return {
            "machine": machine, "quick": arguments.quick, "parts": chosen,
            "seconds": time.monotonic() - start, "num_passed": results.num_passed,
            "num_failed": results.num_failed, "num_not_run": results.num_not_run,
            **results.as_dict(),
        }  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        for stage in QUICK_STAGES if arguments.quick else STAGES:
            own = stage._replace(parts=tuple(part for part in stage.parts if part.name in chosen))
            left = arguments.seconds - (time.monotonic() - start)
            seconds = max(0.0, min(stage.seconds, left))
            if own.parts:
                names = ", ".join(part.name for part in own.parts)
                print(f"{names} (at {time.monotonic() - start:.0f} s)", flush=True)
            if is_isolated:
                run_stage(own, arguments, results, seconds, Path(folder))
            else:
                for part in own.parts:
                    run_part(part, place, scale_of(arguments), results)
            path.write_text(json.dumps(report(), indent=1) + "\n")
    show(report())
    print(f"\n{results.num_passed} checks passed, {results.num_failed} failed, "
          f"{results.num_not_run} were not run; {sum(f['met'] is False for f in results.figures)} "
          f"figures were not reached; {time.monotonic() - start:.0f} s; wrote {path}")  # fmt: skip
    return 1 if results.num_failed or results.num_not_run else 0


if __name__ == "__main__":
    sys.exit(main())
