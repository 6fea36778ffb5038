"""Along training: how metrics of routing move, how long runs take to learn and to specialise, and whether that lasts.

A run **reaches** a target at the first evaluation at which it is there, so times are known to the distance of two
evaluations and never too early. Runs that do not reach it within their training are not left out: they are censored,
and all runs of a setting are watched equally long, so that Kaplan and Meier's estimate is the plain share of runs that
have reached the target by a step. The **median time** is the first evaluation by which half of the runs have; where
fewer do, it is longer than the training, which is written as infinite. Its interval holds the evaluations that half
lies within the interval of the share at (Brookmeyer and Crowley), which respects crossed task seeds and seeds. Over 5
task seeds x 5 seeds it held the true median 95 to 100 % of the time, whether chance lay in the task, in both, or in
neither (log-normal times, 20 evaluations, 250 simulated studies of each), and was open at its end for most of those
whose median lay in the last fifth of the training.

Runs that failed are left out and counted, as everywhere. Routing is recorded along training since a later version than
losses are: runs without it are `num_unrecorded`, and say nothing on targets of routing.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from modbench.analysis.intervals import crossed_interval, probability_interval
from modbench.analysis.remembered import remembered
from modbench.analysis.settings import with_settings
from modbench.analysis.summary import (
    COUNTS,
    GROUP,
    group_places,
    groups,
    in_reporting_order,
    planned_runs,
)
from modbench.core.quantities import CURVE_METRICS
from modbench.store.table import Tables

SPECIALISED = 0.25
"""Alignment at or below which a run counts as specialised: three quarters of its gates, or more, one module a rule."""
COLLAPSED = 0.9
"""Collapse-Worst at or above which it counts as collapsed: a module with a tenth of an equal share, or less."""
RECOVERED = 0.5
"""Collapse-Worst at or below which it has recovered: every module with half of an equal share, or more."""


class Target(NamedTuple):
    """Something that a run may reach along training.

    Attributes:
        name: in tables.
        title: heading for people.
        column: of the curves.
        bound: to be at or below; of `error` a share of the error before the first update.
        above: whether it is to be at or above instead.
    """

    name: str
    title: str
    column: str
    bound: float
    above: bool = False

    @property
    def routed(self) -> bool:
        """Whether it exists only for models that have a router."""
        return self.column in CURVE_METRICS


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("error_half", "Error halved", "error", 1 / 2),
        Target("error_quarter", "Error down to a quarter", "error", 1 / 4),
        Target("error_tenth", "Error down to a tenth", "error", 1 / 10),
        Target("specialised", f"Alignment of {SPECIALISED:g}", "alignment", SPECIALISED),
        Target("specialised_well", "Alignment of 0.1", "alignment", 0.1),
        Target("collapsed", f"Collapse-Worst of {COLLAPSED:g}", "collapse_worst", COLLAPSED, above=True),
    )
}
"""Fixed before any run was looked at, and the same for all models: errors are shares of the error of no training."""

FATES: dict[str, str] = {
    "specialises": f"Alignment at or below {SPECIALISED:g} at some evaluation",
    "keeps": "of the runs that specialised, those that still are so at the end",
    "collapses": f"Collapse-Worst at or above {COLLAPSED:g} at some evaluation",
    "recovers": f"of the runs that collapsed, those with a Collapse-Worst of at most {RECOVERED:g} at the end",
    "ends_collapsed": f"Collapse-Worst at or above {COLLAPSED:g} at the end",
}
"""What can become of a run's routing, and what is meant by it."""

TIMES_COLUMNS = [
    *GROUP, "target", "bound", "steps", "low", "high", "share", "share_low", "share_high", "num_reached", *COUNTS,
    "num_unrecorded", "last_step",
]  # fmt: skip
FATES_COLUMNS = [*GROUP, "fate", "share", "low", "high", "num_of", "of", *COUNTS, "num_unrecorded"]


