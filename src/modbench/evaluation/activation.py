"""Which module a model gives to which rule: gate mass per rule and module, under given rule distributions.

The activation matrix and the adaptation metric are two readings of the same measurement: the gates of fresh,
unshifted examples of the training length, summed per rule (PAPER section 5).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from modbench.core.spec import RunSpec
from modbench.evaluation.batches import gate_batches
from modbench.metrics import dirichlet_rule_distributions
from modbench.training.gates import GateMass, gates_per_rule
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import RunData, Trainer


def rule_distributions(spec: RunSpec) -> Float[np.ndarray, "S R"]:
    """The rule distributions of a run's adaptation."""
    return dirichlet_rule_distributions(spec.task.num_rules, spec.evaluation.adaptation_distributions)


def gate_mass(
    trainer: Trainer,
    kept: GateMass,
    params: PyTree,
    data: RunData,
    first: Int[Array, ""],
    end: Int[Array, ""],
) -> GateMass:
    """Measures the batches `first` to `end - 1`: those under uniform rules, then those under each distribution in turn.

    Args:
        trainer: of the run.
        kept: what is measured already; a place for every batch.
        params: of the model.
        data: of the run.
        first: number of the first batch, from 0.
        end: number after the last batch.
    """
    spec, task, model = trainer.spec, trainer.task, trainer.model(params)
    plan, rules = gate_batches(spec), spec.task.num_rules
    uniform = np.full((plan.uniform, rules), 1 / rules)
    each = np.repeat(rule_distributions(spec), plan.each, axis=0)
    probabilities = jnp.asarray(np.concatenate([uniform, each]), jnp.float32)
    keys = jax.random.split(stream(data.seeds, Purpose.GATES), len(probabilities))

    def one(batch: Int[Array, ""], kept: GateMass) -> GateMass:
        inputs, rule = task.draw(keys[batch], plan.size, spec.length, probabilities[batch])
        gates = model(inputs, rule).gates
        assert gates is not None
        measured = gates_per_rule(gates, rule, rules, trainer.watches_gates)
        return jax.tree.map(lambda places, value: places.at[batch].set(value), kept, measured)

    return jax.lax.fori_loop(first, end, one, kept)


def activation_matrix(spec: RunSpec, measured: GateMass) -> Float[np.ndarray, "R M"]:
    """A[r, m] = mean gate of module m given rule r, from the batches under uniform rules."""
    uniform = gate_batches(spec).uniform
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
    plan = gate_batches(spec)
    mass = np.asarray(measured.mass[plan.uniform :], np.float64).sum(axis=1)
    mass = mass.reshape(-1, plan.each, mass.shape[-1]).sum(axis=1)
    return mass / (plan.each * plan.size * spec.length)
