"""Sparse dispatch against each example's own product, whatever the counts; its gradient against JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import examples, small

from compiling import quick_jit
from modbench.models.grouped import capacity, dispatch, grouped_product

MODULES, INPUTS, OUTPUTS, EXAMPLES = 4, 3, 5, 64
CHOICES = {
    "uniform": np.random.default_rng(0).integers(0, MODULES, EXAMPLES),
    "one module takes all": np.full(EXAMPLES, 2),
    "one gets none": np.random.default_rng(1).choice([0, 1, 3], EXAMPLES),
    "far from even": np.repeat([0, 1, 2, 3], [50, 10, 3, 1]),
}


def plainly(x, weight, module):
    return jnp.einsum("in,nio->on", x, weight[module])


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("mapped", [False, True])
def test_product_and_gradient(choice, mapped):
    random = np.random.default_rng(2)
    modules = jnp.asarray(np.stack([CHOICES[choice], CHOICES["uniform"]]), jnp.int32)
    x = jnp.asarray(random.standard_normal((2, INPUTS, EXAMPLES)), jnp.float32)
    weight = jnp.asarray(random.standard_normal((2, MODULES, INPUTS, OUTPUTS)), jnp.float32)
    toward = jnp.asarray(random.standard_normal((2, OUTPUTS, EXAMPLES)), jnp.float32)

    def both(function):
        def one(x, weight, module, toward):
            y, pull = jax.vjp(lambda x, weight: function(x, weight, module), x, weight)
            return y, pull(toward)

        if mapped:
            return jax.vmap(one)(x, weight, modules, toward)
        return one(x[0], weight[0], modules[0], toward[0])

    ours = both(lambda x, weight, module: grouped_product(x, weight, dispatch(module, MODULES)))
    for found, expected in zip(jax.tree.leaves(ours), jax.tree.leaves(both(plainly)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_plan():
    """By hand: modules 1, 0, 1, 1 of three; example 2 is the second of module 1."""
    plan = dispatch(jnp.asarray([1, 0, 1, 1]), 3)
    np.testing.assert_array_equal(plan.rank, [0, 0, 1, 2])
    np.testing.assert_array_equal(plan.order, [1, 0, 2, 3])
    np.testing.assert_array_equal(plan.start, [0, 1, 4])
    np.testing.assert_array_equal(plan.count, [1, 3, 0])


@pytest.mark.parametrize(("examples", "modules"), [(256, 2), (256, 8), (256, 32), (2560, 8), (3, 2)])
def test_capacity_makes_one_round_the_rule(examples, modules):
    """Of 300 uniform batches at most a few per cent need a second round; places are not wasted either."""
    places = capacity(examples, modules)
    counts = np.random.default_rng(0).multinomial(examples, np.full(modules, 1 / modules), size=300)
    assert (counts.max(axis=1) > places).mean() < 0.05
    assert places <= min(examples, max(32, 2.5 * examples / modules))


@pytest.mark.parametrize("architecture", ["mlp", "rnn"])
def test_selecting_is_mixing_with_one_hot_gates(architecture, monkeypatch):
    """GT-Modular by sparse dispatch and by running every module: equal predictions, gates and gradients."""
    model, (inputs, rule) = small(architecture, name="gt-modular"), examples(architecture)

    def measure():
        def loss(params):
            output = model.plainly(params, inputs, rule)
            return (output.prediction**2).sum(), output

        return quick_jit(lambda params: jax.value_and_grad(loss, has_aux=True)(params))(model.params)

    selected = measure()
    monkeypatch.setattr("modbench.models.routing.Router.selects_by_rule", False)
    mixed = measure()
    for found, expected in zip(jax.tree.leaves(selected), jax.tree.leaves(mixed), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
