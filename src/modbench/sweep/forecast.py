"""How long cohorts will take, from those that were seen, and when the last of them will be done."""

import heapq
from collections.abc import Iterable, Mapping
from math import ceil
from typing import NamedTuple

from modbench.core.spec import RunSpec
from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import curve_steps, evaluation_steps, step_work
from modbench.sweep.pace import Levels, Pace, levels

PROGRAMS = ("train", "evaluate")
"""What a worker compiles for a cohort, in order; the learning curve belongs to the first."""


class Work(NamedTuple):
    """What a cohort's runs cost beside those of others, before any time was seen.

    Attributes:
        kinds: see `modbench.sweep.pace.levels`.
        step: an optimiser step of one run, with its share of the learning curve.
        bare_step: such a step alone; `evaluation_steps` counts in these.
    """

    kinds: Levels
    step: float
    bare_step: float

    @classmethod
    def of(cls, spec: RunSpec) -> "Work":
        """The work of runs like one."""
        work = step_work(spec)
        return cls(levels(spec), work * (1 + curve_steps(spec) / spec.train.steps), work)


class Standing(NamedTuple):
    """How far a cohort is.

    Attributes:
        groups: that are left, the present one included.
        width: runs in a group.
        step: optimiser steps that the present group has behind it.
        batch: batches of evaluation that it has behind it.
        ready: names of the programs that are compiled, of `PROGRAMS`.
        silent: seconds since a program began to be compiled, 0 otherwise.
    """

    groups: int
    width: int
    step: int = 0
    batch: int = 0
    ready: frozenset[str] = frozenset()
    silent: float = 0.0

    @classmethod
    def planned(cls, cohort: PlannedCohort) -> "Standing":
        """Of a cohort that nobody has begun."""
        return cls(ceil(len(cohort.runs) / cohort.width), cohort.width)


class Forecast:
    """Expected seconds of cohorts.

    Time is kept apart by what it grows with: compiling with cohorts, training and evaluation with operations. Until
    evaluation was seen, its operations are expected to take as long as those of training, and its program as
    long to compile.

    Args:
        cohorts: that are to be trained.
    """

    def __init__(self, cohorts: Iterable[PlannedCohort]) -> None:
        self._work = {cohort.cohort_id: Work.of(cohort.runs[0]) for cohort in cohorts}
        self._compiling = {program: Pace() for program in PROGRAMS}
        self._working = {program: Pace() for program in PROGRAMS}

    def compiled(self, cohort: PlannedCohort, program: str, seconds: float) -> None:
        """Takes in how long a cohort's program took to compile, one of `PROGRAMS`."""
        self._compiling[program].note(self._work[cohort.cohort_id].kinds, seconds, 1.0)

    def trained(self, cohort: PlannedCohort, seconds: float = 0.0, steps: int = 0) -> None:
        """Takes in training: time that passed, optimiser steps times the runs that took them, or both."""
        work = self._work[cohort.cohort_id]
        self._working["train"].note(work.kinds, seconds, steps * work.step)

    def evaluated(self, cohort: PlannedCohort, seconds: float = 0.0, steps: float = 0.0) -> None:
        """Takes in evaluation: time that passed, `evaluation_steps` times the runs that took them, or both."""
        work = self._work[cohort.cohort_id]
        self._working["evaluate"].note(work.kinds, seconds, steps * work.bare_step)

    def seconds(self, cohort: PlannedCohort, standing: Standing) -> float:
        """Expected seconds until a cohort is done, for the worker that has it."""
        work, spec = self._work[cohort.cohort_id], cohort.runs[0]
        training, evaluating = self._paces(self._working, work.kinds)
        steps = standing.groups * spec.train.steps - standing.step
        evaluation = standing.groups * evaluation_steps(spec) - evaluation_steps(spec, standing.batch)
        left = standing.width * (steps * work.step * training + evaluation * work.bare_step * evaluating)
        silent = standing.silent
        for program, seconds in zip(PROGRAMS, self._paces(self._compiling, work.kinds), strict=True):
            if program not in standing.ready:
                left += max(0.0, seconds - silent)
                silent = 0.0  # they are compiled one after the other
        return left

    @staticmethod
    def _paces(paces: Mapping[str, Pace], kinds: Levels) -> tuple[float, float]:
        training = paces["train"].of(kinds)
        return training, paces["evaluate"].of(kinds) or training


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
