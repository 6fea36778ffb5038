"""One look for all figures: a colour and a marker per model, the same everywhere, and the frame around panels.

Colours are Okabe and Ito's, which colour-blind readers tell apart: the baseline grey, learnt routing warm, given
routing blue. Markers are the second channel. Every colour has a name in `COLOURS`, so that a page can
replace it by its own for dark screens.
"""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import cycle
from math import ceil
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from modbench.analysis.settings import base_model, model_title, models_in_order

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
}
"""Light values of all colours that figures use, by name; no two are equal."""

HEAT = LinearSegmentedColormap.from_list(
    "heat", ["#ffffff", "#cfe3f1", "#7db4d8", "#2f7fb8", "#0b4f86", "#062c50"]
)
"""From 0, white, to 1, deep blue: evenly darker, so that it also prints in grey."""

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


class Paper(NamedTuple):
    """A style for print: figures as wide as the text, without headline and footer, which the caption there says.

    Attributes:
        width: of the text, inches.
        height: the most that fits on a page with its caption, inches.
        columns: the most panels that stand side by side.
        rc: what differs from `RC`.
    """

    width: float
    height: float
    columns: int
    rc: dict[Any, Any]


PAPERS: dict[str, Paper] = {
    "neurips": Paper(
        5.5, 8.2, 3,
        {
            # Times' metrics, as the text has; it comes with Matplotlib, so it is the same on every machine.
            "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 8, "axes.titlesize": 8,
            "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 8,
            "lines.markersize": 4, "lines.linewidth": 1.1,
        },
    )
}  # fmt: skip
"""Styles by name; other figures are for the screen."""
SHOWN_DPI = 96
"""Pixels per inch in a notebook."""
_paper: ContextVar[Paper | None] = ContextVar("paper", default=None)


@contextmanager
def on_paper(name: str | None) -> Iterator[Paper | None]:
    """Draws all figures inside in a style of `PAPERS`; None is that of the screen."""
    token = _paper.set(PAPERS[name] if name else None)
    try:
        yield _paper.get()
    finally:
        _paper.reset(token)


@contextmanager
def look() -> Iterator[None]:
    """The style of all figures, for drawing and for saving."""
    paper = _paper.get()
    with mpl.rc_context({**mpl.rcParamsDefault, **RC, **(paper.rc if paper else {})}):
        yield


class _Drawn(Figure):
    """A figure that a notebook shows by itself: it belongs to no window, which pyplot's figures do."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture at twice the resolution it is shown in."""
        content = io.BytesIO()
        with look():
            self.savefig(content, format="png", dpi=2 * SHOWN_DPI)
        width, height = self.get_size_inches() * SHOWN_DPI
        return content.getvalue(), {"width": round(width), "height": round(height)}


class Margins(NamedTuple):
    """Room around a panel's axes for its labels, inches."""

    left: float = 0.58
    right: float = 0.12
    top: float = 0.3
    bottom: float = 0.45


class Heading(NamedTuple):
    """What surrounds the panels: headline, legend entries, and the line under them, which is wrapped."""

    title: str
    footer: str
    legend: Sequence[Line2D] = ()


