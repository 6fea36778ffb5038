"""Contents whose digests are right and which no cohort can have written: each is named, the rest stays readable."""

import hashlib
import io
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_store import SOURCE, cohort, fill, record, spec

from modbench.cli.status import render
from modbench.core.errors import RequestError
from modbench.core.identity import canonical, run_id, sibling_ids
from modbench.core.spec import RunSpec
from modbench.figures import FIGURES
from modbench.store.cohort import DIGESTS, FILES, DamagedFile
from modbench.store.compare import compare
from modbench.store.content import read_cohort
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.record import encode
from modbench.store.schema import TABLES
from modbench.store.table import load
from modbench.sweep.screen import Screen

PLANNED = cohort("mha", rules=3)
OTHER = cohort("rnn")
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Store:
    store = Store.create(tmp_path_factory.mktemp("content") / "store", SOURCE)
    fill(store, [PLANNED, OTHER])
    return store


@pytest.fixture
def store(original):
    """The store, put back as it was afterwards."""
    folder = original.folder / "cohorts" / PLANNED.cohort_id
    before = {path: path.read_bytes() for path in folder.iterdir()}
    yield original
    for path, content in before.items():
        path.write_bytes(content)


def table_of(store: Store, name: str) -> pa.Table:
    return pq.read_table(store.folder / "cohorts" / PLANNED.cohort_id / FILES[name], partitioning=None)


def put(store: Store, name: str, content: pa.Table | bytes) -> None:
    """Gives a table's file another content, with a digest that fits."""
    folder = store.folder / "cohorts" / PLANNED.cohort_id
    if isinstance(content, pa.Table):
        content = encode(content)
    (folder / FILES[name]).write_bytes(content)
    digests = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES.values()}
    (folder / DIGESTS).write_text(canonical(digests) + "\n")


def with_column(table: pa.Table, name: str, values, kind: pa.DataType | None = None) -> pa.Table:
    place = table.schema.get_field_index(name)
    values = [values] * len(table) if not isinstance(values, list | pa.Array) else values
    array = (
        values if isinstance(values, pa.Array) else pa.array(values, kind or table.schema.field(name).type)
    )
    return table.set_column(place, pa.field(name, array.type), array)


def first(table: pa.Table, name: str, value) -> pa.Table:
    """The table with another value in the first row."""
    return with_column(table, name, [value, *table[name].to_pylist()[1:]])


def edited(table: pa.Table, **fields) -> pa.Table:
    """The runs with other fields in the first specification."""
    changed = json.loads(table["spec"][0].as_py())
    for path, value in fields.items():
        part = changed
        *parents, last = path.split("__")
        for name in parents:
            part = part[name]
        part[last] = value
    return first(table, "spec", canonical(changed))


def invalid_text(table: pa.Table, name: str) -> pa.Table:
    array = pa.array([b"\xff\xfe"] * len(table), pa.binary()).view(pa.string())
    return with_column(table, name, array)


def twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(0, 1)])


