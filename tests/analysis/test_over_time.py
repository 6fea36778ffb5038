"""Times to a target with runs that never get there, and what becomes of routing, on curves made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import synthetic_results
from modbench.analysis.over_time import TARGETS, fates, metric_courses, times
from modbench.core.quantities import CURVE_METRICS

MODELS = ("monolithic", "modular")
STEPS = [0, 500, 1000, 1500, 2000]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two models of 4 rules, 3 task seeds x 3 seeds, with one run of Modular that failed; 5 evaluations."""
    runs = synthetic_results.specs(rules=(4,), models=MODELS, seeds=range(3))
    return synthetic_results.tables(
        tmp_path_factory.mktemp("over") / "store", runs, points=5,
        failed=lambda s: (s.model.name, s.task.task_seed, s.seed) == ("modular", 2, 2),
    )  # fmt: skip


def with_curves(tables, **columns):
    """The tables with columns of Modular's curves set: a list over steps, or one for each run, in order of seeds."""
    curves = tables.curves.sort_values(["model", "task_seed", "seed", "step"]).copy()
    rows = (curves["model"] == "modular") & (curves["status"] == "done")
    for name, courses in columns.items():
        values = np.array(courses, dtype=curves[name].dtype)
        curves.loc[rows, name] = np.tile(values, 8) if values.ndim == 1 else values.ravel()
    return replace(tables, curves=curves)


def row(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def reaching(first):
    """Alignments of eight runs that reach 0.25 at given evaluations, None for never."""
    return [[0.2 if at is not None and k >= at else 0.7 for k in range(5)] for at in first]


def test_the_median_counts_runs_that_never_get_there_as_slower(made):
    first = [1, 1, 2, 2, 3, None, None, None]
    found = row(times(with_curves(made, alignment=reaching(first))), model="modular", target="specialised")
    assert found["steps"] == 1000  # four of eight by then
    assert (found["num_reached"], found["num_runs"], found["num_failed"]) == (5, 8, 1)
    assert found["share"] == pytest.approx(5 / 8)
    assert found["low"] <= 1000 < found["high"]
    events = stats.ecdf(stats.CensoredData(
        uncensored=[STEPS[at] for at in first if at is not None], right=[2000] * 3))  # fmt: skip
    survival = events.sf.evaluate(STEPS)
    assert STEPS[int(np.argmax(survival <= 0.5))] == found["steps"]


def test_where_fewer_than_half_get_there_the_time_is_longer_than_the_training(made):
    few = times(with_curves(made, alignment=reaching([1, None, None, None, None, None, None, 4])))
    found = row(few, model="modular", target="specialised")
    assert found["steps"] == np.inf
    assert (found["share"], found["last_step"]) == (0.25, 2000)
    nobody = row(few, model="modular", target="specialised_well")
    assert (nobody["steps"], nobody["num_reached"]) == (np.inf, 0)
    assert 0 < nobody["share_high"] < 0.5
    assert (nobody["low"], nobody["high"]) == (np.inf, np.inf)


def test_errors_are_shares_of_the_untrained_one_and_a_target_once_reached_stays_so(made):
    tables = with_curves(made, error=[0.8, 0.5, 0.3, 0.7, 0.3])
    found = times(tables)
    start = tables.curves.query("step == 0 and status == 'done'")["error"].mean()
    half = row(found, model="modular", target="error_half")
    assert half["bound"] == pytest.approx(start / 2)
    assert (half["steps"], half["num_reached"]) == (1000, 8)
    assert row(found, model="monolithic", target="error_half")["bound"] == half["bound"]
    routed = {target.name for target in TARGETS.values() if target.routed}
    assert routed.isdisjoint(found.loc[found["model"] == "monolithic", "target"])


def test_one_run_alone_has_no_interval(made):
    curves = made.curves[(made.curves["task_seed"] == 0) & (made.curves["seed"] == 0)]
    found = times(replace(made, curves=curves))
    assert found.loc[found["num_runs"] == 1, ["low", "high"]].isna().all(axis=None)


def test_what_becomes_of_routing(made):
    worst = (
        [[0.1, 0.95, 0.95, 0.4, 0.3]] * 2 + [[0.1, 0.5, 0.92, 0.8, 0.7]] + [[0.1, 0.2, 0.3, 0.9, 0.95]] * 3
    )
    worst += [[0.1] * 5] * 2
    aligned = [[0.7, 0.2, 0.2, 0.2, 0.2]] * 3 + [[0.7, 0.2, 0.5, 0.5, 0.5]] + [[0.7] * 5] * 4
    found = fates(with_curves(made, collapse_worst=worst, alignment=aligned))
    modular = found[found["model"] == "modular"].set_index("fate")
    assert modular[["num_of", "of"]].to_numpy().tolist() == [[4, 8], [3, 4], [6, 8], [2, 6], [3, 8]]
    assert modular.loc["recovers", "share"] == pytest.approx(1 / 3)
    assert modular["low"].le(modular["share"]).all()
    assert modular["share"].le(modular["high"]).all()
    assert set(found["model"]) == {"modular"}


def test_a_fate_that_no_run_could_have_is_no_number(made):
    calm = fates(with_curves(made, collapse_worst=[0.1] * 5)).set_index("fate")
    assert (calm.loc["collapses", "share"], calm.loc["recovers", "of"]) == (0, 0)
    assert np.isnan(calm.loc["recovers", "share"])


def test_courses_are_the_means_of_finished_runs(made):
    found = metric_courses(made)
    assert found["quantity"].unique().tolist() == list(CURVE_METRICS)
    last = row(found, model="modular", quantity="alignment", step=2000)
    runs = made.curves.query("model == 'modular' and step == 2000 and status == 'done'")
    assert last["mean"] == pytest.approx(runs["alignment"].mean())
    assert last["num_runs"] == 8
    assert last["low"] < last["mean"] < last["high"]


def test_runs_from_before_routing_was_recorded_are_counted_and_say_nothing(made):
    old = replace(made, curves=made.curves.assign(**dict.fromkeys(CURVE_METRICS, np.float32("nan"))))
    assert metric_courses(old).empty
    found = times(old)
    assert row(found, model="modular", target="error_half")["num_runs"] == 8
    unknown = row(found, model="modular", target="specialised")
    assert (unknown["num_runs"], unknown["num_unrecorded"]) == (0, 8)
    assert np.isnan(unknown["steps"])
    assert fates(old)["num_unrecorded"].eq(8).all()
    assert fates(old)["share"].isna().all()


def test_an_empty_store_has_no_rows(tmp_path):
    tables = synthetic_results.tables(tmp_path / "store", [])
    for frame in (times(tables), fates(tables), metric_courses(tables)):
        assert isinstance(frame, pd.DataFrame)
        assert frame.empty
