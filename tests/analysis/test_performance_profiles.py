"""Performance profiles against a restatement in plain Python."""

from dataclasses import replace

import numpy as np
import pytest

import synthetic_results
from modbench.analysis import performance_profiles
from modbench.analysis.profiles import NUM_TAUS
from modbench.core.errors import RequestError


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """3 task seeds x 2 seeds of each model; one run of Modular failed, one of Modular-op is missing."""
    return synthetic_results.tables(
        tmp_path_factory.mktemp("profiles") / "store",
        synthetic_results.specs(kinds=("regression", "classification"), rules=(2, 4), widths=(32, 64)),
        failed=lambda s: _is(s, "modular"),
        missing=lambda s: _is(s, "modular-op"),
        points=3,
    )


def _is(spec, model):
    where = (spec.task.kind, spec.task.num_rules, spec.model.encoder_width, spec.task.task_seed, spec.seed)
    return spec.model.name == model and where == ("regression", 2, 32, 1, 1)


def rows_of(tables):
    """Runs at the end of training, as plain dictionaries."""
    return [run for run in tables.runs.to_dict("records") if run["checkpoint"] == "last"]


def test_shares_are_those_of_a_count_in_plain_python(tables):
    found, runs = performance_profiles(tables), rows_of(tables)
    assert set(found["setting"]) == {"MLP · regression", "MLP · classification"}
    for row in found.to_dict("records"):
        of_group = [
            run for run in runs
            if (f"MLP · {run['kind']}", run["num_rules"], run["model"])
            == (row["setting"], row["num_rules"], row["model"])
        ]  # fmt: skip
        below = 0
        for run in of_group:
            if run["status"] == "done" and run["error_id"] <= row["tau"]:
                below += 1
        assert row["share"] == pytest.approx(below / len(of_group))
        done = sum(run["status"] == "done" for run in of_group)
        assert (row["num_runs"], row["num_failed"]) == (done, len(of_group) - done)


def test_a_failed_run_stays_above_and_a_missing_one_does_not_count(tables):
    found = performance_profiles(tables, taus=[1e9]).query("setting == 'MLP · regression' and num_rules == 2")
    assert dict(zip(found["model"], found["share"], strict=True)) == {
        "monolithic": 1, "modular": pytest.approx(11 / 12), "modular-op": 1, "gt-modular": 1,
    }  # fmt: skip
    assert found.set_index("model")["num_runs"].to_dict() == {
        "monolithic": 12, "modular": 11, "modular-op": 11, "gt-modular": 12,
    }  # fmt: skip


def test_taus_of_a_setting_are_shared_and_span_its_errors(tables):
    found = performance_profiles(tables)
    for setting, part in found.groupby("setting"):
        kind = str(setting).split(" · ")[1]
        errors = [
            run["error_id"] for run in rows_of(tables) if run["kind"] == kind and run["status"] == "done"
        ]
        taus = sorted(set(part["tau"]))
        assert len(taus) == NUM_TAUS
        assert taus[0] < min(errors) <= max(errors) == taus[-1]
        ratios = np.diff(np.log(taus))
        assert ratios == pytest.approx(ratios[0])
        for _, curve in part.groupby(["num_rules", "model"]):
            assert curve["tau"].tolist() == taus
            assert (curve["share"].diff().dropna() >= 0).all()


def test_the_interval_is_that_of_a_share_whose_task_seeds_and_seeds_are_crossed(tmp_path):
    """Errors that the drawn task alone decides: five independent draws, however many the runs."""
    made = synthetic_results.tables(
        tmp_path / "store",
        synthetic_results.specs(rules=(4,), models=("modular",), task_seeds=range(5), seeds=range(5)),
        points=3,
    )
    made = replace(made, runs=made.runs.assign(error_id=made.runs["task_seed"].astype(float)))
    row = performance_profiles(made, taus=[2.0]).iloc[0]
    assert row["share"] == pytest.approx(3 / 5)
    # The variance of 1, 1, 1, 0, 0 is 0.3: of full width 2 t(4) sqrt(0.3 / 5) = 1.36, and cut to 0..1. As many
    # independent runs would have given 0.39 to 0.79.
    assert (row["low"], row["high"]) == (0.0, 1.0)
    all_below = performance_profiles(made, taus=[4.0]).iloc[0]
    assert (all_below["share"], all_below["high"]) == (1, 1)
    assert all_below["low"] == pytest.approx(0.025 ** (1 / 25))


def test_best_and_last_are_two_things(tables):
    runs = tables.runs.copy()
    runs.loc[runs["checkpoint"] == "best", "error_id"] /= 1e6
    changed = replace(tables, runs=runs)
    last, best = (performance_profiles(changed, taus=[1e-3], checkpoint=c)["share"] for c in ("last", "best"))
    assert last.max() == 0
    assert best.min() > 0


def test_no_error_at_all_is_at_most_zero(tmp_path):
    made = synthetic_results.tables(tmp_path / "store", synthetic_results.specs(rules=(2,)), points=3)
    found = performance_profiles(replace(made, runs=made.runs.assign(error_id=0.0)))
    assert found["tau"].tolist() == [0.0] * 4
    assert found["share"].tolist() == [1.0] * 4


def test_stores_with_little_in_them(tmp_path):
    assert performance_profiles(synthetic_results.tables(tmp_path / "empty", [])).empty
    one = synthetic_results.specs(models=("modular",), rules=(2,), task_seeds=[0], seeds=[0])
    assert performance_profiles(synthetic_results.tables(tmp_path / "one", one))["low"].isna().all()
    gone = synthetic_results.tables(tmp_path / "gone", one, missing=lambda s: True)
    assert performance_profiles(gone).empty
    failed = synthetic_results.tables(tmp_path / "failed", one, failed=lambda s: True)
    assert performance_profiles(failed)[["share", "num_runs", "num_failed"]].values.tolist() == [[0, 0, 1]]


def test_rows_are_in_reporting_order_with_tau_rising(tables):
    found = performance_profiles(tables, by=("setting", "model"))
    assert found["model"].drop_duplicates().tolist() == ["monolithic", "modular", "modular-op", "gt-modular"]
    for _, curve in found.groupby(["setting", "model"]):
        assert len(curve) == NUM_TAUS
        assert curve["tau"].is_monotonic_increasing


def test_anything_but_an_error_is_refused(tables):
    with pytest.raises(RequestError, match="Possible: error_id, error_ood"):
        performance_profiles(tables, "alignment")
