"""Where the command line writes: results to standard output, errors in one red line to standard error."""

from rich.console import Console
from rich.text import Text

FILE_WIDTH = 120
"""Columns of a table that is written to a file or pipe, which has no width of its own."""


def output() -> Console:
    """Standard output; names and values are shown as they are, without markup."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    return console


def one_line(message: object) -> str:
    """A text without line breaks or control characters, whatever the user put into it."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(message).split()))


def complain(message: object, style: str = "red") -> None:
    """Writes one line to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(one_line(message), style=style))
