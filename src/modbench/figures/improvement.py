"""How often a model beats another, run against run on the same task, capacity and seed."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import model_title, probability_of_improvement, with_settings
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.style import (
    COLOURS,
    Heading,
    Margins,
    frame,
    handles,
    label_room,
    look,
    model_styles,
    nothing,
)
from modbench.store.table import Tables

TITLE = "Probability of a lower error, run against run"
BASELINES = ("monolithic", "modular")
SHIFTS = {"error_id": "in distribution", "error_ood": "out of distribution"}


def prepare_improvement(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Probability that a model's error is below Monolithic's, and below Modular's, per setting and shift.

    Returns:
        Columns `quantity`, `setting`, `model`, `baseline`, `probability`, `low`, `high`, `num_pairs`,
        `num_unpaired`.
    """
    tables = with_settings(tables)
    models = {*tables.runs["model"], *tables.missing["model"]}
    pairs = [
        (m, b)
        for b in BASELINES
        for m in sorted(models)
        if b in models and m not in BASELINES[: BASELINES.index(b) + 1]
    ]
    parts = [
        probability_of_improvement(tables, pairs, quantity, checkpoint=checkpoint).assign(quantity=quantity)
        for quantity in SHIFTS
    ]
    table = pd.concat(parts, ignore_index=True)
    columns = ["quantity", *(name for name in table if name != "quantity")]
    return FigureData.of(tables, table[columns])


def draw_improvement(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per baseline and shift, in it a row per setting and a point per model; the middle is even odds."""
    if not (data.frame["num_pairs"] > 0).any():
        return nothing(None if compact else Heading(TITLE, data.footer()))
    styles = model_styles(data.models)
    baselines, quantities, settings = (
        data.present("baseline"),
        data.present("quantity"),
        data.present("setting"),
    )
    panels = [(baseline, quantity) for baseline in baselines for quantity in quantities]
    with look():
        heading = Heading(TITLE, data.footer(), handles(styles, data.present("model")))
        margins = Margins(left=label_room(settings), right=0.2)
        size = (margins.left + margins.right + 2.6, 0.8 + 0.44 * len(settings))
        figure, grid = frame(len(panels), len(quantities), size, margins, None if compact else heading)
        for axes, (baseline, quantity) in zip(grid, panels, strict=True):
            shown = data.frame[(data.frame["baseline"] == baseline) & (data.frame["quantity"] == quantity)]
            models = [model for model in data.models if model in set(shown["model"])]
            axes.axvline(0.5, color=COLOURS["muted"], linewidth=0.8)
            for position, model in enumerate(models):
                rows = shown[shown["model"] == model]
                shift = min(0.23, 0.8 / len(models)) * (position - (len(models) - 1) / 2)
                y = rows["setting"].map(settings.index).to_numpy(float) + shift
                axes.hlines(y, rows["low"], rows["high"], color=styles[model].hex, linewidth=1.5)
                x, bounded = rows["probability"].to_numpy(float), np.isfinite(rows["low"].to_numpy(float))
                colour, paper = styles[model].hex, COLOURS["paper"]
                for where, face, edge in ((bounded, colour, paper), (~bounded, paper, colour)):
                    if where.any():
                        axes.plot(
                            x[where], y[where], linestyle="none", marker=styles[model].marker, mfc=face, mec=edge,
                            mew=0.9, clip_on=False, zorder=3,
                        )  # fmt: skip
            axes.set_yticks(range(len(settings)), settings)
            axes.set_ylim(len(settings) - 0.45, -0.55)
            axes.set_xlim(0, 1)
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
            axes.grid(axis="x")
            axes.grid(axis="y", visible=False)
            axes.spines["left"].set_visible(False)
            axes.set_xlabel("% of runs with the lower error")
            axes.set_title(f"Against {model_title(baseline)}, {SHIFTS[quantity]}")
    return figure


CARD = FigureCard(
    name="improvement",
    title=TITLE,
    prepare=prepare_improvement,
    draw=draw_improvement,
    caption=(
        "Two runs on the same task, capacity and seed saw the same batches; the point is how often the model "
        "had the lower error of the two. An interval that crosses the middle line leaves it open which is "
        "better."
    ),
    panels=("baseline", "quantity"),
)
