import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from synthetic_store import SOURCE, cohort, fill, record, spec

from modbench.core import identity
from modbench.core.errors import RequestError
from modbench.core.identity import run_id
from modbench.core.quantities import CURVE_METRICS, METRICS, QUANTITIES
from modbench.store.files import PlannedCohort, Store
from modbench.store.record import CohortRecord
from modbench.store.schema import ENV_COLUMNS, SPEC_COLUMNS
from modbench.store.table import MERGED, Tables, load

FRAMES = ("runs", "measured", "curves", "performance", "activations", "missing")


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "a store", SOURCE)


def by_run(frame: pd.DataFrame, run, **where) -> pd.DataFrame:
    for name, value in {"run_id": run_id(run), **where}.items():
        frame = frame[frame[name] == value]
    return frame


def test_runs_are_one_row_per_run_and_checkpoint_with_the_stored_numbers(store):
    planned = cohort("mha", rules=3, search_version=2)
    fill(store, [planned])
    runs = load(store.folder).runs
    assert list(runs["checkpoint"]) == ["last", "best"] * 4
    for row, run in zip(record(planned).runs, planned.runs, strict=True):
        for checkpoint in ("last", "best"):
            (read,) = by_run(runs, run, checkpoint=checkpoint).to_dict("records")
            for name in QUANTITIES:
                assert read[name] == row[f"{checkpoint}_{name}"]
            for name in (
                "cohort_id",
                "status",
                *SPEC_COLUMNS,
                "num_parameters",
                "rule_agreement",
                "rule_rank",
                "width",
                "spec",
                *ENV_COLUMNS,
            ):
                assert (read[name] == row[name]) or (pd.isna(read[name]) and row[name] is None)
    assert not [name for name in runs if name.startswith(("last_", "best_")) and name[5:] in QUANTITIES]


def test_curves_performance_and_activations_carry_the_columns_of_their_run(store):
    modular, monolithic = cohort("mha", rules=3), cohort("mha", "monolithic", rules=3)
    fill(store, [modular, monolithic])
    tables = load(store.folder)
    for planned in (modular, monolithic):
        rows = record(planned)
        for run, stored in zip(planned.runs, rows.runs, strict=True):
            for frame in (tables.curves, tables.performance, tables.activations):
                for name in MERGED:
                    label = "train_length" if name == "length" and frame is tables.performance else name
                    values = set(by_run(frame, run)[label].dropna())
                    assert values <= {stored[name]}
        for name in ("curves", "performance"):
            expected = pd.DataFrame(getattr(rows, name))
            frame: pd.DataFrame = getattr(tables, name)
            frame = frame[frame["cohort_id"] == planned.cohort_id]
            for column in expected.columns.drop("matrix", errors="ignore"):
                assert [None if pd.isna(value) else value for value in frame[column]] == [
                    None if pd.isna(value) else value for value in expected[column]
                ]
    assert set(tables.performance["length"]) == {3, 5, 10, 20, 30}
    assert set(tables.performance["train_length"]) == {10}
    assert set(tables.activations["model"]) == {"modular"}
    for row in record(modular).activations:
        (matrix,) = tables.activations[
            (tables.activations["run_id"] == row["run_id"])
            & (tables.activations["checkpoint"] == row["checkpoint"])
        ]["matrix"]
        np.testing.assert_array_equal(matrix, np.reshape(row["matrix"], (3, 3)))


def test_texts_of_long_tables_are_categories_in_the_order_of_the_alphabet(store):
    fill(store, [cohort("mha"), cohort("mha", "monolithic")])
    tables = load(store.folder)
    for frame in (tables.curves, tables.snapshots, tables.performance, tables.activations):
        for name in ("run_id", "status", "model"):
            assert isinstance(frame[name].dtype, pd.CategoricalDtype)
            assert frame[name].cat.categories.is_monotonic_increasing
    assert list(tables.curves["model"].cat.categories) == ["modular", "monolithic"]
    assert list(tables.curves["run_id"].cat.categories) == sorted(set(tables.runs["run_id"]))


