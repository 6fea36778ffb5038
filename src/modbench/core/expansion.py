"""Grids -> runs: every combination of their axes, each run once.

A sweep may have very many runs, so they are counted before any is made. What differs in data alone (seeds, task seeds,
learning rates) is not parsed again for each: runs of one setting share the parts of their specification.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

from modbench.core.errors import RequestError
from modbench.core.identity import DYNAMIC, run_id
from modbench.core.spec import RunSpec
from modbench.core.task_spec import Rate, Seed

LIST_FIELDS = frozenset({"task.rule_probabilities", "evaluation.lengths", "train.halve_learning_rate_at"})
MOST_RUNS = 1_000_000
MOST_SETTINGS = 10_000
"""Combinations of a sweep that differ in more than data. Each is a program to compile and to plan."""
_DYNAMIC = {f"{part}.{field}" if part else field: (part, field) for part, field in DYNAMIC}
_STRICT = ConfigDict(strict=True)
_TYPES: dict[str, TypeAdapter[Any]] = {
    "task.task_seed": TypeAdapter(Seed, config=_STRICT),
    "train.learning_rate": TypeAdapter(Rate, config=_STRICT),
    "seed": TypeAdapter(Seed, config=_STRICT),
}


class _Axis(NamedTuple):
    """A field with its values; one that is no axis has a single value."""

    field: str
    values: Sequence[Any]


def expand(grids: Sequence[Mapping[str, Any]]) -> dict[str, RunSpec]:
    """The runs of grids by their ids, in the grids' order, each once.

    Args:
        grids: flat tables, field -> value or list of values.

    Raises:
        RequestError: a run is refused, or there are too many of them, counted before any is made.
    """
    axes = [_axes(grid) for grid in grids]
    sizes = [prod(len(axis.values) for axis in of_grid) for of_grid in axes]
    settings = [prod(len(axis.values) for axis in of_grid if axis.field not in _DYNAMIC) for of_grid in axes]
    for counted, most, what in (
        (sizes, MOST_RUNS, "runs"),
        (settings, MOST_SETTINGS, "settings besides seeds, task seeds and learning rates"),
    ):
        if max(counted) > most:
            raise RequestError(f"a grid must have at most {most:,} {what}, got {_count(max(counted))}")
        if sum(counted) > most:
            raise RequestError(
                f"the grids of a sweep must have at most {most:,} {what} together, got {_count(sum(counted))}"
            )
    runs: dict[str, RunSpec] = {}
    for of_grid in axes:
        for spec in _specs(of_grid):
            runs.setdefault(run_id(spec), spec)
    return runs


def _axes(grid: Mapping[str, Any]) -> list[_Axis]:
    axes = []
    for field, value in grid.items():
        if field in LIST_FIELDS:
            varies = isinstance(value, list) and bool(value) and isinstance(value[0], list)
        else:
            varies = isinstance(value, list)
        if varies and not value:
            raise RequestError(f"axis {field!r} must have at least one value, got an empty list")
        axes.append(_Axis(field, value if varies else [value]))
    return axes


def _specs(axes: Sequence[_Axis]) -> Iterator[RunSpec]:
    """Every combination of a grid's axes."""
    fields = [axis.field for axis in axes]
    data = [place for place, field in enumerate(fields) if field in _DYNAMIC]
    settings: dict[tuple[int, ...], _Setting] = {}
    # Places instead of values: these need not be hashable.
    for places in itertools.product(*(range(len(axis.values)) for axis in axes)):
        key = tuple(0 if at in data else place for at, place in enumerate(places))
        choices = {axis.field: axis.values[place] for axis, place in zip(axes, places, strict=True)}
        if key not in settings:
            settings[key] = _Setting(choices)
        yield settings[key].run(choices)


class _Setting:
    """The runs that share everything but data.

    Args:
        choices: of one of them, field -> value.
    """

    def __init__(self, choices: Mapping[str, Any]):
        self._first = RunSpec.parse(nested(choices))
        self._parts: dict[tuple[str, Any], Any] = {}

    def run(self, choices: Mapping[str, Any]) -> RunSpec:
        """The run of this setting with the data of `choices`."""
        changes: dict[str, Any] = {}
        for field, adapter in _TYPES.items():
            if field not in choices:
                continue
            try:
                value = adapter.validate_python(choices[field])
            except ValidationError:
                return RunSpec.parse(nested(choices))  # which says what is wrong
            part, name = _DYNAMIC[field]
            if part is None:
                changes[name] = value
                continue
            if (field, value) not in self._parts:
                changed = getattr(self._first, part).model_copy(update={name: value})
                self._parts[field, value] = changed
            changes[part] = self._parts[field, value]
        return self._first.model_copy(update=changes)


def _count(number: int) -> str:
    """A number of runs in words that stay short."""
    return f"{number:,}" if number < 10**15 else f"about {number:.0e}" if number < 10**300 else "far more"


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A flat table as nested ones: `{"task.kind": 1}` as `{"task": {"kind": 1}}`. Raises `RequestError`."""
    whole: dict[str, Any] = {}
    for field, value in flat.items():
        *parts, last = field.split(".")
        table = whole
        for part in parts:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise RequestError(f"field {field!r} lies inside {part!r}, which is not a table")
        table[last] = dict(value) if isinstance(value, Mapping) else value
    return whole
