"""Errors and metrics against capacity: encoder width, or number of parameters (PAPER section 8, appendix).

Models of equal encoder width differ in parameters, by up to 14 % in the MLP (PAPER section 7); the second figure
shows the same numbers where that is seen.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from modbench.analysis import random_baselines, summarise, with_settings
from modbench.analysis.needs import Need
from modbench.analysis.remembered import remembered
from modbench.analysis.summary import planned_runs
from modbench.core.quantities import METRICS
from modbench.figures.along import ERRORS
from modbench.figures.axes import octave_axis, thin_ticks
from modbench.figures.base import FigureCard, FigureData, part_of, with_random
from modbench.figures.lacks import listed, several, with_values
from modbench.figures.panels import Along, Panel, draw_panels, quantity_label, short_thousands
from modbench.store.table import Tables

TITLE_WIDTH = "Errors and metrics against encoder width"
TITLE_PARAMETERS = "Errors and metrics against number of parameters"
WIDTHS = (32, 64, 128, 256, 512)
"""Encoder widths of the paper."""
BY = ["setting", "num_rules", "model"]


def prepare_capacity(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean errors and metrics with intervals per setting, number of rules, encoder width and model.

    Settings with a single encoder width are left out.

    Returns:
        Columns `setting`, `kind`, `num_rules`, `encoder_width`, `model`, `quantity`, `mean`, `low`, `high`, the
        counts, and `num_parameters`, trainable ones, of the model as trained. Rows of model `"random"` hold the
        values of uniform routing, which are the same at every capacity.
    """
    return _prepared(with_settings(tables), checkpoint)


@remembered
def _prepared(tables: Tables, checkpoint: str) -> FigureData:
    """Of two figures."""
    settings = several(planned_runs(tables), "encoder_width", BY)
    part = part_of(tables, lambda runs: runs["setting"].isin(settings))
    by = ["setting", "kind", "num_rules", "encoder_width", "model"]
    summary = summarise(part, (*ERRORS, *METRICS), by=by, checkpoint=checkpoint)
    sizes = part.runs.groupby([*BY, "encoder_width"])["num_parameters"].mean().reset_index()
    summary = summary.merge(sizes, on=[*BY, "encoder_width"], how="left")
    return FigureData.of(
        part, with_random(summary, random_baselines(part)), checkpoint=checkpoint, store=tables
    )


def lacks_widths(planned: pd.DataFrame) -> Need | None:
    """One model at two encoder widths, all else being equal."""
    if several(planned, "encoder_width", BY):
        return None
    widths = sorted(planned["encoder_width"].unique())
    more = [width for width in WIDTHS if width not in widths][:1]
    return Need(
        "two or more encoder widths (model.encoder_width; the paper has "
        + listed(WIDTHS)
        + ") at one setting and "
        f"number of rules; the store has {listed(widths)}",
        (with_values(planned, "model.encoder_width", more),),
    )


def draw_capacity(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting and quantity, a panel per number of rules, encoder width along x."""
    return _draw(data, TITLE_WIDTH, Along("encoder_width", _width_axis), compact)


def draw_parameters(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting and quantity, a panel per number of rules, number of parameters along x."""
    return _draw(data, TITLE_PARAMETERS, Along("num_parameters", _parameter_axis, octaves=False), compact)


def _draw(data: FigureData, title: str, along: Along, compact: bool) -> Figure:
    rules, panels = sorted(data.present("num_rules")), []
    for setting in data.present("setting"):
        of_setting = data.frame[data.frame["setting"] == setting]
        for quantity in data.present("quantity"):
            beside = of_setting[of_setting["quantity"] == quantity]
            label = quantity_label(quantity, of_setting["kind"].iloc[0])
            for R in rules:
                shown = beside[beside["num_rules"] == R]
                panels.append(Panel(f"{R} rules", shown, beside, quantity, label))
    return draw_panels(data, title, panels, along, len(rules), (2.2, 2.0), compact=compact, shared=True)


def _width_axis(axes: Axes, rows: pd.DataFrame) -> None:
    octave_axis(axes, sorted(rows["encoder_width"].dropna().astype(int).unique()), "encoder width")


def _parameter_axis(axes: Axes, rows: pd.DataFrame) -> None:
    sizes = rows["num_parameters"].dropna()
    axes.set_xscale("log")
    axes.set_xlim(sizes.min() / 1.5, sizes.max() * 1.5)
    numbers = _round_numbers(sizes.min(), sizes.max())
    thin_ticks(axes, numbers, [short_thousands()(number, None) for number in numbers])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("parameters")


def _round_numbers(low: float, high: float) -> list[float]:
    """Few round numbers from low to high: powers of ten where they are far apart, else 1, 2, 5."""
    steps = (1,) if high > 30 * low else (1, 2, 5)
    numbers = [step * 10.0**power for power in range(12) for step in steps]
    return [number for number in numbers if low / 1.3 < number < high * 1.3] or [float(f"{low:.2g}")]


CAPACITY = FigureCard(
    name="capacity",
    title=TITLE_WIDTH,
    prepare=prepare_capacity,
    draw=draw_capacity,
    caption=(
        "Lower is better. The model's width grows with the encoder's. Averages run over task seeds and seeds. "
        "Does more capacity make up for a lack of specialisation, and does it change how modules are used?"
    ),
    panels=("setting", "quantity"),
    per_setting=True,
    paper="appendix",
    lack=lacks_widths,
)
PARAMETERS = FigureCard(
    name="parameters",
    title=TITLE_PARAMETERS,
    prepare=prepare_capacity,
    draw=draw_parameters,
    caption=(
        "Lower is better. Models of equal widths have nearly but not quite as many parameters: where two lie on "
        "one curve, size explains their difference. Averages run over task seeds and seeds."
    ),
    panels=("setting", "quantity"),
    per_setting=True,
    paper="appendix",
    lack=lacks_widths,
)
