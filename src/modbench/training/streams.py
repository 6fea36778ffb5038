"""Random streams: one per purpose, all from a run's own seed.

Streams are keyed by (architecture, search version, number of rules, seed) alone: models, capacities, kinds and
task seeds see the same inputs and rules, so that comparisons between them are paired. On the device JAX's
threefry gives equal numbers whether or not a program is mapped over runs. No global seed has any effect.
"""

import enum

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt32

from modbench.core.names import ARCHITECTURES
from modbench.core.spec import RunSpec


class Purpose(enum.IntEnum):
    """What a stream is for; the numbers are part of every result and are never given another meaning."""

    BATCHES = 0
    ROUTING = 1
    CURVE = 2
    SELECTION = 3
    PERFORMANCE = 4
    GATES = 5
    INIT = 6


StreamSeeds = UInt32[Array, "purposes 2"]
"""Two words per purpose, in the order of `Purpose`."""


def _sequence(spec: RunSpec, purpose: Purpose) -> np.random.SeedSequence:
    architecture = list(ARCHITECTURES).index(spec.task.architecture)
    version = getattr(spec.task, "search_version", 0)
    return np.random.SeedSequence([architecture, version, spec.task.num_rules, spec.seed, purpose])


def stream_seeds(spec: RunSpec) -> StreamSeeds:
    """The seeds of a run's streams on the device."""
    return np.stack([_sequence(spec, purpose).generate_state(2) for purpose in Purpose])  # pyright: ignore[reportReturnType]


def stream(seeds: StreamSeeds, purpose: Purpose, step: Int[Array, ""] | None = None) -> Key[Array, ""]:
    """The key of one purpose, and of one step where given."""
    key = jax.random.wrap_key_data(jnp.asarray(seeds)[purpose], impl="threefry2x32")
    return key if step is None else jax.random.fold_in(key, step)


def init_random(spec: RunSpec) -> np.random.Generator:
    """The generator of a run's first parameters, on the host."""
    return np.random.Generator(np.random.Philox(_sequence(spec, Purpose.INIT)))
