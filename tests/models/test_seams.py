"""A router of one's own: one small class that works in all three bodies, compiled and differentiated."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import examples, small, specification

from compiling import quick_jit
from modbench.core.names import GATES, SCORES
from modbench.models import rnn
from modbench.models.layers import PerModule, uniform
from modbench.models.routing import (
    GATE_CLASSES,
    SCORE_CLASSES,
    Gates,
    Scores,
    register_gates,
    register_scores,
)
from modbench.training.trainer import Trainer

ARCHITECTURES = ("mlp", "mha", "rnn")
OWN = {
    "loudest": {"gates": "power", "gate_options": {"p": 3.0}, "score_options": {"gain": 2.0}},
    "table": {"gates": "power"},
}


@pytest.fixture(autouse=True, scope="module")
def own_routers():
    """Registers a gate function and two score sources for the duration of this file."""
    registries = (GATES, SCORES, GATE_CLASSES, SCORE_CLASSES)
    before = [dict(registry) for registry in registries]

    @register_gates("power", "the p-th powers of positive scores; with noise while training")
    class Power(Gates):
        p: float = eqx.field(static=True, default=2.0)

        def __call__(self, scores, key):
            if key is not None:
                scores = scores + jax.random.normal(key, scores.shape)
            powers = jax.nn.softplus(scores) ** self.p
            return powers / powers.sum(axis=-1, keepdims=True)

    @register_scores("loudest", "by how large a module's output and features are")
    class Loudest(Scores):
        reads_modules: ClassVar[bool] = True
        volume: jax.Array
        layer: PerModule

        @classmethod
        def create(cls, random, sizes, gain=1.0):
            layer = PerModule.create(random, sizes.modules, sizes.features, 1)
            return cls(np.float32(gain) * uniform(random, (sizes.modules,), 1), layer)

        def __call__(self, seen):
            loudness = jnp.abs(seen.outputs()).mean(axis=-1)
            volume = jnp.broadcast_to(self.volume, loudness.shape)
            return volume * loudness + self.layer(seen.features)[..., 0]

    @register_scores("table", "a learned number per rule and module, and the size of the input")
    class Table(Scores):
        scores: jax.Array

        @classmethod
        def create(cls, random, sizes):
            return cls(uniform(random, (sizes.rules, sizes.modules), sizes.rules))

        def __call__(self, seen):
            size = jnp.abs(seen.inputs).mean(axis=-1, keepdims=True)
            return size * (seen.rule_code @ self.scores)

    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def loss_of(model, architecture):
    inputs, rule = examples(architecture)
    return lambda params, key: (model.plainly(params, inputs, rule, key).prediction ** 2).mean()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("scores", ["loudest", "table"])
def test_routers_of_ones_own(architecture, scores):
    model = small(architecture, scores=scores, **OWN[scores])
    assert model.spec.model.name == f"{scores}+power"
    gates = model(*examples(architecture)).gates
    assert (gates > 0).all()
    np.testing.assert_allclose(gates.sum(axis=-1), 1, rtol=1e-5)

    gradient = quick_jit(jax.grad(loss_of(model, architecture)))(model.params, jax.random.key(0))
    for path, leaf in jax.tree.leaves_with_path(gradient.router):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0, path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("scores", ["loudest", "table"])
def test_noise_is_for_training_and_differs_everywhere(architecture, scores):
    """Without a key nothing is random; with one every example, position and module has noise of its own."""
    model = small(architecture, scores=scores, **OWN[scores])
    inputs, rule = examples(architecture)
    inputs, rule = jnp.ones_like(inputs), jnp.zeros_like(rule)
    quiet = model(inputs, rule).gates
    np.testing.assert_array_equal(quiet, model(inputs, rule).gates)
    first, second = (model(inputs, rule, jax.random.key(seed)).gates for seed in (0, 1))
    np.testing.assert_array_equal(first, model(inputs, rule, jax.random.key(0)).gates)
    assert np.abs(first - second).min() > 0
    assert len(np.unique(first[..., 0])) == rule.size


def plain_recurrence(step, params, weights, inputs, learned=None, given=None, plan=None, apart=False):
    """What `recur` computes, as a loop that JAX differentiates itself."""

    def forward(state, now):
        x, learned, given, plan = now
        rest = (learned, given)
        if plan is None:
            drives = weights.from_input.T @ x, weights.from_hidden.T @ state[0]
        else:
            own = [weight[plan.module] for weight in weights]
            drives = [jnp.einsum("eb,bek->kb", s, w) for s, w in zip((x, state[0]), own, strict=True)]
        hidden, cell, seen = step(params, drives if apart else (sum(drives),), state[1], *rest)
        return (hidden, cell), (hidden, seen)

    start = jnp.zeros((weights.from_hidden.shape[-2], inputs.shape[2]))
    return jax.lax.scan(forward, (start, start), (inputs, learned, given, plan))[1]


@pytest.mark.parametrize(
    "model",
    [
        {"name": "monolithic"},
        {"name": "modular"},
        {"name": "modular-op"},
        {"name": "gt-modular"},
        {"scores": "separate", "gates": "top-k", "gate_options": {"k": 2}},
        {"scores": "loudest", **OWN["loudest"]},
    ],
    ids=lambda model: model.get("name") or model["scores"],
)
def test_the_recurrences_gradient_is_that_of_the_plain_loop(model, monkeypatch):
    model, (inputs, rule) = small("rnn", **model), examples("rnn")

    def loss(params, key):
        """Reads gates too, as a balancing loss would."""
        output = model.plainly(params, inputs, rule, key)
        gates = 0 if output.gates is None else (output.gates[..., 0] ** 2).sum()
        return (output.prediction**2).sum() + gates

    def measure():
        return quick_jit(lambda *args: jax.value_and_grad(loss)(*args))(model.params, jax.random.key(0))

    ours = measure()
    monkeypatch.setattr(rnn, "recur", plain_recurrence)
    theirs = measure()
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(theirs[1]))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * largest)


def test_options_are_not_trained():
    """An option is a setting, also where its author did not mark it as static."""

    @register_gates("sharp", "softmax of scores times a number")
    class Sharp(Gates):
        factor: float = 2.0

        def __call__(self, scores, key):
            del key
            return jax.nn.softmax(self.factor * scores)

    def trained(**model):
        spec = specification("mlp", scores="joint", **model)
        return len(jax.tree.leaves(Trainer(spec).params(spec)))

    assert trained(gates="sharp", gate_options={"factor": 3.0}) == trained()
