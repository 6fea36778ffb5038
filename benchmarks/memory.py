"""Compares the memory that a plan expects of a worker with what worker processes really take.

    python benchmarks/memory.py

Each shape trains for one step and is evaluated, in a process of its own, with batches of full size but few of them.
Sizes are in GB; a share above 1 is more than expected. docs/performance.md has the table.
"""

import os
import tempfile
from pathlib import Path

from modbench.core.spec import RunSpec
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.store.table import load
from modbench.sweep.describe import describe_cell
from modbench.sweep.footprint import group_bytes
from modbench.sweep.processes import Processes

SHAPES = (
    ("mlp", 32, 32, "modular", 13),
    ("mlp", 128, 8, "monolithic", 4),
    ("mlp", 512, 32, "modular", 1),
    ("mha", 32, 8, "modular", 2),
    ("mha", 128, 2, "monolithic", 2),
    ("mha", 128, 32, "modular", 1),
    ("mha", 512, 8, "modular", 1),
    ("rnn", 32, 32, "modular", 2),
    ("rnn", 128, 8, "modular", 2),
    ("rnn", 128, 8, "modular-op", 1),
    ("rnn", 512, 2, "monolithic", 1),
    ("rnn", 512, 32, "modular", 1),
)
"""Architecture, E, R, model, width."""
FEW = {
    "curve_batches": 1,
    "performance_batches": 1,
    "activation_samples": 1000,
    "adaptation_distributions": 1,
    "adaptation_samples": 1000,
}


def peak(runs: list[RunSpec]) -> float:
    """Bytes that a worker held at most while it trained the runs side by side."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "store", {"name": "memory", "grid": []})
        cohort = PlannedCohort.of(runs, len(runs))
        store.add_plan(cohort)
        Processes(1).run([cohort], store.folder, lambda event: None, lambda: False)
        return load(store.folder).runs["env_peak_memory_mb"].max() * 2**20


def main() -> None:
    """Prints a line per shape."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    print(f"{'shape':40} {'width':>5} {'measured':>9} {'expected':>9} {'share':>6}")
    for architecture, encoder_width, rules, model, width in SHAPES:
        runs = [
            RunSpec.of(
                task={"architecture": architecture, "num_rules": rules},
                model={"name": model, "encoder_width": encoder_width},
                train={"steps": 1},
                evaluation=FEW,
                seed=seed,
            )
            for seed in range(width)
        ]
        measured, expected = peak(runs) / 1e9, group_bytes(runs[0], width) / 1e9
        name = describe_cell(runs[0])
        print(f"{name:40} {width:5} {measured:9.2f} {expected:9.2f} {measured / expected:6.2f}", flush=True)


if __name__ == "__main__":
    main()
