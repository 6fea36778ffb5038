"""What an executor tells while it works: plain values that travel between processes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """A worker took up a cohort.

    Attributes:
        worker: index of the worker, from 0.
        cohort_id: the cohort.
    """

    worker: int
    cohort_id: str


@dataclass(frozen=True)
class Advanced:
    """A worker's group has come further.

    Attributes:
        worker: index of the worker.
        cohort_id: its cohort.
        group: index of the group within the cohort, from 0.
        phase: `"compile"`, `"train"` or `"evaluate"`.
        step: optimiser steps done by the group.
        steps: optimiser steps in all.
        loss: mean training loss over the group's live runs, or None where there is none yet.
    """

    worker: int
    cohort_id: str
    group: int
    phase: str
    step: int
    steps: int
    loss: float | None


@dataclass(frozen=True)
class Published:
    """A cohort's results lie in the store.

    Attributes:
        worker: index of the worker.
        cohort_id: the cohort.
        done: number of runs that finished.
        failed: number of runs that diverged.
    """

    worker: int
    cohort_id: str
    done: int
    failed: int


@dataclass(frozen=True)
class GivenBack:
    """A worker died; its cohort waits again for another one.

    Attributes:
        worker: index of the worker.
        cohort_id: the cohort.
        reason: how the worker ended, in one line.
    """

    worker: int
    cohort_id: str
    reason: str


@dataclass(frozen=True)
class CohortFailed:
    """A cohort could not be trained; its runs stay missing and a later command tries them again.

    Attributes:
        worker: index of the worker.
        cohort_id: the cohort.
        reason: why, in one line.
        detail: a traceback for whoever wants to mend it, or empty.
        fatal: whether the machine failed us (a full disk, say) and nothing else could be stored either.
    """

    worker: int
    cohort_id: str
    reason: str
    detail: str = ""
    fatal: bool = False


Event = Started | Advanced | Published | GivenBack | CohortFailed
