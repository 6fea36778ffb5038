"""Agreement with the original: the prediction interval, the flags, and what chance alone would flag."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import synthetic_results
from modbench.core.grid import load_sweep

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def module():
    spec = importlib.util.spec_from_file_location("agreement", FOLDER / "agreement.py")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["agreement"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


agreement = module()
CELL = {"architecture": "mlp", "search_version": 0, "kind": "regression", "num_rules": 4, "encoder_width": 32,
        "model_width": 128, "steps": 10000, "model": "modular"}  # fmt: skip


def table(rows):
    """A long table from (quantity, task seed, seed, value)."""
    return pd.DataFrame([
        {**CELL, **dict(zip(("quantity", "task_seed", "seed", "value"), row, strict=True))} for row in rows
    ])  # fmt: skip


def test_interval_by_hand():
    # Logarithms to any base: 1, 2, 3 have mean 2 and s = 1; t(2) at 97.5 % is 4.303, sqrt(1 + 1/3) = 1.1547.
    found = agreement.predict(10.0 ** np.array([1, 2, 3]), "loss_id")
    assert found.centre == pytest.approx(100)
    assert np.log10([found.low, found.high]) == pytest.approx([2 - 4.9683, 2 + 4.9683], abs=1e-3)
    assert (found.num_runs, found.fixed) == (3, False)
    found = agreement.predict(np.array([0.4, 0.5, 0.6]), "alignment")
    assert (found.centre, found.low, found.high) == pytest.approx((0.5, 0.00317, 0.99683), abs=1e-4)


def test_metrics_stay_in_their_range_and_no_wrong_label_is_half_a_one():
    found = agreement.predict(np.array([0.9, 0.5, 0.1]), "collapse_worst")
    assert (found.low, found.high) == (0, 1)
    assert agreement.predict(np.array([0.0, 0.0]), "error_percent_id").centre == pytest.approx(5e-4)


def test_one_run_gives_no_interval():
    found = agreement.predict(np.array([0.3]), "loss_id")
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("quantity", ["loss_id", "alignment"])
def test_coverage(quantity):
    draw = np.random.default_rng(3)
    inside = []
    for _ in range(4000):
        normal = draw.normal(size=9)
        values = np.exp(normal) if quantity == "loss_id" else 0.5 + 0.02 * normal
        found = agreement.predict(values[:8], quantity)
        inside.append(found.low <= values[8] <= found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)


def test_each_task_is_held_against_itself():
    ours = table([("loss_id", t, s, 10.0**t * (1 + 0.01 * s)) for t in (0, 1) for s in range(8)])
    found = agreement.compare(table([("loss_id", 0, 0, 1.03), ("loss_id", 1, 0, 1.03)]), ours)
    assert found["outside"].tolist() == [False, True]
    assert found["num_runs"].tolist() == [8, 8]


def test_equal_values_and_absent_runs():
    ours = table([("alignment", 0, s, 0.75) for s in range(8)])
    original = table([
        ("alignment", 0, 0, 0.75 + 1e-8), ("alignment", 0, 1, 0.74), ("alignment", 1, 0, 0.75)
    ])  # fmt: skip
    found = agreement.compare(original, ours)
    assert found["fixed"].tolist() == [True, True, False]
    assert found["outside"].tolist() == [False, True, False]
    assert found["num_runs"].tolist() == [8, 8, 0]


def samples(draw, seeds, shift=0.0):
    """Ten quantities that rise and fall together with the seed."""
    rows = []
    for seed in seeds:
        common = draw.normal()
        rows += [(f"loss_{q}", 0, seed, np.exp(common + 0.3 * draw.normal() + shift)) for q in range(10)]
    return table(rows)


def test_chance_counts_flags_as_our_own_seeds_raise_them():
    draw = np.random.default_rng(0)
    ours, original = samples(draw, range(16)), samples(draw, range(2))
    flags = agreement.by_chance(original, ours)
    assert len(flags) == 16 * 15
    # 20 values, 5 % of them; but mostly none, and for an outlying seed several of its ten together.
    assert flags.mean() == pytest.approx(1, abs=0.5)
    assert np.median(flags) == 0
    assert flags.max() >= 5


def test_a_real_difference_stands_out():
    draw = np.random.default_rng(1)
    ours = samples(draw, range(12))
    text = agreement.report(samples(draw, range(2), shift=6.0), ours)
    assert "20 of 20 values lie outside; 5% of them, 1.0, would by chance alone" in text
    assert "as many as the original 0% of the time" in text
    assert text.count("*") == 21  # and once where the mark is explained


def test_the_sweeps_have_the_originals_settings():
    original = agreement.tidy_original(pd.read_csv(agreement.ORIGINAL))
    for name, part in original.groupby("architecture"):
        specs = load_sweep(str(FOLDER / f"agreement-{name}.toml")).runs.values()
        asked = part[[*agreement.CELL, "task_seed"]].drop_duplicates()
        planned = pd.DataFrame([
            {"architecture": s.task.architecture, "search_version": getattr(s.task, "search_version", 0),
             "kind": s.task.kind, "num_rules": s.task.num_rules, "encoder_width": s.model.encoder_width,
             "model_width": s.model.model_width, "steps": s.train.steps, "model": s.model.name,
             "task_seed": s.task.task_seed, "seed": s.seed} for s in specs
        ])  # fmt: skip
        runs = asked.merge(planned).groupby([*agreement.CELL, "task_seed"])["seed"].nunique()
        assert len(runs) == len(asked)
        assert (runs >= 8).all()
        for spec in specs:
            assert (spec.train.batch_size, spec.train.learning_rate) == (256, 1e-4)
            assert (spec.evaluation.curve_every, spec.evaluation.performance_batches) == (1000, 100)
            assert spec.evaluation.activation_samples == (1_000_000 if name == "mha" else 100_000)


def test_our_runs_have_the_originals_names(tmp_path):
    runs = synthetic_results.specs(
        families=synthetic_results.FAMILIES[:2], kinds=("regression", "classification"), rules=(4,)
    )
    ours = agreement.tidy_ours(synthetic_results.tables(tmp_path / "store", runs, points=3))
    original = agreement.tidy_original(pd.read_csv(agreement.ORIGINAL))
    for name in ("mlp", "mha"):
        theirs = original[original["architecture"] == name]
        mine = ours[(ours["architecture"] == name) & ours["kind"].isin(theirs["kind"].unique())]
        mine = mine[mine["search_version"].isin(theirs["search_version"].unique())]
        assert set(mine["quantity"]) == set(theirs["quantity"])
    assert not ours.duplicated([*agreement.ROW, "seed"]).any()


def test_help_and_wrong_requests(monkeypatch, capsys):
    def run(argument):
        monkeypatch.setattr(sys, "argv", ["agreement.py", argument])
        with pytest.raises(SystemExit) as left:
            agreement.main()
        return left.value.code, capsys.readouterr()

    assert "nothing is trained" in " ".join(run("--help")[1].out.split())
    code, said = run("cnn")
    assert code == 2
    assert "Possible: mlp, mha, rnn" in said.err


def test_a_store_that_is_not_there_is_one_line(tmp_path):
    absent = subprocess.run(
        [sys.executable, FOLDER / "agreement.py", "--store", str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert absent.returncode == 2
    assert len(absent.stderr.strip().splitlines()) == 1


def test_means_of_many_seeds_by_hand():
    # Logarithms to the base of ten: 1, 3 against 2, 2, 5: means 2 and 3.
    theirs = table([("loss_id", 0, seed, 10.0**x) for seed, x in enumerate((1, 3))])
    ours = table([("loss_id", 0, seed, 10.0**x) for seed, x in enumerate((2, 2, 5))])
    (row,) = agreement.compare_means(theirs, ours).to_dict("records")
    assert (row["num_original"], row["num_ours"]) == (2, 3)
    assert row["difference"] == pytest.approx(0.1)
    # Welch: variances 2/2 and 3/3, so s^2 = 2 with (1 + 1)^2 / (1/1 + 1/2) = 8/3 degrees of freedom.
    half = stats.t.ppf(0.975, 8 / 3) * np.sqrt(2)
    assert np.log10([row["low"], row["high"]]) == pytest.approx([-1 - half, -1 + half])


def test_means_need_two_runs_on_both_sides():
    one, two = table([("loss_id", 0, 0, 1.0)]), table([("loss_id", 0, s, 1.0 + s) for s in (0, 1)])
    assert agreement.compare_means(one, two).empty
    assert agreement.compare_means(two, one).empty
