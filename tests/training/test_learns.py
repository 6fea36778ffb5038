"""Every task, kind, model and router trains under jit, at two shapes, and lowers its loss."""

import itertools

import pytest

from modbench.core.names import MODELS, PAPER_MODELS
from modbench.training.cohort import CohortProgram
from tiny_runs import tiny

TASKS = [
    ("mlp", {}),
    ("mlp", {"variant": "fixed-ops"}),
    ("mha", {"search_version": 1}),
    ("mha", {"search_version": 2}),
    ("mha", {"variant": "fixed-ops"}),
    ("rnn", {"state_width": 4}),
    ("rnn", {"state_width": 4, "order": 2}),
]
ROUTERS = [*MODELS, {"scores": "input"}, {"scores": "joint", "gates": "top-k", "gate_options": {"k": 2}}]
KINDS = ["regression", "classification"]


def cases():
    """All models on the paper's tasks, other routers in one kind each; variants with two models."""
    for (architecture, task), kind, model in itertools.product(TASKS, KINDS, ROUTERS):
        if task.get("variant") or task.get("order") or task.get("search_version") == 2:
            if model in ("modular", "gt-modular"):
                yield architecture, task, kind, model
        elif model in PAPER_MODELS or KINDS.index(kind) == ROUTERS.index(model) % 2:
            yield architecture, task, kind, model


def name(case) -> str:
    if isinstance(case, dict):
        return "-".join(f"{key}={value}" for key, value in case.items()) or "paper"
    return str(case)


@pytest.mark.parametrize(("architecture", "task", "kind", "model"), list(cases()), ids=name)
def test_lowers_its_loss(architecture, task, kind, model):
    first = kind == "regression"  # two shapes: 2 rules on shorter sequences, 3 on longer ones
    sequence = {} if architecture == "mlp" else {"length": 4 if first else 3}
    spec = tiny(
        architecture,
        model,
        kind,
        2 if first else 3,
        task={**task, **sequence},
        train={"batch_size": 128},
        encoder_width=8,
    )
    program = CohortProgram(spec, 1)
    data, fresh = program.data([spec]), program.data([spec.model_copy(update={"seed": 1})])

    def loss(**params):
        """Of a batch that is not trained on: the first update with another seed's batches tells it."""
        return float(program.advance(program.init([spec])._replace(**params), fresh, 0, 1).loss[0])

    before = loss()
    trained = program.advance(program.init([spec]), data, 0, 100)
    assert loss(params=trained.params) < before
