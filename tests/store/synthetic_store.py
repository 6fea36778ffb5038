"""Runs that nobody trained: rows with the store's columns and numbers that depend on the seeds alone."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from modbench.core.identity import run_id
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, QUANTITIES
from modbench.core.spec import RunSpec
from modbench.store.files import PlannedCohort, Store
from modbench.store.record import CohortRecord, pack_matrix, spec_columns, spec_text

SOURCE = {"name": "synthetic", "description": "made up", "grid": [{"seed": [0, 1]}]}

ENV: dict[str, Any] = {
    "env_seconds_train": 1.5,
    "env_seconds_compile": 0.5,
    "env_seconds_evaluate": 0.25,
    "env_started": "2025-01-01T00:00:00+00:00",
    "env_host": "host",
    "env_device": "cpu",
    "env_modbench": "0.1.0",
    "env_jax": "0.10.0",
    "env_python": "3.11.0",
    "env_peak_memory_mb": 100.0,
    "env_memory_mb": 1000.0,
    "env_settings": None,
}


def spec(architecture: str = "mlp", model: str = "modular", rules: int = 2, task_seed: int = 0, seed: int = 0,
         **task: Any) -> RunSpec:  # fmt: skip
    """A short run."""
    return RunSpec.of(
        task={"architecture": architecture, "num_rules": rules, "task_seed": task_seed, **task},
        model={"name": model},
        train={"steps": 20},
        evaluation={"curve_every": 10},
        seed=seed,
    )


def cohort(architecture: str = "mlp", model: str = "modular", rules: int = 2, task_seeds: Iterable[int] = (0, 1),
           seeds: Iterable[int] = (0, 1), width: int = 4, **task: Any) -> PlannedCohort:  # fmt: skip
    """A cohort of task seeds x seeds."""
    pairs = itertools.product(task_seeds, seeds)
    return PlannedCohort.of([spec(architecture, model, rules, t, s, **task) for t, s in pairs], width)


def record(planned: PlannedCohort, diverged: Sequence[int] = (), curve_points: int = 3) -> CohortRecord:
    """Results of a cohort.

    Args:
        planned: the cohort.
        diverged: positions of the runs that fail.
        curve_points: evaluations during training.
    """
    runs, curves, performance, activations = [], [], [], []
    for position, run in enumerate(planned.runs):
        failed = position in diverged
        draw = np.random.default_rng([run.task.task_seed, run.seed, run.task.num_rules])
        identity = run_id(run)
        runs.append(
            {
                "run_id": identity,
                "cohort_id": planned.cohort_id,
                "status": "failed" if failed else "done",
                "reason": "the loss became NaN at step 7" if failed else None,
                **spec_columns(run),
                "num_parameters": 1000 * run.task.num_rules,
                "rule_agreement": 0.9,
                "rule_rank": 2,
                "width": planned.width,
                "diverged_at": 7 if failed else None,
                "spec": spec_text(run),
                **_quantities(run, draw, failed),
                "best_step": None if failed else 10,
                "last_train_loss": float("nan") if failed else float(draw.uniform()),
                **ENV,
            }
        )
        shape = {"num_rules": run.task.num_rules, "num_modules": run.model.num_modules}
        for step in range(curve_points):
            loss, error, selection_loss, selection_error = draw.uniform(size=4).tolist()
            point = {
                "loss": loss,
                "error": error,
                "selection_loss": selection_loss,
                "selection_error": selection_error,
            }
            of_step = np.random.default_rng([run.task.task_seed, run.seed, step])
            metrics = {
                name: of_step.integers(256) / 256 if run.model.modular else None for name in CURVE_METRICS
            }
            kept = run.model.modular and position < 2
            matrix = pack_matrix(of_step.uniform(size=tuple(shape.values()))) if kept else None
            curves.append({"run_id": identity, "step": 10 * step, **point, **metrics, "matrix": matrix})
        for checkpoint in CHECKPOINTS:
            for scale, length in itertools.product((1.0, 2.0), run.evaluation.lengths):
                loss, error = draw.uniform(size=2).tolist()
                shift = {"scale": scale, "length": length, "loss": loss, "error": error}
                performance.append({"run_id": identity, "checkpoint": checkpoint, **shift})
            if run.model.num_modules is not None:
                matrix = draw.dirichlet(np.ones(run.model.num_modules), run.task.num_rules).ravel()
                activations.append({"run_id": identity, "checkpoint": checkpoint, **shape, "matrix": matrix})
    return CohortRecord(runs, curves, performance, activations)


def _quantities(run: RunSpec, draw: np.random.Generator, failed: bool) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for checkpoint, (name, card) in itertools.product(CHECKPOINTS, QUANTITIES.items()):
        measured = run.model.modular or not card.routed
        value = float("nan") if failed else float(draw.uniform())
        values[f"{checkpoint}_{name}"] = value if measured else None
    return values


def fill(store: Store, cohorts: Iterable[PlannedCohort]) -> None:
    """Plans and publishes cohorts."""
    for planned in cohorts:
        store.add_plan(planned)
        store.publish(planned.cohort_id, record(planned))
