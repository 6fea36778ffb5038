"""The score table: per setting and number of rules, every model's errors and routing, beside Random.

A table is of one checkpoint; numbers of two are never averaged.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from markupsafe import Markup

from modbench.analysis import (
    count_runs,
    crossed_interval,
    model_title,
    random_baselines,
    summarise,
    with_settings,
)
from modbench.analysis.best import best_models
from modbench.analysis.confounds import BASELINE, parameter_ratios
from modbench.analysis.remembered import remembered
from modbench.analysis.summary import ERRORS, GROUP, groups, planned_runs
from modbench.core.quantities import QUANTITIES, error_unit
from modbench.figures.digits import told
from modbench.figures.style import ModelStyle
from modbench.report.confounds import ratio_text
from modbench.report.svg import marker_svg
from modbench.store.table import Tables

QUANTITIES_SHOWN = ("error_id", "error_ood", "collapse_worst", "alignment", "inverse_mutual_information")
SPEED = "speed"
"""The error averaged over training: a model that learns earlier has less of it. No quantity of a checkpoint."""
COLUMNS = (*QUANTITIES_SHOWN, SPEED)
IN_ERRORS = (*ERRORS, SPEED)
"""What is measured as errors are."""
BY = ("setting", "kind", "num_rules", "model")


@dataclass(frozen=True)
class Cell:
    """One number with its interval; positions are percentages along its column's bar, None where there is none.

    Attributes:
        value: the mean, as text; empty where the quantity does not exist for the model.
        interval: bounds as text; empty where no interval can be had.
        at: position of the mean.
        low: position of the lower bound.
        high: position of the upper bound.
        beyond: whether the upper bound lies past the end of the bar.
        random: position of the value of Random.
        best: whether it is marked, see `modbench.analysis.best.best_models`.
    """

    value: str = ""
    interval: str = ""
    at: float | None = None
    low: float | None = None
    high: float | None = None
    beyond: bool = False
    random: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A model: name, marker, what is behind it, and a cell for each of `COLUMNS`."""

    title: str
    colour: str
    marker: Markup
    parameters: str
    runs: str
    cells: list[Cell]


@dataclass(frozen=True)
class Score:
    """A score table: of one setting and number of rules. `columns` are headings."""

    setting: str
    num_rules: int
    columns: list[str]
    rows: list[Row]


def scores(
    tables: Tables, styles: dict[str, ModelStyle], speed: pd.DataFrame, checkpoint: str = "last"
) -> list[Score]:
    """All score tables of a store, in reporting order.

    Args:
        tables: as loaded.
        styles: of all its models.
        speed: from `learning_speed`, which is that of either checkpoint.
        checkpoint: `"last"` or `"best"`.
    """
    tables = with_settings(tables)
    summary = pd.concat([summarise(tables, QUANTITIES_SHOWN, BY, checkpoint), speed])
    counts = count_runs(tables).set_index(list(GROUP)).to_dict("index")
    sizes = dict(iter(parameter_ratios(tables).groupby(list(GROUP))))
    random = random_baselines(tables).set_index(["setting", "num_rules", "quantity"])["mean"].to_dict()
    planned = planned_runs(tables, checkpoint)
    planned = planned.assign(**{SPEED: planned["run_id"].map(_while_training(tables))})
    best = best_models(planned, COLUMNS, ("setting", "num_rules"))
    found = []
    for key, group in groups(summary, ["setting", "kind", "num_rules"]):
        setting, kind, R = key["setting"], key["kind"], int(key["num_rules"])
        scales = [_Scale.of(group, name, random.get((setting, R, name))) for name in COLUMNS]
        rows = []
        for named, numbers in groups(group, ["model"]):
            model = named["model"]
            behind = (setting, R, model)
            by_quantity = {str(row["quantity"]): row for _, row in numbers.iterrows()}
            rows.append(
                Row(
                    title=model_title(model),
                    colour=styles[model].colour,
                    marker=marker_svg(styles[model]),
                    parameters=_sizes(sizes[behind]) if behind in sizes else "",
                    runs=_runs(*counts[behind].values()),
                    cells=[
                        scale.cell(by_quantity.get(scale.name), (*behind, scale.name) in best)
                        for scale in scales
                    ],
                )
            )
        rows.append(
            Row("Random", "ink", Markup(), "", "uniform routing", [scale.random_cell() for scale in scales])
        )
        columns = [_title(name) + (f", {error_unit(kind)}" if name in IN_ERRORS else "") for name in COLUMNS]
        found.append(Score(setting, R, columns, rows))
    return found


