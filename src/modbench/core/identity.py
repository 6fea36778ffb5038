"""Who is who: the identity of a run, and the static part that the runs of one cohort share.

A `run_id` hashes the fields that differ from their neutral defaults, with the versions of task, model,
training and evaluation. A new field with a neutral default therefore orphans no stored result, and a fix
that changes numbers raises a version and retires what it must.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

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
_DIGEST = re.compile("[0-9a-f]{16}")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def run_id(spec: RunSpec) -> str:
    """Identity of a run: 16 hexadecimal digits, equal exactly for runs that have the same numbers.

    It is the digest of the fields that differ from their class defaults, with the versions.
    """
    return _digest_of(_differing_text(spec))


def sibling_ids(spec: RunSpec, values: Iterable[tuple[int, float, int]]) -> list[str]:
    """The ids of runs that differ from a run in dynamic fields alone: those that `run_id` gives, and much faster.

    Args:
        spec: of any of the runs.
        values: of the fields of `DYNAMIC`, in their order, for each run.
    """
    of_all = json.loads(_differing_text(spec))
    ids = []
    for of_run in values:
        table = {name: dict(part) if isinstance(part, dict) else part for name, part in of_all.items()}
        for (part, field), value in zip(DYNAMIC, of_run, strict=True):
            fields, owner = (table[part], getattr(spec, part)) if part else (table, spec)
            fields[field] = value
            if value == type(owner).model_fields[field].default:
                del fields[field]
        ids.append(digest(table))
    return ids


def _differing_text(spec: RunSpec) -> str:
    texts = _versions(spec)
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if isinstance(value, BaseModel):
            texts[name] = _part_texts(_Same(value), name).differing
        elif field.is_required() or value != field.default:
            texts[name] = canonical(value)
    return _object(texts)


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
    """Everything but the dynamic fields, resolved, as JSON has it: what one compiled program is made for.

    Fields of `ADDED_LATER` are left out where they are neutral: the ids of stored cohorts are made from these.
    """
    return json.loads(static_key(spec))


def static_key(spec: RunSpec) -> str:
    """Canonical text of `static_fields`: the runs of one cohort agree on it."""
    texts = _versions(spec)
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, BaseModel):
            texts[name] = _part_texts(_Same(value), name).static
        elif (None, name) not in DYNAMIC:
            texts[name] = canonical(value)
    return _object(texts)


def canonical(table: Any) -> str:
    """JSON with sorted keys and no spaces: one text per value."""
    if type(table) is int:  # as below, without its overhead: the seed of each of a million runs
        return str(table)
    return _CANONICAL.encode(table)


def digest(table: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a value's canonical text."""
    return _digest_of(canonical(table))


def is_digest(name: str) -> bool:
    """Whether a name looks like one that `digest` gives: the id of a run or a cohort."""
    return _DIGEST.fullmatch(name) is not None


class _Same:
    """A part of specifications as a key: equal to itself alone, so that its values need not be compared."""

    __slots__ = ("part",)

    def __init__(self, part: BaseModel):
        self.part = part

    def __hash__(self) -> int:
        return id(self.part)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.part is other.part


class _PartTexts(NamedTuple):
    """Canonical texts of a part: of the fields that differ from their defaults, and of the static ones."""

    differing: str
    static: str


@lru_cache(maxsize=4096)
def _part_texts(key: _Same, name: str) -> _PartTexts:
    """The texts of a part; the runs of a sweep share their parts, so few are made. `name` is the part's own."""
    part = key.part
    static = part.model_dump(mode="json")
    differing = {
        field: static[field]
        for field, about in type(part).model_fields.items()
        if field == "architecture" or about.is_required() or getattr(part, field) != about.default
    }
    for of, field in DYNAMIC:
        if of == name:
            del static[field]
    for (of, field), value in ADDED_LATER.items():
        if of == name and static[field] == value:
            del static[field]
    return _PartTexts(canonical(differing), canonical(static))


def _versions(spec: RunSpec) -> dict[str, str]:
    architecture = spec.task.architecture
    return {"versions": _versions_text(tuple((part, of[architecture]) for part, of in VERSIONS.items()))}


@lru_cache
def _versions_text(versions: tuple[tuple[str, int], ...]) -> str:
    return canonical(dict(versions))


def _object(texts: Mapping[str, str]) -> str:
    """The canonical text of an object whose values are given as theirs."""
    return "{" + ",".join([f'"{name}":{texts[name]}' for name in sorted(texts)]) + "}"


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
