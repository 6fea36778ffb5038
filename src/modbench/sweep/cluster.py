"""The executor that trains on the nodes of a Ray cluster.

This side does not import Ray: a child of ours talks with the cluster (`modbench.sweep.cluster_driver`), as Ray prints
on its own, takes signals, opens ports, and ends the process that it is in when a cluster is lost. The protocol::

    us -> child    Connect, once
    child -> us    Found, or Refusal
    us -> child    Order; then STOP at any time
    child -> us    events, then DONE; or Refusal
"""

import os
import socket
import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from modbench.core.errors import MachineError, RequestError
from modbench.store.plan import PlannedCohort
from modbench.sweep.child import Child
from modbench.sweep.events import Event
from modbench.sweep.executors import POLL_SECONDS, raise_if_fatal
from modbench.sweep.keeping import USUAL, Keeping
from modbench.sweep.memory import place_of
from modbench.sweep.worker import GroupTrainer, train_group

STOP = "stop"
DONE = "done"
CONNECT_SECONDS = 120.0
"""What a cluster gets to answer, each of its nodes having to start a process first."""
LISTENER_SECONDS = 10.0
"""What a cluster's head gets to take a connection."""
NUMERIC = ("JAX_", "XLA_", "OMP_", "OPENBLAS_", "MKL_")
"""Beginnings of the environment variables that may change numbers: they come from the command, as for local workers."""
LOCAL = ("JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR", "XLA_PYTHON_CLIENT_")
"""Beginnings of those among them that tell of a place; they are the node's own."""


class Connect(NamedTuple):
    """Which cluster, and how.

    Attributes:
        address: as `ray.init` takes it.
        cpu: whether its devices are left alone.
    """

    address: str
    cpu: bool


class Found(NamedTuple):
    """What a cluster is like.

    Attributes:
        slots: cohorts that can train at once.
        share: bytes of memory for a worker, the least of all nodes; None if unknown.
        gpus: whether each worker gets a device.
    """

    slots: int
    share: int | None
    gpus: bool


class Refusal(NamedTuple):
    """Why it cannot be done, in one line."""

    reason: str


class Order(NamedTuple):
    """What is to be trained.

    Attributes:
        cohorts: in order.
        store_folder: absolute, and the same on all nodes.
        group: trains a group; importable by name on every node.
        workers: tasks at once; None is as many as there is room for.
        environment: our `numeric_variables`.
        keeping: what workers keep besides results.
    """

    cohorts: tuple[PlannedCohort, ...]
    store_folder: Path
    group: GroupTrainer
    workers: int | None
    environment: dict[str, str]
    keeping: Keeping


def numeric_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables that a command passes on to the nodes."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(NUMERIC) and not name.startswith(LOCAL)
    }


class RayCluster:
    """Deals cohorts to the nodes of a Ray cluster, one task each, with a CPU or, where there are any, a GPU.

    A task trains in a worker process of one thread, as local workers do. A cohort whose worker dies is tried again, on
    another node if there is one. Nodes may come and go.

    Args:
        address: `"auto"` for the cluster that this machine belongs to, or host:port of a cluster's head.
        workers: tasks at once; None is as many as there is room for, also when nodes come or go.
        group: trains a group; importable by name on every node.

    Attributes:
        workers: as given, or what there was room for at the beginning.
        place: where each of them trains, with the smallest share of a worker.

    Raises:
        RequestError: Ray is not installed, the cluster cannot be reached, or its nodes would give other numbers.
    """

    def __init__(self, address: str = "auto", workers: int | None = None, group: GroupTrainer = train_group):
        if find_spec("ray") is None:
            raise RequestError(
                "executor 'ray' needs Ray, which is not installed. Possible: pip install 'modbench[ray]'"
            )
        if address != "auto" and not _is_host_and_port(address):
            raise RequestError(f"address must be auto or HOST:PORT of a Ray cluster's head, got {address!r}")
        self.group = group
        self._address = address
        self._asked = workers
        self._child, found = self._connect()
        self.workers = workers or found.slots
        self.place = place_of(found.share, found.gpus)

    def _connect(self) -> tuple[Child, Found]:
        self._require_listener()
        child = Child("modbench.sweep.cluster_driver")
        weakref.finalize(self, child.end)
        child.send(Connect(self._address, os.environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu"))
        if not child.connection.poll(CONNECT_SECONDS):
            child.end()
            raise RequestError(
                f"no answer from a Ray cluster at {self._address!r} in {CONNECT_SECONDS:.0f} s"
            )
        try:
            found = child.receive()
        except EOFError:
            reason = child.last_words()
            raise RequestError(f"cannot reach a Ray cluster at {self._address!r}: {reason}") from None
        if isinstance(found, Refusal):
            raise RequestError(found.reason)
        assert isinstance(found, Found)
        return child, found

    def _require_listener(self) -> None:
        """Asks an address of its own whether anybody is there: Ray would ask again and again."""
        if self._address == "auto":
            return
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), LISTENER_SECONDS).close()
        except OSError as error:
            reason = error.strerror or error
            raise RequestError(f"cannot reach a Ray cluster at {self._address!r}: {reason}") from error

    def run(
        self,
        cohorts: Sequence[PlannedCohort],
        store_folder: Path,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
        keeping: Keeping = USUAL,
    ) -> None:
        """See `modbench.sweep.executors.Executor.run`.

        Raises:
            RequestError: the folder is not the same one on every node.
        """
        if self._child.process.poll() is not None:
            self._child, _ = self._connect()
        child = self._child
        folder = store_folder.absolute()
        order = Order(tuple(cohorts), folder, self.group, self._asked, numeric_variables(), keeping)
        child.send(order)
        stopping, done = False, False
        try:
            while not done:
                if not stopping and should_stop():
                    stopping = True
                    child.send(STOP)
                if child.connection.poll(POLL_SECONDS):
                    done = self._hear(on_event)
        finally:
            if not done:
                # Whatever ends this call: with its driver gone, Ray ends the tasks.
                child.end()

    def _hear(self, on_event: Callable[[Event], None]) -> bool:
        """Takes in a message; says whether it was the last."""
        try:
            message = self._child.receive()
        except EOFError:
            reason = self._child.last_words()
            raise MachineError(f"the Ray cluster at {self._address!r} was lost: {reason}") from None
        if isinstance(message, Refusal):
            raise RequestError(message.reason)
        if message == DONE:
            return True
        on_event(message)  # pyright: ignore[reportArgumentType]
        raise_if_fatal(message)  # pyright: ignore[reportArgumentType]
        return False


def _is_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and "/" not in host and port.isdecimal() and 1 <= int(port) <= 65535
