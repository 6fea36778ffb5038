"""Two models side by side: by how much one is better, from pairs of runs that differ in nothing but the model.

Such two runs have the same task, capacity and seed, and saw the same batches. Their errors and losses are compared as a
ratio, so that tasks of different difficulty count alike; routing metrics, which may be 0, as a difference. What is
averaged are logarithms of the ratios: the mean is a geometric one. A classification error of zero counts as half a
wrong label of those looked at.
"""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from modbench.analysis.effects import least_error
from modbench.analysis.intervals import LEVEL, Interval, crossed_interval
from modbench.analysis.ranking import CELL
from modbench.analysis.settings import models_in_order
from modbench.analysis.summary import ERRORS, groups, in_reporting_order, planned_runs
from modbench.core.errors import RequestError, unknown
from modbench.core.quantities import PERFORMANCE, QUANTITIES
from modbench.store.table import Tables

COLUMNS = ("quantity", "model", "baseline", "measure", "mean", "low", "high", "verdict",
           "num_pairs", "num_unpaired", "num_task_seeds", "num_seeds")  # fmt: skip


def paired(
    tables: Tables,
    model: str,
    baseline: str,
    quantities: Sequence[str] = tuple(QUANTITIES),
    by: Sequence[str] = ("setting",),
    checkpoint: str = "last",
    level: float = LEVEL,
) -> pd.DataFrame:
    """Compares two models run by run.

    The verdict is `"lower"` or `"higher"` where the whole interval lies on that side of equality, and `"undecided"`
    otherwise, or where there are not several task seeds and several seeds, without which no interval speaks of both
    sources of chance. It is of one comparison: of twenty that are looked at, one errs at the usual level.

    Args:
        tables: as loaded.
        model: that is looked at.
        baseline: that it is held against.
        quantities: names of `modbench.core.quantities.QUANTITIES`; all are better when lower.
        by: columns that make a group, `"setting"` or `"kind"` among them where the store has both kinds.
        checkpoint: `"last"` or `"best"`.
        level: nominal coverage of the intervals.

    Returns:
        A row per group and quantity that both models have, in reporting order: `by`, `quantity`, `model`,
        `baseline`, `measure` (`"ratio"`, the model's over the baseline's, equal at 1; or `"difference"`, the model's
        less the baseline's, equal at 0), `mean`, `low`, `high`, `verdict`, `num_pairs`, `num_unpaired` (one of the two
        failed, is missing or was not planned), `num_task_seeds`, `num_seeds`.

    Raises:
        RequestError: an unknown model, quantity or checkpoint, or one model twice.
    """
    for quantity in quantities:
        if quantity not in QUANTITIES:
            raise unknown("quantity", quantity, QUANTITIES)
    planned = planned_runs(tables, checkpoint)
    for name in (model, baseline):
        if name not in set(planned["model"]):
            raise unknown("model", name, models_in_order(planned["model"]))
    if model == baseline:
        raise RequestError(f"two models must be compared, got {model!r} twice")
    planned = planned[planned["model"].isin([model, baseline])]
    least = least_error(planned.assign(spec=planned["spec"].map(json.loads)), "performance")
    unit = list(dict.fromkeys([*by, *CELL, "seed"]))
    rows = []
    for quantity in quantities:
        values = planned[quantity].astype(float).where(planned["state"] == "done")
        ratio = quantity in PERFORMANCE
        if ratio:
            values = values.clip(lower=least) if quantity in ERRORS else values
            values = values.where(values > 0).map(np.log2)
        runs = planned.assign(value=values.where(np.isfinite(values))).groupby([*unit, "model"])["value"]
        side_by_side = runs.mean().unstack("model").reset_index()
        for key, group in groups(side_by_side, by):
            pairs = group.dropna(subset=[model, baseline])
            if not ratio and group[[model, baseline]].isna().all().any():
                continue  # a metric of routing, and one of the two has no router
            interval = crossed_interval(
                pairs[model] - pairs[baseline], pairs["task_seed"], pairs["seed"], level=level
            )
            mean, low, high = (2**x if ratio else x for x in (float(x) for x in interval[:3]))
            rows.append({
                **key, "quantity": quantity, "model": model, "baseline": baseline,
                "measure": "ratio" if ratio else "difference", "mean": mean, "low": low, "high": high,
                "verdict": _verdict(interval), "num_pairs": len(pairs), "num_unpaired": len(group) - len(pairs),
                "num_task_seeds": int(interval.num_task_seeds), "num_seeds": int(interval.num_seeds),
            })  # fmt: skip
    return in_reporting_order(pd.DataFrame(rows, columns=[*by, *COLUMNS]), planned)


def _verdict(interval: Interval) -> str:
    """On which side of zero an interval lies."""
    if interval.num_task_seeds < 2 or interval.num_seeds < 2:
        return "undecided"
    return "lower" if interval.high < 0 else "higher" if interval.low > 0 else "undecided"
