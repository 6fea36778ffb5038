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
PAGE = 7.0
"""The most that a figure is wide, inches. Fitted to a page of print of this width, its letters keep their size."""
LETTER = 0.095
"""Width of a letter of the headline, inches."""


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
    """Room around a panel's axes for its labels, and beside whole rows of panels, inches.

    Axes that would be narrower than `least` go into another row.
    """

    left: float = 0.58
    right: float = 0.12
    top: float = 0.3
    bottom: float = 0.45
    beside: float = 0.0
    least: float = 0.75


class Heading(NamedTuple):
    """What surrounds the panels: headline and the line under them, which are wrapped, and legend entries."""

    title: str
    footer: str
    legend: Sequence[Line2D] = ()


def fitted(columns: int, width: float, margins: Margins) -> tuple[int, float]:
    """How many panels stand side by side, and how wide each is, so that the figure fits a page without shrinking.

    If a row is too wide, its panels become narrower. If the axes would then be narrower than `margins.least`, the row
    is folded into rows that are as equal as can be.

    Args:
        columns: of panels that belong in a row.
        width: of a panel with its margins, inches; on paper panels fill the row.
        margins: of each panel.

    Returns:
        The number of panels and the width of one, inches.
    """
    paper = present_paper()
    room = (paper.width if paper else PAGE) - margins.beside
    fitting = [
        n for n in range(1, columns + 1) if room / n - margins.left - margins.right >= margins.least
    ] or [1]
    count = columns
    if not (paper is None and columns * width <= room) and columns not in fitting:
        even = [n for n in fitting if n > 1 and columns % n == 0]
        count = max(even) if even else ceil(columns / ceil(columns / max(fitting)))
    return count, room / count if paper else min(width, room / count)


def frame(
    count: int, columns: int, panel: tuple[float, float], margins: Margins, heading: Heading | None
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, with room above for title and legend, and below for the footer.

    Sizes are fixed rather than solved for: a page of a hundred panels is drawn in half the time, and the axes
    of panels that belong together line up.

    Args:
        count: of panels.
        columns: of panels that belong in a row; see `fitted`. No row has panels of two such groups.
        panel: width and height of one with its margins, inches. A panel that becomes narrower becomes lower as well.
        margins: of each panel.
        heading: what surrounds the panels, if anything.

    Returns:
        The figure, and its axes, row by row.
    """
    title, footer, legend = heading or Heading("", "")
    paper = present_paper()
    if paper:
        title, footer = "", ""
    columns = min(columns, count)
    across, each = fitted(columns, panel[0], margins)
    labels = margins.top + margins.bottom
    high = labels + (panel[1] - labels) * min(1.0, max(0.8, each / panel[0]))
    folded = ceil(columns / across)
    rows = (count - 1) // columns * folded + ceil(((count - 1) % columns + 1) / across)
    width = margins.beside + across * each
    if not paper:
        width = max(width, min(PAGE, 0.2 + LETTER * len(title)))
    headline = textwrap.wrap(title, int((width - 0.2) / LETTER))
    lengths = [0.5 + 0.068 * len(str(handle.get_label())) for handle in legend]
    per_line = max(1, len(legend) if sum(lengths) <= width else int(width / max(lengths)))
    lines = textwrap.wrap(footer, int(width * 17))
    over = 0.2 * len(headline) + 0.12 * bool(headline)
    above = over + 0.02 * bool(headline) + 0.22 * ceil(len(legend) / per_line) + 0.08 * bool(legend)
    below = 0.15 * len(lines) + 0.1 * bool(lines)
    height = rows * high + above + below
    figure = _Drawn(figsize=(width, height))
    FigureCanvasAgg(figure)
    if headline:
        figure.text(
            0.1 / width, 1 - 0.1 / height, "\n".join(headline), va="top", fontsize=11.5, fontweight="bold"
        )
    if legend:
        figure.legend(
            handles=_by_line(legend, per_line), loc="upper left", ncols=per_line, borderpad=0, borderaxespad=0,
            handletextpad=0.5, columnspacing=1.6, bbox_to_anchor=(0.1 / width, 1 - (0.08 + over) / height),
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
    size = (each - margins.left - margins.right) / width, (high - margins.top - margins.bottom) / height
    axes = []
    for index in range(count):
        group, place = divmod(index, columns)
        row, column = group * folded + place // across, place % across
        corner = (
            margins.beside + column * each + margins.left,
            height - above - (row + 1) * high + margins.bottom,
        )
        axes.append(figure.add_axes((corner[0] / width, corner[1] / height, *size)))
    return figure, axes


def _by_line(legend: Sequence[Line2D], per_line: int) -> list[Line2D]:
    """Entries in the order in which Matplotlib, which fills columns, puts them line by line."""
    entries: list[Line2D] = [*legend]
    while len(entries) % per_line:
        entries.append(Line2D([], [], linestyle="none", label=" "))
    return [entry for column in range(per_line) for entry in entries[column::per_line]]


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
