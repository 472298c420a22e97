"""Write the tables of the README from bench/results/, or check that nothing is stale.

python bench/readme.py            rewrites the part between the marks, and the plots
python bench/readme.py --check    exit status 1, and what to run, when something is stale
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import machine
import report
from tables import (
    all_rows,
    headline_table,
    missed_counts,
    missed_rankings,
    missed_updates,
    other_table,
    overheads,
    ranking_table,
)

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- figures: begin (bench/readme.py) -->", "<!-- figures: end -->"
MEASURE = "run python bench/run.py on a quiet machine"
RENDER = "run python bench/readme.py"

PLOTS = {
    "samples": "Time a sample against the number of samples",
    "thresholds": "Time a sample against the number of thresholds",
    "threads": "Time a sample against the number of threads",
    "classes": "Time a score against the number of classes",
    "labels": "Time a score against the number of labels a row",
}


def missed(found: dict[str, Any]) -> list[str]:
    """Return the figures that were asked for and not reached, a sentence each."""
    return [*missed_counts(found), *missed_rankings(found), *missed_updates(found)]


def render(name: str, found: dict[str, Any]) -> str:
    """Return what the README says of one machine, as Markdown."""
    where = found["machine"]
    caches = ", ".join(f"{level} {size}" for level, size in where["caches"].items())
    threads = where["threads"]
    lines = [
        f"{where['cpu']}, {threads} threads, {where['memory_gigabytes']:.0f} GB"
        f"{f', {caches}' if caches else ''}; reads "
        f"{report.best_read(found) / 1e9:.0f} GB/s at its best; commit {where['commit']}, "
        f"{where['date']}. Where a figure was asked for it stands behind the stroke; those that "
        "were missed are bold.",
        "",
        *headline_table(found),
        "",
        *other_table(found),
        "",
        *ranking_table(found),
        "",
        *overheads(found),
        "",
        *_missed_lines(found),
        "",
    ]
    for sweep, title in PLOTS.items():
        if report.find(found, "sweep", sweep):
            lines.append(f"![{title}](bench/results/{name}-{sweep}.svg)")
    lines += ["", "<details><summary>All rows</summary>", "", *all_rows(found), "", "</details>"]
    return "\n".join(lines)


def _missed_lines(found: dict[str, Any]) -> list[str]:
    lines = missed(found)
    if found["missing_peers"]:
        names = "; ".join(f"{name}: {reason}" for name, reason in found["missing_peers"].items())
        lines = [*lines, f"Not compared with {names}"]
    return [f"- Missed: {line}" if not line.startswith("Not") else f"- {line}" for line in lines]


def updated(text: str, reports: dict[str, dict[str, Any]]) -> str:
    """Return the README with the figures of all reports."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    body = "\n\n".join(render(name, found) for name, found in reports.items())
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def stale(
    text: str, reports: dict[str, dict[str, Any]], folder: Path, fingerprint: str
) -> list[str]:
    """Return what is stale, a sentence each that says what to do.

    Parameters
    ----------
    text : str
        The README.
    reports : dict
        By the name of the file.
    folder : Path
        Where the plots are.
    fingerprint : str
        Of the kernels as they are now.
    """
    import plots

    problems = []
    for name, found in reports.items():
        if found["fingerprint"] != fingerprint:
            problems.append(
                f"the kernels are not those that {name}.json was measured with (commit "
                f"{found['machine']['commit']}): {MEASURE}"
            )
        for sweep in PLOTS:
            if not report.find(found, "sweep", sweep):
                continue
            path = folder / f"{name}-{sweep}.svg"
            if not path.exists():
                problems.append(f"{path.name} is missing: {RENDER}")
            elif plots.digest_in(path) != plots.digest_of(found, sweep):
                problems.append(f"{path.name} shows other data than {name}.json: {RENDER}")
    if updated(text, reports) != text:
        problems.append(f"the figures of the README are not those of the results: {RENDER}")
    return problems


def write(readme: Path = README, folder: Path = report.RESULTS) -> None:
    """Write plots and tables from the results."""
    import plots

    reports = report.load_all(folder)
    for name, found in reports.items():
        for sweep, title in PLOTS.items():
            if report.find(found, "sweep", sweep):
                plots.draw(found, sweep, title, folder / f"{name}-{sweep}.svg")
    text = readme.read_text(encoding="utf-8")
    readme.write_text(updated(text, reports), encoding="utf-8")


def main() -> None:
    if "--check" not in sys.argv[1:]:
        write()
        return
    problems = stale(
        README.read_text(encoding="utf-8"),
        report.load_all(),
        report.RESULTS,
        machine.fingerprint(),
    )
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
