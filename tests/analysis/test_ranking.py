from dataclasses import replace

import numpy as np
import pytest

import synthetic_results
from modbench.analysis import cell_scores, probability_of_improvement, ranking, with_settings
from modbench.core.errors import RequestError

# error of (model, task seed, seed), so that in the cells of task seed 0, 1, 2 Modular wins, all tie, Monolithic wins
ERRORS = {
    "monolithic": [[4.0, 6.0], [3.0, 3.0], [1.0, 2.0]],
    "modular": [[5.0, 3.0], [2.0, 4.0], [2.0, 2.0]],
    "modular-op": [[9.0, 9.0], [3.0, 3.0], [9.0, 9.0]],
}


@pytest.fixture(scope="module", params=["regression", "classification"])
def tables(request, tmp_path_factory):
    runs = synthetic_results.specs(rules=(4,), models=tuple(ERRORS), kinds=(request.param,))
    made_up = synthetic_results.tables(tmp_path_factory.mktemp("ranking") / "store", runs)
    rows = zip(made_up.runs["model"], made_up.runs["task_seed"], made_up.runs["seed"], strict=True)
    errors = [ERRORS[model][task_seed][seed] for model, task_seed, seed in rows]
    return replace(made_up, runs=made_up.runs.assign(error_id=errors, error_ood=[-error for error in errors]))


def without(tables, model, task_seed, seed, status):
    """One run failed, or missing."""
    runs = with_settings(tables).runs
    hit = (runs["model"] == model) & (runs["task_seed"] == task_seed) & (runs["seed"] == seed)
    if status == "failed":
        changed = runs.assign(
            status=runs["status"].where(~hit, "failed"), error_id=runs["error_id"].where(~hit)
        )
        return replace(tables, runs=changed)
    spec = runs[hit].drop_duplicates("run_id")[[*tables.missing.columns, "setting"]]
    return replace(tables, runs=runs[~hit], missing=spec, measured=tables.measured[~hit.to_numpy()])


def test_the_lowest_mean_error_wins_the_cell_in_both_kinds(tables):
    scores = cell_scores(tables)
    by_task = scores.pivot_table(index="task_seed", columns="model", values=["score", "share"])
    assert by_task["score"].loc[0].to_dict() == {"monolithic": 5.0, "modular": 4.0, "modular-op": 9.0}
    assert by_task["share"].loc[0].to_dict() == {"monolithic": 0, "modular": 1, "modular-op": 0}
    assert by_task["share"].loc[1].tolist() == pytest.approx([1 / 3] * 3)
    assert by_task["share"].loc[2].to_dict() == {"monolithic": 1, "modular": 0, "modular-op": 0}


def test_wins_add_up_and_ties_are_shared(tables):
    table = ranking(cell_scores(tables)).set_index("model")
    assert table["wins"].to_dict() == pytest.approx(
        {"monolithic": 4 / 3, "modular": 4 / 3, "modular-op": 1 / 3}
    )
    assert table["share"].sum() == pytest.approx(1)
    assert table["num_cells"].tolist() == [3, 3, 3]
    assert table["num_incomplete"].tolist() == [0, 0, 0]


def test_a_contest_of_two(tables):
    table = ranking(cell_scores(tables, models=["modular", "monolithic"])).set_index("model")
    assert table["wins"].to_dict() == {"monolithic": 1.5, "modular": 1.5}


def test_out_of_distribution_has_its_own_winner(tables):
    table = ranking(cell_scores(tables, "error_ood")).set_index("model")
    assert table["wins"].to_dict() == pytest.approx(
        {"monolithic": 1 / 3, "modular": 1 / 3, "modular-op": 7 / 3}
    )


@pytest.mark.parametrize("status", ["failed", "missing"])
def test_a_cell_that_lacks_a_run_is_counted_apart(tables, status):
    holed = without(tables, "modular-op", 0, 1, status)
    table = ranking(cell_scores(holed)).set_index("model")
    assert table["num_cells"].tolist() == [2, 2, 2]
    assert table["num_incomplete"].tolist() == [1, 1, 1]
    assert table["wins"]["modular"] == pytest.approx(1 / 3)
    pair = ranking(cell_scores(holed, models=["monolithic", "modular"])).set_index("model")
    assert pair["num_incomplete"].tolist() == [0, 0]


