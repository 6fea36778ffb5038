"""What panels of many figures have in common: axes in octaves and decades, and means with their intervals."""

from collections.abc import Sequence
from math import ceil, floor, log10

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from modbench.figures.style import COLOURS, ModelStyle

DIGIT = 0.65 / 72
"""Width of a digit, in inches for each point of its size."""
MARKER = 0.065
"""How far apart markers have to be to be told apart, inches."""
MOST_TICKS = 6
"""Labels on a logarithmic axis."""


def width_of(axes: Axes) -> float:
    """The width of axes, inches."""
    return axes.bbox.width / _dots(axes)


def _dots(axes: Axes) -> float:
    """Dots per inch."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure.dpi


def thin_ticks(axes: Axes, values: Sequence[float], texts: Sequence[str]) -> None:
    """Ticks along x, whose limits and scale are set, with as many of the labels as do not touch: each nth one."""
    size = float(mpl.rcParams["xtick.labelsize"])
    ends = axes.transData.transform([(value, 0.0) for value in values])[:, 0] / _dots(axes)
    halves = np.array([max(map(len, text.split("\n"))) for text in texts]) * DIGIT * size / 2

    def fit(step: int) -> bool:
        at, half = ends[::step], halves[::step]
        return bool(np.all(np.diff(at) >= half[1:] + half[:-1] + 0.05))

    step = next(step for step in range(1, len(values) + 1) if fit(step))
    axes.set_xticks(list(values), [text if k % step == 0 else "" for k, text in enumerate(texts)])


def octave_axis(axes: Axes, values: Sequence[int], label: str, texts: Sequence[str] | None = None) -> None:
    """Numbers along x, in octaves; `texts` are the labels of the ticks, by default the numbers."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(values) / 2**0.5, max(values) * 2**0.5)
    thin_ticks(axes, values, texts or [str(value) for value in values])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)


def rules_axis(axes: Axes, rules: Sequence[int]) -> None:
    """Number of rules along x, in octaves."""
    octave_axis(axes, rules, "rules")


def dodged(axes: Axes, values: Sequence[float], count: int) -> np.ndarray:
    """Factors by which models' points move along an axis in octaves, so that none hides another.

    Neighbours are as far apart as a marker is wide, if all models have room between two values of the axis.

    Args:
        axes: with limits set.
        values: of the axis.
        count: of models.

    Returns:
        (count,) a factor for each model.
    """
    first, last = axes.get_xlim()
    marker = MARKER * np.log2(last / first) / width_of(axes)
    between = np.diff(np.log2(np.unique(np.asarray(values, float)))).min(initial=1.0)
    apart = min(max(0.11, marker), 0.7 * between / max(1, count))
    return 2 ** (apart * (np.arange(count) - (count - 1) / 2))


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
        axes.yaxis.set_major_locator(FixedLocator(decades(low, high)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(0, (finite.max() if len(positive) else 1.0) * 1.08)


def decades(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2 and 5 of every decade, or fewer of them where they would be too many.

    An axis that is too short for two of them has round numbers at equal distances.
    """
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= MOST_TICKS:
            break
    if len(ticks) < 2:
        ticks = [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    return ticks


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive values differ so much that only a logarithmic axis shows them all."""
    positive = values[np.isfinite(values) & (values > 0)]
    return len(positive) > 1 and positive.max() / positive.min() > 6
