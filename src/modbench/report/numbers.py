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
        curves: model, number of rules, capacity, runs, task seeds, seeds, then lists over `steps` of mean, low and
            high, None where there is none.
        courses: the metrics of routing along training: as `curves` with the position of the metric in `CURVE_METRICS`
            behind the capacity, in thousandths, which are the shorter texts; no row where nothing was recorded.
        steps: of `curves` and `courses`.
        runs: model, number of rules, capacity, task seed, seed, number of modules in `matrices` (0 without), and
            per checkpoint the list of its values in the order of `SHOWN`, None where there is none.
        matrices: the activation matrices of `runs`, in their order, of each that of every checkpoint; see
            `modbench.report.matrices`.
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


def numbers(tables: Tables) -> Iterator[tuple[str, Numbers]]:
    """The numbers of each setting, in no order; `tables` with settings."""
    planned = planned_runs(tables)
    models = {model: position for position, model in enumerate(models_in_order(planned["model"]))}
    facts = ["setting", "run_id", "model", "num_rules", "encoder_width", *DESIGN]
    runs, shifts, curves = (
        _coded(frame.loc[frame["status"] == "done", [*facts, *columns]], models)
        for frame, columns in (
            (tables.runs, ["checkpoint", *SHOWN]),
            (tables.performance, ["checkpoint", "scale", "length", "error"]),
            (tables.curves, ["step", "error", *CURVE_METRICS]),
        )
    )
    planned = _coded(planned, models)
    kept = dict(iter(tables.activations.groupby("checkpoint", observed=True)))
    matrices = {
        name: dict(zip(kept[name]["run_id"], kept[name]["matrix"], strict=True)) if name in kept else {}
        for name in CHECKPOINTS
    }
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
    matrices: Mapping[str, Mapping[str, np.ndarray]],
    filmed: pd.DataFrame,
) -> Numbers:
    highest = 100.0 if (planned["kind"] == "classification").all() else np.inf
    base = ["model", "num_rules"]
    tops = {name: min(highest, QUANTITIES[name].high or np.inf) for name in SHOWN}
    if shifts["length"].nunique() < 2:
        shifts = shifts.iloc[:0]
    runs = runs.sort_values(["model", "num_rules", "encoder_width", *DESIGN, "checkpoint"])
    ids = runs["run_id"].unique().tolist()
    final = matrices["last"]
    whole = {
        run: [of[run] for of in matrices.values()]
        for run in ids
        if all(run in of for of in matrices.values())
    }
    steps = sorted(int(step) for step in curves["step"].unique())
    learning = averages(curves, [*base, "step"], {"error": highest})
    routing = averages(curves, [*base, "step"], dict.fromkeys(CURVE_METRICS, 1.0))
    return Numbers(
        counts=_counts(planned, base),
        averages=averages(runs, [*base, "checkpoint"], tops),
        lengths=averages(shifts, [*base, "checkpoint", "scale", "length"], {"error": highest}),
        curves=_stepwise(learning, steps),
        courses=_stepwise(routing, steps, unit=1000),
        steps=steps,
        runs=_runs(runs, [final[run].shape[1] if run in whole else 0 for run in ids]),
        matrices=packed((found, final[run]) for run, found in whole.items()),
        films=films(filmed, curves, final),
    )


def _stepwise(rows: Rows, steps: Sequence[int], unit: int | None = None) -> Rows:
    """Averages at single steps as one row of lists for each group, which is a third as long.

    Args:
        rows: from `averages`, the step behind the capacity.
        steps: all there are.
        unit: whole numbers of parts of 1, so many to the 1; None leaves numbers as they are.
    """
    place = {step: at for at, step in enumerate(steps)}
    found: dict[tuple[int, ...], Rows] = {}
    for model, R, capacity, step, *metric, mean, low, high, runs, tasks, seeds in rows:
        group = (model, R, capacity, *metric, runs, tasks, seeds)
        lists = found.setdefault(group, [[None] * len(steps) for _ in range(3)])
        for numbers, value in zip(lists, (mean, low, high), strict=True):
            numbers[place[step]] = value if unit is None or value is None else round(unit * value)
    return [[*group, *lists] for group, lists in sorted(found.items())]


