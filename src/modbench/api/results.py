"""What a store holds, on one object: tables, statistics and pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd

from modbench.analysis import cell_scores, probability_of_improvement, ranking, summarise, with_settings
from modbench.analysis.claims import claims
from modbench.analysis.intervals import LEVEL, Statistic
from modbench.analysis.paired import paired
from modbench.analysis.ranking import CELL
from modbench.analysis.summary import GROUP, planned_runs
from modbench.api.card import html_card, text_card
from modbench.api.pictures import Charts, Plots
from modbench.core.errors import RequestError, unknown
from modbench.core.names import CHECKPOINTS
from modbench.core.paths import given_path
from modbench.core.quantities import QUANTITIES
from modbench.store.table import Tables
from modbench.store.table import load as load_tables
from modbench.sweep.run import Outcome

_PARTS = ("curves", "snapshots", "performance", "activations", "missing")
_REASONS = [
    "run_id",
    "setting",
    "num_rules",
    "model",
    "encoder_width",
    "task_seed",
    "seed",
    "reason",
    "diverged_at",
]


def load(folder: str | Path, checkpoint: str = "last", outcome: Outcome | None = None) -> "Results":
    """Loads all that a store holds: seconds for 20,000 runs.

    Args:
        folder: that `modbench run` or `modbench.run` has made.
        checkpoint: which parameters of each run the results are about, `"last"` or `"best"`; the two are never pooled.
        outcome: how the sweep that has just been trained went, if one was.

    Raises:
        RequestError: there is no such folder, it is no store, or the checkpoint is unknown.
        MachineError: a file cannot be read.

    Example::

        results = modbench.load("results/quick")
        results.runs.groupby("model")["error_ood"].median()
    """
    return Results(load_tables(folder), given_path(folder), checkpoint, outcome)


class Results:
    """Tables, statistics and pictures of a store, at one checkpoint.

    Tables are pandas, and yours: a column that you add stays, and no statistic looks at it. Failed and missing runs are
    counted by every statistic and averaged over by none; intervals are of 95 % and respect that task seeds and seeds
    are crossed.

    Attributes:
        folder: of the store.
        checkpoint: `"last"` or `"best"`.
        tables: the store as it is, both checkpoints, failed runs included.
        outcome: how the sweep that has just been trained went; None when the store was only loaded.
        plot: figures by name, each called for a Matplotlib figure: `results.plot.error()`.
        chart: figures that can be explored, each called for an Altair chart: `results.chart.error()`.
    """

    def __init__(
        self, tables: Tables, folder: Path, checkpoint: str = "last", outcome: Outcome | None = None
    ) -> None:
        require_checkpoint(checkpoint)
        self.tables = with_settings(tables)
        self.folder = folder
        self.checkpoint = checkpoint
        self.outcome = outcome
        self.plot = Plots(checkpoint, str(folder), self._part)
        self.chart = Charts(checkpoint, str(folder), self._part)

    # --- tables

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row per finished or failed run: what it was (`model`, `num_rules`, `seed`, ...) and what was measured.

        Columns are those of `docs/sweeps.md`, quantities under their plain names (`error_id`, `alignment`, ...) at
        this checkpoint, and `setting`: what runs must share to be averaged.
        """
        return self._at_checkpoint(self.tables.runs)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per run and evaluation during training: `step`, `loss`, `error`, and what the run was."""
        return self.tables.curves.copy()

    @cached_property
    def performance(self) -> pd.DataFrame:
        """A row per run and shift (`scale`, `length`): `loss`, `error`, and what the run was."""
        return self._at_checkpoint(self.tables.performance)

    @cached_property
    def matrices(self) -> pd.DataFrame:
        """A row per run of a modular model; `matrix` holds its activation matrix (R x M), p(module | rule)."""
        return self._at_checkpoint(self.tables.activations)

    @cached_property
    def snapshots(self) -> pd.DataFrame:
        """A row per activation matrix that was kept along training: `step`, `matrix` as in `matrices`, and the run.

        They are kept of the first runs of every cohort, whatever their outcome; metrics along training, which are
        columns of `curves`, of all.
        """
        return self.tables.snapshots.copy()

    @cached_property
    def failed(self) -> pd.DataFrame:
        """A row per failed run, with the `reason`."""
        runs = self._at_checkpoint(self.tables.runs)
        return runs.loc[runs["status"] == "failed", _REASONS].reset_index(drop=True)

    @cached_property
    def missing(self) -> pd.DataFrame:
        """A row per run that is planned and not there yet."""
        return self.tables.missing.copy()

    def matrix(self, **where: Any) -> pd.DataFrame:
        """The activation matrix of one run: a row per rule, a column per module, p(module | rule).

        Args:
            **where: columns of `matrices` that single the run out, such as `model="modular"`, `num_rules=8`,
                `task_seed=0`, `seed=0`, or its `run_id`.

        Raises:
            RequestError: they single out no run, or several.
        """
        found = self.select(**where).matrices
        if len(found) != 1:
            raise RequestError(f"exactly one run with an activation matrix must match, got {len(found):,}")
        matrix = found["matrix"].iloc[0]
        frame = pd.DataFrame(matrix.copy())
        return frame.rename_axis(index="rule", columns="module")

    # --- parts

    def select(self, **where: Any) -> Self:
        """The part of the results in which columns have given values.

        Args:
            **where: column of `runs` -> a value, or several in a list, such as `model=["modular", "gt-modular"]`,
                `num_rules=8`, `architecture="mlp"`.

        Raises:
            RequestError: there is no such column, or no run that has the value.
        """
        return type(self)(self._part(where), self.folder, self.checkpoint, self.outcome)

    def at(self, checkpoint: str) -> Self:
        """The same at another checkpoint, `"last"` or `"best"`."""
        return type(self)(self.tables, self.folder, checkpoint, self.outcome)

    # --- statistics

    def summary(
        self,
        quantities: str | Sequence[str] = tuple(QUANTITIES),
        by: str | Sequence[str] = GROUP,
        statistic: Statistic = "mean",
        level: float = LEVEL,
    ) -> pd.DataFrame:
        """Averages with intervals: a row per group and quantity.

        Args:
            quantities: one name or several, see `modbench list metrics`; all are better when lower.
            by: columns that make a group; what is not among them is averaged over.
            statistic: `"mean"`, or `"iqm"`, the mean of the middle half.
            level: coverage of the intervals.

        Returns:
            Columns `by`, `quantity`, `mean` (or `iqm`), `low`, `high`, `num_runs`, `num_failed`, `num_missing`,
            `num_task_seeds`, `num_seeds`. There is no interval where there is one task seed and one seed.

        Raises:
            RequestError: an unknown quantity or column, or groups that would mix errors of different units.
        """
        by = self._columns(by)
        return summarise(self.tables, _several(quantities), by, self.checkpoint, statistic, level)

    def compare(
        self,
        model: str,
        baseline: str,
        quantities: str | Sequence[str] = tuple(QUANTITIES),
        by: str | Sequence[str] = ("setting",),
        level: float = LEVEL,
    ) -> pd.DataFrame:
        """Two models side by side, over pairs of runs on the same task, capacity, seed and batches.

        Args:
            model: that is looked at.
            baseline: that it is held against.
            quantities: one name or several.
            by: columns that make a group, such as `["setting", "num_rules"]`.
            level: coverage of the intervals.

        Returns:
            A row per group and quantity: `measure` is `"ratio"` for errors and losses (the model's over the
            baseline's: below 1 is better) and `"difference"` for metrics (below 0 is better), then `mean`, `low`,
            `high`, and the `verdict`: `"lower"`, `"higher"` or `"undecided"`; `num_pairs`, `num_unpaired`, ….

        Raises:
            RequestError: an unknown model, quantity or column.
        """
        by = self._columns(by)
        return paired(self.tables, model, baseline, _several(quantities), by, self.checkpoint, level)

    def improvement(
        self,
        model: str,
        baseline: str,
        quantity: str = "error_id",
        by: str | Sequence[str] = ("setting",),
        level: float = LEVEL,
    ) -> pd.DataFrame:
        """How often a model has the lower error of two runs on the same task, capacity and seed; a tie counts half.

        Returns:
            A row per group: `probability`, `low`, `high`, `num_pairs`, `num_unpaired`.

        Raises:
            RequestError: `quantity` is no error, or a column is unknown.
        """
        pairs, by = [(model, baseline)], self._columns(by)
        return probability_of_improvement(self.tables, pairs, quantity, by, self.checkpoint, level)

    def ranking(self, quantity: str = "error_id", by: str | Sequence[str] = ("setting",)) -> pd.DataFrame:
        """How many cells (task, number of rules, capacity) each model wins, by its mean error over seeds.

        Args:
            quantity: `"error_id"` or `"error_ood"`.
            by: of `setting`, `num_rules`, `encoder_width` and `task_seed`.

        Returns:
            A row per group and model: `wins`, `share`, `num_cells`, `num_incomplete`.
        """
        scores = cell_scores(self.tables, quantity, checkpoint=self.checkpoint)
        by = _several(by)
        for name in by:
            if name not in CELL:
                raise unknown("column", name, CELL)
        return ranking(scores, by)

    def claims(self) -> pd.DataFrame:
        """The paper's eight claims, held against these runs: a row per effect.

        Returns:
            Columns `claim` (its number), `sentence`, `verdict` (of the claim: `"supported"`, `"contradicted"`,
            `"undecided"`, or `"too short"` where every setting had less than a quarter of the paper's steps),
            `effect`, `form` (`"ratio"`, `"share"`, `"level"` or `"difference"`), `mean`, `low`, `high`,
            `above` and `below` (between which the claim says that it lies; infinite where it says nothing),
            `effect_verdict` (None where the claim says nothing of it), `num_runs`, and `need`: what a claim
            lacks that is neither supported nor contradicted.
        """
        rows = []
        for claim in claims(self.tables, self.checkpoint):
            need = claim.need.text if claim.need else None
            for effect, measured, verdict in claim.results:
                numbers = [*(float(number) for number in measured.interval[:3]), effect.above, effect.below]
                if effect.form == "ratio":
                    numbers = [2**number for number in numbers]
                names = ("mean", "low", "high", "above", "below")
                rows.append({
                    "claim": claim.card.number, "sentence": claim.card.sentence, "verdict": claim.verdict,
                    "effect": effect.title, "form": effect.form, **dict(zip(names, numbers, strict=True)),
                    "effect_verdict": verdict, "num_runs": measured.num_runs, "need": need,
                })  # fmt: skip
        return pd.DataFrame(rows)

    # --- how it is shown

    def __repr__(self) -> str:
        return text_card(self.tables, self.folder, self.checkpoint)

    def _repr_html_(self) -> str:
        return html_card(self.tables, self.folder, self.checkpoint)

    # --- helpers

    def _at_checkpoint(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["checkpoint"] == self.checkpoint].reset_index(drop=True)

    @cached_property
    def _planned(self) -> pd.DataFrame:
        return planned_runs(self.tables, self.checkpoint)

    def _columns(self, names: str | Sequence[str]) -> list[str]:
        for name in (found := _several(names)):
            if name not in self._planned:
                raise unknown("column", name, [str(column) for column in self._planned])
        return found

    def _part(self, where: dict[str, Any]) -> Tables:
        """The tables of the runs that match."""
        kept = self._planned
        for name, value in where.items():
            self._columns(name)
            values = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
            having = kept[kept[name].isin(values)]
            if having.empty:
                there = ", ".join(str(found) for found in kept[name].dropna().unique()[:20])
                raise RequestError(f"no run has {name} {value!r}. Possible: {there or 'none'}")
            kept = having
        ids, tables = set(kept["run_id"]), self.tables
        among = tables.runs["run_id"].isin(ids)
        parts = {name: getattr(tables, name) for name in _PARTS}
        return replace(
            tables,
            runs=tables.runs[among],
            measured=tables.measured[among],
            **{name: part[part["run_id"].isin(ids)] for name, part in parts.items()},
        )


def require_checkpoint(name: str) -> None:
    """Raises `RequestError` for a name that is no checkpoint's."""
    if name not in CHECKPOINTS:
        raise unknown("checkpoint", name, CHECKPOINTS)


def _several(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
