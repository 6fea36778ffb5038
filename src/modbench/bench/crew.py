"""Workers that measure one group of runs, all at the same time."""

from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

from modbench.bench.worker import Trouble
from modbench.core.spec import RunSpec
from modbench.sweep.child import Child
from modbench.sweep.environment import device_variables
from modbench.sweep.executors import POLL_SECONDS
from modbench.sweep.memory import worker_share

WORKER = "modbench.bench.worker"
"""The module that the processes serve, see `modbench.sweep.child.Child`."""


class ShapeError(Exception):
    """A shape cannot be measured here; the text is the reason, out of memory say."""


class Stopped(Exception):  # noqa: N818 - no error
    """It was asked to stop."""


class Crew:
    """New processes for one group of runs: nothing is left over from another, and its peak memory is its own.

    Args:
        runs: the group that each of them trains.
        workers: number of processes.
        should_stop: asked while we wait for an answer.
    """

    def __init__(
        self, runs: Sequence[RunSpec], workers: int, should_stop: Callable[[], bool] = lambda: False
    ):
        self._should_stop = should_stop
        self._children: list[Child] = []
        try:
            for index in range(workers):
                self._children.append(Child(WORKER, device_variables(index)))
            for child in self._children:
                child.send((list(runs), worker_share(workers)))
        except BaseException:
            self.end()
            raise

    def ask(self, question: str, *arguments: object) -> list[Any]:
        """Asks all of them at once and waits for all answers, in the order of the workers.

        Raises:
            ShapeError: one of them cannot, or is gone.
            Stopped: it was asked to stop.
        """
        for child in self._children:
            child.send((question, arguments))
        answers: dict[Child, Any] = {}
        while waiting := {child.connection: child for child in self._children if child not in answers}:
            if self._should_stop():
                raise Stopped
            for connection in wait(list(waiting), timeout=POLL_SECONDS):
                child = waiting[connection]  # pyright: ignore[reportArgumentType]
                try:
                    answer = child.receive()
                except EOFError:
                    raise ShapeError(child.last_words()) from None
                if isinstance(answer, Trouble):
                    raise ShapeError(answer.reason)
                answers[child] = answer
        return [answers[child] for child in self._children]

    def end(self) -> None:
        """Ends the processes, whatever they do."""
        for child in self._children:
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
