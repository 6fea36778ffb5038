"""Runs in words: their tasks, models, rules, capacities and seeds, and the fields in which stores differ."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from modbench.analysis.differences import Values
from modbench.analysis.settings import families_of, models_in_order
from modbench.core.names import MODEL_TITLES
from modbench.sweep.describe import plural

MOST_VALUES = 6
"""Values that are named; of more, the first, and that there are more."""


def runs_in_words(runs: pd.DataFrame) -> str:
    """What some runs are, such as "MLP · regression, Modular, R = 2, 4, E = 32, task seed 0, seeds 0, 1".

    Args:
        runs: see `analysis.differences.runs_of`.
    """
    models = [MODEL_TITLES.get(model, model) for model in models_in_order(runs["model"])]
    rules, widths, task_seeds, seeds = (
        sorted({int(value) for value in runs[name]})
        for name in ("num_rules", "encoder_width", "task_seed", "seed")
    )
    return ", ".join([
        *dict.fromkeys(families_of(runs)), _several(models), f"R = {_several(rules)}", f"E = {_several(widths)}",
        f"task seed{'s' * (len(task_seeds) > 1)} {_several(task_seeds)}",
        f"seed{'s' * (len(seeds) > 1)} {_several(seeds)}",
    ])  # fmt: skip


def listed(run_ids: list[str], runs: pd.DataFrame) -> str:
    """How many runs, and what they are; of a single one also its id."""
    which = f" ({run_ids[0]})" if len(run_ids) == 1 else ""
    return f"{plural(len(run_ids), 'run')}{which}: {runs_in_words(runs.loc[run_ids])}"


def field_in_words(field: str, values: Values) -> str:
    """A field with its values in each store, such as "train.steps (20 in a, 40 in b)"."""
    parts = [f"{_several(found) if found else 'none'} in {name}" for name, found in values.items()]
    return f"{field} ({', '.join(parts)})"


def _several(values: Iterable[Any]) -> str:
    found = [_text(value) for value in values]
    return ", ".join(found[:MOST_VALUES]) + (", …" if len(found) > MOST_VALUES else "")


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return f"{int(value):,}" if whole or type(value) is int else str(value)
