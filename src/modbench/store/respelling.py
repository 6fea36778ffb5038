"""Rows that earlier versions stored under the id of another spelling -> rows of the run that they are.

The runs of a cohort share all that can be spelled in two ways, so its first run tells for all of them.
"""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from modbench.core.identity import ids_of_stored, run_id
from modbench.core.spec import RunSpec
from modbench.store.record import spec_text


def ids_of_today(run_ids: Sequence[str], specs: Sequence[str]) -> Sequence[str] | None:
    """The ids by which the runs of a cohort go today.

    Args:
        run_ids: as stored.
        specs: the runs' specifications, as stored.

    Returns:
        An id a run, in order; or None where the cohort is retired: a field or name of its day is gone, or a version
        of its task, model, training or evaluation has been raised since.
    """
    if not run_ids:
        return run_ids
    try:
        first = json.loads(specs[0])
        if run_ids[0] not in ids_of_stored(first):
            return None
        if run_id(RunSpec.parse(first)) == run_ids[0]:
            return run_ids
        return [run_id(RunSpec.parse(json.loads(text))) for text in specs]
    except (ValueError, RecursionError):
        return None


def respelled(cohort: Mapping[str, pa.Table]) -> Mapping[str, pa.Table] | None:
    """The tables of a cohort with its runs' ids and specifications as they are today; None where it is retired."""
    runs = cohort["runs"]
    stored = runs["run_id"].to_pylist()
    today = ids_of_today(stored, runs["spec"].to_pylist())
    if today is None or today is stored:
        return None if today is None else cohort
    names = dict(zip(stored, today, strict=True))
    specs = [spec_text(RunSpec.parse(json.loads(text))) for text in runs["spec"].to_pylist()]
    tables = {
        name: _with_texts(table, "run_id", [names[identity] for identity in table["run_id"].to_pylist()])
        for name, table in cohort.items()
    }
    return {**tables, "runs": _with_texts(tables["runs"], "spec", specs)}


def _with_texts(table: pa.Table, column: str, texts: Sequence[str]) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), pa.array(texts, pa.string()))
