import math

import fake_training
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_sweeps import spec, sweep

from modbench.core.names import PAPER_MODELS
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import (
    PROBE_FLOPS,
    Probe,
    StepTime,
    choose_probes,
    disk_bytes,
    estimate_time,
    fit_step_time,
    flops,
    flops_per_step,
    memory_bytes,
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


def test_one_probe_is_proportional():
    assert fit_step_time([Probe("mlp", 2e6, 0.01)]) == StepTime(0.0, pytest.approx(5e-9))


@given(
    overhead=st.floats(1e-6, 1e-1),
    rate=st.floats(1e-12, 1e-8),
)
def test_the_fit_recovers_an_exact_law(overhead: float, rate: float):
    law = StepTime(overhead, rate)
    probes = [Probe("mlp", f, law.seconds(f)) for f in (1e6, 3e7, 1e9)]
    fitted = fit_step_time(probes)
    for f in (1e6, 1e7, 1e8, 1e9):
        assert fitted.seconds(f) == pytest.approx(law.seconds(f), rel=0.03)


def test_the_fit_is_never_negative():
    falling = fit_step_time([Probe("mlp", 1e6, 0.02), Probe("mlp", 1e8, 0.01)])
    assert falling.overhead > 0
    assert falling.seconds_per_flop >= 0
    assert falling.seconds(1e7) == pytest.approx(math.sqrt(0.02 * 0.01), rel=0.01)
    steep = fit_step_time([Probe("mlp", 1e6, 0.001), Probe("mlp", 1e8, 1.0)])
    assert steep.overhead == 0


def test_expected_time_by_hand():
    # 3 runs in groups of 2: four places. 10 steps at 0.5 s: 20 s, and 4 s of compilation.
    step = flops_per_step(spec())
    cohort = PlannedCohort.of([spec(seed=seed, steps=10) for seed in range(3)], 2)
    probes = [Probe("mlp", step, 0.5, compile_seconds=4.0)]
    alone = estimate_time([cohort], probes, workers=2)
    assert alone == pytest.approx((24.0, 24.0, 24.0))
    assert estimate_time([cohort] * 3, probes, workers=2) == pytest.approx((36.0, 72.0, 24.0))
    assert estimate_time([], probes, workers=2) == (0.0, 0.0, 0.0)


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
