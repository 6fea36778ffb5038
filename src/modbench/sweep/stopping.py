"""Ctrl-C and SIGTERM: the first asks to stop at the next chunk, the second leaves at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

INTERRUPTED = 130
"""Exit code of an interrupted command, as shells have it for Ctrl-C."""


class StopRequest:
    """A flag that signals set, while this is used as a context manager in the main thread.

    The handler does nothing else: an exception raised inside an XLA compilation can crash the process.

    Args:
        on_leaving: called before the second signal leaves, to put the terminal right.

    Example::

        with StopRequest() as stop:
            executor.run(cohorts, folder, on_event, stop.requested)
    """

    def __init__(self, on_leaving: Callable[[], None] | None = None):
        self._asked = False
        self._on_leaving = on_leaving
        self._previous: dict[signal.Signals, Any] = {}

    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._asked

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            if self._on_leaving:
                self._on_leaving()
            os._exit(INTERRUPTED)
        self._asked = True
