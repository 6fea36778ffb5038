"""What every family of rule tasks offers: coefficients, inputs, targets.

Axes: B examples, N positions, R rules, F input features (without the rule code).

Inputs and rules do not depend on the coefficients, so tasks that differ in their seed alone can share them;
comparisons between models, capacities, kinds and tasks are paired.
"""

import math
from abc import abstractmethod
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from modbench.core.task_spec import TaskSpec


class Batch(NamedTuple):
    """Fresh examples of a task.

    Attributes:
        inputs: what the model sees beside the rule: (B, 2) MLP, (B, N, F) MHA and RNN.
        rule: the active rule of every example or position, 0..R-1: (B,) or (B, N).
        target: what is to be predicted: (B,), (B, N), or (B, N, state width) for RNN regression. In
            classification the label, 0.0 or 1.0.
    """

    inputs: Float[Array, "..."]
    rule: Int[Array, "..."]
    target: Float[Array, "..."]


class Task(eqx.Module):
    """A family of rule tasks; one draw of coefficients makes it a task."""

    spec: eqx.AbstractVar[TaskSpec]
    causal: ClassVar[bool] = True
    """Whether targets look at no later position, so that a shorter example is a prefix of a longer one."""

    @abstractmethod
    def coefficients(self) -> PyTree[Float[Array, "..."]]:
        """Draws the coefficients of the spec's task seed, equal to the paper's number for number."""

    @property
    @abstractmethod
    def num_normals(self) -> int:
        """Standard normal numbers behind each example (MLP) or position."""

    def inputs(self, normals: Float[Array, "... k"]) -> Float[Array, "... F"]:
        """Makes model inputs, before any shift, of standard normal numbers: those themselves, unless overridden."""
        return normals

    @abstractmethod
    def target(
        self,
        coefficients: PyTree,
        inputs: Float[Array, "..."],
        rule: Int[Array, "..."],
        length: Int[Array, ""] | None = None,
    ) -> Float[Array, "..."]:
        """The regression target of inputs, shifted or not.

        Args:
            coefficients: of the task.
            inputs: (B, ...) as drawn, or scaled.
            rule: active rules.
            length: only the first `length` positions exist; targets of the others mean nothing. None: all exist.
        """

    def rule_shape(self, size: int, length: int) -> tuple[int, ...]:
        """Shape of the rules of a batch: one per example; overridden where there is one per position."""
        return (size, length)

    def draw(
        self,
        key: Key[Array, ""],
        size: int,
        length: int,
        rule_probabilities: Float[Array, " R"] | None = None,
    ) -> tuple[Float[Array, "..."], Int[Array, "..."]]:
        """Draws unshifted inputs and rules.

        Args:
            key: of this batch.
            size: examples, B.
            length: positions per example, N; ignored by the MLP.
            rule_probabilities: distribution over rules; None is uniform.

        Returns:
            inputs and rules, with the shapes of `Batch`.
        """
        shape = self.rule_shape(size, length)
        positions, features = math.prod(shape), self.num_normals
        # One call of the generator for everything: calls cost more, in time and in compiling, than numbers do.
        open_below = float(np.nextafter(np.float32(-1), np.float32(0)))
        numbers = jax.random.uniform(key, (positions * (features + 1),), minval=open_below, maxval=1.0)
        normals = math.sqrt(2) * jax.scipy.special.erfinv(numbers[: positions * features])
        level = ((numbers[positions * features :] + 1) / 2).reshape(shape)
        if rule_probabilities is None:
            rule = jnp.floor(level * self.spec.num_rules).astype(jnp.int32)
        else:
            # Inverse of the distribution function. The last boundary is left out: rounding must not pass it.
            boundaries = jnp.cumsum(rule_probabilities)[:-1]
            rule = jnp.searchsorted(boundaries, level, side="right", method="compare_all").astype(jnp.int32)
        rule = jnp.minimum(rule, self.spec.num_rules - 1)
        return self.inputs(normals.reshape(*shape, features)), rule

    def batch(
        self,
        coefficients: PyTree,
        inputs: Float[Array, "..."],
        rule: Int[Array, "..."],
        scale: float | Float[Array, ""] = 1.0,
        length: Int[Array, ""] | None = None,
    ) -> Batch:
        """Completes drawn inputs to a batch.

        Args:
            coefficients: of the task.
            inputs: drawn by `draw`.
            rule: drawn by `draw`.
            scale: factor on every input feature, 2 under the scale shift; targets follow the scaled inputs.
            length: see `target`.
        """
        inputs = inputs * scale
        target = self.target(coefficients, inputs, rule, length)
        if self.spec.kind == "classification":
            target = (self.readout(coefficients, target) >= 0).astype(inputs.dtype)
        return Batch(inputs, rule, target)

    def readout(self, coefficients: PyTree, target: Float[Array, "..."]) -> Float[Array, "..."]:
        """The number whose sign is the label: the regression target itself where that is one number."""
        del coefficients
        return target


def retrieved(
    variant: str,
    coefficients: tuple[Float[Array, " R"], Float[Array, " R"]] | None,
    first: Float[Array, "..."],
    second: Float[Array, "..."],
    rule: Int[Array, "..."],
) -> Float[Array, "..."]:
    """Applies each position's rule to two numbers.

    Args:
        variant: `"linear"`: alpha_c first + beta_c second (PAPER Eq. 6, 11); `"fixed-ops"`: the c-th of sum,
            difference, product, minimum, maximum.
        coefficients: alpha and beta, (R,) each; not read for fixed operations.
        first: x1, or the value retrieved by the first search.
        second: x2, or the value retrieved by the second search.
        rule: 0..R-1, the shape of `first`.
    """
    if variant == "linear":
        assert coefficients is not None
        alpha, beta = coefficients
        return alpha[rule] * first + beta[rule] * second
    operations = (
        first + second,
        first - second,
        first * second,
        jnp.minimum(first, second),
        jnp.maximum(first, second),
    )
    return jnp.select([rule == r for r in range(len(operations))], operations)
