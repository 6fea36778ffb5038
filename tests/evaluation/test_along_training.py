"""Routing along training: what an evaluation of the curve says of it."""

import jax
import numpy as np
import pytest

from modbench.core.quantities import CURVE_METRICS
from modbench.evaluation.evaluate import curve_point
from modbench.metrics import fixed_routing_metrics
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import Trainer
from tiny_runs import tiny


def measured(spec, step=7):
    """A point of the curve of the first parameters."""
    trainer = Trainer(spec)
    state, data = trainer.init(trainer.params(spec)), trainer.data(spec)
    return trainer, jax.device_get(jax.jit(trainer.measure)(state, data, step)[1])


def test_the_matrix_is_the_mean_gate_on_the_samples_of_curve_and_selection():
    spec = tiny("mha", num_rules=3, task={"length": 4})
    trainer, point = measured(spec)
    params, seeds = trainer.params(spec), trainer.data(spec).seeds

    @jax.jit
    def gates_and_rules(key):
        inputs, rule = trainer.task.draw(key, 16, 4, None)
        return trainer.model(params)(inputs, rule).gates, rule

    batches = [
        gates_and_rules(key)
        for purpose in (Purpose.CURVE, Purpose.SELECTION)
        for key in jax.random.split(stream(seeds, purpose, 7), 2)
    ]
    gates = np.concatenate([np.asarray(gates).reshape(-1, 3) for gates, _ in batches])
    rules = np.concatenate([np.asarray(rule).ravel() for _, rule in batches])
    np.testing.assert_array_equal(point.gates.count, np.bincount(rules, minlength=3))
    found = curve_point(spec, 7, point)
    for r in range(3):
        np.testing.assert_allclose(found.activation[r], gates[rules == r].mean(axis=0), atol=1e-5)
    assert list(found.metrics) == list(CURVE_METRICS)
    assert list(found.metrics.values()) == pytest.approx(
        list(fixed_routing_metrics(found.activation, 4).values())
    )


def test_given_routing_is_perfect_at_once():
    spec = tiny(model="gt-modular", num_rules=3)
    found = curve_point(spec, 0, measured(spec)[1])
    np.testing.assert_allclose(found.activation, np.eye(3), atol=1e-6)
    assert max(found.metrics.values()) == pytest.approx(0, abs=1e-6)


def test_a_rule_that_never_occurs_leaves_the_metrics_unmeasured():
    spec = tiny(task={"rule_probabilities": [1.0, 0.0]})
    found = curve_point(spec, 0, measured(spec)[1])
    assert found.loss > 0
    assert found.activation is None
    assert found.metrics == {}
