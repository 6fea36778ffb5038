"""Error against the number of rules, in and out of distribution (PAPER Fig. 4)."""

import numpy as np
from matplotlib.figure import Figure

from modbench.analysis import summarise, with_settings
from modbench.core.quantities import error_unit
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.style import (
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
    spans_decades,
    value_axis,
)
from modbench.store.table import Tables

TITLE = "Error against the number of rules"
SHIFTS = {"error_id": "in distribution", "error_ood": "out of distribution"}


def prepare_error(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean errors with intervals per setting, number of rules and model, capacities averaged.

    Returns:
        Columns `setting`, `kind`, `num_rules`, `model`, `quantity`, `mean`, `low`, `high`, and the counts.
    """
    tables = with_settings(tables)
    summary = summarise(
        tables, tuple(SHIFTS), by=("setting", "kind", "num_rules", "model"), checkpoint=checkpoint
    )
    return FigureData.of(tables, summary)


def draw_error(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per setting and shift; both shifts of a setting share their axis."""
    panels = [
        (setting, quantity) for setting in data.present("setting") for quantity in data.present("quantity")
    ]
    if data.frame["mean"].isna().all():
        return nothing(None if compact else Heading(TITLE, data.footer()))
    styles = model_styles(data.models)
    models = data.present("model")
    with look():
        heading = None if compact else Heading(TITLE, data.footer(), handles(styles, models))
        margins = Margins(top=0.3 if compact else 0.48)
        figure, grid = frame(len(panels), 4, (3.5, 2.5) if compact else (2.9, 2.4), margins, heading)
        for axes, (setting, quantity) in zip(grid, panels, strict=True):
            of_setting = data.frame[data.frame["setting"] == setting]
            shown = of_setting[of_setting["quantity"] == quantity]
            unit = error_unit(shown["kind"].iloc[0])
            rules_axis(axes, sorted(shown["num_rules"].unique()))
            for position, model in enumerate(models):
                rows = shown[shown["model"] == model].sort_values("num_rules")
                x = rows["num_rules"].to_numpy(float) * dodge(position, len(models))
                points(axes, x, rows, styles[model])
            means = of_setting["mean"].to_numpy(float)
            around = np.concatenate([means, of_setting["high"].to_numpy(float)])
            value_axis(axes, around, unit == "L1" and spans_decades(means))
            axes.set_title(SHIFTS[quantity].capitalize() if compact else f"{setting}\n{SHIFTS[quantity]}")
            axes.set_ylabel("error, L1" if unit == "L1" else "error, %")
    return figure


CARD = FigureCard(
    name="error",
    title=TITLE,
    prepare=prepare_error,
    draw=draw_error,
    caption=(
        "Lower is better. In distribution: fresh data as in training. Out of distribution: inputs twice as "
        "large, and for sequences also the longest length. Averages run over capacities, task seeds and "
        "seeds. GT-Modular is told which module serves which rule: the gap between it and Modular is what "
        "specialisation would be worth."
    ),
    panels=("setting", "quantity"),
)
