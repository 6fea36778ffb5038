"""Every preset beside the paper's grid, in miniature from its file to its results: what is different shows."""

import jax.numpy as jnp
import numpy as np
import pytest

from compiling import quick_jit
from modbench.core.grid import load_sweep
from modbench.evaluation.group import run_group
from modbench.models.sizing import linear, num_parameters
from modbench.tasks.families import make_task
from modbench.tasks.mlp import Mlp
from modbench.training.cohort import CohortProgram
from tiny_runs import EVALUATION

SMALL = [
    "task.kind=regression",
    "train.steps=8",
    "train.batch_size=16",
    "train.learning_rate=0.01",
    "model.encoder_width=4",
    *(f"evaluation.{field}={value}" for field, value in EVALUATION.items()),
    "evaluation.activation_samples=640",
]


def miniature(preset, *overrides, **task):
    """The preset's runs with few steps and little to measure; of those, the ones whose task has these fields."""
    runs = load_sweep(preset, [*SMALL, *overrides]).runs.values()
    found = [spec for spec in runs if {**spec.task.model_dump(), **task} == spec.task.model_dump()]
    assert found
    return found


def one_task(preset, *overrides, **task):
    """One run per model and protocol: the first task seed and seed."""
    return miniature(preset, "task.task_seed=0", "seed=0", *overrides, **task)


def trained(*specs):
    """Results of runs of one cohort, side by side."""
    results = run_group(specs, len(specs))
    for result in results:
        assert result.status == "done"
        last = result.checkpoints["last"].quantities
        assert all(np.isfinite(value) for value in last.values() if value is not None)
        assert (last["alignment"] is None) == (not result.spec.model.modular)
    return results


def test_schedule_changes_what_comes_after_the_milestone():
    overrides = ["model.name=modular", "task.num_rules=2", "evaluation.curve_every=1"]
    curves = []
    for milestones in ("[]", "[5]"):
        halving = f"train.halve_learning_rate_at={milestones}"
        (spec,) = one_task("schedule", *overrides, halving, architecture="mlp")
        (result,) = trained(spec)
        curves.append([point.loss for point in result.curve])
    plain, halved = np.array(curves)
    np.testing.assert_allclose(plain[:6], halved[:6], rtol=1e-5)
    assert (np.abs(plain[6:] - halved[6:]) > 1e-4).all()


@pytest.mark.parametrize("architecture", ["mha", "rnn"])
def test_length_20_is_tested_on_10_to_50(architecture):
    spec = one_task("length-20", "model.name=modular", "task.num_rules=2", architecture=architecture)[0]
    (result,) = trained(spec)
    last = result.checkpoints["last"]
    assert {(shift.scale, shift.length) for shift in last.performance} == {
        (scale, length) for scale in (1, 2) for length in (10, 20, 30, 40, 50)
    }
    loss = {(shift.scale, shift.length): shift.loss for shift in last.performance}
    assert last.quantities["loss_id"] == loss[1, 20]
    assert last.quantities["loss_ood"] == loss[2, 50]


def test_fixed_ops_know_nothing_of_the_task_seed():
    overrides = ["model.name=gt-modular", "task.num_rules=5", "seed=0", "task.task_seed=[0, 1]"]
    first, second = trained(*miniature("fixed-ops", *overrides, architecture="mlp"))
    assert (first.spec.task.task_seed, second.spec.task.task_seed) == (0, 1)
    points = [[(p.step, p.loss, p.selection_error, p.metrics) for p in run.curve] for run in (first, second)]
    assert points[0] == points[1]
    assert first.checkpoints["last"].quantities["alignment"] == 0


def test_fixed_ops_are_sum_difference_product_minimum_maximum():
    (spec,) = one_task("fixed-ops", "model.name=monolithic", "task.num_rules=5", architecture="mlp")
    task = make_task(spec.task)
    assert isinstance(task, Mlp)
    found = task.target(task.coefficients(), jnp.tile(jnp.array([2.0, -3.0]), (5, 1)), jnp.arange(5))
    assert found.tolist() == [-1, 5, -6, -3, 2]


