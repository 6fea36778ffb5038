"""A trained run as rows of the store's tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modbench.core.identity import run_id
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, QUANTITIES
from modbench.core.spec import RunSpec
from modbench.store.record import CohortRecord, pack_matrix, spec_columns, spec_text
from modbench.store.schema import quantity_column

if TYPE_CHECKING:
    from modbench.evaluation.result import RunResult

MATRICES_KEPT = 2
"""Runs of a cohort whose activation matrices along training are stored; metrics are stored of all."""


def cohort_record(
    cohort_id: str,
    widths: Sequence[int],
    results: Sequence["RunResult"],
    environments: Sequence[Mapping[str, Any]],
) -> CohortRecord:
    """Builds what a cohort leaves behind.

    Args:
        cohort_id: of the cohort.
        widths: for each result how many runs its group had places for; the planned width unless memory ran out.
        results: of its runs.
        environments: for each result its `env_` columns, without the seconds.

    Returns:
        The rows of the store's four tables.
    """
    kept = _kept_matrices([result.spec for result in results])
    return CohortRecord(
        runs=[
            _run(cohort_id, width, result, environment)
            for result, width, environment in zip(results, widths, environments, strict=True)
        ],
        curves=[
            row for result, keep in zip(results, kept, strict=True) for row in _curve(result, matrices=keep)
        ],
        performance=[row for result in results for row in _performance(result)],
        activations=[row for result in results for row in _activations(result)],
    )


def _run(cohort_id: str, width: int, result: "RunResult", environment: Mapping[str, Any]) -> dict[str, Any]:
    best = result.checkpoints.get("best")
    return {
        "run_id": run_id(result.spec),
        "cohort_id": cohort_id,
        "status": result.status,
        "reason": result.reason,
        **spec_columns(result.spec),
        "num_parameters": result.num_parameters,
        "rule_agreement": result.rule_agreement,
        "rule_rank": result.rule_rank,
        "width": width,
        "diverged_at": result.diverged_at,
        "spec": spec_text(result.spec),
        **{
            quantity_column(checkpoint, quantity): _quantity(result, checkpoint, quantity)
            for checkpoint in CHECKPOINTS
            for quantity in QUANTITIES
        },
        "best_step": best.step if best else None,
        "last_train_loss": result.train_loss,
        **{f"env_seconds_{phase}": result.seconds[phase] for phase in ("train", "compile", "evaluate")},
        **environment,
    }


def _quantity(result: "RunResult", checkpoint: str, quantity: str) -> float | None:
    """None where the model has no such quantity, NaN where the run diverged before it could be measured."""
    if QUANTITIES[quantity].routed and not result.spec.model.modular:
        return None
    if checkpoint not in result.checkpoints:
        return math.nan
    value = result.checkpoints[checkpoint].quantities[quantity]
    return None if value is None else float(value)


def _kept_matrices(specs: Sequence[RunSpec]) -> list[bool]:
    """Whether the matrices along training are kept of each run: of the first by task seed and seed.

    A rule that looks at no number, so that what is kept is no selection. Runs that differ in the learning rate are
    apart.
    """
    kept = set()
    for rate in {spec.train.learning_rate for spec in specs}:
        seeds = sorted((spec.task.task_seed, spec.seed) for spec in specs if spec.train.learning_rate == rate)
        kept |= {(rate, *pair) for pair in seeds[:MATRICES_KEPT]}
    return [(spec.train.learning_rate, spec.task.task_seed, spec.seed) in kept for spec in specs]


def _curve(result: "RunResult", *, matrices: bool) -> Iterator[dict[str, Any]]:
    for point in result.curve:
        yield {
            "run_id": run_id(result.spec),
            "step": point.step,
            "loss": float(point.loss),
            "error": float(point.error),
            "selection_loss": float(point.selection_loss),
            "selection_error": float(point.selection_error),
            **{name: point.metrics.get(name) for name in CURVE_METRICS},
            "matrix": pack_matrix(point.activation) if matrices and point.activation is not None else None,
        }


def _performance(result: "RunResult") -> Iterator[dict[str, Any]]:
    for name, checkpoint in result.checkpoints.items():
        for shift in checkpoint.performance:
            yield {
                "run_id": run_id(result.spec),
                "checkpoint": name,
                "scale": float(shift.scale),
                "length": shift.length,
                "loss": float(shift.loss),
                "error": float(shift.error),
            }


def _activations(result: "RunResult") -> Iterator[dict[str, Any]]:
    for name, checkpoint in result.checkpoints.items():
        if checkpoint.activation is not None:
            rules, modules = checkpoint.activation.shape
            yield {
                "run_id": run_id(result.spec),
                "checkpoint": name,
                "num_rules": rules,
                "num_modules": modules,
                "matrix": [float(entry) for entry in checkpoint.activation.ravel()],
            }
