"""What a sweep costs before it is paid: floating-point operations, memory, disk and, from a few probes, time.

Operations are counted analytically, 6 x parameters x samples (or tokens) per step (PAPER section 4): two per
parameter forward, four backward; attention products are left out. Everything else here is an estimate.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modbench.core.names import CHECKPOINTS
from modbench.core.spec import RunSpec
from modbench.models.sizing import num_parameters
from modbench.store.plan import PlannedCohort
from modbench.sweep.footprint import group_bytes
from modbench.sweep.width import tokens_per_step

DISK_PER_COHORT = 25_000
DISK_PER_RUN = 900
DISK_PER_CURVE_POINT = 37
DISK_PER_SHIFT = 20
DISK_PER_GATE = 10
"""Bytes, measured on stores: a cohort's files before they hold a run; a run's row and its part of the plan; a
point of its curve; a shift and an entry of the activation matrix, each for one checkpoint."""
PROBE_FLOPS = 2e10
"""Costliest optimiser step of a run that is worth timing; larger models are extrapolated."""


def flops_per_step(spec: RunSpec) -> float:
    """Floating-point operations of one optimiser step of one run."""
    return 6.0 * num_parameters(spec) * tokens_per_step(spec)


def flops(spec: RunSpec) -> float:
    """Floating-point operations of one run's training."""
    return flops_per_step(spec) * spec.train.steps


def cohorts_flops(cohorts: Iterable[PlannedCohort]) -> float:
    """Floating-point operations of the training of cohorts, whose runs cost the same."""
    return math.fsum(len(cohort.runs) * flops(cohort.runs[0]) for cohort in cohorts)


def memory_bytes(cohort: PlannedCohort) -> float:
    """Most memory of the worker that trains a cohort, see `modbench.sweep.footprint`."""
    return group_bytes(cohort.runs[0], cohort.width)


def disk_bytes(cohorts: Iterable[PlannedCohort]) -> int:
    """Disk space that the cohorts' plans and results will take, to within a fifth or so."""
    total = 0
    for cohort in cohorts:
        spec = cohort.runs[0]
        points = spec.train.steps // spec.evaluation.curve_every + 1
        shifts = 2 * len(spec.evaluation.lengths)
        gates = spec.task.num_rules * (spec.model.num_modules or 0)
        per_checkpoint = DISK_PER_SHIFT * shifts + DISK_PER_GATE * gates
        per_run = DISK_PER_RUN + DISK_PER_CURVE_POINT * points + len(CHECKPOINTS) * per_checkpoint
        total += DISK_PER_COHORT + len(cohort.runs) * per_run
    return total


class Probe(NamedTuple):
    """One measurement on this machine.

    Attributes:
        architecture: of the model.
        flops: floating-point operations per step of one run.
        seconds: per step and run, at the group's width.
        compile_seconds: until the program was ready, 0 where that was not measured.
    """

    architecture: str
    flops: float
    seconds: float
    compile_seconds: float = 0.0


def choose_probes(cohorts: Sequence[PlannedCohort]) -> list[PlannedCohort]:
    """Chooses up to three cohorts per architecture whose timing tells most about the others.

    Returns:
        The cheapest by operations per step, the costliest that is still quick to time (`PROBE_FLOPS`), and
        the one nearest their geometric mean; without repetitions.
    """
    by_architecture: dict[str, list[PlannedCohort]] = defaultdict(list)
    for cohort in cohorts:
        by_architecture[cohort.runs[0].task.architecture].append(cohort)
    chosen = []
    for group in by_architecture.values():
        ranked = sorted(group, key=lambda cohort: flops_per_step(cohort.runs[0]))
        quick = [c for c in ranked if flops_per_step(c.runs[0]) <= PROBE_FLOPS] or ranked[:1]
        low, high = (math.log(flops_per_step(c.runs[0])) for c in (quick[0], quick[-1]))
        middle = min(quick, key=lambda c: abs(math.log(flops_per_step(c.runs[0])) - (low + high) / 2))
        # Equal costs mean one program as far as timing goes.
        distinct = {flops_per_step(c.runs[0]): c for c in (quick[-1], middle, quick[0])}
        chosen += sorted(distinct.values(), key=lambda cohort: flops_per_step(cohort.runs[0]))
    return chosen


class StepTime(NamedTuple):
    """Seconds per step of one run as `overhead + seconds_per_flop * flops`; neither part is negative."""

    overhead: float
    seconds_per_flop: float

    def seconds(self, flops_per_step: float) -> float:
        """Seconds of one step of one run."""
        return self.overhead + self.seconds_per_flop * flops_per_step


def fit_step_time(probes: Sequence[Probe]) -> StepTime:
    """Fits seconds = a + b flops with a, b >= 0 by least squares of log seconds.

    With rho = a / b the model is b (rho + flops); for a given rho the best log b is a mean of residuals, so
    one scan over rho, from 0 (all work) to beyond the costliest probe (all overhead), finds the minimum.
    In logarithms a small model's error weighs as much as a large one's.

    Args:
        probes: at least one, of one architecture, with positive seconds.
    """
    largest = max(probe.flops for probe in probes)
    scan = [0.0, *(largest * 10 ** (exponent / 50) for exponent in range(-400, 401))]
    best = (math.inf, 0.0, 0.0)
    for rho in scan if len(probes) > 1 else [0.0]:
        residuals = [math.log(probe.seconds) - math.log(rho + probe.flops) for probe in probes]
        mean = sum(residuals) / len(residuals)
        spread = sum((residual - mean) ** 2 for residual in residuals)
        best = min(best, (spread, rho, math.exp(mean)))
    _, rho, scale = best
    return StepTime(overhead=rho * scale, seconds_per_flop=scale)


class TimeEstimate(NamedTuple):
    """Expected time of a plan.

    Attributes:
        seconds: expected wall-clock seconds with the given number of workers.
        core_seconds: seconds of all workers together.
        longest: seconds of the longest cohort, which no number of workers shortens.
    """

    seconds: float
    core_seconds: float
    longest: float


def estimate_time(cohorts: Sequence[PlannedCohort], probes: Sequence[Probe], workers: int) -> TimeEstimate:
    """Turns probes into the expected time of every cohort; an estimate, not a promise.

    Training and compilation are counted, the final evaluation is not. Padded places of the last group cost as
    much as runs do.

    Args:
        cohorts: what is to be trained.
        probes: at least one for each of their architectures.
        workers: cohorts that train at once, on cores of their own.
    """
    by_architecture: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        by_architecture[probe.architecture].append(probe)
    models = {name: fit_step_time(group) for name, group in by_architecture.items()}
    compiling = {
        name: sum(probe.compile_seconds for probe in group) / len(group)
        for name, group in by_architecture.items()
    }
    times = []
    for cohort in cohorts:
        spec = cohort.runs[0]
        name = spec.task.architecture
        places = math.ceil(len(cohort.runs) / cohort.width) * cohort.width
        step = models[name].seconds(flops_per_step(spec))
        times.append(compiling[name] + places * spec.train.steps * step)
    core_seconds, longest = sum(times), max(times, default=0.0)
    return TimeEstimate(max(core_seconds / workers, longest), core_seconds, longest)
