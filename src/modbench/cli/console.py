"""Where the command line writes: results to standard output, errors in one red line to standard error."""

import os
import sys

from rich.console import Console
from rich.text import Text

FILE_WIDTH = 120
"""Columns of a table that is written to a file or pipe, which has no width of its own."""


class _Output(Console):
    """Standard output that outlives its reader: training goes on when a pipe or terminal has gone away."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is left in Python's own buffer must find a taker at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output() -> Console:
    """Standard output; names and values are shown as they are, without markup."""
    console = _Output(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    return console


def one_line(message: object) -> str:
    """A text without line breaks or control characters, whatever the user put into it."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(message).split()))


def complain(message: object, style: str = "red") -> None:
    """Writes one line to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(one_line(message), style=style))
