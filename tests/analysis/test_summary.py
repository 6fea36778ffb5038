import numpy as np
import pandas as pd
import pytest

import synthetic_results
from modbench.analysis import count_runs, crossed_interval, random_value, summarise, with_settings
from modbench.core.errors import RequestError
from modbench.core.quantities import METRICS


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """64 runs; one failed, Modular-op at 8 rules is missing."""
    return synthetic_results.tables(
        tmp_path_factory.mktemp("summary") / "store",
        synthetic_results.specs(kinds=("regression", "classification"), task_seeds=range(2)),
        failed=lambda s: (
            (s.task.kind, s.model.name, s.task.num_rules, s.task.task_seed, s.seed)
            == ("regression", "modular", 2, 0, 1)
        ),
        missing=lambda s: s.model.name == "modular-op" and s.task.num_rules == 8,
    )


def row(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_average_and_interval_are_those_of_the_finished_runs(tables):
    summary = summarise(tables, ["error_id"])
    runs = tables.runs[tables.runs["checkpoint"] == "last"]
    runs = runs[(runs["kind"] == "regression") & (runs["num_rules"] == 2) & (runs["model"] == "modular")]
    done = runs[runs["status"] == "done"]
    assert len(done) == 3
    expected = crossed_interval(done["error_id"], done["task_seed"], done["seed"], bounds=(0, np.inf))
    found = row(summary, setting="MLP · regression", num_rules=2, model="modular")
    assert found["mean"] == pytest.approx(done["error_id"].mean())
    assert (found["low"], found["high"]) == pytest.approx((float(expected.low), float(expected.high)))
    assert found[["num_runs", "num_failed", "num_missing"]].tolist() == [3, 1, 0]
    assert found[["num_task_seeds", "num_seeds"]].tolist() == [2, 2]


def test_a_group_without_a_finished_run_is_shown_without_a_number(tables):
    found = row(summarise(tables, ["alignment"]), setting="MLP · regression", num_rules=8, model="modular-op")
    assert np.isnan(found["mean"])
    assert found[["num_runs", "num_failed", "num_missing"]].tolist() == [0, 0, 4]


def test_a_monolithic_model_has_no_routing_metrics(tables):
    summary = summarise(tables)
    monolithic = summary[summary["model"] == "monolithic"]
    assert not set(monolithic["quantity"]) & set(METRICS)
    assert {"error_id", "error_ood"} <= set(monolithic["quantity"])


def test_rows_are_in_reporting_order(tables):
    summary = summarise(tables, ["alignment", "error_id"], by=("setting", "model"))
    assert summary["setting"].unique().tolist() == ["MLP · regression", "MLP · classification"]
    assert summary["model"].unique().tolist() == ["monolithic", "modular", "modular-op", "gt-modular"]
    assert summary["quantity"][1:3].tolist() == ["error_id", "alignment"]


def test_interquartile_means_have_a_column_of_their_own_name(tables):
    summary = summarise(tables, ["error_id"], by=("setting",), statistic="iqm")
    assert "iqm" in summary
    assert "mean" not in summary


def test_one_seed_gives_no_interval(tables):
    found = summarise(tables, ["error_id"], by=("setting", "num_rules", "model", "task_seed", "seed"))
    assert found["low"].isna().all()
    assert found["num_runs"].max() == 1


def test_errors_of_both_kinds_do_not_mix(tables):
    with pytest.raises(RequestError, match="must not be mixed"):
        summarise(tables, ["error_id"], by=("model",))
    assert len(summarise(tables, ["alignment"], by=("model",))) == 3


@pytest.mark.parametrize("arguments", [{"quantities": ["error"]}, {"checkpoint": "first"}])
def test_unknown_names(tables, arguments):
    with pytest.raises(RequestError, match="Possible"):
        summarise(tables, **arguments)


def test_counts(tables):
    counts = count_runs(tables, ("setting",))
    assert counts.to_dict("records") == [
        {"setting": "MLP · regression", "num_runs": 27, "num_failed": 1, "num_missing": 4},
        {"setting": "MLP · classification", "num_runs": 28, "num_failed": 0, "num_missing": 4},
    ]


def test_inputs_are_left_alone(tables):
    before = tables.runs.copy()
    summarise(tables, ["error_id"])
    pd.testing.assert_frame_equal(tables.runs, before)


def test_empty_store(tmp_path):
    empty = synthetic_results.tables(tmp_path / "store", [])
    assert count_runs(empty).empty
    assert summarise(empty).empty


def test_only_missing_and_only_failed_runs(tmp_path):
    runs = synthetic_results.specs(rules=(2,), models=("modular",))
    missing = synthetic_results.tables(tmp_path / "missing", runs, missing=lambda s: True)
    failed = synthetic_results.tables(tmp_path / "failed", runs, failed=lambda s: True)
    for tables, column in ((missing, "num_missing"), (failed, "num_failed")):
        found = row(summarise(tables, ["alignment"]), model="modular")
        assert np.isnan(found["mean"])
        assert found[["num_runs", column]].tolist() == [0, 6]


def test_settings_name_the_family_the_kind_and_every_axis(tmp_path):
    tables = with_settings(
        synthetic_results.tables(
            tmp_path / "store",
            [
                *synthetic_results.specs(
                    families=({"architecture": "mha", "search_version": 2},), rules=(2,), models=("modular",),
                    task_seeds=[0], seeds=[0], train=({"learning_rate": 1e-4}, {"learning_rate": 1e-3}),
                ),
                *synthetic_results.specs(
                    families=({"architecture": "rnn", "order": 2},), rules=(4,), task_seeds=[0], seeds=[0],
                    models=({"scores": "joint", "gates": "top-k", "gate_options": {"k": 1}},
                            {"scores": "joint", "gates": "top-k", "gate_options": {"k": 2}},
                            {"scores": "joint", "gates": "top-k", "gate_options": {"k": 2}, "num_modules": 8}),
                ),
                *synthetic_results.specs(rules=(2, 4), models=("modular",), widths=(32, 64), task_seeds=[0], seeds=[0]),
            ],
        )
    )  # fmt: skip
    assert set(tables.runs["setting"]) == {
        "MLP · regression",
        "MHA v2 · regression · learning rate 0.0001",
        "MHA v2 · regression · learning rate 0.001",
        "RNN · regression · order 2",
    }
    assert set(tables.runs["model"]) == {
        "modular", "joint+top-k, M=4", "joint+top-k, k=2, M=4", "joint+top-k, k=2, M=8",
    }  # fmt: skip
    assert set(tables.curves["setting"]) == set(tables.performance["setting"]) == set(tables.runs["setting"])


def test_a_model_with_an_option_is_not_the_one_without(tmp_path):
    models = ("modular-op", {"name": "modular-op", "score_options": {"hidden": 8}})
    runs = synthetic_results.specs(
        families=({"architecture": "mha", "search_version": 1},), rules=(4,), models=models, task_seeds=[0]
    )
    counts = count_runs(synthetic_results.tables(tmp_path / "store", runs, points=3))
    assert counts.set_index("model")["num_runs"].to_dict() == {"modular-op": 2, "modular-op, hidden=8": 2}


def test_random_values_are_those_of_the_paper():
    assert random_value("alignment", 8) == pytest.approx(7 / 8)
    assert random_value("collapse_worst", 8) == 0
    assert random_value("inverse_mutual_information", 8) == pytest.approx(1)
    adaptation = [random_value("adaptation", R) for R in (2, 4, 8, 16, 32)]
    assert adaptation == pytest.approx([0.2567, 0.3007, 0.3350, 0.3540, 0.3650], abs=5e-5)
    assert random_value("error_id", 8) is None


def test_runs_of_another_precision_are_a_setting_of_their_own(tmp_path):
    tables = synthetic_results.tables(
        tmp_path / "store",
        synthetic_results.specs(
            rules=(2,), models=("modular",), task_seeds=[0], train=({}, {"precision": "bfloat16"})
        ),
    )
    # As if one seed had been stored before runs had a precision.
    runs, field = tables.runs, '"precision":"float32",'
    assert runs["spec"].str.contains(field).any()
    runs["spec"] = runs["spec"].where(runs["seed"] != 0, runs["spec"].str.replace(field, ""))
    assert set(with_settings(tables).runs["setting"]) == {
        "MLP · regression · float32 products",
        "MLP · regression · bfloat16 products",
    }
