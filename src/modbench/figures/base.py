"""The two halves of a figure: the numbers it shows, and the card that says how to make and to read it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis.needs import Need
from modbench.analysis.settings import models_in_order, settings_in_order
from modbench.analysis.summary import COUNTS, GROUP, count_runs, planned_runs
from modbench.figures.lacks import unfinished
from modbench.store.table import Tables

RANDOM = "random"
"""In the place of a model: uniform routing, which a store need not have runs of."""


@dataclass(frozen=True)
class FigureData:
    """The numbers of a figure, and what they rest on.

    Attributes:
        frame: the numbers, a row per mark; what is exported as CSV. Column `checkpoint` says which was evaluated.
        counts: `setting`, `num_rules`, `model`, `num_runs`, `num_failed`, `num_missing`, and of the finished runs the
            distinct `num_task_seeds` and `num_seeds`, NaN without any.
        settings: all settings of the store, in reporting order.
        models: all models of the store, in reporting order; they fix the colours, also of a part of the data.
        notes: sentences that a reader needs beside the numbers.
        checkpoint: `"last"` or `"best"`, never both; None for what is measured during training.
        value: the column of `frame` that the marks show.
    """

    frame: pd.DataFrame
    counts: pd.DataFrame
    settings: tuple[str, ...]
    models: tuple[str, ...]
    notes: tuple[str, ...] = ()
    checkpoint: str | None = "last"
    value: str = "mean"

    @classmethod
    def of(
        cls,
        tables: Tables,
        frame: pd.DataFrame,
        notes: Sequence[str] = (),
        checkpoint: str | None = "last",
        value: str = "mean",
        store: Tables | None = None,
    ) -> "FigureData":
        """Numbers with the counts of the tables they come from; see the attributes.

        `store` is the whole of which `tables` are a part, where they are one.
        """
        whole = planned_runs(tables if store is None else store)
        planned = planned_runs(tables)
        done = planned[planned["state"] == "done"]
        design = done.groupby(list(GROUP))[["task_seed", "seed"]].nunique()
        design.columns = ["num_task_seeds", "num_seeds"]
        if checkpoint is not None:
            frame = frame.assign(checkpoint=checkpoint)[["checkpoint", *frame]]
        return cls(
            frame,
            count_runs(tables, GROUP).join(design, on=list(GROUP)),
            settings=tuple(settings_in_order(whole)),
            models=tuple(models_in_order(whole["model"])),
            notes=tuple(notes),
            checkpoint=checkpoint,
            value=value,
        )

    @property
    def empty(self) -> bool:
        """Whether no finished run has given a number; failed ones may have, as shares that no run reaches."""
        if not self.counts["num_runs"].any():
            return True
        of_models = self.frame["model"] != RANDOM
        return bool(self.frame.loc[of_models, self.value].isna().all())

    def only(self, **where: Any) -> "FigureData":
        """The part in which columns have given values, such as one setting."""
        frame, counts = self.frame, self.counts
        for column, value in where.items():
            frame = frame[frame[column] == value]
            if column in counts:
                counts = counts[counts[column] == value]
        return replace(self, frame=frame, counts=counts)

    def present(self, column: str) -> list[Any]:
        """Distinct values of a column in the numbers, in reporting order."""
        values = self.frame[column].dropna().unique().tolist()
        order = {"setting": self.settings, "model": self.models}.get(column)
        return [value for value in order if value in values] if order else values

    def titled(self, title: str) -> str:
        """A headline that names the setting, where there is but one, and the checkpoint, where it is not the last."""
        settings = self.present("setting")
        parts = [title, *(settings if len(settings) == 1 else [])]
        return ", ".join(parts + ['"best" checkpoint'] * (self.checkpoint == "best"))

    def basis(self) -> str:
        """What the numbers rest on, in words: `"96 runs · 1 failed · 3 missing"`."""
        done, failed, missing = (
            int(self.counts[name].sum()) for name in ("num_runs", "num_failed", "num_missing")
        )
        parts = [f"{done:,} run{'s' * (done != 1)}"]
        parts += [f"{failed:,} failed"] * (failed > 0) + [f"{missing:,} missing"] * (missing > 0)
        return " · ".join(parts)

    def interval_words(self) -> str:
        """What the intervals are, in words."""
        done = self.counts[self.counts["num_runs"] > 0]
        if done.empty:
            return "no intervals: no run has finished"
        tasks, seeds = ({int(n) for n in done[name]} for name in ("num_task_seeds", "num_seeds"))
        if max(tasks) < 2 and max(seeds) < 2:
            return "no intervals: a single task seed and seed"
        sample = (
            f"{_spread(tasks)} task seed{'s' * (tasks != {1})} x {_spread(seeds)} seed{'s' * (seeds != {1})}"
        )
        only = ", of seeds alone" if max(tasks) < 2 else ", of task seeds alone" if max(seeds) < 2 else ""
        return f"95 % intervals over {sample}{only}"

    def footer(self, *, intervals: bool = True) -> str:
        """The line under a figure."""
        gaps = "mean" in self.frame and bool(self.frame["mean"].isna().any())
        parts = [
            self.basis(),
            *[self.interval_words()] * intervals,
            *["x: no finished run"] * gaps,
            *self.notes,
        ]
        return " · ".join(parts)


def _spread(numbers: set[int]) -> str:
    """`"3"`, or `"2 to 3"` where groups of runs differ."""
    return " to ".join(str(n) for n in sorted({min(numbers), max(numbers)}))


class Draw(Protocol):
    """Draws numbers: `compact` leaves out title, legend and footer, for a page that sets them itself."""

    def __call__(self, data: FigureData, *, compact: bool = False) -> Figure: ...  # noqa: D102


def part_of(tables: Tables, keep: Callable[[pd.DataFrame], pd.Series]) -> Tables:
    """The runs for which something holds, whether they are finished or missing."""
    return replace(tables, runs=tables.runs[keep(tables.runs)], missing=tables.missing[keep(tables.missing)])


def slug(setting: str) -> str:
    """A setting in the name of a file or a label: `"mlp-regression"`."""
    kept = "".join(c if c.isalnum() or c == "." else " " for c in setting)
    return "-".join(kept.lower().split())


def with_random(summary: pd.DataFrame, random: pd.DataFrame) -> pd.DataFrame:
    """Adds rows of model `"random"`, which rest on no runs, to averages of routing metrics.

    Args:
        summary: from `summarise`.
        random: what uniform routing scores, such as `random_baselines` gives it.
    """
    if random.empty:
        return summary
    random = random.assign(model=RANDOM)
    if "kind" in summary:
        random["kind"] = random["setting"].map(dict(zip(summary["setting"], summary["kind"], strict=True)))
    counts = dict.fromkeys([*COUNTS, "num_task_seeds", "num_seeds"], "Int64")
    return pd.concat([summary.astype(counts), random], ignore_index=True)


def nothing_lacks(planned: pd.DataFrame) -> Need | None:
    """Of a figure that any run will do for."""


@dataclass(frozen=True)
class FigureCard:
    """How to make a figure, and how to read it.

    Attributes:
        name: of its files, and for `--only`.
        title: headline.
        prepare: tables and, for most, a checkpoint -> numbers.
        draw: numbers -> figure.
        caption: how to read it, for someone who has not read the paper.
        panels: columns whose values cut the numbers into parts that can be drawn alone.
        per_setting: whether each setting gets a figure of its own.
        paper: the paper's figure that shows the same, such as `"Fig. 4"` or `"appendix"`; empty where it has none.
        lack: what has to be planned in a store before the figure can show anything, given its planned runs; None
            where it is there.
        unseen: what it needs where all is planned and there is nothing to show yet.
        at_checkpoint: whether `prepare` takes the checkpoint to show; not for what is measured during training.
    """

    name: str
    title: str
    prepare: Callable[..., FigureData]
    draw: Draw
    caption: str
    panels: tuple[str, ...]
    per_setting: bool = False
    paper: str = ""
    lack: Callable[[pd.DataFrame], Need | None] = nothing_lacks
    unseen: Callable[[pd.DataFrame], Need] = unfinished
    at_checkpoint: bool = True
