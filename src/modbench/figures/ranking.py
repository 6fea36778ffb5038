"""Which model wins how many cells (PAPER Fig. 3)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modbench.analysis import cell_scores, ranking, with_settings
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.style import (
    COLOURS,
    Heading,
    Margins,
    ModelStyle,
    frame,
    handles,
    label_room,
    look,
    model_styles,
    nothing,
)
from modbench.store.table import Tables

TITLE = "Which model wins how many cells"
ALL, PAIR = "all models", "Modular against Monolithic"
SHIFTS = {"error_id": "in distribution", "error_ood": "out of distribution"}
EVERY = "all settings"


def prepare_ranking(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Cells won per model, in and out of distribution, among all models and between Modular and Monolithic.

    A cell is a setting, number of rules, capacity and task seed; its score the mean error over seeds. The
    rows of setting `"all settings"` add up those of all settings, where each had the same contestants.

    Returns:
        Columns `contest`, `quantity`, `setting`, `model`, `wins`, `share`, `num_cells`, `num_incomplete`.
    """
    tables = with_settings(tables)
    pair = ["monolithic", "modular"]
    contests: dict[str, list[str] | None] = {ALL: None}
    present = {*tables.runs["model"], *tables.missing["model"]}
    if present > set(pair):
        contests[PAIR] = pair
    parts = []
    for contest, models in contests.items():
        for quantity in SHIFTS:
            scores = cell_scores(tables, quantity, models, checkpoint)
            table = ranking(scores)
            contestants = table.groupby("setting")["model"].agg(frozenset)
            if len(contestants) > 1 and contestants.nunique() == 1:
                table = pd.concat([table, ranking(scores, by=()).assign(setting=EVERY)])
            parts.append(table.assign(contest=contest, quantity=quantity))
    columns = ["contest", "quantity", "setting", "model", "wins", "share", "num_cells", "num_incomplete"]
    return FigureData.of(tables, pd.concat(parts, ignore_index=True)[columns])


def draw_ranking(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per contest and shift, in it a bar per setting, cut by the share of cells that each model wins."""
    if not (data.frame["num_cells"] > 0).any():
        return nothing(None if compact else Heading(TITLE, data.footer(intervals=False)))
    styles = model_styles(data.models)
    contests, quantities = data.present("contest"), data.present("quantity")
    panels = [(contest, quantity) for contest in contests for quantity in quantities]
    most = max(data.frame.groupby(["contest", "quantity"])["setting"].nunique())
    with look():
        heading = Heading(TITLE, data.footer(intervals=False), handles(styles, data.present("model"), "bar"))
        notes = [_cells(rows) for _, rows in data.frame.groupby(["contest", "quantity", "setting"])]
        margins = Margins(left=label_room(data.present("setting")), right=label_room(notes))
        size = (margins.left + margins.right + 2.2, 0.75 + 0.34 * most)
        figure, grid = frame(len(panels), len(quantities), size, margins, None if compact else heading)
        for axes, (contest, quantity) in zip(grid, panels, strict=True):
            shown = data.frame[(data.frame["contest"] == contest) & (data.frame["quantity"] == quantity)]
            _bars(axes, shown, [*data.settings, EVERY], styles)
            axes.set_title(f"{contest[0].upper()}{contest[1:]}, {SHIFTS[quantity]}")
    return figure


def _bars(axes: Axes, shown: pd.DataFrame, order: list[str], styles: dict[str, ModelStyle]) -> None:
    settings = [setting for setting in order if setting in set(shown["setting"])]
    for y, setting in enumerate(settings):
        rows = shown[shown["setting"] == setting].set_index("model")
        left = 0.0
        for model in styles:
            share = float(rows["share"].get(model, np.nan))
            if not share > 0:
                continue
            axes.barh(
                y,
                share,
                left=left,
                height=0.66,
                color=styles[model].hex,
                edgecolor=COLOURS["paper"],
                linewidth=0.8,
            )
            if share >= 0.09:
                axes.text(
                    left + share / 2,
                    y,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    color="#0d0d0d",
                    fontsize=7.5,
                )
            left += share
        axes.text(1.02, y, _cells(rows), va="center", fontsize=7, color=COLOURS["muted"])
    axes.set_yticks(range(len(settings)), settings)
    axes.set_ylim(len(settings) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("% of complete cells won")


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
        "apart, not decided. Wins say how often, not by how much: read them beside the errors."
    ),
    panels=("contest", "quantity"),
)
