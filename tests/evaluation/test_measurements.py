"""What the compiled evaluation measures, against the same measurements made one shift and one batch at a time."""

import jax
import numpy as np
import pytest

from compiling import quick_jit
from modbench.core.quantities import METRICS, PERFORMANCE
from modbench.evaluation.activation import activation_matrix, module_distributions, rule_distributions
from modbench.evaluation.batches import evaluation_parts, gate_batches, positions_evaluated, shifts_per_batch
from modbench.evaluation.evaluate import checkpoint_result, measure_checkpoint
from modbench.evaluation.group import run_group
from modbench.metrics import dirichlet_rule_distributions
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import Trainer
from tiny_runs import tiny


def prepared(architecture, kind="regression", model="modular", **fields):
    sequence = {} if architecture == "mlp" else {"length": 4}
    lengths = {} if architecture == "mlp" else {"lengths": [2, 4, 6]}
    spec = tiny(architecture, model, kind, 3, task=sequence, evaluation=lengths, **fields)
    trainer = Trainer(spec)
    return spec, trainer, trainer.params(spec), trainer.data(spec)


def error_of(kind, prediction, target):
    if kind == "regression":
        return np.abs(prediction - target).mean()
    return 100 * ((prediction >= 0) != (target > 0.5)).mean()


def loss_of(kind, prediction, target):
    if kind == "regression":
        return np.abs(prediction - target).mean()
    probability = 1 / (1 + np.exp(-np.float64(prediction)))
    return -(target * np.log(probability) + (1 - target) * np.log(1 - probability)).mean()


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
def test_performance_is_that_of_truly_shorter_and_scaled_examples(architecture, kind):
    spec, trainer, params, data = prepared(architecture, kind)
    lengths, evaluation = spec.evaluation.lengths, spec.evaluation
    measured = quick_jit(lambda p, d: measure_checkpoint(trainer, p, d))(params, data).performance
    shape = (evaluation.performance_batches, 2, len(lengths))
    loss, error = (np.asarray(means).reshape(shape) for means in measured)
    keys = jax.random.split(stream(data.seeds, Purpose.PERFORMANCE), evaluation.performance_batches)
    model = trainer.model(params)
    for b, key in enumerate(keys):
        inputs, rule = trainer.task.draw(key, evaluation.performance_batch_size, max(lengths))
        for s, scale in enumerate((1.0, 2.0)):
            for n, length in enumerate(lengths):
                cut = (slice(None), slice(length)) if architecture != "mlp" else slice(None)
                batch = trainer.task.batch(data.coefficients, inputs[cut], rule[cut], scale)
                prediction = np.asarray(model(batch.inputs, batch.rule).prediction)
                target = np.asarray(batch.target)
                np.testing.assert_allclose(error[b, s, n], error_of(kind, prediction, target), rtol=1e-4)
                np.testing.assert_allclose(loss[b, s, n], loss_of(kind, prediction, target), rtol=1e-4)


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
def test_gates_are_averaged_per_rule_and_per_distribution(architecture):
    spec, trainer, params, data = prepared(architecture)
    plan, model, distributions = gate_batches(spec), trainer.model(params), rule_distributions(spec)
    measured = quick_jit(lambda p, d: measure_checkpoint(trainer, p, d))(params, data).gates
    A, q = activation_matrix(spec, measured), module_distributions(spec, measured)
    assert plan.uniform * plan.size * spec.length >= spec.evaluation.activation_samples
    assert plan.each * plan.size >= spec.evaluation.adaptation_samples
    np.testing.assert_array_equal(distributions, dirichlet_rule_distributions(3, 4))
    np.testing.assert_allclose(A.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(q.sum(axis=1), 1, atol=1e-5)

    keys = jax.random.split(stream(data.seeds, Purpose.GATES), plan.uniform + 4 * plan.each)
    uniform = np.full(3, 1 / 3, np.float32)
    gates_of, rules_of = [], []
    for key in keys[: plan.uniform]:
        inputs, rule = trainer.task.draw(key, plan.size, spec.length, uniform)
        gates_of.append(np.asarray(model(inputs, rule).gates).reshape(-1, 3))
        rules_of.append(np.asarray(rule).reshape(-1))
    gates, rules = np.concatenate(gates_of), np.concatenate(rules_of)
    for r in range(3):
        np.testing.assert_allclose(A[r], gates[rules == r].mean(axis=0), atol=1e-5)
    key = keys[plan.uniform + 2 * plan.each]
    inputs, rule = trainer.task.draw(key, plan.size, spec.length, np.float32(distributions[2]))
    one_batch = np.asarray(model(inputs, rule).gates).reshape(-1, 3).mean(axis=0)
    assert plan.each == 1
    np.testing.assert_allclose(q[2], one_batch, atol=1e-5)


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
def test_passes_are_counted_as_they_are_made(architecture):
    spec, trainer, *_ = prepared(architecture)
    lengths = 1 if trainer.task.causal else len(spec.evaluation.lengths)
    assert shifts_per_batch(spec) == 2 * lengths


def test_batches_by_hand():
    # MHA: 2 batches of 16 sequences under 2 scales and 3 lengths, at 6 tokens each. 400 tokens in batches of 50
    # sequences of 4 tokens are 2 batches; 4 distributions of 50 sequences are 4 more.
    spec, *_ = prepared("mha")
    assert evaluation_parts(spec) == ((12, 96), (6, 200))
    assert [positions_evaluated(spec, batches) for batches in (0, 1, 12, 13, 18)] == [
        0, 96, 12 * 96, 12 * 96 + 200, 12 * 96 + 6 * 200,
    ]  # fmt: skip
    assert positions_evaluated(spec, 2 * 18) == 2 * (12 * 96 + 6 * 200)
    monolithic, *_ = prepared("rnn", model="monolithic")
    assert evaluation_parts(monolithic) == ((4, 96),)


def measured_run(spec):
    trainer = Trainer(spec)
    measured = quick_jit(lambda p, d: measure_checkpoint(trainer, p, d))(
        trainer.params(spec), trainer.data(spec)
    )
    return checkpoint_result(spec, 0, jax.device_get(measured))


def test_an_oracle_router_is_perfect_but_for_the_sampling_of_adaptation():
    spec = tiny(model="gt-modular", num_rules=4, evaluation={"adaptation_samples": 1000})
    result = measured_run(spec)
    np.testing.assert_allclose(result.activation, np.eye(4), atol=1e-6)
    q = result.quantities
    assert q["collapse_avg"] == pytest.approx(0, abs=1e-6)
    assert q["collapse_worst"] == pytest.approx(0, abs=1e-6)
    assert q["alignment"] == pytest.approx(0, abs=1e-6)
    assert q["inverse_mutual_information"] == pytest.approx(0, abs=1e-6)
    assert 0 < q["adaptation"] < 0.05


def test_reported_numbers_are_those_of_the_reported_shifts():
    mlp = measured_run(tiny())
    assert [(s.scale, s.length) for s in mlp.performance] == [(1, 1), (2, 1)]
    assert mlp.quantities["error_id"] == mlp.performance[0].error
    assert mlp.quantities["error_ood"] == mlp.performance[1].error
    rnn = measured_run(tiny("rnn", evaluation={"lengths": [3, 10, 12]}))
    by_shift = {(s.scale, s.length): s for s in rnn.performance}
    assert len(by_shift) == 6
    assert rnn.quantities["loss_id"] == by_shift[1.0, 10].loss
    assert rnn.quantities["loss_ood"] == by_shift[2.0, 12].loss


def test_a_monolithic_run_has_no_routing_metrics():
    result = run_group([tiny(model="monolithic")], 1)[0]
    for checkpoint in result.checkpoints.values():
        assert checkpoint.activation is None
        assert all(checkpoint.quantities[name] is None for name in METRICS)
        assert all(checkpoint.quantities[name] > 0 for name in PERFORMANCE)
    assert all(point.activation is None and point.metrics == {} for point in result.curve)
    assert set(result.seconds) == {"train", "compile", "evaluate"}


def test_more_modules_than_rules_and_fewer():
    for modules in (2, 5):
        result = measured_run(tiny(num_rules=3, num_modules=modules, encoder_width=8))
        assert result.activation.shape == (3, modules)
        assert all(0 <= result.quantities[name] <= 1 for name in METRICS)