STRANGE = {
    "runs": {
        "no rows": lambda t: t.slice(0, 0),
        "a run twice": twice,
        "a stranger's id": lambda t: first(t, "run_id", "0" * 16),
        "another cohort": lambda t: with_column(t, "cohort_id", "0" * 16),
        "another model": lambda t: with_column(t, "model", "gt-modular"),
        "another task": lambda t: with_column(t, "architecture", "mlp"),
        "no rules": lambda t: with_column(t, "num_rules", 0),
        "no modules": lambda t: first(t, "num_modules", None),
        "another rate": lambda t: with_column(t, "learning_rate", 0.5),
        "NaN as a rate": lambda t: with_column(t, "learning_rate", math.nan),
        "another seed": lambda t: first(t, "seed", 9),
        "spec is no JSON": lambda t: first(t, "spec", "{"),
        "spec is deep": lambda t: first(t, "spec", DEEP),
        "spec is a number": lambda t: first(t, "spec", "5"),
        "spec of another run": lambda t: edited(t, train__steps=21),
        "number as a text": lambda t: edited(t, seed="0"),
        "true as a number": lambda t: edited(t, seed=False),
        "unknown status": lambda t: with_column(t, "status", "finished"),
        "done for a reason": lambda t: first(t, "reason", "why"),
        "no width": lambda t: with_column(t, "width", 0),
        "negative seconds": lambda t: with_column(t, "env_seconds_train", -1.0),
        "no seconds": lambda t: with_column(t, "env_seconds_train", math.nan),
        "endless seconds": lambda t: with_column(t, "env_seconds_compile", math.inf),
        "best before": lambda t: with_column(t, "best_step", -1),
        "another type": lambda t: with_column(t, "seed", [0.0] * len(t), pa.float64()),
        "a null": lambda t: first(t, "model", None),
        "a column twice": lambda t: t.append_column("seed", t["seed"]),
        "a column less": lambda t: t.drop_columns(["seed"]),
        "no UTF-8": lambda t: invalid_text(t, "env_host"),
    },
    "curves": {
        "a stranger's": lambda t: first(t, "run_id", "0" * 16),
        "a point twice": twice,
        "a negative step": lambda t: first(t, "step", -1),
        "a step too far": lambda t: first(t, "step", 21),
        "half a matrix": lambda t: with_column(t, "matrix", b"\x00\x01"),
        "a null": lambda t: first(t, "loss", None),
        "very many rows": lambda t: pa.concat_tables([t] * 50),
        "another type": lambda t: with_column(t, "step", [str(i) for i in range(len(t))], pa.string()),
    },
    "performance": {
        "a stranger's": lambda t: first(t, "run_id", "0" * 16),
        "a shift twice": twice,
        "an unknown checkpoint": lambda t: first(t, "checkpoint", "middle"),
        "an untested length": lambda t: first(t, "length", 7),
        "NaN as a scale": lambda t: first(t, "scale", math.nan),
        "no UTF-8": lambda t: invalid_text(t, "checkpoint"),
    },
    "activations": {
        "a stranger's": lambda t: first(t, "run_id", "0" * 16),
        "a matrix twice": twice,
        "half a matrix": lambda t: first(t, "matrix", [0.5]),
        "a hole": lambda t: first(t, "matrix", [None, *t["matrix"][0].as_py()[1:]]),
        "another shape": lambda t: first(t, "num_rules", 9),
        "no rules": lambda t: with_column(with_column(t, "num_rules", 0), "matrix", [[]] * len(t)),
        "a huge matrix": lambda t: first(t, "matrix", [0.0] * 10_000),
    },
}
CASES = [(name, what) for name, cases in STRANGE.items() for what in cases]


@pytest.mark.parametrize(("name", "what"), CASES)
def test_what_cannot_be_is_named_and_the_rest_is_read(store, name, what):
    put(store, name, STRANGE[name][what](table_of(store, name)))
    tables = load(store.folder)
    assert [damage.file for damage in tables.damaged] == [f"cohorts/{PLANNED.cohort_id}/{FILES[name]}"]
    for part in (tables.runs, tables.curves, tables.performance, tables.activations):
        assert set(part["architecture"]) == {"rnn"}
    assert set(tables.missing["run_id"]) == {run_id(run) for run in PLANNED.runs}
    if name == "runs" and what != "no UTF-8":  # of a column that is not needed for this
        assert set(store.recorded()) == {run_id(run) for run in OTHER.runs}


def test_it_is_set_aside_trained_again_and_not_merged(tmp_path):
    store = Store.create(tmp_path / "store", SOURCE)
    fill(store, [PLANNED, OTHER])
    put(store, "curves", twice(table_of(store, "curves")))
    with pytest.raises(RequestError, match=r"curves\.parquet is damaged"):
        merge_stores([store.folder], tmp_path / "merged")
    assert [damage.file for damage in store.set_damaged_aside()] == [
        f"cohorts/{PLANNED.cohort_id}/curves.parquet"
    ]
    assert store.publish(PLANNED.cohort_id, record(PLANNED))
    assert load(store.folder).damaged == []


@pytest.mark.parametrize("name", TABLES)
def test_a_few_bytes_are_not_unpacked_to_millions_of_rows(store, monkeypatch, name):
    column = pa.array(np.zeros(20_000_000))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"run_id": column}), sink, compression="zstd")
    bomb = sink.getvalue().to_pybytes()
    assert len(bomb) < 2**20
    read = pq.ParquetFile.read

    def small(file: pq.ParquetFile, **options) -> pa.Table:
        assert file.metadata.num_rows < 10_000
        return read(file, **options)

    monkeypatch.setattr(pq.ParquetFile, "read", small)
    put(store, name, bomb)
    with pytest.raises(DamagedFile, match=FILES[name]):
        read_cohort(store.folder, PLANNED.cohort_id)


def test_a_list_is_not_unpacked_to_millions_of_entries(store):
    table = table_of(store, "activations")
    put(store, "activations", first(table, "matrix", [0.0] * 2_000_000))
    assert [damage.file for damage in load(store.folder).damaged] == [
        f"cohorts/{PLANNED.cohort_id}/activations.parquet"
    ]


