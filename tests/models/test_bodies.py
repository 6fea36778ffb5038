"""What a body may and may not look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import EXAMPLES, POSITIONS, RULES, examples, small

MODELS = ("monolithic", "modular", "modular-op", "gt-modular")


@pytest.fixture(autouse=True)
def strict():
    """No shape and no type is adjusted silently."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def close(found, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("length", [2, 3])
def test_masked_tokens_do_not_exist(name, length):
    """Tokens beyond the length change nothing: the result is that of the shorter sequence."""
    model, (inputs, rule) = small("mha", name=name), examples("mha")
    masked = model(inputs, rule, length=jnp.int32(length))
    other = model(inputs.at[:, length:].set(9.0), rule.at[:, length:].set(0), length=jnp.int32(length))
    short = model(inputs[:, :length], rule[:, :length])
    for found in (masked, other):
        close(jax.tree.map(lambda x: x[:, :length], found), short)
    whole = model(inputs, rule)
    assert np.abs(masked.prediction - whole.prediction)[:, :length].max() > 1e-5
    close(model(inputs, rule, length=jnp.int32(POSITIONS)), whole)


@pytest.mark.parametrize("name", MODELS)
def test_tokens_have_no_positions(name):
    """A permutation of the tokens permutes the predictions (no positions, no causal mask: PAPER section 3)."""
    model, (inputs, rule) = small("mha", name=name), examples("mha")
    order = np.array([2, 0, 3, 1])
    permuted = model(inputs[:, order], rule[:, order])
    close(permuted, jax.tree.map(lambda x: x[:, order], model(inputs, rule)))


@pytest.mark.parametrize("name", MODELS)
def test_a_step_depends_on_the_past_alone(name):
    model, (inputs, rule) = small("rnn", name=name), examples("rnn")
    output = model(inputs, rule)
    for step in range(1, POSITIONS):
        other = model(inputs.at[:, step:].add(1.0), rule.at[:, step:].set(0))
        close(
            jax.tree.map(lambda x, n=step: x[:, :n], other),
            jax.tree.map(lambda x, n=step: x[:, :n], output),
        )
        assert np.abs(other.prediction - output.prediction)[:, step].max() > 1e-4
    close(model(inputs[:, :2], rule[:, :2]), jax.tree.map(lambda x: x[:, :2], output))
    close(model(inputs, rule, length=jnp.int32(2)), output)


@pytest.mark.parametrize("name", MODELS)
def test_every_step_is_remembered(name):
    model, (inputs, rule) = small("rnn", name=name), examples("rnn")
    change = model(inputs.at[:, 0].add(1.0), rule).prediction - model(inputs, rule).prediction
    assert np.abs(change).max(axis=(0, 2)).min() > 1e-5


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
@pytest.mark.parametrize("name", MODELS)
def test_examples_of_a_batch_do_not_see_each_other(architecture, name):
    model, (inputs, rule) = small(architecture, name=name), examples(architecture)
    order = np.arange(EXAMPLES)[::-1]
    close(model(inputs[order], rule[order]), jax.tree.map(lambda x: x[order], model(inputs, rule)))


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_sees_the_rule(architecture, name):
    model, (inputs, rule) = small(architecture, name=name), examples(architecture)
    change = model(inputs, (rule + 1) % RULES).prediction - model(inputs, rule).prediction
    assert np.abs(change).min(axis=tuple(range(1, change.ndim))).max() > 0
