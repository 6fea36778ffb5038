"""Products in which every example has a weight of its own module: sparse dispatch, exact whatever the counts.

Examples are gathered by module into places, `capacity` for each module, and all modules' products are one batch of
equal size. Examples that find no place wait for another round; the capacity makes one round the rule.

Axes: i inputs, o outputs, n examples, M modules, c places of a module.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from modbench.models.precision import matmul


class Dispatch(NamedTuple):
    """Which example goes where.

    Attributes:
        module: of each example.
        rank: of each example among those of its module.
        order: examples by module, in the order of their ranks.
        start: where each module's examples begin in `order`.
        count: examples of each module.
    """

    module: Int[Array, " n"]
    rank: Int[Array, " n"]
    order: Int[Array, " n"]
    start: Int[Array, " M"]
    count: Int[Array, " M"]


def dispatch(module: Int[Array, " n"], modules: int) -> Dispatch:
    """Sorts examples by module.

    Args:
        module: of each example, 0..M-1.
        modules: M.
    """
    order = jnp.argsort(module, stable=True)
    count = jax.nn.one_hot(module, modules, axis=0, dtype=jnp.int32).sum(axis=1)
    start = jnp.cumsum(count) - count
    return Dispatch(module, jnp.argsort(order) - start[module], order, start, count)


def capacity(examples: int, modules: int) -> int:
    """Places of a module: four standard deviations above the mean of uniform rules, a multiple of eight."""
    mean = examples / modules
    enough = math.ceil((mean + 4 * math.sqrt(mean * (1 - 1 / modules))) / 8) * 8
    return min(examples, enough)


def grouped_product(
    x: Float[Array, "i n"], weight: Float[Array, "M i o"], plan: Dispatch
) -> Float[Array, "o n"]:
    """y[:, n] = x[:, n] weight[module n], and its gradient, without a product for any other module."""
    return _grouped(x, weight, plan)  # pyright: ignore[reportReturnType]


@jax.custom_vjp
def _grouped(x: Array, weight: Array, plan: Dispatch) -> Array:
    return multiply(x, weight, plan)


def _grouped_forward(x: Array, weight: Array, plan: Dispatch) -> tuple[Array, tuple]:
    return multiply(x, weight, plan), (x, weight, plan)


def _grouped_backward(operands: tuple, gradient: Array) -> tuple[Array, Array, None]:
    x, weight, plan = operands
    return *multiply_back(x, weight, plan, gradient), None


_grouped.defvjp(_grouped_forward, _grouped_backward)


def multiply(x: Float[Array, "i n"], weight: Float[Array, "M i o"], plan: Dispatch) -> Float[Array, "o n"]:
    """The product alone."""
    places = capacity(x.shape[1], weight.shape[0])

    def one(index: Array, y: Array) -> Array:
        return _returned(matmul(weight.mT, _gathered(x, plan, index, places)), plan, index, y)

    return _rounds(plan, places, one, jnp.zeros((weight.shape[2], x.shape[1]), x.dtype))


def multiply_back(
    x: Float[Array, "i n"], weight: Float[Array, "M i o"], plan: Dispatch, gradient: Float[Array, "o n"]
) -> tuple[Float[Array, "i n"], Float[Array, "M i o"]]:
    """The gradients of the product with respect to x and weight."""
    places = capacity(x.shape[1], weight.shape[0])

    def one(index: Array, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
        d_x, d_weight = so_far
        d_y = _gathered(gradient, plan, index, places)
        d_weight = d_weight + matmul(_gathered(x, plan, index, places), d_y.mT)
        return _returned(matmul(weight, d_y), plan, index, d_x), d_weight

    return _rounds(plan, places, one, (jnp.zeros_like(x), jnp.zeros_like(weight)))


def _rounds(plan: Dispatch, places: int, one: Callable[[Array, Any], Any], start: Any) -> Any:
    """As many rounds as the fullest module needs; the first is unconditional, so that it is no loop."""
    needed = -(-plan.count.max() // places)
    return jax.lax.fori_loop(1, needed, one, one(jnp.int32(0), start))


def _gathered(x: Float[Array, "i n"], plan: Dispatch, index: Array, places: int) -> Float[Array, "M i c"]:
    """The examples that a round has in its places; zeros in places that stay empty."""
    rank = index * places + jnp.arange(places)[None, :]
    at = jnp.minimum(plan.start[:, None] + rank, plan.order.shape[0] - 1)
    taken = jnp.where(rank < plan.count[:, None], plan.order[at], x.shape[1])
    return x.at[:, taken].get(mode="fill", fill_value=0).swapaxes(0, 1)


def _returned(
    y: Float[Array, "M o c"], plan: Dispatch, index: Array, others: Float[Array, "o n"]
) -> Float[Array, "o n"]:
    """A round's results at its examples, `others` elsewhere."""
    modules, outputs, places = y.shape
    place = plan.rank - index * places
    mine = (place >= 0) & (place < places)
    columns = y.swapaxes(0, 1).reshape(outputs, modules * places)
    found = columns[:, plan.module * places + jnp.clip(place, 0, places - 1)]
    return jnp.where(jnp.broadcast_to(mine, others.shape), found, others)