def learning_speed(tables: Tables) -> pd.DataFrame:
    """The error of each model's finished runs, averaged over all evaluations after the first update.

    Args:
        tables: with settings.

    Returns:
        As `summarise` does, without counts: `setting`, `kind`, `num_rules`, `model`, `quantity`, which is `SPEED`,
        `mean`, `low`, `high`.
    """
    planned = planned_runs(tables)
    of_run = planned.assign(**{SPEED: planned["run_id"].map(_while_training(tables))}).dropna(subset=SPEED)
    rows = []
    for key, group in groups(of_run, BY):
        highest = 100.0 if key["kind"] == "classification" else np.inf
        found = crossed_interval(group[SPEED], group["task_seed"], group["seed"], bounds=(0.0, highest))
        mean, low, high = (float(number) for number in found[:3])
        rows.append({**key, "quantity": SPEED, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows, columns=[*BY, "quantity", "mean", "low", "high"])


@remembered
def _while_training(tables: Tables) -> pd.Series:
    """By finished run: its mean error over the evaluations after the first update."""
    trained = (tables.curves["status"] == "done") & (tables.curves["step"] > 0)
    return tables.curves[trained].groupby("run_id", sort=False, observed=True)["error"].mean()


@dataclass(frozen=True)
class _Scale:
    """A column of a score table: how its numbers are written, and where they lie along its bar."""

    name: str
    top: float
    random: float | None

    @classmethod
    def of(cls, group: pd.DataFrame, name: str, random: float | None) -> Self:
        rows = group[group["quantity"] == name]
        # An interval that is much wider than the means differ must not press them together at zero.
        top = min(rows[["mean", "high"]].max(axis=None), 3 * rows["mean"].max()) if name in IN_ERRORS else 1.0
        return cls(name, float(top) if top > 0 else 1.0, random)

    def cell(self, row: pd.Series | None, best: bool) -> Cell:
        if row is None:
            return Cell()
        mean, low, high = float(row["mean"]), float(row["low"]), float(row["high"])
        if not np.isfinite(mean):
            return Cell(value="no finished run")
        bounded = np.isfinite(low) and np.isfinite(high)
        value, *ends = told(self.name, mean, low, high)
        return Cell(
            value=value,
            interval=" to ".join(ends) if bounded else "",
            at=self.place(mean),
            low=self.place(low) if bounded else None,
            high=self.place(high) if bounded else None,
            beyond=bounded and high > 1.001 * self.top,
            random=None if self.random is None else self.place(self.random),
            best=best,
        )

    def random_cell(self) -> Cell:
        if self.random is None:
            return Cell()
        return Cell(told(self.name, self.random, np.nan, np.nan)[0], random=self.place(self.random))

    def place(self, value: float) -> float:
        return round(min(max(100 * value / self.top, 0.0), 100.0), 1)


def _title(name: str) -> str:
    return "Speed of learning: mean error while training" if name == SPEED else QUANTITIES[name].title


def _sizes(sizes: pd.DataFrame) -> str:
    """Numbers of parameters over the capacities, and beside Monolithic's."""
    least, most = sizes["num_parameters"].min(), sizes["num_parameters"].max()
    text = f"{least:,} parameters" if least == most else f"{least:,} to {most:,} parameters"
    ratio = ratio_text(sizes["ratio"]) if (sizes["model"] != BASELINE).all() else ""
    return f"{text}, {ratio} times Monolithic's" if ratio else text


def _runs(num_runs: int, num_failed: int, num_missing: int) -> str:
    parts = [f"{num_runs:,} run{'s' * (num_runs != 1)}"]
    parts += [f"{num_failed:,} failed"] * (num_failed > 0) + [f"{num_missing:,} missing"] * (num_missing > 0)
    return ", ".join(parts)
