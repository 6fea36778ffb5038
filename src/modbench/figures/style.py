"""One look for all figures: a colour and a marker per model, the same everywhere; on screens and on paper.

Colours are Okabe and Ito's, which colour-blind readers tell apart: the baseline grey, learnt routing warm, given
routing blue. Markers are the second channel. Every colour has a name in `COLOURS`, so that a page can
replace it by its own for dark screens.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import cycle
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

from modbench.analysis.settings import base_model, models_in_order

COLOURS: dict[str, str] = {
    "ink": "#1b1f24",
    "muted": "#5c6670",
    "grid": "#e4e7eb",
    "paper": "#fffffe",
    "grey": "#6f7681",
    "vermillion": "#d55e00",
    "amber": "#e69f00",
    "blue": "#0072b2",
    "purple": "#b0669a",
    "green": "#009e73",
    "sky": "#56b4e9",
    "brown": "#8c564b",
    "heat": "#00387a",
}
"""Light values of all colours that figures use, by name; no two are equal."""
HEAT = LinearSegmentedColormap.from_list("heat", [COLOURS["paper"], COLOURS["heat"]])
"""From the paper to the colour of a 1, on which a share p stands at p to the power of `HEAT_POWER`."""
HEAT_POWER = 0.5
"""How the colour of a share p grows in every picture of a matrix, in figures, charts and on the page."""
HEAT_RULE = "colour grows as the square root of p, so that small shares can be seen"
HEAT_MARKS = (0, 0.01, 0.1, 0.25, 0.5, 1)
"""Shares whose colours the scale beside matrices shows."""
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.titley": 1.0,  # no panel has ticks above it: to look for them takes a fifth of the drawing
    "axes.labelsize": 8.5,
    "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7,
    "figure.facecolor": COLOURS["paper"],
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.2,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.hashsalt": "modbench",
}


class ModelStyle(NamedTuple):
    """How a model looks in every figure.

    Attributes:
        colour: name in `COLOURS`.
        marker: Matplotlib's marker.
        dash: Matplotlib's line style; solid but for options of one and the same router.
    """

    colour: str
    marker: str
    dash: str

    @property
    def hex(self) -> str:
        """The light value of its colour."""
        return COLOURS[self.colour]


_NAMED = {
    "monolithic": ("grey", "s"),
    "modular": ("vermillion", "o"),
    "modular-op": ("amber", "^"),
    "gt-modular": ("blue", "D"),
    "modular-separate": ("purple", "v"),
}
_SPARE = (("green", "P"), ("sky", "X"), ("brown", "p"), ("purple", "h"), ("amber", "*"), ("vermillion", "<"))
_DASHES = ("-", "--", ":", "-.")


def model_styles(models: Iterable[str]) -> dict[str, ModelStyle]:
    """The styles of a store's models: the named ones always look the same, others get what is free, in order."""
    ordered = models_in_order(models)
    bases = list(dict.fromkeys(base_model(model) for model in ordered))
    spare = cycle(_SPARE)
    looks = {base: _NAMED.get(base) or next(spare) for base in bases}
    seen: dict[str, int] = {}
    styles = {}
    for model in ordered:
        base = base_model(model)
        variant = seen[base] = seen.get(base, -1) + 1
        styles[model] = ModelStyle(*looks[base], _DASHES[variant % len(_DASHES)])
    return styles


def contrast(colour: str, beside: str) -> float:
    """The contrast of two colours, from 1 to 21, as the Web Content Accessibility Guidelines define it."""
    dark, light = sorted(_luminance(each) for each in (colour, beside))
    return (light + 0.05) / (dark + 0.05)


def on_colour(colour: str) -> str:
    """What text on a colour is written in: dark or light, whichever stands out more."""
    return max(("#000000", "#ffffff"), key=lambda text: contrast(text, colour))


def heat(share: float) -> str:
    """The colour of a share p(module | rule) in a matrix."""
    return to_hex(HEAT(share**HEAT_POWER))


def _luminance(colour: str) -> float:
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour)]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


class Paper(NamedTuple):
    """A style for print: figures as wide as the text, without headline and footer, which the caption there says.

    Attributes:
        width: of the text, inches.
        height: the most that fits on a page with its caption, inches.
        rc: what differs from `RC`.
    """

    width: float
    height: float
    rc: dict[Any, Any]


PAPERS: dict[str, Paper] = {
    "neurips": Paper(
        5.5, 8.2,
        {
            # Times' metrics, as the text has; it comes with Matplotlib, so it is the same on every machine.
            "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 8, "axes.titlesize": 8,
            "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 8,
            "lines.markersize": 4, "lines.linewidth": 1.1,
        },
    )
}  # fmt: skip
"""Styles by name; other figures are for the screen."""
_paper: ContextVar[Paper | None] = ContextVar("paper", default=None)


@contextmanager
def on_paper(name: str | None) -> Iterator[Paper | None]:
    """Draws all figures inside in a style of `PAPERS`; None is that of the screen."""
    token = _paper.set(PAPERS[name] if name else None)
    try:
        yield _paper.get()
    finally:
        _paper.reset(token)


def present_paper() -> Paper | None:
    """The style that figures are drawn in just now; None is that of the screen."""
    return _paper.get()


@contextmanager
def look() -> Iterator[None]:
    """The style of all figures, for drawing and for saving."""
    paper = _paper.get()
    with mpl.rc_context({**mpl.rcParamsDefault, **RC, **(paper.rc if paper else {})}):
        yield
