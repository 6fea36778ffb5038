"""Which module a model gives to which rule: gate mass per rule and module, under given rule distributions.

The activation matrix and the adaptation metric are two readings of the same measurement: the gates of fresh,
unshifted examples of the training length, summed per rule (PAPER section 5).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from modbench.core.spec import RunSpec
from modbench.metrics import dirichlet_rule_distributions
from modbench.training.gates import GateMass, gates_per_rule
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import RunData, Trainer

BATCH = 1000


class Sampling(NamedTuple):
    """How many batches of which size measure what.

    Attributes:
        size: examples a batch.
        uniform: batches under uniform rules, for the activation matrix.
        each: batches under each of the adaptation's rule distributions.
        distributions: the rule distributions, (S, R).
    """

    size: int
    uniform: int
    each: int
    distributions: Float[np.ndarray, "S R"]


def sampling(spec: RunSpec) -> Sampling:
    """The sample counts of a run, in equal batches so that one loop measures all."""
    evaluation = spec.evaluation
    each = math.ceil(evaluation.adaptation_samples / BATCH)
    size = math.ceil(evaluation.adaptation_samples / each)
    uniform = math.ceil(evaluation.activation_samples / (size * spec.length))
    distributions = dirichlet_rule_distributions(spec.task.num_rules, evaluation.adaptation_distributions)
    return Sampling(size, uniform, each, distributions)


def gate_mass(trainer: Trainer, params: PyTree, data: RunData) -> GateMass:
    """Measures batches under uniform rules, then those under each distribution in turn."""
    spec, task, model = trainer.spec, trainer.task, trainer.model(params)
    plan, rules = sampling(spec), spec.task.num_rules
    uniform = np.full((plan.uniform, rules), 1 / rules)
    probabilities = np.concatenate([uniform, np.repeat(plan.distributions, plan.each, axis=0)])

    def one(item: tuple[Array, Array]) -> GateMass:
        key, p = item
        inputs, rule = task.draw(key, plan.size, spec.length, p)
        gates = model(inputs, rule).gates
        assert gates is not None
        return gates_per_rule(gates, rule, rules, trainer.watches_gates)

    keys = jax.random.split(stream(data.seeds, Purpose.GATES), len(probabilities))
    return jax.lax.map(one, (keys, jnp.asarray(probabilities, jnp.float32)))


def activation_matrix(spec: RunSpec, measured: GateMass) -> Float[np.ndarray, "R M"]:
    """A[r, m] = mean gate of module m given rule r, from the batches under uniform rules."""
    uniform = sampling(spec).uniform
    mass, count = (np.asarray(part[:uniform], np.float64).sum(axis=0) for part in measured[:2])
    return mean_gates(mass, count)


def mean_gates(mass: Float[np.ndarray, "R M"], count: Float[np.ndarray, " R"]) -> Float[np.ndarray, "R M"]:
    """A[r, m] = mean gate of module m given rule r, from sums.

    A rule that no sample showed, possible at tiny sample counts only, gets a row of NaN.
    """
    with np.errstate(invalid="ignore"):
        return mass / count[:, None]


def module_distributions(spec: RunSpec, measured: GateMass) -> Float[np.ndarray, "S M"]:
    """q, the mean gate of each module under each of the adaptation's rule distributions."""
    plan = sampling(spec)
    mass = np.asarray(measured.mass[plan.uniform :], np.float64).sum(axis=1)
    mass = mass.reshape(len(plan.distributions), plan.each, -1).sum(axis=1)
    return mass / (plan.each * plan.size * spec.length)
