"""Effects: what two runs that differ in nothing but the model differ in, or how a quantity moves with R.

A **panel** has the paper's four models side by side: a row per setting, number of rules, capacity, task seed and
seed, so that everything in a row saw the same task and the same batches. Errors are compared as logarithms to the
base of two: their differences are ratios, which settings whose errors have different units can share. A
classification error of zero counts as half a wrong label of those looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd

from modbench.analysis.intervals import Interval, crossed_interval, probability_interval
from modbench.analysis.reference import random_value
from modbench.analysis.settings import base_model, unseeded_specs, with_settings
from modbench.analysis.summary import planned_runs
from modbench.core.names import PAPER_MODELS
from modbench.store.table import Tables

CELL = ["setting", "encoder_width", "model_width"]
KEY = [*CELL, "num_rules", "task_seed", "seed"]
ERRORS = ("error_id", "error_ood", "error_training")
METRICS = ("collapse_avg", "collapse_worst", "alignment", "inverse_mutual_information")
_QUANTITIES = [*ERRORS, *METRICS, "loss_change", "num_parameters"]

Form = Literal["ratio", "share", "level", "difference"]
Over = Literal["all", "growth", "most", "fewest"]


class Panel(NamedTuple):
    """The paper's models side by side.

    Attributes:
        runs: planned runs with `state` (`"done"`, `"failed"`, `"missing"`).
        values: indexed by `KEY`, columns (quantity, model), NaN where a run is not there. Errors and numbers of
            parameters are logarithms to the base of two; `error_training` is their mean over the evaluations
            during training, but for step 0; `loss_change` is the logarithm of the loss over the last third of the
            learning curve, less that over the third before it; `alignment` is relative to Random, whose value
            1 - 1/R itself moves with R.
    """

    runs: pd.DataFrame
    values: pd.DataFrame

    @classmethod
    def of(cls, tables: Tables, checkpoint: str = "last") -> Self:
        """The runs of the paper's four models as the paper has them: M = R, no options."""
        tables = with_settings(tables)
        runs = planned_runs(tables, checkpoint)
        places, distinct = unseeded_specs(runs["spec"])
        specs = [distinct[place] for place in places]
        runs = runs.assign(model=runs["model"].map(base_model))
        asked = [
            model in PAPER_MODELS and _as_in_the_paper(spec)
            for model, spec in zip(runs["model"], specs, strict=True)
        ]
        runs = _comparable(runs.assign(spec=specs)[np.array(asked, dtype=bool)], tables.curves)
        values = pd.DataFrame(runs.groupby([*KEY, "model"])[_QUANTITIES].mean().unstack("model"))
        columns = pd.MultiIndex.from_product([_QUANTITIES, PAPER_MODELS])
        return cls(runs, values.reindex(columns=columns))

    def only(self, *settings: str) -> Self:
        """The part of some settings."""
        rows = self.values.index.get_level_values("setting").isin(settings)
        return type(self)(self.runs[self.runs["setting"].isin(settings)], self.values[rows])


@dataclass(frozen=True)
class Effect:
    """One number that a claim speaks of.

    Attributes:
        title: what it is, for people.
        models: whose runs it needs; of two, the first is measured against the second.
        value: panel's values -> a number for each row.
        form: `"ratio"` (a logarithm, shown as a factor), `"share"` (of pairs), `"level"` (of a metric) or
            `"difference"`.
        over: `"all"` rows; their `"growth"` per doubling of R, from the numbers of rules of one setting,
            capacity, task seed and seed; those with the `"most"` or the `"fewest"` rules.
        above: the claim says that it is larger than this, in the numbers of `value`.
        below: the claim says that it is smaller than this. An effect without either is shown, not judged.
    """

    title: str
    models: tuple[str, ...]
    value: Callable[[pd.DataFrame], pd.Series]
    form: Form
    over: Over = "all"
    above: float = -np.inf
    below: float = np.inf

    @property
    def judged(self) -> bool:
        """Whether the claim says anything about it."""
        return bool(np.isfinite(self.above) or np.isfinite(self.below))

    def measure(self, panel: Panel, level: float) -> "Measured":
        """Measures it on a panel.

        Args:
            panel: of some runs.
            level: nominal coverage of the interval.

        Returns:
            The effect's mean over what the panel has of it, with its interval.
        """
        return self.measure_at(panel, level)[0]

    def measure_at(self, panel: Panel, *levels: float) -> list["Measured"]:
        """As `measure`, with intervals of several levels."""
        found = _OVER[self.over](self.value(panel.values))
        known = found["value"].notna().to_numpy()
        values = found["value"].to_numpy()[known]
        task_seeds, seeds = (found.index.get_level_values(name)[known] for name in ("task_seed", "seed"))
        if self.form == "share":
            # Capacities share their task.
            task = [found.index.get_level_values(name)[known] for name in ("setting", "num_rules")]
            trials = len(pd.MultiIndex.from_arrays([*task, task_seeds, seeds]).unique())
            intervals = [probability_interval(values, task_seeds, seeds, level, trials) for level in levels]
        else:
            bounds = (0.0, 1.0) if self.form == "level" else (-np.inf, np.inf)
            intervals = [
                crossed_interval(values, task_seeds, seeds, level=level, bounds=bounds) for level in levels
            ]
        num_runs = len(self.models) * int(found["rows"].to_numpy()[known].sum())
        parameters = _parameters(panel.values, self.models) if self.form in ("ratio", "share") else None
        return [Measured(interval, num_runs, len(found) - len(values), parameters) for interval in intervals]


