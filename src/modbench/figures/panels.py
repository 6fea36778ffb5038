"""Panels that share an axis along x, with the models as lines."""

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures.along import error_label
from modbench.figures.axes import dodged, points, rules_axis, spans_decades, value_axis, width_of
from modbench.figures.base import RANDOM, FigureData
from modbench.figures.frame import Heading, Margins, fitted, frame, handles, nothing
from modbench.figures.rows import GAP, share_left, stacked, title_room
from modbench.figures.style import COLOURS, ModelStyle, look, model_styles


class Panel(NamedTuple):
    """One pair of axes.

    Attributes:
        title: over it.
        rows: what it shows; left blank where there are none.
        beside: rows of all panels that shall share its y axis, of one setting.
        quantity: what it shows.
        label: of its y axis.
        head: what the row is of that the panel begins, else empty.
    """

    title: str
    rows: pd.DataFrame
    beside: pd.DataFrame
    quantity: str
    label: str = ""
    head: str = ""


class Along(NamedTuple):
    """The axis that panels share.

    Attributes:
        column: its values in the numbers.
        draw: sets the axis up for the rows of a panel.
        octaves: whether it is in octaves, on which models lie side by side.
        room: for its ticks and label, inches.
    """

    column: str
    draw: Callable[[Axes, pd.DataFrame], None]
    octaves: bool = True
    room: float = 0.45


ALONG_RULES = Along("num_rules", lambda axes, rows: rules_axis(axes, sorted(rows["num_rules"].unique())))


def draw_panels(
    data: FigureData,
    title: str,
    panels: Sequence[Panel],
    along: Along,
    columns: int,
    size: tuple[float, float],
    *,
    compact: bool,
    shared: bool = False,
) -> Figure:
    """Draws panels row by row.

    Args:
        data: of the whole figure.
        title: its headline.
        panels: in reading order.
        along: the axis along x.
        columns: panels in a row.
        size: width and height of a panel, inches; where axes are shared, without the room for labels of y.
        compact: whether title, legend and footer are left out.
        shared: whether the panels of a row have one y axis.
    """
    heading = Heading(data.titled(title), data.footer())
    if data.empty:
        return nothing(None if compact else heading)
    styles, models = model_styles(data.models), data.present("model")
    random = bool((data.frame["model"] == RANDOM).any())
    left = max(0.58 + 0.14 * panel.label.count("\n") if panel.label else 0.36 for panel in panels)
    with look():
        heading = heading._replace(legend=handles(styles, models, random=random))
        margins = Margins(GAP, GAP, beside=left - GAP) if shared else Margins(left)
        row = fitted(min(columns, len(panels)), size[0], margins)
        titles = stacked([p.title for p in panels], [p.head for p in panels], row, margins)
        margins = margins._replace(top=title_room(titles), bottom=along.room)
        figure, grid = frame(len(panels), columns, size, margins, None if compact else heading)
        for axes, panel, title in zip(grid, panels, titles, strict=True):
            if panel.rows.empty:
                axes.axis("off")
                continue
            along.draw(axes, panel.rows)
            draw_models(axes, panel.rows, along, styles, models)
            quantity_axis(axes, panel.beside, panel.quantity)
            axes.set_title(title)
            if panel.label:
                axes.set_ylabel(panel.label)
            else:  # nothing whose place beside the tick labels had to be looked for
                axes.yaxis.set_label_coords(0, 0.5)
        if shared:
            share_left(grid)
    return figure


def draw_models(
    axes: Axes, rows: pd.DataFrame, along: Along, styles: dict[str, ModelStyle], models: Sequence[str]
) -> None:
    """Draws the means of each model along an axis, with their intervals, and what Random scores.

    Args:
        axes: to draw on.
        rows: with `model`, `mean`, `low`, `high` and the axis' column, which Random's rows lack where it is the
            same everywhere.
        along: the axis.
        styles: of the models.
        models: in the order in which they lie side by side.
    """
    rows = rows[["model", "mean", "low", "high", along.column]].sort_values(along.column, kind="stable")
    random = rows[rows["model"] == RANDOM]
    dotted = {"color": COLOURS["ink"], "linestyle": ":", "linewidth": 1.3, "zorder": 1}
    if random[along.column].nunique() > 1:
        axes.plot(random[along.column].to_numpy(float), random["mean"].to_numpy(float), **dotted)
    elif len(random):
        axes.axhline(float(random["mean"].iloc[0]), **dotted)
    at = rows[along.column].dropna().to_numpy(float)
    aside = dodged(axes, at, len(models)) if along.octaves else np.ones(len(models))
    for position, model in enumerate(models):
        of_model = rows[rows["model"] == model]
        points(axes, of_model[along.column].to_numpy(float) * aside[position], of_model, styles[model])


def quantity_axis(axes: Axes, beside: pd.DataFrame, quantity: str) -> None:
    """Sets the limits of y: all of 0 to 1 for a metric, as far as the values go for an error.

    Args:
        axes: whose y to set.
        beside: rows of all panels that shall share the axis, of one setting.
        quantity: what the axis shows.
    """
    if quantity in METRICS:
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", ".5", "", "1"])
    else:
        means = beside["mean"].to_numpy(float)
        logarithmic = beside["kind"].iloc[0] == "regression" and spans_decades(means)
        value_axis(axes, np.concatenate([means, beside["high"].to_numpy(float)]), logarithmic)


def steps_axis(axes: Axes) -> None:
    """Training steps along x, written short, with as many ticks as have room."""
    axes.xaxis.set_major_formatter(short_thousands())
    axes.locator_params(axis="x", nbins=max(1, min(5, int(width_of(axes) / 0.5))))
    axes.set_xlabel("training steps")


def short_thousands() -> FuncFormatter:
    """Large numbers beside ticks: `"20k"`, `"1.5M"`."""

    def short(value: float, _: int) -> str:
        for size, letter in ((1e6, "M"), (1e3, "k")):
            if value >= size:
                return f"{value / size:g}{letter}"
        return f"{value:g}"

    return FuncFormatter(short)


def quantity_label(quantity: str, kind: str) -> str:
    """A quantity beside its axis, broken into lines that fit."""
    title = QUANTITIES[quantity].title
    if quantity in METRICS:
        return textwrap.fill(title, 20)
    return f"{error_label(kind)}\n{title.split(', ')[1]}"
