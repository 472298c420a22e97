"""Tables of the README and docs/performance.md, as lines of Markdown, from the report of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from report import Row, find, rate
from workloads import (
    ASKED_OF_C,
    ASKED_OF_PEERS,
    ASKED_OF_T_201,
    ASKED_OF_TWO_THREADS,
    HEADLINE,
    ScoreWorkload,
)

Report = dict[str, Any]
Lines = list[str]
RANK_PEERS_SHOWN = ("TensorFlow",)  # in the README, beside those that figures are asked for


def cell(reached: float | None, asked: float | None = None, *, at_most: bool = False) -> str:
    """Return a figure, and what was asked for; bold where that was missed."""
    if reached is None:
        return "not there"
    if asked is None:
        return number(reached)
    text = (
        f"**{number(reached)}**" if is_missed(reached, asked, at_most=at_most) else number(reached)
    )
    return f"{text} / {asked:,g}"


def is_missed(reached: float, asked: float, *, at_most: bool = False) -> bool:
    return reached > asked if at_most else reached < asked


def number(value: float) -> str:
    """Return a number with about three digits."""
    for digits, least in ((0, 100), (1, 10)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.2f}"


def table(*columns: str, rows: list[list[str]], num_words: int = 1) -> Lines:
    """Return a table, the first columns to the left, and numbers to the right."""
    marks = ["---" if index < num_words else "---:" for index in range(len(columns))]
    return [
        f"| {' | '.join(columns)} |",
        f"|{'|'.join(marks)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _score(found: Report, workload: ScoreWorkload, subject: str = "auto") -> Row | None:
    return _first(find(found, "score_histogram", workload.name, subject))


def _ratio(numerator: Row | None, denominator: Row | None) -> float | None:
    if numerator is None or denominator is None:
        return None
    return rate(numerator) / rate(denominator)


def _numba_of_c(found: Report, kind: str, name: str) -> float | None:
    """Return the speed of Numba over that of C, which is what `auto` takes where it is there."""
    if "c" not in found["machine"]["backends"]:
        return None
    row = _first(find(found, kind, name, "numba"))
    return None if row is None else row["of_auto"]


def _one_thread(found: Report, workload: ScoreWorkload) -> float | None:
    row = _score(found, workload, "auto, 1 thread")
    return None if row is None else row["of_auto"]


def _of_peer(found: Report, distribution: str, peer: str) -> float | None:
    own = _score(found, ScoreWorkload(distribution))
    theirs = [
        row for row in find(found, "peer", peer) if row["workload"]["distribution"] == distribution
    ]
    return _ratio(own, _first(theirs))


# ---- the tables ----


def headline_table(found: Report) -> Lines:
    """Return the distributions against the peers: float32 and bool, 2^26 samples, T = 201."""
    rows = []
    for distribution in HEADLINE:
        workload = ScoreWorkload(distribution)
        own = _score(found, workload)
        if own is None:
            continue
        rows.append([
            distribution, number(own["giga_samples_per_second"]),
            cell(own["of_read"], own["asked"]), number(own["of_read_median"]),
            *(cell(_of_peer(found, distribution, peer), asked[distribution])
              for peer, asked in ASKED_OF_PEERS.items()),
            cell(_numba_of_c(found, "score_histogram", workload.name), ASKED_OF_C),
            cell(_one_thread(found, workload), ASKED_OF_TWO_THREADS),
        ])  # fmt: skip
    return table(
        "float32 + bool, 2^26, T=201", "G samples/s", "of R", "median",
        *(f"x {peer}" for peer in ASKED_OF_PEERS), "numba : c", "1 thread : all", rows=rows,
    )  # fmt: skip


def comparison(found: Report) -> Lines:
    """Return the peers beside fastpr, a row each: uniform scores, and a ranking."""
    rows = []
    workload = ScoreWorkload("uniform")
    own = _score(found, workload)
    for peer in ASKED_OF_PEERS:
        theirs = _first([
            row for row in find(found, "peer", peer)
            if row["workload"]["distribution"] == workload.distribution
        ])  # fmt: skip
        rows.append(_beside("201 thresholds", peer, own, theirs))
    for peer in RANK_PEERS_SHOWN:
        theirs = _first(find(found, "rank peer", peer))
        own = None
        if theirs is not None:
            own = _first([
                row for row in find(found, "label_ranks", subject="auto")
                if row["workload"] == theirs["workload"]
            ])  # fmt: skip
        k = "k" if theirs is None else theirs["workload"]["k"]
        rows.append(_beside(f"average precision at {k}", peer, own, theirs))
    return table(
        "what", "peer", "fastpr, M scores/s", "peer, M scores/s", "times as fast",
        rows=rows, num_words=2,
    )  # fmt: skip


def _beside(what: str, peer: str, own: Row | None, theirs: Row | None) -> list[str]:
    speeds = [cell(None if row is None else rate(row) / 1e6) for row in (own, theirs)]
    call = peer if theirs is None else f"{peer} `{theirs['computes']}`"
    return [what, call, *speeds, cell(_ratio(own, theirs))]


def _t4001(found: Report) -> float | None:
    many = _score(found, ScoreWorkload("uniform", num_thresholds=4001))
    return _ratio(many, _score(found, ScoreWorkload("uniform")))


def other_table(found: Report) -> Lines:
    """Return the other workloads that `auto` is timed on."""
    headline = {ScoreWorkload(distribution).name for distribution in HEADLINE}
    rows = [
        [
            row["name"].replace(", 2^26", ""), number(row["giga_samples_per_second"]),
            cell(row["of_read"], row["asked"]), number(row["of_read_median"]),
            cell(_numba_of_c(found, "score_histogram", row["name"]), ASKED_OF_C),
        ]
        for row in find(found, "score_histogram", subject="auto")
        if row["name"] not in headline
    ]  # fmt: skip
    lines = table("2^26 samples", "G samples/s", "of R", "median", "numba : c", rows=rows)
    if (share := _t4001(found)) is not None:
        lines += [
            "",
            f"T = 4,001 has {cell(share, ASKED_OF_T_201)} of the speed at T = 201, uniform.",
        ]
    return lines


def _rank_peers(found: Report) -> Lines:
    return list(dict.fromkeys(row["name"] for row in find(found, "rank peer")))


def _of_rank_peer(found: Report, row: Row, peer: str) -> float | None:
    theirs = [other for other in find(found, "rank peer", peer) if
              other["workload"] == row["workload"]]  # fmt: skip
    return _ratio(row, _first(theirs))


def ranking_table(found: Report) -> Lines:
    """Return the rankings against the peers."""
    peers = _rank_peers(found)
    rows = []
    for row in find(found, "label_ranks", subject="auto"):
        ratios = [_of_rank_peer(found, row, peer) for peer in peers]
        rows.append([
            row["name"], number(row["gigabytes_per_second"]), cell(row["of_read"], row["asked"]),
            number(row["of_read_median"]),
            *("-" if ratio is None else number(ratio) for ratio in ratios),
            cell(_numba_of_c(found, "label_ranks", row["name"]), ASKED_OF_C),
        ])  # fmt: skip
    return table(
        "average precision at k", "GB/s of scores", "of R", "median",
        *(f"x {peer}" for peer in peers), "numba : c", rows=rows,
    )  # fmt: skip


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def overheads(found: Report) -> Lines:
    """Return what costs time beside counting, as a list."""
    by_name: dict[str, list[str]] = {}
    for row in find(found, "overhead"):
        if row["name"].startswith("import") or (row["subject"] == "c" and _has_auto(found, row)):
            continue
        time = _time(row["seconds"]["best"])
        if row["asked"] is not None:
            missed = is_missed(row["seconds"]["best"], row["asked"], at_most=True)
            time = f"{f'**{time}**' if missed else time} / {_time(row['asked'])}"
        by_name.setdefault(row["name"], []).append(f"{row['subject']} {time}")
    lines = [f"- {name[0].upper()}{name[1:]}: {', '.join(who)}." for name, who in by_name.items()]
    if (ours := _first(find(found, "overhead", "import fastpr"))) and (
        theirs := _first(find(found, "overhead", "import numpy"))
    ):
        times = [row["seconds"]["best"] for row in (ours, theirs)]
        lines.append(
            f"- `import fastpr`, NumPy included: {_time(times[0])}, {times[0] / times[1]:.2f} "
            "times `import numpy`."
        )
    for row in find(found, "compile"):
        kinds = ", ".join(f"{kind} {_time(time)}" for kind, time in row["compile_seconds"].items())
        lines.append(f"- {row['name']}, for float32 scores: {kinds}.")
    if memory := find(found, "memory"):
        most = max(row["megabytes"] for row in memory)
        lines.append(f"- Memory beside the inputs at 2^26 samples: at most {most:.1f} MB.")
    return lines


def _has_auto(found: Report, row: Row) -> bool:
    return bool(find(found, "overhead", row["name"], "auto"))


# ---- what was missed ----


def _sentence(what: str, reached: float | None, asked: float, unit: str = "") -> Iterator[str]:
    if reached is not None and is_missed(reached, asked):
        yield f"{what}: {number(reached)}{unit}, {asked:g} asked"


def missed_counts(found: Report) -> Iterator[str]:
    """Give a sentence for each figure of counting that was missed."""
    for row in find(found, "score_histogram"):
        if row["asked"] is not None:
            yield from _sentence(row["name"], row["of_read"], row["asked"], " of R")
        if row["subject"] == "numba":
            share = _numba_of_c(found, "score_histogram", row["name"])
            yield from _sentence(f"numba : c, {row['name']}", share, ASKED_OF_C)
    for distribution in HEADLINE:
        for peer, asked in ASKED_OF_PEERS.items():
            reached = _of_peer(found, distribution, peer)
            yield from _sentence(f"{distribution} x {peer}", reached, asked[distribution])
        share = _one_thread(found, ScoreWorkload(distribution))
        yield from _sentence(f"{distribution}, 1 thread : all", share, ASKED_OF_TWO_THREADS)
    yield from _sentence("T = 4,001 : T = 201, uniform", _t4001(found), ASKED_OF_T_201)


def missed_rankings(found: Report) -> Iterator[str]:
    """Give a sentence for each figure of ranking that was missed."""
    for row in find(found, "label_ranks"):
        if row["asked"] is not None:
            yield from _sentence(row["name"], row["of_read"], row["asked"], " of R")
        if row["subject"] == "numba":
            share = _numba_of_c(found, "label_ranks", row["name"])
            yield from _sentence(f"numba : c, {row['name']}", share, ASKED_OF_C)


def missed_updates(found: Report) -> Iterator[str]:
    """Give a sentence for each time that is longer than asked."""
    for row in find(found, "overhead"):
        time, asked = row.get("seconds", {}).get("best"), row["asked"]
        if asked is not None and is_missed(time, asked, at_most=True):
            yield f"{row['name']}: {_time(time)}, {_time(asked)} asked"


# ---- everything ----


def all_rows(found: Report) -> Lines:
    """Return a table of every row: who, how fast, and how far times are spread."""
    lines = [
        "R is the best read bandwidth beside a row, with its threads; times are best, median and "
        "interquartile range of all rounds; cycles are those of a core.",
        "",
    ]
    lines += table(
        "samples", "who", "GB/s", "R", "of R", "median", "cycles a sample", "bytes a sample",
        "ms", "rounds", "values checked",
        rows=[
            [
                row["name"], row["subject"], number(row["gigabytes_per_second"]),
                number(row["read_gigabytes_per_second"]), number(row["of_read"]),
                number(row["of_read_median"]), number(row["cycles_per_sample"]),
                f"{row['bytes_per_sample']:g}", *_spread(row), f"{row['checks']:,}",
            ]
            for row in find(found, "score_histogram") if "seconds" in row
        ],
    )  # fmt: skip
    lines += ["", *table(
        "rows", "who", "GB/s", "R", "of R", "median", "cycles a score", "ms", "rounds",
        rows=[
            [
                row["name"], row["subject"], number(row["gigabytes_per_second"]),
                number(row["read_gigabytes_per_second"]), number(row["of_read"]),
                number(row["of_read_median"]), number(row["cycles_per_score"]), *_spread(row),
            ]
            for row in find(found, "label_ranks") if "seconds" in row
        ],
    )]  # fmt: skip
    lines += ["", *table(
        "peer", "what", "on", "samples or scores", "M a second", "ms", "rounds",
        rows=[
            [
                row["name"], f"`{row['computes']}`" if row["kind"] == "peer" else row["computes"],
                row["workload"].get("distribution") or row["workload"]["title"],
                f"{row['samples']:,}", number(rate(row) / 1e6), *_spread(row),
            ]
            for kind in ("peer", "rank peer") for row in find(found, kind) if "seconds" in row
        ],
    )]  # fmt: skip
    versions = ", ".join(f"{name} {own}" for name, own in found["machine"]["versions"].items())
    return [*lines, "", f"Versions: {versions}."]


def _spread(row: Row) -> list[str]:
    times = row["seconds"]
    best, median, iqr = (number(times[name] * 1e3) for name in ("best", "median", "iqr"))
    return [f"{best}, {median} ± {iqr}", f"{times['rounds']}"]
