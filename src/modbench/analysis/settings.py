"""Which runs may share an average: the setting of a run, and the full name of its model.

A **setting** is a task family, a kind, and whatever else of the protocol differs inside the store, in words:
`"MLP · regression"`, `"MHA v2 · classification · learning rate 0.001"`. Averages run over capacities, task
seeds and seeds of one setting, number of rules and model, never across settings. A field that a sweep made an
axis therefore splits settings, or models where it is the model's (`"joint+top-k, k=2"`), without any figure
having to know of it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from modbench.analysis.remembered import remembered
from modbench.core.identity import ADDED_LATER
from modbench.core.names import ARCHITECTURES, KINDS, MODEL_TITLES
from modbench.store.table import Tables

FAMILY = ["architecture", "search_version", "kind"]
_PARTS = ("runs", "curves", "snapshots", "performance", "activations", "missing")
_AXES = ["num_rules", "encoder_width", "model"]
_KNOWN = {
    "task.architecture", "task.search_version", "task.kind", "task.num_rules", "task.task_seed", "seed",
    "model.scores", "model.gates", "model.encoder_width",
}  # fmt: skip
_ADDED = {f"{part}.{field}": neutral for (part, field), neutral in ADDED_LATER.items()}
_NEUTRAL = {"task.variant": "linear", "task.order": 1, **_ADDED}
_WORDS = {
    "task.variant": "{}",
    "train.steps": "{:,} steps",
    "train.learning_rate": "learning rate {:g}",
    "train.batch_size": "batch {}",
    "train.precision": "{} products",
    "model.num_modules": "M={}",
    "model.model_width": "D={}",
}


def with_settings(tables: Tables) -> Tables:
    """Adds the column `setting` to every table, and to `model` the options in which like models differ.

    Args:
        tables: as loaded. Tables that have settings already are returned as they are.

    Returns:
        New tables; the given ones are left alone.
    """
    return tables if "setting" in tables.runs else _with_settings(tables)


@remembered
def _with_settings(tables: Tables) -> Tables:
    runs = distinct_runs(tables)
    setting, model = families_of(runs), runs["model"]
    fields = fields_of(runs)
    for field, shown in _axes(runs, fields):
        values = fields[field]
        of_model = field.startswith("model.")
        if field in _NEUTRAL:
            shown |= values != _NEUTRAL[field]
        shown &= values.notna()
        if not shown.any():
            continue
        name = field.rsplit(".", 1)[-1]
        form = _WORDS.get(field, f"{name}={{}}" if of_model else name.replace("_", " ") + " {}")
        words = values[shown].map(lambda value, form=form: form.format(_whole(value)))
        if of_model:
            model = model.where(~shown, model + ", " + words)
        else:
            setting = setting.where(~shown, setting + " · " + words)
    return replace(tables, **{part: _labelled(getattr(tables, part), setting, model) for part in _PARTS})


def fields_of(runs: pd.DataFrame) -> pd.DataFrame:
    """The fields of runs, such as `train.steps`, a row per run; seeds are 0, and what a run lacks is missing.

    Args:
        runs: with `spec` as stored.
    """
    kinds, specs = unseeded_specs(runs["spec"])
    fields = pd.DataFrame([dict(_flatten(spec)) for spec in specs]).take(kinds).set_axis(runs.index)
    for field, value in _ADDED.items():
        fields[field] = fields[field].fillna(value) if field in fields else value
    return fields


def axes_of(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Which fields keep runs of equal architecture, kind, rules, capacity and model apart.

    Args:
        runs: see `distinct_runs`.

    Returns:
        Pairs such as `("MLP · regression", "train.steps")`.
    """
    families = families_of(runs)
    fields = fields_of(runs)
    return [
        (family, field) for field, is_axis in _axes(runs, fields) for family in families[is_axis].unique()
    ]


