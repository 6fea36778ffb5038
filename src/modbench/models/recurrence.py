"""A recurrence whose gradient is written by hand: few large products, no pass over memory that can be spared.

Features lead and examples come last, so that every elementwise loop runs along the batch, whatever the widths of
modules are. Input and hidden state go through one product a step. The backward loop adds up the weights' gradient
while a step's gradient is still in the cache, instead of keeping all steps' for one product at the end; each step's
cheap part is computed again from its products rather than stored.

Axes: T steps, B examples, e input width, h state width, k width of the products.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from modbench.models.grouped import Dispatch, multiply, multiply_back
from modbench.models.precision import matmul
from modbench.models.products import turned

Step = Callable[..., tuple[Float[Array, "h B"], Float[Array, "h B"], Any]]
"""(params, drives, cell, learned, given) -> (hidden, cell, seen): one step, without its products.

`drives` holds the sum of the products of input and hidden state, (k, B), or, where they are wanted apart, both.
`learned` and `given` are the step's slices of what carries gradients and of what does not.
"""


class Weights(NamedTuple):
    """The weights of the two products of a step; with a leading axis of modules where each example has its own."""

    from_input: Float[Array, "*M e k"]
    from_hidden: Float[Array, "*M h k"]


def recur(
    step: Step,
    params: PyTree,
    weights: Weights,
    inputs: Float[Array, "T e B"],
    learned: PyTree[Float[Array, "T ..."]] = None,
    given: PyTree[Array] = None,
    plan: Dispatch | None = None,
    apart: bool = False,
) -> tuple[Float[Array, "T h B"], Any]:
    """Runs a recurrence from a zero state.

    Args:
        step: see `Step`.
        params: parameters that every step uses, without large products.
        weights: of the products of each step's input and of the hidden state before it.
        inputs: of the steps.
        learned: per-step inputs that gradients flow into, beside `inputs`.
        given: per-step inputs that are data.
        plan: of each step, for weights with an axis of modules: which module's are an example's.
        apart: whether the step wants the two products, not their sum.

    Returns:
        The hidden state after every step, and what `step` saw, stacked.
    """
    return _recur(step, apart, params, weights, inputs, learned, given, plan)  # pyright: ignore[reportReturnType]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(step: Step, apart: bool, *arguments: PyTree) -> tuple:
    hidden, seen, _ = _forward(step, apart, *arguments)
    return hidden, seen


def _sides(apart: bool, from_input: Array, from_hidden: Array) -> tuple[Array, ...]:
    """What the products of a step have on one side: one pair to multiply, or two."""
    return (from_input, from_hidden) if apart else (jnp.concatenate([from_input, from_hidden], axis=-2),)


def _product(factor: Array, side: Array, plan: Dispatch | None) -> Array:
    """The product of a turned factor, and its side."""
    return matmul(factor, side) if plan is None else multiply(side, factor.mT, plan)


def _product_back(factor: Array, side: Array, plan: Dispatch | None, gradient: Array) -> tuple[Array, Array]:
    """The gradients of a product with respect to its side and its factor."""
    if plan is None:
        return matmul(factor, gradient), matmul(side, gradient.T)
    return multiply_back(side, factor, plan, gradient)


def _forward(
    step: Step,
    apart: bool,
    params: PyTree,
    weights: Weights,
    inputs: Array,
    learned: PyTree,
    given: PyTree,
    plan: Dispatch | None,
) -> tuple:
    factors = tuple(turned(factor) for factor in _sides(apart, *weights))
    start = jnp.zeros((weights.from_hidden.shape[-2], inputs.shape[-1]), inputs.dtype)

    def forward(state: tuple, now: tuple) -> tuple[tuple, tuple]:
        hidden, cell = state
        x, learned, given, plan = now
        sides = _sides(apart, x, hidden)
        drives = tuple(_product(w, side, plan) for w, side in zip(factors, sides, strict=True))
        hidden, new_cell, seen = step(params, drives, cell, learned, given)
        return (hidden, new_cell), (hidden, seen, (drives, cell))

    _, outputs = jax.lax.scan(forward, (start, start), (inputs, learned, given, plan))
    return outputs


def _remember(step: Step, apart: bool, *arguments: PyTree) -> tuple:
    hidden, seen, before = _forward(step, apart, *arguments)
    return (hidden, seen), (*arguments, hidden, before)


def _backward(step: Step, apart: bool, remembered: tuple, gradients: tuple) -> tuple:
    params, weights, inputs, learned, given, plan, hidden, (drives, cell) = remembered
    factors, width = _sides(apart, *weights), inputs.shape[1]

    def backward(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
        d_hidden, d_cell, d_params, d_factors = carry
        x, before, learned, given, plan, drives, cell, (d_output, d_seen) = now
        _, pull = jax.vjp(lambda p, d, c, n: step(p, d, c, n, given), params, drives, cell, learned)
        d_step, d_drives, d_cell, d_learned = pull((d_hidden + d_output, d_cell, d_seen))
        d_params = jax.tree.map(jnp.add, d_params, d_step)
        sides = _sides(apart, x, before)
        pairs = [_product_back(*each) for each in zip(factors, sides, [plan] * 2, d_drives, strict=False)]
        d_factors = tuple(total + d for total, (_, d) in zip(d_factors, pairs, strict=True))
        back = jnp.concatenate([d for d, _ in pairs])
        return (back[width:], d_cell, d_params, d_factors), (back[:width], d_learned)

    zero = jnp.zeros_like(hidden[0])
    start = (zero, zero, jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, factors))
    before = jnp.concatenate([zero[None], hidden[:-1]])
    steps = (inputs, before, learned, given, plan, drives, cell, gradients)
    (_, _, d_params, d_factors), (d_inputs, d_learned) = jax.lax.scan(backward, start, steps, reverse=True)
    together = jnp.concatenate(d_factors, axis=-2)
    d_weights = Weights(together[..., :width, :], together[..., width:, :])
    d_data = jax.tree.map(_no_gradient, (given, plan))
    return d_params, d_weights, d_inputs, d_learned, *d_data


def _no_gradient(leaf: Array) -> Array | np.ndarray:
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        return jnp.zeros_like(leaf)
    return np.zeros(leaf.shape, jax.dtypes.float0)


_recur.defvjp(_remember, _backward)
