"""Which cohort is next, and what becomes of one whose worker has died: the same for all executors of many workers."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from modbench.store.plan import PlannedCohort
from modbench.sweep.events import CohortFailed, Event, GivenBack

ATTEMPTS = 2
"""Workers that may die over one cohort at one width before it is given up, unless less memory may save it."""
LOSSES = 10
"""Machines that may be lost over one cohort before it is given up: they are taken away, and rarely broken by it."""


class Death(NamedTuple):
    """How a worker ended that had a cohort.

    Attributes:
        reason: in one line.
        of_memory: whether memory did not last.
        with_machine: whether its whole machine was lost.
    """

    reason: str
    of_memory: bool = False
    with_machine: bool = False


class Queue:
    """The cohorts that wait, and how the workers have fared with them."""

    def __init__(self, cohorts: Sequence[PlannedCohort]):
        self.waiting = deque(cohorts)
        self._deaths: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._widths: dict[str, int] = {}

    def next(self) -> tuple[PlannedCohort, int | None]:
        """Takes the next cohort, and its width where that is lower than planned."""
        cohort = self.waiting.popleft()
        return cohort, self._widths.get(cohort.cohort_id)

    def give_back(self, worker: int, cohort: PlannedCohort, death: Death) -> Event:
        """Decides about a cohort whose worker has died, and tells what was decided.

        Where memory did not last, half the width is tried until that is 1. Otherwise the same is tried again.
        """
        identity = cohort.cohort_id
        width = self._widths.get(identity, cohort.width)
        if death.of_memory and width > 1:
            self._widths[identity] = width // 2
            self._deaths[identity] = 0
        else:
            count, most = (self._losses, LOSSES) if death.with_machine else (self._deaths, ATTEMPTS)
            count[identity] += 1
            if count[identity] == most:
                reason = f"its worker died {most} times, last {death.reason}"
                return CohortFailed(worker, identity, reason)
        self.waiting.appendleft(cohort)
        return GivenBack(worker, identity, death.reason, self._widths.get(identity))
