"""The executor that trains in several local processes, of one thread each.

A worker is a fresh Python that talks with us over a socket pair of its own (`modbench.sweep.child`). The protocol,
in order of a worker's life::

    us -> worker    _Job, once
    worker -> us    READY
    us -> worker    a planned cohort; or STOP, also while one trains
    worker -> us    events; after those of one cohort READY again
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from modbench.core.errors import MachineError
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.child import Child, connect
from modbench.sweep.events import CohortFailed, Event, GivenBack
from modbench.sweep.executors import POLL_SECONDS, is_last, raise_if_fatal
from modbench.sweep.worker import GroupTrainer, Trainer, train_group

READY = "ready"
STOP = "stop"
ATTEMPTS = 2
"""Workers that may die over one cohort before it is given up."""


class _Job(NamedTuple):
    """What a worker is told first."""

    worker: int
    store_folder: Path
    group: GroupTrainer


def serve(descriptor: int) -> None:
    """The worker's side: trains what comes over the connection until it is told to stop or we are gone."""
    connection = connect(descriptor)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: _Job = connection.recv()
        # While a cohort trains, the only thing that can come is STOP, or the end of the file.
        trainer = Trainer(
            job.worker, Store.open(job.store_folder), connection.send, connection.poll, job.group
        )
        connection.send(READY)
        while (cohort := connection.recv()) != STOP:
            trainer.train(cohort)
            connection.send(READY)
    os._exit(0)  # everything lies in the store; tearing JAX down takes long and can crash


class _Worker(Child):
    """Our side of one worker process."""

    def __init__(self, index: int, store_folder: Path, group: GroupTrainer):
        super().__init__(__name__)
        self.index = index
        self.cohort: PlannedCohort | None = None
        self.started = False
        self.send(_Job(index, store_folder, group))

    def take(self, cohort: PlannedCohort) -> None:
        """Gives the worker a cohort to train."""
        self.cohort = cohort
        self.send(cohort)

    def news(self) -> Event | None:
        """Reads one message; an event, or None when it was only that the worker is ready again.

        Raises:
            EOFError: the worker is gone.
        """
        message: Any = self.receive()
        if message == READY:
            self.started = True
            return None
        if is_last(message):
            self.cohort = None
        return message


class Processes:
    """Deals cohorts to local worker processes as they become free.

    A worker that dies is replaced; its cohort is tried once more, and reported as failed if that one dies too.

    Args:
        workers: number of processes; no more are started than there are cohorts.
        group: trains a group; importable by name in a new process.
    """

    def __init__(self, workers: int, group: GroupTrainer = train_group):
        self.workers = workers
        self.group = group

    def run(
        self,
        cohorts: Sequence[PlannedCohort],
        store_folder: Path,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """See `modbench.sweep.executors.Executor.run`."""
        waiting = deque(cohorts)
        deaths: Counter[str] = Counter()
        pool: dict[int, _Worker] = {}
        try:
            for index in range(min(self.workers, len(cohorts))):
                pool[index] = _Worker(index, store_folder, self.group)
            stopping = False
            while pool:
                if not stopping and should_stop():
                    stopping = True
                    waiting.clear()
                    for worker in pool.values():
                        worker.send(STOP)
                by_connection = {worker.connection: worker for worker in pool.values()}
                for connection in wait(list(by_connection), timeout=POLL_SECONDS):
                    worker = by_connection[connection]  # pyright: ignore[reportArgumentType]
                    try:
                        event = worker.news()
                    except EOFError:
                        del pool[worker.index]
                        self._bury(worker, waiting, deaths, on_event, stopping)
                        if waiting:
                            pool[worker.index] = _Worker(worker.index, store_folder, self.group)
                        continue
                    if event is not None:
                        on_event(event)
                        raise_if_fatal(event)
                    elif waiting:
                        worker.take(waiting.popleft())
                    else:
                        worker.send(STOP)
        finally:
            for worker in pool.values():
                worker.end()

    def _bury(
        self,
        worker: _Worker,
        waiting: deque[PlannedCohort],
        deaths: Counter[str],
        on_event: Callable[[Event], None],
        stopping: bool,
    ) -> None:
        """Clears up after a worker that has gone, as it should or not."""
        cohort, reason = worker.cohort, worker.last_words()
        worker.end()
        if not worker.started and not stopping:
            raise MachineError(f"a worker process could not start: {reason}")
        if cohort is None or stopping:
            return
        deaths[cohort.cohort_id] += 1
        if deaths[cohort.cohort_id] < ATTEMPTS:
            waiting.appendleft(cohort)
            on_event(GivenBack(worker.index, cohort.cohort_id, reason))
        else:
            died = f"its worker died {ATTEMPTS} times, last {reason}"
            on_event(CohortFailed(worker.index, cohort.cohort_id, died))
