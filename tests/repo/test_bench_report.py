"""What the README says of speed: what makes it stale, and how figures are shown."""

import copy
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import machine
import plots
import readme
import report
import tables
import workloads

# ---- fingerprints ----

PYTHON = '''
"""About."""
import x


def count(a, b):
    """Count.

    Longer.
    """
    for i in range(a):  # why
        b[i] += 1
    return f"{a!r} and {b[0]:>{a}} {{}}"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""About."""', '"""Other words."""'),
        ('"""About."""', ""),
        ("import x", "import y"),
        ("import x", "from a.b import (\n    c,\n    d,\n)"),
        ("    for i", "    import x\n\n    for i"),
        ("# why", "# for another reason"),
        ("(a, b)", "(\n    a,\n    b\n)"),
        ("    Longer.\n", ""),
        ("\n\ndef", "\n# a comment\n\n\ndef"),
    ],
)
def test_a_fingerprint_ignores_what_is_not_code(old, new):
    assert old in PYTHON
    assert machine.python_code(PYTHON.replace(old, new)) == machine.python_code(PYTHON)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+= 1", "+= 2"),
        ("    return", "        return"),  # into the loop
        ("and {b", "or {b"),
        (":>{a}", ":<{a}"),
    ],
)
def test_a_fingerprint_sees_code(old, new):
    assert old in PYTHON
    assert machine.python_code(PYTHON.replace(old, new)) != machine.python_code(PYTHON)


def test_a_fingerprint_of_a_string_that_is_used_is_kept():
    assert machine.python_code('x = "a"\n') != machine.python_code('x = "b"\n')


def test_a_fingerprint_is_the_same_in_every_version_of_python():
    # 3.10 has one token for an f-string, 3.12 several
    assert machine.python_code('x = f"a{ y !r} {{ {z:>{w}}"  # why\n') == 'x=f"a{y!r}{z:>{w}";'


@pytest.mark.parametrize(
    "text",
    [
        "int f(int a) { return a + 1; }",
        "int f(int a)\n{\n    return a + 1; // why\n}",
        "/* about\n   it */ int f(int a) { return a /* one */ + 1; }",
        '#include <a.h>\n # include "b/c.h" // why\nint f(int a) { return a + 1; }',
    ],
)
def test_a_fingerprint_of_c_ignores_includes_comments_and_layout(text):
    assert machine.c_code(text) == "intf(inta){returna+1;}"


def test_a_fingerprint_of_c_sees_strings_that_look_like_comments():
    assert machine.c_code('f("//a", \'"\'); // b') == 'f("//a",\'"\');'


def test_the_fingerprint_is_of_contents_wherever_they_are(tmp_path):
    (tmp_path / "csrc" / "ranks").mkdir(parents=True)
    path = tmp_path / "csrc" / "a.c"
    path.write_text("int a; // one\n")
    (tmp_path / "csrc" / "c.h").write_text("int c;\n")
    first = machine.fingerprint(tmp_path)
    path.write_text('#include "c.h"\nint a;\n')
    assert machine.fingerprint(tmp_path) == first
    path.rename(tmp_path / "csrc" / "ranks" / "z.h")  # another place in the order of paths, too
    assert machine.fingerprint(tmp_path) == first
    (tmp_path / "csrc" / "empty.h").write_text("// nothing but words\n")
    assert machine.fingerprint(tmp_path) == first
    (tmp_path / "csrc" / "c.h").write_text("int b;\n")
    assert machine.fingerprint(tmp_path) != first


def test_the_fingerprint_covers_the_kernels():
    paths = {
        path.relative_to(machine.ROOT).as_posix()
        for pattern in machine.KERNELS
        for path in machine.ROOT.glob(pattern)
    }
    assert {
        "csrc/rules.h",
        "csrc/histogram/score_histogram.h",
        "csrc/ranks/label_ranks.h",
        "fastpr/backends/c/library.py",
        "fastpr/backends/numba/vectors.py",
        "fastpr/backends/numba/histogram/kernels.py",
        "fastpr/backends/numba/ranks/kernels.py",
        "fastpr/backends/parallel.py",
    } <= paths
    assert not any("numba/sort" in path or "cuda" in path for path in paths)
    assert all(list(machine.ROOT.glob(pattern)) for pattern in machine.KERNELS)


# ---- reports, tables and what is stale ----


def times(best, rounds=5):
    return {"best": best, "median": best * 1.1, "iqr": best / 10, "rounds": rounds}


def score_row(workload, subject, of_read, asked=None, samples=1 << 26, of_auto=1.0):
    best = 5 * samples / (of_read * 30e9)
    return {
        "kind": "score_histogram", "name": workload.name, "subject": subject, "samples": samples,
        "asked": asked, "checks": 804, "workload": workload._asdict(), "threads": 2,
        "bytes": 5 * samples, "seconds": times(best), "read_seconds": times(0.01),
        "gigabytes_per_second": 30 * of_read, "read_gigabytes_per_second": 30.0,
        "of_read": of_read, "of_read_median": of_read, "gigahertz": 3.5,
        "giga_samples_per_second": 6 * of_read, "bytes_per_sample": 5.0, "cycles_per_sample": 1.2,
        "of_auto": of_auto,
    }  # fmt: skip


def peer_row(name, distribution, seconds, samples=1 << 20):
    return {
        "kind": "peer", "name": name, "computes": "call", "samples": samples, "checks": 1,
        "workload": {"distribution": distribution}, "seconds": times(seconds),
    }  # fmt: skip


def make_report():
    uniform = workloads.ScoreWorkload("uniform")
    rank, asked = next(iter(workloads.RANK_WORKLOADS.items()))
    own = {
        "kind": "label_ranks", "name": rank.name, "rows": 2048, "asked": asked, "checks": 33,
        "workload": rank._asdict(), "threads": 2, "bytes": 81_920_000, "of_read": 0.95,
        "seconds": times(0.003), "read_seconds": times(0.0028), "gigabytes_per_second": 28.0,
        "read_gigabytes_per_second": 30.0, "of_read_median": 0.94, "cycles_per_score": 0.4,
    }  # fmt: skip
    rows = [
        score_row(uniform, "auto", 0.5, 0.6),
        score_row(uniform, "c", 0.5),
        score_row(uniform, "numba", 0.5, of_auto=0.8),  # in turn with "auto", at another moment
        score_row(uniform, "auto, 1 thread", 0.3, of_auto=0.4),
        score_row(workloads.ScoreWorkload("uniform", num_thresholds=4001), "auto", 0.45),
        peer_row("boost-histogram", "uniform", 0.0046),
        {**own, "subject": "auto"},
        {**own, "subject": "numba", "asked": None, "of_auto": 0.6},
        {"kind": "rank peer", "name": "torch.topk", "computes": "the top k", "samples": 1 << 20,
         "checks": 1, "workload": rank._asdict(), "seconds": times(0.001)},
        {"kind": "overhead", "name": "update of 4,096 samples", "subject": "auto", "asked": 1e-5,
         "seconds": times(1.2e-5)},
        {"kind": "overhead", "name": "import numpy", "subject": "numpy", "asked": None,
         "seconds": times(0.1)},
        {"kind": "overhead", "name": "import fastpr", "subject": "fastpr", "asked": None,
         "seconds": times(0.11)},
        {"kind": "memory", "name": "c", "samples": 1 << 26, "weighted": False, "megabytes": 0.5},
        {"kind": "compile", "name": "Numba compiles", "compile_seconds": {"counts": 1.5}},
        *(
            {"kind": "sweep", "name": "samples", "x": x, "subject": "auto", "items": x,
             "seconds": times(x * 1e-9)} for x in (1024, 4096)
        ),
        {"kind": "missing", "name": "torcheval", "reason": "torcheval does not import here"},
    ]  # fmt: skip
    where = {
        "cpu": "A CPU", "cpus": 2, "caches": {"L1": "32K"}, "memory_gigabytes": 8.0, "threads": 2,
        "commit": "abc1234", "date": "2026-01-01", "backends": ["c", "numba", "reference"],
        "versions": {"fastpr": "1", "numpy": "2"},
    }  # fmt: skip
    return report.make_report(where, "f" * 16, rows)


def test_a_report_comes_back_from_its_file(tmp_path):
    found = make_report()
    report.save(found, tmp_path / "a-cpu.json")
    (tmp_path / "gpu-x.json").write_text("{}")  # of bench/gpu/run.py
    assert report.load_all(tmp_path) == {"a-cpu": found}
    assert "torcheval" in found["missing_peers"]
    assert all(row["kind"] != "missing" for row in found["rows"])


def test_a_report_of_another_schema_is_refused(tmp_path):
    (tmp_path / "old.json").write_text('{"schema": 1}')
    with pytest.raises(SystemExit, match=r"old.json has another schema.*run\.py"):
        report.load_all(tmp_path)


def test_figures_stand_beside_what_was_asked():
    text = "\n".join(tables.headline_table(make_report()))
    # 0.5 of 30 GB/s is 3 G samples/s; boost-histogram's 2^20 in 4.6 ms are 0.228
    assert "| uniform | 3.00 | **0.50** / 0.6 | 0.50 | 13.2 / 12 |" in text
    assert "0.80 / 0.7 | **0.40** / 0.5 |" in text
    assert text.count("not there") == 4  # peers without a row


def test_what_is_missed_is_said():
    lines = readme.missed(make_report())
    assert lines == [
        "float32 + bool, T=201, 2^26: uniform: 0.50 of R, 0.6 asked",
        "uniform, 1 thread : all: 0.40, 0.5 asked",
        f"numba : c, {next(iter(workloads.RANK_WORKLOADS)).name}: 0.60, 0.7 asked",
        "update of 4,096 samples: 12.0 us, 10.0 us asked",
    ]


def test_the_page_names_missing_peers_and_shows_all_rows():
    found = make_report()
    text = readme.render("a-cpu", found, "f" * 16)
    assert "Not compared with torcheval: torcheval does not import here" in text
    plot = "![Time a sample against the number of samples](../bench/results/a-cpu-samples.svg)"
    assert plot in text
    details = text[text.index("<details>") :]
    for row in report.find(found, "score_histogram"):
        assert f"| {row['name']} | {row['subject']} |" in details
    assert "`import fastpr`, NumPy included: 110 ms, 1.10 times `import numpy`" in text


def test_a_section_of_other_kernels_says_so():
    found = make_report()
    assert "of other kernels" not in readme.render("a-cpu", found, "f" * 16)
    text = readme.render("a-cpu", found, "0" * 16)
    assert "of other kernels (commit abc1234, 2026-01-01): they have changed since" in text


def test_the_headline_has_six_rows_of_the_machine_that_is_current():
    old, new = make_report(), make_report()
    old["machine"] |= {"cpu": "Another CPU", "date": "2026-02-02"}
    old["fingerprint"] = "0" * 16
    reports = {"another-cpu": old, "a-cpu": new}
    text = readme.headline(reports, "f" * 16)
    assert text.startswith("A CPU, 2 threads, commit abc1234, 2026-01-01:")
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 6
    assert rows[0] == "| 201 thresholds | boost-histogram `call` | 3,000 | 228 | 13.2 |"
    assert rows[-1] == "| average precision at k | TensorFlow | not there | not there | not there |"
    assert readme.figures(reports, "f" * 16).index("## A CPU") < readme.figures(
        reports, "f" * 16
    ).index("## Another CPU")
    assert "Another CPU" in readme.headline(reports, "1" * 16)  # the newest, if none is
    assert "the kernels have changed since" in readme.headline(reports, "1" * 16)


def fresh(reports, fingerprint="f" * 16):
    """Return the README and the page, with the figures of reports."""
    texts = {
        "README": f"before {' old '.join(readme.HEADLINE_MARKS)} after",
        "docs/performance.md": f"before {' old '.join(readme.FIGURES_MARKS)} after",
    }
    return readme.updated(texts, reports, fingerprint)


def stale(found, tmp_path, texts=None, fingerprint="f" * 16):
    reports = {"a-cpu": found}
    texts = fresh(reports, fingerprint) if texts is None else texts
    return readme.stale(texts, reports, tmp_path, fingerprint)


@pytest.fixture
def drawn(tmp_path):
    """A folder with a plot of the report, as far as is looked at."""
    digest = plots.digest_of(make_report(), "samples")
    (tmp_path / "a-cpu-samples.svg").write_text(f"<svg>data: {digest}</svg>")
    return tmp_path


def test_nothing_is_stale_right_after_writing(drawn):
    assert stale(make_report(), drawn) == []


def test_figures_are_stale_when_no_machine_was_measured_with_these_kernels(drawn):
    (problem,) = stale(make_report(), drawn, fingerprint="0" * 16)
    assert "the kernels are not those of a-cpu.json (commit abc1234)" in problem
    assert "run python bench/run.py" in problem


def test_figures_of_other_kernels_may_stay_beside_those_of_these(drawn):
    other = make_report()
    other["fingerprint"] = "0" * 16
    digest = plots.digest_of(other, "samples")
    (drawn / "b-cpu-samples.svg").write_text(f"<svg>data: {digest}</svg>")
    reports = {"a-cpu": make_report(), "b-cpu": other}
    assert readme.stale(fresh(reports), reports, drawn, "f" * 16) == []


@pytest.mark.parametrize("name", ["README", "docs/performance.md"])
def test_a_text_that_was_edited_is_stale(drawn, name):
    texts = fresh({"a-cpu": make_report()})
    texts[name] = texts[name].replace("13.2", "132")
    (problem,) = stale(make_report(), drawn, texts=texts)
    assert f"the figures of {name} are not those" in problem
    assert "run python bench/readme.py" in problem


def test_a_plot_of_other_data_is_stale(drawn):
    found = make_report()
    changed = copy.deepcopy(found)
    next(row for row in changed["rows"] if row["kind"] == "sweep")["seconds"]["best"] *= 2
    (problem,) = stale(changed, drawn)
    assert "a-cpu-samples.svg shows other data" in problem
    (drawn / "a-cpu-samples.svg").unlink()
    (problem,) = stale(found, drawn)
    assert "a-cpu-samples.svg is missing" in problem


def test_writing_makes_texts_and_plots(tmp_path):
    pytest.importorskip("matplotlib")
    report.save(make_report(), tmp_path / "a-cpu.json")
    places = tmp_path / "README.md", tmp_path / "performance.md"
    for place, marks in zip(places, (readme.HEADLINE_MARKS, readme.FIGURES_MARKS), strict=True):
        place.write_text("".join(marks))
    readme.write(*places, tmp_path)
    texts, reports = readme.read_texts(*places), report.load_all(tmp_path)
    assert readme.updated(texts, reports, machine.fingerprint()) == texts
    assert readme.stale(texts, reports, tmp_path, machine.fingerprint()) == [
        f"the kernels are not those of a-cpu.json (commit abc1234): {readme.MEASURE}"
    ]
