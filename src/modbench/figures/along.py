"""Errors along an axis that every run has values at, such as training steps or test lengths."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from modbench.analysis import crossed_interval
from modbench.analysis.summary import groups
from modbench.core.quantities import error_unit

ERRORS = {"error_id": "in distribution", "error_ood": "out of distribution"}
"""The reported errors, by the shift that they are measured under."""


def errors_along(runs: pd.DataFrame, by: Sequence[str], along: str) -> pd.DataFrame:
    """Mean error at each place of an axis, with intervals.

    Args:
        runs: a row per run and place, with `run_id`, `error`, `task_seed`, `seed`, `along` and `by`. All runs of a
            group have the same places.
        by: columns that make a group, among them `kind`.
        along: column of the places.

    Returns:
        A row per group and place: `by`, `along`, `mean`, `low`, `high`, `num_runs`.
    """
    parts = []
    # A store's curves are its longest table: only what is needed is cut into groups, and runs go by numbers.
    needed = runs[[*by, along, "task_seed", "seed", "error"]].assign(run=pd.factorize(runs["run_id"])[0])
    for key, group in groups(needed, by):
        places, column = np.unique(group[along].to_numpy(), return_inverse=True)
        _, first, row = np.unique(group["run"].to_numpy(), return_index=True, return_inverse=True)
        table = np.full((len(first), len(places)), np.nan)
        table[row, column] = group["error"].to_numpy()
        highest = 100.0 if key["kind"] == "classification" else np.inf
        task_seed, seed = (group[name].to_numpy()[first] for name in ("task_seed", "seed"))
        interval = crossed_interval(table, task_seed, seed, bounds=(0.0, highest))
        parts.append(
            pd.DataFrame({
                **key, along: places, "mean": interval.estimate, "low": interval.low, "high": interval.high,
                "num_runs": interval.num_runs,
            })
        )  # fmt: skip
    columns = [*by, along, "mean", "low", "high", "num_runs"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def error_label(kind: str) -> str:
    """What an axis of errors shows: `"error, L1"` or `"error, %"`."""
    return f"error, {error_unit(kind)}"
