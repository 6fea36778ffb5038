"""What the page's script is given: the store's names, the charts' specifications, and the numbers, all as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import pandas as pd
import vl_convert

from modbench.analysis import model_title, random_baselines
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, METRICS, QUANTITIES, error_unit
from modbench.figures.style import HEAT_POWER, ModelStyle
from modbench.report.charts import charts, marker_path
from modbench.report.frame import in_block, own_script
from modbench.report.numbers import SHOWN, numbers
from modbench.store.table import Tables

LICENCE = "/* Vega, Vega-Lite, Vega-Embed: BSD-3-Clause, University of Washington Interactive Data Lab and others */"
SCRIPTS = ("frame.js", "page.js", "explore.js", "heat.js", "matrices.js", "films.js", "start.js")


@dataclass(frozen=True)
class Slot:
    """A chart's place on the page.

    Attributes:
        along: what is along x: `"rules"`, `"capacity"`, `"length"`, `"steps"`, `"course"` (steps too, of routing) or
            `"runs"`.
        which: position of the quantity in `SHOWN`; along lengths the scale of the inputs, along steps the number of
            rules, along a course the position in `CURVE_METRICS`.
        title: of the chart.
    """

    along: str
    which: float
    title: str


@dataclass(frozen=True)
class Named:
    """A setting in the terms of the page's controls: `family` is its architecture, `rest` what else it differs in."""

    name: str
    family: str
    kind: str
    rest: str
    unit: str


def named_settings(planned: pd.DataFrame, settings: Sequence[str]) -> list[Named]:
    """The settings, taken apart.

    Args:
        planned: runs, with settings.
        settings: in reporting order.
    """
    kinds = planned.drop_duplicates("setting").set_index("setting")["kind"].to_dict()
    found = []
    for setting in settings:
        kind = str(kinds[setting])
        family, _, rest = setting.partition(f" · {kind}")
        found.append(Named(setting, family, kind, rest.removeprefix(" · "), error_unit(kind)))
    return found


def slots(rules: Sequence[int]) -> dict[str, list[Slot]]:
    """All charts of the page, by the group that they stand in."""
    errors = [(k, QUANTITIES[name].title) for k, name in enumerate(SHOWN) if name not in METRICS]
    metrics = [(k, QUANTITIES[name].title) for k, name in enumerate(SHOWN) if name in METRICS]
    return {
        "errors": [Slot("rules", k, f"{title}, against rules") for k, title in errors],
        "capacities": [Slot("capacity", k, f"{title}, against capacity") for k, title in errors],
        "lengths": [
            Slot("length", scale, f"Error against test length, {words}")
            for scale, words in ((1.0, "inputs as in training"), (2.0, "inputs doubled"))
        ],
        "routing": [Slot("rules", k, title) for k, title in metrics],
        "curves": [Slot("steps", R, f"{R} rules") for R in rules],
        "courses": [Slot("course", k, card.title) for k, card in enumerate(CURVE_METRICS.values())],
        "runs": [Slot("runs", k, title) for k, title in errors + metrics],
    }


def shared_data(
    tables: Tables,
    planned: pd.DataFrame,
    settings: Sequence[Named],
    styles: dict[str, ModelStyle],
    checkpoint: str,
) -> dict[str, Any]:
    """What all settings share."""
    routed = set(planned.loc[planned["scores"] != "none", "model"])
    places = {setting.name: place for place, setting in enumerate(settings)}
    random = [
        [places[setting], num_rules, SHOWN.index(quantity), mean]
        for setting, num_rules, quantity, mean in random_baselines(tables).to_numpy().tolist()
    ]
    return {
        "models": [
            {"title": model_title(model), "colour": style.colour, "path": marker_path(style), "routed": model in routed}
            for model, style in styles.items()
        ],
        "settings": [asdict(setting) for setting in settings],
        "quantities": [{"title": QUANTITIES[name].title, "metric": name in METRICS} for name in SHOWN],
        "courses": [
            {"title": card.title, "random": SHOWN.index(name)}
            for name, card in zip(METRICS, CURVE_METRICS.values(), strict=True)
        ],
        "checkpoints": CHECKPOINTS,
        "checkpoint": CHECKPOINTS.index(checkpoint),
        "random": random,
        "charts": charts(styles),
        "heat_power": HEAT_POWER,
    }  # fmt: skip


def setting_data(tables: Tables, settings: Sequence[Named]) -> list[dict[str, Any]]:
    """The numbers of every setting, in their order; see `modbench.report.numbers.Numbers`."""
    found = {setting: vars(given) for setting, given in numbers(tables)}
    return [found[setting.name] for setting in settings]


@cache
def scripts() -> tuple[str, ...]:
    """What runs on the page: Vega, Vega-Lite and Vega-Embed as the package vl-convert ships them, then our own."""
    vega = vl_convert.javascript_bundle()  # pyright: ignore[reportCallIssue] - its stub wants what it does not
    return in_block(f"{LICENCE}\n{vega}", strict=False), own_script(SCRIPTS)
