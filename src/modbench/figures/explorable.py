"""What charts that can be explored have in common: panels, colours, controls, and what a tooltip says.

No parameter and no field may be named `E`, which Vega reads as Euler's number.
"""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from modbench.analysis import model_title
from modbench.core.errors import RequestError
from modbench.core.quantities import METRICS, error_unit
from modbench.figures.base import RANDOM
from modbench.figures.style import COLOURS, model_styles

WIDTH, HEIGHT = 260, 200
Explorable = alt.Chart | alt.FacetChart
TOOLTIP = ["model:N", "place:N", alt.Tooltip("mean:Q", format=".4g"), "interval:N", "runs:Q"]


def faceted(
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


def shared(
    frame: pd.DataFrame, settings: Sequence[str], models: Sequence[str]
) -> tuple[alt.Data, alt.Color, alt.Parameter, list[alt.Parameter]]:
    """The numbers, the colours of the models, what a click on the legend shows, and the choice of a setting."""
    styles = model_styles(models)
    looks = {model_title(model): styles[model].hex for model in models}
    if (frame["model"] == RANDOM).any():
        looks["Random"] = COLOURS["ink"]
    titles = frame["model"].map(lambda model: "Random" if model == RANDOM else model_title(str(model)))
    scale = alt.Scale(domain=list(looks), range=list(looks.values()))
    colour = alt.Color("model:N", title=None, scale=scale, legend=alt.Legend(orient="top", labelLimit=0))
    shown = alt.selection_point(name="shown", fields=["model"], bind="legend")
    present = [setting for setting in settings if setting in set(frame["setting"])]
    select = alt.binding_select(options=present, name="setting ")
    chosen = [alt.param(name="setting", value=present[0], bind=select)] if len(present) > 1 else []
    return values(frame.assign(model=titles)), colour, shown, chosen


def told(frame: pd.DataFrame, place: str) -> pd.DataFrame:
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


def layered(*charts: alt.Chart, data: alt.Data) -> alt.LayerChart:
    """Charts on top of each other, of the same numbers."""
    return alt.LayerChart(layer=list(charts), data=data)


def values(frame: pd.DataFrame) -> alt.Data:
    """A table as plain values, null where there is none."""
    return alt.Data(values=json.loads(frame.to_json(orient="records", double_precision=15)))


def at_most(count: int, most: int, what: str) -> None:
    """Raises `RequestError` where there is more than a page bears."""
    if count > most:
        raise RequestError(
            f"at most {most:,} {what} can be explored at once, got {count:,}: choose some by column"
        )


def first_number(panel: Any) -> int:
    """The number that a panel's title begins with."""
    return int(str(panel).split(" ", 1)[0])
