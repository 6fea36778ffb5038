"""The five routing metrics averaged over the numbers of rules, with what Random scores (PAPER Fig. 6).

The paper's figure pools architectures, kinds and checkpoints too; here each setting has a row of its own.
"""

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import random_baselines, summarise, with_settings
from modbench.analysis.needs import MANY_RULES, Need
from modbench.analysis.summary import groups, planned_runs
from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures.base import RANDOM, FigureCard, FigureData, part_of, with_random
from modbench.figures.dots import draw_dots
from modbench.figures.frame import Heading, Margins, frame, handles, label_room, nothing
from modbench.figures.lacks import lacks_modules, listed, several, with_values
from modbench.figures.rows import GAP, share_left
from modbench.figures.style import COLOURS, look, model_styles
from modbench.store.table import Tables

TITLE = "Collapse and specialisation over all numbers of rules"
BY = ["setting", "model"]


def prepare_pooled(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean metrics with intervals per setting and modular model; numbers of rules and capacities averaged.

    Settings with a single number of rules are left out. Random is averaged over the same numbers of rules, each as
    often as the setting has modular runs of it.

    Returns:
        Columns `setting`, `model`, `quantity`, `mean`, `low`, `high`, the counts, and `rules`, those that finished
        runs were averaged over, such as `"2 8 32"`. Rows of model `"random"` hold the values of uniform routing.
    """
    tables = with_settings(tables)
    planned = planned_runs(tables, checkpoint)
    settings = several(planned[planned["scores"] != "none"], "num_rules", BY)
    part = part_of(tables, lambda runs: runs["setting"].isin(settings))
    planned = planned[planned["setting"].isin(settings)]
    summary = summarise(part, METRICS, by=BY, checkpoint=checkpoint)
    done = planned[planned["state"] == "done"]
    rules = {(key["setting"], key["model"]): _rules(group) for key, group in groups(done, BY)}
    summary["rules"] = [rules.get(key, "") for key in zip(summary["setting"], summary["model"], strict=True)]
    notes, finished = [], summary[summary["rules"] != ""]
    if (finished.groupby("setting")["rules"].nunique() > 1).any():
        notes.append("models of one setting are averaged over different numbers of rules: see column rules")
    summary = with_random(summary, _random(part, planned))
    return FigureData.of(part, summary, notes, checkpoint, store=tables)


def _random(tables: Tables, planned: pd.DataFrame) -> pd.DataFrame:
    """Random's metrics, averaged over the numbers of rules that modular runs are planned for."""
    modular = planned[planned["scores"] != "none"]
    weights = modular.groupby(["setting", "num_rules"]).size().rename("weight").reset_index()
    values = random_baselines(tables).merge(weights, on=["setting", "num_rules"])
    rows = [
        {**key, "mean": (group["mean"] * group["weight"]).sum() / group["weight"].sum(),
         "rules": _rules(group)}
        for key, group in groups(values, ["setting", "quantity"])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _rules(group: pd.DataFrame) -> str:
    return " ".join(str(R) for R in sorted(group["num_rules"].unique()))


def lacks_rules(planned: pd.DataFrame) -> Need | None:
    """A modular model with two numbers of rules in one setting."""
    without = lacks_modules(planned)
    runs = planned if without else planned[planned["scores"] != "none"]
    if several(runs, "num_rules", BY):
        return without
    rules = sorted(runs["num_rules"].unique())
    text = f"two or more numbers of rules in one setting; the store has {listed(rules)}"
    override = with_values(runs, "task.num_rules", [R for R in MANY_RULES if R not in rules][:1])
    if without is None:
        return Need(text, (override,))
    return Need(f"{without.text}; and {text}", (*(without.overrides or ()), override))


def draw_pooled(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per metric, in it a row per setting and a point per model; of all metrics 0 is the best."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    settings, quantities = data.present("setting"), data.present("quantity")
    models, styles = data.present("model"), model_styles(data.models)
    with look():
        heading = Heading(data.titled(TITLE), data.footer(), handles(styles, models, random=True))
        margins = Margins(GAP, GAP, beside=label_room(settings) - GAP)
        size = (2.2, 0.62 + 0.44 * len(settings))
        figure, grid = frame(len(quantities), 3, size, margins, None if compact else heading)
        for axes, quantity in zip(grid, quantities, strict=True):
            shown = data.frame[data.frame["quantity"] == quantity]
            draw_dots(axes, shown, "mean", settings, styles, models)
            random = shown[shown["model"] == RANDOM]
            y = random["setting"].map(settings.index).to_numpy(float)
            axes.vlines(
                random["mean"],
                y - 0.42,
                y + 0.42,
                color=COLOURS["ink"],
                linestyle=":",
                linewidth=1.3,
                zorder=1,
            )
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", ".5", "", "1"])
            axes.set_title(QUANTITIES[quantity].title)
        share_left(grid)
    return figure


CARD = FigureCard(
    name="pooled",
    title=TITLE,
    prepare=prepare_pooled,
    draw=draw_pooled,
    caption=(
        "The five metrics, lower is better, averaged over numbers of rules, capacities, task seeds and seeds: "
        "which model collapses less, or specialises better, on the whole? How that depends on the number of rules "
        "is a figure of its own. The dotted line is Random, averaged over the same numbers of rules."
    ),
    panels=("quantity",),
    paper="Fig. 6",
    lack=lacks_rules,
)
