"""How often a model beats another, run against run on the same task, capacity and seed."""

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import model_title, probability_of_improvement, with_settings
from modbench.analysis.needs import Need
from modbench.analysis.ranking import CELL
from modbench.figures.along import ERRORS
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.dots import draw_dots, percent_axis
from modbench.figures.frame import Heading, Margins, frame, handles, label_room, nothing
from modbench.figures.lacks import models_had, with_models
from modbench.figures.rows import GAP, share_left
from modbench.figures.style import COLOURS, look, model_styles
from modbench.store.table import Tables

TITLE = "Probability of a lower error, run against run"
BASELINES = ("monolithic", "modular")


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
        for quantity in ERRORS
    ]
    table = pd.concat(parts, ignore_index=True)
    columns = ["quantity", *(name for name in table if name != "quantity")]
    return FigureData.of(tables, table[columns], (), checkpoint, "probability")


def lacks_pairs(planned: pd.DataFrame) -> Need | None:
    """Monolithic or Modular, and another model, on the same tasks at the same capacity."""
    sides = planned.groupby(CELL)["model"].agg(frozenset)
    if any(len(models) > 1 and not models.isdisjoint(BASELINES) for models in sides):
        return None
    return Need(
        f"Monolithic or Modular, and another model, on the same tasks; the store has {models_had(planned)}",
        with_models(planned, BASELINES),
    )


def draw_improvement(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per baseline and shift, in it a row per setting and a point per model; the middle is even odds."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    styles = model_styles(data.models)
    baselines, quantities, settings = (
        data.present("baseline"),
        data.present("quantity"),
        data.present("setting"),
    )
    panels = [(baseline, quantity) for baseline in baselines for quantity in quantities]
    with look():
        heading = Heading(data.titled(TITLE), data.footer(), handles(styles, data.present("model")))
        margins = Margins(GAP, GAP, top=0.48, beside=label_room(settings) - GAP)
        size = (2.7, 0.98 + 0.44 * len(settings))
        figure, grid = frame(len(panels), len(quantities), size, margins, None if compact else heading)
        for axes, (baseline, quantity) in zip(grid, panels, strict=True):
            shown = data.frame[(data.frame["baseline"] == baseline) & (data.frame["quantity"] == quantity)]
            models = [model for model in data.models if model in set(shown["model"])]
            axes.axvline(0.5, color=COLOURS["muted"], linewidth=0.8)
            draw_dots(axes, shown, "probability", settings, styles, models)
            percent_axis(axes, "% of runs with the lower error")
            axes.set_title(f"Against {model_title(baseline)},\n{ERRORS[quantity]}")
        share_left(grid)
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
    paper="beside Fig. 3",
    lack=lacks_pairs,
)
