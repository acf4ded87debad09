"""The settings of the documentation: `make docs` builds it, warnings are errors."""

import importlib.metadata

project = "mtlreg"
author = "mtlreg developers"
copyright = author
release = version = importlib.metadata.version("mtlreg")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "examples"]
default_role = "py:obj"
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
autosummary_generate = True
templates_path = ["_templates"]
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/backreferences",
    "doc_module": "mtlreg",
    "only_warn_on_example_error": False,
    "abort_on_example_error": True,
    "show_memory": False,
    "min_reported_time": 3600,
    "download_all_examples": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "mtlreg"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}


def _skip_inherited(app, what, name, obj, skip, options):
    """Leave out what scikit-learn documents: its pages are not linked from here."""
    theirs = str(getattr(obj, "__module__", "")).startswith("sklearn.")
    return True if theirs or name.endswith("_request") else None


def setup(app):
    app.connect("autodoc-skip-member", _skip_inherited)