def test_a_contestant_that_was_never_planned_leaves_every_cell_incomplete(tables):
    table = ranking(cell_scores(tables, models=["modular", "gt-modular"])).set_index("model")
    assert table["num_cells"].tolist() == [0, 0]
    assert np.isnan(table["share"]).all()


def test_probability_of_improvement_counts_pairs_by_hand(tables):
    # modular - monolithic: 1, -3 | -1, 1 | 1, 0: two wins, three losses, one tie
    found = probability_of_improvement(tables, [("modular", "monolithic")]).iloc[0]
    assert found["probability"] == pytest.approx(2.5 / 6)
    assert (found["num_pairs"], found["num_unpaired"]) == (6, 0)
    assert 0 <= found["low"] < 0.25 < 0.6 < found["high"] <= 1


def test_probability_of_improvement_is_a_count_of_pairs_in_plain_python(tmp_path):
    runs = synthetic_results.specs(
        kinds=("regression", "classification"),
        rules=(2, 4),
        widths=(32, 64),
        models=("monolithic", "modular"),
    )
    made = synthetic_results.tables(
        tmp_path / "store", runs, failed=lambda s: s.seed == 1 and s.task.task_seed == 2, points=3
    )
    made = replace(made, runs=made.runs.assign(error_id=made.runs["error_id"].round(2)))  # so that some tie
    found = probability_of_improvement(made, [("modular", "monolithic")], by=("setting", "num_rules"))
    assert len(found) == 4
    records = [
        run for run in made.runs.to_dict("records") if run["checkpoint"] == "last" and run["status"] == "done"
    ]
    ties = 0
    for row in found.to_dict("records"):
        points = pairs = 0
        for one in records:
            for other in records:
                if (one["model"], other["model"]) != ("modular", "monolithic"):
                    continue
                if f"MLP · {one['kind']}" != row["setting"] or one["num_rules"] != row["num_rules"]:
                    continue
                shared = ("kind", "num_rules", "encoder_width", "task_seed", "seed")
                if any(one[name] != other[name] for name in shared):
                    continue
                pairs += 1
                if one["error_id"] < other["error_id"]:
                    points += 1
                elif one["error_id"] == other["error_id"]:
                    points += 0.5
                    ties += 1
        assert (row["num_pairs"], row["probability"]) == (pairs, pytest.approx(points / pairs))
    assert ties


@pytest.mark.parametrize("status", ["failed", "missing"])
def test_a_run_without_its_counterpart_is_counted_apart(tables, status):
    holed = without(tables, "modular", 0, 0, status)
    found = probability_of_improvement(holed, [("modular", "monolithic")]).iloc[0]
    assert found["probability"] == pytest.approx(2.5 / 5)
    assert (found["num_pairs"], found["num_unpaired"]) == (5, 1)


def test_pairs_that_are_not_there_have_no_row(tables):
    assert probability_of_improvement(tables, [("gt-modular", "monolithic")]).empty


def test_tasks_of_different_rule_numbers_count_as_different_tasks(tmp_path):
    runs = synthetic_results.specs(rules=(2, 4, 8), models=("modular", "monolithic"), task_seeds=range(2))
    tables = synthetic_results.tables(tmp_path / "store", runs)
    tables = replace(
        tables, runs=tables.runs.assign(error_id=(tables.runs["model"] == "monolithic").astype(float))
    )
    found = probability_of_improvement(tables, [("modular", "monolithic")]).iloc[0]
    assert found["low"] == pytest.approx(0.025 ** (1 / 12))


def test_ranking_by_anything_but_an_error_is_refused(tables):
    with pytest.raises(RequestError, match="Possible: error_id, error_ood"):
        cell_scores(tables, "alignment")
    with pytest.raises(RequestError, match="Possible: error_id, error_ood"):
        probability_of_improvement(tables, [], "loss_id")


def test_empty_store(tmp_path):
    empty = synthetic_results.tables(tmp_path / "store", [])
    assert cell_scores(empty).empty
    assert ranking(cell_scores(empty)).empty
    assert probability_of_improvement(empty, [("modular", "monolithic")]).empty
