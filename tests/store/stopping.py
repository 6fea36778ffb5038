"""A machine that stops at a chosen operation on its disk: from then on nothing has an effect, tidying up neither."""

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHANGES = ("fsync", "link", "mkdir", "rename", "replace", "rmdir", "unlink")


class Stopped(BaseException):
    """The machine is off."""


class Machine:
    """Counts the operations that change a disk, and stops at one.

    Args:
        stop_at: number of the operation that is not done any more, from 1; None does all.
        error: what every operation raises from then on; a `KeyboardInterrupt` is raised once.
    """

    def __init__(self, stop_at: int | None = None, error: Callable[[], BaseException] = Stopped):
        self.stop_at = stop_at
        self.error = error
        self.done = 0

    def step(self) -> None:
        """Counts an operation, or raises."""
        self.done += 1
        if self.stop_at is None or self.done < self.stop_at:
            return
        if self.done == self.stop_at or self.error is not KeyboardInterrupt:
            raise self.error()

    @contextmanager
    def running(self) -> Iterator["Machine"]:
        """Runs a block on this machine."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CHANGES:
                patch.setattr(os, name, self._counted(getattr(os, name)))
            opened = io.open

            def open_counted(file, mode="r", *rest, **named):
                if set(mode) & set("wxa+") and isinstance(file, str | Path):
                    self.step()
                return opened(file, mode, *rest, **named)

            patch.setattr(io, "open", open_counted)
            patch.setattr(builtins, "open", open_counted)
            yield self

    def _counted(self, function):
        def counted(*arguments, **named):
            self.step()
            return function(*arguments, **named)

        return counted
