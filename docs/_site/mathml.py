"""Maths as MathML, written when the site is built: browsers draw it themselves, without a script or a network.

What they need for it to look right is a font with tables for maths, which not every machine has: the site brings one.
"""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a formula of its own line."""
    translator.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def bring_font(app: Sphinx, failure: Exception | None) -> None:
    """Copies STIX Two Math (SIL Open Font License), of which ziamath has a copy, beside the style sheet."""
    if failure is None and app.builder.name == "html":
        with as_file(files("ziamath.fonts") / "STIXTwoMath-Regular.ttf") as font:
            shutil.copy(font, Path(app.outdir) / "_static")


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer and its font."""
    app.connect("build-finished", bring_font)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
