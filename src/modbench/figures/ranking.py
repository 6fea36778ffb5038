"""Which model wins how many cells, as in PAPER Fig. 3, and how often single runs win.

Winning cells counts the same whether by much or by a hair, and has no interval. Where Modular meets Monolithic
alone, the probability of improvement, run against run, therefore stands on the bar; figure `improvement` has it
for all pairs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from modbench.analysis import cell_scores, probability_of_improvement, ranking, with_settings
from modbench.analysis.needs import Need
from modbench.analysis.ranking import CELL
from modbench.figures.along import ERRORS
from modbench.figures.axes import DIGIT, width_of
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.dots import percent_axis, setting_rows
from modbench.figures.frame import Heading, Margins, frame, handles, label_room, nothing
from modbench.figures.lacks import models_had, several, with_models
from modbench.figures.rows import GAP, share_left, title_room
from modbench.figures.style import COLOURS, ModelStyle, look, model_styles, on_colour
from modbench.store.table import Tables

TITLE = "Which model wins how many cells"
ALL, PAIR = "all models", "Modular against Monolithic"
EVERY = "all settings"
PAIRED = ("modular", "monolithic")
FONT = 7.5
"""Size of numbers in bars, points."""
SINGLE = ["probability", "low", "high", "num_pairs"]


def prepare_ranking(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Cells won per model, in and out of distribution, among all models and between Modular and Monolithic.

    A cell is a setting, number of rules, capacity and task seed; its score the mean error over seeds. The
    rows of setting `"all settings"` add up those of all settings, where each had the same contestants.

    Returns:
        Columns `contest`, `quantity`, `setting`, `model`, `wins`, `share`, `num_cells`, `num_incomplete`; and beside
        Modular's wins against Monolithic alone `probability`, `low`, `high` and `num_pairs`, how often a single run
        of it has the lower error.
    """
    tables = with_settings(tables)
    contests: dict[str, list[str] | None] = {ALL: None}
    present = {*tables.runs["model"], *tables.missing["model"]}
    if present > set(PAIRED):
        contests[PAIR] = list(PAIRED)
    parts = []
    for contest, models in contests.items():
        for quantity in ERRORS:
            scores = cell_scores(tables, quantity, models, checkpoint)
            table = ranking(scores)
            contestants = table.groupby("setting")["model"].agg(frozenset)
            if len(contestants) > 1 and contestants.nunique() == 1:
                table = pd.concat([table, ranking(scores, by=()).assign(setting=EVERY)])
            if set(present if models is None else models) == set(PAIRED):
                single = probability_of_improvement(tables, [PAIRED], quantity, checkpoint=checkpoint)
                table = table.merge(single.drop(columns="baseline"), on=["setting", "model"], how="left")
            parts.append(table.assign(contest=contest, quantity=quantity))
    columns = [
        "contest",
        "quantity",
        "setting",
        "model",
        "wins",
        "share",
        "num_cells",
        "num_incomplete",
        *SINGLE,
    ]
    table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    data = FigureData.of(tables, table, (), checkpoint, "share")
    notes = (
        [f"line on a bar: share of single runs that Modular wins, {data.interval_words()}"]
        if table["probability"].notna().any()
        else []
    )
    return replace(data, notes=tuple(notes))


def lacks_contestants(planned: pd.DataFrame) -> Need | None:
    """Two models on the same tasks at the same capacity."""
    if several(planned, "model", CELL):
        return None
    return Need(
        f"two or more models on the same tasks; the store has {models_had(planned)}",
        with_models(planned, PAIRED),
    )


