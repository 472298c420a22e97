"""What a run of the benchmarks found: made from the JSON of pytest-benchmark, and looked up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = 3
RESULTS = Path(__file__).parent / "results"

Row = dict[str, Any]


def rounded(value: Any, digits: int = 5) -> Any:
    """Return a value with its floats rounded to that many significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    return value


def make_report(machine: dict[str, Any], fingerprint: str, rows: list[Row]) -> dict[str, Any]:
    """Return the report of a run: its rows, and the peers that are not in it with the reason."""
    missing = {row["name"]: row["reason"] for row in rows if row["kind"] == "missing"}
    return {
        "schema": SCHEMA,
        "machine": machine,
        "fingerprint": fingerprint,
        "missing_peers": missing,
        "rows": rounded([row for row in rows if row["kind"] != "missing"]),
    }


def save(report: dict[str, Any], path: Path) -> None:
    """Write a report with a line for each row, so that a difference of two can be read."""
    head = {key: value for key, value in report.items() if key != "rows"}
    rows = ",\n".join(f"  {json.dumps(row)}" for row in report["rows"])
    text = json.dumps(head, indent=1).removesuffix("\n}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{text},\n "rows": [\n{rows}\n ]\n}}\n', encoding="utf-8")


def load_all(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Return the reports of a folder by name; those of bench/gpu/run.py are of another kind."""
    reports = {}
    for path in sorted(folder.glob("*.json")):
        if not path.name.startswith("gpu-"):
            report = json.loads(path.read_text(encoding="utf-8"))
            if report.get("schema") != SCHEMA:
                raise SystemExit(
                    f"{path.name} has another schema than {SCHEMA}; run python bench/run.py, or "
                    "remove it"
                )
            reports[path.stem] = report
    return reports


def find(
    report: dict[str, Any], kind: str, name: str | None = None, subject: str | None = None
) -> list[Row]:
    """Return the rows of a kind, and of a name and a subject if they are given."""
    return [
        row
        for row in report["rows"]
        if row["kind"] == kind
        and (name is None or row["name"] == name)
        and (subject is None or row.get("subject") == subject)
    ]


def rate(row: Row) -> float:
    """Return how many samples, scores or items a second a row reached at its best."""
    items = row.get("items") or row.get("samples")
    if items is None:
        items = row["bytes"] / 4  # float32 scores of a ranking
    return float(items / row["seconds"]["best"])


def best_read(report: dict[str, Any]) -> float:
    """Return the highest read bandwidth that all threads together reached, in bytes a second."""
    threads = report["machine"]["threads"]
    return max(
        (
            row["read_gigabytes_per_second"] * 1e9
            for row in find(report, "score_histogram")
            if row.get("threads") == threads
        ),
        default=0.0,
    )