def test_order_2_reads_the_state_before_the_last():
    (spec,) = one_task("order-2", "model.name=modular", "task.num_rules=2")
    task = make_task(spec.task)
    coefficients = task.coefficients()
    assert coefficients.A.shape == (2, 2, 32, 32)
    inputs = np.random.default_rng(0).standard_normal((3, 4, 32), np.float32)
    rule = np.array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    forgetful = coefficients._replace(A=coefficients.A * np.float32([1, 0])[:, None, None])
    target = quick_jit(task.target)
    full, without = (np.asarray(target(c, inputs, rule)) for c in (coefficients, forgetful))
    np.testing.assert_array_equal(full[:, :2], without[:, :2])  # no state lies two steps back
    assert (np.abs(full[:, 2:] - without[:, 2:]).max(axis=-1) > 0.1).all()
    trained(spec)


def test_separate_trains_one_scorer_for_all_modules():
    modular, separate = one_task("separate", "task.num_rules=2")
    (result,) = trained(separate)
    width, encoder = separate.model.model_width, separate.model.encoder_width
    # Per module a score from its hidden units, against one map of [module output, x1, x2, rule code].
    own, shared = 2 * linear(width // 2, 1), linear(width + 2 + 2, encoder) + linear(encoder, 1)
    assert result.num_parameters - num_parameters(modular) == shared - own
    program = CohortProgram(separate, 1)
    state = program.init([separate])
    before = np.asarray(state.params.router.scores.layer.first.weight)
    state = program.advance(state, program.data([separate]), 0, 8)
    after = np.asarray(state.params.router.scores.layer.first.weight)
    assert before.shape == (1, width + 4, encoder)
    assert (before != after).mean() > 0.9


def test_diagonal_widens_with_rules():
    overrides = [text for text in SMALL if "encoder_width" not in text]
    runs = load_sweep("diagonal", [*overrides, "model.name=modular", "task.task_seed=0", "seed=0"]).runs
    mlp = {s.task.num_rules: s for s in runs.values() if s.task.architecture == "mlp"}
    assert {rules: spec.model.encoder_width for rules, spec in mlp.items()} == {
        2: 32, 4: 64, 8: 128, 16: 256, 32: 512
    }  # fmt: skip
    (result,) = trained(mlp[16])
    assert result.num_parameters == num_parameters(mlp[16]) > 50 * num_parameters(mlp[2])
    assert result.checkpoints["last"].activation.shape == (16, 16)


def test_router_width_widens_the_router_alone():
    runs = one_task("router-width", "task.num_rules=4", "model.encoder_width=8", search_version=1)
    counts = {spec.model.score_options.get("hidden"): num_parameters(spec) for spec in runs}
    # D = 32 over 4 modules of 2 heads: the paper's router has 4 hidden units, 9 parameters each with R = M = 4.
    assert {hidden: count - counts[None] for hidden, count in counts.items()} == {None: 0, 8: 36, 32: 252}
    (wide,) = (spec for spec in runs if spec.model.score_options == {"hidden": 32})
    (result,) = trained(wide)
    assert result.num_parameters == counts[32]
    assert result.checkpoints["last"].activation.shape == (4, 4)


def test_few_modules_are_fewer_than_rules():
    runs = one_task("few-modules", "model.name=modular", "model.encoder_width=8", num_rules=8)
    by_modules = {spec.model.num_modules: spec for spec in runs}
    assert set(by_modules) == {2, 3, 8}
    (result,) = trained(by_modules[2])
    last = result.checkpoints["last"]
    assert last.activation.shape == (8, 2)
    # Six of eight rules are left without a module of their own.
    assert last.quantities["alignment"] >= 1 - 2 / 8
