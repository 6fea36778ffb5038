"""The numbers behind the explorable figures: averages at every capacity and checkpoint, and what every run gave.

They are made per setting, as tables of plain lists that a page carries as JSON; the page's script picks the rows
that the reader's choices name and hands them to a chart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from modbench.analysis import crossed_interval, models_in_order
from modbench.analysis.summary import groups, planned_runs
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, METRICS, QUANTITIES
from modbench.report.films import films, shown_films
from modbench.report.matrices import packed
from modbench.store.table import Tables

SHOWN = ("error_id", "error_ood", *METRICS)
"""The quantities of a run that the page shows, in this order in every list."""
EVERY = 0
"""In the place of a capacity: all of them together."""
DESIGN = ("task_seed", "seed")
MEAN = ("mean", "low", "high", "runs", "task_seeds", "seeds")
"""What an average is, in this order at the end of a row: the value, its interval, and what it rests on."""
DIGITS = 4

Rows = list[list[Any]]


@dataclass(frozen=True)
class Numbers:
    """The numbers of one setting. Models are positions in the store's list, checkpoints in `CHECKPOINTS`.

    Attributes:
        counts: model, number of rules, capacity, finished, failed, missing.
        averages: model, number of rules, capacity, checkpoint, position of the quantity in `SHOWN`, then `MEAN`.
        lengths: model, number of rules, capacity, checkpoint, scale of the inputs, test length, then `MEAN`; only
            where there is more than one length.
        curves: model, number of rules, capacity, step, then `MEAN`.
        courses: the metrics of routing along training: model, number of rules, capacity, position of the metric in
            `CURVE_METRICS`, runs, task seeds, seeds, then lists over `steps` of mean, low and high, in
            thousandths, which are the shorter texts; no row where nothing was recorded.
        steps: of `courses`.
        runs: model, number of rules, capacity, task seed, seed, number of modules in `matrices` (0 without), and
            per checkpoint the list of its values in the order of `SHOWN`, None where there is none.
        matrices: the activation matrices of `runs`, in their order; see `modbench.report.matrices`.
        films: matrices along training; see `modbench.report.films`.
    """

    counts: Rows
    averages: Rows
    lengths: Rows
    curves: Rows
    courses: Rows
    steps: list[int]
    runs: Rows
    matrices: str
    films: dict[str, Any]


def numbers(tables: Tables, checkpoint: str = "last") -> Iterator[tuple[str, Numbers]]:
    """The numbers of each setting, in no order.

    Args:
        tables: with settings.
        checkpoint: of the matrices.
    """
    planned = planned_runs(tables)
    models = {model: position for position, model in enumerate(models_in_order(planned["model"]))}
    runs, shifts, curves = (
        _coded(frame[frame["status"] == "done"], models)
        for frame in (tables.runs, tables.performance, tables.curves)
    )
    planned = _coded(planned, models)
    kept = tables.activations[tables.activations["checkpoint"] == checkpoint]
    matrices = dict(zip(kept["run_id"], kept["matrix"], strict=True))
    filmed = shown_films(_coded(tables.snapshots[tables.snapshots["status"] == "done"], models))
    for key, part in groups(planned, ["setting"]):
        own, shifted, learning, shots = (
            frame[frame["setting"] == key["setting"]] for frame in (runs, shifts, curves, filmed)
        )
        yield key["setting"], _of_setting(part, own, shifted, learning, matrices, shots)


def _of_setting(
    planned: pd.DataFrame,
    runs: pd.DataFrame,
    shifts: pd.DataFrame,
    curves: pd.DataFrame,
    matrices: Mapping[str, np.ndarray],
    filmed: pd.DataFrame,
) -> Numbers:
    highest = 100.0 if (planned["kind"] == "classification").all() else np.inf
    base = ["model", "num_rules"]
    values = runs.melt([*base, "encoder_width", *DESIGN, "checkpoint"], list(SHOWN), "quantity", "value")
    values["quantity"] = values["quantity"].map({name: rank for rank, name in enumerate(SHOWN)})
    shifts = shifts.rename(columns={"error": "value"})
    if shifts["length"].nunique() < 2:
        shifts = shifts.iloc[:0]
    runs = runs.sort_values(["model", "num_rules", "encoder_width", *DESIGN, "checkpoint"])
    ids = runs["run_id"].unique().tolist()
    courses, steps = _courses(curves, base)
    return Numbers(
        counts=_counts(planned, base),
        averages=averages(values, [*base, "checkpoint", "quantity"], highest),
        lengths=averages(shifts, [*base, "checkpoint", "scale", "length"], highest),
        curves=averages(curves.rename(columns={"error": "value"}), [*base, "step"], highest),
        courses=courses,
        steps=steps,
        runs=_runs(runs, [matrices[run].shape[1] if run in matrices else 0 for run in ids]),
        matrices=packed(matrices[run] for run in ids if run in matrices),
        films=films(filmed, curves),
    )


def _courses(curves: pd.DataFrame, base: list[str]) -> tuple[Rows, list[int]]:
    """Metrics along training; a row for all steps of a group, which is a third as long as a row for each."""
    recorded = curves[curves["alignment"].notna()]
    steps = sorted(int(step) for step in recorded["step"].unique())
    place = {step: at for at, step in enumerate(steps)}
    rows: dict[tuple[int, ...], list[Any]] = {}
    for rank, name in enumerate(CURVE_METRICS):
        # One metric at a time: resampling all at once takes memory for what need not be there together.
        values = recorded.rename(columns={name: "value"})
        for model, R, capacity, step, *mean, runs, tasks, seeds in averages(values, [*base, "step"], 1.0):
            empty = [model, R, capacity, rank, runs, tasks, seeds, *([None] * len(steps) for _ in mean)]
            row = rows.setdefault((model, R, capacity, rank), empty)
            for numbers, value in zip(row[-3:], mean, strict=True):
                numbers[place[step]] = None if value is None else round(1000 * value)
    return [rows[key] for key in sorted(rows)], steps


def averages(values: pd.DataFrame, by: Sequence[str], highest: float) -> Rows:
    """Means with intervals of each group, at each capacity and over all of them.

    Args:
        values: `value`, `encoder_width`, `task_seed`, `seed` and the columns of `by`, a row per value.
        by: columns that make a group; the first two stand before the capacity in a row, the others behind.
        highest: the largest possible value; of quantities, the largest of an error.

    Returns:
        A row per group that has a value and capacity, `EVERY` for all of them where there are several.
    """
    values = values[np.isfinite(values["value"].to_numpy(dtype=float))]
    parts = [values]
    if values["encoder_width"].nunique() > 1:
        parts = [values.assign(encoder_width=EVERY), values]
    rows: Rows = []
    for part, pooled in zip(parts, (len(parts) > 1, False), strict=False):
        key = [*by[:2], "encoder_width", *by[2:]]
        run = ["capacity", *DESIGN] if pooled else list(DESIGN)
        part = part.assign(capacity=values["encoder_width"])
        # Groups of one and the same design share a call, which costs a hundredth of a call for each.
        table = part.pivot_table(index=run, columns=key, values="value", aggfunc="mean")
        present = table.notna().to_numpy()
        patterns, which = np.unique(present, axis=1, return_inverse=True)
        for pattern in range(patterns.shape[1]):
            of_pattern = table.columns[which.ravel() == pattern]
            rows += _means(table[patterns[:, pattern]][of_pattern], key, highest)
    return sorted(rows, key=lambda row: row[: len(by) + 1])


def _means(table: pd.DataFrame, key: Sequence[str], highest: float) -> Rows:
    """Averages of the columns of a table with no gaps, whose rows are runs."""
    tops = np.full(table.shape[1], highest)
    if "quantity" in key:
        names = [SHOWN[k] for k in table.columns.get_level_values("quantity")]
        tops = np.minimum(tops, [QUANTITIES[name].high or np.inf for name in names])
    interval = crossed_interval(
        table.to_numpy(),
        table.index.get_level_values("task_seed"),
        table.index.get_level_values("seed"),
        bounds=(0.0, tops),
    )
    columns = (
        *(_rounded(numbers) for numbers in interval[:3]),
        *(numbers.tolist() for numbers in interval[3:]),
    )
    return [[*group, *mean] for group, *mean in zip(table.columns.tolist(), *columns, strict=True)]


def _counts(planned: pd.DataFrame, base: list[str]) -> Rows:
    every = planned.assign(encoder_width=EVERY)
    parts = [every, planned] if planned["encoder_width"].nunique() > 1 else [planned]
    return [
        [*key.values(), *(int((group["state"] == state).sum()) for state in ("done", "failed", "missing"))]
        for part in parts
        for key, group in groups(part, [*base, "encoder_width"])
    ]


def _runs(runs: pd.DataFrame, modules: list[int]) -> Rows:
    columns = ["model", "num_rules", "encoder_width", *DESIGN]
    both = [runs[runs["checkpoint"] == position] for position in range(len(CHECKPOINTS))]
    values = [_rounded(frame[list(SHOWN)].to_numpy(float)) for frame in both]
    facts = both[0][columns].to_numpy(dtype=int).tolist()
    return [[*fact, M, *pair] for fact, M, *pair in zip(facts, modules, *values, strict=True)]


def _coded(frame: pd.DataFrame, models: dict[str, int]) -> pd.DataFrame:
    """Models and checkpoints as positions."""
    coded = frame.assign(model=frame["model"].map(models).astype(int))
    if "checkpoint" in coded:
        coded["checkpoint"] = coded["checkpoint"].map({name: k for k, name in enumerate(CHECKPOINTS)})
    return coded


def _rounded(values: np.ndarray) -> list:
    """Numbers to `DIGITS` digits; None where there is none."""
    values = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = DIGITS - 1 - np.floor(np.log10(np.abs(values)))
        kept = np.where(values == 0, 0.0, np.round(values * 10.0**places) / 10.0**places)
    shown = kept.astype(object)
    shown[~np.isfinite(kept)] = None
    return shown.tolist()
