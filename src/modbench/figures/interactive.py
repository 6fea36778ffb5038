"""Figures that can be explored, as Altair charts: hover for value, interval and runs, choose a setting, pick models.

Each holds the numbers of one figure (or of single runs) and nothing else, so it can be saved, changed and combined like
any Altair chart. No parameter and no field may be named `E`, which Vega reads as Euler's number.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from modbench.analysis import model_title, models_in_order, settings_in_order, with_settings
from modbench.analysis.summary import planned_runs
from modbench.core.errors import RequestError
from modbench.core.quantities import METRICS, QUANTITIES, error_unit
from modbench.figures.activation import best_order
from modbench.figures.base import RANDOM
from modbench.figures.curves import prepare_curves
from modbench.figures.error import prepare_error
from modbench.figures.metrics import prepare_metrics
from modbench.figures.style import COLOURS, HEAT, model_styles
from modbench.store.table import Tables

MOST_RUNS = 5000
"""Runs of which each is a point; more make a page slow."""
MOST_MATRICES = 300
"""Runs whose matrices one chart may hold."""
WIDTH, HEIGHT = 260, 200
Explorable = alt.Chart | alt.FacetChart
TOOLTIP = ["model:N", "place:N", alt.Tooltip("mean:Q", format=".4g"), "interval:N", "runs:Q"]


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


def curves_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Mean error during training, with bands for intervals, a panel per number of rules."""
    del checkpoint  # training has none
    data = prepare_curves(tables)
    frame = data.frame.assign(panel=data.frame["num_rules"].astype(str) + " rules", at=data.frame["step"])
    source, colour, shown, chosen = _parts(_told(frame, "step {}"), data.settings, data.models)
    x = alt.X("at:Q", title="training steps", axis=alt.Axis(format="~s", tickCount=5))
    base = alt.Chart().encode(x=x, color=colour, opacity=alt.condition(shown, alt.value(1), alt.value(0.12)))
    y = alt.Y("mean:Q", title="error", scale=alt.Scale(zero=False))
    band = base.mark_area(fillOpacity=0.15, strokeOpacity=0).encode(
        y=alt.Y("low:Q", title="error"), y2="high:Q"
    )
    marks = base.mark_point(size=60, filled=True, fillOpacity=0).encode(y=y, tooltip=TOOLTIP)
    layers = _layers(band, base.mark_line().encode(y=y), marks, data=source)
    return _faceted(layers, shown, chosen, sorted(frame["panel"].unique(), key=_first_number), 3)