def frame(
    count: int, columns: int, panel: tuple[float, float], margins: Margins, heading: Heading | None
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, with room above for title and legend, and below for the footer.

    Sizes are fixed rather than solved for: a page of a hundred panels is drawn in half the time, and the axes
    of panels that belong together line up.

    Args:
        count: of panels.
        columns: of panels, at most.
        panel: width and height of one with its margins, inches.
        margins: of each panel.
        heading: what surrounds the panels, if anything.

    Returns:
        The figure, and its axes, row by row.
    """
    title, footer, legend = heading or Heading("", "")
    if paper := _paper.get():
        title, footer = "", ""
        # As many side by side as share a row evenly, each with an inch or more between its labels.
        fitting = [
            n for n in range(2, paper.columns + 1) if paper.width / n - margins.left - margins.right >= 1
        ]
        even = [n for n in fitting if columns % n == 0] or fitting[-1:] if columns > 1 else []
        columns = min(max([1, *even]), count)
        panel = (paper.width / columns, panel[1] * (0.85 if columns > 1 else 1))
    columns = min(columns, count)
    width = max(columns * panel[0], 0.2 + 0.105 * len(title))
    longest = max((len(str(handle.get_label())) for handle in legend), default=0)
    per_line = max(1, int((width - 0.2) / (0.55 + 0.075 * longest)))
    lines = textwrap.wrap(footer, int(width * 17))
    above = 0.34 * bool(title) + 0.22 * ceil(len(legend) / per_line) + 0.08 * bool(legend)
    below = 0.15 * len(lines) + 0.1 * bool(lines)
    height = ceil(count / columns) * panel[1] + above + below
    figure = _Drawn(figsize=(width, height))
    FigureCanvasAgg(figure)
    if title:
        figure.text(0.1 / width, 1 - 0.1 / height, title, va="top", fontsize=11.5, fontweight="bold")
    if legend:
        figure.legend(
            handles=list(legend), loc="upper left", ncols=per_line, borderpad=0, borderaxespad=0, handletextpad=0.5,
            columnspacing=1.6, bbox_to_anchor=(0.1 / width, 1 - (0.08 + 0.32 * bool(title)) / height),
        )  # fmt: skip
    if lines:
        figure.text(
            0.1 / width,
            0.07 / height,
            "\n".join(lines),
            va="bottom",
            fontsize=7,
            color=COLOURS["muted"],
            linespacing=1.35,
        )
    size = (
        (panel[0] - margins.left - margins.right) / width,
        (panel[1] - margins.top - margins.bottom) / height,
    )
    axes = []
    for index in range(count):
        row, column = divmod(index, columns)
        corner = column * panel[0] + margins.left, height - above - (row + 1) * panel[1] + margins.bottom
        axes.append(figure.add_axes((corner[0] / width, corner[1] / height, *size)))
    return figure, axes


def handles(
    styles: dict[str, ModelStyle],
    models: Iterable[str],
    mark: Literal["point", "line", "bar"] = "point",
    random: bool = False,
) -> list[Line2D]:
    """Legend entries of models, as they are marked in the figure, and of the Random baseline."""
    entries = []
    for model in models_in_order(models):
        colour, marker, dash = styles[model].hex, styles[model].marker, styles[model].dash
        look = {
            "point": {"marker": marker, "linestyle": dash},
            "line": {"linestyle": dash},
            "bar": {"marker": "s", "markersize": 8, "linestyle": "none"},
        }[mark]
        entries.append(Line2D([], [], color=colour, label=model_title(model), **look))
    if random:
        entries.append(Line2D([], [], color=COLOURS["ink"], linestyle=":", label="Random"))
    return entries


def octave_axis(axes: Axes, values: Sequence[int], label: str) -> None:
    """Numbers along x, in octaves."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(values), [str(value) for value in values])
    axes.set_xlim(min(values) / 2**0.5, max(values) * 2**0.5)
    axes.set_xlabel(label)


def rules_axis(axes: Axes, rules: Sequence[int]) -> None:
    """Number of rules along x, in octaves."""
    octave_axis(axes, rules, "rules")


def dodge(position: int, count: int, apart: float = 0.11) -> float:
    """Factor by which a model's points move along an axis in octaves, so that none hides another.

    Args:
        position: of the model, from 0 on.
        count: of models.
        apart: how far neighbours are, in octaves.
    """
    return 2 ** (apart * (position - (count - 1) / 2))


def points(axes: Axes, x: np.ndarray, rows: pd.DataFrame, style: ModelStyle) -> None:
    """Means with their intervals, joined.

    Hollow where no interval can be had; a cross on the axis where planned runs gave no number.

    Args:
        axes: to draw on.
        x: (n,) positions.
        rows: n rows with `mean`, `low`, `high`, in the order of x.
        style: the model's.
    """
    mean, low, high = (rows[name].to_numpy(float) for name in ("mean", "low", "high"))
    bounded, absent = np.isfinite(low) & np.isfinite(high), ~np.isfinite(mean)
    colour, paper = style.hex, COLOURS["paper"]
    axes.plot(x, mean, color=colour, linestyle=style.dash, linewidth=1.2, alpha=0.85)
    # Most panels have marks of one kind, and what is empty costs as much to draw as what is not.
    if bounded.any():
        axes.vlines(x[bounded], low[bounded], high[bounded], color=colour, linewidth=1.5)
    for where, face, edge in ((bounded, colour, paper), (~bounded, paper, colour)):
        if where.any():
            axes.plot(
                x[where], mean[where], linestyle="none", marker=style.marker, mfc=face, mec=edge, mew=0.7
            )
    if absent.any():
        axes.plot(
            x[absent], np.full(absent.sum(), 0.03), linestyle="none", marker="x", color=colour, mew=1.4,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def label_room(labels: Sequence[str]) -> float:
    """Width that labels beside an axis take, inches."""
    return 0.22 + 0.06 * max(len(label) for label in labels)


def value_axis(axes: Axes, values: np.ndarray, logarithmic: bool) -> None:
    """Sets the limits of y around values: from zero, or in decades where that is asked for."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if logarithmic and len(positive):
        axes.set_yscale("log")
        axes.set_ylim(positive.min() / 1.4, positive.max() * 1.4)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(0, (finite.max() if len(positive) else 1.0) * 1.08)


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive values differ so much that only a logarithmic axis shows them all."""
    positive = values[np.isfinite(values) & (values > 0)]
    return len(positive) > 1 and positive.max() / positive.min() > 6


def nothing(heading: Heading | None) -> Figure:
    """What is drawn where there is nothing to draw."""
    with look():
        figure, (axes,) = frame(1, 1, (5.0, 1.0), Margins(0, 0, 0, 0), heading)
        axes.axis("off")
        axes.text(0.5, 0.5, "No finished run to show yet.", ha="center", va="center", color=COLOURS["muted"])
    return figure
