"""How long runs take to learn and to specialise: median steps to given targets, against the number of rules."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from modbench.analysis import with_settings
from modbench.analysis.over_time import TARGETS, times
from modbench.figures.axes import dodge, points, rules_axis
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.frame import Heading, Margins, frame, handles, nothing
from modbench.figures.panels import short_thousands
from modbench.figures.style import ModelStyle, look, model_styles
from modbench.store.table import Tables

TITLE = "Steps to a given error and a given alignment"
NOTE = "an arrow at the top: fewer than half of the runs got there"


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
    """A row per setting, a panel per target; up is longer, and the top of a panel is longer than the training."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    settings, models = data.present("setting"), data.present("model")
    styles, alone = model_styles(data.models), len(settings) == 1
    targets = [name for name in TARGETS if name in set(data.frame["target"])]
    panels = [(setting, target) for setting in settings for target in targets]
    with look():
        heading = None if compact else Heading(data.titled(TITLE), data.footer(), handles(styles, models))
        margins = Margins(left=0.5, top=0.3 if alone else 0.48)
        figure, grid = frame(len(panels), 3 if alone else len(targets), (2.6, 2.2), margins, heading)
        for axes, (setting, target) in zip(grid, panels, strict=True):
            of_setting = data.frame[data.frame["setting"] == setting]
            shown = of_setting[of_setting["target"] == target]
            if shown["steps"].isna().all():
                axes.axis("off")
                continue
            rules_axis(axes, sorted(of_setting["num_rules"].unique()))
            last = float(of_setting["last_step"].max())
            for position, model in enumerate(models):
                apart = dodge(position, len(models))
                _draw_model(axes, shown[shown["model"] == model], last, apart, styles[model])
            axes.set_ylim(-0.03 * last, 1.08 * last)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(short_thousands())
            title = TARGETS[target].title
            axes.set_title(title if alone else f"{setting}\n{title}")
    return figure


def _draw_model(axes: Axes, rows: pd.DataFrame, last: float, apart: float, style: ModelStyle) -> None:
    """Medians within the training as points, others as arrows at its end."""
    rows = rows.sort_values("num_rules")
    at = rows["num_rules"].to_numpy(float) * apart
    steps = rows["steps"].to_numpy(float)
    never = np.isinf(steps)
    within = pd.DataFrame({
        "mean": np.where(never, np.nan, steps), "low": np.where(never, np.nan, rows["low"]),
        "high": np.minimum(np.where(never, np.nan, rows["high"].to_numpy(float)), last),
    })  # fmt: skip
    kept = ~never | np.isnan(steps)
    points(axes, at[kept], within[kept], style)
    if never.any():
        # From where it could be at the least: what is not known is not drawn as known.
        low = np.minimum(rows["low"].to_numpy(float), last)[never]
        low = np.where(np.isfinite(low), low, last)
        axes.vlines(at[never], low, last, color=style.hex, linewidth=1.5, alpha=0.5)
        axes.plot(at[never], np.full(never.sum(), 1.03 * last), linestyle="none", marker=6, color=style.hex)


CARD = FigureCard(
    name="times",
    title=TITLE,
    prepare=prepare_times,
    draw=draw_times,
    caption=(
        "The step at which half of the runs have got there, for an error that is a share of the untrained one and for "
        "an alignment; lower is faster. Runs that never get there count as slower than all others: an arrow at the top "
        "says that fewer than half of them do. Known to the distance of two evaluations. For collapse, later is better."
    ),
    panels=("setting", "target"),
    at_checkpoint=False,
)
