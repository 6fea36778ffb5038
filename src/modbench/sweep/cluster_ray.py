"""A Ray cluster that we are connected to: what it is like, and tasks on it.

Imported by the child that speaks with the cluster and on its nodes, never by the command itself.
"""

import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import NodeDiedError, RayTaskError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from modbench.core.errors import RequestError
from modbench.store.durable import TEMPORARY
from modbench.sweep.cluster_node import (
    Surroundings,
    Task,
    answer_marker,
    look_around,
    train_cohort,
    versions,
)

ANSWER_SECONDS = 60.0
"""What a node gets to answer a question; it may have to start a process first."""
COUNT_SECONDS = 5.0
"""How often it is looked whether nodes have come or gone."""
NODE_LABEL = "ray.io/node-id"


class Cluster:
    """A Ray cluster that we are connected to.

    Args:
        address: as `ray.init` takes it.
        cpu: whether devices are left alone; otherwise they are used where the cluster has any.

    Attributes:
        gpus: whether each task gets a device.

    Raises:
        RequestError: it cannot be reached, or has no room.
    """

    def __init__(self, address: str, cpu: bool):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to anybody
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            raise RequestError(f"cannot reach a Ray cluster at {address!r}: {first_line(error)}") from error
        # Ray has just taken SIGTERM for itself; the command decides when to stop.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.gpus = not cpu and any(node["Resources"].get("GPU", 0) >= 1 for node in _nodes())
        self._counted: float | None = None
        self._slots = 0
        if not self.slots():
            raise RequestError(f"the Ray cluster at {address!r} has no {self._resource} for tasks")

    @property
    def _resource(self) -> str:
        return "GPU" if self.gpus else "CPU"

    def room(self, node: dict[str, Any]) -> int:
        """Tasks that fit on a node."""
        return int(node["Resources"].get(self._resource, 0))

    def slots(self) -> int:
        """Tasks that fit on the cluster as it is now, or was seconds ago."""
        now = time.monotonic()
        if self._counted is None or now - self._counted > COUNT_SECONDS:
            self._counted = now
            self._slots = sum(self.room(node) for node in _nodes())
        return self._slots

    def count_again(self) -> None:
        """Has the nodes counted before the next task: one is known to be lost, and Ray might still offer it."""
        self._counted = None

    def ask(self, question: Callable[..., Any], arguments: Callable[[dict[str, Any]], tuple]) -> list:
        """Asks every node that has room; those that are lost meanwhile are left out.

        Args:
            question: runs on the node.
            arguments: of the question, for a node.

        Returns:
            Pairs of a node and its answer.
        """
        asked = []
        for node in _nodes():
            if self.room(node):
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                remote = ray.remote(question).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
                asked.append((node, remote.remote(*arguments(node))))
        answers = []
        deadline = time.monotonic() + ANSWER_SECONDS
        for node, reference in asked:
            try:
                answers.append((node, ray.get(reference, timeout=max(0, deadline - time.monotonic()))))
            except (NodeDiedError, TaskUnschedulableError):  # lost, perhaps just now
                continue
            except Exception as error:
                where = node["NodeManagerHostname"]
                raise RequestError(f"node {where} cannot run modbench: {first_line(error)}") from error
        return answers

    def share(self) -> int | None:
        """Bytes of memory for a worker, the least of all nodes; None if unknown.

        Raises:
            RequestError: a node would give other numbers than this machine, or has devices that JAX does not see.
        """
        here = versions()
        shares = []
        for _, found in self.ask(look_around, lambda node: (self.room(node), self.gpus)):
            surroundings: Surroundings = found
            for name, version in surroundings.versions.items():
                if version != here[name]:
                    raise RequestError(
                        f"every node must have the command's versions, got {name} {version} on {surroundings.host} and "
                        f"{here[name]} here"
                    )
            if self.gpus and not surroundings.accelerated:
                raise RequestError(
                    f"node {surroundings.host} has a GPU, but no JAX that uses it. Possible: modbench[cuda] there, "
                    "or JAX_PLATFORMS=cpu for this command"
                )
            shares.append(surroundings.share)
        known = [share for share in shares if share is not None]
        return min(known) if known and len(known) == len(shares) else None

    def require_store(self, folder: Path) -> None:
        """Checks that every node has the store that we have, and may write there.

        Raises:
            RequestError: one has not.
        """
        marker, content = folder / f"{TEMPORARY}{secrets.token_hex(8)}", secrets.token_hex(8)
        try:
            marker.write_text(content, encoding="utf-8")
            answers = self.ask(answer_marker, lambda node: (marker, content))
        except OSError as error:
            raise RequestError(f"cannot write {folder}: {error.strerror}") from error
        finally:
            with suppress(OSError):
                marker.unlink()
        wrong = {node["NodeManagerHostname"]: answer for node, answer in answers if answer}
        if wrong:
            host, reason = next(iter(wrong.items()))
            others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise RequestError(
                f"the output folder must be one that every node can write to, on a shared disk, got {folder}, which on "
                f"node {host}{others}: {reason}"
            )

    def start(self, task: Task, avoid: str | None) -> Any:
        """Has a cohort trained.

        Args:
            task: what to do.
            avoid: a node to keep off, if there is another one.

        Returns:
            A stream of lists of messages, see `modbench.sweep.cluster_node.train_cohort`.
        """
        options: dict[str, Any] = {"num_cpus": 1, "num_gpus": int(self.gpus)}
        if avoid:
            anywhere = {"label_selector": {NODE_LABEL: "!in(none)"}}
            options |= {"label_selector": {NODE_LABEL: f"!in({avoid})"}, "fallback_strategy": [anywhere]}
        # It is tried again by us, who tell of it and know why it died; Ray would tell the same events again.
        remote = ray.remote(_train).options(num_returns="streaming", max_retries=0, **options)
        return remote.remote(task, self.gpus)


def _train(task: Task, gpus: bool) -> Any:
    """`train_cohort` on the node that Ray has chosen."""
    node = ray.get_runtime_context().get_node_id()
    resource = "GPU" if gpus else "CPU"
    slots = next(int(found["Resources"].get(resource, 0)) for found in _nodes() if found["NodeID"] == node)
    yield from train_cohort(task, node, slots, gpus)


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def first_line(error: BaseException) -> str:
    """What an error says, on one line; of an error on a node the cause there."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
