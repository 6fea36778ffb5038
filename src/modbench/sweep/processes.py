"""The executor that trains in several local processes, of one thread each, or of one accelerator each.

A worker is a fresh Python that talks with us over a socket pair of its own (`modbench.sweep.child`). The protocol,
in order of a worker's life::

    us -> worker    Job, once
    worker -> us    READY
    us -> worker    a planned cohort and the width, if not as planned; or STOP, also while one trains
    worker -> us    events; after those of one cohort READY again
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from modbench.core.errors import MachineError
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.child import Child, connect
from modbench.sweep.dealing import Death, Queue
from modbench.sweep.environment import device_variables
from modbench.sweep.events import Event
from modbench.sweep.executors import POLL_SECONDS, is_last, raise_if_fatal
from modbench.sweep.keeping import USUAL, Keeping
from modbench.sweep.memory import died_of_memory, kernel_kills, limit_own_data, place_of, worker_share
from modbench.sweep.worker import GroupTrainer, Trainer, train_group

READY = "ready"
STOP = "stop"


class Job(NamedTuple):
    """What a worker is told first.

    Attributes:
        worker: its index, for its events.
        store_folder: where results go.
        group: trains a group; importable by name in a new process.
        share: bytes of memory that it may count as its own; None sets no limit.
        keeping: what it keeps besides results.
    """

    worker: int
    store_folder: Path
    group: GroupTrainer
    share: int | None
    keeping: Keeping


def serve(descriptor: int) -> None:
    """The worker's side: trains what comes over the connection until it is told to stop or we are gone."""
    connection = connect(descriptor)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: Job = connection.recv()
        limit_own_data(job.share)
        # While a cohort trains, the only thing that can come is STOP, or the end of the file.
        trainer = Trainer(
            job.worker,
            Store.open(job.store_folder),
            connection.send,
            connection.poll,
            job.keeping,
            job.group,
            job.share,
        )
        connection.send(READY)
        while (task := connection.recv()) != STOP:
            trainer.train(*task)
            connection.send(READY)
    os._exit(0)  # everything lies in the store; tearing JAX down takes long and can crash


class Worker(Child):
    """Our side of one worker process."""

    def __init__(self, index: int, job: Job):
        self.kernel_kills = kernel_kills()
        super().__init__(__name__, device_variables(index))
        self.index = index
        self.cohort: PlannedCohort | None = None
        self.started = False
        self.send(job)

    def take(self, cohort: PlannedCohort, width: int | None) -> None:
        """Gives the worker a cohort to train, at another width than planned unless that is None."""
        self.cohort = cohort
        self.send((cohort, width))

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

    def death(self) -> Death:
        """How the worker ended, once it is gone; frees what belongs to it."""
        reason = self.last_words()
        status = self.process.wait()
        self.end()
        return Death(reason, died_of_memory(status, self.kernel_kills))


class Processes:
    """Deals cohorts to local worker processes as they become free.

    A worker that dies is replaced; its cohort is tried once more, and reported as failed if that one dies too.
    Where it died of memory, the cohort is tried at half the width, down to 1.

    Args:
        workers: number of processes; no more are started than there are cohorts.
        group: trains a group; importable by name in a new process.
        share: bytes of memory that a worker may count as its own; None is an equal share of the machine.

    Attributes:
        place: where each of them trains.
    """

    def __init__(self, workers: int, group: GroupTrainer = train_group, share: int | None = None):
        self.workers = workers
        self.group = group
        self._share = worker_share(workers) if share is None else share
        self.place = place_of(self._share)

    def run(
        self,
        cohorts: Sequence[PlannedCohort],
        store_folder: Path,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
        keeping: Keeping = USUAL,
    ) -> None:
        """See `modbench.sweep.executors.Executor.run`."""
        queue = Queue(cohorts)
        pool: dict[int, Worker] = {}

        def start(index: int) -> None:
            pool[index] = Worker(index, Job(index, store_folder, self.group, self._share, keeping))

        try:
            for index in range(min(self.workers, len(cohorts))):
                start(index)
            stopping = False
            while pool:
                if not stopping and should_stop():
                    stopping = True
                    queue.waiting.clear()
                    for worker in pool.values():
                        worker.send(STOP)
                by_connection = {worker.connection: worker for worker in pool.values()}
                for connection in wait(list(by_connection), timeout=POLL_SECONDS):
                    worker = by_connection[connection]  # pyright: ignore[reportArgumentType]
                    try:
                        event = worker.news()
                    except EOFError:
                        del pool[worker.index]
                        _bury(worker, queue, on_event, stopping)
                        if queue.waiting:
                            start(worker.index)
                        continue
                    if event is not None:
                        on_event(event)
                        raise_if_fatal(event)
                    elif queue.waiting:
                        worker.take(*queue.next())
                    else:
                        worker.send(STOP)
        finally:
            for worker in pool.values():
                worker.end()


def _bury(worker: Worker, queue: Queue, on_event: Callable[[Event], None], stopping: bool) -> None:
    """Clears up after a worker that has gone, as it should or not."""
    cohort, death = worker.cohort, worker.death()
    if not worker.started and not stopping:
        raise MachineError(f"a worker process could not start: {death.reason}")
    if cohort is not None and not stopping:
        on_event(queue.give_back(worker.index, cohort, death))
