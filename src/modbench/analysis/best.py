"""Which models of a group are its best: the one with the lowest mean, and those that pairs of runs do not tell from it.

A table marks them. Marking the lowest mean alone would have chance decide, and models that are told their routing are
no contestants: what they score is given to them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from modbench.analysis.intervals import LEVEL, crossed_interval
from modbench.analysis.ranking import CELL
from modbench.analysis.summary import groups

RULE = (
    "Bold: of the models that are not told their routing, Monolithic included, the lowest mean and every other that "
    f"is not worse by pairs of runs (the {100 * LEVEL:.0f} % interval of the difference reaches 0 or below); nothing "
    "where no model is measurably worse, as without several task seeds and seeds"
)
"""What a table says of its marks."""


def best_models(runs: pd.DataFrame, quantities: Sequence[str], by: Sequence[str]) -> set[tuple]:
    """The best models of each group, where some are measurably worse; all quantities are better when lower.

    Two runs are a pair when they have the same task, capacity and seed. As with `modbench.analysis.paired.paired`, an
    interval decides only with several task seeds and several seeds.

    Args:
        runs: planned runs with `state`, see `modbench.analysis.summary.planned_runs`.
        quantities: columns of them.
        by: columns that make a group, `"setting"` among them.

    Returns:
        Keys (values of `by`, model, quantity).
    """
    names, unit = list(quantities), list(dict.fromkeys([*by, *CELL, "seed"]))
    found = runs[(runs["state"] == "done") & (runs["scores"] != "oracle")]
    values = found[names].astype(float)
    found = found[[*unit, "model"]].join(values.where(np.isfinite(values)))
    best = set()
    for key, group in groups(found, by):
        of_cells = group.groupby([*unit, "model"])[names].mean()
        of_models = group.groupby("model")[names].mean()
        for name in names:
            told = of_models[name].dropna()
            if len(told) < 2:
                continue
            lowest, side_by_side = told.idxmin(), of_cells[name].unstack("model")
            pairs = side_by_side.drop(columns=lowest).sub(side_by_side[lowest], axis=0)
            task_seed, seed = (pairs.index.get_level_values(column) for column in ("task_seed", "seed"))
            interval = crossed_interval(pairs, task_seed, seed)
            crossed = (interval.num_task_seeds > 1) & (interval.num_seeds > 1)
            worse = set(pairs.columns[crossed & (interval.low > 0)])
            if worse:
                best |= {(*key.values(), model, name) for model in told.index if model not in worse}
    return best
