"""Attention of few tokens, as sums that run along the batch.

With ten tokens a sequence the usual products are thousands of matrices of ten rows, and cost a CPU several times
what their arithmetic does. Here sequences come last: every term of the sums over a head's width and over tokens is
one multiplication of long rows, in float32 whatever the precision of a run: no product for a matrix unit.

Axes: H heads, h head width, N tokens that ask, I tokens that answer (as many), B sequences.
"""

import functools
import math
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

TERMS = 8
"""Terms of a sum over a head's width that are added in one pass: with more, the rows no longer stay in the cache."""
NARROW = 4
"""Heads of one pass at a time, where their width is one such sum: their weights then stay in the cache."""


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
    def forward(query: Array, key: Array, value: Array) -> tuple[Array, Array]:
        logits = _similarities(query, key) / math.sqrt(query.shape[1])
        logits = logits + jnp.broadcast_to(mask[None, :, :, None], logits.shape)
        weights = jax.nn.softmax(logits, axis=2)
        return _weighted(weights, value), weights

    found, weights = _some_heads_at_a_time(forward, query, key, value)
    return found, (query, key, value, weights)


def _attend_backward(remembered: tuple[Array, ...], gradient: Array) -> tuple[Array | None, ...]:
    def backward(
        query: Array, key: Array, value: Array, weights: Array, gradient: Array
    ) -> tuple[Array, ...]:
        d_weights = _similarities(gradient, value)
        mean = (weights * d_weights).sum(axis=2, keepdims=True)
        d_logits = weights * (d_weights - mean) / math.sqrt(query.shape[1])
        asked = d_logits.swapaxes(1, 2)
        d_value = _weighted(weights.swapaxes(1, 2), gradient)
        return _weighted(d_logits, key), _weighted(asked, query), d_value

    return *_some_heads_at_a_time(backward, *remembered, gradient), None


_attend.defvjp(_attend_forward, _attend_backward)


def _some_heads_at_a_time(
    function: Callable[..., tuple[Array, ...]], *arrays: Float[Array, "H ..."]
) -> tuple[Float[Array, "H ..."], ...]:
    """Applies a function of several heads to all of them: of narrow ones to a few at a time."""
    heads, width = arrays[0].shape[:2]
    if width > TERMS or heads % NARROW or heads == NARROW:
        return function(*arrays)
    return _in_parts(heads // NARROW, function, *arrays)


def _in_parts(
    count: int, function: Callable[..., tuple[Array, ...]], *arrays: Float[Array, "H ..."]
) -> tuple[Float[Array, "H ..."], ...]:
    """Applies a function to equal parts of the heads, in a loop."""
    parts = [array.reshape(count, -1, *array.shape[1:]) for array in arrays]
    results = jax.lax.map(lambda part: function(*part), parts)
    return tuple(result.reshape(-1, *result.shape[2:]) for result in results)


def _similarities(left: Float[Array, "H h N B"], right: Float[Array, "H h I B"]) -> Float[Array, "H N I B"]:
    """sum_h left_n right_i."""
    heads, width = left.shape[:2]
    if 2 < width <= TERMS and heads % 2 == 0:
        # A loop, since XLA's CPU compiler otherwise makes the sum a part of the softmax, where it takes far longer. For
        # two terms the loop costs more than that.
        return _in_parts(2, lambda *part: (_sum_of_products(*part),), left, right)[0]
    first = (width - 1) % TERMS + 1
    total = _sum_of_products(left[:, :first], right[:, :first])
    if first == width:
        return total

    def block(index: Array, total: Array) -> Array:
        start = first + index * TERMS
        cut = (jax.lax.dynamic_slice_in_dim(x, start, TERMS, axis=1) for x in (left, right))
        return total + _sum_of_products(*cut)

    return jax.lax.fori_loop(0, (width - first) // TERMS, block, total)


def _sum_of_products(
    left: Float[Array, "H h N B"], right: Float[Array, "H h I B"]
) -> Float[Array, "H N I B"]:
    terms = [left[:, term, :, None] * right[:, term, None] for term in range(left.shape[1])]
    return functools.reduce(operator.add, terms)


def _weighted(weights: Float[Array, "H N I B"], value: Float[Array, "H h I B"]) -> Float[Array, "H h N B"]:
    """sum_i weights_ni value_i."""
    terms = [weights[:, None, :, token] * value[:, :, None, token] for token in range(value.shape[2])]
    return functools.reduce(operator.add, terms)
