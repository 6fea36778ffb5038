"""What a sweep costs before it is paid: floating-point operations, memory, disk and, from a few probes, time.

Plans and the time left rest on the same model of time: `step_work`, `curve_steps` and `evaluation_steps`.

Operations are counted analytically, 6 x parameters x samples (or tokens) per step (PAPER section 4): two per
parameter forward, four backward; attention products are left out. Everything else here is an estimate.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modbench.core.identity import static_key
from modbench.core.names import CHECKPOINTS
from modbench.core.spec import RunSpec
from modbench.evaluation.batches import batches_in_all, positions_evaluated
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
BESIDE_PRODUCTS = {"mlp": 0.09, "mha": 2.4, "rnn": 1.3}
"""Time of a training step that is not for products with weights (attention, passes over activations), in times of
those, for 8 rules at an encoder width of 32. It falls as 1 / E and grows as R to the 0.34. Least squares of the
logarithms over docs/images/growth.csv (2 to 32 rules, E from 32 to 128); residuals are 5 %, 12 % at most."""
FORWARD = 1 / 3
"""A pass forward in times of a training step on the same batch: two of six operations per parameter."""
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


def step_work(spec: RunSpec) -> float:
    """What should take time in proportion to an optimiser step of one run, on one architecture."""
    shape = (spec.task.num_rules / 8) ** 0.34 * 32 / spec.model.encoder_width
    return flops_per_step(spec) * (1 + BESIDE_PRODUCTS[spec.task.architecture] * shape)


def curve_steps(spec: RunSpec) -> float:
    """Optimiser steps that should take as long as the points of one run's learning curve."""
    points = math.ceil(spec.train.steps / spec.evaluation.curve_every) + 1
    return points * 2 * spec.evaluation.curve_batches * FORWARD


def evaluation_steps(spec: RunSpec, batches: int | None = None) -> float:
    """Optimiser steps that should take as long as the evaluation of one run.

    Args:
        spec: the run.
        batches: the first so many batches alone, of both checkpoints together; None is all of them.
    """
    positions = positions_evaluated(spec, batches_in_all(spec) if batches is None else batches)
    return positions / tokens_per_step(spec) * FORWARD


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
        spec: a run of the cohort that was timed.
        seconds: per optimiser step and run, at the group's width.
        evaluation: seconds of the whole evaluation of one run, at the group's width.
        compiling: seconds that its programs take to compile, where they are not in the cache.
    """

    spec: RunSpec
    seconds: float
    evaluation: float
    compiling: float


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
    """Seconds per step of one run as `overhead + per_work * work`; neither part is negative."""

    overhead: float
    per_work: float

    def seconds(self, work: float) -> float:
        """Seconds of one step of one run."""
        return self.overhead + self.per_work * work


def fit_step_time(probes: Sequence[Probe]) -> StepTime:
    """Fits seconds = a + b work with a, b >= 0 by least squares of log seconds.

    With rho = a / b the model is b (rho + work); for a given rho the best log b is a mean of residuals, so
    one scan over rho, from 0 (all work) to beyond the costliest probe (all overhead), finds the minimum.
    In logarithms a small model's error weighs as much as a large one's.

    Args:
        probes: at least one, of one architecture, with positive seconds.
    """
    works = [step_work(probe.spec) for probe in probes]
    largest = max(works)
    scan = [0.0, *(largest * 10 ** (exponent / 50) for exponent in range(-400, 401))]
    best = (math.inf, 0.0, 0.0)
    for rho in scan if len(probes) > 1 else [0.0]:
        residuals = [
            math.log(probe.seconds) - math.log(rho + work) for probe, work in zip(probes, works, strict=True)
        ]
        mean = sum(residuals) / len(residuals)
        spread = sum((residual - mean) ** 2 for residual in residuals)
        best = min(best, (spread, rho, math.exp(mean)))
    _, rho, scale = best
    return StepTime(overhead=rho * scale, per_work=scale)


class TimeEstimate(NamedTuple):
    """Expected time of a plan.

    Attributes:
        seconds: expected wall-clock seconds with the given number of workers.
        longest: seconds of the longest cohort, which no number of workers shortens.
        training: seconds that all workers together train, points of the learning curve included.
        evaluating: seconds that they evaluate.
        compiling: seconds that they compile.
    """

    seconds: float
    longest: float
    training: float
    evaluating: float
    compiling: float

    @property
    def core_seconds(self) -> float:
        """Seconds of all workers together."""
        return self.training + self.evaluating + self.compiling


class _Machine(NamedTuple):
    """What probes of one architecture tell: how long a step, evaluation beside steps, and compilation take."""

    step: StepTime
    evaluation: float
    compiling: float

    @classmethod
    def of(cls, probes: Sequence[Probe]) -> "_Machine":
        ratios = [probe.evaluation / (probe.seconds * evaluation_steps(probe.spec)) for probe in probes]
        compiling = sum(probe.compiling for probe in probes) / len(probes)
        return cls(fit_step_time(probes), sum(ratios) / len(ratios), compiling)


def estimate_time(cohorts: Sequence[PlannedCohort], probes: Sequence[Probe], workers: int) -> TimeEstimate:
    """Turns probes into the expected time of every cohort; an estimate, not a promise.

    Training, the learning curve, evaluation and compilation are counted. Programs that were probed lie in the
    cache by then and are not compiled again. Padded places of the last group cost as much as runs do.

    Args:
        cohorts: what is to be trained.
        probes: at least one for each of their architectures.
        workers: cohorts that train at once, on cores of their own.
    """
    by_architecture: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        by_architecture[probe.spec.task.architecture].append(probe)
    machines = {name: _Machine.of(group) for name, group in by_architecture.items()}
    compiled = {step_work(probe.spec): static_key(probe.spec) for probe in probes}
    parts = []
    for cohort in cohorts:
        spec = cohort.runs[0]
        machine = machines[spec.task.architecture]
        places = math.ceil(len(cohort.runs) / cohort.width) * cohort.width
        work = step_work(spec)
        step = places * machine.step.seconds(work)
        training = step * (spec.train.steps + curve_steps(spec))
        evaluating = step * machine.evaluation * evaluation_steps(spec)
        # The key of a program takes long to make, so work is compared first.
        is_compiled = work in compiled and compiled[work] == static_key(spec)
        parts.append((training, evaluating, 0.0 if is_compiled else machine.compiling))
    training, evaluating, compiling = (
        (sum(part) for part in zip(*parts, strict=True)) if parts else (0.0,) * 3
    )
    longest = max(map(sum, parts), default=0.0)
    seconds = max((training + evaluating + compiling) / workers, longest)
    return TimeEstimate(seconds, longest, training, evaluating, compiling)
