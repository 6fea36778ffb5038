"""Where cohorts train: one small interface, and the executor that uses this very process.

Results do not depend on the executor: widths lie in the plan, and every process that trains has one thread.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from modbench.core.errors import MachineError, RequestError, unknown
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.environment import accelerated, device_variables, usable_workers, worker_variables
from modbench.sweep.events import CohortFailed, Elsewhere, Event, Published
from modbench.sweep.keeping import USUAL, Keeping
from modbench.sweep.memory import Place, place_of, worker_share
from modbench.sweep.worker import GroupTrainer, Trainer, train_group

EXECUTORS = {
    "here": "in this process, one cohort at a time",
    "processes": "in several processes of one thread each; where there are accelerators, each with one of them",
    "ray": "on the nodes of a Ray cluster, in processes of one thread each",
}

MOST_WORKERS = 1024
POLL_SECONDS = 0.1
"""How long an executor waits for news before it looks whether it should stop."""


class Executor(Protocol):
    """Trains planned cohorts somewhere and publishes them into a store."""

    @property
    def workers(self) -> int:
        """Cohorts that train at once."""
        ...

    @property
    def place(self) -> Place:
        """Where each of them trains."""
        ...

    def run(
        self,
        cohorts: Sequence[PlannedCohort],
        store_folder: Path,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
        keeping: Keeping = USUAL,
    ) -> None:
        """Trains cohorts, in order as far as workers are free; returns when all ended or it was told to stop.

        Args:
            cohorts: what to train.
            store_folder: the store that they are published into; it has their plans.
            on_event: called in this thread with everything that happens.
            should_stop: when it turns true, workers stop at their next chunk and no cohort is begun.
            keeping: what workers keep besides results.

        Raises:
            MachineError: the machine failed us (a full disk, a worker that cannot start).
        """
        ...


class Here:
    """Trains in this process, in a thread of its own so that signals are heard while XLA compiles.

    The process is the user's, so no limit is set on its memory.
    """

    workers = 1

    def __init__(self, group: GroupTrainer = train_group):
        self.group = group
        self._share = worker_share(self.workers)
        self.place = place_of(self._share)

    def run(
        self,
        cohorts: Sequence[PlannedCohort],
        store_folder: Path,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
        keeping: Keeping = USUAL,
    ) -> None:
        """See `Executor.run`.

        Raises:
            RequestError: JAX runs in this process already, on the CPU and with another number of threads.
        """
        set_own_environment()
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        left = threading.Event()

        def stopping() -> bool:
            return left.is_set() or should_stop()

        store = Store.open(store_folder)
        trainer = Trainer(0, store, events.put, stopping, keeping, self.group, self._share)

        def work() -> None:
            try:
                for cohort in cohorts:
                    if stopping():
                        break
                    trainer.train(cohort)
            finally:
                events.put(None)

        thread = threading.Thread(target=work, name="modbench trainer", daemon=True)
        thread.start()
        try:
            # A plain get() would not let signal handlers run before the next event.
            while (event := _next(events)) is not None:
                on_event(event)
                raise_if_fatal(event)
        finally:
            # Whatever ends this call, nothing goes on training behind the caller's back.
            left.set()
            thread.join()


def _next(events: "queue.SimpleQueue[Event | None]") -> Event | None:
    while True:
        try:
            return events.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue


def set_own_environment() -> None:
    """Sets this process up as a worker.

    Raises:
        RequestError: it is too late, and that would change results.
    """
    variables = worker_variables()
    if "jax" in sys.modules and not accelerated() and os.environ.get("NPROC") != variables["NPROC"]:
        raise RequestError(
            "executor 'here' must set up JAX with one thread, but JAX is imported already, with more. "
            "Possible: executor 'processes', or NPROC=1 in the environment."
        )
    os.environ.update(variables | device_variables(0))


def raise_if_fatal(event: Event) -> None:
    """Raises `MachineError` for a failure after which nothing else can succeed."""
    if isinstance(event, CohortFailed) and event.fatal:
        raise MachineError(event.reason)


def is_last(event: Event) -> bool:
    """Whether an event is the last that a worker tells of its cohort."""
    return isinstance(event, Published | CohortFailed | Elsewhere)


def make_executor(
    name: str | None = None, workers: int | None = None, address: str | None = None
) -> Executor:
    """Makes an executor.

    Args:
        name: one of `EXECUTORS`; None takes `here` where JAX finds one accelerator, which one process fills, and
            `processes` otherwise.
        workers: of `processes`, None is one for each accelerator, or else for each core that may be used; of
            `ray`, None is as many as there is room for.
        address: of the cluster, for `ray`; None is that which this machine belongs to.

    Raises:
        RequestError: there is no such executor, the number of workers or the address does not fit it, or the
            cluster cannot be used.
    """
    from modbench.sweep.cluster import RayCluster
    from modbench.sweep.processes import Processes

    if name is None:
        name = "here" if accelerated() and (workers or usable_workers()) == 1 else "processes"
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise RequestError(f"workers: must be from 1 to {MOST_WORKERS}, got {workers}")
    if address is not None and name != "ray":
        raise RequestError(f"address: is for executor 'ray' alone, got {address!r} with {name!r}")
    if name == "ray":
        return RayCluster(address or "auto", workers)
    if name == "processes":
        return Processes(workers or usable_workers())
    if workers not in (None, 1):
        raise RequestError(f"workers: must be 1 for executor 'here', got {workers}")
    return Here()