def runs_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Every run as a point: how a quantity is distributed over task seeds and seeds, a panel per number of rules."""
    runs = planned_runs(tables, checkpoint)
    runs = runs[runs["state"] == "done"]
    _at_most(len(runs), MOST_RUNS, "runs")
    names = [name for name in QUANTITIES if not name.startswith("loss")]
    facts = ["setting", "num_rules", "model", "encoder_width", "task_seed", "seed", "run_id"]
    frame = runs[[*facts, *names]].melt(facts, names, "quantity", "mean").dropna(subset="mean")
    frame = frame.rename(columns={"encoder_width": "width"})
    panel = frame["num_rules"].astype(str) + " rules"
    frame = frame.assign(
        panel=panel, quantity=frame["quantity"].map(lambda name: QUANTITIES[str(name)].title)
    )
    # Runs stand beside each other by their seeds, so that none hides another.
    frame["beside"] = frame.groupby(["setting", "num_rules", "model", "quantity"]).cumcount() % 7
    source, colour, shown, chosen = _parts(frame, settings_in_order(runs), models_in_order(runs["model"]))
    quantity = alt.param(
        name="quantity", value=QUANTITIES["error_id"].title,
        bind=alt.binding_select(options=list(frame["quantity"].unique()), name="quantity "),
    )  # fmt: skip
    titles = [model_title(model) for model in models_in_order(runs["model"])]
    layers = _layers(
        alt.Chart()
        .mark_circle(size=45)
        .encode(
            x=alt.X("model:N", title=None, sort=titles, axis=alt.Axis(labels=False, ticks=False)),
            xOffset=alt.XOffset("beside:Q", scale=alt.Scale(domain=[-1, 7])),
            y=alt.Y("mean:Q", title=None, scale=alt.Scale(zero=False)),
            color=colour,
            opacity=alt.condition(shown, alt.value(0.8), alt.value(0.08)),
            tooltip=["model:N", "mean:Q", "task_seed:Q", "seed:Q", "width:Q", "run_id:N"],
        )
        .transform_filter("datum.quantity == quantity"),
        data=source,
    )
    panels = sorted(frame["panel"].unique(), key=_first_number)
    return _faceted(layers, shown, [*chosen, quantity], panels, 3, width=150)


def matrices_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Activation matrices of single runs, one at a time, modules in the order that matches the rules best."""
    tables = with_settings(tables)
    found = tables.activations[
        (tables.activations["checkpoint"] == checkpoint) & (tables.activations["status"] == "done")
    ]
    _at_most(len(found), MOST_MATRICES, "runs with activation matrices")
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
    colours = [to_hex(HEAT(level)) for level in np.linspace(0, 1, 9)]
    return (
        alt.Chart(_source(pd.concat(parts)))
        .mark_rect()
        .encode(
            x=alt.X("position:O", title="module", axis=alt.Axis(labels=False, ticks=False)),
            y=alt.Y("rule:O", title="rule"),
            color=alt.Color(
                "probability:Q", scale=alt.Scale(domain=[0, 1], range=colours), title="p(module | rule)"
            ),
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
    titles = {name: QUANTITIES[name].title for name in frame["quantity"].unique()}
    frame = frame.assign(panel=frame["quantity"].map(titles), at=frame["num_rules"])
    source, colour, shown, chosen = _parts(_told(frame, "{} rules"), settings, models)
    base = alt.Chart().encode(
        x=alt.X("at:O", title="rules", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=None),
        color=colour,
        opacity=alt.condition(shown, alt.value(1), alt.value(0.12)),
    )
    y = alt.Y("mean:Q", title=None, scale=alt.Scale(zero=True))
    rule = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    point = base.mark_point(filled=True, size=60).encode(y=y, tooltip=TOOLTIP)
    layers = _layers(rule, point, data=source)
    return _faceted(layers, shown, chosen, list(titles.values()), columns)


def _faceted(
    layers: alt.LayerChart,
    shown: alt.Parameter,
    chosen: Sequence[alt.Parameter],
    panels: Sequence[str],
    columns: int,
    width: int = WIDTH,
) -> Explorable:
    """Panels side by side, each with a y axis of its own, and the controls."""
    layers = layers.properties(width=width, height=HEIGHT)
    if any(param.name == "setting" for param in chosen):
        layers = layers.transform_filter("datum.setting == setting")
    facet = alt.Facet("panel:N", title=None, sort=list(panels))
    return (
        layers.add_params(shown, *chosen).facet(facet=facet, columns=columns).resolve_scale(y="independent")
    )


def _parts(
    frame: pd.DataFrame, settings: Sequence[str], models: Sequence[str]
) -> tuple[alt.Data, alt.Color, alt.Parameter, list[alt.Parameter]]:
    """The numbers, the colours of the models, what a click on the legend shows, and the choice of a setting."""
    styles = model_styles(models)
    looks = {model_title(model): styles[model].hex for model in models}
    if (frame["model"] == RANDOM).any():
        looks["Random"] = COLOURS["ink"]
    titles = frame["model"].map(lambda model: "Random" if model == RANDOM else model_title(str(model)))
    scale = alt.Scale(domain=list(looks), range=list(looks.values()))
    colour = alt.Color("model:N", title=None, scale=scale, legend=alt.Legend(orient="top"))
    shown = alt.selection_point(name="shown", fields=["model"], bind="legend")
    present = [setting for setting in settings if setting in set(frame["setting"])]
    select = alt.binding_select(options=present, name="setting ")
    chosen = [alt.param(name="setting", value=present[0], bind=select)] if len(present) > 1 else []
    return _source(frame.assign(model=titles)), colour, shown, chosen


def _told(frame: pd.DataFrame, place: str) -> pd.DataFrame:
    """What a tooltip says, in words."""
    kinds = frame["kind"] if "kind" in frame else pd.Series("", index=frame.index)
    names = frame["quantity"] if "quantity" in frame else pd.Series("error", index=frame.index)
    units = [
        "" if name in METRICS or not kind else f" {error_unit(kind)}"
        for name, kind in zip(names, kinds, strict=True)
    ]
    bounds = zip(frame["low"].astype(float), frame["high"].astype(float), units, strict=True)
    interval = [
        f"{low:.4g} to {high:.4g}{unit}" if np.isfinite([low, high]).all() else "none"
        for low, high, unit in bounds
    ]
    kept = [name for name in ("setting", "panel", "model", "mean", "low", "high") if name in frame]
    words = {"place": frame["at"].map(place.format), "interval": interval, "runs": frame["num_runs"]}
    return frame[[*kept, "at"]].assign(**words)


def _layers(*charts: alt.Chart, data: alt.Data) -> alt.LayerChart:
    """Charts on top of each other, of the same numbers."""
    return alt.LayerChart(layer=list(charts), data=data)


def _source(frame: pd.DataFrame) -> alt.Data:
    """A table as plain values, null where there is none."""
    return alt.Data(values=json.loads(frame.to_json(orient="records", double_precision=15)))


def _at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise RequestError(
            f"at most {most:,} {what} can be explored at once, got {count:,}: choose some by column"
        )


def _first_number(panel: Any) -> int:
    return int(str(panel).split(" ", 1)[0])
