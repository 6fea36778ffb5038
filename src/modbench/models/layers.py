"""Linear maps, one or one per module, all starting as U(+-1/sqrt(fan_in)) for weights and biases.

Parameters are drawn on the host by NumPy: equal on every device, and nothing to compile.

Bodies keep features on the leading axes and examples on the last one: elementwise loops then run along the batch,
however narrow a module is. The methods named `leading` are made for that; routers, which people write, see features
last, as is usual.

Axes: i inputs, o outputs, M modules; the others are arbitrary.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from modbench.models.grouped import Dispatch, grouped_product
from modbench.models.products import chained, columns_product, leading_product, product

AnyMap = TypeVar("AnyMap", "Linear", "PerModule")


def uniform(random: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Draws from U(+-1/sqrt(fan_in)), in single precision, on the host."""
    bound = np.float32(1 / math.sqrt(fan_in))
    return bound * (2 * random.random(shape, np.float32) - 1)  # pyright: ignore[reportReturnType]


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

    def after(self, before: "Linear") -> "Linear":
        """This map on what another makes, as one: (x V + c) W + b."""
        assert before.bias is not None
        return Linear(
            chained(before.weight, self.weight), add_bias(chained(before.bias, self.weight), self.bias)
        )

    def on_code(self, table: Float[Array, "R e"]) -> "Linear":
        """The same map where the last e inputs are one of R rows of a table: on the row's one-hot code instead.

        What an example sees of the table, and the bias, is then worked out once a row.
        """
        others, last = jnp.split(self.weight, [self.weight.shape[0] - table.shape[1]])
        return Linear(jnp.concatenate([others, add_bias(chained(table, last), self.bias)]), None)


def saves_work(inputs: int, between: int, outputs: int, examples: int, maps: int = 1) -> bool:
    """Whether two linear maps take fewer multiplications as one, putting them together counted.

    Args:
        inputs: of the first map, as an example uses it.
        between: outputs of the first and inputs of the second.
        outputs: of the second.
        examples: that pass them.
        maps: first maps there are, of which an example passes one.
    """
    together = maps * inputs * between * outputs + examples * inputs * outputs
    return together < examples * between * (inputs + outputs)


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
        return self.second.leading(self.turned_hidden(x))

    def turned_hidden(self, x: Float[Array, "B N i"]) -> Float[Array, "h N B"]:
        """The hidden units of `turning`."""
        return jax.nn.relu(self.first(x)).T

    def joined(
        self, before: AnyMap, inputs: int, examples: int, maps: int = 1
    ) -> tuple[AnyMap, Callable[[Float[Array, "... n"]], Float[Array, "o ..."]]]:
        """A map whose outputs, or a weighted sum of them, these layers read; the first is put in if it saves work.

        Args:
            before: the map, of features that lead; of every module one, perhaps.
            inputs: of the map, as an example uses it.
            examples: that pass it.
            maps: there are, of which an example passes one.

        Returns:
            The map, and what makes this module's outputs of its own.
        """
        between, outputs = self.first.weight.shape
        if not saves_work(inputs, between, outputs, examples, maps):
            return before, self.leading
        bias = None if before.bias is None else chained(before.bias, self.first.weight)
        together = type(before)(chained(before.weight, self.first.weight), bias)
        return together, lambda x: self.second.leading(jax.nn.relu(add_leading_bias(x, self.first.bias)))


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
        y = self._together().leading(x)
        return y.reshape(*self.weight.shape[1:], *x.shape[1:])

    def of_own_module(self, x: Float[Array, "i n"], plan: Dispatch) -> Float[Array, "o n"]:
        """Applies to each example the map of its own module."""
        return _of_own_module(x, self.weight.swapaxes(0, 1), self.bias, plan)

    def after(self, before: Linear) -> "FanOut":
        """See `Linear.after`."""
        return self._apart(self._together().after(before))

    def on_code(self, table: Float[Array, "R e"]) -> "FanOut":
        """See `Linear.on_code`."""
        return self._apart(self._together().on_code(table))

    def _together(self) -> Linear:
        bias = None if self.bias is None else self.bias.reshape(-1)
        return Linear(self.weight.reshape(self.weight.shape[0], -1), bias)

    def _apart(self, together: Linear) -> "FanOut":
        bias = None if together.bias is None else together.bias.reshape(self.weight.shape[1:])
        return FanOut(together.weight.reshape(-1, *self.weight.shape[1:]), bias)


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
        y = columns_product(x.reshape(*x.shape[:2], -1), self.weight)
        return add_leading_bias(y.reshape(*y.shape[:2], *x.shape[2:]), self.bias)

    def of_own_module(self, x: Float[Array, "i n"], plan: Dispatch) -> Float[Array, "o n"]:
        """Applies to each example the map of its own module."""
        return _of_own_module(x, self.weight, self.bias, plan)

    def mix(self, x: Float[Array, "M i ..."], gates: Float[Array, "M ..."]) -> Float[Array, "o ..."]:
        """The gate-weighted sum of the modules' outputs, sum_m p_m (x_m W_m + b_m).

        Computed as one product of the gated inputs side by side: no module's output is ever stored.
        """
        modules, inputs, outputs = self.weight.shape
        # Examples flat, as the products have them: what is read in two shapes is made twice by XLA's CPU compiler.
        columns, weights = x.reshape(modules, inputs, -1), gates.reshape(modules, -1)
        gated = (columns * weights[:, None]).reshape(modules * inputs, -1)
        mixed = leading_product(gated, self.weight.reshape(modules * inputs, outputs))
        if self.bias is not None:
            mixed = mixed + leading_product(weights, self.bias)
        return mixed.reshape(outputs, *x.shape[2:])


def _of_own_module(
    x: Float[Array, "i n"], weight: Float[Array, "M i o"], bias: Float[Array, "M o"] | None, plan: Dispatch
) -> Float[Array, "o n"]:
    y = grouped_product(x, weight, plan)
    # The bias by a product with the one-hot code, whose gradient is one too; that of picking would be a scatter.
    return (
        y if bias is None else y + leading_product(jax.nn.one_hot(plan.module, bias.shape[0], axis=0), bias)
    )
