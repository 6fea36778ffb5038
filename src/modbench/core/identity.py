"""Who is who: the identity of a run, and the static part that the runs of one cohort share.

A `run_id` hashes the fields that differ from their neutral defaults, with the versions of task, model,
training and evaluation. A new field with a neutral default therefore orphans no stored result, and a fix
that changes numbers raises a version and retires what it must.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from modbench.core.spec import RunSpec
from modbench.core.spelling import neutral

VERSIONS: dict[str, dict[str, int]] = {
    "task": {"mlp": 1, "mha": 1, "rnn": 1},
    "model": {"mlp": 1, "mha": 1, "rnn": 1},
    "train": {"mlp": 1, "mha": 1, "rnn": 1},
    "evaluation": {"mlp": 1, "mha": 1, "rnn": 1},
}
"""Raised by one when a change to that part changes the numbers of that architecture."""

DYNAMIC = (("task", "task_seed"), ("train", "learning_rate"), (None, "seed"))
"""The fields that a compiled program takes as data: the runs of one cohort may differ in these alone."""

ADDED_LATER = {("train", "precision"): "float32"}
"""Fields that stored plans and runs may lack, with the value that these mean; neutral, they are in no static key."""


def run_id(spec: RunSpec) -> str:
    """Identity of a run: 16 hexadecimal digits, equal exactly for runs that have the same numbers."""
    return digest(_versioned(spec, _differing(spec, spec.model_dump(mode="json"))))


def ids_of_stored(payload: Mapping[str, Any]) -> set[str]:
    """All ids that a stored run may be filed under: that of today, `run_id` of the specification, among them.

    Before a run had one spelling its id was made from the specification as it was written, a default that was
    written out included. Such a row is still the row of its run.

    Args:
        payload: the stored specification, as the JSON has it.

    Returns:
        The ids that a row or file of this run may carry.

    Raises:
        RequestError: a field or name of its day is gone, or a value is refused today: the run is retired.
    """
    spelled = RunSpec.as_spelled(payload)
    return {run_id(spelled), run_id(neutral(spelled))}


def static_fields(spec: RunSpec) -> dict[str, Any]:
    """Everything but the dynamic fields, resolved: what one compiled program is made for.

    Fields of `ADDED_LATER` are left out where they are neutral: the ids of stored cohorts are made from these.
    """
    table = spec.model_dump(mode="json")
    for part, field in DYNAMIC:
        del (table[part] if part else table)[field]
    for (part, field), value in ADDED_LATER.items():
        if table[part][field] == value:
            del table[part][field]
    return _versioned(spec, table)


def static_key(spec: RunSpec) -> str:
    """Canonical text of `static_fields`: the runs of one cohort agree on it."""
    return canonical(static_fields(spec))


def canonical(table: Any) -> str:
    """JSON with sorted keys and no spaces: one text per value."""
    return json.dumps(table, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(table: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a value's canonical text."""
    return hashlib.sha256(canonical(table).encode()).hexdigest()[:16]


def _differing(spec: BaseModel, dumped: dict[str, Any]) -> dict[str, Any]:
    """The fields, nested, whose values differ from their class defaults; `dumped` has them as JSON does."""
    fields: dict[str, Any] = {}
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if isinstance(value, BaseModel):
            fields[name] = _differing(value, dumped[name])
        elif field.is_required() or value != field.default:
            fields[name] = dumped[name]
    return fields


def _versioned(spec: RunSpec, table: dict[str, Any]) -> dict[str, Any]:
    architecture = spec.task.architecture
    table["task"]["architecture"] = architecture
    return {**table, "versions": {part: versions[architecture] for part, versions in VERSIONS.items()}}
