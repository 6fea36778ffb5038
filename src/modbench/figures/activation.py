"""Activation matrices p(module | rule) of single runs, as heat-maps (PAPER Fig. 2).

An average of matrices would show nothing, since modules are interchangeable: each panel is one run. It is the
run of median alignment among the finished runs of its setting, model and number of rules (the lower of the two
middle ones where their number is even, the smaller run id where alignments are equal). Its modules are put in
the order in which they best match the rules, so that perfect specialisation is a diagonal.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from modbench.analysis import model_title, with_settings
from modbench.analysis.summary import GROUP, groups, planned_runs
from modbench.core.quantities import QUANTITIES
from modbench.figures.axes import width_of
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.frame import Heading, Margins, fitted, frame, nothing
from modbench.figures.heat import heat_map, heat_scale
from modbench.figures.lacks import lacks_modules
from modbench.figures.style import COLOURS, HEAT_RULE, heat, look, on_colour
from modbench.store.table import Tables

TITLE = "Activation matrices of single runs"
NOTE = (
    f"p: share of a rule that a module gets; {HEAT_RULE}; each panel the run of median alignment, modules reordered to "
    "match rules best"
)
COLUMNS = [*GROUP, "run_id", "task_seed", "seed", "encoder_width", "alignment", "collapse_worst", "num_candidates",
           "rule", "position", "module", "probability"]  # fmt: skip
NUMBERED = 0.3
"""Inches of an entry in which its number has room."""


def prepare_activation(tables: Tables, checkpoint: str = "last") -> FigureData:
    """The matrix of one representative run per setting, modular model and number of rules.

    Returns:
        A row per entry of a matrix: `setting`, `num_rules`, `model`, `run_id`, `task_seed`, `seed`,
        `encoder_width`, `alignment`, `collapse_worst`, `num_candidates` (finished runs it was chosen from), `rule`,
        `position` (column in the picture), `module` (column in the stored matrix), `probability`. Where no run
        has finished there is one row without a number.
    """
    tables = with_settings(tables)
    runs = tables.runs[(tables.runs["checkpoint"] == checkpoint) & (tables.runs["status"] == "done")]
    activations = tables.activations[tables.activations["checkpoint"] == checkpoint]
    matrices = dict(zip(activations["run_id"], activations["matrix"], strict=True))
    candidates = runs[runs["run_id"].isin(matrices.keys()) & runs["alignment"].notna()]
    planned = planned_runs(tables)
    wanted = planned.loc[planned["scores"] != "none", list(GROUP)].drop_duplicates()
    without = wanted.merge(candidates[list(GROUP)].drop_duplicates(), how="left", indicator=True)
    without = without[without.pop("_merge") == "left_only"]
    parts = [without.assign(num_candidates=0).reindex(columns=COLUMNS)] if len(without) else []
    for key, group in groups(candidates, GROUP):
        ranked = group.sort_values(["alignment", "run_id"])
        run = ranked.iloc[(len(ranked) - 1) // 2]
        matrix = matrices[run["run_id"]]
        modules = best_order(matrix)
        R, M = matrix.shape
        facts = {name: run[name] for name in COLUMNS if name in run}
        parts.append(
            pd.DataFrame({
                **facts, **key, "num_candidates": len(group), "rule": np.repeat(np.arange(R), M),
                "position": np.tile(np.arange(M), R), "module": np.tile(modules, R),
                "probability": matrix[:, modules].ravel(),
            })[COLUMNS]
        )  # fmt: skip
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    return FigureData.of(tables, table, [NOTE], checkpoint, "probability")


def best_order(A: np.ndarray) -> np.ndarray:
    """Order of modules that puts the most probability on the diagonal.

    Args:
        A: R x M, p(module | rule).

    Returns:
        (M,) a permutation: first the module matched to each rule, in the rules' order, then those left
        over, the busiest first.
    """
    rows, matched = linear_sum_assignment(A, maximize=True)
    if len(matched) == A.shape[1]:  # as of most, of which a page has thousands
        return matched[np.argsort(rows)]
    rest = np.setdiff1d(np.arange(A.shape[1]), matched)
    return np.concatenate([matched[np.argsort(rows)], rest[np.argsort(-A[:, rest].sum(0), kind="stable")]])


def draw_activation(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting and model, a column per number of rules; rules run down, modules across.

    Of one setting whose models are not fewer than its numbers of rules, these are the rows.
    """
    if data.empty and not compact:
        return nothing(Heading(data.titled(TITLE), data.footer(intervals=False)))
    rules, settings = sorted(data.present("num_rules")), data.present("setting")
    runs = dict(list(data.frame.groupby(list(GROUP))))
    rows = dict.fromkeys(
        (s, m) for s in settings for m in data.present("model") for R in rules if (s, R, m) in runs
    )
    alone = len(settings) == 1
    upright = alone and len(rows) >= len(rules)
    panels = [(setting, R, model) for setting, model in rows for R in rules]
    if upright:
        panels.sort(key=lambda panel: panel[1])
    with look():
        heading = None if compact else Heading(data.titled(TITLE), data.footer(intervals=False), heat_scale())
        margins = Margins(0.24, 0.1, 0.6 if alone else 0.74, 0.26, least=1.0)
        columns = len(rows) if upright else len(rules)
        _, width = fitted(min(columns, len(panels)), 2.1, margins)
        size = (width, width - margins.left - margins.right + margins.top + margins.bottom)
        figure, grid = frame(len(panels), columns, size, margins, heading)
        for axes, (setting, R, model) in zip(grid, panels, strict=True):
            run = runs.get((setting, R, model))
            if run is None:
                axes.axis("off")
                continue
            if run["probability"].isna().all():
                axes.axis("off")
                axes.text(0.5, 0.5, f"{model_title(model)}, {R} rules:\nno finished run", ha="center", va="center",
                          color=COLOURS["muted"], fontsize=7.5)  # fmt: skip
                continue
            _heat_map(axes, run)
            facts = run.iloc[0]
            scores = [
                f"{QUANTITIES[name].title} {facts[name]:.2f}" for name in ("alignment", "collapse_worst")
            ]
            lines = [*([] if alone else [setting]), model_title(model), *scores]
            axes.set_title("\n".join(lines), fontsize=8)
    return figure


def _heat_map(axes: Axes, run: pd.DataFrame) -> None:
    matrix = run.pivot(index="rule", columns="position", values="probability").to_numpy(float)
    R, M = matrix.shape
    heat_map(axes, matrix, fill=M > 2 * R)
    if width_of(axes) / max(R, M) >= NUMBERED:
        for (r, m), value in np.ndenumerate(matrix):
            ink, text = on_colour(heat(value)), f"{value:.2f}".lstrip("0")
            axes.text(m, r, text, ha="center", va="center", color=ink, fontsize=7.5)
    axes.set_xlabel(f"{M} modules")
    axes.set_ylabel(f"{R} rules")


CARD = FigureCard(
    name="activation",
    title=TITLE,
    prepare=prepare_activation,
    draw=draw_activation,
    caption=(
        "How often each module (column) is used under each rule (row): the stronger the blue, the more often; its "
        "strength grows as the square root of the share. A "
        "diagonal is perfect specialisation, an empty column an unused module (collapse), a blurred row a shared "
        "rule. Modules are interchangeable, so an average would blur them all: each panel is a single run, the one "
        "of median alignment, with modules reordered to match the rules as well as they can."
    ),
    panels=("setting", "num_rules", "model"),
    per_setting=True,
    paper="Fig. 2",
    lack=lacks_modules,
)