def test_a_cohort_under_the_id_of_another_is_damaged(tmp_path):
    """Its plan says which runs its id stands for; else those runs would never be missing."""
    store = Store.create(tmp_path / "store", SOURCE)
    promised = cohort("mha", rules=4)
    store.add_plan(promised)
    rows = record(PLANNED)
    for row in rows.runs:
        row["cohort_id"] = promised.cohort_id
    store.publish(promised.cohort_id, rows)
    tables = load(store.folder)
    assert [damage.cohort_id for damage in tables.damaged] == [promised.cohort_id]
    assert len(tables.missing) == len(promised.runs)


def test_a_narrowed_cohort_is_that_of_its_plan(tmp_path):
    store = Store.create(tmp_path / "store", SOURCE)
    rows = record(PLANNED)
    for row in rows.runs:
        row["width"] = 1
    store.add_plan(PLANNED)
    store.publish(PLANNED.cohort_id, rows)
    assert load(store.folder).damaged == []


def test_a_column_that_a_file_is_older_than_is_derived(store):
    put(store, "runs", table_of(store, "runs").drop_columns(["variant", "precision", "search_version"]))
    tables = load(store.folder)
    mine = tables.runs[tables.runs["architecture"] == "mha"]
    assert not tables.damaged
    assert set(mine["variant"]) == {"linear"}
    assert set(mine["precision"]) == {"float32"}
    assert set(mine["search_version"]) == {1}


@given(
    st.sampled_from(["mlp", "mha", "rnn"]),
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1),
            st.sampled_from([1e-4, 1e-3, 1.0]) | st.floats(1e-6, 10),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=3,
    ),
)
@settings(max_examples=50, deadline=None)
def test_ids_of_siblings_are_those_of_their_specifications(architecture, values):
    base = spec(architecture)
    runs = []
    for task_seed, rate, seed in values:
        table = base.model_dump()
        table["task"]["task_seed"], table["train"]["learning_rate"], table["seed"] = task_seed, rate, seed
        runs.append(RunSpec.parse(table))
    for first_of in (base, *runs):
        assert sibling_ids(first_of, values) == [run_id(run) for run in runs]


numbers = st.sampled_from([0, 1, -1, 2**31 - 1, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324])
texts = st.sampled_from(
    ["", "done", "modular", "$\\frac{", "[red]", "\x1b]0;x\x07", "<b>", "\u202e", "x" * 5000]
)


@st.composite
def mutations(draw):
    """A table's name, and what is done to the table."""
    name = draw(st.sampled_from(list(TABLES)))
    column = draw(st.sampled_from(TABLES[name].names))
    kind = TABLES[name].field(column).type
    whole, how = (
        draw(st.booleans()),
        draw(st.sampled_from(["value", "null", "type", "drop", "double", "rows"])),
    )
    value = draw(texts if pa.types.is_string(kind) else numbers)
    rows = draw(st.lists(st.integers(0, 3), max_size=6))

    def change(table: pa.Table) -> pa.Table:
        match how:
            case "null":
                return with_column(table, column, None) if whole else first(table, column, None)
            case "type":
                return with_column(table, column, [str(v) for v in range(len(table))], pa.string())
            case "drop":
                return table.drop_columns([column])
            case "double":
                return table.append_column(column, table[column])
            case "rows":
                return table.take(pa.array(rows, pa.int64()))
        if pa.types.is_list(kind):
            return with_column(table, column, [[value]] * len(table))
        if pa.types.is_binary(kind):
            return with_column(table, column, b"\xff" * 9)
        if pa.types.is_integer(kind):
            value_here = int(value) if math.isfinite(value) and abs(value) < 2**31 else 7
        else:
            value_here = value
        return with_column(table, column, value_here) if whole else first(table, column, value_here)

    return name, change


@pytest.mark.slow
@given(mutations())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_content_is_reading_names_it_or_can_live_with_it(original, mutation):
    name, change = mutation
    folder = original.folder / "cohorts" / PLANNED.cohort_id
    before = {path: path.read_bytes() for path in folder.iterdir()}
    try:
        put(original, name, change(table_of(original, name)))
        tables = load(original.folder)
        assert {damage.file for damage in tables.damaged} <= {f"cohorts/{PLANNED.cohort_id}/{FILES[name]}"}
        Screen(file=io.StringIO()).print(render(original.folder, tables, everything=True))
        if not tables.damaged:
            assert compare(tables, tables).equal
            for card in FIGURES.values():
                card.prepare(tables)
        original.recorded()
        original.untrained()
    finally:
        for path, content in before.items():
            path.write_bytes(content)
