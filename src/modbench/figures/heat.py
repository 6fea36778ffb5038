"""How a matrix of shares p(module | rule) is drawn, wherever a figure has one, and the scale of its colours."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.lines import Line2D

from modbench.figures.style import COLOURS, HEAT, HEAT_MARKS, HEAT_POWER, heat


def heat_map(axes: Axes, matrix: np.ndarray, *, fill: bool = False) -> None:
    """Draws a matrix, rules down and modules across, without ticks.

    Args:
        axes: to draw on.
        matrix: R x M, from 0 to 1.
        fill: whether entries become as wide as the axes allow; they are squares otherwise.
    """
    scale, aspect = PowerNorm(HEAT_POWER, 0, 1), "auto" if fill else "equal"
    axes.imshow(matrix, cmap=HEAT, norm=scale, interpolation="none", aspect=aspect)
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(COLOURS["muted"])


def heat_scale() -> list[Line2D]:
    """Legend entries that say which colour which share has."""
    square = {"marker": "s", "linestyle": "none", "markersize": 8, "mec": COLOURS["muted"], "mew": 0.5}
    return [
        Line2D(
            [],
            [],
            mfc=heat(share),
            label=("p = " if not share else "") + f"{share:g}".replace("0.", "."),
            **square,
        )
        for share in HEAT_MARKS
    ]
