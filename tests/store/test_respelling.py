"""Stores from before a run had one spelling: their rows and plans are those of the runs that they mean."""

import numpy as np
import pytest
from synthetic_store import SOURCE, fill, record

from modbench.core.errors import RequestError
from modbench.core.identity import run_id
from modbench.core.spec import RunSpec
from modbench.store.files import PlannedCohort, Store
from modbench.store.params import load_params, save_params
from modbench.store.record import spec_text
from modbench.store.table import load
from modbench.sweep.plan import make_plan


def table(options, seed):
    return {
        "task": {"architecture": "mlp", "num_rules": 2},
        "model": {"scores": "joint", "gates": "softmax", "gate_options": options},
        "train": {"steps": 20},
        "evaluation": {"curve_every": 10},
        "seed": seed,
    }


def older(options, width=2):
    """A cohort as an earlier version planned it."""
    return PlannedCohort.of([RunSpec.as_spelled(table(options, seed)) for seed in (0, 1)], width)


NEUTRAL = [RunSpec.parse(table({}, seed)) for seed in (0, 1)]
IDS = [run_id(spec) for spec in NEUTRAL]
SPELLINGS = [{"temperature": 1}, {"temperature": 1.0}]


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "store", SOURCE)


@pytest.mark.parametrize("options", SPELLINGS, ids=str)
def test_rows_of_another_spelling_are_rows_of_the_run(store, options):
    planned = older(options)
    assert {run_id(spec) for spec in planned.runs}.isdisjoint(IDS)
    fill(store, [planned])
    tables = load(store.folder)
    assert not tables.damaged
    assert not tables.retired
    for part in (tables.runs, tables.curves, tables.performance, tables.activations):
        assert set(part["run_id"]) == set(IDS)
    assert tables.missing.empty
    assert set(tables.runs["spec"]) == {spec_text(spec) for spec in NEUTRAL}
    assert store.recorded() == dict.fromkeys(IDS, "done")
    assert make_plan(dict(zip(IDS, NEUTRAL, strict=True)), store.recorded(), store.plans()).missing == 0


def test_a_run_that_was_trained_under_three_spellings_counts_once(store):
    fill(store, [*map(older, SPELLINGS), PlannedCohort.of(NEUTRAL, 2)])
    tables = load(store.folder)
    assert len(tables.runs) == 2 * len(IDS)
    assert len(store.published()) == 3
    assert set(tables.runs["cohort_id"]) == {store.published()[0]}


@pytest.mark.parametrize("options", SPELLINGS, ids=str)
def test_a_plan_of_another_spelling_is_gone_on_with(store, options):
    planned = older(options)
    store.add_plan(planned)
    (found,) = store.plans()
    assert found.cohort_id == planned.cohort_id
    assert list(found.runs) == NEUTRAL
    assert set(load(store.folder).missing["run_id"]) == set(IDS)
    plan = make_plan(dict(zip(IDS, NEUTRAL, strict=True)), planned=store.plans())
    assert plan.pending == (found,)
    store.publish(found.cohort_id, record(found))
    assert set(load(store.folder).runs["run_id"]) == set(IDS)


def test_an_id_that_is_none_of_the_runs_is_retired(store):
    planned = older({"temperature": 1.0})
    rows = record(planned)
    for part in (rows.runs, rows.curves, rows.performance, rows.activations):
        for row in part:
            row["run_id"] = f"{int(row['run_id'], 16) ^ 1:016x}"
    store.publish(planned.cohort_id, rows)
    assert load(store.folder).retired == [planned.cohort_id]


def test_parameters_of_another_spelling_are_found_by_the_id_of_today(store):
    planned = older({"temperature": 1})
    fill(store, [planned])
    for spec in planned.runs:
        about = {
            "run_id": run_id(spec),
            "cohort_id": planned.cohort_id,
            "status": "done",
            "reason": None,
            "steps": {"last": 20, "best": 10},
            "spec": spec.model_dump(mode="json"),
        }
        arrays = {"w": np.full(2, spec.seed, np.float32)}
        save_params(store.folder, about, {"last": arrays, "best": arrays})
    for seed, identity in enumerate(IDS):
        stored = load_params(store.folder, identity)
        assert (stored.run_id, stored.spec, stored.step) == (identity, NEUTRAL[seed], 20)
        np.testing.assert_array_equal(stored.arrays["w"], [seed, seed])
    with pytest.raises(RequestError, match="has parameters of 2 runs, none of"):
        load_params(store.folder, "0" * 16)
