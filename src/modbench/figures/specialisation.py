"""How routing forms: the metrics of routing during training, one panel per number of rules and metric.

The paper measures routing at the end of training only. Each curve averages the same runs from its first step to its
last: a run that failed is left out and counted.
"""

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import random_baselines, with_settings
from modbench.analysis.over_time import metric_courses
from modbench.core.quantities import CURVE_METRICS, METRICS
from modbench.figures.base import RANDOM, FigureCard, FigureData
from modbench.figures.frame import Heading, Margins, fitted, frame, handles, nothing
from modbench.figures.lacks import lacks_modules, not_recorded
from modbench.figures.panels import quantity_axis, steps_axis
from modbench.figures.rows import GAP, share_left, stacked, title_room
from modbench.figures.style import COLOURS, look, model_styles
from modbench.store.table import Tables

TITLE = "Collapse and specialisation over training"


def prepare_specialisation(tables: Tables) -> FigureData:
    """Mean metrics at each evaluation during training, with intervals, capacities averaged.

    Returns:
        Columns `setting`, `num_rules`, `model`, `quantity`, `step`, `mean`, `low`, `high`, `num_runs`. Rows of model
        `"random"`, which have no step, hold the values of uniform routing.
    """
    tables = with_settings(tables)
    courses = metric_courses(tables)
    names = dict(zip(METRICS, CURVE_METRICS, strict=True))
    random = random_baselines(tables).assign(
        model=RANDOM, quantity=lambda frame: frame["quantity"].map(names)
    )
    beside = random.merge(courses[["setting", "num_rules"]].drop_duplicates())
    found = pd.concat(
        [courses, beside[["setting", "num_rules", "model", "quantity", "mean"]]], ignore_index=True
    )
    return FigureData.of(tables, found if len(beside) else courses, checkpoint=None)


def draw_specialisation(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting and number of rules, a panel per metric; of all metrics 0 is the best."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    numbers = data.frame
    styles = model_styles(data.models)
    models = [model for model in data.present("model") if model in styles]
    alone = len(data.present("setting")) == 1
    quantities = [name for name in CURVE_METRICS if name in set(numbers["quantity"])]
    rows = [
        (setting, R)
        for setting in data.present("setting")
        for R in sorted(numbers.loc[numbers["setting"] == setting, "num_rules"].unique())
    ]
    panels = [(setting, R, quantity) for setting, R in rows for quantity in quantities]
    with look():
        legend = handles(styles, models, "line", random=bool((numbers["model"] == RANDOM).any()))
        heading = None if compact else Heading(data.titled(TITLE), data.footer(), legend)
        margins = Margins(GAP, GAP, beside=0.36 - GAP)
        row = fitted(len(quantities), 2.2, margins)
        heads = [
            ("" if alone else f"{setting}, ") + f"{R} rules" if quantity == quantities[0] else ""
            for setting, R, quantity in panels
        ]
        titles = stacked([CURVE_METRICS[name].title for _, _, name in panels], heads, row, margins)
        margins = margins._replace(top=title_room(titles))
        figure, grid = frame(len(panels), len(quantities), (2.2, 2.2), margins, heading)
        for axes, (setting, R, quantity), title in zip(grid, panels, titles, strict=True):
            of_panel = (numbers["setting"] == setting) & (numbers["num_rules"] == R)
            shown = numbers[of_panel & (numbers["quantity"] == quantity)]
            for value in shown.loc[shown["model"] == RANDOM, "mean"]:
                axes.axhline(value, color=COLOURS["ink"], linestyle=":", linewidth=1.3, zorder=1)
            for model in models:
                course = shown[shown["model"] == model].sort_values("step")
                step, mean, low, high = (
                    course[name].to_numpy(float) for name in ("step", "mean", "low", "high")
                )
                axes.fill_between(step, low, high, color=styles[model].hex, alpha=0.16, linewidth=0)
                axes.plot(step, mean, color=styles[model].hex, linestyle=styles[model].dash)
            quantity_axis(axes, shown, METRICS[0])
            axes.set_xlim(0, max(1, shown["step"].max()))
            steps_axis(axes)
            axes.set_title(title)
        share_left(grid)
    return figure


CARD = FigureCard(
    name="specialisation",
    title=TITLE,
    prepare=prepare_specialisation,
    draw=draw_specialisation,
    caption=(
        "The metrics of routing at every evaluation during training; lower is better, bands are intervals of the mean, "
        "and the dotted line is Random. Adaptation is estimated from the activation matrix, as if the use of modules "
        "depended on the rule alone. Runs that failed are left out from their first step on."
    ),
    panels=("setting", "num_rules", "quantity"),
    per_setting=True,
    lack=lacks_modules,
    unseen=not_recorded,
    at_checkpoint=False,
)
