"""The five routing metrics against the number of rules, with what Random scores (PAPER Fig. 5)."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import random_baselines, summarise, with_settings
from modbench.analysis.summary import COUNTS
from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.style import (
    COLOURS,
    Heading,
    Margins,
    dodge,
    frame,
    handles,
    look,
    model_styles,
    nothing,
    points,
    rules_axis,
)
from modbench.store.table import Tables

TITLE = "Collapse and specialisation against the number of rules"
RANDOM = "random"


def prepare_metrics(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean metrics with intervals per setting, number of rules and modular model, capacities averaged.

    Returns:
        Columns `setting`, `num_rules`, `model`, `quantity`, `mean`, `low`, `high`, and the counts. Rows of
        model `"random"` hold the values of uniform routing.
    """
    tables = with_settings(tables)
    summary = summarise(tables, METRICS, checkpoint=checkpoint)
    random = random_baselines(tables).assign(model=RANDOM)
    if len(random):
        summary = pd.concat([summary.astype(dict.fromkeys(COUNTS, "Int64")), random], ignore_index=True)
    return FigureData.of(tables, summary)


def draw_metrics(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting, a panel per metric; all metrics run from 0, the best, to 1."""
    if data.frame.loc[data.frame["model"] != RANDOM, "mean"].isna().all():
        return nothing(None if compact else Heading(TITLE, data.footer()))
    settings, quantities = data.present("setting"), data.present("quantity")
    models, styles = data.present("model"), model_styles(data.models)
    alone = len(settings) == 1
    columns = 3 if alone else len(quantities)
    panels = [(setting, quantity) for setting in settings for quantity in quantities]
    with look():
        heading = (
            None
            if compact
            else Heading(data.titled(TITLE), data.footer(), handles(styles, models, random=True))
        )
        margins = Margins(left=0.36, top=0.3 if alone else 0.48)
        figure, grid = frame(len(panels), columns, (3.5, 2.4) if compact else (2.6, 2.2), margins, heading)
        for axes, (setting, quantity) in zip(grid, panels, strict=True):
            shown = data.frame[(data.frame["setting"] == setting) & (data.frame["quantity"] == quantity)]
            rules_axis(axes, sorted(shown["num_rules"].unique()))
            random = shown[shown["model"] == RANDOM].sort_values("num_rules")
            x, y = random["num_rules"].to_numpy(float), random["mean"].to_numpy(float)
            if len(x) == 1:
                x, y = x * np.array([0.8, 1.25]), np.repeat(y, 2)
            axes.plot(x, y, color=COLOURS["ink"], linestyle=":", linewidth=1.3, zorder=1)
            for position, model in enumerate(models):
                rows = shown[shown["model"] == model].sort_values("num_rules")
                points(
                    axes,
                    rows["num_rules"].to_numpy(float) * dodge(position, len(models)),
                    rows,
                    styles[model],
                )
            axes.set_ylim(-0.04, 1.04)
            axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", ".5", "", "1"])
            title = QUANTITIES[quantity].title
            axes.set_title(title if alone else f"{setting}\n{title}")
    return figure


CARD = FigureCard(
    name="metrics",
    title=TITLE,
    prepare=prepare_metrics,
    draw=draw_metrics,
    caption=(
        "Lower is better: 0 is what GT-Modular is given. Collapse: are modules left unused? Alignment and "
        "inverse mutual information: does each rule have its module? Adaptation: does the use of modules "
        "follow the rules when their frequencies change? The dotted line is Random, routing that ignores the "
        "rule and uses all modules equally."
    ),
    panels=("setting", "quantity"),
)
