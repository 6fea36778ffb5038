"""Learning curves: error on fresh data during training, one panel per setting and number of rules (PAPER Fig. 7).

L1 and percentages have panels of their own, and each curve averages the same runs from its first step to its last:
a run that failed is left out and counted.
"""

from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.analysis.summary import GROUP
from modbench.figures.along import error_label, errors_along
from modbench.figures.axes import spans_decades, value_axis
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.frame import Heading, Margins, frame, handles, nothing
from modbench.figures.panels import steps_axis
from modbench.figures.rows import GAP, share_left, title_room
from modbench.figures.style import look, model_styles
from modbench.store.table import Tables

TITLE = "Learning curves"


def prepare_curves(tables: Tables) -> FigureData:
    """Mean error at each evaluation during training, with intervals, capacities averaged.

    Returns:
        Columns `setting`, `kind`, `num_rules`, `model`, `step`, `mean`, `low`, `high`, `num_runs`.
    """
    tables = with_settings(tables)
    by, values = ["kind", *GROUP], ["run_id", "task_seed", "seed", "step", "error"]
    done = tables.curves.loc[tables.curves["status"] == "done", [*by, *values]]
    return FigureData.of(tables, errors_along(done, by, "step"), checkpoint=None)


def draw_curves(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting, a panel per number of rules."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    settings, rules = data.present("setting"), sorted(data.present("num_rules"))
    models, styles = data.present("model"), model_styles(data.models)
    alone = len(settings) == 1
    columns = 3 if alone else len(rules)
    panels = [(setting, R) for setting in settings for R in rules]
    with look():
        heading = (
            None if compact else Heading(data.titled(TITLE), data.footer(), handles(styles, models, "line"))
        )
        heads = ["" if alone or rules[0] != R else setting for setting, R in panels]
        titles = [f"{head}\n{R} rules".strip() for head, (_, R) in zip(heads, panels, strict=True)]
        margins = Margins(GAP, GAP, title_room(titles), beside=0.58 - GAP)
        figure, grid = frame(len(panels), columns, (3.0, 2.5) if compact else (2.2, 2.2), margins, heading)
        for axes, (setting, R), title in zip(grid, panels, titles, strict=True):
            of_setting = data.frame[data.frame["setting"] == setting]
            shown = of_setting[of_setting["num_rules"] == R]
            if shown.empty:
                axes.axis("off")
                continue
            for model in models:
                rows = shown[shown["model"] == model].sort_values("step")
                step, mean = rows["step"].to_numpy(float), rows["mean"].to_numpy(float)
                low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
                axes.fill_between(step, low, high, color=styles[model].hex, alpha=0.16, linewidth=0)
                axes.plot(step, mean, color=styles[model].hex, linestyle=styles[model].dash)
            means = of_setting["mean"].to_numpy(float)
            value_axis(axes, means, spans_decades(means))
            axes.set_xlim(0, max(1, shown["step"].max()))
            steps_axis(axes)
            axes.set_ylabel(error_label(shown["kind"].iloc[0]))
            axes.set_title(title)
        share_left(grid)
    return figure


CARD = FigureCard(
    name="curves",
    title=TITLE,
    prepare=prepare_curves,
    draw=draw_curves,
    caption=(
        "Error on fresh data during training, on a logarithmic axis where it falls far; bands are intervals "
        "of the mean. A curve that falls earlier learns faster. Runs that failed are left out from their "
        "first step on."
    ),
    panels=("setting", "num_rules"),
    paper="Fig. 7",
    at_checkpoint=False,
)
