"""A trained checkpoint -> its quantities."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import PyTree

from modbench import metrics
from modbench.core.quantities import CURVE_METRICS, METRICS, QUANTITIES
from modbench.core.spec import RunSpec
from modbench.evaluation.activation import (
    activation_matrix,
    gate_mass,
    mean_gates,
    module_distributions,
    sampling,
)
from modbench.evaluation.performance import SCALES, Performance, performance
from modbench.evaluation.result import CheckpointResult, CurvePoint, ShiftPerformance
from modbench.training.gates import GateMass
from modbench.training.trainer import Point, RunData, Trainer


class Measured(NamedTuple):
    """What the device measures of one checkpoint: one compiled program for everything."""

    performance: Performance
    gates: GateMass | None


def measure_checkpoint(trainer: Trainer, params: PyTree, data: RunData) -> Measured:
    """Measures performance under every shift and, for modular models, the gates under every rule distribution."""
    gates = gate_mass(trainer, params, data) if trainer.spec.model.modular else None
    return Measured(performance(trainer, params, data), gates)


def checkpoint_result(spec: RunSpec, step: int, measured: Measured) -> CheckpointResult:
    """Turns one replica's measurements into reported quantities, on the host and in double precision.

    Args:
        spec: the run.
        step: updates behind the checkpoint.
        measured: of this replica, as NumPy arrays.
    """
    shifts = _shifts(spec, measured.performance)
    by_shift = {(shift.scale, shift.length): shift for shift in shifts}
    inside = by_shift[SCALES[0], spec.length]
    outside = by_shift[SCALES[1], max(spec.evaluation.lengths)]
    quantities: dict[str, float | None] = dict.fromkeys(QUANTITIES, None)
    quantities |= {
        "loss_id": inside.loss,
        "loss_ood": outside.loss,
        "error_id": inside.error,
        "error_ood": outside.error,
    }
    activation = None
    if measured.gates is not None:
        activation = activation_matrix(spec, measured.gates)
        quantities |= routing_quantities(spec, activation, module_distributions(spec, measured.gates))
    return CheckpointResult(step, shifts, activation, quantities)


def routing_quantities(
    spec: RunSpec, activation: np.ndarray, module_distributions: np.ndarray
) -> Mapping[str, float]:
    """The five metrics of an activation matrix (R, M) and the module use (S, M) under S rule distributions."""
    if not (np.isfinite(activation).all() and np.isfinite(module_distributions).all()):
        return dict.fromkeys(METRICS, float("nan"))
    adaptation = metrics.adaptation(sampling(spec).distributions, module_distributions)
    return {**metrics.routing_metrics(metrics.joint(activation)), "adaptation": adaptation}


def curve_point(spec: RunSpec, step: int, measured: Point) -> CurvePoint:
    """Turns one replica's evaluation after `step` updates, as NumPy arrays, into a point of its learning curve."""
    activation, found = None, {}
    if measured.gates is not None:
        activation = mean_gates(*(np.asarray(part, np.float64) for part in measured.gates))
        if np.isfinite(activation).all():
            values = metrics.fixed_routing_metrics(activation, spec.evaluation.adaptation_distributions)
            found = dict(zip(CURVE_METRICS, values.values(), strict=True))
        else:
            activation = None
    loss, error, selection_loss, selection_error = (float(value) for value in measured[:4])
    return CurvePoint(step, loss, error, selection_loss, selection_error, activation, found)


def _shifts(spec: RunSpec, measured: Performance) -> list[ShiftPerformance]:
    loss = np.asarray(measured.loss, np.float64).mean(axis=0)
    error = np.asarray(measured.error, np.float64).mean(axis=0)
    return [
        ShiftPerformance(scale, length, float(loss[s, n]), float(error[s, n]))
        for s, scale in enumerate(SCALES)
        for n, length in enumerate(spec.evaluation.lengths)
    ]
