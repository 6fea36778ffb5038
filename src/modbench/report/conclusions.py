"""What the numbers of a setting and number of rules say, as sentences with intervals, undecided where they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from modbench.analysis import model_title, random_value, summarise
from modbench.analysis.intervals import LEVEL
from modbench.analysis.paired import paired
from modbench.analysis.summary import ERRORS, groups
from modbench.store.table import Tables

WORDS = {"error_id": "in distribution", "error_ood": "out of distribution"}
PAIRS = {
    ("gt-modular", "modular"): "GT-Modular, which is told which module serves which rule, has",
    ("modular", "monolithic"): "Modular has",
}
"""Who is compared with whom, and how the sentence begins."""
BY = ("setting", "num_rules")
Place = tuple[str, int]
Row = Mapping[Any, Any]


def conclusions(tables: Tables, checkpoint: str = "last") -> dict[Place, list[str]]:
    """Sentences on the paper's models, by setting and number of rules; none where their runs are not planned.

    Errors are compared run by run, as ratios; see `modbench.analysis.paired`. Alignment is held against Random's.

    Args:
        tables: with settings.
        checkpoint: `"last"` or `"best"`.
    """
    planned = {*tables.runs["model"], *tables.missing["model"]}
    found: dict[Place, list[str]] = {}
    for (model, baseline), begin in PAIRS.items():
        if not planned >= {model, baseline}:
            continue
        for key, rows in groups(paired(tables, model, baseline, ERRORS, BY, checkpoint), BY):
            found.setdefault((key["setting"], int(key["num_rules"])), []).append(_compared(rows, begin))
    if "modular" in planned:
        routing = summarise(tables, ("alignment", "collapse_worst"), (*BY, "kind", "model"), checkpoint)
        for key, rows in groups(routing[routing["model"] == "modular"], BY):
            of = {row["quantity"]: row for row in rows.to_dict("records")}
            if np.isfinite(of["alignment"]["mean"]):
                place = (key["setting"], int(key["num_rules"]))
                found.setdefault(place, []).append(_routing(of, place[1]))
    return found


def _compared(rows: pd.DataFrame, begin: str) -> str:
    """How many times another's error a model's is, in and out of distribution."""
    models = [model_title(str(rows[name].iloc[0])) for name in ("model", "baseline")]
    known = [row for row in rows.to_dict("records") if row["num_pairs"]]
    if not known:
        return f"{models[0]} and {models[1]} cannot be compared: no run of one has a finished counterpart of the other."
    whose, interval = f"{models[1]}'s error ", f"{100 * LEVEL:.0f} % interval "
    parts = [
        f"{row['mean']:.2f} times {'' if place else whose}{WORDS[row['quantity']]} "
        f"({_interval(row, '' if place else interval)}: {row['verdict']})"
        for place, row in enumerate(known)
    ]
    return f"{begin} {' and '.join(parts)}."


def _routing(of: Mapping[Any, Row], R: int) -> str:
    """How well Modular specialises, and how unevenly it uses its modules."""
    alignment, collapse = of["alignment"], of["collapse_worst"]
    chance = random_value("alignment", R)
    several = alignment["num_task_seeds"] > 1 and alignment["num_seeds"] > 1
    verdict = "not told apart from"
    if several and alignment["high"] < chance:
        verdict = "better than"
    elif several and alignment["low"] > chance:
        verdict = "worse than"
    return (
        f"Modular's alignment is {alignment['mean']:.2f} ({_interval(alignment)}), {verdict} Random's {chance:.2f}; "
        f"its Collapse-Worst is {collapse['mean']:.2f} ({_interval(collapse)}), where 0 is even use of all modules and "
        "1 a module without use."
    )


def _interval(row: Row, before: str = "") -> str:
    low, high = float(row["low"]), float(row["high"])
    return f"{before}{low:.2f} to {high:.2f}" if np.isfinite([low, high]).all() else "no interval"