class _Courses(NamedTuple):
    """The curves of a group's finished runs.

    Attributes:
        key: what the group agrees on.
        steps: (T,) updates before each evaluation.
        values: column of the curves -> (n, T), NaN where it was not recorded.
        task_seed: (n,).
        seed: (n,).
        start: the error before the first update, averaged over all models of the setting and number of rules.
        routed: whether the model has modules.
        counts: finished, failed and missing runs.
    """

    key: dict
    steps: np.ndarray
    values: dict[str, np.ndarray]
    task_seed: np.ndarray
    seed: np.ndarray
    start: float
    routed: bool
    counts: dict[str, int]

    def recorded(self, column: str) -> np.ndarray:
        """Which runs (n,) have a column at all."""
        return np.asarray(np.isfinite(self.values[column]).any(axis=1))


def metric_courses(tables: Tables) -> pd.DataFrame:
    """The mean metrics of routing at every evaluation during training, with intervals.

    Args:
        tables: as loaded.

    Returns:
        A row per setting, number of rules, modular model, metric of `CURVE_METRICS` and step, in reporting order:
        `quantity`, `step`, `mean`, `low`, `high`, `num_runs`. None of a group whose runs recorded nothing.
    """
    parts = [pd.DataFrame(columns=[*GROUP, "quantity", "step", "mean", "low", "high", "num_runs"])]
    for courses in _groups(tables):
        if not courses.recorded("alignment").any():
            continue
        table = np.concatenate([courses.values[name] for name in CURVE_METRICS], axis=1)
        found = crossed_interval(table, courses.task_seed, courses.seed, bounds=(0.0, 1.0))
        numbers = {"mean": found.estimate, "low": found.low, "high": found.high, "num_runs": found.num_runs}
        quantities = np.repeat(list(CURVE_METRICS), len(courses.steps))
        steps = np.tile(courses.steps, len(CURVE_METRICS))
        parts.append(pd.DataFrame({**courses.key, "quantity": quantities, "step": steps, **numbers}))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def times(tables: Tables) -> pd.DataFrame:
    """The steps that runs take to each of `TARGETS`.

    Args:
        tables: as loaded.

    Returns:
        A row per setting, number of rules, model and target that the model can have, in reporting order: `target`,
        `bound` (in the unit of what is to be reached), `steps` (median, infinite where fewer than half of the runs
        get there, NaN without a run), `low`, `high` (NaN where no interval can be had), `share` (of the runs that get
        there), `share_low`, `share_high`, `num_reached`, `num_runs` (that it is known of), `num_failed`,
        `num_missing`, `num_unrecorded`, `last_step`.
    """
    rows = []
    for courses in _groups(tables):
        for target in TARGETS.values():
            if target.routed and not courses.routed:
                continue
            bound = target.bound * (courses.start if target.column == "error" else 1.0)
            rows.append(
                {**courses.key, "target": target.name, "bound": bound, **_time(courses, target, bound)}
            )
    return pd.DataFrame(rows, columns=TIMES_COLUMNS)


def fates(tables: Tables) -> pd.DataFrame:
    """What becomes of routing: the share of runs with each of `FATES`.

    Args:
        tables: as loaded.

    Returns:
        A row per setting, number of rules, modular model and fate, in reporting order: `fate`, `share` (NaN without a
        run), `low`, `high` (NaN where no interval can be had), `num_of` (runs with that fate), `of` (runs it is a
        share of), `num_runs` (that it is known of), `num_failed`, `num_missing`, `num_unrecorded`.
    """
    rows = []
    for courses in _groups(tables):
        if not courses.routed:
            continue
        known = courses.recorded("alignment")
        counts = {**courses.counts, "num_runs": int(known.sum()), "num_unrecorded": int((~known).sum())}
        aligned = courses.values["alignment"][known] <= SPECIALISED
        worst = courses.values["collapse_worst"][known]
        collapsed, sound = worst >= COLLAPSED, worst <= RECOVERED
        everyone = np.ones(len(worst), dtype=bool)
        specialised, fallen = aligned.any(axis=1), collapsed.any(axis=1)
        for fate, (outcome, among) in {
            "specialises": (specialised, everyone),
            "keeps": (aligned[:, -1:].any(axis=1), specialised),
            "collapses": (fallen, everyone),
            "recovers": (sound[:, -1:].any(axis=1), fallen),
            "ends_collapsed": (collapsed[:, -1:].any(axis=1), everyone),
        }.items():
            share, low, high = _share(
                outcome[among], courses.task_seed[known][among], courses.seed[known][among]
            )
            of = {"num_of": int(outcome[among].sum()), "of": int(among.sum())}
            rows.append(
                {**courses.key, "fate": fate, "share": share, "low": low, "high": high, **of, **counts}
            )
    return pd.DataFrame(rows, columns=FATES_COLUMNS)


