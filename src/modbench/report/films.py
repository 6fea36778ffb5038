"""Activation matrices along training: which runs a page has room for, and their frames as bytes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from modbench.core.quantities import CURVE_METRICS
from modbench.report.matrices import packed

ROOM = 1_500_000
"""Entries of matrices, over the whole store, that a page has room for."""
RUN = ["setting", "num_rules", "model", "encoder_width", "task_seed", "seed", "run_id"]


def shown_films(snapshots: pd.DataFrame) -> pd.DataFrame:
    """The snapshots that a page shows: as many as it has room for, by a rule that looks at no outcome.

    All of them, or where that is too much the first run of each setting, number of rules, model and encoder width, or
    else those of the smallest encoder width alone.

    Args:
        snapshots: of finished runs, with settings.

    Returns:
        Rows of them, run by run and step by step.
    """
    ordered = snapshots.sort_values([*RUN, "step"])
    shown = ordered
    for kind in (RUN[:4], RUN[:3]):
        if (shown["num_rules"] * shown["num_modules"]).sum() <= ROOM:
            break
        shown = ordered[ordered["run_id"] == ordered.groupby(kind)["run_id"].transform("first")]
    return shown


def films(snapshots: pd.DataFrame, curves: pd.DataFrame, final: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The matrices of runs as they form, with their metrics.

    Args:
        snapshots: from `shown_films`, of one setting, with models as positions.
        curves: of that setting.
        final: each run's matrix at the end of training, which its modules are ordered by. It is measured on more data
            than the last snapshot, which stands in for it where it is not known.

    Returns:
        `runs`, for each: model, number of rules, capacity, task seed, seed, number of modules, the steps, and for each
        metric of `CURVE_METRICS` the list of its values at them, in hundredths; and `frames`: all their matrices, run
        by run and step by step; see `modbench.report.matrices`.
    """
    found, frames = [], []
    of_run = dict(iter(curves[curves["run_id"].isin(snapshots["run_id"].unique())].groupby("run_id")))
    for run, shots in snapshots.groupby("run_id", sort=False):
        frames.append((shots["matrix"].to_list(), final.get(str(run), shots["matrix"].iloc[-1])))
        facts = shots[["model", "num_rules", "encoder_width", "task_seed", "seed", "num_modules"]].iloc[0]
        steps = [int(step) for step in shots["step"]]
        metrics = of_run[run].set_index("step").loc[steps, list(CURVE_METRICS)].to_numpy(float)
        values = [
            [round(100 * value) if np.isfinite(value) else None for value in course]
            for course in metrics.T.tolist()
        ]
        found.append([*(int(fact) for fact in facts), steps, *values])
    return {"runs": found, "frames": packed(frames)}
