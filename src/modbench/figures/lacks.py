"""What a store would need before a figure can show anything, and the least that has to be trained for it.

Each takes the planned runs of a store (`modbench.analysis.summary.planned_runs`), whether they are finished or not,
and returns None where the figure will have something to show once they are.
"""

from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from modbench.analysis.needs import Need
from modbench.analysis.settings import base_model, model_title, models_in_order
from modbench.core.names import MODELS


def lacks_modules(planned: pd.DataFrame) -> Need | None:
    """A modular model."""
    if (planned["scores"] != "none").any():
        return None
    return Need(f"a modular model; the store has {models_had(planned)}", with_models(planned, ["modular"]))


def unfinished(planned: pd.DataFrame) -> Need:
    """Of a figure for which all is planned and nothing finished that it could show."""
    missing, failed = (int((planned["state"] == state).sum()) for state in ("missing", "failed"))
    if missing:
        return Need(f"finished runs; {missing:,} planned run{'s are' if missing > 1 else ' is'} missing")
    return Need(f"finished runs side by side; {failed:,} of {len(planned):,} runs failed", None)


def not_recorded(planned: pd.DataFrame) -> Need:
    """Of a figure of routing along training, which older stores have not recorded."""
    if not ((planned["state"] == "done") & (planned["scores"] != "none")).any():
        return unfinished(planned)
    return Need(
        "routing recorded along training, and these runs were trained before that was done; trained anew, into another "
        "store, they have it",
        None,
    )


def several(planned: pd.DataFrame, column: str, by: Sequence[str]) -> set[str]:
    """The settings in which runs differ in a column that agree in others; `by` is these, `setting` the first."""
    values = planned.groupby(list(by))[column].nunique()
    return {str(setting) for setting in values[values > 1].index.get_level_values("setting")}


def models_had(planned: pd.DataFrame) -> str:
    """The models of a store in words: `"Modular alone"`."""
    return listed([model_title(model) for model in models_in_order(planned["model"])])


def listed(words: Sequence[object]) -> str:
    """Values in words: `"32 alone"`, `"2 and 8"`, `"none"`."""
    if len(words) < 2:
        return f"{words[0]} alone" if words else "none"
    return ", ".join(str(word) for word in words[:-1]) + f" and {words[-1]}"


def with_models(planned: pd.DataFrame, wanted: Collection[str]) -> tuple[str, ...]:
    """The override that adds models to those of a store."""
    present = {base_model(model) for model in planned["model"]}
    names = [model for model in models_in_order(MODELS) if model in present or model in wanted]
    return ("model.name=[" + ", ".join(f'"{name}"' for name in names) + "]",)


def with_values(planned: pd.DataFrame, field: str, wanted: Iterable[int]) -> str:
    """The override that adds numbers to those of a field, such as `model.encoder_width`, in a store."""
    present = {int(value) for value in planned[field.rsplit(".", 1)[-1]]}
    return f"{field}={sorted({*present, *wanted})}"
