"""What an executor tells while it works: plain values that travel between processes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """A worker took up a cohort.

    Attributes:
        worker: index of the worker, from 0.
        cohort_id: the cohort.
        width: runs in a group where that is fewer than planned, else None.
    """

    worker: int
    cohort_id: str
    width: int | None = None


@dataclass(frozen=True)
class Narrowed:
    """A group did not fit into memory and starts again with fewer runs side by side.

    Attributes:
        worker: index of the worker.
        cohort_id: its cohort.
        group: index of the group within the cohort, from 0.
        width: runs in this and the cohort's later groups.
        reason: what was refused, in one line.
    """

    worker: int
    cohort_id: str
    group: int
    width: int
    reason: str


@dataclass(frozen=True)
class Resumed:
    """A group goes on from what an earlier command left.

    Attributes:
        worker: index of the worker.
        cohort_id: its cohort.
        group: index of the group within the cohort, from 0.
        trained: runs of the groups before it.
        step: optimiser steps that it has behind it.
        width: runs in this and the cohort's later groups.
    """

    worker: int
    cohort_id: str
    group: int
    trained: int
    step: int
    width: int


@dataclass(frozen=True)
class Noted:
    """Something about a cohort that people should know, and that stops nothing.

    Attributes:
        worker: index of the worker.
        cohort_id: its cohort.
        text: in one line.
    """

    worker: int
    cohort_id: str
    text: str


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
        batch: batches of evaluation done by the group, of both checkpoints together.
        batches: batches of evaluation in all; 0 before evaluation.
    """

    worker: int
    cohort_id: str
    group: int
    phase: str
    step: int
    steps: int
    loss: float | None
    batch: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Published:
    """A cohort's results lie in the store.

    Attributes:
        worker: index of the worker.
        cohort_id: the cohort.
        done: number of runs that finished.
        failed: number of runs that are recorded as failed: diverged, or too large for the memory.
        reason: why the first of them failed; empty where none did, or another command trained them.
    """

    worker: int
    cohort_id: str
    done: int
    failed: int
    reason: str = ""


@dataclass(frozen=True)
class GivenBack:
    """A worker died; its cohort waits again for another one.

    Attributes:
        worker: index of the worker.
        cohort_id: the cohort.
        reason: how the worker ended, in one line.
        width: runs in a group when it is tried again, where that is fewer than planned, else None.
    """

    worker: int
    cohort_id: str
    reason: str
    width: int | None = None


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


@dataclass(frozen=True)
class Elsewhere:
    """Another command trains the cohort, or has just published it; for now there is nothing to do here.

    Attributes:
        worker: index of the worker.
        cohort_id: the cohort.
    """

    worker: int
    cohort_id: str


Event = Started | Resumed | Noted | Advanced | Narrowed | Published | GivenBack | CohortFailed | Elsewhere
