"""Settings down the side, in each a point with its interval for every model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from modbench.figures.style import COLOURS, ModelStyle

PERCENT = {0: "0", 0.25: "25", 0.5: "50", 0.75: "75", 1: "100"}
"""Ticks of shares, with their labels in %."""


def draw_dots(
    axes: Axes,
    rows: pd.DataFrame,
    value: str,
    settings: Sequence[str],
    styles: dict[str, ModelStyle],
    models: Sequence[str],
) -> None:
    """Draws a point for each setting and model; hollow where no interval can be had.

    Args:
        axes: to draw on.
        rows: with `setting`, `model`, the value, `low` and `high`.
        value: column of x, from 0 to 1.
        settings: from top to bottom.
        styles: of the models.
        models: in the order in which they lie one below the other in each setting.
    """
    for position, model in enumerate(models):
        of_model = rows[rows["model"] == model]
        shift = min(0.23, 0.8 / len(models)) * (position - (len(models) - 1) / 2)
        y = of_model["setting"].map(settings.index).to_numpy(float) + shift
        x, low, high = (of_model[name].to_numpy(float) for name in (value, "low", "high"))
        colour, paper = styles[model].hex, COLOURS["paper"]
        axes.hlines(y, low, high, color=colour, linewidth=1.5)
        bounded = np.isfinite(low) & np.isfinite(high)
        for where, face, edge in ((bounded, colour, paper), (~bounded, paper, colour)):
            if where.any():
                axes.plot(
                    x[where], y[where], linestyle="none", marker=styles[model].marker, mfc=face, mec=edge, mew=0.7,
                    clip_on=False, zorder=3,
                )  # fmt: skip
    setting_rows(axes, settings)
    axes.set_xlim(0, 1)
    axes.grid(axis="x")
    axes.grid(axis="y", visible=False)


def setting_rows(axes: Axes, settings: Sequence[str]) -> None:
    """Settings along y, the first on top."""
    axes.set_yticks(range(len(settings)), settings)
    axes.set_ylim(len(settings) - 0.45, -0.55)
    axes.spines["left"].set_visible(False)


def percent_axis(axes: Axes, label: str) -> None:
    """Shares along x, in %."""
    axes.set_xlim(0, 1)
    axes.set_xticks(list(PERCENT), list(PERCENT.values()))
    axes.set_xlabel(label)
