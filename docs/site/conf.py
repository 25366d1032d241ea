"""The site: all pages of the checkout that users read, and the references that are written from the code.

    make site       # build/site/docs/index.html

Its source is the root of the checkout, so that links between pages are those that GitHub follows too.
"""

from polarprior.version import __version__

project = "polarprior"
copyright = "the polarprior authors, Apache-2.0"
release = version = __version__
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/reference/**",
    "polar_plugins/*/README.md",
    "polar_plugins/*/docs/*.md",
    "benchmarks/README.md",
    "vendor_patches/README.md",
    "vendor_patches/flag/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CODE_OF_CONDUCT.md",
    "SECURITY.md",
    "RELEASING.md",
    "README.md",
]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
]
default_role = "py:obj"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autosummary_generate = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
html_theme = "furo"
html_title = f"polarprior {version}"
html_show_sourcelink = False
