"""A whole sweep into a store: plan what is missing, train it, tell how it went."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from modbench.core.grid import Sweep
from modbench.store.checkpoints import finished_runs
from modbench.store.claims import Claims
from modbench.store.files import Damage, Store
from modbench.sweep.events import CohortFailed, Elsewhere, Event, Published
from modbench.sweep.executors import Executor, is_last, make_executor
from modbench.sweep.keeping import USUAL, Keeping
from modbench.sweep.memory import ANYWHERE, PLANNED, Place
from modbench.sweep.plan import Plan, make_plan

ELSEWHERE = -1
"""Stands for the worker where another command published a cohort."""
MORE_MEMORY = 1.25
"""Times the memory that a run did not fit into: where a worker has as much, it is tried again."""
WAIT_SECONDS = 0.5
"""How often it is looked how far other commands are that train for the same store."""


class Prepared(NamedTuple):
    """A store that is ready to be filled.

    Attributes:
        store: open for writing, with every pending cohort's plan in it.
        plan: what is left to train.
        damages: files that were damaged and have been set aside; their runs are missing again.
    """

    store: Store
    plan: Plan
    damages: list[Damage]


@dataclass(frozen=True)
class Outcome:
    """How a sweep went.

    Attributes:
        done: runs of the sweep that are recorded as done.
        failed: run ids of the sweep that are recorded as failed (diverged).
        missing: number of runs of the sweep that are not recorded.
        cohorts_failed: cohorts that could not be trained this time; their runs are among the missing.
        waiting: runs among the missing that are finished and wait for the other runs of their cohort.
    """

    done: int
    failed: list[str]
    missing: int
    cohorts_failed: list[CohortFailed] = field(default_factory=list)
    waiting: int = 0


def default_folder(sweep: Sweep) -> Path:
    """Where a sweep's results go unless told otherwise."""
    return Path("results") / sweep.name


def prepare(
    sweep: Sweep, folder: str | Path, place: Place = ANYWHERE, retry_memory: bool = False
) -> Prepared:
    """Makes or opens the store, sets damaged files aside, plans what is missing and writes those plans.

    Args:
        sweep: what is wanted.
        folder: the store.
        place: where the executor trains.
        retry_memory: try runs again that did not fit into memory, however much there is now.

    Raises:
        RequestError: the folder cannot be a store; nothing has been written.
        MachineError: it cannot be written.
    """
    store = Store.create(folder, sweep.source)
    damages = store.set_damaged_aside()
    recorded = settled(store, place.memory, retry_memory)
    plan = make_plan(sweep.runs, recorded, store.plans(), store.published(), place)
    for cohort in plan.pending:
        store.add_plan(cohort)
    return Prepared(store, plan, damages)


def settled(store: Store, memory: float | None, retry_memory: bool = False) -> set[str]:
    """Ids of the recorded runs that are not to be trained again.

    Runs that did not fit into memory are, where there is clearly more of it now.

    Args:
        store: with the runs.
        memory: bytes that a worker may fill now; None if unknown.
        retry_memory: see `prepare`.
    """
    again = {
        identity
        for identity, had in store.untrained().items()
        if retry_memory or (memory is not None and had is not None and memory >= MORE_MEMORY * PLANNED * had)
    }
    return set(store.recorded()) - again


def train(
    prepared: Prepared,
    executor: Executor,
    on_event: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    keeping: Keeping = USUAL,
) -> list[CohortFailed]:
    """Trains what a prepared store lacks, together with other commands that do the same.

    What another one is training is left to it, and waited for; it is trained here if that one gives up.

    Returns:
        The cohorts that could not be trained; their runs stay missing.

    Raises:
        MachineError: the machine failed us.
    """
    store, claims = prepared.store, Claims(prepared.store.folder)
    failures: list[CohortFailed] = []
    left = {cohort.cohort_id: cohort for cohort in prepared.plan.pending}

    def note(event: Event) -> None:
        if isinstance(event, CohortFailed):
            failures.append(event)
            if not event.fatal:
                claims.note_failure(event.cohort_id, event.reason)
        if is_last(event) and not isinstance(event, Elsewhere):
            left.pop(event.cohort_id, None)
        on_event(event)

    free = list(left.values())
    while left and not should_stop():
        if free:
            executor.run(free, store.folder, note, should_stop, keeping)
        else:
            time.sleep(WAIT_SECONDS)
        for cohort_id in [cohort_id for cohort_id in left if store.is_published(cohort_id)]:
            statuses = list(store.recorded([cohort_id]).values())
            note(Published(ELSEWHERE, cohort_id, statuses.count("done"), statuses.count("failed")))
        held = claims.living(left)
        free = [cohort for cohort_id, cohort in left.items() if cohort_id not in held]
    return failures


def outcome(sweep: Sweep, store: Store, cohorts_failed: list[CohortFailed]) -> Outcome:
    """Reads from the store how the sweep stands."""
    recorded = store.recorded()
    statuses = {identity: recorded.get(identity) for identity in sweep.runs}
    failed = [identity for identity, status in statuses.items() if status == "failed"]
    missing = sum(status is None for status in statuses.values())
    # A cohort that was planned for a larger sweep may hold others besides.
    waiting = min(missing, finished_runs(store.folder, store.published()))
    return Outcome(len(statuses) - len(failed) - missing, failed, missing, cohorts_failed, waiting)


def run_sweep(
    sweep: Sweep,
    folder: str | Path,
    executor: Executor | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    keeping: Keeping = USUAL,
) -> Outcome:
    """Trains what a store lacks of a sweep.

    Args:
        sweep: see `modbench.core.grid.load_sweep`.
        folder: the store; made where there is none, continued where there is one.
        executor: where to train; None takes what suits the machine.
        on_event: told everything that happens.
        should_stop: when it turns true, workers stop at their next chunk; the same call continues later.
        keeping: how often checkpoints are made, and whether trained parameters are kept.

    Raises:
        RequestError: the folder cannot be a store; nothing has been written.
        MachineError: the machine failed us, a full disk say; the same call continues later.

    Example::

        from modbench.core.grid import load_sweep
        from modbench.sweep.run import run_sweep

        outcome = run_sweep(load_sweep("quick"), "results/quick")
    """
    executor = executor or make_executor()
    prepared = prepare(sweep, folder, executor.place)
    failures = train(prepared, executor, on_event, should_stop, keeping)
    return outcome(sweep, prepared.store, failures)
