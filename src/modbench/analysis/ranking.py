"""Who wins: cell by cell as in PAPER Fig. 3, and run against run as a probability of improvement."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from modbench.analysis.intervals import LEVEL, probability_interval
from modbench.analysis.settings import models_in_order
from modbench.analysis.summary import ERRORS, groups, in_reporting_order, planned_runs
from modbench.core.errors import unknown
from modbench.store.table import Tables

CELL = ["setting", "num_rules", "encoder_width", "task_seed"]


def cell_scores(
    tables: Tables, quantity: str = "error_id", models: Sequence[str] | None = None, checkpoint: str = "last"
) -> pd.DataFrame:
    """Scores every model in every cell: its mean error over the cell's seeds, lower being better in both kinds.

    A model has a score only where every seed that the cell was planned with is finished and finite: no model wins
    because its worst seed is missing.

    Args:
        tables: as loaded.
        quantity: `"error_id"` or `"error_ood"`.
        models: the contestants; when None, all that the cell's setting was planned with.
        checkpoint: `"last"` (as PAPER Fig. 3) or `"best"`.

    Returns:
        A row per cell and contestant: the columns of `CELL`, `model`, `score` (NaN without one), `complete`
        (whether all contestants of the cell have a score), `share` of the cell's win (1 for a single winner, 1/k
        for each of k that tie, NaN where incomplete).

    Raises:
        RequestError: `quantity` is no error, or the checkpoint is unknown.
    """
    if quantity not in ERRORS:
        raise unknown("error to rank by", quantity, ERRORS)
    planned = planned_runs(tables, checkpoint)
    if models is not None:
        planned = planned[planned["model"].isin(list(models))]
    value = planned[quantity].where((planned["state"] == "done") & np.isfinite(planned[quantity]))
    per_model = (
        planned.assign(value=value).groupby([*CELL, "model"])["value"].agg(["mean", "count"]).reset_index()
    )
    cells = planned.groupby(CELL)["seed"].nunique().rename("num_seeds").reset_index()
    contestants = [
        {"setting": setting, "model": model}
        for setting, names in planned.groupby("setting")["model"].unique().items()
        for model in (models_in_order(names) if models is None else models)
    ]
    scores = cells.merge(pd.DataFrame(contestants, columns=["setting", "model"])).merge(per_model, how="left")
    scores["score"] = scores["mean"].where(scores["count"] == scores["num_seeds"])
    by_cell = scores.groupby(CELL)["score"]
    scores["complete"] = by_cell.transform("count") == by_cell.transform("size")
    wins = (scores["score"] == by_cell.transform("min")).astype(float)
    scores["share"] = (wins / wins.groupby([scores[name] for name in CELL]).transform("sum")).where(
        scores["complete"]
    )
    return in_reporting_order(scores[[*CELL, "model", "score", "complete", "share"]], planned)


def ranking(scores: pd.DataFrame, by: Sequence[str] = ("setting",)) -> pd.DataFrame:
    """Counts the cells that each model wins.

    Args:
        scores: from `cell_scores`.
        by: columns of `CELL` that make a group.

    Returns:
        A row per group and model: `by`, `model`, `wins` (ties shared equally), `share` of the complete cells (NaN
        without any), `num_cells` (complete), `num_incomplete`.
    """
    rows = []
    for key, group in groups(scores, [*by, "model"]):
        complete = int(group["complete"].sum())
        wins = float(group["share"].sum())
        share = wins / complete if complete else np.nan
        rows.append({**key, "wins": wins, "share": share, "num_cells": complete,
                     "num_incomplete": len(group) - complete})  # fmt: skip
    return pd.DataFrame(rows, columns=[*by, "model", "wins", "share", "num_cells", "num_incomplete"])


def probability_of_improvement(
    tables: Tables,
    pairs: Sequence[tuple[str, str]],
    quantity: str = "error_id",
    by: Sequence[str] = ("setting",),
    checkpoint: str = "last",
    level: float = LEVEL,
) -> pd.DataFrame:
    """How often a model has the lower error of two runs on the same task, capacity and seed; a tie counts half.

    Such two runs also saw the same batches, which makes the comparison sharp.

    Args:
        tables: as loaded.
        pairs: (model, baseline) names.
        quantity: `"error_id"` or `"error_ood"`.
        by: columns that make a group.
        checkpoint: `"last"` or `"best"`.
        level: nominal coverage of the intervals.

    Returns:
        A row per group and pair of which a run is planned, in reporting order: `by`, `model`, `baseline`,
        `probability`, `low`, `high`, `num_pairs`, `num_unpaired` (one of the two failed, is missing or was not
        planned).

    Raises:
        RequestError: `quantity` is no error, or the checkpoint is unknown.
    """
    if quantity not in ERRORS:
        raise unknown("error to rank by", quantity, ERRORS)
    planned = planned_runs(tables, checkpoint)
    value = planned[quantity].where((planned["state"] == "done") & np.isfinite(planned[quantity]))
    unit = list(dict.fromkeys([*by, *CELL, "seed"]))
    runs = planned.assign(value=value).groupby([*unit, "model"])["value"]
    values, is_planned = runs.mean().unstack("model"), runs.size().unstack("model").notna()
    rows = []
    for model, baseline in pairs:
        if not {model, baseline} <= set(values):
            continue
        meant = is_planned[model] | is_planned[baseline]
        both = values.loc[meant, [model, baseline]].reset_index()
        for key, group in groups(both, by):
            paired = group.dropna(subset=[model, baseline])
            wins = (paired[model] < paired[baseline]) + 0.5 * (paired[model] == paired[baseline])
            # Each number of rules draws a task of its own; capacities share it.
            trials = len(paired[["setting", "num_rules", "task_seed", "seed"]].drop_duplicates())
            interval = probability_interval(wins, paired["task_seed"], paired["seed"], level, trials)
            rows.append({
                **key, "model": model, "baseline": baseline, "probability": float(interval.estimate),
                "low": float(interval.low), "high": float(interval.high), "num_pairs": len(paired),
                "num_unpaired": len(group) - len(paired),
            })  # fmt: skip
    names = [*by, "model", "baseline", "probability", "low", "high", "num_pairs", "num_unpaired"]
    return in_reporting_order(pd.DataFrame(rows, columns=names), planned)
