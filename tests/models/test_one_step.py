"""One training step against the original implementation's: same parameters, same batch, same result."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from original_names import from_original

from compiling import quick_jit
from modbench.core.spec import RunSpec
from modbench.tasks.base import Batch
from modbench.training.streams import stream_seeds
from modbench.training.trainer import RunData, Trainer
from original_steps import STEPS, recorded, task_and_model

RATE = 1e-4


class OneStep(Trainer):
    """The trainer on a given batch. Parameters are one vector: one leaf compiles faster than thirty."""

    def __init__(self, spec, batch, unravel):
        super().__init__(spec)
        self.task, self.given, self.unravel = self, batch, unravel

    def draw(self, key, size, length, rule_probabilities):
        return self.given.inputs, self.given.rule

    def batch(self, coefficients, inputs, rule):
        return self.given

    def model(self, params):
        return super().model(self.unravel(params))


@functools.cache
def case(name):
    """The recorded step, its parameters in our layout and as vectors, and our step."""
    task, model = task_and_model(name)
    spec = RunSpec.of(task, model, {"learning_rate": RATE})
    arrays = recorded(name)
    stages = {}
    for stage in ("before", "grad", "after"):
        prefix = f"{stage}/"
        weights = {key.removeprefix(prefix): x for key, x in arrays.items() if key.startswith(prefix)}
        model = from_original(spec, weights)
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(model)]
        assert sum(x.size for x in weights.values()) == sum(x.size for x in leaves)
        stages[stage] = np.concatenate([leaf.ravel() for leaf in leaves])
    _, unravel = ravel_pytree(model)

    np.testing.assert_array_equal(arrays["inputs"][..., -4:], arrays["rule_code"])
    inputs, rule = arrays["inputs"][..., :-4], arrays["rule_code"].argmax(axis=-1)
    scalar = spec.task.architecture == "rnn" and spec.task.kind == "classification"
    target = arrays["target"][..., 0] if scalar else arrays["target"]
    batch = Batch(jnp.asarray(inputs), jnp.asarray(rule, jnp.int32), jnp.asarray(target))
    trainer = OneStep(spec, batch, unravel)
    data = RunData(None, stream_seeds(spec), np.float32(RATE))

    def step(params):
        output = trainer.model(params)(batch.inputs, batch.rule)
        return output, trainer.update(trainer.init(params), data, jnp.int32(0))

    return arrays, stages, jax.device_get(quick_jit(step)(stages["before"]))


@pytest.fixture(params=STEPS)
def step(request):
    return case(request.param)


def test_loss_prediction_and_gates(step):
    arrays, _, (output, state) = step
    np.testing.assert_allclose(state.loss, arrays["loss"], rtol=1e-5)
    prediction = arrays["prediction"].reshape(output.prediction.shape)
    np.testing.assert_allclose(output.prediction, prediction, rtol=1e-4, atol=1e-5)
    if "gates" in arrays:
        gates = arrays["gates"].reshape(output.gates.shape)
        np.testing.assert_allclose(output.gates, gates, rtol=1e-4, atol=1e-6)
    else:
        assert output.gates is None


def slack(gradient):
    """How far two float32 computations of a gradient may differ, entry by entry.

    Relative to the largest entry too, not to the entry alone: the bias of the attention keys has a gradient of
    exactly zero in theory (what is added to all logits of a token changes no softmax), so both sides hold noise.
    """
    return 1e-4 * np.abs(gradient) + 1e-6 * np.abs(gradient).max()


def test_gradient(step):
    """Read off Adam's first moment, after one step a tenth of the gradient; none recorded is long enough to clip."""
    _, stages, (_, state) = step
    assert np.linalg.norm(stages["grad"]) < 1
    assert (np.abs(10 * state.moments.mu - stages["grad"]) <= slack(stages["grad"])).all()


def adam(gradient):
    """Adam's first step, in learning rates: the gradient's sign, unless the gradient is as small as 1e-8."""
    return gradient / (np.abs(gradient) + 1e-8)


def test_parameters_after_the_step(step):
    """Equal up to what gradients within their rounding can do.

    Adam's first step is one learning rate long however small the gradient is. So where a gradient is no more than
    rounding the step may go either way, and parameters may differ by two learning rates; nowhere else.
    """
    _, stages, (_, state) = step
    gradient = np.float64(stages["grad"])
    freedom = RATE * (adam(gradient + slack(gradient)) - adam(gradient - slack(gradient)))
    difference = np.abs(state.params - stages["after"])
    assert (difference <= freedom + 1e-6 * np.abs(stages["after"]) + 1e-9).all()
    assert difference.max() <= 2.001 * RATE
    # Most parameters that moved at all are held to a fraction of a step.
    assert (freedom < 0.1 * RATE)[gradient != 0].mean() > 0.7
