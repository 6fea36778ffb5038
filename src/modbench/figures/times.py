"""How long runs take to learn and to specialise: median steps to given targets, against the number of rules."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from modbench.analysis import with_settings
from modbench.analysis.over_time import TARGETS, times
from modbench.figures.axes import dodged, points, rules_axis
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.frame import Heading, Margins, fitted, frame, handles, nothing
from modbench.figures.panels import short_thousands
from modbench.figures.rows import GAP, share_left, stacked, title_room
from modbench.figures.style import COLOURS, look, model_styles
from modbench.store.table import Tables

TITLE = "Steps to a given error and a given alignment"
NEVER = "never"
NOTE = f"{NEVER}: fewer than half of the runs got there"


def prepare_times(tables: Tables) -> FigureData:
    """Median steps to each target with intervals, and the share of runs that reach it, capacities pooled.

    Returns:
        The columns of `modbench.analysis.over_time.times`.
    """
    tables = with_settings(tables)
    found = times(tables)
    found = found[(found["num_runs"] > 0) | (found["num_unrecorded"] == 0)]
    notes = [NOTE] + ["x: no finished run"] * bool(found["steps"].isna().any())
    return FigureData.of(tables, found, notes, checkpoint=None, value="steps")


def draw_times(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting, a panel per target; up is longer, and above a gap is what did not happen in the training."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    settings, models = data.present("setting"), data.present("model")
    styles, alone = model_styles(data.models), len(settings) == 1
    targets = [name for name in TARGETS if name in set(data.frame["target"])]
    panels = [(setting, target) for setting in settings for target in targets]
    with look():
        heading = None if compact else Heading(data.titled(TITLE), data.footer(), handles(styles, models))
        columns, margins = 3 if alone else len(targets), Margins(GAP, GAP, beside=0.5 - GAP)
        row = fitted(columns, 2.2, margins)
        words = {name: TARGETS[name].title.replace(" of ", " of\N{NO-BREAK SPACE}") for name in targets}
        heads = ["" if alone or target != targets[0] else setting for setting, target in panels]
        titles = stacked([words[target] for _, target in panels], heads, row, margins)
        margins = margins._replace(top=title_room(titles))
        figure, grid = frame(len(panels), columns, (2.2, 2.2), margins, heading)
        for axes, (setting, target), title in zip(grid, panels, titles, strict=True):
            of_setting = data.frame[data.frame["setting"] == setting]
            shown = of_setting[of_setting["target"] == target]
            if shown["steps"].isna().all():
                axes.axis("off")
                continue
            rules_axis(axes, sorted(of_setting["num_rules"].unique()))
            never = _steps_axis(axes, of_setting)
            aside = dodged(axes, of_setting["num_rules"].unique(), len(models))
            for position, model in enumerate(models):
                rows = shown[shown["model"] == model].sort_values("num_rules")
                at = rows["num_rules"].to_numpy(float) * aside[position]
                numbers = rows.rename(columns={"steps": "mean"})[["mean", "low", "high"]].astype(float)
                shown_at, there = numbers.replace(np.inf, never), np.isfinite(numbers["mean"].to_numpy())
                for part in (there, *(np.arange(len(at)) == place for place in np.flatnonzero(~there))):
                    points(
                        axes, at[part], shown_at[part], styles[model]
                    )  # no line leads to where nothing happened
            axes.set_title(title)
        share_left(grid)
    return figure


def _steps_axis(axes: Axes, rows: pd.DataFrame) -> float:
    """Steps along y in decades, so that early ones are told apart, and 0; returns where `NEVER` is."""
    last = float(rows["last_step"].max())
    ends = rows[["steps", "low", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    first = ends[ends > 0].min(initial=last)
    gap = max(1.25, (last / first) ** 0.08)
    never = last * gap**2
    axes.set_yscale("symlog", linthresh=first, linscale=0.5)
    zero = bool((ends == 0).any())
    axes.set_ylim(-0.15 * first if zero else first / 1.3, never * gap)
    decades = [n * 10.0**k for k in range(9) for n in (1, 3) if first <= n * 10.0**k <= last]
    ticks = [0.0] * zero + (decades or [first])
    texts = [short_thousands()(step, None) for step in ticks]
    axes.yaxis.set_major_locator(FixedLocator([*ticks, never]))
    axes.yaxis.set_major_formatter(FixedFormatter([*texts, NEVER]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(last * gap, color=COLOURS["muted"], linewidth=0.7, linestyle=(0, (4, 3)))
    return never


CARD = FigureCard(
    name="times",
    title=TITLE,
    prepare=prepare_times,
    draw=draw_times,
    caption=(
        "The step at which half of the runs have got there, for an error that is a share of the untrained one and for "
        "an alignment; lower is faster. Steps are in decades. Runs that do not get there count as slower than all "
        f"others: a point at “{NEVER}” says that fewer than half of them got there. Known to the distance of two "
        "evaluations. For collapse, later is better."
    ),
    panels=("setting", "target"),
    at_checkpoint=False,
)
