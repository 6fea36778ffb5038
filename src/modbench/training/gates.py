"""The gates of examples summed per rule: what activation matrices are made of, during training and after it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class GateMass(NamedTuple):
    """Gates summed over the positions of each rule, and how many positions each rule had; `b` are batches, if any.

    `excess` says how far below 0 the lowest gate of any position lies (negative where none does), and how far from 1
    the farthest sum over modules. Sums over positions hide both. It is None for modbench's own gate functions.
    """

    mass: Float[Array, "*b R M"]
    count: Int[Array, "*b R"]
    excess: Float[Array, "*b 2"] | None = None


def gates_per_rule(
    gates: Float[Array, "*p M"], rule: Int[Array, "*p"], num_rules: int, watched: bool = False
) -> GateMass:
    """Sums the gates of a batch per rule.

    Args:
        gates: of every position.
        rule: that each position follows, 0 .. R-1.
        num_rules: R.
        watched: whether single positions are watched, too.
    """
    code = jax.nn.one_hot(rule.reshape(-1), num_rules)
    mass = jnp.matmul(code.T, gates.reshape(-1, gates.shape[-1]), precision="float32")
    excess = jnp.stack([-gates.min(), jnp.abs(gates.sum(axis=-1) - 1).max()]) if watched else None
    return GateMass(mass, code.sum(axis=0).astype(jnp.int32), excess)


def over_batches(masses: GateMass) -> GateMass:
    """One measurement of several batches."""
    excess = None if masses.excess is None else masses.excess.max(axis=0)
    return GateMass(masses.mass.sum(axis=0), masses.count.sum(axis=0), excess)
