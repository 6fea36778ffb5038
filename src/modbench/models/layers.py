"""Linear maps, one or one per module, all starting as U(+-1/sqrt(fan_in)) for weights and biases.

Axes: i inputs, o outputs, M modules; leading axes are arbitrary.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def uniform(key: Key[Array, ""], shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Draws from U(+-1/sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def add_bias(x: Float[Array, "... o"], bias: Float[Array, " o"] | None) -> Float[Array, "... o"]:
    """Adds a bias to the trailing axes that it has."""
    return x if bias is None else x + jnp.broadcast_to(bias, x.shape)


class Linear(eqx.Module):
    """y = x W + b."""

    weight: Float[Array, "i o"]
    bias: Float[Array, " o"] | None

    @classmethod
    def create(cls, key: Key[Array, ""], inputs: int, outputs: int, bias: bool = True) -> "Linear":
        """Draws a layer."""
        key_weight, key_bias = jax.random.split(key)
        return cls(
            uniform(key_weight, (inputs, outputs), inputs),
            uniform(key_bias, (outputs,), inputs) if bias else None,
        )

    def __call__(self, x: Float[Array, "... i"]) -> Float[Array, "... o"]:
        """Applies the map to the last axis."""
        return add_bias(x @ self.weight, self.bias)


class TwoLayer(eqx.Module):
    """Linear, ReLU, Linear."""

    first: Linear
    second: Linear

    @classmethod
    def create(
        cls, key: Key[Array, ""], inputs: int, hidden: int, outputs: int, bias: bool = True
    ) -> "TwoLayer":
        """Draws both layers."""
        key_first, key_second = jax.random.split(key)
        return cls(
            Linear.create(key_first, inputs, hidden, bias), Linear.create(key_second, hidden, outputs, bias)
        )

    def __call__(self, x: Float[Array, "... i"]) -> Float[Array, "... o"]:
        """Applies both maps to the last axis."""
        return self.second(jax.nn.relu(self.first(x)))


class FanOut(eqx.Module):
    """One linear map per module, all reading the same input, as one product."""

    weight: Float[Array, "i M o"]
    bias: Float[Array, "M o"] | None

    @classmethod
    def create(
        cls, key: Key[Array, ""], inputs: int, modules: int, outputs: int, bias: bool = True
    ) -> "FanOut":
        """Draws the maps."""
        key_weight, key_bias = jax.random.split(key)
        return cls(
            uniform(key_weight, (inputs, modules, outputs), inputs),
            uniform(key_bias, (modules, outputs), inputs) if bias else None,
        )

    def __call__(self, x: Float[Array, "... i"]) -> Float[Array, "... M o"]:
        """Applies every module's map to the shared last axis."""
        inputs, modules, outputs = self.weight.shape
        y = x @ self.weight.reshape(inputs, modules * outputs)
        return add_bias(y.reshape(*x.shape[:-1], modules, outputs), self.bias)


class PerModule(eqx.Module):
    """One linear map per module, each reading its own input."""

    weight: Float[Array, "M i o"]
    bias: Float[Array, "M o"] | None

    @classmethod
    def create(
        cls, key: Key[Array, ""], modules: int, inputs: int, outputs: int, bias: bool = True
    ) -> "PerModule":
        """Draws the maps."""
        key_weight, key_bias = jax.random.split(key)
        return cls(
            uniform(key_weight, (modules, inputs, outputs), inputs),
            uniform(key_bias, (modules, outputs), inputs) if bias else None,
        )

    def __call__(self, x: Float[Array, "... M i"]) -> Float[Array, "... M o"]:
        """Applies each module's map to its own input."""
        return add_bias(jnp.einsum("...mi,mio->...mo", x, self.weight), self.bias)

    def mix(self, x: Float[Array, "... M i"], gates: Float[Array, "... M"]) -> Float[Array, "... o"]:
        """The gate-weighted sum of the modules' outputs, sum_m p_m (x_m W_m + b_m).

        Computed as one product of the gated inputs side by side: no module's output is ever stored.
        """
        modules, inputs, outputs = self.weight.shape
        gated = (x * gates[..., None]).reshape(*x.shape[:-2], modules * inputs)
        mixed = gated @ self.weight.reshape(modules * inputs, outputs)
        return mixed if self.bias is None else mixed + gates @ self.bias
