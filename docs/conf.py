"""How the documentation is built: python -m sphinx -W -n -b html docs docs/_build."""

import fastpr

project = "fastpr"
author = "The fastpr developers"
copyright = author
release = version = fastpr.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

# A name in single backticks is a link where there is something of that name, and otherwise a
# word: parameters and attributes of a docstring are not names that can be linked to.
default_role = "autolink"
autosummary_generate = False  # pages of the reference are written by hand, and a test checks them
autodoc_typehints = "none"  # types stand in the docstrings, with shape and unit
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = True
toc_object_entries_show_parents = "hide"
autoclass_content = "class"
numpydoc_show_class_members = False  # autodoc shows them
numpydoc_xref_param_type = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

# A build has no network, so no inventory of other projects; their names stay words.
nitpick_ignore_regex = [(r"py:.*", r"(numpy|sklearn)\..*")]

html_theme = "furo"
html_title = f"fastpr {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
