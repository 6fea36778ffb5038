"""The paper's protocol: what a field means that a sweep leaves out (PAPER sections 4 and 5)."""

from collections.abc import Mapping
from typing import Any

from modbench.core.errors import unknown
from modbench.core.names import MODELS

EVALUATION_PRESETS: dict[str, dict[str, int]] = {
    "short": {
        "performance_batches": 10,
        "activation_samples": 50_000,
        "adaptation_distributions": 20,
        "adaptation_samples": 1000,
    }
}
"""Fields that `evaluation.preset` stands for; those that a run names itself stay as it says."""


def preset_fields(preset: Any) -> Mapping[str, int]:
    """The fields that an `evaluation.preset` stands for.

    Raises:
        RequestError: there is no such preset.
    """
    if not isinstance(preset, str) or preset not in EVALUATION_PRESETS:
        raise unknown("evaluation.preset", preset, EVALUATION_PRESETS)
    return EVALUATION_PRESETS[preset]


def fill_in(architecture: str, tables: dict[str, dict[str, Any]]) -> None:
    """Fills in what the protocol fixes per architecture and kind, in place.

    Values of a wrong type are left alone, for the specification to refuse.

    Args:
        architecture: of the run.
        tables: the run's `task`, `model`, `train` and `evaluation` fields as given.
    """
    task, model, train, evaluation = tables["task"], tables["model"], tables["train"], tables["evaluation"]
    mlp, mha, rnn = (architecture == name for name in ("mlp", "mha", "rnn"))
    name = model.get("name")
    named = MODELS.get(name) if isinstance(name, str) else None
    scores = named.scores if named else model.get("scores", "joint")
    if scores != "none" and model.get("num_modules") is None:
        model["num_modules"] = task.get("num_rules")
    train.setdefault("steps", 100_000 if mlp else 500_000)
    train.setdefault("clip_norm", 1.0 if rnn else 0.0)
    small_batches = rnn or (mha and task.get("kind", "regression") == "regression")
    if (preset := evaluation.pop("preset", None)) is not None:
        for field, value in preset_fields(preset).items():
            evaluation.setdefault(field, value)
    evaluation.setdefault("performance_batch_size", 256 if small_batches else 1000)
    evaluation.setdefault("activation_samples", 10_000_000 if mha else 1_000_000)
    length = task.get("length", 10)
    if mlp:
        evaluation.setdefault("lengths", (1,))
    elif length == 10:
        evaluation.setdefault("lengths", (3, 5, 10, 20, 30))
    elif isinstance(length, int) and not isinstance(length, bool) and length >= 1:
        evaluation.setdefault(
            "lengths", tuple(range(10, 60, 10)) if length == 20 else (length, 2 * length, 3 * length)
        )
    if "lengths" in evaluation and isinstance(evaluation["lengths"], list | tuple):
        if not mlp and length not in evaluation["lengths"]:
            evaluation["lengths"] = (*evaluation["lengths"], length)
        if all(isinstance(n, int) for n in evaluation["lengths"]):
            evaluation["lengths"] = tuple(sorted(evaluation["lengths"]))
    for table, field in ((task, "rule_probabilities"), (train, "halve_learning_rate_at")):
        if isinstance(table.get(field), list):
            table[field] = tuple(table[field])
