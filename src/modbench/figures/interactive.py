"""Figures that can be explored, as Altair charts: hover for value, interval and runs, choose a setting, pick models.

Each holds the numbers of one figure (or of single runs) and nothing else, so it can be saved, changed and combined like
any Altair chart. No parameter and no field may be named `E`, which Vega reads as Euler's number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from modbench.analysis import model_title, models_in_order, settings_in_order, with_settings
from modbench.analysis.summary import planned_runs
from modbench.core.errors import RequestError
from modbench.core.quantities import QUANTITIES, error_unit
from modbench.figures.activation import best_order
from modbench.figures.error import prepare_error
from modbench.figures.explorable import (
    TOOLTIP,
    WIDTH,
    Explorable,
    at_most,
    faceted,
    first_number,
    layered,
    shared,
    told,
    values,
)
from modbench.figures.explorable_courses import curves_chart, specialisation_chart, times_chart
from modbench.figures.metrics import prepare_metrics
from modbench.figures.style import COLOURS, HEAT_POWER
from modbench.store.table import Tables

MOST_RUNS = 5000
"""Runs of which each is a point; more make a page slow."""
MOST_MATRICES = 300
"""Runs whose matrices one chart may hold."""


@dataclass(frozen=True)
class ChartCard:
    """How to make a chart that can be explored, and how to read it.

    Attributes:
        title: headline.
        caption: how to read it.
        make: tables and checkpoint -> chart.
        figure: the figure whose numbers it shows; None for single runs.
    """

    title: str
    caption: str
    make: Callable[[Tables, str], Explorable]
    figure: str | None = None


def error_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Mean errors with intervals against the number of rules, in and out of distribution."""
    data = prepare_error(tables, checkpoint)
    return _points(data.frame, data.settings, data.models, 2)


def metrics_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """The routing metrics with intervals against the number of rules, and what Random scores."""
    data = prepare_metrics(tables, checkpoint)
    return _points(data.frame, data.settings, data.models, 3)


def runs_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Every run as a point: how a quantity is distributed over task seeds and seeds, a panel per number of rules."""
    runs = planned_runs(tables, checkpoint)
    runs = runs[runs["state"] == "done"]
    at_most(len(runs), MOST_RUNS, "runs")
    names = [name for name in QUANTITIES if not name.startswith("loss")]
    facts = ["setting", "kind", "num_rules", "model", "encoder_width", "task_seed", "seed", "run_id"]
    frame = runs[[*facts, *names]].melt(facts, names, "quantity", "mean").dropna(subset="mean")
    frame = frame.rename(columns={"encoder_width": "width"})
    titles = {name: _with_unit(name, frame) for name in names}
    panel = frame["num_rules"].astype(str) + " rules"
    frame = frame.assign(panel=panel, quantity=frame["quantity"].map(titles))
    # Runs stand beside each other by their seeds, so that none hides another.
    frame["beside"] = frame.groupby(["setting", "num_rules", "model", "quantity"]).cumcount() % 7
    source, colour, shown, chosen = shared(frame, settings_in_order(runs), models_in_order(runs["model"]))
    quantity = alt.param(
        name="quantity", value=titles["error_id"],
        bind=alt.binding_select(options=list(frame["quantity"].unique()), name="quantity "),
    )  # fmt: skip
    models = [model_title(model) for model in models_in_order(runs["model"])]
    layers = layered(
        alt.Chart()
        .mark_circle(size=45)
        .encode(
            x=alt.X("model:N", title=None, sort=models, axis=alt.Axis(labels=False, ticks=False)),
            xOffset=alt.XOffset("beside:Q", scale=alt.Scale(domain=[-1, 7])),
            y=alt.Y("mean:Q", title=None, scale=alt.Scale(zero=False)),
            color=colour,
            opacity=alt.condition(shown, alt.value(0.8), alt.value(0.08)),
            tooltip=["model:N", "mean:Q", "task_seed:Q", "seed:Q", "width:Q", "run_id:N"],
        )
        .transform_filter("datum.quantity == quantity"),
        data=source,
    )
    panels = sorted(frame["panel"].unique(), key=first_number)
    # The axis is of what is chosen, which only a headline can say.
    title = alt.TitleParams(text=alt.ExprRef(expr="quantity"), anchor="start")
    return faceted(layers, shown, [*chosen, quantity], panels, 3, width=150).properties(title=title)


def matrices_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Activation matrices of single runs, one at a time, modules in the order that matches the rules best."""
    tables = with_settings(tables)
    found = tables.activations[
        (tables.activations["checkpoint"] == checkpoint) & (tables.activations["status"] == "done")
    ]
    at_most(len(found), MOST_MATRICES, "runs with activation matrices")
    if found.empty:
        raise RequestError("a finished run of a modular model is needed, got none")
    order = {model: place for place, model in enumerate(models_in_order(found["model"]))}
    found = found.sort_values(
        ["setting", "num_rules", "model", "task_seed", "seed", "encoder_width"],
        key=lambda column: column.map(order).astype(int) if column.name == "model" else column,
    )
    parts, labels = [], []
    several = found["setting"].nunique() > 1
    for run in found.itertuples():
        matrix = np.asarray(run.matrix)
        modules = best_order(matrix)
        R, M = matrix.shape
        seeds = f"task {run.task_seed}, seed {run.seed}, width {run.encoder_width}"
        label = f"{model_title(str(run.model))}, R={R}, {seeds}"
        labels.append(f"{run.setting}: {label}" if several else label)
        parts.append(
            pd.DataFrame({
                "run": labels[-1], "rule": np.repeat(np.arange(R), M), "position": np.tile(np.arange(M), R),
                "module": np.tile(modules, R), "probability": matrix[:, modules].ravel(),
            })
        )  # fmt: skip
    run = alt.param(name="run", value=labels[0], bind=alt.binding_select(options=labels, name="run "))
    ends = [COLOURS["paper"], COLOURS["heat"]]
    colours = alt.Scale(type="pow", exponent=HEAT_POWER, domain=[0, 1], range=ends, interpolate="rgb")
    return (
        alt.Chart(values(pd.concat(parts)))
        .mark_rect()
        .encode(
            x=alt.X("position:O", title="module", axis=alt.Axis(labels=False, ticks=False)),
            y=alt.Y("rule:O", title="rule"),
            color=alt.Color("probability:Q", scale=colours, title="p(module | rule)"),
            tooltip=["rule:O", "module:O", alt.Tooltip("probability:Q", format=".3f")],
        )
        .add_params(run)
        .transform_filter("datum.run == run")
        .properties(width=WIDTH, height=WIDTH)
    )


