"""The recorded training steps of the original implementation, which `tests/data/original/README.md` describes."""

import re
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "data" / "original" / "one_step"
STEPS = [
    f"{task}_{kind}_{model}"
    for task in ("mlp", "mha_v1", "mha_v2", "rnn")
    for kind in ("regression", "classification")
    for model in ("monolithic", "modular", "modular-op", "gt-modular")
]
TASK_SEED = 1
"""Of every recorded step; other seeds give targets that are wrong by more than 1."""


def recorded(name: str) -> dict[str, np.ndarray]:
    """The arrays of a recorded step."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def task_and_model(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a recorded step's task and of its model."""
    pattern = r"(mlp|mha|rnn)(?:_v(\d))?_(regression|classification)_([\w-]+)"
    architecture, version, kind, model = re.fullmatch(pattern, name).groups()
    task = {"architecture": architecture, "kind": kind, "num_rules": 4, "task_seed": TASK_SEED}
    if version:
        task["search_version"] = int(version)
    return task, {"name": model, "encoder_width": 16, "model_width": 64}
