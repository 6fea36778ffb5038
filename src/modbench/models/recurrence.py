"""A recurrence whose gradient does its large products once, outside the loop over time.

Differentiating a plain scan adds up the recurrent weight's gradient inside the loop, one small product and one
pass over the whole weight a step. Here the backward loop keeps only what depends on time, the state's gradient;
the weight's gradient is one product over all steps. Each step's cheap part is computed again from its inputs
rather than stored.

Axes: T steps, B examples, h state width, k width of the recurrent product.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

Step = Callable[..., tuple[Float[Array, "B h"], Float[Array, "B h"], Any]]
"""(params, learned, given, recurrent, cell) -> (hidden, cell, seen): one step, without the recurrent product.

`learned` and `given` are the step's slices of what carries gradients and of what does not.
"""


def recur(
    step: Step,
    params: PyTree,
    weight: Float[Array, "h k"],
    learned: PyTree[Float[Array, "T ..."]],
    given: PyTree[Array],
) -> tuple[Float[Array, "T B h"], Any]:
    """Runs a recurrence from a zero state.

    Args:
        step: see `Step`.
        params: parameters that every step uses, without large products.
        weight: recurrent weight; each step gets `hidden @ weight` of the hidden state before it.
        learned: per-step inputs that gradients flow into.
        given: per-step inputs that are data.

    Returns:
        The hidden state after every step, and what `step` saw, stacked.
    """
    return _recur(step, params, weight, learned, given)  # pyright: ignore[reportReturnType]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recur(step: Step, params: PyTree, weight: Array, learned: PyTree, given: PyTree) -> tuple:
    hidden, seen, _ = _forward(step, params, weight, learned, given)
    return hidden, seen


def _forward(step: Step, params: PyTree, weight: Array, learned: PyTree, given: PyTree) -> tuple:
    batch = jax.tree.leaves(learned)[0].shape[1]
    start = jnp.zeros((batch, weight.shape[0]), weight.dtype)

    def forward(state: tuple, now: tuple) -> tuple[tuple, tuple]:
        hidden, cell = state
        recurrent = hidden @ weight
        hidden, new_cell, seen = step(params, *now, recurrent, cell)
        return (hidden, new_cell), (hidden, seen, (recurrent, cell))

    _, outputs = jax.lax.scan(forward, (start, start), (learned, given))
    return outputs


def _remember(step: Step, params: PyTree, weight: Array, learned: PyTree, given: PyTree) -> tuple:
    hidden, seen, before = _forward(step, params, weight, learned, given)
    return (hidden, seen), (params, weight, learned, given, hidden, before)


def _backward(step: Step, remembered: tuple, gradients: tuple) -> tuple:
    params, weight, learned, given, hidden, (recurrent, cell) = remembered

    def backward(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
        d_hidden, d_cell, d_params = carry
        learned, given, recurrent, cell, (d_output, d_seen) = now
        _, pull = jax.vjp(lambda p, x, r, c: step(p, x, given, r, c), params, learned, recurrent, cell)
        d_step, d_learned, d_recurrent, d_cell = pull((d_hidden + d_output, d_cell, d_seen))
        d_params = jax.tree.map(jnp.add, d_params, d_step)
        return (d_recurrent @ weight.T, d_cell, d_params), (d_learned, d_recurrent)

    zero = jnp.zeros_like(hidden[0])
    start = (zero, zero, jax.tree.map(jnp.zeros_like, params))
    steps = (learned, given, recurrent, cell, gradients)
    (_, _, d_params), (d_learned, d_recurrent) = jax.lax.scan(backward, start, steps, reverse=True)
    # The first step starts from zero, so its product adds nothing to the weight's gradient.
    width, product = weight.shape
    d_weight = hidden[:-1].reshape(-1, width).T @ d_recurrent[1:].reshape(-1, product)
    return d_params, d_weight, d_learned, jax.tree.map(_no_gradient, given)


def _no_gradient(leaf: Array) -> Array | np.ndarray:
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        return jnp.zeros_like(leaf)
    return np.zeros(leaf.shape, jax.dtypes.float0)


_recur.defvjp(_remember, _backward)
