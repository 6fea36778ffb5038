"""Cohorts whose router nobody has registered in this process: which routers these are.

Only the Python process that registers a router knows it. Without it a specification cannot be read, so that such a
cohort is left out like a retired one; but its results are sound, and come back where the router is registered.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modbench.core.names import GATES, SCORES
from modbench.store.cohort import FILES
from modbench.store.durable import machine_errors, read_file
from modbench.store.files import Store
from modbench.store.plan import plan_files, read_plan
from modbench.store.record import decode
from modbench.store.schema import TABLES


def unknown_routers(store: Store, retired: Sequence[str]) -> dict[str, list[str]]:
    """The routers that this process does not know, each with the ids of the cohorts that have it.

    Args:
        store: that holds them.
        retired: ids of the published cohorts that were left out.

    Returns:
        Such as `{"gates 'mine'": ["3c5e…"]}`. What cannot be read names no router.
    """
    found: dict[str, list[str]] = {}
    for cohort_id in retired:
        with machine_errors(f"read cohort {cohort_id}"):
            content = read_file(store.folder / "cohorts" / cohort_id / FILES["runs"])
        try:
            table = decode(content, TABLES["runs"], columns=["scores", "gates"])
            models = table.slice(0, 1).to_pylist()
        except ValueError:
            continue
        _note(found, models[0] if models else {}, cohort_id)
    published = set(store.published())
    for path in plan_files(store.folder):
        if path.stem not in published:
            try:
                run = json.loads(read_plan(path))["runs"][0]
                model = run["model"]
            except (ValueError, RecursionError, LookupError, TypeError):
                continue
            _note(found, model, path.stem)
    return found


def _note(found: dict[str, list[str]], model: object, cohort_id: str) -> None:
    """Notes the cohort with each part of its router that is unknown; the runs of a cohort share their router."""
    fields: Mapping[str, Any] = model if isinstance(model, Mapping) else {}
    for part, known in (("scores", SCORES), ("gates", GATES)):
        name = fields.get(part)
        if isinstance(name, str) and name not in known:
            found.setdefault(f"{part} {name!r}", []).append(cohort_id)
