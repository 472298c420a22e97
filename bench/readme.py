"""Write the figures of the README and of docs/performance.md from bench/results/, or check them.

python bench/readme.py            rewrites the parts between the marks, and the plots
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
    comparison,
    headline_table,
    missed_counts,
    missed_rankings,
    missed_updates,
    other_table,
    overheads,
    ranking_table,
)

ROOT = Path(__file__).resolve().parents[1]
README, PERFORMANCE = ROOT / "README.md", ROOT / "docs" / "performance.md"
HEADLINE_MARKS = ("<!-- headline: begin (bench/readme.py) -->", "<!-- headline: end -->")
FIGURES_MARKS = ("<!-- figures: begin (bench/readme.py) -->", "<!-- figures: end -->")
PLOTS_FROM_DOCS = "../bench/results"
Reports = dict[str, dict[str, Any]]
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


def render(name: str, found: dict[str, Any], fingerprint: str) -> str:
    """Return what docs/performance.md says of one machine, as Markdown."""
    where = found["machine"]
    caches = ", ".join(f"{level} {size}" for level, size in where["caches"].items())
    threads = where["threads"]
    commit = f"commit {where['commit']}, {where['date']}"
    lines = [f"## {where['cpu']}, {threads} threads", ""]
    if found["fingerprint"] != fingerprint:
        lines += [f"These figures are of other kernels ({commit}): they have changed since.", ""]
    lines += [
        f"{where['memory_gigabytes']:.0f} GB{f', {caches}' if caches else ''}; reads "
        f"{report.best_read(found) / 1e9:.0f} GB/s at its best; {commit}. Where a figure was asked "
        "for it stands behind the stroke; those that were missed are bold.",
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
            lines += [f"![{title}]({PLOTS_FROM_DOCS}/{name}-{sweep}.svg)", ""]
    lines += ["<details><summary>All rows</summary>", "", *all_rows(found), "", "</details>"]
    return "\n".join(lines)


def order(reports: Reports, fingerprint: str) -> list[str]:
    """Return the names of the reports: those of the present kernels first, then the newest."""
    names = sorted(reports, key=lambda name: reports[name]["machine"]["date"], reverse=True)
    return sorted(names, key=lambda name: reports[name]["fingerprint"] != fingerprint)


def headline(reports: Reports, fingerprint: str) -> str:
    """Return what the README says of speed: one machine beside peers, as Markdown."""
    if not reports:
        return "Nothing has been measured yet."
    found = reports[order(reports, fingerprint)[0]]
    where = found["machine"]
    changed = "" if found["fingerprint"] == fingerprint else "; the kernels have changed since"
    return "\n".join([
        f"{where['cpu']}, {where['threads']} threads, commit {where['commit']}, {where['date']}"
        f"{changed}:",
        "",
        *comparison(found),
    ])  # fmt: skip


def _missed_lines(found: dict[str, Any]) -> list[str]:
    lines = missed(found)
    if found["missing_peers"]:
        names = "; ".join(f"{name}: {reason}" for name, reason in found["missing_peers"].items())
        lines = [*lines, f"Not compared with {names}"]
    return [f"- Missed: {line}" if not line.startswith("Not") else f"- {line}" for line in lines]


def figures(reports: Reports, fingerprint: str) -> str:
    """Return what docs/performance.md says, a section for each machine."""
    names = order(reports, fingerprint)
    return "\n\n".join(render(name, reports[name], fingerprint) for name in names)


def between(text: str, marks: tuple[str, str], body: str) -> str:
    """Return a text with another body between two marks, which are there once."""
    begin, end = marks
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{body}\n\n{end}{after}"


def updated(texts: dict[str, str], reports: Reports, fingerprint: str) -> dict[str, str]:
    """Return the texts with the figures of all reports, by "README" and "docs/performance.md"."""
    return {
        "README": between(
            texts["README"], HEADLINE_MARKS, headline(reports, fingerprint)
        ),
        "docs/performance.md": between(
            texts["docs/performance.md"], FIGURES_MARKS, figures(reports, fingerprint)
        ),
    }  # fmt: skip


def stale(
    texts: dict[str, str], reports: Reports, folder: Path, fingerprint: str
) -> list[str]:  # fmt: skip
    """Return what is stale, a sentence each that says what to do.

    Figures of other kernels may stay where they say so; but those of one machine have to be of
    the present ones.

    Parameters
    ----------
    texts : dict
        The README and the page of the documentation, as `updated` takes them.
    reports : dict
        By the name of the file.
    folder : Path
        Where the plots are.
    fingerprint : str
        Of the kernels as they are now.
    """
    import plots

    problems = []
    if not any(found["fingerprint"] == fingerprint for found in reports.values()):
        names = ", ".join(
            f"{name}.json (commit {found['machine']['commit']})" for name, found in reports.items()
        )
        problems.append(f"the kernels are not those of {names or 'any results'}: {MEASURE}")
    for name, found in reports.items():
        for sweep in PLOTS:
            if not report.find(found, "sweep", sweep):
                continue
            path = folder / f"{name}-{sweep}.svg"
            if not path.exists():
                problems.append(f"{path.name} is missing: {RENDER}")
            elif plots.digest_in(path) != plots.digest_of(found, sweep):
                problems.append(f"{path.name} shows other data than {name}.json: {RENDER}")
    for name, text in updated(texts, reports, fingerprint).items():
        if text != texts[name]:
            problems.append(f"the figures of {name} are not those of the results: {RENDER}")
    return problems


def read_texts(readme: Path, performance: Path) -> dict[str, str]:
    """Return the two texts, as `updated` takes them."""
    return {
        "README": readme.read_text(encoding="utf-8"),
        "docs/performance.md": performance.read_text(encoding="utf-8"),
    }


def write(
    readme: Path = README, performance: Path = PERFORMANCE, folder: Path = report.RESULTS
) -> None:
    """Write plots and tables from the results."""
    import plots

    reports = report.load_all(folder)
    for name, found in reports.items():
        for sweep, title in PLOTS.items():
            if report.find(found, "sweep", sweep):
                plots.draw(found, sweep, title, folder / f"{name}-{sweep}.svg")
    texts = updated(read_texts(readme, performance), reports, machine.fingerprint())
    readme.write_text(texts["README"], encoding="utf-8")
    performance.write_text(texts["docs/performance.md"], encoding="utf-8")


def main() -> None:
    if "--check" not in sys.argv[1:]:
        write()
        return
    problems = stale(
        read_texts(README, PERFORMANCE),
        report.load_all(),
        report.RESULTS,
        machine.fingerprint(),
    )
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
