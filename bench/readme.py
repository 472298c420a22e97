"""Write the table of the README from bench/results/, or check that it is up to date.

python bench/readme.py            rewrites the part between the marks
python bench/readme.py --check    exit status 1 when the README is stale
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- figures: begin (bench/readme.py) -->", "<!-- figures: end -->"


def render(report: dict) -> str:
    """Return the table of one machine, as Markdown."""
    machine = report["machine"]
    lines = [
        f"{machine['cpu']}, {machine['threads']} threads; 2^{report['log2_samples']} float32 "
        f"scores and bool labels, 201 thresholds; commit {machine['commit']}, {machine['date']}:",
        "",
        "| distribution | backend | G samples/s | GB/s | of read bandwidth | median of rounds "
        "| x boost-histogram |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["throughput"]:
        lines.append(
            f"| {row['distribution']} | {row['backend']} | {row['giga_samples_per_second']:.2f} "
            f"| {row['gigabytes_per_second']:.1f} | {row['of_read_bandwidth']:.2f} "
            f"| {row['of_read_bandwidth_median']:.2f} "
            f"| {row['times_boost_histogram']:.1f} |"
        )
    lines += ["", *render_ranking(report["ranking"])]
    start, small = report["start"], report["small_update"]
    memory = max(row["megabytes"] for row in report["memory"])
    lines += [
        "",
        f"- Memory beside the inputs: at most {memory:.1f} MB.",
        f"- `import fastpr` takes {start['import_ratio']:.2f} times as long as `import numpy`.",
        f"- `update` of 4096 samples: {small['update_us']:.1f} us; the NumPy `bincount` one-liner: "
        f"{small['bincount_us']:.1f} us.",
    ]
    if start["first_result_with_c_s"]:
        seconds = start["first_result_with_c_s"]
        lines.append(f"- The first result of a new process, with `c`: {seconds:.2f} s.")
    return "\n".join(lines)


def render_ranking(ranking: dict) -> list[str]:
    """Return the table of average precision at k, as lines of Markdown."""
    peers = [*ranking["peers"]]
    lines = [
        "Average precision at k of float32 scores; GB/s of all scores, though not all may have to "
        "be read:",
        "",
        "| rows | backend | GB/s | of read bandwidth | median of rounds |"
        + "".join(f" x {peer} |" for peer in peers),
        "|---|---|---|---|---|" + "---|" * len(peers),
    ]
    for row in ranking["rows"]:
        lines.append(
            f"| {row['num_rows']:,} x {row['num_classes']:,}, {row['num_labels']} labels, "
            f"k={row['k']}: {row['workload']} | {row['backend']} "
            f"| {row['gigabytes_per_second']:.1f} | {row['of_read_bandwidth']:.2f} "
            f"| {row['of_read_bandwidth_median']:.2f} |"
            + "".join(f" {row['times_peers'][peer]:.1f} |" for peer in peers)
        )
    if peers:
        versions = ", ".join(f"{name} {version}" for name, version in ranking["peers"].items())
        lines += ["", f"Peers: {versions} (torch.topk without looking up the labels)."]
    return lines


def updated(text: str) -> str:
    """Return the README with the figures of all results."""
    paths = sorted((HERE / "results").glob("*.json"))
    # those of bench/gpu.py have a table of their own
    reports = [json.loads(path.read_text()) for path in paths if not path.name.startswith("gpu-")]
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    body = "\n\n".join(render(report) for report in reports)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main() -> None:
    text = README.read_text(encoding="utf-8")
    new = updated(text)
    if "--check" in sys.argv[1:]:
        if new != text:
            sys.exit("the figures of the README are stale; run python bench/readme.py")
        return
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
