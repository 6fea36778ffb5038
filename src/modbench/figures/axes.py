"""What panels of many figures have in common: axes in octaves and decades, and means with their intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from modbench.figures.style import COLOURS, ModelStyle


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
        # Not `vlines`, which sets the limits of the axes as well, and takes twice as long.
        ends = np.stack([np.column_stack([x, low]), np.column_stack([x, high])], axis=1)[bounded]
        axes.add_collection(LineCollection(list(ends), colors=colour, linewidths=1.5), autolim=False)
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


def value_axis(axes: Axes, values: np.ndarray, logarithmic: bool) -> None:
    """Sets the limits of y around values: from zero, or in decades where that is asked for."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if logarithmic and len(positive):
        axes.set_yscale("log")
        low, high = positive.min() / 1.4, positive.max() * 1.4
        axes.set_ylim(low, high)
        ticks = LogLocator(subs=(1, 2, 5), numticks=8).tick_values(low, high)
        # The locator itself has as many again outside the axes, which are made and not drawn.
        axes.yaxis.set_major_locator(FixedLocator(ticks[(ticks >= low) & (ticks <= high)]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(0, (finite.max() if len(positive) else 1.0) * 1.08)


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive values differ so much that only a logarithmic axis shows them all."""
    positive = values[np.isfinite(values) & (values > 0)]
    return len(positive) > 1 and positive.max() / positive.min() > 6
