"""What the documentation shows is what happens."""

import contextlib
import doctest
import importlib.util
import io
import pkgutil
import re
from pathlib import Path

import pytest

import fastpr

README = Path(__file__).parent.parent / "README.md"
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastpr.__path__, "fastpr.")
    if module.name not in ("fastpr._c", "fastpr.cli.__main__", "fastpr.data.make_sample")
    and not (module.name == "fastpr.backends.c.library" and "c" not in fastpr.available_backends())
    and not (
        module.name == "fastpr.backends.cuda.histogram.blocks"
        and "cuda" not in fastpr.available_backends()
    )
    and not (
        module.name.startswith("fastpr.backends.cuda_")
        and importlib.util.find_spec("numba_cuda") is None
    )
]


@pytest.mark.parametrize("name", ["fastpr", *MODULES])
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_most_public_functions_have_an_example():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for public in (
        fastpr.precision_recall_at_equal_thresholds,
        fastpr.PrecisionRecallAtEqualThresholds,
        fastpr.average_precision_at_k,
        fastpr.average_precision_at_top_k,
        fastpr.precision_at_k,
        fastpr.recall_at_k,
        fastpr.ndcg_at_k,
        fastpr.reciprocal_rank_at_k,
        fastpr.hit_rate_at_k,
        fastpr.label_ranks,
        fastpr.AveragePrecisionAtK,
        fastpr.RankingMetrics,
        fastpr.available_backends,
        fastpr.set_num_threads,
    ):
        assert any(test.examples for test in finder.find(public)), public


EXAMPLES = README.read_text(encoding="utf-8").split("<!-- example -->")[1:]


@pytest.mark.parametrize("example", EXAMPLES, ids=("thresholds", "bounds", "rankings"))
def test_the_examples_of_the_readme_print_what_they_say(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # one writes a picture
    part = example.split("<!-- end -->")[0]
    code, output = re.findall(r"```(?:python|text)\n(.*?)```", part, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == output
    for picture in tmp_path.iterdir():
        shown = README.parent / "bench" / "results" / picture.name
        assert shown.name in README.read_text(encoding="utf-8")
        assert _texts(picture) == _texts(shown), "copy the picture of this example there again"


def _texts(picture):
    """Return what is written in an SVG of matplotlib: all that does not change with its version."""
    return re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8"))


def test_the_readme_names_every_backend():
    from fastpr.backends.choose import BACKEND_NAMES

    text = README.read_text(encoding="utf-8")
    for name in BACKEND_NAMES:
        assert f"| `{name}` |" in text
