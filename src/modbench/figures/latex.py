"""Score tables of settings in LaTeX, with the rules of the package booktabs."""

import math

import numpy as np
import pandas as pd

from modbench.analysis import model_title, random_baselines, summarise, with_settings
from modbench.analysis.best import RULE, best_models
from modbench.analysis.summary import groups, planned_runs
from modbench.core.quantities import METRICS, error_unit
from modbench.figures.base import RANDOM, slug, with_random
from modbench.figures.digits import told
from modbench.store.table import Tables

HEADS = {
    "error_id": "Error, ID",
    "error_ood": "Error, OoD",
    "collapse_worst": "Collapse-Worst",
    "alignment": "Alignment",
    "adaptation": "Adaptation",
    "inverse_mutual_information": "Inverse MI",
}
SHOWN = tuple(HEADS)
NO_INTERVALS = "no intervals: a single task seed and seed"
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "·": r"$\cdot$"}
_SPECIAL |= {letter: "\\" + letter for letter in "&%$#_{}"}


def latex_tables(tables: Tables, checkpoint: str = "last") -> dict[str, tuple[str, pd.DataFrame]]:
    r"""A table for each setting: a row per number of rules and model, means with intervals, the best in bold.

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
    best = best_models(planned_runs(tables, checkpoint), SHOWN, ("setting", "num_rules"))
    return {
        key["setting"]: (_table(key["setting"], key["kind"], part, best, checkpoint), part)
        for key, part in groups(summary, ["setting", "kind"])
    }


def escaped(text: str) -> str:
    """Text as LaTeX shows it."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _table(setting: str, kind: str, part: pd.DataFrame, best: set[tuple], checkpoint: str) -> str:
    powers = {name: _power(part, name, kind) for name in SHOWN}
    units = ["" if name in METRICS else _unit(kind, powers[name]) for name in SHOWN]
    body = []
    for key, of_rules in groups(part.sort_values("num_rules", kind="stable"), ["num_rules"]):
        lines = []
        for named, rows in groups(of_rules, ["model"]):
            model = named["model"]
            cells = []
            for name in SHOWN:
                row = rows[rows["quantity"] == name]
                marked = (setting, key["num_rules"], model, name) in best
                cells.append(_cell(row.iloc[0], powers[name], marked) if len(row) else "--")
            title = "Random" if model == RANDOM else escaped(model_title(model))
            lines.append(" & ".join([str(key["num_rules"]) if not lines else "", title, *cells]) + r" \\")
        body.append("\n".join(lines))
    seeds = "brackets hold 95 % intervals" if part["low"].notna().any() else NO_INTERVALS
    caption = (
        f"{setting}, ``{checkpoint}'' checkpoint: means over capacities, task seeds and seeds; {seeds}. "
        f"Lower is better. {RULE}."
    )
    return "\n".join([
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\scriptsize\setlength{\tabcolsep}{1.5pt}",
        r"\caption{" + escaped(caption).replace(r" \%", r"\,\%") + "}",
        rf"\label{{tab:{slug(setting)}-{checkpoint}}}",
        r"\begin{tabular}{@{}rl" + "l" * len(SHOWN) + "@{}}",
        r"\toprule",
        " & ".join(["$R$", "Model", *HEADS.values()]) + r" \\",
        " & ".join(["", "", *units]) + r" \\",
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


def _unit(kind: str, power: int) -> str:
    return "(" + (rf"$10^{{{power}}}$ " if power else "") + escaped(error_unit(kind)) + ")"


def _cell(row: pd.Series, power: int, marked: bool) -> str:
    mean, low, high = (float(row[name]) / 10**power for name in ("mean", "low", "high"))
    if not np.isfinite(mean):
        return "none"
    text, *ends = told(str(row["quantity"]), mean, low, high)
    shown = rf"\textbf{{{text}}}" if marked else text
    if np.isfinite(low) and np.isfinite(high):
        inner = r",\,".join(ends)
        shown += rf" {{\tiny [{inner}]}}"
    return shown
