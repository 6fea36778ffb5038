"""Random streams: one per purpose, all folded from a run's own seed.

Streams are keyed by (architecture, search version, number of rules, seed) alone: models, capacities, kinds and
task seeds see the same inputs and rules, so that comparisons between them are paired. JAX's threefry gives
equal numbers whether or not a program is mapped over runs.
"""

import enum

import jax
from jaxtyping import Array, Key, UInt32

from modbench.core.names import ARCHITECTURES
from modbench.core.spec import RunSpec


class Purpose(enum.IntEnum):
    """What a stream is for; the numbers are part of every result and never reused."""

    INIT = 0
    BATCHES = 1
    ROUTING = 2
    CURVE = 3
    SELECTION = 4
    PERFORMANCE = 5
    GATES = 6


def stream(spec: RunSpec, seed: UInt32[Array, ""], purpose: Purpose) -> Key[Array, ""]:
    """The key of one purpose of a run.

    Args:
        spec: of the run or of any run of its cohort; its own seed is not read.
        seed: the run's seed, which may be traced.
        purpose: what the stream is for.
    """
    key = jax.random.key(list(ARCHITECTURES).index(spec.task.architecture))
    for number in (getattr(spec.task, "search_version", 0), spec.task.num_rules):
        key = jax.random.fold_in(key, number)
    return jax.random.fold_in(jax.random.fold_in(key, seed), purpose)
