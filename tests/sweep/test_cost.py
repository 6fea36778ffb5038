import csv
import math
from pathlib import Path

import fake_training
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_sweeps import spec, sweep

from modbench.core.names import PAPER_MODELS
from modbench.core.spec import RunSpec
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import (
    PROBE_FLOPS,
    Probe,
    StepTime,
    choose_probes,
    curve_steps,
    disk_bytes,
    estimate_time,
    evaluation_steps,
    fit_step_time,
    flops,
    flops_per_step,
    memory_bytes,
    step_work,
)
from modbench.sweep.keeping import USUAL
from modbench.sweep.plan import make_plan
from modbench.sweep.worker import Trainer


def test_flops_by_hand():
    # The monolithic MLP at E=32, D=128, R=2 has 35,361 parameters (the reference table).
    one = spec("mlp", "monolithic", steps=1000)
    assert flops_per_step(one) == 6 * 35_361 * 256
    assert flops(one) == 6 * 35_361 * 256 * 1000


def test_the_papers_grid_costs_4e20():
    total = 0.0
    for architecture, task in (
        ("mlp", {}),
        ("mha", {"task__search_version": [1, 2]}),
        ("rnn", {}),
    ):
        runs = sweep(
            models=list(PAPER_MODELS),
            rules=[2, 4, 8, 16, 32],
            seeds=[0],
            architecture=architecture,
            steps=100_000 if architecture == "mlp" else 500_000,
            task__kind=["regression", "classification"],
            model__encoder_width=[32, 64, 128, 256, 512],
            **task,
        ).runs
        total += 25 * sum(flops(run) for run in runs.values())
    assert total == pytest.approx(4.05e20, rel=2e-3)


def test_memory_and_disk_grow_with_the_runs():
    narrow = PlannedCohort.of([spec(seed=seed) for seed in range(4)], 1)
    wide = PlannedCohort.of([spec(seed=seed) for seed in range(4)], 4)
    large = PlannedCohort.of([spec(encoder_width=512)], 1)
    assert memory_bytes(narrow) < memory_bytes(wide) < memory_bytes(large) < 4e9
    assert disk_bytes([]) == 0
    assert disk_bytes([wide, wide]) == 2 * disk_bytes([wide]) > disk_bytes([large])


@pytest.mark.parametrize(("model", "rules"), [("monolithic", 2), ("modular", 2), ("modular", 32)])
def test_disk_is_about_what_a_store_takes(tmp_path, model, rules):
    runs = [spec(model=model, rules=rules, seed=seed, steps=5000) for seed in range(10)]
    cohort = PlannedCohort.of(runs, 5)
    store = Store.create(tmp_path / "store", {"name": "x", "grid": []})
    store.add_plan(cohort)
    Trainer(0, store, print, lambda: False, USUAL, fake_training.quick).train(cohort)
    files = [*store.folder.rglob("plan/*"), *store.folder.rglob("cohorts/*/*")]
    taken = sum(path.stat().st_size for path in files)
    # The stand-in's matrices are uniform and compress to nothing; real ones hardly do.
    taken += 10 * 2 * 10 * rules**2 if model == "modular" else 0
    assert disk_bytes([cohort]) == pytest.approx(taken, rel=0.25)


def probe_of(one, seconds, evaluation=0.0, compiling=0.0):
    return Probe(one, seconds, evaluation, compiling)


def of_widths(widths):
    return [spec(encoder_width=width) for width in widths]


def test_one_probe_is_proportional():
    one = spec()
    fitted = fit_step_time([probe_of(one, 0.01)])
    assert fitted == StepTime(0.0, pytest.approx(0.01 / step_work(one)))


@given(
    overhead=st.floats(1e-6, 1e-1),
    rate=st.floats(1e-12, 1e-8),
)
def test_the_fit_recovers_an_exact_law(overhead: float, rate: float):
    law = StepTime(overhead, rate)
    specs = of_widths([8, 64, 512])
    fitted = fit_step_time([probe_of(one, law.seconds(step_work(one))) for one in specs])
    for one in of_widths([8, 32, 128, 512]):
        assert fitted.seconds(step_work(one)) == pytest.approx(law.seconds(step_work(one)), rel=0.03)


