"""The executor that trains in several local processes, of one thread each.

A worker is a fresh Python (nothing is forked: forking hangs after JAX) that talks with us over a socket pair
of its own. No lock or queue is shared, so a worker that is killed at any moment takes nothing with it. The
protocol, in order of a worker's life::

    us -> worker    _Job, once
    worker -> us    READY
    us -> worker    a planned cohort; or STOP, also while one trains
    worker -> us    events; after those of one cohort READY again

When we vanish the worker ends by itself, within a second.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

from modbench.core.errors import MachineError
from modbench.store.durable import machine_errors
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.environment import accelerated, worker_variables
from modbench.sweep.events import CohortFailed, Event, GivenBack
from modbench.sweep.executors import POLL_SECONDS, is_last, raise_if_fatal
from modbench.sweep.worker import GroupTrainer, Trainer, train_group

READY = "ready"
STOP = "stop"
ATTEMPTS = 2
"""Workers that may die over one cohort before it is given up."""
ENDING_SECONDS = 10.0
"""What a worker gets to end once it has hung up."""


class _Job(NamedTuple):
    """What a worker is told first."""

    worker: int
    store_folder: Path
    group: GroupTrainer


def serve(descriptor: int) -> None:
    """The worker's side: trains what comes over the connection until it is told to stop or we are gone."""
    # Ctrl-C reaches every process of a terminal, and a batch system signals all of them: we decide, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    connection = Connection(descriptor)
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


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent has, even in the middle of a long compilation."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class _Worker:
    """Our side of one worker process."""

    def __init__(self, index: int, store_folder: Path, group: GroupTrainer):
        self.index = index
        self.cohort: PlannedCohort | None = None
        self.started = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        ours, theirs = socket.socketpair()
        variables = worker_variables()
        if accelerated():
            variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # workers share the device's memory
        code = f"from modbench.sweep.processes import serve; serve({theirs.fileno()})"
        with theirs, machine_errors("start a worker process"):
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    code,
                ],  # -P: a file in the current folder must not pass for a library
                env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                process_group=0,  # Ctrl-C in the terminal is for us alone, from the first moment on
            )
        self.connection = Connection(ours.detach())
        self.send(_Job(index, store_folder, group))

    def send(self, message: object) -> None:
        """Sends unless the worker is gone, which the next reading shows."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def take(self, cohort: PlannedCohort) -> None:
        """Gives the worker a cohort to train."""
        self.cohort = cohort
        self.send(cohort)

    def receive(self) -> Event | None:
        """Reads one message; an event, or None when it was only that the worker is ready again.

        Raises:
            EOFError: the worker is gone.
        """
        try:
            message = self.connection.recv()
        except OSError as error:
            raise EOFError from error
        if message == READY:
            self.started = True
            return None
        if is_last(message):
            self.cohort = None
        return message

    def last_words(self) -> str:
        """How the worker ended: its signal or exit status, and the last line that it wrote."""
        try:
            status = self.process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if status < 0:
            how = f"killed by {signal.Signals(-status).name}"
            how += " (out of memory?)" if -status == signal.SIGKILL else ""
        else:
            how = f"ended with status {status}"
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()}" if lines else how

    def end(self) -> None:
        """Kills the process if it still lives, and frees what belongs to it."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self._output.close()


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
                        event = worker.receive()
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
