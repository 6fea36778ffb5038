"""A store -> tidy tables. Reading never moves, writes or repairs anything."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from modbench.core.identity import run_id
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import QUANTITIES
from modbench.store.cohort import DamagedFile
from modbench.store.content import read_cohort
from modbench.store.files import Damage, Store
from modbench.store.record import spec_columns, spec_text
from modbench.store.schema import NO_ROOM, RUNS, SPEC_COLUMNS, TABLES, is_untrained, quantity_column
from modbench.store.strangers import unknown_routers

MERGED = ("cohort_id", "status", *SPEC_COLUMNS, "num_parameters")
"""The columns of a run that curves, performance and activations carry too. Texts, `run_id` among them, are categories:
millions of rows name few runs and models, and are grouped by numbers rather than by letters."""

_PANDAS = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}


@dataclass(frozen=True, eq=False)
class Tables:
    """A store's content. A run that was published by two writers counts once.

    Nobody changes tables that are there; what differs is made anew (`dataclasses.replace`).

    Null and NaN: pandas shows both as missing. In a row of `runs` a missing quantity was *not measured*
    where `measured` is False (a routing metric of a monolithic model), and *diverged* where it is True.

    Attributes:
        runs: one row per run and checkpoint: `run_id`, `checkpoint`, the columns of `SPEC_COLUMNS`, the
            quantities of `modbench.core.quantities.QUANTITIES`, `status`, `reason`, `spec`, `env_*`, ….
            Failed runs are in it, their `status` `"failed"`.
        measured: booleans, one column per quantity; rows (and index) are those of `runs`.
        curves: one row per run and evaluation during training, with the columns of `MERGED`. The metrics of
            `modbench.core.quantities.CURVE_METRICS` are missing where they were not recorded: for models without
            modules, and in stores from before they were measured along training.
        snapshots: one row per run and evaluation whose activation matrix was kept, with the columns of `MERGED` and
            `step`; `matrix` holds arrays (R x M) of float32, p(module | rule) to within 0.002.
        performance: one row per run, checkpoint and shift, with the columns of `MERGED`; `scale` and `length`
            are the shift's, the training length is `train_length`.
        activations: one row per run of a modular model and checkpoint, with the columns of `MERGED`; `matrix`
            holds arrays (R x M), p(module | rule).
        missing: one row per planned run that is not in `runs`: `run_id`, `cohort_id`, `SPEC_COLUMNS`, `spec`.
        damaged: the cohorts and plans that were skipped because a byte of them has changed, or because what they hold
            cannot be.
        retired: ids of cohorts that were skipped because a version of their task, model, training or
            evaluation has been raised since: their numbers are no longer those of this modbench. Those of
            `unknown_routers` are among them.
        unknown_routers: scores and gates that are registered in another process, not in this one, such as
            `"gates 'mine'"`, and the ids of the cohorts, stored or planned, that have them and were skipped.
    """

    runs: pd.DataFrame
    measured: pd.DataFrame
    curves: pd.DataFrame
    snapshots: pd.DataFrame
    performance: pd.DataFrame
    activations: pd.DataFrame
    missing: pd.DataFrame
    damaged: list[Damage]
    retired: list[str]
    unknown_routers: dict[str, list[str]]


def load(folder: str | Path, snapshots: bool = True) -> Tables:
    """Reads a whole store: seconds for 20,000 runs. A store without results gives empty tables.

    Args:
        folder: of the store.
        snapshots: whether to read the matrices along training, a fifth of all memory; without, their table is empty.

    Raises:
        RequestError: there is no such folder, it is no store, or its schema is newer than this modbench.
        MachineError: a file cannot be read.
    """
    tables = _load(Store.open(folder), snapshots)
    pa.default_memory_pool().release_unused()  # as much again as the tables take
    return tables


def _load(store: Store, snapshots: bool) -> Tables:
    damaged: list[Damage] = []
    parts: dict[str, list[pa.Table]] = {name: [schema.empty_table()] for name, schema in TABLES.items()}
    seen: set[str] = set()
    cohorts = list(_cohorts(store, snapshots))
    retired = [cohort_id for cohort_id, cohort in cohorts if cohort is None]
    untrained = _untrained([cohort for _, cohort in cohorts if isinstance(cohort, Mapping)])
    for cohort_id, cohort in cohorts:
        if isinstance(cohort, DamagedFile):
            damaged.append(Damage(cohort_id, f"cohorts/{cohort_id}/{cohort.file}"))
        elif cohort is not None:
            passed_over = seen | untrained.get(cohort["runs"]["cohort_id"][0].as_py(), set())
            for name, table in _without(cohort, passed_over).items():
                parts[name].append(table)
            seen.update(set(cohort["runs"]["run_id"].to_pylist()) - passed_over)
    merged = {name: pa.concat_tables(tables) for name, tables in parts.items()}
    missing, damaged_plans = _missing(store, seen, {damage.cohort_id for damage in damaged})
    runs = merged["runs"]
    tidy = _tidy(runs)
    return Tables(
        runs=_frame(tidy),
        measured=pd.DataFrame({name: tidy[name].is_valid().to_numpy() for name in QUANTITIES}),
        curves=_frame(_with_spec(merged["curves"].drop_columns(["matrix"]), runs)),
        snapshots=_snapshots(merged["curves"], runs),
        performance=_frame(_with_spec(merged["performance"], runs)),
        activations=_activations(merged["activations"], runs),
        missing=_frame(missing),
        damaged=[*damaged_plans, *damaged],
        retired=retired,
        unknown_routers=unknown_routers(store, retired),
    )


def _cohorts(
    store: Store, snapshots: bool
) -> Iterator[tuple[str, Mapping[str, pa.Table] | DamagedFile | None]]:
    """Reads the published cohorts in the order of their ids; None for one that is retired."""
    cohort_ids = store.published()
    # Thousands of small files: reading and decoding them leaves Python's lock to the other threads.
    with ThreadPoolExecutor() as pool:
        read = partial(_cohort, store.folder, snapshots=snapshots)
        yield from zip(cohort_ids, pool.map(read, cohort_ids), strict=True)


def _cohort(folder: Path, cohort_id: str, snapshots: bool) -> Mapping[str, pa.Table] | DamagedFile | None:
    try:
        tables = read_cohort(folder, cohort_id)
    except DamagedFile as damage:
        return damage
    if tables is None or snapshots:
        return tables
    curves = tables["curves"]
    place = curves.schema.get_field_index("matrix")
    without = pa.nulls(len(curves), curves.field(place).type)
    return {**tables, "curves": curves.set_column(place, curves.field(place), without)}


def _untrained(cohorts: Sequence[Mapping[str, pa.Table]]) -> dict[str, set[str]]:
    """Cohort id -> the runs in it that did not fit into memory, and that another cohort has trained since."""
    untrained: dict[str, set[str]] = {}
    for cohort in cohorts:
        runs = cohort["runs"]
        if pc.any(pc.starts_with(runs["reason"], NO_ROOM)).as_py():  # pyright: ignore[reportAttributeAccessIssue]
            rows = runs.select(["cohort_id", "run_id", "status", "reason"]).to_pylist()
            left = {row["run_id"] for row in rows if is_untrained(row["status"], row["reason"])}
            untrained[rows[0]["cohort_id"]] = left
    if not untrained:
        return {}
    trained = {
        identity
        for cohort in cohorts
        for identity, of in zip(
            *(cohort["runs"][n].to_pylist() for n in ("run_id", "cohort_id")), strict=True
        )
        if identity not in untrained.get(of, set())
    }
    return {cohort_id: left & trained for cohort_id, left in untrained.items()}


def _without(cohort: Mapping[str, pa.Table], seen: set[str]) -> Mapping[str, pa.Table]:
    """Leaves out the runs that another cohort gives."""
    if seen.isdisjoint(cohort["runs"]["run_id"].to_pylist()):
        return cohort
    news = {}
    for name, table in cohort.items():
        news[name] = table.filter(pa.array([i not in seen for i in table["run_id"].to_pylist()], pa.bool_()))
    return news


def _missing(store: Store, seen: set[str], damaged: set[str]) -> tuple[pa.Table, list[Damage]]:
    """The planned runs that were not seen, and the damaged plans.

    A published cohort holds all runs of its plan: such plans need not be read.
    """
    complete = frozenset(store.published()) - damaged
    plans, damaged_plans = store.intact_plans(skip=complete)
    rows: dict[str, dict] = {}
    for plan in plans:
        for spec in plan.runs:
            identity = run_id(spec)
            if identity not in seen:
                row = {
                    "run_id": identity,
                    "cohort_id": plan.cohort_id,
                    **spec_columns(spec),
                    "spec": spec_text(spec),
                }
                rows.setdefault(identity, row)
    schema = pa.schema([RUNS.field(name) for name in ("run_id", "cohort_id", *SPEC_COLUMNS, "spec")])
    return pa.Table.from_pylist(list(rows.values()), schema=schema), damaged_plans


def _tidy(runs: pa.Table) -> pa.Table:
    """One row a run -> one row per run and checkpoint, the checkpoints of a run side by side."""
    per_checkpoint = {c: [quantity_column(c, q) for q in QUANTITIES] for c in CHECKPOINTS}
    shared = runs.drop_columns([name for names in per_checkpoint.values() for name in names])
    stacked = []
    for checkpoint, names in per_checkpoint.items():
        label = pa.repeat(checkpoint, len(runs))
        table = shared.add_column(1, pa.field("checkpoint", pa.string(), nullable=False), label)
        for name, quantity in zip(names, QUANTITIES, strict=True):
            table = table.append_column(quantity, runs[name])
        stacked.append(table)
    order = np.arange(len(CHECKPOINTS) * len(runs)).reshape(len(CHECKPOINTS), len(runs)).T.ravel()
    return pa.concat_tables(stacked).take(pa.array(order))


def _with_spec(table: pa.Table, runs: pa.Table) -> pa.Table:
    """Adds the columns of `MERGED` to each row, from the row's run, with texts as dictionaries."""
    rows = pc.index_in(table["run_id"], value_set=runs["run_id"])  # pyright: ignore[reportAttributeAccessIssue]
    table = table.drop_columns(["run_id"])
    for position, name in enumerate(("run_id", *MERGED)):
        column = _dictionary(runs[name]).take(rows)
        # The length of a shift is another one than the length in training.
        label = "train_length" if name in table.column_names else name
        field = runs.schema.field(name).with_name(label).with_type(column.type)
        table = table.add_column(position, field, column)
    return table