def test_the_fit_is_never_negative():
    small, large = of_widths([16, 256])
    falling = fit_step_time([probe_of(small, 0.02), probe_of(large, 0.01)])
    assert falling.overhead > 0
    assert falling.per_work >= 0
    assert falling.seconds(step_work(spec())) == pytest.approx(math.sqrt(0.02 * 0.01), rel=0.02)
    steep = fit_step_time([probe_of(small, 0.001), probe_of(large, 100.0)])
    assert steep.overhead == 0


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
def test_the_model_of_a_step_fits_what_was_measured(architecture):
    """Over rules and encoder widths within 13 %, on a scale of each architecture's own."""
    with (Path(__file__).parents[2] / "docs/images/growth.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["architecture"] == architecture and row["axis"] in ("rules", "encoder width")
        ]
    apart = []
    for row in rows:
        one = spec(architecture, "modular", int(row["num_rules"]), encoder_width=int(row["encoder_width"]))
        apart.append(math.log(float(row["ms_per_step_and_run"]) / step_work(one)))
    middle = sum(apart) / len(apart)
    assert len(apart) == 6
    assert max(abs(value - middle) for value in apart) < math.log(1.13)


def test_steps_of_curve_and_evaluation_by_hand():
    # Points after 0, 10, 20 and 25 updates, each of 2 x 3 batches: 24 passes forward, a third of a step each.
    train, evaluation = {"steps": 25, "batch_size": 16}, {"curve_every": 10, "curve_batches": 3}
    one = tiny_evaluation(train=train, evaluation=evaluation)
    assert curve_steps(one) == pytest.approx(8)
    # Two checkpoints of 2 x 2 passes of 16 examples (two scales), 400 in 8 batches of 50, and 4 x 50: 664 examples.
    assert evaluation_steps(one) == pytest.approx(2 * 664 / 16 / 3)
    assert evaluation_steps(one, 4 + 1) == pytest.approx((64 + 50) / 16 / 3)
    assert evaluation_steps(one, 16 + 1) == pytest.approx((664 + 16) / 16 / 3)


def tiny_evaluation(**tables):
    evaluation = {
        "performance_batches": 2,
        "performance_batch_size": 16,
        "activation_samples": 400,
        "adaptation_distributions": 4,
        "adaptation_samples": 50,
    }
    tables["evaluation"] = evaluation | tables["evaluation"]
    return RunSpec.of({"architecture": "mlp", "num_rules": 2}, {"name": "modular"}, **tables)


def test_expected_time_by_hand():
    # 3 runs in groups of 2: four places. Each takes 10 steps and those of its curve at 0.5 s, and 7 s of evaluation.
    runs = [spec(seed=seed, steps=10) for seed in range(3)]
    cohort = PlannedCohort.of(runs, 2)
    training = 4 * 0.5 * (10 + curve_steps(runs[0]))
    probed = [probe_of(runs[0], 0.5, evaluation=7.0, compiling=4.0)]
    alone = estimate_time([cohort], probed, workers=2)
    assert alone == pytest.approx((training + 28, training + 28, training, 28, 0))
    # Another program of the same cost is compiled besides.
    others = [
        run.model_copy(update={"train": run.train.model_copy(update={"clip_norm": 1.0})}) for run in runs
    ]
    other = PlannedCohort.of(others, 2)
    both = estimate_time([cohort, other], probed, workers=1)
    assert both == pytest.approx((2 * training + 60, training + 32, 2 * training, 56, 4))
    assert both.core_seconds == both.seconds
    assert estimate_time([], probed, workers=2) == (0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_run_with_four_times_the_evaluation_takes_four_times_as_long_for_it():
    fields = {"performance_batches": 25, "activation_samples": 250_000, "adaptation_samples": 2500}
    of = ({"architecture": "mlp", "num_rules": 2}, {"name": "modular"}, {"steps": 10})
    quarter, paper = RunSpec.of(*of, fields), RunSpec.of(*of)
    probed = [probe_of(quarter, 0.5, evaluation=7.0)]
    whole = estimate_time([PlannedCohort.of([paper], 1)], probed, workers=1)
    assert whole.evaluating == pytest.approx(28, rel=0.01)


def test_probes_span_each_architecture_and_stay_cheap():
    widths = [32, 64, 128, 256, 512]
    cohorts = [
        *make_plan(sweep(["modular"], [2], [0], model__encoder_width=widths).runs).pending,
        *make_plan(
            sweep(["modular"], [2], [0], architecture="rnn", model__encoder_width=widths).runs
        ).pending,
    ]
    probes = choose_probes(cohorts)
    assert [(p.runs[0].task.architecture, p.runs[0].model.encoder_width) for p in probes] == [
        ("mlp", 32), ("mlp", 128), ("mlp", 512), ("rnn", 32), ("rnn", 64),
    ]  # fmt: skip
    assert all(flops_per_step(probe.runs[0]) <= PROBE_FLOPS for probe in probes)


def test_a_sweep_of_one_costly_program_is_probed_all_the_same():
    cohorts = make_plan(sweep(["modular"], [2], [0], "rnn", model__encoder_width=512).runs).pending
    assert flops_per_step(cohorts[0].runs[0]) > PROBE_FLOPS
    assert choose_probes(cohorts) == list(cohorts)
    assert choose_probes([]) == []
