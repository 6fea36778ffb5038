"""Small sweeps for tests."""

from typing import Any

from modbench.core.grid import Sweep, parse_sweep
from modbench.core.spec import RunSpec


def sweep(
    models: list[str] | None = None,
    rules: list[int] | None = None,
    seeds: list[int] | None = None,
    architecture: str = "mlp",
    steps: int = 20,
    **fields: Any,
) -> Sweep:
    """A sweep of models x rules x seeds; further fields as `task__variant=...`."""
    grid: dict[str, Any] = {
        "task": {"architecture": architecture, "num_rules": rules or [2, 4]},
        "model": {"name": models or ["modular", "gt-modular"]},
        "train": {"steps": steps},
        "seed": seeds or [0, 1, 2],
    }
    for field, value in fields.items():
        part, _, name = field.partition("__")
        grid.setdefault(part, {})[name] = value
    return parse_sweep({"name": "small", "grid": [grid]})


def spec(architecture: str = "mlp", model: str = "monolithic", rules: int = 2, seed: int = 0, encoder_width: int = 32,
         **train: Any) -> RunSpec:  # fmt: skip
    """One run."""
    return RunSpec.of(
        task={"architecture": architecture, "num_rules": rules},
        model={"name": model, "encoder_width": encoder_width},
        train=train,
        seed=seed,
    )
