"""Stores of runs that nobody trained, with numbers such as real ones have; for the tests of the reading side."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modbench.core.identity import run_id, static_key
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, METRICS
from modbench.core.spec import RunSpec
from modbench.metrics import fixed_routing_metrics
from modbench.store.files import PlannedCohort, Store
from modbench.store.record import CohortRecord, pack_matrix, spec_columns, spec_text
from modbench.store.table import Tables, load

FAMILIES: tuple[dict[str, Any], ...] = (
    {"architecture": "mlp"},
    {"architecture": "mha", "search_version": 1},
    {"architecture": "mha", "search_version": 2},
    {"architecture": "rnn"},
)
PAPER = ("monolithic", "modular", "modular-op", "gt-modular")
ENV: dict[str, Any] = {
    "env_seconds_train": 6.5,
    "env_seconds_compile": 0.5,
    "env_seconds_evaluate": 1.25,
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
_SKILL = {"monolithic": 1.0, "modular": 0.7, "modular-op": 0.6, "gt-modular": 0.35}


def specs(families: Iterable[dict[str, Any]] = FAMILIES[:1], kinds: Sequence[str] = ("regression",),
          rules: Sequence[int] = (2, 8), models: Sequence[str | dict[str, Any]] = PAPER,
          task_seeds: Iterable[int] = range(3), seeds: Iterable[int] = range(2), widths: Sequence[int] = (32,),
          train: Sequence[dict[str, Any]] = ({},)) -> list[RunSpec]:  # fmt: skip
    """The full product, as run specifications."""
    axes = itertools.product(families, kinds, rules, models, widths, train, task_seeds, seeds)
    return [
        RunSpec.of(
            task={**family, "kind": kind, "num_rules": R, "task_seed": task_seed},
            model={**({"name": model} if isinstance(model, str) else model), "encoder_width": width},
            train={"steps": 2000, **options},
            evaluation={"curve_every": 100},
            seed=seed,
        )
        for family, kind, R, model, width, options, task_seed, seed in axes
    ]


def tables(folder: Path, runs: Sequence[RunSpec], failed: Callable[[RunSpec], bool] = lambda spec: False,
           missing: Callable[[RunSpec], bool] = lambda spec: False, points: int = 11) -> Tables:  # fmt: skip
    """Publishes made-up results of the runs in a new store, and loads it; arguments as of `fill`."""
    fill(folder, runs, failed, missing, points)
    return load(folder)


def fill(folder: Path, runs: Sequence[RunSpec], failed: Callable[[RunSpec], bool] = lambda spec: False,
         missing: Callable[[RunSpec], bool] = lambda spec: False, points: int | None = 11) -> None:  # fmt: skip
    """Publishes made-up results of the runs in a new store.

    Args:
        folder: of the store.
        runs: all planned runs.
        failed: which runs diverge.
        missing: which runs are planned but never published.
        points: evaluations during training; None is as many as the specification asks for.
    """
    store = Store.create(folder, {"name": "synthetic", "description": "made up", "grid": [{"seed": [0]}]})
    cohorts: dict[tuple[bool, str], list[RunSpec]] = {}
    for spec in runs:
        cohorts.setdefault((missing(spec), static_key(spec)), []).append(spec)
    for (absent, _), members in cohorts.items():
        planned = PlannedCohort.of(members, width=8 if len(members) <= 32 else len(members))
        store.add_plan(planned)
        if not absent:
            store.publish(planned.cohort_id, _record(planned, failed, points))


def _record(planned: PlannedCohort, failed: Callable[[RunSpec], bool], points: int | None) -> CohortRecord:
    parts: tuple[list, list, list, list] = ([], [], [], [])
    for spec in planned.runs:
        count = points or spec.train.steps // spec.evaluation.curve_every + 1
        for part, rows in zip(parts, _run(spec, planned, failed(spec), count), strict=True):
            part.extend(rows)
    return CohortRecord(*parts)


def _run(spec: RunSpec, planned: PlannedCohort, failed: bool, points: int) -> tuple[list[dict], ...]:
    identity, R = run_id(spec), spec.task.num_rules
    draw = np.random.default_rng(int(identity[:8], 16))
    of_task = np.random.default_rng([spec.task.task_seed, R]).normal()
    skill = _SKILL.get(spec.model.name, 0.5) * (R / 4) ** (0.5 if spec.model.name == "monolithic" else 0.3)
    scale = 0.02 if spec.task.kind == "regression" else 4.0
    error = (
        scale * skill * (64 / (32 + spec.model.encoder_width)) * np.exp(0.25 * of_task + 0.15 * draw.normal())
    )
    matrix = _matrix(spec, draw)
    quantities: dict[str, float | None] = dict.fromkeys(METRICS)
    if matrix is not None:
        quantities.update(fixed_routing_metrics(matrix))
    quantities |= {"loss_id": error / 2, "loss_ood": error * 2, "error_id": error, "error_ood": 3 * error}
    if failed:
        quantities = {name: None if value is None else float("nan") for name, value in quantities.items()}
    run = {
        "run_id": identity, "cohort_id": planned.cohort_id, "status": "failed" if failed else "done",
        "reason": "the loss became NaN at step 700" if failed else None, **spec_columns(spec),
        "num_parameters": 5000 + 37 * R,
        "rule_agreement": 1 - 1 / (2 * R), "rule_rank": 2 if spec.task.architecture == "mlp" else R,
        "width": planned.width, "diverged_at": 700 if failed else None,
        "spec": spec_text(spec), "best_step": None if failed else 1900,
        "last_train_loss": float("nan") if failed else error,
        **{f"{c}_{name}": value for c in CHECKPOINTS for name, value in quantities.items()}, **ENV,
    }  # fmt: skip
    steps = np.linspace(0, spec.train.steps, points).astype(int)
    start = 0.8 if spec.task.kind == "regression" else 50.0
    course = error + (start - error) * np.exp(-steps / (0.05 + 0.1 * skill) / spec.train.steps)
    course = course * np.exp(0.05 * draw.normal(size=points))
    forming = _forming(matrix, steps / spec.train.steps, 0.05 + 0.1 * skill)
    kept = (spec.task.task_seed, spec.seed) in kept_pairs(planned)
    curves = [
        {"run_id": identity, "step": int(step), "loss": value / 2, "error": value, "selection_loss": value / 2,
         "selection_error": value, **along(A), "matrix": pack_matrix(A) if kept and A is not None else None}
        for step, value, A in zip(steps, course.tolist(), forming, strict=True) if not failed or step <= 700
    ]  # fmt: skip
    shifts = [
        {"run_id": identity, "checkpoint": c, "scale": s, "length": n, "loss": error * s, "error": error * s}
        for c in CHECKPOINTS for s in (1.0, 2.0) for n in spec.evaluation.lengths
    ]  # fmt: skip
    activations = [
        {"run_id": identity, "checkpoint": c, "num_rules": R, "num_modules": matrix.shape[1], "matrix": matrix.ravel()}
        for c in CHECKPOINTS if matrix is not None
    ]  # fmt: skip
    return [run], curves, shifts, activations


def along(A: np.ndarray | None) -> dict[str, float | None]:
    """The metrics at a point of a learning curve, by column."""
    if A is None:
        return dict.fromkeys(CURVE_METRICS)
    return dict(zip(CURVE_METRICS, fixed_routing_metrics(A).values(), strict=True))


def kept_pairs(planned: PlannedCohort) -> list[tuple[int, int]]:
    """The first two (task seed, seed) of a cohort, whose matrices are kept."""
    return sorted({(spec.task.task_seed, spec.seed) for spec in planned.runs})[:2]


def _forming(matrix: np.ndarray | None, done: np.ndarray, pace: float) -> list[np.ndarray | None]:
    """A from uniform to what it is in the end, for a model that learns routing; given routing is there at once."""
    if matrix is None or set(np.unique(matrix)) <= {0.0, 1.0}:
        return [matrix] * len(done)
    uniform = np.full_like(matrix, 1 / matrix.shape[1])
    shares = (1 - np.exp(-done / pace)) / (1 - np.exp(-1 / pace))
    return [uniform + share * (matrix - uniform) for share in shares]


def _matrix(spec: RunSpec, draw: np.random.Generator) -> np.ndarray | None:
    """A (R x M): perfect for the oracle, else partly specialised, with modules that starve as rules grow."""
    R, M = spec.task.num_rules, spec.model.num_modules
    if M is None:
        return None
    if spec.model.scores == "oracle":
        return np.eye(R)
    logits = 1.5 * draw.normal(size=(R, M)) + draw.normal(size=M) * np.log2(R) * 0.6
    logits[np.arange(R), draw.permutation(max(R, M))[:R] % M] += 3.0
    gates = np.exp(logits - logits.max(1, keepdims=True))
    return gates / gates.sum(1, keepdims=True)
