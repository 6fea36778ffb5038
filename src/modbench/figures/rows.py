"""Rows of panels: one set of labels for the y axis that they share, and what a row is of above its first title."""

import textwrap
from collections.abc import Sequence
from math import ceil

from matplotlib.axes import Axes

from modbench.figures.frame import Margins

GAP = 0.12
"""Room on either side of panels that share their y axis, inches."""
LETTER = 0.072
"""Width of a letter of a title, inches."""


def share_left(grid: Sequence[Axes]) -> None:
    """Leaves the labels of y to the first panel that is drawn in each row, whose y axis the others of the row have."""
    first: dict[float, Axes] = {}
    for axes in grid:
        if axes.axison and first.setdefault(round(axes.get_position().y0, 4), axes) is not axes:
            axes.tick_params(axis="y", labelleft=False)
            axes.set_ylabel("")


def stacked(
    titles: Sequence[str], heads: Sequence[str], row: tuple[int, float], margins: Margins
) -> list[str]:
    """Titles of panels in lines that fit, with the heads of rows above them.

    Args:
        titles: of panels, row by row.
        heads: what the row is of that begins with the panel, else empty. A head may be wider than its panel: it stands
            above the titles of all panels that it reaches.
        row: how many panels stand side by side and how wide each is, as `fitted` says.
        margins: of each panel.

    Returns:
        The titles.
    """
    columns, width = row
    letters = max(8, int((width - margins.left) / LETTER))
    lines = [
        textwrap.wrap(title, letters, break_long_words=False, break_on_hyphens=False) for title in titles
    ]
    found = []
    for place, (own, head) in enumerate(zip(lines, heads, strict=True)):
        reached = min(ceil(len(head) * LETTER / width), columns)
        most = max(map(len, lines[place : place + reached]), default=0)
        found.append("\n".join([head, *[""] * (most - len(own)), *own] if head else own))
    return found


def title_room(titles: Sequence[str]) -> float:
    """Height that titles take, inches."""
    return 0.14 + 0.16 * max((title.count("\n") + 1 for title in titles), default=1)
