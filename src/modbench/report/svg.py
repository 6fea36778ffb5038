"""Matplotlib figures as inline SVG that takes its colours and its font from the page around it."""

import io
import re

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from modbench.figures.style import COLOURS, ModelStyle, look

_DROPPED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*</defs>", re.DOTALL
)
_NUMBER = re.compile(r"(?<![\w#.])-?\d+\.\d{3,}")
_TAG = re.compile(r"<[^>]*>")
_NAMES = re.compile(r'(\bid="|href="#|url\(#)')
_SIZE = re.compile(r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"')


def inline_svg(figure: Figure, prefix: str, label: str) -> Markup:
    """Draws a figure as an `<svg>` element for a page.

    Its colours become the page's CSS variables (`--ink`, `--vermillion`, …), so that it follows the page into the dark;
    its texts stay texts, in the page's font.

    Args:
        figure: drawn with the colours of `modbench.figures.style.COLOURS`.
        prefix: of all ids in the element; different for each figure of a page.
        label: what it shows, for those who do not see it.

    Returns:
        Markup that is safe to include.
    """
    out = io.StringIO()
    with look(), mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = _DROPPED.sub("", out.getvalue())
    text = _TAG.sub(lambda tag: _NUMBER.sub(_two_digits, tag[0]), text)
    for name, value in COLOURS.items():
        text = text.replace(value, f"var(--{name})")
    text = _NAMES.sub(lambda match: f"{match[1]}{prefix}-", text).replace(
        "'DejaVu Sans'", "system-ui, sans-serif"
    )
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    size = _SIZE.search(text)
    assert size is not None
    head = Markup('{} role="img" aria-label="{}" style="--natural: {:.0f}px"').format(
        Markup(size[1]), label, float(size[2]) * 4 / 3
    )
    return Markup(text[: size.start()]) + head + Markup(text[size.end() :])


def _two_digits(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def marker_svg(style: ModelStyle) -> Markup:
    """A model's marker in its colour, as tall as the text beside it."""
    marker = MarkerStyle(style.marker)
    path = marker.get_path().transformed(marker.get_transform())
    lines = [
        "M" + "L".join(f"{x:.2f} {-y:.2f}" for x, y in np.asarray(polygon)) + "Z"
        for polygon in path.to_polygons()
    ]
    return Markup(
        '<svg class="marker" viewBox="-.6 -.6 1.2 1.2" aria-hidden="true"><path d="{}" fill="var(--{})"/></svg>'
    ).format("".join(lines), style.colour)