def averages(frame: pd.DataFrame, by: Sequence[str], columns: Mapping[str, float]) -> Rows:
    """Means with intervals of each group, at each capacity and over all of them.

    Args:
        frame: a row per run, or more where `by` tells them apart: `encoder_width`, `task_seed`, `seed`, `by` and the
            columns.
        by: columns that make a group; the first two stand before the capacity in a row, the others behind.
        columns: what is averaged, where it is finite -> the largest possible value.

    Returns:
        A row per group that has a value, capacity, `EVERY` for all of them where there are several, and column, whose
        position is the last number before the mean where there are several.
    """
    known = np.isfinite(frame[list(columns)].to_numpy(dtype=float))
    frame = frame.iloc[np.flatnonzero(known.any(axis=1))]
    key = [*by[:2], "encoder_width", *by[2:]]
    rows: Rows = []
    if frame["encoder_width"].nunique() > 1:
        capacity = frame["encoder_width"].rename("capacity")
        every = frame.assign(capacity=capacity, encoder_width=EVERY)
        rows += _averages(every, key, ["capacity", *DESIGN], columns)
    rows += _averages(frame, key, list(DESIGN), columns)
    return sorted(rows, key=lambda row: row[: -len(MEAN)])


def _averages(frame: pd.DataFrame, key: list[str], run: list[str], columns: Mapping[str, float]) -> Rows:
    """As `averages`, of the groups of `key`; runs of a group differ in `run`."""
    at_run, runs = _numbered(frame, run)
    at_group, found = _numbered(frame, key)
    cell, shape = at_run * len(found) + at_group, (len(runs), len(found))
    keys = found.to_numpy().tolist()
    task_seed, seed = (runs[name].to_numpy() for name in DESIGN)
    rows: Rows = []
    for rank, (name, top) in enumerate(columns.items()):
        values = frame[name].to_numpy(dtype=float)
        known = np.isfinite(values)
        counts = np.bincount(cell[known], minlength=shape[0] * shape[1])
        sums = np.bincount(cell[known], values[known], minlength=shape[0] * shape[1])
        table = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0).reshape(shape)
        column = [rank] if len(columns) > 1 else []
        # Groups of one and the same design share a call, which costs a hundredth of a call for each.
        patterns, which = np.unique(np.packbits(np.isfinite(table), axis=0), axis=1, return_inverse=True)
        for pattern, packed_runs in enumerate(patterns.T):
            there = np.unpackbits(packed_runs, count=len(runs)).astype(bool)
            if not there.any():
                continue
            places = np.flatnonzero(which.ravel() == pattern)
            interval = crossed_interval(
                table[there][:, places], task_seed[there], seed[there], bounds=(0.0, top)
            )
            means = (
                *(_rounded(numbers) for numbers in interval[:3]),
                *(numbers.tolist() for numbers in interval[3:]),
            )
            rows += [[*keys[at], *column, *mean] for at, *mean in zip(places, *means, strict=True)]
    return rows


def _numbered(frame: pd.DataFrame, by: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """The number of each row's group, and what each group agrees on, in order."""
    number = frame.groupby(by).ngroup().to_numpy()
    return number, frame[by].iloc[np.unique(number, return_index=True)[1]]


def _counts(planned: pd.DataFrame, base: list[str]) -> Rows:
    key = [*base, "encoder_width"]
    each = planned[key].assign(
        **{state: planned["state"] == state for state in ("done", "failed", "missing")}
    )
    every = each.assign(encoder_width=EVERY)
    parts = [every, each] if planned["encoder_width"].nunique() > 1 else [each]
    rows: Rows = []
    for part in parts:
        rows += part.groupby(key, sort=False).sum().reset_index().to_numpy(dtype=int).tolist()
    return rows


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
