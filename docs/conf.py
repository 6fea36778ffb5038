"""The documentation site: `make docs` builds it from this repository alone, and asks no network for anything.

Pages are plain Markdown that reads well on a code host, too. What only the site needs is here and in `_site/`:
the table of contents, maths as MathML, and links that lead out of `docs/`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

from modbench import __version__

project = "modbench"
author = "the authors of modbench"
release = version = __version__
language = "en_GB"

extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "contents",
    "mathml",
    "offline",
    "outward",
    "reference",
]
exclude_patterns = ["_build", "images", "made/api/modules.rst"]

# Pages
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
html_math_renderer = "mathml"
# A notebook that is kept with its results is shown as it is, one without them is run.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

# The reference, made of the docstrings
apidoc_modules = [
    {
        "path": "../src/modbench",
        "destination": "made/api",
        "exclude_patterns": ["**/cli/**", "**/__main__.py"],
        "separate_modules": True,
        "module_first": True,
    }
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# A name is documented once, in the module that defines it, however many packages hand it on.
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
default_role = "code"
maximum_signature_line_length = 90
# Public names of our own must resolve; those of libraries would need the network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!modbench).*"), ("py:.*", r".*\._\w+")]
nitpick_ignore = [  # type variables, and a check inside an annotation
    ("py:class", "modbench.analysis.remembered.Found"),
    ("py:class", "modbench.core.task_spec.in_float32"),
    ("py:class", "modbench.models.layers.AnyMap"),
]
suppress_warnings = ["ref.python"]  # the name of an argument that is a field of several classes

# Looks
html_theme = "furo"
html_title = "modbench"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_exclude = ".linenos, .gp"