def test_matrices_along_training_come_back_to_a_byte(store):
    planned = cohort(rules=3)
    fill(store, [planned, cohort(model="monolithic")])
    tables = load(store.folder)
    kept = [row for row in record(planned).curves if row["matrix"] is not None]
    assert set(tables.snapshots["run_id"]) == {run_id(run) for run in planned.runs[:2]}
    assert list(zip(tables.snapshots["run_id"], tables.snapshots["step"], strict=True)) == [
        (row["run_id"], row["step"]) for row in kept
    ]
    for matrix, row in zip(tables.snapshots["matrix"], kept, strict=True):
        assert matrix.shape == (3, 3)
        assert np.rint(255 * matrix).astype(np.uint8).tobytes() == row["matrix"]
    assert "matrix" not in tables.curves
    without = load(store.folder, snapshots=False)
    assert without.snapshots.empty
    assert list(without.snapshots) == list(tables.snapshots)
    pd.testing.assert_frame_equal(without.curves, tables.curves)


def test_files_from_before_routing_was_measured_along_training_are_read(store, monkeypatch):
    tables = CohortRecord.tables
    monkeypatch.setattr(CohortRecord, "tables", lambda self: (
        (name, table.drop_columns([*CURVE_METRICS, "matrix"]) if name == "curves" else table)
        for name, table in tables(self)))  # fmt: skip
    fill(store, [cohort()])
    read = load(store.folder)
    assert len(read.curves) == 3 * 4
    assert read.curves[list(CURVE_METRICS)].isna().all(axis=None)
    assert read.snapshots.empty
    assert set(read.snapshots) >= {"run_id", "step", "matrix", "model"}


def test_an_activation_matrix_is_read_row_by_row(store):
    planned = PlannedCohort.of(
        [spec(rules=2).model_copy(update={"model": spec(rules=3).model})], width=1
    )  # two rules, three modules
    rows = record(planned)
    matrix = [0.5, 0.25, 0.25, 0.0, 0.125, 0.875]
    flat = {"num_rules": 2, "num_modules": 3, "matrix": matrix}
    activations = [{**row, **flat} for row in rows.activations]
    store.publish(planned.cohort_id, CohortRecord(rows.runs, rows.curves, rows.performance, activations))
    read = load(store.folder).activations["matrix"][0]
    assert read.tolist() == [[0.5, 0.25, 0.25], [0.0, 0.125, 0.875]]


def test_not_measured_and_diverged_stay_two_things(store):
    modular, monolithic = cohort(), cohort(model="monolithic")
    for planned in (modular, monolithic):
        store.publish(planned.cohort_id, record(planned, diverged=[0]))
    tables = load(store.folder)
    assert tables.measured.index.equals(tables.runs.index)
    assert list(tables.measured) == list(QUANTITIES)
    failed = tables.runs["status"] == "failed"
    assert failed.sum() == 4
    for name in QUANTITIES:
        measured = tables.measured[name]
        routed = (tables.runs["model"] == "modular") | (name not in METRICS)
        assert (measured == routed).all()
        assert (tables.runs[name].isna() & measured == failed & routed).all()
    assert set(tables.runs.loc[failed, "diverged_at"]) == {7}
    assert set(tables.runs.loc[failed, "reason"]) == {"the loss became NaN at step 7"}


def types(tables: Tables) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(column, str(kind)) for column, kind in getattr(tables, name).dtypes.items()]
        for name in FRAMES
    }


def test_an_empty_store_gives_the_columns_and_types_of_a_full_one(store):
    empty = load(store.folder)
    assert [len(getattr(empty, name)) for name in FRAMES] == [0] * len(FRAMES)
    assert (empty.damaged, empty.retired) == ([], [])
    planned = cohort("mha")
    fill(store, [planned])
    full = load(store.folder)
    assert types(empty) == types(full)
    kinds = dict(types(full)["runs"])
    assert (kinds["search_version"], kinds["num_rules"], kinds["best_step"]) == ("Int32", "int32", "Int64")
    assert {kinds[name] for name in QUANTITIES} == {"float64"}
    assert kinds["model"] == kinds["reason"] == kinds["variant"]


