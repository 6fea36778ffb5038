"""Rows of plain values -> Arrow tables -> the bytes of a Parquet file, and back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modbench.core.identity import canonical
from modbench.core.spec import RunSpec
from modbench.store.schema import TABLES

Row = Mapping[str, Any]

MOST_BYTES_A_ROW = 2**16
"""A row's texts and numbers, unpacked: a specification with a probability for each of 1024 rules has half as many."""


@dataclass(frozen=True)
class CohortRecord:
    """Everything a cohort leaves behind: one list of rows per table of `modbench.store.schema.TABLES`.

    A row has exactly the columns of its table's schema. None is null: it does not apply, or was not
    measured. NaN stays NaN: the run diverged.

    Attributes:
        runs: one row a run.
        curves: one row per run and evaluation during training.
        performance: one row per run, checkpoint and shift.
        activations: one row per run of a modular model and checkpoint.
    """

    runs: Sequence[Row]
    curves: Sequence[Row] = field(default_factory=list)
    performance: Sequence[Row] = field(default_factory=list)
    activations: Sequence[Row] = field(default_factory=list)

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Yields the name and Arrow table of each part.

        Raises:
            ValueError: a row does not fit its schema, or belongs to no run of this record.
        """
        run_ids = {row["run_id"] for row in self.runs}
        if len(run_ids) < len(self.runs):
            raise ValueError("the runs of a record must differ from each other")
        for name, schema in TABLES.items():
            rows: Sequence[Row] = getattr(self, name)
            if strangers := {row["run_id"] for row in rows} - run_ids:
                raise ValueError(
                    f"{name}: every row must belong to a run of its record, got {min(strangers)!r}"
                )
            yield name, to_table(rows, schema)
        sizes = {row["run_id"]: row["num_rules"] * (row["num_modules"] or 0) for row in self.runs}
        for row in self.curves:
            if row["matrix"] is not None and len(row["matrix"]) != sizes[row["run_id"]]:
                raise ValueError(
                    f"curves: matrix must have {sizes[row['run_id']]} bytes, got {len(row['matrix'])}"
                )
        for row in self.activations:
            if len(row["matrix"]) != row["num_rules"] * row["num_modules"]:
                shape = f"{row['num_rules']} x {row['num_modules']}"
                raise ValueError(f"activations: matrix must be {shape}, got {len(row['matrix'])} entries")


def spec_text(spec: RunSpec) -> str:
    """The full specification as canonical JSON; `RunSpec.parse(json.loads(text))` reads it back."""
    return canonical(spec.model_dump(mode="json"))


def spec_columns(spec: RunSpec) -> dict[str, Any]:
    """The columns of `modbench.store.schema.SPEC_COLUMNS` for one run; None where a field does not apply."""
    task, model, train = spec.task, spec.model, spec.train
    return {
        "architecture": task.architecture,
        "kind": task.kind,
        "search_version": getattr(task, "search_version", None),
        "num_rules": task.num_rules,
        "num_modules": model.num_modules,
        "task_seed": task.task_seed,
        "seed": spec.seed,
        "model": model.name,
        "scores": model.scores,
        "gates": model.gates,
        "encoder_width": model.encoder_width,
        "model_width": model.model_width,
        "steps": train.steps,
        "batch_size": train.batch_size,
        "learning_rate": train.learning_rate,
        "length": spec.length,
        "variant": getattr(task, "variant", None),
        "order": getattr(task, "order", None),
        "precision": train.precision,
    }


def pack_matrix(A: np.ndarray) -> bytes:
    """An activation matrix (R x M) as bytes, row by row: an entry p is round(255 p), so known to within 0.002."""
    return np.rint(255 * np.clip(A, 0, 1)).astype(np.uint8).tobytes()


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Turns rows into a table of exactly the schema's types.

    Raises:
        ValueError: a row lacks a column, has an unknown one, or a value that its column cannot hold.
    """
    names = set(schema.names)
    for row in rows:
        # Arrow itself would fill a forgotten column with null and drop an unknown one.
        if row.keys() != names:
            raise ValueError(
                f"a row must have the schema's columns; missing {sorted(names - row.keys())}, "
                f"unknown {sorted(row.keys() - names)}"
            )
    columns = []
    for column in schema:
        values = [row[column.name] for row in rows]
        try:
            array = pa.array(values, type=column.type, from_pandas=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise ValueError(f"column {column.name!r} must be {column.type}: {error}") from None
        if pa.types.is_integer(column.type) and not all(isinstance(v, Integral | None) for v in values):
            raise ValueError(f"column {column.name!r} must be {column.type}; Arrow would cut off a fraction")
        if array.null_count and not column.nullable:
            raise ValueError(f"column {column.name!r} must have a value in every row")
        columns.append(array)
    return pa.Table.from_arrays(columns, schema=schema)


def encode(table: pa.Table) -> bytes:
    """The table as a Parquet file with a checksum on every page."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def decode(
    content: bytes,
    schema: pa.Schema,
    most_rows: int | None = None,
    most_entries: int = 1,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Reads a Parquet file's content as the schema, page checksums verified.

    A nullable column that the file lacks (a quantity that is newer than the file) is null; one that the
    schema does not know is left out.

    Args:
        content: of the file.
        schema: that the table shall have.
        most_rows: that the file can have; a few bytes may unpack to millions, so more are refused unread. None is any.
        most_entries: likewise of a list in a row.
        columns: the columns to read; all of them when None.

    Raises:
        ValueError: the content is no Parquet file, does not fit the schema, or is larger than it can be.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        # Not pq.read_table, which sets up a dataset for every call: four times as slow for small files.
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        known = _types(file.schema_arrow, wanted)
        if most_rows is not None:
            _require_small(file.metadata, most_rows, most_entries)
        table = file.read(columns=[name for name in wanted.names if name in known], use_threads=False)
        table.validate(full=True)
    except (
        OSError,
        pa.ArrowException,
    ) as error:  # OSError is Arrow's answer to a page whose checksum is wrong
        raise ValueError(" ".join(str(error).split())) from None
    if table.schema.equals(wanted):
        return table
    arrays = []
    for column in wanted:
        array = table[column.name] if column.name in known else pa.nulls(len(table), column.type)
        if array.null_count and not column.nullable:
            raise ValueError(f"column {column.name!r} must have a value in every row")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=wanted)


def _types(found: pa.Schema, wanted: pa.Schema) -> dict[str, pa.DataType]:
    """The columns of a file with their types, after those of the schema were compared with it."""
    known = dict(zip(found.names, found.types, strict=True))
    if len(known) < len(found):
        raise ValueError("a column is there twice")
    for column in wanted:
        if column.name not in known and not column.nullable:
            raise ValueError(f"column {column.name!r} is missing")
        if known.get(column.name, column.type) != column.type:
            raise ValueError(f"column {column.name!r} must be {column.type}")
    return known


def _require_small(metadata: pq.FileMetaData, most_rows: int, most_entries: int) -> None:
    """Raises `ValueError` where a file would unpack to more than a cohort can have written."""
    if metadata.num_rows > most_rows:
        raise ValueError(f"there must be at most {most_rows:,} rows, got {metadata.num_rows:,}")
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    entries = 0
    if most_entries > 1:
        columns = [group.column(index) for group in groups for index in range(group.num_columns)]
        entries = max((column.num_values for column in columns), default=0)
        if entries > most_rows * most_entries:
            raise ValueError(f"there must be at most {most_rows * most_entries:,} entries, got {entries:,}")
    unpacked = sum(group.total_byte_size for group in groups)
    if unpacked > MOST_BYTES_A_ROW * (1 + most_rows) + 8 * entries:
        raise ValueError(f"it would unpack to {unpacked:,} bytes")
