"""Runs -> a long table of averages with intervals; failed and missing runs are counted, never averaged over."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from modbench.analysis.intervals import LEVEL, Statistic, crossed_interval
from modbench.analysis.remembered import remembered
from modbench.analysis.settings import models_in_order, settings_in_order, with_settings
from modbench.core.errors import RequestError, unknown
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import PERFORMANCE, QUANTITIES, Quantity
from modbench.store.schema import SPEC_COLUMNS
from modbench.store.table import Tables

ERRORS = ("error_id", "error_ood")
GROUP = ("setting", "num_rules", "model")
COUNTS = ("num_runs", "num_failed", "num_missing")


def count_runs(tables: Tables, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """Counts runs.

    Args:
        tables: as loaded.
        by: columns that make a group, at least one.

    Returns:
        A row per group, in reporting order: `by`, `num_runs` (finished), `num_failed`, `num_missing` (planned,
        not there yet).
    """
    planned = planned_runs(tables)
    state = planned["state"].to_numpy()
    rows = [{**key, **_counts(state[group])} for key, group in group_places(planned, by)]
    return in_reporting_order(pd.DataFrame(rows, columns=[*by, *COUNTS]), planned)


def summarise(
    tables: Tables,
    quantities: Sequence[str] = tuple(QUANTITIES),
    by: Sequence[str] = GROUP,
    checkpoint: str = "last",
    statistic: Statistic = "mean",
    level: float = LEVEL,
) -> pd.DataFrame:
    """Averages quantities over the runs of each group.

    A group has no row for what its runs do not have by nature, such as routing metrics of a monolithic
    model. A group all of whose runs failed or are missing has rows without a number.

    Args:
        tables: as loaded.
        quantities: names of `modbench.core.quantities.QUANTITIES`.
        by: columns that make a group; capacities, task seeds and seeds that are not in it are averaged over.
        checkpoint: `"last"` or `"best"`.
        statistic: `"mean"` or `"iqm"`, the mean of the middle half.
        level: nominal coverage of the intervals.

    Returns:
        A row per group and quantity, in reporting order: `by`, `quantity`, a column named after the statistic,
        `low`, `high`, `num_runs` (values averaged), `num_failed` (failed runs, and finished ones whose value is
        not finite), `num_missing`, `num_task_seeds`, `num_seeds`. `low` and `high` are NaN where there is but one
        task seed and one seed.

    Raises:
        RequestError: an unknown quantity or checkpoint, or groups that would mix the errors of both kinds.
    """
    for quantity in quantities:
        if quantity not in QUANTITIES:
            raise unknown("quantity", quantity, QUANTITIES)
    mixes = not {"setting", "kind"} & set(by) and set(quantities) & set(PERFORMANCE)
    if mixes and tables.runs["kind"].nunique() > 1:
        raise RequestError(
            "errors of the two kinds (L1 and %) must not be mixed: group by 'setting' or 'kind'"
        )
    names = list(quantities)
    cards = [QUANTITIES[name] for name in names]
    planned = planned_runs(tables, checkpoint)
    state, values = planned["state"].to_numpy(), planned[names].to_numpy(dtype=float)
    measured = tables.measured[names].reindex(planned.index, fill_value=False).to_numpy(dtype=bool)
    broken = measured & ~np.isfinite(values) & (state == "done")[:, None]
    task_seed, seed = planned["task_seed"].to_numpy(), planned["seed"].to_numpy()
    routed, kind = (planned["scores"] != "none").to_numpy(), planned["kind"].to_numpy()
    rows = []
    for key, group in group_places(planned, by):
        done = group[state[group] == "done"]
        interval = crossed_interval(
            values[done], task_seed[done], seed[done], statistic, level, _bounds(cards, kind[group])
        )
        counts = _counts(state[group])
        for k, card in enumerate(cards):
            if routed[group].any() or not card.routed:
                rows.append({
                    **key, "quantity": card.name, statistic: interval.estimate[k], "low": interval.low[k],
                    "high": interval.high[k], **counts, "num_runs": interval.num_runs[k],
                    "num_failed": counts["num_failed"] + broken[group, k].sum(),
                    "num_task_seeds": interval.num_task_seeds[k], "num_seeds": interval.num_seeds[k],
                })  # fmt: skip
    columns = [*by, "quantity", statistic, "low", "high", *COUNTS, "num_task_seeds", "num_seeds"]
    return in_reporting_order(pd.DataFrame(rows, columns=columns), planned)


def planned_runs(tables: Tables, checkpoint: str = "last") -> pd.DataFrame:
    """Every planned run, once.

    Args:
        tables: as loaded.
        checkpoint: whose quantities to take.

    Returns:
        The rows of `tables.runs` at that checkpoint with their index, then those of `tables.missing`, with
        `setting` and with `state`: `"done"`, `"failed"` or `"missing"`.

    Raises:
        RequestError: an unknown checkpoint.
    """
    if checkpoint not in CHECKPOINTS:
        raise unknown("checkpoint", checkpoint, CHECKPOINTS)
    return _planned_runs(with_settings(tables), checkpoint)


@remembered
def _planned_runs(tables: Tables, checkpoint: str) -> pd.DataFrame:
    runs = tables.runs[tables.runs["checkpoint"] == checkpoint]
    runs = runs.assign(state=np.where(runs["status"] == "done", "done", "failed"))
    if tables.missing.empty:
        return runs
    missing = tables.missing.assign(state="missing").set_axis(range(-len(tables.missing), 0))
    return pd.concat([runs, missing]) if len(runs) else missing.reindex(columns=runs.columns)


def groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The groups of a table that agree on some columns, with what they agree on."""
    for key, places in group_places(frame, by):
        yield key, frame.iloc[places]


def group_places(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Like `groups`, but where the rows are: to cut a wide table into thousands of tables takes seconds."""
    number = frame.groupby(list(by), dropna=False, sort=False).ngroup().to_numpy()
    places = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    keys = frame[list(by)].iloc[[group[0] for group in places if len(group)]].to_dict("records")
    yield from zip(keys, places, strict=False)  # pyright: ignore[reportReturnType]


def in_reporting_order(frame: pd.DataFrame, planned: pd.DataFrame) -> pd.DataFrame:
    """Sorts rows by those of their columns that name a group, from left to right, in reporting order.

    Args:
        frame: its names are in columns `setting`, `model`, `baseline`, `quantity` or columns of a specification.
        planned: runs with all settings and models in it, see `planned_runs`.
    """
    models = {name: rank for rank, name in enumerate(models_in_order(planned["model"]))}
    ranks = {
        "setting": {name: rank for rank, name in enumerate(settings_in_order(planned))},
        "model": models,
        "baseline": models,
        "quantity": {name: rank for rank, name in enumerate(QUANTITIES)},
    }
    names = [str(name) for name in frame if name in ranks or name in SPEC_COLUMNS]
    return frame.sort_values(
        names,
        key=lambda column: column.map(ranks.get(str(column.name), lambda value: value)),
        kind="stable",
        ignore_index=True,
    )


def _bounds(cards: Sequence[Quantity], kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest possible values; a percentage of wrong labels has a largest one too."""
    percent = (kind == "classification").all()
    highest = [100.0 if percent and card.name in ERRORS else card.high for card in cards]
    return (
        np.array([card.low for card in cards]),
        np.array([np.inf if high is None else high for high in highest]),
    )


def _counts(state: np.ndarray) -> dict[str, int]:
    found = Counter(state)
    return {name: found[value] for name, value in zip(COUNTS, ("done", "failed", "missing"), strict=True)}
