"""What the documentation shows is what happens."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fastpr
from fastpr.backends.choose import BACKEND_NAMES

ROOT = Path(__file__).parents[2]
README, DOCS, IMAGES = ROOT / "README.md", ROOT / "docs", ROOT / "docs" / "images"


def can_import(name):
    """Return whether a module is there without what only some machines have."""
    if name == "fastpr.backends.c" or name.startswith("fastpr.backends.c."):
        return "c" in fastpr.available_backends()
    if name.startswith("fastpr.backends.cuda."):
        return importlib.util.find_spec("numba_cuda") is not None and (
            name != "fastpr.backends.cuda.blocks" or "cuda" in fastpr.available_backends()
        )
    return name not in ("fastpr._c", "fastpr.cli.__main__", "fastpr.data.make_sample")


MODULES = [module.name for module in pkgutil.walk_packages(fastpr.__path__, "fastpr.")]
PUBLIC = {
    **{name: getattr(fastpr, name) for name in fastpr.__all__ if name not in ("__version__",)},
    **{f"exact.{name}": getattr(fastpr.exact, name) for name in fastpr.exact.__all__},
}


@pytest.mark.parametrize("name", ["fastpr", *filter(can_import, MODULES)])
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - {"exact"}))
def test_every_public_name_has_an_example(name):
    finder = doctest.DocTestFinder(exclude_empty=True, recurse=False)
    found = [test for test in finder.find(PUBLIC[name], name) if test.examples]
    assert found, f"the docstring of {name} has no example"
    first = found[0].examples[0].source
    assert re.match(r"(import|from) ", first), "an example begins with what it imports"


@pytest.mark.parametrize(
    "state", ["PrecisionRecallAtEqualThresholds", "AveragePrecisionAtK", "RankingMetrics"]
)
def test_what_states_do_has_an_example(state):
    for name in ("update", "compute", "merge", "reset", "to_bytes", "save"):
        assert ">>> " in getattr(getattr(fastpr, state), name).__doc__, name


# ---- the pages ----

PAGES = [README, *sorted(DOCS.rglob("*.md"))]
BEGIN, END = "<!-- example -->", "<!-- end -->"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = re.compile(r"^<!-- not run: (.+) -->\n```python\n", re.MULTILINE)


def page_name(page):
    return page.relative_to(ROOT).as_posix()


def examples_of(text):
    """Return what stands between the marks of a page."""
    return [part.split(END)[0] for part in text.split(BEGIN)[1:]]


EXAMPLES = [
    pytest.param(page, example, id=f"{page_name(page)}-{number}")
    for page in PAGES
    for number, example in enumerate(examples_of(page.read_text(encoding="utf-8")))
]


def run_commands(text):
    """Return what the commands of fastpr print."""
    printed = ""
    for line in text.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "fastpr"
        done = subprocess.run(
            [sys.executable, "-m", "fastpr.cli", *arguments],
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        )
        printed += done.stdout
    return printed


@pytest.mark.parametrize(("page", "example"), EXAMPLES)
def test_the_examples_of_a_page_print_what_they_say(page, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    fences = FENCE.findall(example)
    assert fences[-1][0] == "text", "an example ends with what it prints"
    printed = ""
    for language, code in fences[:-1]:
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, page_name(page), "exec"), {"__name__": "example"})
            printed += output.getvalue()
        else:
            assert language == "sh"
            printed += run_commands(code)
    assert [line.rstrip() for line in printed.splitlines()] == fences[-1][1].splitlines()
    for picture in tmp_path.glob("*.svg"):
        shown = IMAGES / picture.name
        assert f"images/{shown.name}" in page.read_text(encoding="utf-8")
        assert texts_of(picture) == texts_of(shown), "copy the picture of this example there again"


def texts_of(picture):
    """Return what is written in an SVG of matplotlib: all that does not change with its version."""
    return re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8"))


def untested_code(text):
    """Return the Python of a page that neither runs in the tests nor says why not."""
    for example in examples_of(text):
        text = text.replace(f"{BEGIN}{example}", "")
    return [code for language, code in FENCE.findall(NOT_RUN.sub("", text)) if language == "python"]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=page_name)
def test_all_python_of_a_page_runs_or_says_why_not(page):
    assert untested_code(page.read_text(encoding="utf-8")) == []


def test_code_without_a_mark_is_found():
    block = "```python\nprint(1)\n```\n"
    assert untested_code(f"a\n\n{block}") == ["print(1)\n"]
    assert untested_code(f"<!-- not run: needs a GPU -->\n{block}") == []
    assert untested_code(f"<!-- not run:  -->\n{block}") == ["print(1)\n"]
    assert untested_code(f"{BEGIN}\n{block}\n```text\n1\n```\n{END}\n{block}") == ["print(1)\n"]


# ---- what pages list ----


def test_the_reference_lists_exactly_the_public_names():
    text = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. autosummary::\n(.*?)```", text, re.DOTALL)
    listed = re.findall(r"^   ([\w.]+)$", "".join(blocks), re.MULTILINE)
    assert sorted(listed) == sorted(PUBLIC)
    assert "`fastpr.__version__`" in text


def test_the_reference_describes_every_public_name_once():
    described = []
    for page in sorted((DOCS / "api").glob("*.md")):
        room = "exact." if page.stem == "exact" else ""
        for name in re.findall(
            r"^\.\. auto(?:class|function|exception):: ([\w.]+)$",
            page.read_text(encoding="utf-8"),
            re.MULTILINE,
        ):
            if not name.startswith("fastpr."):  # what is not imported from there
                described.append(f"{room}{name}")
    assert sorted(described) == sorted(PUBLIC.keys() - {"exact"})


def test_the_readme_names_every_backend():
    text = README.read_text(encoding="utf-8")
    for name in BACKEND_NAMES:
        assert f"| `{name}` |" in text


def test_the_readme_has_two_commands_and_is_short():
    text = README.read_text(encoding="utf-8")
    assert re.findall(r"^<!-- command: (\w+) -->$", text, re.MULTILINE) == ["demo", "tests"]
    assert len(text.splitlines()) <= 150


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=page_name)
def test_links_of_a_page_lead_to_files(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page_name(page)} links to {target}"


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", text, re.MULTILINE)[1] == fastpr.__version__
    assert "cff-version: 1.2.0" in text
