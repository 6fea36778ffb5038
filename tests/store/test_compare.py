import math

import numpy as np
import pytest
from synthetic_store import SOURCE, cohort, fill, record

from modbench.core.identity import run_id
from modbench.core.quantities import CURVE_METRICS
from modbench.store.compare import Difference, compare
from modbench.store.files import Store
from modbench.store.record import CohortRecord
from modbench.store.table import load

MLP, RNN = cohort(), cohort("rnn")
RUN = run_id(MLP.runs[1])


def changed(**tables) -> CohortRecord:
    """The record of `MLP` with the rows of `RUN` changed: table -> column -> function of the old value."""
    original = record(MLP)
    rows = {}
    for name in ("runs", "curves", "performance", "activations"):
        changes = tables.get(name, {})
        rows[name] = [
            {**row, **({c: f(row[c]) for c, f in changes.items()} if row["run_id"] == RUN else {})}
            for row in getattr(original, name)
        ]
    return CohortRecord(**rows)


@pytest.fixture
def against(tmp_path):
    """Compares the store of `MLP` with one whose record is another."""
    original = Store.create(tmp_path / "a", SOURCE)
    fill(original, [MLP])

    def comparison(other: CohortRecord, tolerance: float = 0.0):
        store = Store.create(tmp_path / "b", SOURCE)
        store.add_plan(MLP)
        store.publish(MLP.cohort_id, other)
        return compare(load(original.folder), load(store.folder), tolerance)

    return comparison


def test_a_store_equals_itself_with_diverged_runs_and_without(tmp_path):
    store = Store.create(tmp_path / "a", SOURCE)
    store.publish(MLP.cohort_id, record(MLP, diverged=[0, 2]))
    fill(store, [cohort("rnn", "monolithic")])
    comparison = compare(load(store.folder), load(store.folder))
    assert comparison.equal
    assert (len(comparison.common), comparison.numbers, comparison.env) == (8, [], [])
    empty = load(Store.create(tmp_path / "b", SOURCE).folder)
    assert compare(empty, empty).equal


@pytest.mark.parametrize(
    ("table", "column", "quantity"),
    [
        ("runs", "last_error_ood", "last_error_ood"),
        ("runs", "best_collapse_avg", "best_collapse_avg"),
        ("runs", "last_train_loss", "last_train_loss"),
        ("curves", "selection_loss", "curves.selection_loss"),
        ("curves", "alignment", "curves.alignment"),
        ("performance", "error", "performance.error"),
    ],
)
def test_any_number_that_differs_is_found_with_its_size_and_run(against, table, column, quantity):
    comparison = against(changed(**{table: {column: lambda value: value + 0.25}}))
    (difference,) = comparison.numbers
    assert (difference.quantity, difference.runs, difference.run_id) == (quantity, 1, RUN)
    assert math.isclose(difference.largest, 0.25, rel_tol=1e-12)
    assert comparison.differing == [RUN]
    assert not comparison.equal


def test_one_entry_of_a_matrix_is_a_difference(against):
    def nudged(matrix):
        return np.asarray(matrix) + np.eye(1, len(matrix), 2)[0] * 1e-9

    (difference,) = against(changed(activations={"matrix": nudged})).numbers
    assert difference == Difference("activations.matrix", 1, pytest.approx(1e-9), RUN)


def test_the_tolerance_is_relative_to_what_is_larger_than_one(against):
    other = changed(
        runs={"last_loss_id": lambda _: 1000.0, "num_parameters": lambda n: n + 1},
        curves={"loss": lambda value: value + 1e-7},
    )
    original = changed(runs={"last_loss_id": lambda _: 1000.0})
    assert {d.quantity for d in against(other).numbers} == {
        "last_loss_id", "num_parameters", "curves.loss"}  # fmt: skip
    assert original.runs != other.runs


@pytest.mark.parametrize(("tolerance", "equal"), [(0.0, False), (4e-4, False), (6e-4, True)])
def test_numbers_within_the_tolerance_are_equal(against, tolerance, equal):
    # 2000 parameters in each run of two rules: one more is 5e-4 of it.
    assert against(changed(runs={"num_parameters": lambda n: n + 1}), tolerance).equal is equal


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_null_nan_and_infinity_equal_only_themselves(against, value):
    comparison = against(changed(runs={"last_alignment": lambda _: value}), tolerance=1e6)
    assert comparison.numbers == [Difference("last_alignment", 1, math.inf, RUN)]


def test_null_and_nan_are_two_things(tmp_path):
    for name, value in (("a", None), ("b", math.nan)):
        store = Store.create(tmp_path / name, SOURCE)
        store.publish(MLP.cohort_id, changed(runs={"last_alignment": lambda _, value=value: value}))
    comparison = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert [difference.quantity for difference in comparison.numbers] == ["last_alignment"]


def test_a_status_and_a_missing_row_are_differences(against):
    comparison = against(record(MLP, diverged=[1]))
    assert comparison.statuses == [RUN]
    assert comparison.differing == [RUN]


def test_rows_that_only_one_has_are_a_difference(against):
    rows = record(MLP)
    shorter = [row for row in rows.curves if row["step"] < 20]
    comparison = against(CohortRecord(rows.runs, shorter, rows.performance, rows.activations))
    assert {d.quantity for d in comparison.numbers} == {
        f"curves.{name}" for name in ("loss", "error", "selection_loss", "selection_error", *CURVE_METRICS)
    }
    assert all(d.runs == 4 and d.largest == math.inf for d in comparison.numbers)


def test_routing_along_training_that_one_store_did_not_record_is_no_difference(against):
    rows = record(MLP)
    older = [{**row, **dict.fromkeys((*CURVE_METRICS, "matrix"))} for row in rows.curves]
    assert against(CohortRecord(rows.runs, older, rows.performance, rows.activations)).equal


def test_runs_and_plans_of_one_store_alone_are_told_apart(tmp_path):
    a, b = Store.create(tmp_path / "a", SOURCE), Store.create(tmp_path / "b", SOURCE)
    fill(a, [MLP])
    a.add_plan(RNN)
    fill(b, [RNN])
    comparison = compare(load(a.folder), load(b.folder))
    mlp, rnn = ([run_id(run) for run in one.runs] for one in (MLP, RNN))
    assert comparison.only == (sorted(mlp), sorted(rnn))
    assert comparison.planned_only == (sorted(mlp), [])
    assert not comparison.equal


def test_machine_cohort_and_width_are_told_and_count_for_nothing(tmp_path):
    fill(Store.create(tmp_path / "a", SOURCE), [MLP])
    wider = cohort(width=2)
    rows = record(wider)
    other = Store.create(tmp_path / "b", SOURCE)
    other.add_plan(wider)
    runs = [{**row, "env_host": "another", "env_seconds_train": 9.0} for row in rows.runs]
    other.publish(wider.cohort_id, CohortRecord(runs, rows.curves, rows.performance, rows.activations))
    comparison = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert comparison.equal
    assert comparison.env == ["env_seconds_train", "env_host"]
    assert comparison.regrouped == sorted(run_id(run) for run in MLP.runs)