def test_types_do_not_depend_on_which_columns_are_all_null(store):
    fill(store, [cohort("rnn", "monolithic")])
    few = types(load(store.folder))
    fill(store, [cohort("mha")])
    assert types(load(store.folder)) == few


def test_a_store_grows_by_more_seeds(store):
    first, more = cohort(seeds=(0, 1)), cohort(seeds=(2, 3, 4))
    fill(store, [first])
    before = load(store.folder)
    store.add_plan(more)
    assert set(load(store.folder).missing["run_id"]) == {run_id(run) for run in more.runs}
    store.publish(more.cohort_id, record(more))
    after = load(store.folder)
    assert (len(after.runs), len(after.missing)) == (2 * 10, 0)
    kept = after.runs[after.runs["cohort_id"] == first.cohort_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before.runs)


def test_missing_runs_have_the_columns_of_their_specification(store):
    planned = cohort("rnn", "monolithic", rules=4)
    store.add_plan(planned)
    missing = load(store.folder).missing
    expected = pd.DataFrame(record(planned).runs)[list(missing)]
    assert list(missing) == ["run_id", "cohort_id", *SPEC_COLUMNS, "spec"]
    assert missing["run_id"].tolist() == expected["run_id"].tolist()
    assert missing["spec"].tolist() == expected["spec"].tolist()
    assert missing["num_modules"].isna().all()
    assert set(missing["order"]) == {1}


def test_a_run_in_two_cohorts_counts_once_everywhere(store):
    narrow, wide = cohort(width=2), cohort(width=4, seeds=(0, 1, 2))
    fill(store, [narrow, wide])
    tables = load(store.folder)
    assert len(tables.runs) == 2 * len(wide.runs)
    assert not tables.runs.duplicated(["run_id", "checkpoint"]).any()
    assert not tables.curves.duplicated(["run_id", "step"]).any()
    assert not tables.performance.duplicated(["run_id", "checkpoint", "scale", "length"]).any()
    assert not tables.activations.duplicated(["run_id", "checkpoint"]).any()
    assert len(tables.missing) == 0


def test_numbers_of_a_version_that_was_raised_are_left_out_and_named(store, monkeypatch):
    old = cohort()
    fill(store, [old, cohort("rnn")])
    monkeypatch.setitem(identity.VERSIONS["evaluation"], "mlp", 2)
    tables = load(store.folder)
    assert tables.retired == [old.cohort_id]
    assert set(tables.runs["architecture"]) == {"rnn"}
    fill(store, [cohort()])
    assert len(load(store.folder).runs) == 2 * 8


def test_a_file_that_is_whole_but_does_not_fit_is_named(store, monkeypatch):
    planned = cohort()
    fitting = dict(record(planned).tables())
    monkeypatch.setattr(
        CohortRecord,
        "tables",
        lambda self: iter({**fitting, "curves": fitting["curves"].drop_columns(["loss"])}.items()),
    )
    store.publish(planned.cohort_id, record(planned))
    named = [damage.file for damage in load(store.folder).damaged]
    assert named == [f"cohorts/{planned.cohort_id}/curves.parquet"]


def test_errors_of_the_folder_reach_the_reader(tmp_path, store):
    with pytest.raises(RequestError, match="no folder"):
        load(tmp_path / "absent")
    with pytest.raises(RequestError, match="must be a store"):
        load(tmp_path)
    (store.folder / "store.json").write_text('{"schema_version": 7}')
    with pytest.raises(RequestError, match="schema version 7"):
        load(store.folder)


def test_thousands_of_runs_are_read_in_seconds(store):
    for architecture, model in [("mlp", "modular"), ("mha", "monolithic"), ("rnn", "modular-op")]:
        planned = cohort(architecture, model, rules=4, task_seeds=[0], seeds=range(1000), width=1000)
        store.publish(planned.cohort_id, record(planned))
    start = time.perf_counter()
    read = load(store.folder)
    assert time.perf_counter() - start < 10
    assert read.damaged == read.retired == []
    assert read.runs["run_id"].nunique() == 3000
    assert len(read.curves) == 3 * 3000


def test_reading_imports_nothing_that_trains():
    code = "import sys, modbench.store.table; print([m for m in ('jax', 'equinox', 'optax') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
