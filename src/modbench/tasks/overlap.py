"""What the rules of a drawn task have in common: facts of the task, which no training changes.

Two of them bear on what routing metrics can mean (PAPER section 7). Where rules span fewer dimensions than there are
modules, a soft mixture of that many modules represents every rule, and nothing has to specialise. Where rules agree
on most labels, confusing them costs little.
"""

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from modbench.core.task_spec import TaskSpec
from modbench.tasks.families import make_task

EXAMPLES = {"mlp": 8192, "mha": 512, "rnn": 512}
"""Samples, or sequences, on which rules are compared."""
LEAST_SHARE = 1e-4
"""A direction counts when its singular value is at least this share of the largest."""


class RuleOverlap(NamedTuple):
    """What rules share.

    Attributes:
        agreement: 1/R sum_r max_{r' != r} P(label under r = label under r'), in 0..1: how often the most similar
            other rule gives the same label, averaged over rules. Labels are those of the classification task.
        rank: dimension of the space that the rules' regression targets span, as functions of the input; at most R.
    """

    agreement: float
    rank: int


def rule_overlap(task: TaskSpec) -> RuleOverlap:
    """Measures how much the rules of a task overlap, on inputs drawn for it; in a sequence one rule holds throughout.

    Args:
        task: its kind plays no part, nor does its distribution over rules.
    """
    twin = task.model_copy(update={"kind": "classification", "rule_probabilities": None})
    return _measured(twin)  # pyright: ignore[reportArgumentType] - frozen, hence hashable


@lru_cache(maxsize=64)
def _measured(spec: TaskSpec) -> RuleOverlap:
    task, count = make_task(spec), EXAMPLES[spec.architecture]
    coefficients = task.coefficients()
    shape = task.rule_shape(count, getattr(spec, "length", 1))
    random = np.random.default_rng([spec.num_rules, spec.task_seed])
    inputs = task.inputs(jnp.asarray(random.standard_normal((*shape, task.num_normals)), jnp.float32))
    targets, labels = [], []
    for rule in range(spec.num_rules):
        target = task.target(coefficients, inputs, jnp.full(shape, rule))
        targets.append(np.asarray(target, np.float64).ravel())
        labels.append(np.asarray(task.readout(coefficients, target) >= 0).ravel())
    return RuleOverlap(_agreement(np.stack(labels)), _rank(np.stack(targets)))


def _agreement(labels: np.ndarray) -> float:
    """From labels (R, n)."""
    signs = np.where(labels, 1.0, -1.0)
    alike = (1 + signs @ signs.T / signs.shape[1]) / 2
    np.fill_diagonal(alike, 0.0)
    return float(alike.max(axis=1).mean())


def _rank(targets: np.ndarray) -> int:
    """From targets (R, n). Rules count as directions: how large their targets are plays no part."""
    directions = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    # Eigenvalues of the rules' products with each other are the squares of the singular values.
    values = np.linalg.eigvalsh(directions @ directions.T)
    return int((values >= LEAST_SHARE**2 * values[-1]).sum())
