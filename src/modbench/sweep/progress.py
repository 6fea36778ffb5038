"""Events -> how far a sweep is: runs done, steps per second, time left."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import evaluation_steps
from modbench.sweep.describe import describe_cell, describe_setting
from modbench.sweep.events import (
    Advanced,
    CohortFailed,
    Elsewhere,
    Event,
    GivenBack,
    Narrowed,
    Noted,
    Published,
    Resumed,
    Started,
)
from modbench.sweep.forecast import PROGRAMS, Forecast, Standing, makespan
from modbench.sweep.plan import Plan
from modbench.sweep.traces import Trace

WINDOW_SECONDS = 20.0
"""The step rate is a mean over this long."""
TRUSTED_SECONDS = 1.0
"""Training or evaluation to have been seen, or else a whole cohort, before a remaining time is told."""


@dataclass
class Active:
    """What a worker is at.

    Attributes:
        cohort: that it trains.
        width: runs in its groups; fewer than planned where memory did not last.
        trained: runs of the groups before the present one.
        group: index of the group, from 0.
        phase: `"start"`, `"compile"`, `"train"` or `"evaluate"`.
        step: optimiser steps done by the group.
        steps: optimiser steps in all.
        batch: batches of evaluation done by the group.
        batches: batches of evaluation in all.
        loss: mean training loss of the group, or None.
        since: clock time of the last event.
        ready: the cohort's programs that are compiled, of `modbench.sweep.forecast.PROGRAMS`.
        traced: whether the present group has a trace of its losses.
    """

    cohort: PlannedCohort
    width: int
    trained: int = 0
    group: int = 0
    phase: str = "start"
    step: int = 0
    steps: int = 1
    batch: int = 0
    batches: int = 0
    loss: float | None = None
    since: float = 0.0
    ready: frozenset[str] = frozenset()
    traced: bool = False

    @property
    def groups(self) -> int:
        """Groups of the cohort, those behind and those ahead."""
        return self.group + ceil((len(self.cohort.runs) - self.trained) / self.width)

    @property
    def share(self) -> float:
        """The part of the cohort's training and evaluation that is done, in 0..1."""
        spec = self.cohort.runs[0]
        evaluation = evaluation_steps(spec)
        done = self.step / max(1, self.steps) * spec.train.steps + evaluation_steps(spec, self.batch)
        group = done / (spec.train.steps + evaluation)
        return (self.trained + group * self.runs) / len(self.cohort.runs)

    @property
    def runs(self) -> int:
        """Runs of the present group; the last one may be smaller than the width."""
        return min(self.width, len(self.cohort.runs) - self.trained)

    def standing(self, now: float) -> Standing:
        """How far the cohort is at a moment of the clock."""
        silent = now - self.since if self.phase == "compile" else 0.0
        return Standing(self.groups - self.group, self.width, self.step, self.batch, self.ready, silent)


def progress_of(total: int, plan: Plan, workers: int) -> "SweepProgress":
    """The live state of a sweep that is about to be trained.

    Args:
        total: runs of the sweep.
        plan: what is left of it.
        workers: cohorts that train at once.
    """
    recorded = total - plan.missing
    # A cohort that was planned for a larger sweep is trained whole.
    total = recorded + sum(len(cohort.runs) for cohort in plan.pending)
    return SweepProgress(plan.pending, total, recorded, workers)