CHARTS: dict[str, ChartCard] = {
    "error": ChartCard(
        "Error against the number of rules",
        "Hover for value, interval and number of runs; click a model in the legend to single it out, with the shift "
        "key to add others.",
        error_chart,
        "error",
    ),
    "metrics": ChartCard(
        "Collapse and specialisation against the number of rules",
        "0 is the best of each metric. Random is uniform routing. Hover for value, interval and number of runs.",
        metrics_chart,
        "metrics",
    ),
    "curves": ChartCard(
        "Learning curves", "Error on fresh data during training; bands are intervals.", curves_chart, "curves"
    ),
    "specialisation": ChartCard(
        "Collapse and specialisation over training",
        "The metrics at every evaluation during training, at the number of rules that is chosen; bands are intervals, "
        "the dotted line is Random.",
        specialisation_chart,
        "specialisation",
    ),
    "times": ChartCard(
        "Steps to a given error and a given alignment",
        "The step at which half of the runs have got there; at the top, where fewer ever did.",
        times_chart,
        "times",
    ),
    "runs": ChartCard(
        "Every run",
        "How a quantity, which can be chosen, is distributed over runs; hover for task seed, seed and run id.",
        runs_chart,
        "error",
    ),
    "matrices": ChartCard(
        "Activation matrices of single runs",
        "p(module | rule) of the run that is chosen; perfect specialisation is a diagonal.",
        matrices_chart,
    ),
}
"""The charts by name."""


def _points(frame: pd.DataFrame, settings: Sequence[str], models: Sequence[str], columns: int) -> Explorable:
    titles = {name: _with_unit(name, frame) for name in frame["quantity"].unique()}
    frame = frame.assign(panel=frame["quantity"].map(titles), at=frame["num_rules"])
    source, colour, shown, chosen = shared(told(frame, "{} rules"), settings, models)
    base = alt.Chart().encode(
        x=alt.X("at:O", title="rules", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=None),
        color=colour,
        opacity=alt.condition(shown, alt.value(1), alt.value(0.12)),
    )
    y = alt.Y("mean:Q", title=None, scale=alt.Scale(zero=True))
    rule = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    point = base.mark_point(filled=True, size=60).encode(y=y, tooltip=TOOLTIP)
    layers = layered(rule, point, data=source)
    return faceted(layers, shown, chosen, list(titles.values()), columns)


def _with_unit(quantity: str, frame: pd.DataFrame) -> str:
    """A quantity's title, and the unit that it has in the kinds of some rows."""
    card = QUANTITIES[quantity]
    if not card.unit:
        return card.title
    units = dict.fromkeys(error_unit(str(kind)) for kind in frame["kind"].unique())
    return f"{card.title} ({' or '.join(units)})"
