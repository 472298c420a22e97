"""Measure everything: check each answer, time it, and write it down.

    python bench/run.py            about ten minutes; writes bench/results/<machine>.json, the
                                   plots beside it, and the tables of the documentation
    python bench/run.py --quick    small sizes, nothing written: only to check the answers

Speed is given as a fraction of the bandwidth at which the same threads read the same memory,
measured in this process, in turn with everything else.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
# In this order: what is timed against the bandwidth of the memory first, and peers last, since
# some leave threads behind that wait actively.
FILES = ("test_plots", "test_score_histogram", "test_label_ranks", "test_overheads", "test_scaling",
         "test_peers")  # fmt: skip


class Collector:
    """A plugin of pytest that gathers what tests keep, in their order."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Any:
        benchmark = getattr(item, "funcargs", {}).get("benchmark")
        if benchmark is not None and "kind" in benchmark.extra_info:
            self.rows.append(dict(benchmark.extra_info))
        yield


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing is written")
    parser.add_argument("--threads", type=int, help="that count; by default, one for each CPU")
    parser.add_argument("--name", help="of the result files; by default from the CPU")
    parser.add_argument(
        "--only", metavar="WORDS", help="tests with these words, as pytest -k; nothing is written"
    )
    parser.add_argument("--no-scaling", action="store_true", help="leave out what plots show")
    return parser.parse_args(argv)


def run_tests(arguments: argparse.Namespace) -> tuple[int, list[dict[str, Any]]]:
    """Run the benchmarks; return the exit status of pytest, and what was kept."""
    files = [name for name in FILES if not (arguments.no_scaling and name == "test_scaling")]
    options = ["-q", "--benchmark-columns=min,median,iqr,rounds", "--benchmark-sort=fullname"]
    options += ["--rootdir", str(HERE.parent), "-p", "no:cacheprovider"]
    if arguments.quick:
        options += ["--quick", "--benchmark-quiet"]
    if arguments.threads:
        options += ["--threads", str(arguments.threads)]
    if arguments.only:
        options += ["-k", arguments.only]
    collector = Collector()
    paths = [str(HERE / f"{name}.py") for name in files]
    return int(pytest.main([*options, *paths], plugins=[collector])), collector.rows


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    start = time.monotonic()
    status, rows = run_tests(arguments)

    import machine
    import readme
    import report
    from peers import PEERS
    from rank_peers import RANK_PEERS

    import fastpr

    packages = tuple(peer.package for peer in (*PEERS, *RANK_PEERS))
    threads = arguments.threads or fastpr.get_num_threads()
    found = report.make_report(
        machine.describe(threads, (*packages, "keras")), machine.fingerprint(), rows
    )
    checks = sum(row.get("checks", 0) for row in found["rows"])
    print(f"{len(found['rows'])} rows, {checks:,} values checked, in "
          f"{time.monotonic() - start:.0f} s")  # fmt: skip
    for name, reason in found["missing_peers"].items():
        print(f"not compared with {name}: {reason}")
    if status != 0:
        print("not all benchmarks passed; nothing is written", file=sys.stderr)
    elif not (arguments.quick or arguments.only):
        name = arguments.name or machine.file_name(found["machine"])
        report.save(found, report.RESULTS / f"{name}.json")
        readme.write()
        print(
            f"wrote bench/results/{name}.json, the plots beside it, docs/performance.md and the "
            "table of README.md"
        )
    if not arguments.quick:  # figures are asked for at full size
        for line in readme.missed(found):
            print(f"missed: {line}")
    return status


if __name__ == "__main__":
    sys.exit(main())
