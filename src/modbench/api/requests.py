"""What a user hands over in Python -> a sweep and an executor, or one clear line."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modbench.core.errors import RequestError
from modbench.core.expansion import MOST_RUNS
from modbench.core.grid import Overrides, Sweep, load_sweep, parse_sweep
from modbench.sweep.executors import EXECUTORS, Executor, make_executor
from modbench.sweep.mistaken import refuse_folder

SweepLike = str | Path | Sweep | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""What can be run: a preset's name, a sweep file, a `Sweep`, a table of a sweep or of a grid, or several grids."""


def sweep_of(given: SweepLike, overrides: Overrides = (), name: str = "sweep") -> Sweep:
    """The sweep that is meant.

    Args:
        given: see `modbench.run`.
        overrides: see `modbench.run`.
        name: of a sweep that has none of its own.

    Raises:
        RequestError: it is none.
    """
    changes = _overrides(overrides)
    if isinstance(given, Sweep):
        return parse_sweep(given.source, changes) if changes else given
    if isinstance(given, str | Path):
        refuse_folder(given, "mb.run")
        return load_sweep(str(given), changes)
    if isinstance(given, Mapping):
        about = {key: value for key, value in given.items() if key in ("name", "description")}
        fields = {key: value for key, value in given.items() if key not in about}
        table = given if "grid" in given else {**about, "grid": [fields]}
        return parse_sweep(_plain(table), changes, name)
    if isinstance(given, Sequence) and given and all(isinstance(grid, Mapping) for grid in given):
        return parse_sweep({"grid": _plain(given)}, changes, name)
    raise RequestError(
        "sweep must be a preset's name, a sweep file, a table such as {'task': {...}, 'model': {...}}, or a list of "
        f"tables, got {given!r}"
    )


def executor_of(given: str | Executor | None, workers: int | None, sweep: Sweep) -> Executor:
    """The executor that is meant; this process where it alone knows a router of the sweep.

    Raises:
        RequestError: there is none, or it could not know a router.
    """
    if given is not None and not isinstance(given, str):
        if not hasattr(given, "run"):
            raise RequestError(f"executor must be 'here', 'processes' or an executor, got {given!r}")
        return given
    own = own_routers(sweep)
    if own and (given in EXECUTORS.keys() - {"here"} or workers not in (None, 1)):
        raise RequestError(
            f"executor must be 'here', with one worker: {own[0]!r} is registered in this process alone. "
            "To train it in worker processes, make it part of modbench: CONTRIBUTING.md, Add a router"
        )
    return make_executor("here" if own else given, workers)


def own_routers(sweep: Sweep) -> list[str]:
    """Names of the scores and gates in a sweep that were registered from outside modbench."""
    routing = sys.modules.get("modbench.models.routing")
    if routing is None:
        return []
    classes = {**routing.SCORE_CLASSES, **routing.GATE_CLASSES}
    used = {name for spec in sweep.runs.values() for name in (spec.model.scores, spec.model.gates)}
    return sorted(name for name in used if name in classes and routing.is_own(classes[name]))


def _overrides(given: Overrides) -> Overrides:
    if isinstance(given, str):
        return [given]
    if isinstance(given, Mapping):
        return _plain(given)
    if isinstance(given, Sequence) and all(isinstance(text, str) for text in given):
        return given
    raise RequestError(
        f"overrides must be a table such as {{'train.steps': 2000}}, or texts such as 'train.steps=2000', got {given!r}"
    )


def _plain(value: Any) -> Any:
    """Values as a sweep file has them: tuples, ranges and arrays become lists, NumPy's numbers Python's own."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise RequestError(f"a field's name must be a text, got {key!r}")
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        if value[MOST_RUNS:]:
            raise RequestError(f"an axis must have at most {MOST_RUNS:,} values, got more")
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist()) if getattr(value, "ndim", 0) else value.tolist()
    if isinstance(value, str | bool | int | float):
        return value
    raise RequestError(f"a sweep's values must be texts, numbers, lists or tables, got {value!r}")
