"""Which models a table marks: the lowest mean that is not told its routing, and what pairs do not tell from it."""

from dataclasses import replace

import pytest

import synthetic_results
from modbench.analysis.best import best_models
from modbench.analysis.summary import planned_runs

BY = ("setting", "num_rules")
MODELS = ("monolithic", "modular", "modular-op", "gt-modular")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return synthetic_results.tables(
        tmp_path_factory.mktemp("best") / "store", synthetic_results.specs(rules=(2,)), points=3
    )


def marked(tables, error, quantities=("error_id",), keep=lambda runs: runs["seed"] >= 0):
    """Models that are marked where the error of a model, task seed and seed is `error`."""
    runs = tables.runs
    cells = zip(runs["model"], runs["task_seed"], runs["seed"], strict=True)
    tables = replace(tables, runs=runs.assign(error_id=[error(*cell) for cell in cells]))
    runs = planned_runs(tables)
    return {model for _, _, model, _ in best_models(runs[keep(runs)], quantities, BY)}


def test_pairs_decide_where_intervals_of_means_overlap(tables):
    # Tasks differ tenfold, models by a tenth, always to the same side.
    factor = {"monolithic": 1.1, "modular": 1.0, "modular-op": 1.1, "gt-modular": 0.1}
    assert marked(tables, lambda model, task, seed: 10.0**task * (factor[model] + 0.001 * seed)) == set()
    assert marked(tables, lambda model, task, seed: 5 + task + factor[model] + 0.001 * seed) == {"modular"}


def test_what_cannot_be_told_from_the_lowest_is_marked_with_it(tables):
    worse = {"monolithic": 0.0, "modular": 0.0, "modular-op": 3.0, "gt-modular": -4.0}
    tie = lambda model, task, seed: 5 + worse[model] + (model == "modular") * (-1) ** (task + seed)  # noqa: E731
    assert marked(tables, tie) == {"monolithic", "modular"}


def test_models_that_are_told_their_routing_are_no_contestants(tables):
    assert marked(
        tables, lambda model, task, seed: {"gt-modular": 1.0, "monolithic": 2.0}.get(model, 3.0)
    ) == {"monolithic"}


@pytest.mark.parametrize("column", ["task_seed", "seed"])
def test_nothing_is_marked_without_several_task_seeds_and_seeds(tables, column):
    error = lambda model, task, seed: float(MODELS.index(model))  # noqa: E731
    assert marked(tables, error) == {"monolithic"}
    assert marked(tables, error, keep=lambda runs: runs[column] == 0) == set()


def test_a_quantity_of_a_single_model_has_no_mark(tables):
    runs = planned_runs(tables)
    runs = runs[runs["model"].isin(["monolithic", "modular", "gt-modular"])]
    assert best_models(runs, ["alignment"], BY) == set()
