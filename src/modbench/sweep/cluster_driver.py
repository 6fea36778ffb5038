"""The process that talks with a Ray cluster on behalf of a command: deals cohorts to its nodes, hears how they fare.

It is a child of the command, see `modbench.sweep.cluster` for why and for what they tell each other.
"""

import os
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, TaskCancelledError, WorkerCrashedError

from modbench.core.errors import RequestError
from modbench.store.claims import Claims
from modbench.sweep.child import connect
from modbench.sweep.cluster import DONE, Connect, Found, Order, Refusal
from modbench.sweep.cluster_node import Placed, Task
from modbench.sweep.cluster_ray import Cluster, first_line
from modbench.sweep.dealing import Death, Queue
from modbench.sweep.events import Event
from modbench.sweep.executors import POLL_SECONDS


def serve(descriptor: int) -> None:
    """Connects, and does what the command asks for until it is gone."""
    connection = connect(descriptor)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            wanted: Connect = connection.recv()
            cluster = Cluster(wanted.address, wanted.cpu)
            connection.send(Found(cluster.slots(), cluster.share(), cluster.gpus))
            while True:
                order: Order = connection.recv()
                cluster.require_store(order.store_folder)
                _Dealer(cluster, order, connection).run()
                connection.send(DONE)
        except RequestError as refused:
            connection.send(Refusal(str(refused)))
    os._exit(0)  # Ray ends the tasks of a command that is gone


class _Flight:
    """A cohort that is with a node, or waits for one."""

    def __init__(self, task: Task, stream: Any):
        self.task = task
        self.stream = stream
        self.placed: Placed | None = None


class _Dealer:
    """Deals cohorts to a cluster until all are done or it is told to stop."""

    def __init__(self, cluster: Cluster, order: Order, connection: Connection):
        self.cluster = cluster
        self.order = order
        self.connection = connection
        self.queue = Queue(order.cohorts)
        self.flights: dict[int, _Flight] = {}
        self.avoided: dict[str, str] = {}
        self.stopping = False

    def run(self) -> None:
        """Returns when nothing trains any more."""
        while self.queue.waiting or self.flights:
            if self.connection.poll():
                self.connection.recv()
                self._stop()
            self._launch()
            streams = [flight.stream for flight in self.flights.values()]
            if streams:
                ready, _ = ray.wait(streams, num_returns=len(streams), timeout=POLL_SECONDS)
                for worker, flight in list(self.flights.items()):
                    if flight.stream in ready:
                        self._hear(worker, flight)

    def _stop(self) -> None:
        self.stopping = True
        self.queue.waiting.clear()
        for flight in self.flights.values():
            ray.cancel(flight.stream)

    def _launch(self) -> None:
        limit = self.order.workers or max(1, self.cluster.slots())
        while self.queue.waiting and len(self.flights) < limit:
            cohort, width = self.queue.next()
            worker = next(index for index in range(limit) if index not in self.flights)
            order = self.order
            task = Task(cohort, width, order.store_folder, order.group, order.environment, order.keeping)
            stream = self.cluster.start(task, self.avoided.get(cohort.cohort_id))
            self.flights[worker] = _Flight(task, stream)

    def _hear(self, worker: int, flight: _Flight) -> None:
        """Takes in what a node has sent."""
        try:
            for message in ray.get(next(flight.stream)):
                if isinstance(message, Placed):
                    flight.placed = message
                elif isinstance(message, Death):
                    self._bury(worker, flight, message)
                else:
                    self._tell(replace(message, worker=worker))
        except (StopIteration, TaskCancelledError):
            del self.flights[worker]
        except RayError as error:
            del self.flights[worker]
            self._bury(worker, flight, death_of(error, flight.placed))

    def _bury(self, worker: int, flight: _Flight, death: Death) -> None:
        if self.stopping:
            return
        if death.with_machine:
            self.cluster.count_again()
        cohort = flight.task.cohort
        if flight.placed:
            self.avoided[cohort.cohort_id] = flight.placed.node
            claims = Claims(self.order.store_folder)
            claims.end_of(cohort.cohort_id, flight.placed.machine, flight.placed.pid)
        self._tell(self.queue.give_back(worker, cohort, death))

    def _tell(self, event: Event) -> None:
        self.connection.send(event)


def death_of(error: RayError, placed: Placed | None) -> Death:
    """What an error of Ray says about a worker.

    Args:
        error: that ended a task.
        placed: where the task ran, if it had begun.
    """
    where = f"node {placed.host}" if placed else "a node"
    if isinstance(error, OutOfMemoryError):
        return Death(f"Ray killed it: {where} was short of memory", of_memory=True)
    if isinstance(error, NodeDiedError):
        return Death(f"{where} was lost", with_machine=True)
    if isinstance(error, WorkerCrashedError):
        return Death(f"its Ray process on {where} was killed")
    return Death(f"on {where}: {first_line(error)}")
