"""How the documentation is built: ``sphinx-build -W -b html docs build/site``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_make"))

import pages  # noqa: E402 - found beside this file

import ncs_cb  # noqa: E402

project = "ncs_cb"
author = "The ncs_cb contributors"
copyright = author  # Sphinx asks for this name
version = release = ncs_cb.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_make", "generated/data", "generated/definitions_table.md"]
# A block without a language is a command or what it prints, and no Python.
highlight_language = "none"
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page copied from a registry may begin at any level

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "none"  # the signature shows them
numpydoc_show_class_members = False

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = f"ncs_cb {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options: dict[str, Any] = {
    "show_prev_next": False,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "navigation_with_keys": False,
}
# Opened from disk and offline: nothing is fetched from anywhere.
html_math_renderer = "none"


def setup(app: Any) -> None:
    """Write what the registries know before any page is read."""
    app.add_html_math_renderer("none", (_no_formula, None), (_no_formula, None))
    pages.write_all(HERE / "generated")
    app.connect("source-read", _lead_inside)


def _lead_inside(app: Any, page: str, source: list[str]) -> None:
    """Lead links out of ``docs/`` (they work in the repository) to the pages made of their ends."""
    if not page.startswith("generated/"):
        source[0] = pages.relinked(source[0], Path("docs", page).parent, Path(page).parent)


def _no_formula(*_: Any) -> None:
    raise NotImplementedError(
        "write formulas in plain text: a page opened from disk has no MathJax"
    )
