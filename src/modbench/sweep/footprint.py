"""How much memory a worker takes to train a group: counted from shapes, with factors that were measured.

Most of it are two things: arrays as large as the parameters (gradients, Adam's moments, the best parameters so far,
and copies while they are made), and what a batch leaves between the layers, for the backward pass above all. The
final evaluation has no backward pass but larger batches. `benchmarks/memory.py` compares the estimate with worker
processes; docs/performance.md has its table.
"""

from modbench.core import geometry
from modbench.core.spec import RunSpec
from modbench.core.task_spec import MhaTask, MlpTask
from modbench.evaluation.batches import GATE_BATCH
from modbench.models import sizing

BASE = 620_000_000
"""Bytes of a worker that trains next to nothing: Python, JAX, and the memory in which three programs compile."""
STATE_COPIES = 12
"""Arrays as large as the parameters, at most: while a group's state is made, and in an update."""
TRAINING_COPIES = {"mlp": 1.6, "mha": 1.6, "rnn": 1.3}
EVALUATION_COPIES = {"mlp": 1.2, "mha": 1.3, "rnn": 0.3}
"""How often `numbers_per_token` is in memory at once, by architecture."""


def group_bytes(spec: RunSpec, width: int) -> int:
    """Most memory of a worker that trains a group, in bytes.

    Args:
        spec: any run of the cohort.
        width: replicas of the group.
    """
    architecture, evaluation = spec.task.architecture, spec.evaluation
    longest = max(evaluation.lengths)
    training = spec.train.batch_size * spec.length * numbers_per_token(spec, spec.length)
    measuring = evaluation.performance_batch_size * longest * numbers_per_token(spec, longest)
    if spec.model.modular:
        gates = min(GATE_BATCH, evaluation.adaptation_samples) * spec.length
        measuring = max(measuring, gates * numbers_per_token(spec, spec.length))
    batch = max(TRAINING_COPIES[architecture] * training, EVALUATION_COPIES[architecture] * measuring)
    return BASE + 4 * width * (STATE_COPIES * sizing.num_parameters(spec) + int(batch))


def numbers_per_token(spec: RunSpec, length: int) -> int:
    """Numbers that a forward pass leaves for each sample, token or step: the widths of its layers, added up.

    Args:
        spec: the run.
        length: positions of a sequence, among which MHA attends.
    """
    e, d, rules, modules = (
        spec.model.encoder_width,
        spec.model.model_width,
        spec.task.num_rules,
        spec.model.num_modules,
    )
    around = 4 * e + sizing.input_width(spec) + rules + 2 * (modules or 0)
    match spec.task:
        case MlpTask():
            return around + 2 * d
        case MhaTask():
            heads = 2 * (modules or rules)
            width = geometry.mha_head_width(d, heads)
            # Queries, keys, values, what was found, and twice the attention weights.
            attention = 4 * d + 2 * heads * length
            if modules is None:
                return around + attention + 2 * width + d + 2 * e
            hidden = modules * geometry.mha_module_hidden(e, d, modules)
            return around + attention + 4 * modules * width + 2 * hidden
        case _:
            hidden = d if modules is None else geometry.rnn_hidden_width(e, d, modules)
            # Twice the blocks of every cell, from the input and from the state.
            return around + 4 * hidden + 8 * hidden * (modules or 1)


def widest(spec: RunSpec, memory: float) -> int:
    """The most replicas whose group fits into `memory` bytes; 1 where not even one does."""
    alone, pair = group_bytes(spec, 1), group_bytes(spec, 2)
    return max(1, 1 + int((memory - alone) // (pair - alone)))
