"""Attention of few tokens, as sums that run along the batch.

With ten tokens a sequence the usual products are thousands of matrices of ten rows, and cost a CPU several times
what their arithmetic does. Here sequences come last: every term of the sums over a head's width and over tokens is
one multiplication of long rows, in float32 whatever the precision of a run: no product for a matrix unit.

Axes: H heads, h head width, N tokens that ask, I tokens that answer (as many), B sequences.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

TERMS = 8
"""Terms of a sum over a head's width that are added in one pass: with more, the rows no longer stay in the cache."""


def attend(
    query: Float[Array, "H h N B"],
    key: Float[Array, "H h N B"],
    value: Float[Array, "H h N B"],
    hidden: Bool[Array, "N I"],
) -> Float[Array, "H h N B"]:
    """What each token finds: sum_i softmax_i(query_n . key_i / sqrt(h)) value_i.

    Args:
        query: of the token that asks.
        key: of the token that answers.
        value: of the token that answers.
        hidden: hidden[n, i] where token n does not see token i; every token sees one.
    """
    return _attend(query, key, value, jnp.where(hidden, -jnp.inf, 0.0))


@jax.custom_vjp
def _attend(query: Array, key: Array, value: Array, mask: Array) -> Array:
    return _attend_forward(query, key, value, mask)[0]


def _attend_forward(query: Array, key: Array, value: Array, mask: Array) -> tuple[Array, tuple[Array, ...]]:
    logits = _similarities(query, key) / math.sqrt(query.shape[1])
    logits = logits + jnp.broadcast_to(mask[None, :, :, None], logits.shape)
    weights = jax.nn.softmax(logits, axis=2)
    return _weighted(weights, value), (query, key, value, weights)


def _attend_backward(remembered: tuple[Array, ...], gradient: Array) -> tuple[Array, Array, Array, None]:
    query, key, value, weights = remembered
    d_weights = _similarities(gradient, value)
    mean = (weights * d_weights).sum(axis=2, keepdims=True)
    d_logits = weights * (d_weights - mean) / math.sqrt(query.shape[1])
    asked = d_logits.swapaxes(1, 2)
    d_value = _weighted(weights.swapaxes(1, 2), gradient)
    return _weighted(d_logits, key), _weighted(asked, query), d_value, None


_attend.defvjp(_attend_forward, _attend_backward)


def _similarities(left: Float[Array, "H h N B"], right: Float[Array, "H h I B"]) -> Float[Array, "H N I B"]:
    """sum_h left_n right_i."""
    width = left.shape[1]

    def add(total: Array | float, left: Array, right: Array) -> Array:
        for term in range(left.shape[1]):
            total = total + left[:, term, :, None] * right[:, term, None]
        return total  # pyright: ignore[reportReturnType]

    blocks, rest = divmod(width, TERMS)
    total = add(0.0, left[:, :rest], right[:, :rest]) if rest else None
    if not blocks:
        assert total is not None
        return total
    if total is None:
        heads, _, tokens, size = left.shape
        total = jnp.zeros((heads, tokens, tokens, size), left.dtype)

    def block(index: Array, total: Array) -> Array:
        start = rest + index * TERMS
        cut = (jax.lax.dynamic_slice_in_dim(x, start, TERMS, axis=1) for x in (left, right))
        return add(total, *cut)

    return jax.lax.fori_loop(0, blocks, block, total)


def _weighted(weights: Float[Array, "H N I B"], value: Float[Array, "H h I B"]) -> Float[Array, "H h N B"]:
    """sum_i weights_ni value_i."""
    total = 0.0
    for token in range(value.shape[2]):
        total = total + weights[:, None, :, token] * value[:, :, None, token]
    return total  # pyright: ignore[reportReturnType]
