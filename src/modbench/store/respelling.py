"""Rows that earlier versions stored under the id of another spelling -> rows of the run that they are."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from modbench.core.spec import RunSpec
from modbench.store.record import spec_text


def respelled(cohort: Mapping[str, pa.Table], names: Mapping[str, str]) -> Mapping[str, pa.Table]:
    """The tables of a cohort with its runs' ids and specifications as they are today.

    Args:
        cohort: table name -> table, the table of runs among them.
        names: the id of each run as stored -> its id today.
    """
    if all(stored == today for stored, today in names.items()):
        return cohort
    specs = [spec_text(RunSpec.parse(json.loads(text))) for text in cohort["runs"]["spec"].to_pylist()]
    tables = {
        name: _with_texts(table, "run_id", [names[identity] for identity in table["run_id"].to_pylist()])
        for name, table in cohort.items()
    }
    return {**tables, "runs": _with_texts(tables["runs"], "spec", specs)}


def _with_texts(table: pa.Table, column: str, texts: Sequence[str]) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), pa.array(texts, pa.string()))