class SweepProgress:
    """The live state of a sweep; it changes by events alone and can be shown at any moment.

    Args:
        cohorts: what is to be trained.
        total: runs of the whole sweep.
        recorded: runs of the sweep that the store had already.
        workers: cohorts that train at once.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        cohorts: Sequence[PlannedCohort],
        total: int,
        recorded: int,
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total = total
        self.recorded = recorded
        self.workers = workers
        self.active: dict[int, Active] = {}
        self.unfinished = {cohort.cohort_id: cohort for cohort in cohorts}
        self._cells = {cohort.cohort_id: describe_cell(cohort.runs[0]) for cohort in cohorts}
        self.runs_published = 0
        self.runs_failed = 0
        self.elsewhere: set[str] = set()  # cohorts that another command trains
        self.traces: dict[str, Trace] = {}  # by model, the one that was begun last at the end
        self.troubles: list[GivenBack | CohortFailed] = []
        self._clock = clock
        self._started = clock()
        self._forecast = Forecast(cohorts)
        self._trained_seconds = self._evaluated_seconds = 0.0
        self._steps: deque[tuple[float, int]] = deque([(self._started, 0)])

    @property
    def done(self) -> int:
        """Runs that are in the store, diverged ones included."""
        return self.recorded + self.runs_published

    @property
    def waiting(self) -> int:
        """Runs that are finished and wait for the other runs of their cohort."""
        return sum(active.trained for active in self.active.values())

    def named(self, cohort_id: str) -> str:
        """A cohort by its id and by what its runs share."""
        cell = self._cells.get(cohort_id)
        return f"cohort {cohort_id} ({cell})" if cell else f"cohort {cohort_id}"

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    def apply(self, event: Event) -> None:
        """Takes in what happened."""
        now = self._clock()
        if isinstance(event, Noted):
            return
        self.elsewhere.discard(event.cohort_id)
        if isinstance(event, Started):
            if event.cohort_id in self.unfinished:
                cohort = self.unfinished[event.cohort_id]
                self.active[event.worker] = Active(cohort, event.width or cohort.width, since=now)
            return
        active = self.active.get(event.worker)
        if active is not None:
            self._pass(active, event, now)
        if isinstance(event, Advanced):
            if active is not None:
                self._advance(active, event, now)
            return
        if isinstance(event, Resumed):
            if active is not None:  # what was done before is no work of this command's
                active.group, active.trained = event.group, event.trained
                active.step, active.width = event.step, event.width
            return
        if isinstance(event, Narrowed):
            if active is not None:
                active.width, active.phase, active.ready = event.width, "start", frozenset()
                active.step = active.batch = 0
            return
        self.active.pop(event.worker, None)
        if isinstance(event, Elsewhere):
            self.elsewhere.add(event.cohort_id)
        elif isinstance(event, Published):
            self.unfinished.pop(event.cohort_id, None)
            self.runs_published += event.done + event.failed
            self.runs_failed += event.failed
        else:
            self.troubles.append(event)
            if isinstance(event, CohortFailed):
                self.unfinished.pop(event.cohort_id, None)

    def _pass(self, active: Active, event: Event, now: float) -> None:
        """Counts the time since a worker's last event for what it was at."""
        seconds, active.since = now - active.since, now
        cohort = active.cohort
        if active.phase == "train":
            self._trained_seconds += seconds
            self._forecast.trained(cohort, seconds)
        elif active.phase == "evaluate":
            self._evaluated_seconds += seconds
            self._forecast.evaluated(cohort, seconds)
        elif active.phase == "compile" and isinstance(event, Advanced) and event.phase in PROGRAMS:
            if event.phase not in active.ready:
                active.ready |= {event.phase}
                self._forecast.compiled(cohort, event.phase, seconds)
            elif event.phase == "train":  # a later group's first steps
                self._forecast.trained(cohort, seconds)
            else:
                self._forecast.evaluated(cohort, seconds)

    def _advance(self, active: Active, event: Advanced, now: float) -> None:
        new_group = event.group != active.group
        before, measured = (0, 0) if new_group else (active.step, active.batch)
        steps = max(0, event.step - before)
        if new_group:
            active.traced = False
            active.trained += active.width * (event.group - active.group)
        active.group, active.phase, active.loss = event.group, event.phase, event.loss
        active.step, active.steps = event.step, event.steps
        active.batch, active.batches = event.batch, event.batches
        self._trace(active, event)
        self._forecast.trained(active.cohort, steps=steps * active.width)
        if event.batch > measured:
            spec = active.cohort.runs[0]
            alike = evaluation_steps(spec, event.batch) - evaluation_steps(spec, measured)
            self._forecast.evaluated(active.cohort, steps=alike * active.width)
        self._steps.append((now, self._steps[-1][1] + steps * active.runs))
        while len(self._steps) > 2 and now - self._steps[1][0] > WINDOW_SECONDS:
            self._steps.popleft()

    def _trace(self, active: Active, event: Advanced) -> None:
        """Notes a loss in the trace of its model, if no other group of that model was begun since."""
        if event.phase != "train" or event.loss is None:
            return
        spec = active.cohort.runs[0]
        trace = self.traces.get(spec.model.name)
        if not active.traced:
            active.traced = True
            self.traces.pop(spec.model.name, None)
            trace = Trace(event.cohort_id, event.group, describe_setting(spec), event.loss)
            self.traces[spec.model.name] = trace
        if trace and (trace.cohort_id, trace.group) == (event.cohort_id, event.group):
            trace.add(event.step, event.steps, event.loss)

    def steps_per_second(self) -> float:
        """Optimiser steps per second, summed over all runs that train, over the last `WINDOW_SECONDS`."""
        (start, before), (_, after) = self._steps[0], self._steps[-1]
        seconds = self._clock() - start
        return (after - before) / seconds if seconds > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Expected seconds until everything is trained; None before there is something to go by.

        What is left is dealt as it will be: a cohort is not divided, and goes to the worker that is free first.
        """
        if not self.unfinished:
            return 0.0
        if self._trained_seconds + self._evaluated_seconds < TRUSTED_SECONDS and not self.runs_published:
            return None
        now = self._clock()
        begun = {active.cohort.cohort_id: active.standing(now) for active in self.active.values()}
        # Whoever trains a cohort elsewhere takes others up as well.
        begun |= {identity: Standing.planned(self.unfinished[identity]) for identity in self.elsewhere}
        waiting = [cohort for identity, cohort in self.unfinished.items() if identity not in begun]
        return makespan(
            [self._forecast.seconds(self.unfinished[identity], begun[identity]) for identity in begun],
            [self._forecast.seconds(cohort, Standing.planned(cohort)) for cohort in waiting],
            self.workers + len(self.elsewhere),
        )
