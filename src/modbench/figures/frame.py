"""The frame around panels: where they stand, with title, legend and footer around them."""

import io
import textwrap
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from modbench.analysis.settings import model_title, models_in_order
from modbench.figures.style import COLOURS, ModelStyle, look, present_paper

SHOWN_DPI = 96
"""Pixels per inch in a notebook."""


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
    count: int,
    columns: int,
    panel: tuple[float, float],
    margins: Margins,
    heading: Heading | None,
    *,
    together: bool = False,
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
        together: whether a row is one row on paper too, however narrow its panels are there.

    Returns:
        The figure, and its axes, row by row.
    """
    title, footer, legend = heading or Heading("", "")
    if paper := present_paper():
        title, footer = "", ""
        if not together:
            # As many side by side as share a row evenly, each with an inch or more between its labels.
            fitting = [
                n for n in range(2, paper.columns + 1) if paper.width / n - margins.left - margins.right >= 1
            ]
            even = [n for n in fitting if columns % n == 0] or fitting[-1:] if columns > 1 else []
            columns = max([1, *even])
        columns = min(columns, count)
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


def label_room(labels: Sequence[str]) -> float:
    """Width that labels beside an axis take, inches."""
    return 0.22 + 0.06 * max(len(line) for label in labels for line in label.split("\n"))


def nothing(heading: Heading | None) -> Figure:
    """What is drawn where there is nothing to draw."""
    with look():
        figure, (axes,) = frame(1, 1, (5.0, 1.0), Margins(0, 0, 0, 0), heading)
        axes.axis("off")
        axes.text(0.5, 0.5, "No finished run to show yet.", ha="center", va="center", color=COLOURS["muted"])
    return figure
