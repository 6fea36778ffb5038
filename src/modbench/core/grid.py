"""A sweep is data: a TOML file of grids, each a table of run fields in which a list is an axis.

Example::

    name = "mine"
    description = "two models, three seeds"

    [[grid]]
    task.architecture = "mlp"
    task.num_rules = [2, 8]
    model.name = ["modular", "gt-modular"]
    train.steps = 2000
    seed = [0, 1, 2]

Fields whose value is a list by nature (`rule_probabilities`, `lengths`, `halve_learning_rate_at`) become an
axis when given a list of lists.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from modbench.core.errors import RequestError, unknown
from modbench.core.expansion import expand, nested
from modbench.core.paths import decoded, given_path
from modbench.core.protocol import preset_fields
from modbench.core.spec import RunSpec
from modbench.core.toml import BareText, parse_override, parse_toml, with_hint

TABLE_FIELDS = frozenset({"model.score_options", "model.gate_options"})

Overrides = Sequence[str] | Mapping[str, Any]
"""Fields that replace those of a sweep, see `load_sweep`."""


class Sweep(NamedTuple):
    """A named set of runs.

    Attributes:
        name: short name; the default output folder is called so.
        description: one line on what it is for.
        source: the resolved tables, as they are written to `sweep.toml`.
        runs: run_id -> specification, in the file's order, without repetitions.
    """

    name: str
    description: str
    source: dict[str, Any]
    runs: dict[str, RunSpec]


def preset_names() -> list[str]:
    """Names of the sweeps that ship with modbench."""
    folder = resources.files("modbench.presets")
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def load_sweep(name: str, overrides: Overrides = ()) -> Sweep:
    """Reads a preset or a sweep file.

    Args:
        name: a preset's name, or a path that ends in `.toml`.
        overrides: fields that are replaced in every grid: `field=value` texts, such as `train.steps=2000`, or a
            table of them.

    Raises:
        RequestError: there is no such preset or file, it is no TOML, or it describes no valid sweep.
    """
    if name.endswith(".toml"):
        try:
            text = decoded(given_path(name).read_bytes())
        except FileNotFoundError:
            raise RequestError(f"no sweep file {name!r}. Presets: {', '.join(preset_names())}.") from None
        except (OSError, ValueError) as error:
            raise RequestError(f"cannot read sweep file {name!r}: {error}") from None
    elif name in preset_names():
        text = (resources.files("modbench.presets") / f"{name}.toml").read_text(encoding="utf-8")
    else:
        error = unknown("preset", name, preset_names())
        raise RequestError(f"{error} A sweep file's name ends in .toml.")
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise RequestError(f"sweep file {name!r} is not TOML: {error}") from None
    return parse_sweep(table, overrides, default_name=Path(name).stem)


def parse_sweep(table: Mapping[str, Any], overrides: Overrides = (), default_name: str = "sweep") -> Sweep:
    """Expands a sweep's tables into runs.

    Args:
        table: keys `name`, `description` and `grid`, a list of tables.
        overrides: see `load_sweep`.
        default_name: name of the sweep where the table has none.

    Raises:
        RequestError: it describes no valid sweep.
    """
    for key in table:
        if key not in ("name", "description", "grid"):
            raise unknown("sweep field", key, ("name", "description", "grid"))
    name, description = table.get("name", default_name), table.get("description", "")
    for field, value in (("name", name), ("description", description)):
        if not isinstance(value, str):
            raise RequestError(f"sweep {field} must be a text, got {value!r}")
    if not name or not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
        raise RequestError(f"sweep name must be letters, digits, '-', '_' and '.', got {name!r}")
    grids = table.get("grid")
    if not isinstance(grids, list) or not grids or not all(isinstance(grid, Mapping) for grid in grids):
        raise RequestError("a sweep must have at least one [[grid]] table")
    given = _flatten(overrides) if isinstance(overrides, Mapping) else map(parse_override, overrides)
    replaced = list(given)
    flat_grids = []
    for grid in grids:
        flat = dict(_flatten(grid))
        for field, value in replaced:
            if field in ("model.scores", "model.gates"):
                flat.pop("model.name", None)
            elif field == "model.name":
                flat.pop("model.scores", None)
                flat.pop("model.gates", None)
            flat[field] = str(value) if isinstance(value, BareText) else value
        if (preset := flat.pop("evaluation.preset", None)) is not None:  # the resolved sweep has its fields
            flat = {f"evaluation.{field}": value for field, value in preset_fields(preset).items()} | flat
        flat_grids.append(flat)
    try:
        runs = expand(flat_grids)
    except RequestError as error:
        raise with_hint(error, replaced) from None
    source = {"name": name, "description": description, "grid": [nested(flat) for flat in flat_grids]}
    return Sweep(name, description, source, runs)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        field = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and field not in TABLE_FIELDS:
            yield from _flatten(value, f"{field}.")
        else:
            yield field, value
