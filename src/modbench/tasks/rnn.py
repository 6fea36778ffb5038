"""RNN rules: a linear dynamical system whose transition the rule switches at every step (PAPER Eq. 12-15).

Axes: B sequences, N steps, R rules, d state width, o lags (the Markov order).
"""

import functools
import operator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from modbench.core.task_spec import RnnTask
from modbench.tasks.base import Task


class Coefficients(NamedTuple):
    """A: state maps (R, order, d, d); B: input maps (R, d, d); w: readout (d,), None in regression."""

    A: Float[Array, "R o d d"]
    B: Float[Array, "R d d"]
    w: Float[Array, " d"] | None


class Rnn(Task):
    """s_n = sum over lags of s_{n-o} A[c_n, o-1] + x_n B[c_n]; states before the start are zero."""

    spec: RnnTask = eqx.field(static=True)

    def coefficients(self) -> Coefficients:
        """A, then B, then in classification w, scaled so that states neither die nor explode at once."""
        random = np.random.RandomState(self.spec.task_seed)
        rules, order, d = self.spec.num_rules, self.spec.order, self.spec.state_width
        A = random.randn(rules, order, d, d) / np.sqrt(order * d)
        B = random.randn(rules, d, d) / np.sqrt(d)
        w = np.float32(random.randn(d, 1)[:, 0]) if self.spec.kind == "classification" else None
        return Coefficients(np.float32(A), np.float32(B), w)  # pyright: ignore[reportArgumentType]

    @property
    def num_normals(self) -> int:
        """The coordinates of x_n."""
        return self.spec.state_width

    def target(
        self,
        coefficients: PyTree,
        inputs: Float[Array, "B N d"],
        rule: Int[Array, "B N"],
        length: Int[Array, ""] | None = None,
    ) -> Float[Array, "B N d"]:
        """The whole state at every step, as the code behind the paper's results does.

        A state depends on the past alone, so `length` changes nothing.
        """
        del length
        rules, order, d = self.spec.num_rules, self.spec.order, self.spec.state_width
        # One product for the maps of every rule at once, from which each example picks its own rule's.
        maps = jnp.concatenate([coefficients.A.reshape(rules, order * d, d), coefficients.B], axis=1)
        maps = maps.transpose(0, 2, 1).reshape(rules * d, (order + 1) * d)
        codes = jax.nn.one_hot(rule.T, rules, axis=1, dtype=inputs.dtype)

        def step(past: Float[Array, "od B"], now: tuple) -> tuple[Float[Array, "od B"], Float[Array, "d B"]]:
            code, x = now
            every = jnp.matmul(maps, jnp.concatenate([past, x]), precision="float32").reshape(rules, d, -1)
            state = functools.reduce(operator.add, (code[r, None] * every[r] for r in range(rules)))
            return jnp.concatenate([state, past[:-d]]), state

        start = jnp.zeros((order * d, inputs.shape[0]), inputs.dtype)
        _, states = jax.lax.scan(step, start, (codes, inputs.transpose(1, 2, 0)))
        return states.transpose(2, 0, 1)

    def readout(self, coefficients: PyTree, target: Float[Array, "B N d"]) -> Float[Array, "B N"]:
        """s_n w."""
        return jnp.matmul(target, coefficients.w, precision="float32")
