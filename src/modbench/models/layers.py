"""Linear maps, one or one per module, all starting as U(+-1/sqrt(fan_in)) for weights and biases.

Parameters are drawn on the host by NumPy: equal on every device, and nothing to compile.

Bodies keep features on the leading axes and examples on the last one: elementwise loops then run along the batch,
however narrow a module is. The methods named `leading` are made for that; routers, which people write, see features
last, as is usual.

Axes: i inputs, o outputs, M modules; the others are arbitrary.
"""

import functools
import math
import operator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from modbench.models.grouped import Dispatch, grouped_product
from modbench.models.precision import matmul


def uniform(random: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Draws from U(+-1/sqrt(fan_in)), in single precision, on the host."""
    bound = np.float32(1 / math.sqrt(fan_in))
    return bound * (2 * random.random(shape, np.float32) - 1)  # pyright: ignore[reportReturnType]


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
    return _columns(x.reshape(x.shape[0], -1), weight).reshape(-1, *x.shape[1:])


def turned(weight: Float[Array, "*M i o"]) -> Float[Array, "*M o i"]:
    """The weight with outputs first, laid out anew: XLA's CPU products read it up to 1.4 times faster that way.

    The barrier keeps XLA from leaving the turning to the product.
    """
    return jax.lax.optimization_barrier(weight.mT)


@jax.custom_vjp
def _columns(x: Float[Array, "*M i n"], weight: Float[Array, "*M i o"]) -> Float[Array, "*M o n"]:
    """One product of columns, or one for each module; gradients read their operands as they lie, like `product`."""
    return matmul(turned(weight), x)


def _columns_forward(x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return _columns(x, weight), (x, weight)


def _columns_backward(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, weight = operands
    return matmul(weight, gradient), matmul(x, gradient.mT)


_columns.defvjp(_columns_forward, _columns_backward)


def add_modules(x: Float[Array, "M ..."]) -> Float[Array, "..."]:
    """The sum over modules, term by term: XLA's CPU compiler takes several times longer for one over a leading axis."""
    return functools.reduce(operator.add, (x[m] for m in range(x.shape[0])))


def add_leading_bias(x: Float[Array, "o ..."], bias: Float[Array, " o"] | None) -> Float[Array, "o ..."]:
    """Adds a bias to the leading axes that it has."""
    if bias is None:
        return x
    return x + jnp.broadcast_to(bias.reshape(*bias.shape, *[1] * (x.ndim - bias.ndim)), x.shape)


def add_bias(x: Float[Array, "... o"], bias: Float[Array, " o"] | None) -> Float[Array, "... o"]:
    """Adds a bias to the trailing axes that it has."""
    return x if bias is None else x + jnp.broadcast_to(bias, x.shape)


class Linear(eqx.Module):
    """y = x W + b."""

    weight: Float[Array, "i o"]
    bias: Float[Array, " o"] | None

    @classmethod
    def create(cls, random: np.random.Generator, inputs: int, outputs: int, bias: bool = True) -> "Linear":
        """Draws a layer."""
        return cls(
            uniform(random, (inputs, outputs), inputs),
            uniform(random, (outputs,), inputs) if bias else None,
        )

    def __call__(self, x: Float[Array, "... i"]) -> Float[Array, "... o"]:
        """Applies the map to the last axis."""
        return add_bias(product(x, self.weight), self.bias)

    def leading(self, x: Float[Array, "i ..."]) -> Float[Array, "o ..."]:
        """Applies the map to the first axis."""
        return add_leading_bias(leading_product(x, self.weight), self.bias)


class TwoLayer(eqx.Module):
    """Linear, ReLU, Linear."""

    first: Linear
    second: Linear

    @classmethod
    def create(
        cls, random: np.random.Generator, inputs: int, hidden: int, outputs: int, bias: bool = True
    ) -> "TwoLayer":
        """Draws both layers."""
        return cls(Linear.create(random, inputs, hidden, bias), Linear.create(random, hidden, outputs, bias))

    def __call__(self, x: Float[Array, "... i"]) -> Float[Array, "... o"]:
        """Applies both maps to the last axis."""
        return self.second(jax.nn.relu(self.first(x)))

    def leading(self, x: Float[Array, "i ..."]) -> Float[Array, "o ..."]:
        """Applies both maps to the first axis."""
        return self.second.leading(jax.nn.relu(self.first.leading(x)))

    def turning(self, x: Float[Array, "B N i"]) -> Float[Array, "o N B"]:
        """Applies both maps to the last axis, which becomes the first; cheaper than turning a wide input first."""
        return self.second.leading(jax.nn.relu(self.first(x)).T)


class FanOut(eqx.Module):
    """One linear map per module, all reading the same input, as one product."""

    weight: Float[Array, "i M o"]
    bias: Float[Array, "M o"] | None

    @classmethod
    def create(
        cls, random: np.random.Generator, inputs: int, modules: int, outputs: int, bias: bool = True
    ) -> "FanOut":
        """Draws the maps."""
        return cls(
            uniform(random, (inputs, modules, outputs), inputs),
            uniform(random, (modules, outputs), inputs) if bias else None,
        )

    def leading(self, x: Float[Array, "i ..."]) -> Float[Array, "M o ..."]:
        """Applies every module's map to the shared first axis."""
        inputs, modules, outputs = self.weight.shape
        y = leading_product(x, self.weight.reshape(inputs, modules * outputs))
        return add_leading_bias(y.reshape(modules, outputs, *x.shape[1:]), self.bias)

    def of_own_module(self, x: Float[Array, "i n"], plan: Dispatch) -> Float[Array, "o n"]:
        """Applies to each example the map of its own module."""
        return _of_own_module(x, self.weight.swapaxes(0, 1), self.bias, plan)


class PerModule(eqx.Module):
    """One linear map per module, each reading its own input."""

    weight: Float[Array, "M i o"]
    bias: Float[Array, "M o"] | None

    @classmethod
    def create(
        cls, random: np.random.Generator, modules: int, inputs: int, outputs: int, bias: bool = True
    ) -> "PerModule":
        """Draws the maps."""
        return cls(
            uniform(random, (modules, inputs, outputs), inputs),
            uniform(random, (modules, outputs), inputs) if bias else None,
        )

    def __call__(self, x: Float[Array, "... M i"]) -> Float[Array, "... M o"]:
        """Applies each module's map to its own input."""
        y = self.leading(jnp.moveaxis(x, (-2, -1), (0, 1)))
        return jnp.moveaxis(y, (0, 1), (-2, -1))

    def leading(self, x: Float[Array, "M i ..."]) -> Float[Array, "M o ..."]:
        """Applies each module's map to its own input."""
        y = _columns(x.reshape(*x.shape[:2], -1), self.weight)
        return add_leading_bias(y.reshape(*y.shape[:2], *x.shape[2:]), self.bias)

    def of_own_module(self, x: Float[Array, "i n"], plan: Dispatch) -> Float[Array, "o n"]:
        """Applies to each example the map of its own module."""
        return _of_own_module(x, self.weight, self.bias, plan)

    def mix(self, x: Float[Array, "M i ..."], gates: Float[Array, "M ..."]) -> Float[Array, "o ..."]:
        """The gate-weighted sum of the modules' outputs, sum_m p_m (x_m W_m + b_m).

        Computed as one product of the gated inputs side by side: no module's output is ever stored.
        """
        modules, inputs, outputs = self.weight.shape
        gated = (x * gates[:, None]).reshape(modules * inputs, *x.shape[2:])
        mixed = leading_product(gated, self.weight.reshape(modules * inputs, outputs))
        return mixed if self.bias is None else mixed + leading_product(gates, self.bias)


def _of_own_module(
    x: Float[Array, "i n"], weight: Float[Array, "M i o"], bias: Float[Array, "M o"] | None, plan: Dispatch
) -> Float[Array, "o n"]:
    y = grouped_product(x, weight, plan)
    # The bias by a product with the one-hot code, whose gradient is one too; that of picking would be a scatter.
    return (
        y if bias is None else y + leading_product(jax.nn.one_hot(plan.module, bias.shape[0], axis=0), bias)
    )