def _axes(runs: pd.DataFrame, fields: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yields each field that is no part of a run's place in a table, with the runs for which it is an axis."""
    cells, families, models = (
        runs.groupby(by, dropna=False, sort=False).ngroup()
        for by in ([*FAMILY, *_AXES], FAMILY, [*FAMILY, "model"])
    )
    for field in fields.columns.difference(list(_KNOWN), sort=False):
        yield field, _is_axis(fields[field], cells, models if field.startswith("model.") else families)


def unseeded_specs(texts: pd.Series) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Specifications but for their seeds, which thousands of runs differ in alone: each is parsed once.

    Args:
        texts: (n,) as stored.

    Returns:
        (n,) places in the list of distinct ones, and that list; all seeds in it are 0.
    """
    for name in ("task_seed", "seed"):
        texts = texts.str.replace(rf'"{name}":\s*\d+', f'"{name}":0', regex=True)
    places, distinct = pd.factorize(texts)
    return places, [json.loads(text) for text in distinct]


def settings_in_order(frame: pd.DataFrame) -> list[str]:
    """The settings of a table, in reporting order: architecture, search version, kind, then name."""
    first = frame[["setting", *FAMILY]].drop_duplicates("setting")
    ranks = {
        str(setting): (_rank(ARCHITECTURES, architecture), str(version), _rank(KINDS, kind))
        for setting, architecture, version, kind in zip(
            *(first[name] for name in ["setting", *FAMILY]), strict=True
        )
    }
    return sorted(ranks, key=lambda setting: (ranks[setting], setting))


def models_in_order(models: Iterable[str]) -> list[str]:
    """Distinct models in reporting order: the named ones from Monolithic on, then others by name."""
    distinct = models.unique() if isinstance(models, pd.Series) else set(models)
    return sorted(distinct, key=lambda model: (_rank(MODEL_TITLES, base_model(model)), model))


def base_model(model: str) -> str:
    """A model's name without the options that tell it from its like."""
    return model.split(", ", 1)[0]


def model_title(model: str) -> str:
    """A model's heading for people: `"GT-Modular"` for `"gt-modular"`; a router of one's own keeps its name."""
    base = base_model(model)
    return MODEL_TITLES.get(base, base) + model[len(base) :]


def distinct_runs(tables: Tables) -> pd.DataFrame:
    """One row per run, done, failed or missing, by `run_id`: its specification and its place in tables."""
    columns = ["run_id", "spec", *FAMILY, *_AXES, "task_seed", "seed"]
    parts = [part[columns] for part in (tables.runs, tables.missing) if len(part)]
    together = pd.concat(parts) if parts else tables.runs[columns]
    return together.drop_duplicates("run_id").set_index("run_id")


def families_of(runs: pd.DataFrame) -> pd.Series:
    """Architecture, search version and kind of each run, as in `"MHA v2 · regression"`."""
    version = runs["search_version"].map(lambda v: f" v{v}", na_action="ignore").astype(object).fillna("")
    return runs["architecture"].str.upper() + version + " · " + runs["kind"]


def _is_axis(values: pd.Series, cells: pd.Series, wholes: pd.Series) -> pd.Series:
    """For each run, whether the field takes several values in one cell, in any cell of the whole that it belongs to."""
    # A field that a run does not have, such as an option left out, is a value too.
    text = values.astype(object).where(values.notna(), "").astype(str)
    if text.nunique() < 2:
        return pd.Series(False, index=values.index)
    codes = pd.Series(pd.factorize(text)[0], index=text.index).groupby(cells)
    return (codes.transform("min") != codes.transform("max")).groupby(wholes).transform("any")


def _flatten(table: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, tuple(value) if isinstance(value, list) else value


def _labelled(part: pd.DataFrame, setting: pd.Series, model: pd.Series) -> pd.DataFrame:
    if not isinstance(part["run_id"].dtype, pd.CategoricalDtype):
        return part.assign(setting=part["run_id"].map(setting), model=part["run_id"].map(model))
    ids = part["run_id"].cat
    places = setting.index.get_indexer(ids.categories)[ids.codes]
    return part.assign(**{
        name: labels.astype("category").array.take(places)
        for name, labels in (("setting", setting), ("model", model))
    })  # fmt: skip


def _whole(value: Any) -> Any:
    """Undoes what pandas does to integers beside a missing value."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rank(order: Iterable[str], name: str) -> int:
    names = list(order)
    return names.index(name) if name in names else len(names)
