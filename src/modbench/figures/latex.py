"""Score tables of settings in LaTeX, with the rules of the package booktabs."""

import math

import numpy as np
import pandas as pd

from modbench.analysis import model_title, random_baselines, summarise, with_settings
from modbench.analysis.summary import groups
from modbench.core.quantities import METRICS, QUANTITIES, error_unit
from modbench.figures.base import RANDOM, with_random
from modbench.store.table import Tables

SHOWN = ("error_id", "error_ood", "collapse_worst", "alignment", "adaptation", "inverse_mutual_information")
HEADS = {
    "error_id": "Error, ID",
    "error_ood": "Error, OoD",
    "collapse_worst": "Collapse-Worst",
    "alignment": "Alignment",
    "adaptation": "Adaptation",
    "inverse_mutual_information": "Inverse MI",
}
GIVEN = ("gt-modular", RANDOM)
"""Rows that are no candidates for the best value: their routing is given."""
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "·": r"$\cdot$"}
_SPECIAL |= {letter: "\\" + letter for letter in "&%$#_{}"}


def latex_tables(tables: Tables, checkpoint: str = "last") -> dict[str, tuple[str, pd.DataFrame]]:
    r"""A table for each setting: a row per number of rules and model, means with intervals, the lowest in bold.

    Args:
        tables: as loaded.
        checkpoint: `"last"` or `"best"`.

    Returns:
        Setting -> (LaTeX, a `table` that needs `\usepackage{booktabs}`; its numbers as `summarise` gives them, with
        those of Random).
    """
    tables = with_settings(tables)
    by = ("setting", "kind", "num_rules", "model")
    random = random_baselines(tables)
    summary = with_random(summarise(tables, SHOWN, by, checkpoint), random[random["quantity"].isin(SHOWN)])
    return {
        key["setting"]: (_table(key["setting"], key["kind"], part, checkpoint), part)
        for key, part in groups(summary, ["setting", "kind"])
    }


def escaped(text: str) -> str:
    """Text as LaTeX shows it."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _table(setting: str, kind: str, part: pd.DataFrame, checkpoint: str) -> str:
    powers = {name: _power(part, name, kind) for name in SHOWN}
    heads = [_head(name, kind, powers[name]) for name in SHOWN]
    body = []
    for key, of_rules in groups(part.sort_values("num_rules", kind="stable"), ["num_rules"]):
        lowest = {name: _lowest(of_rules, name, kind, powers[name]) for name in SHOWN}
        lines = []
        for named, rows in groups(of_rules, ["model"]):
            model = named["model"]
            cells = []
            for name in SHOWN:
                row = rows[rows["quantity"] == name]
                best = None if model in GIVEN else lowest[name]
                cells.append(_cell(row.iloc[0], kind, best, powers[name]) if len(row) else "--")
            title = "Random" if model == RANDOM else escaped(model_title(model))
            lines.append(" & ".join([str(key["num_rules"]) if not lines else "", title, *cells]) + r" \\")
        body.append("\n".join(lines))
    seeds = (
        "; brackets hold 95\\,\\% intervals"
        if part["low"].notna().any()
        else "; no intervals: a single task seed and seed"
    )
    return "\n".join([
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\scriptsize\setlength{\tabcolsep}{2pt}",
        rf"\caption{{{escaped(setting)}, ``{checkpoint}'' checkpoint: means over capacities, task seeds and "
        rf"seeds{seeds}. "
        r"Lower is better; bold is the lowest among the models that find their routing themselves.}",
        r"\begin{tabular}{@{}rl" + "l" * len(SHOWN) + "@{}}",
        r"\toprule",
        " & ".join(["$R$", "Model", *heads]) + r" \\",
        r"\midrule",
        "\n\\midrule\n".join(body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ])  # fmt: skip


def _power(part: pd.DataFrame, quantity: str, kind: str) -> int:
    """The power of ten that errors of regression are told in: the largest mean then is from 1 to 100."""
    if quantity in METRICS or kind == "classification":
        return 0
    largest = part.loc[part["quantity"] == quantity, "mean"].abs().max()
    power = math.floor(math.log10(largest)) if largest > 0 and math.isfinite(largest) else 0
    return 0 if power in (0, 1) else power


def _head(quantity: str, kind: str, power: int) -> str:
    if quantity in METRICS:
        return HEADS[quantity]
    unit = (rf"$10^{{{power}}}$ " if power else "") + escaped(error_unit(kind))
    return f"{HEADS[quantity]} ({unit})"


def _lowest(rows: pd.DataFrame, quantity: str, kind: str, power: int) -> str | None:
    means = rows.loc[(rows["quantity"] == quantity) & ~rows["model"].isin(GIVEN), "mean"].dropna()
    return _number(float(means.min()), quantity, kind, power) if len(means) else None


def _cell(row: pd.Series, kind: str, best: str | None, power: int) -> str:
    mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
    if not np.isfinite(mean):
        return "none"
    quantity = str(row["quantity"])
    text = _number(mean, quantity, kind, power)
    shown = rf"\textbf{{{text}}}" if text == best else text
    if np.isfinite(low) and np.isfinite(high):
        ends = (_number(end, quantity, kind, power) for end in (low, high))
        shown += rf" {{\tiny [{','.join(ends)}]}}"
    return shown


def _number(value: float, quantity: str, kind: str, power: int) -> str:
    if QUANTITIES[quantity].high == 1:
        return f"{value:.2f}".removeprefix("0")
    if kind == "classification":
        return f"{value:.1f}"
    shown = value / 10**power
    return f"{shown:.2f}" if shown >= 0.1 else f"{shown:#.2g}"
