"""Whether what a cohort's files say fits together: a digest that is right says only that no byte has changed since.

What follows from a specification is held against it: ids, columns, the shapes of matrices, and how many rows there can
be. Everything that reads a cohort reads it through here, so no reader meets a content that does not fit.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from modbench.core.errors import RequestError
from modbench.core.identity import canonical, run_id, sibling_ids
from modbench.core.names import CHECKPOINTS
from modbench.core.spec import RunSpec
from modbench.core.spelling import neutral
from modbench.store.cohort import FILES, DamagedFile, read_intact
from modbench.store.durable import exists
from modbench.store.plan import MOST_WIDTH, cohort_id_of, decode_plan, read_plan
from modbench.store.record import decode, spec_columns
from modbench.store.respelling import respelled
from modbench.store.schema import RUNS, SPEC_COLUMNS, TABLES

_DYNAMIC = ("task_seed", "learning_rate", "seed")
_SECONDS = tuple(f"env_seconds_{phase}" for phase in ("train", "compile", "evaluate"))
_LOOKED_AT = (
    "run_id", "cohort_id", "status", "reason", "spec", *SPEC_COLUMNS, "num_parameters", "rule_agreement", "rule_rank",
    "width", "diverged_at", "best_step", *_SECONDS, "env_peak_memory_mb", "env_memory_mb",
)  # fmt: skip


class _Cohort(NamedTuple):
    """What the rows of all files are held against.

    Attributes:
        spec: the first run, as it is spelled; the others differ from it in the dynamic fields alone.
        run_ids: as stored.
        today: the ids of the same runs today.
    """

    spec: RunSpec
    run_ids: list[str]
    today: list[str]

    @property
    def entries(self) -> int:
        """R x M, the entries of a matrix; 0 for a model without modules."""
        return self.spec.task.num_rules * (self.spec.model.num_modules or 0)

    @property
    def most_rows(self) -> dict[str, int]:
        """The most rows that each further table can have."""
        runs, spec = len(self.run_ids), self.spec
        points = spec.train.steps // spec.evaluation.curve_every + 2
        return {
            "curves": runs * points,
            "performance": runs * len(CHECKPOINTS) * 2 * len(spec.evaluation.lengths),
            "activations": runs * len(CHECKPOINTS),
        }


def read_cohort(
    store_folder: Path, cohort_id: str, names: Sequence[str] = tuple(FILES)
) -> Mapping[str, pa.Table] | None:
    """Reads files of a published cohort.

    Args:
        store_folder: of the store.
        cohort_id: of the cohort.
        names: of the tables, `"runs"` among them; the others are neither read nor checked.

    Returns:
        See `checked`.

    Raises:
        DamagedFile: a file is missing, not as it was written, or holds what the cohort cannot have written.
        MachineError: a file cannot be read.
    """
    contents = read_intact(store_folder / "cohorts" / cohort_id, names)
    return checked(contents, cohort_id, store_folder / "plan" / f"{cohort_id}.json")


def damage_of(store_folder: Path, cohort_id: str) -> DamagedFile | None:
    """What is wrong with the files of a published cohort; None if nothing is. Raises `MachineError`."""
    try:
        read_cohort(store_folder, cohort_id)
    except DamagedFile as damage:
        return damage
    return None


def checked(
    contents: Mapping[str, bytes], cohort_id: str, plan: Path | None = None
) -> Mapping[str, pa.Table] | None:
    """Decodes the files of a cohort, or of a group of it, and checks that they fit together.

    Args:
        contents: table name -> content of its file, `"runs"` among them; of `"runs"` alone only the columns that are
            looked at are decoded.
        cohort_id: of the cohort.
        plan: the cohort's plan file, which may be gone; None for a group, whose runs are a part of the plan's.

    Returns:
        Table name -> table, with the ids and the spelling of today; None where the cohort is retired: a field or name
        of its day is gone, or a version of its task, model, training or evaluation has been raised since.

    Raises:
        DamagedFile: a file holds what no cohort of that id can have written.
    """
    try:
        name = "runs"
        columns = None if len(contents) > 1 else _LOOKED_AT
        runs = decode(contents[name], RUNS, most_rows=MOST_WIDTH, columns=columns)
        cohort = _cohort(runs, cohort_id)
        if cohort is None:
            return None
        if plan is not None:
            _check_plan(cohort, max(runs["width"].to_pylist()), cohort_id, plan)
        tables = {name: _with_derived(runs, cohort.spec)}
        for name in (name for name in TABLES if name in contents and name != "runs"):
            table = decode(contents[name], TABLES[name], cohort.most_rows[name], cohort.entries)
            _CHECKS[name](table, cohort)
            tables[name] = table
    except ValueError as error:
        raise DamagedFile(FILES[name], str(error)) from None
    return respelled(tables, dict(zip(cohort.run_ids, cohort.today, strict=True)))


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _cohort(runs: pa.Table, cohort_id: str) -> _Cohort | None:
    """Checks the table of runs; None where they are retired."""
    _require(len(runs) > 0, "there is no run")
    columns = {name: runs[name].to_pylist() for name in _LOOKED_AT}
    stored = columns["run_id"]
    _require(len(set(stored)) == len(stored), "a run is there twice")
    _require(set(columns["cohort_id"]) == {cohort_id}, "cohort_id must be the name of its folder")
    first, last = columns["spec"][0], columns["spec"][-1]
    spelled = _specification(first)
    dynamic = list(zip(*(columns[name] for name in _DYNAMIC), strict=True))
    ids = _ids(spelled, dynamic) if spelled else None
    if spelled is None or ids is None or stored[0] not in ids[0]:
        # The runs of a cohort share their versions: all of them are retired, or one was changed.
        other = _specification(last)
        unlike = other is not None and stored[-1] in _ids(other, [])[0]
        _require(not unlike, "run_id must be that of its specification")
        return None
    fits = [identity in pair for identity, pair in zip(stored, ids[1:], strict=True)]
    _require(all(fits), "run_id must be that of its specification")
    _require(
        columns["spec"] == _texts(first, dynamic),
        "the specifications must differ in seeds and learning rate alone",
    )
    for name, value in spec_columns(spelled).items():
        agrees = name in _DYNAMIC or columns[name] == [value] * len(runs) or _is_left_out(columns[name], name)
        _require(agrees, f"{name} must be as in the specification, {value!r}")
    _check_facts(columns, spelled.train.steps)
    return _Cohort(spelled, stored, [today for today, _ in ids[1:]])


def _specification(text: str) -> RunSpec | None:
    """A specification as it is spelled; None where a field or name of its day is gone."""
    try:
        table = json.loads(text)
        is_ours = isinstance(table, dict) and canonical(table) == text
        spelled = RunSpec.as_spelled(table) if is_ours else None
    except RequestError:
        return None
    except RecursionError:
        raise ValueError("spec is nested too deep") from None
    _require(is_ours, "spec must be the canonical JSON of a table")
    return spelled


def _ids(spec: RunSpec, dynamic: list[tuple]) -> list[tuple[str, str]]:
    """The ids of a run, and of those that differ from it in the dynamic fields: of today, and of its spelling."""
    values = [(spec.task.task_seed, spec.train.learning_rate, spec.seed), *dynamic]
    today = sibling_ids(neutral(spec), values)
    return list(zip(today, today if neutral(spec) == spec else sibling_ids(spec, values), strict=True))


def _check_plan(cohort: _Cohort, width: int, cohort_id: str, plan: Path) -> None:
    """Checks that the runs are those that the cohort's id stands for.

    A group that did not fit into memory was narrowed, and runs of a plan of another spelling go by today's ids; then
    the id cannot be made from the rows, and the plan tells.
    """
    if cohort_id_of(cohort.spec, cohort.run_ids, width) == cohort_id:
        return
    try:
        planned = decode_plan(read_plan(plan), cohort_id) if exists(plan) else None
    except ValueError:  # damaged itself
        return
    same = planned is None or [run_id(spec) for spec in planned.runs] == cohort.today
    _require(same, "the runs must be those of the cohort's plan")


def _texts(first: str, dynamic: list[tuple]) -> list[str]:
    """The specifications of runs that differ from the first in the dynamic fields alone."""
    table = json.loads(first)
    places = [f"\0{name}" for name in _DYNAMIC]
    table["task"]["task_seed"], table["train"]["learning_rate"], table["seed"] = places
    text, written = canonical(table), [canonical(place) for place in places]
    texts = []
    for values in dynamic:
        of_run = text
        for place, value in zip(written, values, strict=True):
            of_run = of_run.replace(place, repr(value))  # of a number that is JSON's, too
        texts.append(of_run)
    return texts


def _is_left_out(values: list, name: str) -> bool:
    """Whether a file is from before there was the column."""
    return RUNS.field(name).nullable and not any(value is not None for value in values)


def _with_derived(runs: pa.Table, spec: RunSpec) -> pa.Table:
    """Fills in the columns that the file is older than, from the specification."""
    for name, value in spec_columns(spec).items():
        if value is not None and runs[name].null_count == len(runs):
            field = runs.schema.field(name)
            filled = pa.array([value] * len(runs), field.type)
            runs = runs.set_column(runs.schema.get_field_index(name), field, filled)
    return runs


def _check_facts(columns: Mapping[str, list], steps: int) -> None:
    """Checks what is stored beside specification and measurements."""
    for status, reason in zip(columns["status"], columns["reason"], strict=True):
        _require(
            (status == "failed") if reason is not None else (status == "done"), "status must fit its reason"
        )
    for name, low, high in (
        ("width", 1, MOST_WIDTH), ("num_parameters", 1, math.inf), ("rule_agreement", 0, 1), ("rule_rank", 0, math.inf),
        ("diverged_at", 0, steps), ("best_step", 0, steps), ("env_peak_memory_mb", 0, math.inf),
        ("env_memory_mb", 0, math.inf), *((name, 0, math.inf) for name in _SECONDS),
    ):  # fmt: skip
        for value in columns[name]:
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name} must be from {low} to {high}, got {value}")


def _check_curves(table: pa.Table, cohort: _Cohort) -> None:
    _check_keys(table, cohort, ["run_id", "step"])
    _check_range(table["step"], 0, cohort.spec.train.steps, "step")
    if table["matrix"].null_count < len(table):
        lengths = pc.binary_length(table["matrix"]).drop_null()  # pyright: ignore[reportAttributeAccessIssue]
        _require(cohort.entries > 0, "matrix must be null, the model has no modules")
        _check_range(lengths, cohort.entries, cohort.entries, "bytes of matrix")


def _check_performance(table: pa.Table, cohort: _Cohort) -> None:
    _check_keys(table, cohort, ["run_id", "checkpoint", "scale", "length"])
    _require(
        set(table["length"].unique().to_pylist()) <= set(cohort.spec.evaluation.lengths),
        "length is not tested",
    )
    _require(set(table["scale"].unique().to_pylist()) <= {1.0, 2.0}, "scale must be 1 or 2")


def _check_activations(table: pa.Table, cohort: _Cohort) -> None:
    _check_keys(table, cohort, ["run_id", "checkpoint"])
    _require(not len(table) or cohort.entries > 0, "the model has no modules")
    rules, modules = cohort.spec.task.num_rules, cohort.spec.model.num_modules or 0
    _check_range(table["num_rules"], rules, rules, "num_rules")
    _check_range(table["num_modules"], modules, modules, "num_modules")
    lengths = pc.list_value_length(table["matrix"])  # pyright: ignore[reportAttributeAccessIssue]
    _check_range(lengths, cohort.entries, cohort.entries, "entries of matrix")
    entries = pc.list_flatten(table["matrix"])  # pyright: ignore[reportAttributeAccessIssue]
    _require(entries.null_count == 0, "matrix must have all entries")


_CHECKS: dict[str, Callable[[pa.Table, _Cohort], None]] = {
    "curves": _check_curves,
    "performance": _check_performance,
    "activations": _check_activations,
}


def _check_keys(table: pa.Table, cohort: _Cohort, keys: list[str]) -> None:
    """Checks that every row is of a run of the cohort, and that no two are of the same."""
    strangers = set(table["run_id"].unique().to_pylist()) - set(cohort.run_ids)
    _require(not strangers, "a row is of a run that is not in runs.parquet")
    if "checkpoint" in keys:
        _require(set(table["checkpoint"].unique().to_pylist()) <= set(CHECKPOINTS), "checkpoint is unknown")
    distinct = table.select(keys).group_by(keys, use_threads=False).aggregate([])
    _require(len(distinct) == len(table), f"two rows have the same {', '.join(keys)}")


def _check_range(values: pa.ChunkedArray, low: int, high: int, name: str) -> None:
    ends = pc.min_max(values).as_py()  # pyright: ignore[reportAttributeAccessIssue]
    fits = ends["min"] is None or low <= ends["min"] <= ends["max"] <= high
    _require(fits, f"{name} must be from {low} to {high}, got {ends['min']} to {ends['max']}")
