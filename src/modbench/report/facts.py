"""What was run, what is missing or failed, and on what machine: the facts around the numbers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from modbench.analysis import models_in_order, settings_in_order
from modbench.analysis.settings import model_title
from modbench.analysis.summary import COUNTS, groups, planned_runs
from modbench.store.table import Tables

MOST_LISTED = 100


@dataclass(frozen=True)
class Family:
    """What was run of one setting: texts for a table's row, and counts."""

    setting: str
    rules: str
    models: str
    capacities: str
    tasks: str
    seeds: str
    steps: str
    num_runs: int
    num_failed: int
    num_missing: int


def families(tables: Tables) -> list[Family]:
    """A row per setting, in reporting order."""
    planned = planned_runs(tables)
    found = {}
    for key, group in groups(planned, ["setting"]):
        states = [int((group["state"] == state).sum()) for state in ("done", "failed", "missing")]
        found[key["setting"]] = Family(
            key["setting"],
            _listed(group["num_rules"]),
            ", ".join(model_title(model) for model in models_in_order(group["model"])),
            _listed(group["encoder_width"]),
            _listed(group["task_seed"]),
            _listed(group["seed"]),
            _listed(group["steps"]),
            *states,
        )
    return [found[setting] for setting in settings_in_order(planned)]


def totals(tables: Tables) -> dict[str, int]:
    """`num_runs`, `num_failed` and `num_missing` of the whole store."""
    state = planned_runs(tables)["state"]
    return {
        name: int((state == value).sum())
        for name, value in zip(COUNTS, ("done", "failed", "missing"), strict=True)
    }


def failures(tables: Tables) -> pd.DataFrame:
    """The failed runs, at most `MOST_LISTED`: what they were, when and why they failed."""
    planned = planned_runs(tables)
    failed = planned[planned["state"] == "failed"].head(MOST_LISTED)
    names = [
        "run_id",
        "setting",
        "num_rules",
        "model",
        "encoder_width",
        "task_seed",
        "seed",
        "diverged_at",
        "reason",
    ]
    return failed.reindex(columns=names)


def gaps(tables: Tables) -> pd.DataFrame:
    """Where runs are missing: `setting`, `num_rules`, `model` and how many, at most `MOST_LISTED` rows."""
    planned = planned_runs(tables)
    missing = planned[planned["state"] == "missing"]
    sizes = missing.groupby(["setting", "num_rules", "model"]).size().reset_index(name="num_missing")
    return sizes.head(MOST_LISTED)


def machine(tables: Tables) -> dict[str, str]:
    """Versions, machines, time and memory, from the `env_` columns: name -> text."""
    runs = tables.runs.drop_duplicates("run_id")
    if runs.empty:
        return {}
    seconds = {part: float(runs[f"env_seconds_{part}"].sum()) for part in ("train", "compile", "evaluate")}
    shares = ", ".join(f"{_duration(value)} {word}" for word, value in _spent(seconds).items())
    facts = {
        "Runs trained by modbench": _listed(runs["env_modbench"]),
        "JAX": _listed(runs["env_jax"]),
        "Python": _listed(runs["env_python"]),
        "Machine": _listed(runs["env_host"]),
        "Device": _listed(runs["env_device"]),
        "First group started": str(runs["env_started"].min()),
        "Last group started": str(runs["env_started"].max()),
        "Time, all runs together": f"{_duration(sum(seconds.values()))} ({shares})",
    }
    if runs["env_peak_memory_mb"].notna().any():
        facts["Peak memory of a worker"] = f"{runs['env_peak_memory_mb'].max():,.0f} MB"
    return facts


def _spent(seconds: dict[str, float]) -> dict[str, float]:
    words = {"train": "training", "compile": "compiling", "evaluate": "evaluating"}
    return {words[part]: value for part, value in seconds.items()}


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 86400:.0f} days"


def _listed(values: pd.Series, most: int = 8) -> str:
    """Distinct values in order: `"2, 4, 8"`, or `"0 to 24 (25)"` where there are many."""
    distinct: list[Any] = sorted(values.dropna().unique().tolist())
    if len(distinct) <= most:
        return ", ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in distinct)
    return f"{distinct[0]} to {distinct[-1]} ({len(distinct):,})"
