"""The numbers behind the figures."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import synthetic_results
from modbench.analysis import crossed_interval, random_value
from modbench.core.quantities import METRICS
from modbench.figures import FIGURES
from modbench.figures.activation import best_order


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """MLP, both kinds, 2 and 4 rules, 2 capacities, 3 task seeds x 2 seeds; one run failed, one is missing."""
    return synthetic_results.tables(
        tmp_path_factory.mktemp("figures") / "store",
        synthetic_results.specs(kinds=("regression", "classification"), rules=(2, 4), widths=(32, 64)),
        failed=lambda s: _is(s, "regression", 2, "modular", 32, 0, 1),
        missing=lambda s: _is(s, "regression", 4, "modular-op", 64, 2, 0),
    )


def _is(spec, *facts):
    task, model = spec.task, spec.model
    return (task.kind, task.num_rules, model.name, model.encoder_width, task.task_seed, spec.seed) == facts


def select(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame


def test_error(tables):
    frame = FIGURES["error"].prepare(tables).frame
    assert len(frame) == 2 * 2 * 4 * 2  # kinds, rules, models, shifts
    found = select(
        frame, setting="MLP · regression", num_rules=2, model="modular", quantity="error_ood"
    ).iloc[0]
    runs = select(
        tables.runs, checkpoint="last", kind="regression", num_rules=2, model="modular", status="done"
    )
    assert found["mean"] == pytest.approx(runs["error_ood"].mean())
    assert found[["num_runs", "num_failed", "num_missing"]].tolist() == [11, 1, 0]
    assert found["low"] < found["mean"] < found["high"]


def test_metrics_come_with_random(tables):
    frame = FIGURES["metrics"].prepare(tables).frame
    assert "monolithic" not in set(frame["model"])
    random = select(frame, model="random", setting="MLP · regression")
    assert len(random) == 2 * len(METRICS)
    for row in random.itertuples():
        assert row.mean == pytest.approx(random_value(row.quantity, row.num_rules))


def test_random_knows_the_number_of_modules(tmp_path):
    runs = synthetic_results.specs(rules=(4,), models=({"name": "modular", "num_modules": 8},))
    frame = FIGURES["metrics"].prepare(synthetic_results.tables(tmp_path / "store", runs)).frame
    assert select(frame, model="random", quantity="alignment")["mean"].tolist() == pytest.approx([1 - 1 / 8])


def test_curves_average_finished_runs_of_one_kind_from_first_step_to_last(tables):
    frame = FIGURES["curves"].prepare(tables).frame
    found = select(frame, setting="MLP · regression", num_rules=2, model="modular")
    assert found["num_runs"].unique().tolist() == [11]
    curves = select(tables.curves, kind="regression", num_rules=2, model="modular", status="done")
    assert found["step"].tolist() == sorted(curves["step"].unique())
    last = select(curves, step=2000)
    expected = crossed_interval(last["error"], last["task_seed"], last["seed"], bounds=(0, np.inf))
    assert found.iloc[-1][["mean", "low", "high"]].tolist() == pytest.approx(
        [float(expected.estimate), float(expected.low), float(expected.high)]
    )
    assert (
        select(frame, kind="classification")["mean"].max()
        > 40
        > 1
        > select(frame, kind="regression")["mean"].max()
    )


def test_ranking_has_both_contests_and_adds_up(tables):
    frame = FIGURES["ranking"].prepare(tables).frame
    assert set(frame["contest"]) == {"all models", "Modular against Monolithic"}
    every = select(frame, contest="all models", quantity="error_id", setting="all settings")
    assert every["wins"].sum() == pytest.approx(every["num_cells"].iloc[0])
    assert (every["num_cells"].iloc[0], every["num_incomplete"].iloc[0]) == (22, 2)
    pair = select(frame, contest="Modular against Monolithic", quantity="error_id", setting="all settings")
    assert pair["num_incomplete"].tolist() == [1, 1]


def test_improvement_pairs_each_model_with_each_baseline(tables):
    frame = FIGURES["improvement"].prepare(tables).frame
    pairs = set(zip(frame["model"], frame["baseline"], strict=True))
    assert pairs == {
        ("modular", "monolithic"), ("modular-op", "monolithic"), ("gt-modular", "monolithic"),
        ("modular-op", "modular"), ("gt-modular", "modular"),
    }  # fmt: skip
    found = select(
        frame, setting="MLP · regression", quantity="error_id", model="modular", baseline="monolithic"
    )
    assert found[["num_pairs", "num_unpaired"]].iloc[0].tolist() == [23, 1]


def test_activation_shows_the_run_of_median_alignment(tables):
    frame = FIGURES["activation"].prepare(tables).frame
    assert set(frame["model"]) == {"modular", "modular-op", "gt-modular"}
    runs = select(
        tables.runs, checkpoint="last", kind="regression", num_rules=2, model="modular", status="done"
    )
    found = select(frame, setting="MLP · regression", num_rules=2, model="modular")
    assert found["alignment"].iloc[0] == pytest.approx(runs["alignment"].median())  # 11 runs: the sixth
    assert found["num_candidates"].unique().tolist() == [11]
    matrix = select(tables.activations, checkpoint="last", run_id=found["run_id"].iloc[0])["matrix"].iloc[0]
    for row in found.itertuples():
        assert row.probability == matrix[row.rule, row.module]


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_the_order_of_modules_is_the_best_of_all(shape):
    A = np.random.default_rng(1).dirichlet(np.ones(shape[1]), shape[0])
    order = best_order(A)
    assert sorted(order) == list(range(shape[1]))
    if shape[0] <= shape[1]:
        best = max(
            A[range(shape[0]), list(p)[: shape[0]]].sum() for p in itertools.permutations(range(shape[1]))
        )
        assert np.diagonal(A[:, order]).sum() == pytest.approx(best)


def test_a_permuted_specialist_becomes_a_diagonal():
    A = np.eye(5)[[3, 0, 4, 1, 2]]
    assert (A[:, best_order(A)] == np.eye(5)).all()


def test_a_part_keeps_the_counts_of_its_part(tables):
    data = FIGURES["error"].prepare(tables)
    assert data.basis() == "190 runs · 1 failed · 1 missing"
    assert data.only(setting="MLP · classification").basis() == "96 runs"
    assert data.only(setting="MLP · classification", quantity="error_id").basis() == "96 runs"
    assert data.footer() == "190 runs · 1 failed · 1 missing · 95 % intervals over 3 task seeds x 2 seeds"


def test_the_footer_says_where_no_interval_can_be_had(tmp_path):
    one = synthetic_results.tables(tmp_path / "one", synthetic_results.specs(task_seeds=[0], seeds=[0]))
    data = FIGURES["error"].prepare(one)
    assert data.frame["low"].isna().all()
    assert "no intervals: a single task seed and seed" in data.footer()
    seeds = synthetic_results.tables(
        tmp_path / "seeds", synthetic_results.specs(task_seeds=[0], seeds=range(3))
    )
    data = FIGURES["error"].prepare(seeds)
    assert data.frame["low"].notna().all()
    assert "of seeds alone" in data.footer()


def test_both_checkpoints_can_be_asked_for(tables):
    better = tables.runs.copy()
    better.loc[better["checkpoint"] == "best", "error_id"] /= 2
    changed = replace(tables, runs=better)
    last, best = (FIGURES["error"].prepare(changed, c).frame for c in ("last", "best"))
    half = last["quantity"] == "error_id"
    assert best.loc[half, "mean"].to_numpy() == pytest.approx(last.loc[half, "mean"].to_numpy() / 2)


def test_the_matrix_of_the_papers_figure(tmp_path):
    made = synthetic_results.tables(
        tmp_path / "store",
        synthetic_results.specs(models=("modular",), rules=(4,), task_seeds=[0], seeds=[0]),
    )
    toy = np.array([[0.95, 0, 0, 0.05], [0, 0, 0, 1], [0.35, 0.1, 0, 0.55], [0, 1, 0, 0]])
    made.activations["matrix"] = [toy for _ in made.activations.index]
    frame = FIGURES["activation"].prepare(made).frame
    shown = frame.pivot(index="rule", columns="position", values="probability").to_numpy()
    # Rule 0 has module 0, rule 1 module 3, rule 3 module 1; the unused module is left for rule 2.
    assert frame.drop_duplicates("position")["module"].tolist() == [0, 3, 2, 1]
    assert shown.tolist() == [[0.95, 0.05, 0, 0], [0, 1, 0, 0], [0.35, 0.55, 0, 0.1], [0, 0, 0, 1]]


def test_intervals_name_the_seeds_of_what_is_shown(tmp_path):
    small, large = synthetic_results.FAMILIES[:2]
    runs = [
        *synthetic_results.specs([small], rules=(2,), task_seeds=[0, 1], seeds=[0]),
        *synthetic_results.specs([large], rules=(2,), task_seeds=[0, 1, 2], seeds=[0, 1]),
    ]
    data = FIGURES["error"].prepare(synthetic_results.tables(tmp_path / "store", runs, points=3))
    assert data.interval_words() == "95 % intervals over 2 to 3 task seeds x 1 to 2 seeds"
    first, second = (data.only(setting=setting).interval_words() for setting in data.settings)
    assert first == "95 % intervals over 2 task seeds x 1 seed, of task seeds alone"
    assert second == "95 % intervals over 3 task seeds x 2 seeds"