def _dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.DictionaryArray:
    """A column of texts as places in the list of them, which is in the order of the alphabet; others as they are."""
    if not pa.types.is_string(column.type):
        return column
    texts = pa.array(sorted(set(column.drop_null().to_pylist())), pa.string())
    places = pc.index_in(column, value_set=texts)  # pyright: ignore[reportAttributeAccessIssue]
    return pa.DictionaryArray.from_arrays(places.combine_chunks(), texts)


def _activations(table: pa.Table, runs: pa.Table) -> pd.DataFrame:
    """As `_with_spec`, with the flat matrices in the shape R x M."""
    shapes = zip(table["num_rules"].to_pylist(), table["num_modules"].to_pylist(), strict=True)
    flat: Sequence[np.ndarray] = table["matrix"].to_numpy()
    matrices = [values.reshape(shape) for values, shape in zip(flat, shapes, strict=True)]
    frame = _frame(_with_spec(table.select(["run_id", "checkpoint"]), runs))
    frame["matrix"] = pd.Series(matrices, index=frame.index, dtype=object)
    return frame


def _snapshots(curves: pa.Table, runs: pa.Table) -> pd.DataFrame:
    """The evaluations whose matrices were kept, as `_with_spec`, with the bytes as numbers in the shape R x M."""
    kept = curves.filter(curves["matrix"].is_valid())
    frame = _frame(_with_spec(kept.select(["run_id", "step"]), runs))
    shapes = zip(frame["num_rules"], frame["num_modules"], strict=True)
    matrices = [
        np.frombuffer(content, np.uint8).reshape(shape).astype(np.float32) / 255
        for content, shape in zip(kept["matrix"].to_pylist(), shapes, strict=True)
    ]
    frame["matrix"] = pd.Series(matrices, index=frame.index, dtype=object)
    return frame


def _frame(table: pa.Table) -> pd.DataFrame:
    """Arrow -> pandas. An integer column that may be null stays integer (`Int32`, `Int64`)."""
    frame = table.to_pandas()
    for field in table.schema:
        if field.nullable and field.type in _PANDAS:
            frame[field.name] = table[field.name].to_pandas(types_mapper=_PANDAS.get)
    return frame
