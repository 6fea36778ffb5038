"""Performance profiles: the share of runs whose error is at most tau, as a function of tau.

They show what a mean hides: whether a model is better on all runs or on a few, and whether some went wrong. A run that
failed stays above every tau, so that a profile of a model with failed runs does not reach 1.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from modbench.analysis.intervals import LEVEL, probability_interval
from modbench.analysis.settings import with_settings
from modbench.analysis.summary import ERRORS, GROUP, groups, in_reporting_order, planned_runs
from modbench.core.errors import unknown
from modbench.store.table import Tables

NUM_TAUS = 41


def performance_profiles(
    tables: Tables,
    quantity: str = "error_id",
    by: Sequence[str] = GROUP,
    taus: ArrayLike | None = None,
    checkpoint: str = "last",
    level: float = LEVEL,
) -> pd.DataFrame:
    """Shares of runs whose error is at most tau.

    Args:
        tables: as loaded.
        quantity: `"error_id"` or `"error_ood"`.
        by: columns that make a group, `"setting"` among them.
        taus: errors to ask at; when None, `NUM_TAUS` of them in equal ratios across those of the setting.
        checkpoint: `"last"` or `"best"`.
        level: nominal coverage of the intervals, each for itself; they respect that task seeds and seeds are crossed.

    Returns:
        A row per group and tau, in reporting order: `by`, `tau`, `share` in 0..1, `low`, `high` (NaN for a single task
        seed and seed), `num_runs` (finished), `num_failed`. A group none of whose runs is there has no row.

    Raises:
        RequestError: `quantity` is no error, or the checkpoint is unknown.
    """
    if quantity not in ERRORS:
        raise unknown("error", quantity, ERRORS)
    planned = planned_runs(with_settings(tables), checkpoint)
    tried = planned[planned["state"] != "missing"]
    error = tried[quantity].astype(float)
    tried = tried[[*by, "task_seed", "seed"]].assign(
        error=error.where((tried["state"] == "done") & np.isfinite(error), np.inf)
    )
    rows = []
    for of_setting, part in groups(tried, ["setting"]):
        asked = (
            np.sort(np.asarray(taus, dtype=float)) if taus is not None else _taus(part["error"].to_numpy())
        )
        for key, group in groups(part, by):
            within = group["error"].to_numpy()[:, None] <= asked
            interval = probability_interval(within, group["task_seed"], group["seed"], level)
            failed = int(np.isinf(group["error"]).sum())
            shown = {"share": interval.estimate, "low": interval.low, "high": interval.high}
            counts = {"num_runs": len(group) - failed, "num_failed": failed}
            rows.append(pd.DataFrame({**of_setting, **key, "tau": asked, **shown, **counts}))
    names = [*by, "tau", "share", "low", "high", "num_runs", "num_failed"]
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=names)
    return in_reporting_order(frame, planned)[names]


def _taus(errors: np.ndarray) -> np.ndarray:
    """From just below the smallest positive error to the largest, in equal ratios; 0 where there is none."""
    positive = errors[np.isfinite(errors) & (errors > 0)]
    if not len(positive):
        return np.zeros(1)
    return np.geomspace(positive.min() / 1.05, positive.max(), NUM_TAUS)
