"""Draws the pictures of docs/idea.md: `python docs/images/idea.py`.

`scheme.svg`: how rules, router, gates and modules hang together; `routings.svg`: four kinds of routing, with metrics.
"""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures.frame import PAGE, Heading, Margins, frame
from modbench.figures.heat import heat_map, heat_scale
from modbench.figures.style import COLOURS, look
from modbench.report.guide import examples

HERE = Path(__file__).parent
GATES = (0.05, 0.85, 0.1, 0.0)


def box(axes: Axes, x: float, y: float, width: float, text: str, edge: str = "muted") -> None:
    """A rounded box around a text; x and y are its middle."""
    shape = FancyBboxPatch(
        (x - width / 2, y - 0.26), width, 0.52, boxstyle="round,pad=0.02,rounding_size=0.1",
        facecolor=COLOURS["paper"], edgecolor=COLOURS[edge], linewidth=1,
    )  # fmt: skip
    axes.add_patch(shape)
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, linespacing=1.25)


Point = tuple[float, float]


def arrow(axes: Axes, start: Point, end: Point, weight: float = 1.0, colour: str = "muted") -> None:
    """An arrow, the thicker the more it carries."""
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=8, shrinkA=0, shrinkB=0, linewidth=weight,
            color=COLOURS[colour],
        )
    )  # fmt: skip


def draw_scheme() -> Figure:
    """From a rule and an input by router and modules to a prediction."""
    with look():
        figure, (axes,) = frame(1, 1, (PAGE, 3.0), Margins(0.05, 0.05, 0.05, 0.05), None)
        axes.set(xlim=(0, 8.1), ylim=(-0.4, 2.95))
        axes.axis("off")
        vermillion, muted = COLOURS["vermillion"], COLOURS["muted"]
        box(axes, 0.75, 2.35, 1.3, "input  x")
        box(axes, 0.75, 0.55, 1.3, "rule code  c\n0 1 0 0")
        box(axes, 2.75, 0.55, 1.3, "router\nscores to gates", "vermillion")
        arrow(axes, (1.43, 0.55), (2.07, 0.55))
        arrow(axes, (1.1, 2.06), (2.5, 0.86))
        axes.plot([2.75, 2.75, 5.85, 5.85], [0.27, -0.2, -0.2, 2.6], color=vermillion, linewidth=1, zorder=0)
        axes.text(2.9, -0.12, "a gate per module; together 1", fontsize=7.5, color=vermillion)
        for index, gate in enumerate(GATES):
            y, chosen = 2.6 - 0.68 * index, gate > 0.5
            colour = "blue" if chosen else "muted"
            arrow(axes, (1.43, 2.35), (4.15, y), 0.6)
            box(axes, 4.75, y, 1.15, f"module {index}", colour)
            axes.plot([5.36, 5.85], [y, y], color=COLOURS[colour], linewidth=0.5 + 3 * gate, zorder=0)
            arrow(axes, (5.85, y), (6.62, 1.55), 0.5 + 3 * gate, colour)
            axes.plot(5.85, y, "o", markersize=23, mfc=COLOURS["paper"], mec=vermillion, mew=1)
            axes.text(5.85, y, f"{gate:.2f}", ha="center", va="center", fontsize=7.5, color=vermillion)
        box(axes, 6.9, 1.55, 0.5, "sum")
        arrow(axes, (7.18, 1.55), (7.4, 1.55))
        box(axes, 7.73, 1.55, 0.6, "answer")
        axes.text(0.1, 1.42, "rule 1 is at work", fontsize=7.5, color=muted)
        axes.text(1.6, 2.72, "modules see x and c", fontsize=7.5, color=muted)
    return figure


def draw_routings() -> Figure:
    """Perfect, mixed, uniform and collapsed routing, with the five metrics of each."""
    with look():
        shown = examples()
        margins = Margins(0.2, 0.2, 0.62, 1.45, 0.25)
        panel = ((PAGE - margins.beside) / len(shown), 3.4)
        figure, grid = frame(len(shown), len(shown), panel, margins, Heading("", "", heat_scale()))
        for axes, example in zip(grid, shown, strict=True):
            heat_map(axes, np.array(example.rows), fill=True)
            axes.set(xticks=range(4), yticks=range(4), xlabel="module")
            meaning = "\n".join(textwrap.wrap(example.meaning, 22))
            axes.text(0, 1.41, example.title, transform=axes.transAxes, fontweight="bold", va="top")
            axes.text(
                0, 1.27, meaning, transform=axes.transAxes, fontsize=7.5, color=COLOURS["muted"], va="top"
            )
            for line, (name, value) in enumerate(zip(METRICS, example.values, strict=True)):
                y = -0.42 - 0.115 * line
                title = QUANTITIES[name].title.replace("mutual information", "MI")
                axes.text(0, y, title, transform=axes.transAxes, fontsize=7.5)
                axes.text(
                    1,
                    y,
                    f"{value:.2f}",
                    transform=axes.transAxes,
                    fontsize=7.5,
                    ha="right",
                    fontweight="bold",
                )
        grid[0].set_ylabel("rule")
    return figure


if __name__ == "__main__":
    for name, figure in (("scheme", draw_scheme()), ("routings", draw_routings())):
        with look():
            figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
