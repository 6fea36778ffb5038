"""What runs of several stores differ in: the fields of their specifications, with the values in each store."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from modbench.analysis.settings import axes_of, distinct_runs, families_of, fields_of
from modbench.store.table import Tables

Values = dict[str, list[Any]]
"""Name of a store -> the values of a field there, in order."""


def differing_fields(stores: Mapping[str, pd.DataFrame]) -> dict[str, Values]:
    """The fields that take other values in one store than in another.

    Args:
        stores: name -> runs, see `runs_of`.

    Returns:
        Field -> its values in each store, in the order of the specification. Seeds are no fields here.
    """
    parts = {name: fields_of(runs) for name, runs in stores.items()}
    names = dict.fromkeys(str(field) for part in parts.values() for field in part)
    values = {field: {name: _values(part, field) for name, part in parts.items()} for field in names}
    return {field: found for field, found in values.items() if _differ(list(found.values()))}


def kept_apart(stores: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], Values]:
    """The fields by which runs of several stores will not be averaged together, though no store alone varies them.

    Args:
        stores: name -> runs, see `runs_of`.

    Returns:
        (architecture and kind, field) -> its values in each store that has such runs.
    """
    together = pd.concat(list(stores.values()))
    together = together[~together.index.duplicated()]
    alone = {axis for runs in stores.values() for axis in axes_of(runs)}
    found = {}
    for family, field in axes_of(together):
        if (family, field) not in alone:
            parts = {name: runs[families_of(runs) == family] for name, runs in stores.items()}
            found[family, field] = {
                name: _values(fields_of(part), field) for name, part in parts.items() if len(part)
            }
    return found


def runs_of(tables: Tables) -> pd.DataFrame:
    """Stored and planned runs by `run_id`, with what their names and fields are made of."""
    return distinct_runs(tables)


def _values(fields: pd.DataFrame, field: str) -> list[Any]:
    if field not in fields:
        return []
    distinct = set(fields[field].dropna())
    return sorted(distinct, key=lambda value: (str(type(value)), value))


def _differ(values: Sequence[list[Any]]) -> bool:
    return any(found != values[0] for found in values)
