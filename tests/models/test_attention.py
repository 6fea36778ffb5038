"""Attention along the batch against the plain formula, one head and token at a time; gradients against JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modbench.models.attention import NARROW, TERMS, attend


def plainly(query, key, value, hidden):
    logits = jnp.einsum("hknb,hkib->hnib", query, key) / np.sqrt(query.shape[1])
    weights = jax.nn.softmax(jnp.where(hidden[None, :, :, None], -jnp.inf, logits), axis=2)
    return jnp.einsum("hnib,hkib->hknb", weights, value)


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (1, 2),
        (3, NARROW + 1),
        (TERMS - 1, NARROW),
        (TERMS, 3 * NARROW),
        (TERMS + 1, 2 * NARROW),
        (2 * TERMS, 1),
        (3 * TERMS + 2, 2),
    ],
)
def test_attention_and_its_gradient(width, heads):
    random = np.random.default_rng(width)
    tokens, size = 5, 3
    operands = [np.float32(random.standard_normal((heads, width, tokens, size))) for _ in range(4)]
    hidden = np.eye(tokens, dtype=bool)
    hidden[:, -1] = True

    def both(function):
        found, pull = jax.vjp(lambda *args: function(*args, hidden), *operands[:3])
        return found, pull(jnp.asarray(operands[3]))

    for ours, expected in zip(jax.tree.leaves(both(attend)), jax.tree.leaves(both(plainly)), strict=True):
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_by_hand():
    """Two tokens answer a third: with equal keys it finds their mean, with a far larger one that one's value."""
    value = jnp.asarray([1.0, 3.0, 100.0]).reshape(1, 1, 3, 1)
    query = jnp.ones((1, 1, 3, 1))
    hidden = np.eye(3, dtype=bool)
    np.testing.assert_allclose(attend(query, 0 * query, value, hidden)[0, 0, :, 0], [51.5, 50.5, 2])
    key = jnp.asarray([0.0, 50.0, 0.0]).reshape(1, 1, 3, 1)
    np.testing.assert_allclose(attend(query, key, value, hidden)[0, 0, 2, 0], 3, rtol=1e-5)
