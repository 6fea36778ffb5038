"""A trained checkpoint -> its quantities."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from modbench import metrics
from modbench.core.errors import RequestError
from modbench.core.quantities import CURVE_METRICS, METRICS, QUANTITIES
from modbench.core.spec import RunSpec
from modbench.evaluation.activation import (
    activation_matrix,
    gate_mass,
    mean_gates,
    module_distributions,
    rule_distributions,
)
from modbench.evaluation.batches import SCALES, evaluation_parts, shifts_per_batch
from modbench.evaluation.performance import Performance, performance
from modbench.evaluation.result import CheckpointResult, CurvePoint, ShiftPerformance
from modbench.training.gates import GateMass
from modbench.training.trainer import Point, RunData, Trainer


class IllegalGatesError(RequestError):
    """Gates turned out to be negative, or not to sum to 1, in a measurement: the run's numbers mean nothing."""


class Measured(NamedTuple):
    """What the device measures of one checkpoint, a place for every batch; `gates` is None without modules."""

    performance: Performance
    gates: GateMass | None


def nothing_measured(trainer: Trainer) -> Measured:
    """The places for everything that is measured of one checkpoint, on the host."""
    spec = trainer.spec
    passes, *gates = (part.count for part in evaluation_parts(spec))
    means = np.zeros(
        (passes, len(SCALES) * len(spec.evaluation.lengths) // shifts_per_batch(spec)), np.float32
    )
    mass = None
    if gates:
        rules, modules = spec.task.num_rules, spec.model.num_modules or 0
        counts = np.zeros((*gates, rules), np.int32)
        excess = np.zeros((*gates, 2), np.float32) if trainer.watches_gates else None
        mass = GateMass(np.zeros((*counts.shape, modules), np.float32), counts, excess)  # pyright: ignore[reportArgumentType]
    return Measured(Performance(means, means.copy()), mass)  # pyright: ignore[reportArgumentType]


def measure_batches(
    trainer: Trainer,
    measured: Measured,
    params: PyTree,
    data: RunData,
    first: Int[Array, ""],
    end: Int[Array, ""],
) -> Measured:
    """Measures the batches `first` to `end - 1` of `evaluation_parts`; how they are cut into calls changes no bit.

    Performance under every shift comes first, then, for modular models, the gates under every rule distribution.
    """
    passes = evaluation_parts(trainer.spec)[0].count
    bounds = jnp.minimum(first, passes), jnp.minimum(end, passes)
    found = performance(trainer, measured.performance, params, data, *bounds)
    if measured.gates is None:
        return Measured(found, None)
    beyond = jnp.maximum(first - passes, 0), jnp.maximum(end - passes, 0)
    return Measured(found, gate_mass(trainer, measured.gates, params, data, *beyond))


def measure_checkpoint(trainer: Trainer, params: PyTree, data: RunData) -> Measured:
    """Measures all batches of a checkpoint."""
    count = sum(part.count for part in evaluation_parts(trainer.spec))
    return measure_batches(trainer, nothing_measured(trainer), params, data, jnp.int32(0), jnp.int32(count))


def checkpoint_result(spec: RunSpec, step: int, measured: Measured) -> CheckpointResult:
    """Turns one replica's measurements into reported quantities, on the host and in double precision.

    Args:
        spec: the run.
        step: updates behind the checkpoint.
        measured: of this replica, as NumPy arrays.

    Raises:
        IllegalGatesError: what a router of one's own gave are no gates.
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
        with _legal(spec, measured.gates, step):
            quantities |= routing_quantities(spec, activation, module_distributions(spec, measured.gates))
    return CheckpointResult(step, shifts, activation, quantities)


def routing_quantities(
    spec: RunSpec, activation: np.ndarray, module_distributions: np.ndarray
) -> Mapping[str, float]:
    """The five metrics of an activation matrix (R, M) and the module use (S, M) under S rule distributions."""
    if not (np.isfinite(activation).all() and np.isfinite(module_distributions).all()):
        return dict.fromkeys(METRICS, float("nan"))
    adaptation = metrics.adaptation(rule_distributions(spec), module_distributions)
    return {**metrics.routing_metrics(metrics.joint(activation)), "adaptation": adaptation}


def curve_point(spec: RunSpec, step: int, measured: Point) -> CurvePoint:
    """Turns one replica's evaluation after `step` updates, as NumPy arrays, into a point of its learning curve.

    Raises:
        IllegalGatesError: what a router of one's own gave are no gates.
    """
    activation, found = None, {}
    if measured.gates is not None:
        activation = mean_gates(*(np.asarray(part, np.float64) for part in measured.gates[:2]))
        if np.isfinite(activation).all():
            with _legal(spec, measured.gates, step):
                values = metrics.fixed_routing_metrics(activation, spec.evaluation.adaptation_distributions)
            found = dict(zip(CURVE_METRICS, values.values(), strict=True))
        else:
            activation = None
    loss, error, selection_loss, selection_error = (float(value) for value in measured[:4])
    return CurvePoint(step, loss, error, selection_loss, selection_error, activation, found)


@contextmanager
def _legal(spec: RunSpec, gates: GateMass, step: int) -> Iterator[None]:
    """Raises IllegalGatesError where single positions, or the means that the metrics are computed from, are illegal.

    Gates that are not finite pass: they are the business of whoever looks for divergence.
    """
    where = f"router {spec.model.scores!r} with gates {spec.model.gates!r}, after {step} updates"
    if gates.excess is not None:
        below, apart = np.asarray(gates.excess).reshape(-1, 2).max(axis=0)
        if below > 0:
            raise IllegalGatesError(f"{where}: gates must not be negative, got {-below:g} in an example")
        if apart > metrics.TOLERANCE:
            raise IllegalGatesError(
                f"{where}: gates must sum to 1 within {metrics.TOLERANCE:g}, got a sum that is {apart:g} off"
            )
    try:
        yield
    except metrics.DistributionError as error:
        raise IllegalGatesError(f"{where}: mean gates: {error}") from None


def _shifts(spec: RunSpec, measured: Performance) -> list[ShiftPerformance]:
    shape = (-1, len(SCALES), len(spec.evaluation.lengths))
    loss, error = (np.asarray(means, np.float64).reshape(shape).mean(axis=0) for means in measured)
    return [
        ShiftPerformance(scale, length, float(loss[s, n]), float(error[s, n]))
        for s, scale in enumerate(SCALES)
        for n, length in enumerate(spec.evaluation.lengths)
    ]
