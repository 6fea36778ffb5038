"""Where the command line writes: results to standard output, errors in one red line to standard error."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from modbench.sweep.screen import Screen

FILE_WIDTH = 120
"""Columns of a table that is written to a file or pipe, which has no width of its own."""


def output() -> Screen:
    """Standard output."""
    console = Screen()
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    return console


def complain(message: object, style: str = "red") -> None:
    """Writes one line to standard error."""
    Screen(stderr=True).say(message, style)


@contextmanager
def outliving_outputs(failed: int) -> Iterator[None]:
    """Lets a command outlive the reader of its outputs: what nobody takes any more is dropped.

    A reader that has gone away (`| head`) is no failure. Where standard output failed otherwise, on a full disk say,
    the command is done first; then one line says so. Letters that an output's encoding lacks are replaced, those of
    other libraries' texts too.

    Args:
        failed: the exit code where standard output failed.
    """
    outputs = sys.stdout, sys.stderr
    told, complaints = (stream and _Outliving(stream) for stream in outputs)
    sys.stdout, sys.stderr = told, complaints  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    except SystemExit:
        if told:
            told.flush()
        if told and told.failure and told.failure.errno != errno.EPIPE:
            complain(f"cannot write to standard output: {told.failure.strerror}")
            raise SystemExit(failed) from None
        raise
    finally:
        sys.stdout, sys.stderr = outputs


class _Outliving:
    """A text stream that is written to as long as somebody takes it.

    Attributes:
        failure: why it was given up; None while it is taken.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.failure: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """Writes, or drops the text."""
        return len(text) if self.failure else self._attempt(self._stream.write, text) or len(text)

    def flush(self) -> None:
        """Writes what is still held back, or drops it."""
        if not self.failure:
            self._attempt(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, action: Any, *arguments: str) -> Any:
        try:
            return action(*arguments)
        except OSError as failure:
            self.failure = failure
            # What is left in Python's own buffer must find a taker at exit.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
