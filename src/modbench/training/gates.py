"""The gates of examples summed per rule: what activation matrices are made of, during training and after it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class GateMass(NamedTuple):
    """Gates summed over the positions of each rule, and how many positions each rule had; `b` are batches, if any."""

    mass: Float[Array, "*b R M"]
    count: Int[Array, "*b R"]


def gates_per_rule(gates: Float[Array, "*p M"], rule: Int[Array, "*p"], num_rules: int) -> GateMass:
    """Sums the gates of a batch per rule.

    Args:
        gates: of every position.
        rule: that each position follows, 0 .. R-1.
        num_rules: R.
    """
    code = jax.nn.one_hot(rule.reshape(-1), num_rules)
    mass = jnp.matmul(code.T, gates.reshape(-1, gates.shape[-1]), precision="float32")
    return GateMass(mass, code.sum(axis=0).astype(jnp.int32))
