"""Matrix products of layers, with gradients that read their operands as they lie in memory.

Axes: i inputs, o outputs, M modules; the others are arbitrary.
"""

import functools
import operator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from modbench.models.precision import matmul


@jax.custom_vjp
def product(x: Float[Array, "... i"], weight: Float[Array, "i o"]) -> Float[Array, "... o"]:
    """The product x @ weight, with a gradient that reads its operands as they lie in memory.

    JAX's own gets the weight's gradient as the transpose of a product, for which XLA's CPU compiler first copies
    the output's gradient, transposed: measured up to twenty times slower than the product itself.
    """
    return matmul(x, weight)


def _product_forward(x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(x, weight), (x, weight)


def _product_backward(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, weight = operands
    inputs, outputs = weight.shape
    x, flat = x.reshape(-1, inputs), gradient.reshape(-1, outputs)
    # Of the two orders of the weight's gradient XLA's CPU products are up to three times faster in the one with
    # fewer rows than columns. The barrier keeps XLA from turning it round again.
    if inputs > outputs:
        return matmul(gradient, weight.T), jax.lax.optimization_barrier(matmul(flat.T, x)).T
    return matmul(gradient, weight.T), matmul(x.T, flat)


product.defvjp(_product_forward, _product_backward)


def leading_product(x: Float[Array, "i ..."], weight: Float[Array, "i o"]) -> Float[Array, "o ..."]:
    """The product over the leading axis: y[o, ...] = sum_i x[i, ...] weight[i, o]."""
    return columns_product(x.reshape(x.shape[0], -1), weight).reshape(-1, *x.shape[1:])


def turned(weight: Float[Array, "*M i o"]) -> Float[Array, "*M o i"]:
    """The weight with outputs first, laid out anew: XLA's CPU products read it up to 1.4 times faster that way.

    The barrier keeps XLA from leaving the turning to the product.
    """
    return jax.lax.optimization_barrier(weight.mT)


@jax.custom_vjp
def columns_product(x: Float[Array, "*M i n"], weight: Float[Array, "*M i o"]) -> Float[Array, "*M o n"]:
    """One product of columns, or one for each module; gradients read their operands as they lie, like `product`."""
    return matmul(turned(weight), x)


def _columns_forward(x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return columns_product(x, weight), (x, weight)


def _columns_backward(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, weight = operands
    return matmul(weight, gradient), matmul(x, gradient.mT)


columns_product.defvjp(_columns_forward, _columns_backward)


@jax.custom_vjp
def weighed_sums(x: Float[Array, "M i n"], weight: Float[Array, "M i"]) -> Float[Array, "M n"]:
    """Each module's weighted sum of its rows, in float32; gradients read their operands as they lie, like `product`."""
    return jnp.einsum("min,mi->mn", x, weight, precision="float32")


def _sums_forward(x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return weighed_sums(x, weight), (x, weight)


def _sums_backward(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, weight = operands
    return weight[:, :, None] * gradient[:, None], jnp.einsum("min,mn->mi", x, gradient, precision="float32")


weighed_sums.defvjp(_sums_forward, _sums_backward)


@jax.custom_vjp
def chained(first: Float[Array, "... i b"], second: Float[Array, "b o"]) -> Float[Array, "... i o"]:
    """The weight of two maps in a row; gradients read their operands as they lie, like `product`."""
    return matmul(first, second)


def _chained_forward(first: Array, second: Array) -> tuple[Array, tuple[Array, Array]]:
    return chained(first, second), (first, second)


def _chained_backward(weights: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    first, second = weights
    between, outputs = second.shape
    flat = first.reshape(-1, between)
    return matmul(gradient, second.T), matmul(turned(flat), gradient.reshape(-1, outputs))


chained.defvjp(_chained_forward, _chained_backward)


def add_modules(x: Float[Array, "M ..."]) -> Float[Array, "..."]:
    """The sum over modules, term by term: XLA's CPU compiler takes several times longer for one over a leading axis."""
    return functools.reduce(operator.add, (x[m] for m in range(x.shape[0])))