def draw_ranking(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per contest and shift with a bar per setting, cut by the share of cells that each model wins.

    A single setting has all its bars in one panel.
    """
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer(intervals=False)))
    models = in_bars(data.models)
    styles = {model: model_styles(data.models)[model] for model in models}
    panels, labels = _panels(data)
    most = max(len(bars) for bars in panels.values())
    with look():
        legend = [
            entry
            for model in models
            if model in data.present("model")
            for entry in handles(styles, [model], "bar")
        ]
        if data.frame["probability"].notna().any():
            legend.append(Line2D([], [], color=COLOURS["ink"], marker="|", label="single runs"))
        heading = Heading(data.titled(TITLE), data.footer(intervals=False), legend)
        notes = [_cells(rows) for bars in panels.values() for rows in bars.values()]
        top = title_room(list(panels))
        margins = Margins(GAP, label_room(notes), top, beside=label_room(labels) - GAP)
        size = (margins.left + margins.right + 2.4, margins.top + margins.bottom + 0.34 * most)
        columns = len(data.present("quantity"))
        figure, grid = frame(len(panels), columns, size, margins, None if compact else heading)
        for axes, (title, bars) in zip(grid, panels.items(), strict=True):
            _bars(axes, bars, styles)
            axes.set_title(title)
        share_left(grid)
    return figure


def in_bars(models: Sequence[str]) -> list[str]:
    """Models in the order in which all bars have them: Monolithic last, so that Modular meets it from the left.

    Its share of cells and that of single runs, which a line marks, then begin at the same end of a bar.
    """
    return sorted(models, key=lambda model: model == "monolithic")


def _panels(data: FigureData) -> tuple[dict[str, dict[str, pd.DataFrame]], list[str]]:
    """Panels with their bars by label, and all labels: a bar for each setting, or a single panel for a single one."""
    parts = {
        (contest, quantity): data.only(contest=contest, quantity=quantity).frame
        for contest in data.present("contest")
        for quantity in data.present("quantity")
    }
    words = {part: (f"{part[0][0].upper()}{part[0][1:]}", ERRORS[part[1]]) for part in parts}
    present = data.present("setting")
    if len(present) == 1:
        bars = {",\n".join(words[part]): rows for part, rows in parts.items()}
        return {"": bars}, list(bars)
    settings = [setting for setting in [*data.settings, EVERY] if setting in set(data.frame["setting"])]
    panels = {
        ",\n".join(words[part]): {
            setting: rows[rows["setting"] == setting]
            for setting in settings
            if setting in set(rows["setting"])
        }
        for part, rows in parts.items()
    }
    return panels, settings


def _bars(axes: Axes, bars: dict[str, pd.DataFrame], styles: dict[str, ModelStyle]) -> None:
    for y, shown in enumerate(bars.values()):
        rows = shown.set_index("model")
        single = rows[rows["probability"].notna()]
        middle, left = y - 0.05 * (len(single) > 0), 0.0
        for model in styles:
            share = float(rows["share"].get(model, np.nan))
            if share > 0:
                axes.barh(
                    y, share, left=left, height=0.66, color=styles[model].hex, edgecolor=COLOURS["paper"],
                    linewidth=0.8,
                )  # fmt: skip
                _number(axes, left + share / 2, middle, share, styles[model].hex)
                left += share
        if len(single):
            probability, low, high = single[["probability", "low", "high"]].iloc[0].astype(float)
            beside = y + 0.27
            axes.hlines(beside, low, high, color=COLOURS["ink"], linewidth=1.2)
            axes.plot(
                probability, beside, marker="|", markersize=7, mew=1.8, color=COLOURS["ink"], clip_on=False
            )
        axes.text(1.02, y, _cells(shown), va="center", fontsize=7, color=COLOURS["muted"])
    setting_rows(axes, list(bars))
    percent_axis(axes, "% of complete cells won")
    axes.grid(False)


def _number(axes: Axes, x: float, y: float, share: float, colour: str) -> None:
    """Writes a share in the middle of its part of a bar, if it has room there."""
    text = f"{100 * share:.0f}"
    if share * width_of(axes) >= (len(text) + 1) * DIGIT * FONT:
        axes.text(x, y, text, color=on_colour(colour), ha="center", va="center", fontsize=FONT)


def _cells(rows: pd.DataFrame) -> str:
    cells, incomplete = int(rows["num_cells"].iloc[0]), int(rows["num_incomplete"].iloc[0])
    return f"{cells:,} cell{'s' * (cells != 1)}" + f" + {incomplete:,} incomplete" * (incomplete > 0)


CARD = FigureCard(
    name="ranking",
    title=TITLE,
    prepare=prepare_ranking,
    draw=draw_ranking,
    caption=(
        "A cell is one setting, number of rules, capacity and task seed; the model with the lowest mean error "
        "over seeds wins it, and ties are shared. Cells in which a run failed or is missing are counted "
        "apart, not decided. Wins say how often, not by how much: read them beside the errors. The line on a bar is "
        "how often a single run of Modular beats the one of Monolithic with the same seed, with its 95 % interval; one "
        "that crosses 50 leaves open which is better."
    ),
    panels=("contest", "quantity"),
    paper="Fig. 3",
    lack=lacks_contestants,
)
