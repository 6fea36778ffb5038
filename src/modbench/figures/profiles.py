"""Performance profiles: the share of runs whose error is at most tau, by setting, shift and number of rules."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from modbench.analysis import performance_profiles, with_settings
from modbench.figures.along import ERRORS, error_label
from modbench.figures.axes import decades, thin_ticks
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.frame import Heading, Margins, fitted, frame, handles, nothing
from modbench.figures.rows import GAP, share_left, stacked, title_room
from modbench.figures.style import look, model_styles
from modbench.store.table import Tables

TITLE = "Performance profiles"


def prepare_profiles(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Share of runs whose error is at most tau, in and out of distribution, capacities taken together.

    Returns:
        Columns `setting`, `kind`, `num_rules`, `model`, `quantity`, `tau`, `share`, `low`, `high`, `num_runs`,
        `num_failed`.
    """
    tables = with_settings(tables)
    by = ("setting", "kind", "num_rules", "model")
    parts = [
        performance_profiles(tables, quantity, by, checkpoint=checkpoint).assign(quantity=quantity)
        for quantity in ERRORS
    ]
    table = pd.concat(parts, ignore_index=True)
    columns = [*by, "quantity", *(name for name in table if name not in (*by, "quantity"))]
    return FigureData.of(tables, table[columns], checkpoint=checkpoint, value="share")


def draw_profiles(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting and shift, a panel per number of rules."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    settings, quantities, rules = (data.present(name) for name in ("setting", "quantity", "num_rules"))
    models, styles = data.present("model"), model_styles(data.models)
    panels = [
        (setting, quantity, R) for setting in settings for quantity in quantities for R in sorted(rules)
    ]
    with look():
        heading = (
            None if compact else Heading(data.titled(TITLE), data.footer(), handles(styles, models, "line"))
        )
        # A row is of one shift if it has several numbers of rules, else of both shifts.
        several = len(rules) > 1 and not compact
        words = [(ERRORS[quantity].capitalize(), f"{R} rules") for _, quantity, R in panels]
        columns = len(rules) if several else len(quantities)
        heads = [""] * len(panels)
        for first in range(0, 0 if compact else len(panels), columns):
            head = ", ".join([panels[first][0]] * (len(settings) > 1) + [ERRORS[panels[first][1]]] * several)
            heads[first] = head[:1].upper() + head[1:]
        own = [R if several else f"{shift}, {R}" for shift, R in words]
        margins = Margins(GAP, GAP, beside=0.58 - GAP)
        size = (3.0, 2.5) if compact else (2.4, 2.3)
        row = fitted(min(columns, len(panels)), size[0], margins)
        titles = stacked(own, heads, row, margins)
        margins = margins._replace(top=title_room(titles))
        figure, grid = frame(len(panels), columns, size, margins, heading)
        for axes, (setting, quantity, R), title in zip(grid, panels, titles, strict=True):
            at = (data.frame["setting"] == setting) & (data.frame["quantity"] == quantity)
            shown = data.frame[at & (data.frame["num_rules"] == R)]
            if shown.empty:
                axes.axis("off")
                continue
            for model in models:
                rows, style = shown[shown["model"] == model], styles[model]
                tau, share, low, high = (
                    rows[name].to_numpy(float) for name in ("tau", "share", "low", "high")
                )
                # Where no run or every run is below, the bands of all models are the same.
                some = (share > 0) & (share < 1)
                axes.fill_between(
                    tau, low, high, where=some, color=style.hex, alpha=0.14, linewidth=0, step="post"
                )
                axes.step(tau, share, color=style.hex, linestyle=style.dash, where="post")
            if shown["tau"].max() > 0:
                axes.set_xscale("log")
                ticks = decades(*axes.get_xlim())
                thin_ticks(axes, ticks, [f"{tick:g}" for tick in ticks])
                axes.xaxis.set_minor_locator(NullLocator())
            axes.set_ylim(-0.02, 1.02)
            axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
            axes.set_xlabel(error_label(shown["kind"].iloc[0]))
            axes.set_ylabel("% of runs at or below")
            axes.set_title(title)
        share_left(grid)
    return figure


CARD = FigureCard(
    name="profiles",
    title=TITLE,
    prepare=prepare_profiles,
    draw=draw_profiles,
    caption=(
        "The share of runs whose error is at most the one on the axis: the further to the left and up, the better. "
        "Where one curve lies above another throughout, its runs are better at every level of error, not on average "
        "alone. Bands are intervals of the share at each error by itself, where it is neither 0 nor 100 %. Failed "
        "runs stay above every error."
    ),
    panels=("setting", "quantity", "num_rules"),
    per_setting=True,
)
