"""How many batches an evaluation takes, and of which size. Plain arithmetic: plans need it where there is no JAX.

A batch goes through the model once. Evaluation first measures performance, then the gates of a modular model.
"""

import math
from typing import NamedTuple

from modbench.core.names import CHECKPOINTS
from modbench.core.spec import RunSpec

SCALES = (1.0, 2.0)
"""Factors on the inputs under which performance is measured."""
GATE_BATCH = 1000
"""Largest number of examples in a batch that measures gates."""


class Batches(NamedTuple):
    """Batches of one size.

    Attributes:
        count: number of batches.
        positions: samples (MLP) or tokens of a batch.
    """

    count: int
    positions: int


class GateBatches(NamedTuple):
    """The batches that measure the gates; they share one size, so that one loop measures all.

    Attributes:
        size: examples in a batch.
        uniform: batches under uniform rules, for the activation matrix.
        each: batches under each of the adaptation's rule distributions.
    """

    size: int
    uniform: int
    each: int


def shifts_per_batch(spec: RunSpec) -> int:
    """Passes through the model that one drawn batch needs to be measured under every shift.

    A pass at the greatest length serves every length where positions look at the past alone. The MHA's tokens see
    each other, so there every length needs a pass of its own.
    """
    return len(SCALES) * (len(spec.evaluation.lengths) if spec.task.architecture == "mha" else 1)


def performance_batches(spec: RunSpec) -> Batches:
    """The batches that measure loss and error of one checkpoint, at the greatest length."""
    evaluation = spec.evaluation
    count = evaluation.performance_batches * shifts_per_batch(spec)
    return Batches(count, evaluation.performance_batch_size * max(evaluation.lengths))


def gate_batches(spec: RunSpec) -> GateBatches:
    """The sample counts of a run as batches."""
    evaluation = spec.evaluation
    each = math.ceil(evaluation.adaptation_samples / GATE_BATCH)
    size = math.ceil(evaluation.adaptation_samples / each)
    uniform = math.ceil(evaluation.activation_samples / (size * spec.length))
    return GateBatches(size, uniform, each)


def evaluation_parts(spec: RunSpec) -> tuple[Batches, ...]:
    """What is measured of one checkpoint, in order: performance and, for a modular model, the gates."""
    if not spec.model.modular:
        return (performance_batches(spec),)
    size, uniform, each = gate_batches(spec)
    gates = Batches(uniform + each * spec.evaluation.adaptation_distributions, size * spec.length)
    return (performance_batches(spec), gates)


def batches_in_all(spec: RunSpec) -> int:
    """Batches that both checkpoints of a run are evaluated on."""
    return len(CHECKPOINTS) * sum(part.count for part in evaluation_parts(spec))


def positions_evaluated(spec: RunSpec, batches: int) -> int:
    """Samples or tokens in the first batches of a run's evaluation, of one checkpoint after the other.

    Args:
        spec: the run.
        batches: how many, from 0 to `batches_in_all`.
    """
    positions = 0
    for part in len(CHECKPOINTS) * evaluation_parts(spec):
        positions += min(batches, part.count) * part.positions
        batches -= min(batches, part.count)
    return positions