def _time(courses: _Courses, target: Target, bound: float) -> dict[str, float]:
    known = courses.recorded(target.column)
    values = courses.values[target.column][known]
    with np.errstate(invalid="ignore"):
        there = values >= bound if target.above else values <= bound
    reached = np.maximum.accumulate(there, axis=1)
    counts = {
        **courses.counts, "num_runs": int(known.sum()), "num_unrecorded": int((~known).sum()),
        "num_reached": int(reached[:, -1:].sum()), "last_step": courses.steps.max(initial=0),
    }  # fmt: skip
    nothing = dict.fromkeys(("steps", "low", "high", "share", "share_low", "share_high"), np.nan)
    if not len(reached):
        return {**nothing, **counts}
    found = probability_interval(reached, courses.task_seed[known], courses.seed[known])
    bounded = np.isfinite(found.low).all()
    return {
        "steps": _first(courses.steps, found.estimate),
        "low": _first(courses.steps, found.high) if bounded else np.nan,
        "high": _first(courses.steps, found.low) if bounded else np.nan,
        "share": float(found.estimate[-1]),
        "share_low": float(found.low[-1]),
        "share_high": float(found.high[-1]),
        **counts,
    }


def _first(steps: np.ndarray, shares: np.ndarray) -> float:
    """The first step by which the share is a half; infinite where it never is."""
    enough = shares >= 0.5
    return float(steps[np.argmax(enough)]) if enough.any() else np.inf


def _share(outcomes: np.ndarray, task_seed: np.ndarray, seed: np.ndarray) -> tuple[float, float, float]:
    if not len(outcomes):
        return np.nan, np.nan, np.nan
    found = probability_interval(outcomes, task_seed, seed)
    return float(found.estimate), float(found.low), float(found.high)


def _groups(tables: Tables) -> list[_Courses]:
    """The curves of each setting, number of rules and model that is planned, in reporting order."""
    return _courses(with_settings(tables))


@remembered
def _courses(tables: Tables) -> list[_Courses]:
    planned = planned_runs(tables)
    columns = ["error", *CURVE_METRICS]
    done = tables.curves.loc[
        tables.curves["status"] == "done", [*GROUP, "run_id", "task_seed", "seed", "step", *columns]
    ]
    starts = done[done["step"] == 0].groupby(["setting", "num_rules"])["error"].mean().to_dict()
    # Where rows are, and not the rows: twice a store's longest table is a tenth of all its memory.
    curves = {tuple(key.values()): places for key, places in group_places(done, GROUP)}
    order = in_reporting_order(planned[list(GROUP)].drop_duplicates(), planned)
    states = {tuple(key.values()): part for key, part in groups(planned[[*GROUP, "scores", "state"]], GROUP)}
    found = []
    for key in order.itertuples(index=False, name=None):
        part, state = done.iloc[curves.get(key, slice(0))], states[key]["state"]
        runs = part.drop_duplicates("run_id")
        # A store's curves are its longest table: one look-up of places serves all columns.
        steps, column = np.unique(part["step"].to_numpy(), return_inverse=True)
        row = pd.Index(runs["run_id"]).get_indexer(pd.Index(part["run_id"]))
        values = {}
        for name in columns:
            values[name] = np.full((len(runs), len(steps)), np.nan)
            values[name][row, column] = part[name].to_numpy(dtype=float)
        found.append(
            _Courses(
                dict(zip(GROUP, key, strict=True)),
                steps,
                values,
                runs["task_seed"].to_numpy(),
                runs["seed"].to_numpy(),
                starts.get(key[:2], np.nan),
                bool((states[key]["scores"] != "none").any()),
                {
                    name: int((state == word).sum())
                    for name, word in zip(COUNTS, ("done", "failed", "missing"), strict=True)
                },
            )
        )
    return found
