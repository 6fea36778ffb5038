"""What stores differ in, and by which fields their runs are kept apart."""

import synthetic_results
from modbench.analysis.differences import differing_fields, kept_apart, runs_of
from modbench.core.spec import RunSpec

GRID = {"rules": (2,), "models": ("modular",), "task_seeds": range(2), "seeds": range(2)}


def stored(folder, runs):
    return runs_of(synthetic_results.tables(folder, runs, points=3))


def changed(spec: RunSpec, part: str, **fields) -> RunSpec:
    tables = spec.model_dump()
    return RunSpec.parse({**tables, part: {**tables[part], **fields}})


def test_a_field_of_evaluation_that_is_other_in_each_store_keeps_runs_apart(tmp_path):
    runs = synthetic_results.specs(**GRID)
    stores = {
        "a": stored(tmp_path / "a", runs),
        "b": stored(tmp_path / "b", [changed(spec, "evaluation", performance_batches=7) for spec in runs]),
    }
    expected = {"a": [100], "b": [7]}
    assert kept_apart(stores) == {("MLP · regression", "evaluation.performance_batches"): expected}
    assert differing_fields(stores) == {"evaluation.performance_batches": expected}


def test_what_one_store_varies_by_itself_and_what_makes_a_place_in_a_table_is_not_told(tmp_path):
    both = synthetic_results.specs(**GRID, train=({"steps": 2000}, {"steps": 100}))
    others = synthetic_results.specs(rules=(2, 8), models=("modular", "gt-modular"), seeds=[5])
    stores = {"a": stored(tmp_path / "a", both), "b": stored(tmp_path / "b", others)}
    assert kept_apart(stores) == {}
    assert differing_fields(stores)["task.num_rules"] == {"a": [2], "b": [2, 8]}
    assert differing_fields(stores)["train.steps"] == {"a": [100, 2000], "b": [2000]}


def test_equal_and_empty_stores_differ_in_nothing(tmp_path):
    runs = stored(tmp_path / "a", synthetic_results.specs(**GRID))
    empty = stored(tmp_path / "empty", [])
    assert kept_apart({"a": runs, "b": runs}) == differing_fields({"a": runs, "b": runs}) == {}
    assert kept_apart({"a": runs, "b": empty}) == kept_apart({"a": empty, "b": empty}) == {}
