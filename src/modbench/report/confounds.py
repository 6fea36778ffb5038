"""The confounds of a store as a page shows them: a table of facts per setting, every number as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from modbench.analysis import model_title, models_in_order, settings_in_order
from modbench.analysis.confounds import BASELINE, parameter_ratios, router_widths, rule_overlap
from modbench.analysis.settings import with_settings
from modbench.core.quantities import error_unit
from modbench.store.table import Tables

Table = list[list[str]]
Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Confounds:
    """What a setting's comparisons are mixed up with.

    Attributes:
        setting: its name.
        compared: models whose parameters are set beside Monolithic's.
        columns: headings of what else is in `rows`.
        rows: number of rules, a ratio of parameters for each of `compared`, a cell for each of `columns`.
        overlap: whether how alike the rules are is known.
        narrow: whether Modular-op has the scorer of MHA.
        low_rank: whether the rules of some task span fewer dimensions than there are rules.
        sizes: every capacity: number of rules, encoder width, then a model's number of parameters with its ratio to
            Monolithic's, in the order of `models`.
        models: headings of `sizes` from the third on.
        routers: where Modular-op's scorer was tried at several widths: number of rules, encoder width, hidden units,
            alignment, error, runs; empty otherwise.
    """

    setting: str
    compared: list[str]
    columns: list[str]
    rows: Table
    overlap: bool
    narrow: bool
    low_rank: bool
    sizes: Table
    models: list[str]
    routers: Table

    @property
    def labels(self) -> list[str]:
        """What the cells of `rows` are from the second on, where no heading stands above them."""
        return [f"Parameters, {model} / Monolithic" for model in self.compared] + self.columns


def confounds(tables: Tables, checkpoint: str = "last") -> list[Confounds]:
    """The confounds of every setting with a run, in reporting order; `checkpoint` is that of the routers' numbers."""
    tables = with_settings(tables)
    ratios, overlap, routers = (
        parameter_ratios(tables), rule_overlap(tables), router_widths(tables, checkpoint)
    )  # fmt: skip
    found = []
    for setting in settings_in_order(tables.runs):
        parts = (frame[frame["setting"] == setting] for frame in (ratios, overlap, routers))
        kind = str(tables.runs.loc[tables.runs["setting"] == setting, "kind"].iloc[0])
        found.append(_of_setting(setting, kind, *parts))
    return found


def ratio_text(ratios: pd.Series) -> str:
    """Ratios of numbers of parameters over several capacities: `"1.02"`, `"0.98 to 1.04"`; empty without any."""
    known = ratios.dropna()
    return _range(known.min(), known.max(), "{:.2f}") if len(known) else ""


def _of_setting(
    setting: str, kind: str, ratios: pd.DataFrame, overlap: pd.DataFrame, routers: pd.DataFrame
) -> Confounds:
    models = models_in_order(ratios["model"])
    compared = [model for model in models if model != BASELINE] if BASELINE in models else []
    alike = {int(row["num_rules"]): row for row in overlap.to_dict("records")}
    narrow = routers[routers["own"]]
    columns = ["Same label as the most similar rule", "Dimensions that the rules span"] * bool(alike)
    columns += ["Hidden units of Modular-op's router"] * bool(len(narrow))
    rows = []
    for R in sorted(ratios["num_rules"].unique().tolist()):
        part = ratios[ratios["num_rules"] == R]
        row = [str(R), *(ratio_text(part.loc[part["model"] == model, "ratio"]) for model in compared)]
        if alike:
            row += _overlap(alike[R]) if R in alike else ["", ""]
        if len(narrow):
            widths = narrow.loc[narrow["num_rules"] == R, "hidden"]
            row.append(_range(widths.min(), widths.max(), "{:d}") if len(widths) else "")
        rows.append(row)
    several = routers.groupby(["num_rules", "encoder_width"])["hidden"].transform("nunique") > 1
    return Confounds(
        setting,
        [model_title(model) for model in compared],
        columns,
        rows,
        overlap=bool(alike),
        narrow=bool(len(narrow)),
        low_rank=any(row["rank_least"] < R for R, row in alike.items()),
        sizes=_sizes(ratios, models),
        models=[model_title(model) for model in models],
        routers=[_router(row, kind) for row in routers[several].to_dict("records")],
    )


def _overlap(row: Row) -> list[str]:
    tasks = f"{row['num_tasks']:d} task{'s' * (row['num_tasks'] > 1)}"
    spread = _range(100 * row["agreement_least"], 100 * row["agreement_most"], "{:.0f}")
    agreement = f"{100 * row['agreement']:.0f} % ({spread} in {tasks})"
    return [agreement, _range(row["rank_least"], row["rank_most"], "{:d}")]


def _sizes(ratios: pd.DataFrame, models: list[str]) -> Table:
    table = []
    for (R, width, _), part in ratios.groupby(["num_rules", "encoder_width", "model_width"]):
        sizes = {row["model"]: row for row in part.to_dict("records")}
        cells = []
        for model in models:
            size = sizes.get(model)
            text = f"{size['num_parameters']:,}" if size else ""
            if size and model != BASELINE and np.isfinite(size["ratio"]):
                text += f" ({size['ratio']:.3f})"
            cells.append(text)
        table.append([str(R), str(width), *cells])
    return table


def _router(row: Row, kind: str) -> list[str]:
    digits = "{:.1f} %" if error_unit(kind) == "%" else "{:#.3g}"
    return [
        str(row["num_rules"]),
        str(row["encoder_width"]),
        f"{row['hidden']}" + " (the paper's)" * bool(row["own"]),
        _with_interval(row, "alignment", "{:.2f}"),
        _with_interval(row, "error_id", digits),
        f"{row['num_runs']:,}",
    ]


def _with_interval(row: Row, name: str, form: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    text = form.format(row[name])
    return f"{text} ({form.format(low)} to {form.format(high)})" if np.isfinite(low) else text


def _range(least: float, most: float, form: str) -> str:
    least, most = (int(value) if form == "{:d}" else float(value) for value in (least, most))
    first, last = form.format(least), form.format(most)
    return first if first == last else f"{first} to {last}"
