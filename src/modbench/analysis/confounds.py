"""What comparisons are mixed up with, measured on the runs at hand: sizes, alike rules, narrow routers.

Three of the reservations of PAPER section 7: models of a capacity do not have the same number of parameters; rules may
agree on most labels, or span fewer dimensions than there are modules; and the scorer of Modular-op in MHA is as narrow
as an attention head.
"""

import json

import numpy as np
import pandas as pd

from modbench.analysis.intervals import crossed_interval
from modbench.analysis.settings import base_model, with_settings
from modbench.analysis.summary import groups, in_reporting_order, planned_runs
from modbench.store.table import Tables

CAPACITY = ["setting", "num_rules", "encoder_width", "model_width"]
BASELINE = "monolithic"
HEADS_PER_MODULE = 2


def parameter_ratios(tables: Tables) -> pd.DataFrame:
    """Numbers of parameters beside Monolithic's.

    Returns:
        A row per setting, number of rules, capacity and model, in reporting order: the columns of `CAPACITY`, `model`,
        `num_parameters`, `ratio` to Monolithic at the same setting, number of rules and capacity (NaN without it).
    """
    runs = with_settings(tables).runs
    sizes = runs.groupby([*CAPACITY, "model"])["num_parameters"].first().reset_index()
    own = sizes[sizes["model"] == BASELINE].drop(columns="model")
    both = sizes.merge(own, on=CAPACITY, how="left", suffixes=("", "_baseline"))
    both["ratio"] = both["num_parameters"] / both["num_parameters_baseline"]
    return in_reporting_order(both, planned_runs(tables))[[*CAPACITY, "model", "num_parameters", "ratio"]]


def rule_overlap(tables: Tables) -> pd.DataFrame:
    """How alike the rules of the drawn tasks are.

    Returns:
        A row per setting and number of rules that a store says it of, in reporting order: `setting`, `num_rules`,
        `num_tasks`; `agreement`, the mean over tasks of how often the most similar other rule gives the same label,
        in 0..1, with the smallest and largest, `agreement_least` and `agreement_most`; `rank_least` and `rank_most`, of
        the dimension of the space that the rules' targets span.
    """
    names = ["setting", "num_rules", "num_tasks", "agreement", "agreement_least", "agreement_most",
             "rank_least", "rank_most"]  # fmt: skip
    runs = with_settings(tables).runs
    if not {"rule_agreement", "rule_rank"} <= set(runs):
        return pd.DataFrame(columns=names)
    told = runs.dropna(subset=["rule_agreement", "rule_rank"]).drop_duplicates([*names[:2], "task_seed"])
    rows = []
    for key, tasks in groups(told, names[:2]):
        agreement, rank = tasks["rule_agreement"].astype(float), tasks["rule_rank"].astype(int)
        measured = (agreement.mean(), agreement.min(), agreement.max(), rank.min(), rank.max())
        rows.append({**key, "num_tasks": len(tasks), **dict(zip(names[3:], measured, strict=True))})
    return in_reporting_order(pd.DataFrame(rows, columns=names), planned_runs(tables))


def router_widths(tables: Tables, checkpoint: str = "last") -> pd.DataFrame:
    """What Modular-op of MHA reaches with the hidden units that its scorer has.

    Args:
        tables: as loaded.
        checkpoint: `"last"` or `"best"`.

    Returns:
        A row per setting, number of rules, capacity and number of hidden units, in reporting order: the columns of
        `CAPACITY`, `hidden`, `own` (whether that is the paper's, D // (2 M)), `num_runs`, and means with intervals:
        `alignment`, `alignment_low`, `alignment_high`, `error_id`, `error_id_low`, `error_id_high`.
    """
    planned = planned_runs(tables, checkpoint)
    routed = planned[
        (planned["state"] == "done")
        & (planned["architecture"] == "mha")
        & (planned["model"].map(base_model) == "modular-op")
    ]
    options = [json.loads(spec)["model"] for spec in routed["spec"]]
    plain = np.array([not model["gate_options"] for model in options], dtype=bool)
    own = (routed["model_width"] // (HEADS_PER_MODULE * routed["num_modules"])).astype(int)
    asked = [model["score_options"].get("hidden") for model in options]
    hidden = own.where([value is None for value in asked], pd.Series(asked, own.index, dtype="Int64"))
    routed = routed.assign(hidden=hidden.astype(int), own=hidden == own)[plain]
    rows = []
    for key, runs in groups(routed, [*CAPACITY, "hidden", "own"]):
        row = {**key, "num_runs": len(runs)}
        for name in ("alignment", "error_id"):
            highest = 1.0 if name == "alignment" else np.inf
            interval = crossed_interval(
                runs[name].astype(float), runs["task_seed"], runs["seed"], bounds=(0, highest)
            )
            row |= {name: float(interval.estimate), f"{name}_low": float(interval.low),
                    f"{name}_high": float(interval.high)}  # fmt: skip
        rows.append(row)
    measured = [f"{name}{bound}" for name in ("alignment", "error_id") for bound in ("", "_low", "_high")]
    frame = pd.DataFrame(rows, columns=[*CAPACITY, "hidden", "own", "num_runs", *measured])
    return in_reporting_order(frame.sort_values("hidden"), planned)