class Measured(NamedTuple):
    """What an effect was measured to be.

    Attributes:
        interval: the mean with its bounds, in the effect's numbers.
        num_runs: finished runs behind it.
        num_left_out: comparisons that were planned but lack a run.
        parameters: of two models, the second's number of parameters over the first's.
    """

    interval: Interval
    num_runs: int
    num_left_out: int
    parameters: float | None

    @property
    def crossed(self) -> bool:
        """Whether there are several task seeds and several seeds: else the interval does not speak of both."""
        return bool(self.interval.num_task_seeds > 1 and self.interval.num_seeds > 1)


def lower_error(model: str, than: str, quantity: str = "error_id") -> Callable[[pd.DataFrame], pd.Series]:
    """How many times lower a model's error is than another's, as a logarithm."""
    return lambda values: values[quantity, than] - values[quantity, model]


def wins(model: str, against: str, quantity: str = "error_id") -> Callable[[pd.DataFrame], pd.Series]:
    """1 where a model has the lower error, 0 where the other has it, 1/2 where they tie."""
    return lambda values: (values[quantity, against] - values[quantity, model]).map(np.sign) / 2 + 0.5


def level_of(model: str, quantity: str) -> Callable[[pd.DataFrame], pd.Series]:
    """A metric of one model."""
    return lambda values: values[quantity, model]


def lower_metric(model: str, than: str, quantity: str) -> Callable[[pd.DataFrame], pd.Series]:
    """By how much a model's metric is lower than another's."""
    return lambda values: values[quantity, than] - values[quantity, model]


def _comparable(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Adds what learning curves say, takes logarithms, and sets alignment relative to Random. `spec` has tables."""
    table = runs[[*METRICS, "num_parameters"]].astype(float)
    table["alignment"] /= runs["num_rules"].map(lambda R: random_value("alignment", int(R)))
    table["num_parameters"] = table["num_parameters"].map(np.log2)
    least = least_error(runs, "performance")
    for name in ("error_id", "error_ood"):
        table[name] = runs[name].astype(float).clip(lower=least).map(np.log2)
    after = curves.loc[curves["step"] > 0, ["run_id", "step", "steps", "error", "loss"]]
    least = after["run_id"].map(least_error(runs, "curve").set_axis(runs["run_id"])).astype(float)
    with np.errstate(divide="ignore"):
        logs = np.log2(after["error"].astype(float).clip(lower=least).to_numpy())
    # A curve that turned NaN has no mean.
    means = after[["run_id"]].assign(log=logs).groupby("run_id")["log"].mean(skipna=False)
    table["error_training"] = runs["run_id"].map(means)
    table["loss_change"] = runs["run_id"].map(_loss_change(after))
    table = table.astype(float).replace([np.inf, -np.inf], np.nan)[runs["state"] == "done"]
    return runs.drop(columns=_QUANTITIES, errors="ignore").join(table)


def _loss_change(curves: pd.DataFrame) -> pd.Series:
    """By run: log2 of the mean loss over the last third of the curve over that of the middle third."""
    third = -(-3 * curves["step"] // curves["steps"])
    means = curves["loss"].groupby([curves["run_id"], third]).mean().unstack().reindex(columns=[2, 3])
    logs = means.map(np.log2)
    return logs[3] - logs[2]


def _as_in_the_paper(spec: dict) -> bool:
    model = spec["model"]
    options = model["score_options"] or model["gate_options"]
    return not options and model["num_modules"] in (None, spec["task"]["num_rules"])


def least_error(runs: pd.DataFrame, measurement: Literal["performance", "curve"]) -> pd.Series:
    """Half a wrong label of those looked at, in %; 0 in regression. What an error of zero counts as in logarithms.

    Args:
        runs: whose `spec` is a table.
        measurement: where the labels were looked at: under shifts or along training.
    """

    def least(spec: dict) -> float:
        if spec["task"]["kind"] == "regression":
            return 0.0
        evaluation = spec["evaluation"]
        size = spec["train"]["batch_size"] if measurement == "curve" else evaluation["performance_batch_size"]
        return 50 / (evaluation[f"{measurement}_batches"] * size * spec["task"].get("length", 1))

    return runs["spec"].map(least).astype(float)


def _parameters(values: pd.DataFrame, models: tuple[str, ...]) -> float | None:
    if len(models) != 2:
        return None
    ratio = float((values["num_parameters", models[1]] - values["num_parameters", models[0]]).mean())
    return 2**ratio if np.isfinite(ratio) else None


def _all(values: pd.Series) -> pd.DataFrame:
    return values.to_frame("value").assign(rows=1)


def _per_cell(values: pd.Series, reduce: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Reduces tables (task seed and seed, R) of the settings and capacities that have several numbers of rules."""
    table = values.unstack("num_rules")
    asked = pd.Series(1, values.index).unstack("num_rules").notna().groupby(CELL).transform("any")
    # Cells of the same numbers of rules, as most are, are cut at once.
    patterns, which = np.unique(asked.to_numpy(), axis=0, return_inverse=True)
    parts = [reduce(table[which == k].loc[:, rules]) for k, rules in enumerate(patterns) if rules.sum() > 1]
    return pd.concat(parts) if parts else pd.DataFrame({"value": [], "rows": []}, index=table.index[:0])


def _slope(table: pd.DataFrame) -> pd.DataFrame:
    """Least-squares slope on log2 R; NaN where a number of rules is not there."""
    x = np.log2(table.columns.to_numpy(dtype=float))
    x -= x.mean()
    return (table @ x / (x @ x)).to_frame("value").assign(rows=len(x))


_OVER: dict[Over, Callable[[pd.Series], pd.DataFrame]] = {
    "all": _all,
    "growth": lambda values: _per_cell(values, _slope),
    "most": lambda values: _per_cell(values, lambda table: _all(table.iloc[:, -1])),
    "fewest": lambda values: _per_cell(values, lambda table: _all(table.iloc[:, 0])),
}
