"""What runs on the nodes of a Ray cluster: a look around, and the training of one cohort.

A task does not train itself. It starts a worker process as a single machine does (`modbench.sweep.processes`), with the
same settings, limit and end, and passes on what that tells: so results do not depend on Ray. The functions here run in
processes of Ray's, which take one task after the other; the module does not import it.
"""

import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modbench import __version__
from modbench.store.claims import this_machine
from modbench.store.durable import TEMPORARY
from modbench.store.plan import PlannedCohort
from modbench.sweep.cluster import numeric_variables
from modbench.sweep.dealing import Death
from modbench.sweep.environment import accelerated, installed
from modbench.sweep.events import Event
from modbench.sweep.executors import POLL_SECONDS
from modbench.sweep.keeping import Keeping
from modbench.sweep.memory import worker_share
from modbench.sweep.processes import STOP, Job, Worker
from modbench.sweep.worker import GroupTrainer

VISIBLE_SECONDS = 10.0
"""What a shared disk gets to show a new file to another machine."""
PACKAGES = ("jax", "jaxlib", "numpy", "equinox", "optax")
"""What numbers depend on."""


class Surroundings(NamedTuple):
    """What a node is like.

    Attributes:
        host: its name.
        versions: of modbench and of `PACKAGES`.
        accelerated: whether JAX would find an accelerator.
        share: bytes of memory for each of its workers; None if unknown.
    """

    host: str
    versions: dict[str, str]
    accelerated: bool
    share: int | None


class Placed(NamedTuple):
    """Where a cohort's worker process was started.

    Attributes:
        node: Ray's name of the node.
        host: the node's name.
        machine: see `modbench.store.claims.this_machine`.
        pid: of the process.
    """

    node: str
    host: str
    machine: str
    pid: int


class Task(NamedTuple):
    """What a node is told to do.

    Attributes:
        cohort: to train.
        width: runs in a group, where that is not as planned.
        store_folder: where results go.
        group: trains a group.
        environment: the command's `numeric_variables`.
        keeping: what the worker keeps besides results.
    """

    cohort: PlannedCohort
    width: int | None
    store_folder: Path
    group: GroupTrainer
    environment: dict[str, str]
    keeping: Keeping


def versions() -> dict[str, str]:
    """Versions of what numbers depend on, by name."""
    return {"modbench": __version__, **{package: installed(package) for package in PACKAGES}}


def look_around(slots: int, gpus: bool) -> Surroundings:
    """Tells what this node is like.

    Args:
        slots: workers that it has room for.
        gpus: whether each of them has a device of its own.
    """
    _settle({}, gpus)
    if gpus:  # this task has none of them, and Ray hides them from it
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return Surroundings(socket.gethostname(), versions(), accelerated(), _share(slots, gpus))


def answer_marker(marker: Path, content: str) -> str | None:
    """Tries whether this node has the same store as the command, and may write there.

    Args:
        marker: a file that the command has just written.
        content: of it.

    Returns:
        What is wrong, or None.
    """
    deadline = time.monotonic() + VISIBLE_SECONDS
    while True:
        try:
            list(marker.parent.iterdir())  # makes a network file system look again
            if marker.read_text(encoding="utf-8") == content:
                break
        except OSError as error:
            reason = "is another folder there" if marker.parent.exists() else str(error.strerror)
        else:
            reason = "is another folder there"
        if time.monotonic() > deadline:
            return reason
        time.sleep(POLL_SECONDS)
    answer = marker.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        answer.touch()
        answer.unlink()
    except OSError as error:
        return f"cannot be written there: {error.strerror}"
    return None


def train_cohort(task: Task, node: str, slots: int, gpus: bool) -> Iterator[list[Event | Placed | Death]]:
    """Trains a cohort in a worker process and passes on what it tells, as it comes.

    When Ray cancels the task (`KeyboardInterrupt`) or drops it, the process is told to stop, and waited for.

    Args:
        task: what to do.
        node: Ray's name of this node.
        slots: workers that it has room for.
        gpus: whether the task has a device.

    Yields:
        First where it runs; then events, of a worker 0; `Death` at the end, if the process died over the cohort.
    """
    _settle(task.environment, gpus)
    job = Job(0, task.store_folder, task.group, _share(slots, gpus), task.keeping)
    worker = _worker_for(job, task.environment)
    over = False
    try:
        yield [Placed(node, socket.gethostname(), this_machine(), worker.process.pid)]
        if given := worker.started:
            worker.take(task.cohort, task.width)
        while not over:
            news: list[Event | Placed | Death] = []
            while not over and worker.connection.poll(0 if news else POLL_SECONDS):
                try:
                    event = worker.news()
                except EOFError:
                    over_cohort = worker.cohort is not None or not given
                    yield [*news, worker.death()] if over_cohort else news
                    return
                if event is not None:
                    news.append(event)
                elif given:
                    over = True
                else:
                    worker.take(task.cohort, task.width)
                    given = True
            if news:
                yield news
    finally:
        if over and not gpus:  # Ray may give the next task another device, and this one to somebody else
            _kept.append((job, task.environment, worker))
        else:
            with suppress(OSError):  # it was buried above
                worker.send(STOP)
            worker.process.wait()
            worker.end()


_kept: list[tuple[Job, dict[str, str], Worker]] = []
"""The worker process of the task before, if it may serve the next one: to start one takes seconds."""


def _worker_for(job: Job, environment: dict[str, str]) -> Worker:
    """The worker that is kept, if it was made for the same, or a new one."""
    while _kept:
        *made_for, worker = _kept.pop()
        if made_for == [job, environment] and worker.process.poll() is None:
            return worker
        worker.end()
    return Worker(0, job)


def _settle(environment: Mapping[str, str], gpus: bool) -> None:
    """Makes this process's environment that of the command, in what may change numbers."""
    for name in numeric_variables():
        del os.environ[name]
    os.environ.update(environment)
    if not gpus:
        os.environ["JAX_PLATFORMS"] = "cpu"


def _share(slots: int, gpus: bool) -> int | None:
    return worker_share(1 if gpus else max(1, slots))
