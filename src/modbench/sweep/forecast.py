"""How long cohorts will take, from those that were seen, and when the last of them will be done."""

import heapq
from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from modbench.core.spec import RunSpec
from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import flops_per_step
from modbench.sweep.pace import Levels, Pace, levels
from modbench.sweep.width import tokens_per_step

BESIDE_PRODUCTS = {"mlp": 0.05, "mha": 2.5, "rnn": 1.1}
"""Time of a training step that is not for products with weights (attention, passes over activations), in times of
those, for 8 rules at an encoder width of 32. Fitted by eye to docs/images/growth.csv, where it falls as 1 / E and
grows as R to the 0.4."""
COMPILING = {"mlp": 1.0, "mha": 1.4, "rnn": 1.2}
"""Time of compiling, beside the MLP's: averages of `studies/small`."""
EVALUATION = {"mlp": 1.0, "mha": 3.0, "rnn": 0.6}
"""Time of evaluating a sample or token, in times of training on one, beside the MLP's: averages of `studies/small`."""


class Work(NamedTuple):
    """What a cohort's runs cost beside those of others, before any time was seen.

    Attributes:
        kinds: see `modbench.sweep.pace.levels`.
        compiling: its programs.
        step: an optimiser step of one run.
        evaluation: the evaluation of one run.
    """

    kinds: Levels
    compiling: float
    step: float
    evaluation: float

    @classmethod
    def of(cls, spec: RunSpec) -> "Work":
        """The work of runs like one."""
        architecture = spec.task.architecture
        shape = (spec.task.num_rules / 8) ** 0.4 * 32 / spec.model.encoder_width
        step = flops_per_step(spec) * (1 + BESIDE_PRODUCTS[architecture] * shape)
        evaluated = _tokens_evaluated(spec) / tokens_per_step(spec)
        return cls(levels(spec), COMPILING[architecture], step, step * evaluated * EVALUATION[architecture])


def _tokens_evaluated(spec: RunSpec) -> int:
    """Samples (MLP) or tokens that a run is evaluated on, at one checkpoint."""
    evaluation = spec.evaluation
    performance = 2 * evaluation.performance_batches * evaluation.performance_batch_size
    adaptation = evaluation.adaptation_distributions * evaluation.adaptation_samples * spec.length
    return performance * sum(evaluation.lengths) + evaluation.activation_samples + adaptation


class Standing(NamedTuple):
    """How far a cohort is.

    Attributes:
        groups: that are left, the present one included.
        width: runs in a group.
        step: optimiser steps that the present group has behind it.
        compiled: whether its training program is ready.
        evaluated: whether its evaluation program is ready.
        silent: seconds since it was heard of last, where nothing is until a program is ready or a group evaluated.
    """

    groups: int
    width: int
    step: int = 0
    compiled: bool = False
    evaluated: bool = False
    silent: float = 0.0

    @classmethod
    def planned(cls, cohort: PlannedCohort) -> "Standing":
        """Of a cohort that nobody has begun."""
        return cls(ceil(len(cohort.runs) / cohort.width), cohort.width)


class Forecast:
    """Expected seconds of cohorts.

    Time is kept apart by what it grows with: compiling with cohorts, training with operations, evaluation with runs.

    Args:
        cohorts: that are to be trained.
    """

    def __init__(self, cohorts: Iterable[PlannedCohort]) -> None:
        self._work = {cohort.cohort_id: Work.of(cohort.runs[0]) for cohort in cohorts}
        self._compiling: dict[str, Pace] = {"train": Pace(), "evaluate": Pace()}
        self._training, self._evaluating = Pace(), Pace()

    def compiled(self, cohort: PlannedCohort, program: str, seconds: float) -> None:
        """Takes in how long a cohort's program took to compile, `"train"` or `"evaluate"`."""
        work = self._work[cohort.cohort_id]
        self._compiling[program].note(work.kinds, seconds, work.compiling)

    def trained(self, cohort: PlannedCohort, seconds: float = 0.0, steps: int = 0) -> None:
        """Takes in training: time that passed, optimiser steps times the runs that took them, or both."""
        work = self._work[cohort.cohort_id]
        self._training.note(work.kinds, seconds, steps * work.step)

    def evaluated(self, cohort: PlannedCohort, seconds: float, runs: int) -> None:
        """Takes in how long the evaluation of a group took."""
        work = self._work[cohort.cohort_id]
        self._evaluating.note(work.kinds, seconds, runs * work.evaluation)

    def seconds(self, cohort: PlannedCohort, standing: Standing) -> float:
        """Expected seconds until a cohort is done, for the worker that has it."""
        work = self._work[cohort.cohort_id]
        compiling = {name: work.compiling * pace.of(work.kinds) for name, pace in self._compiling.items()}
        steps = standing.groups * cohort.runs[0].train.steps - standing.step
        training = standing.width * steps * work.step * self._training.of(work.kinds)
        evaluation = standing.width * work.evaluation * self._evaluating.of(work.kinds)
        left = training + standing.groups * evaluation
        if not standing.evaluated:
            left += compiling["evaluate"]
        if not standing.compiled:
            return left + max(0.0, compiling["train"] - standing.silent)
        return left - min(standing.silent, evaluation)


def makespan(begun: Iterable[float], waiting: Iterable[float], workers: int) -> float:
    """Seconds until the last cohort is done, where each goes to the worker that is free first.

    Args:
        begun: seconds that the cohorts at work still need, each with a worker of its own.
        waiting: seconds of the others, in the order in which they are dealt.
        workers: how many there are, at least.
    """
    free = list(begun)
    free += [0.0] * max(0, workers - len(free))
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)
