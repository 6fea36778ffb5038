"""The one console: whatever modbench writes for people, in a terminal, a file or a notebook, passes through it."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from modbench.core.text import harmless, one_line


class Screen(Console):
    """A console that shows texts as they are, without markup, and never hands on what a terminal would obey.

    Every text is made `harmless`, wherever it comes from. A letter that the output's encoding lacks is replaced, so
    that no command fails over one.

    Args:
        **options: of `rich.console.Console`.
    """

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def say(self, line: object, style: str | Style = "") -> None:
        """Writes one line, which only a terminal breaks; a text's own line breaks become spaces."""
        style = line.style if isinstance(line, Text) and not style else style
        self.print(Text(one_line(line), style), soft_wrap=True)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """See `Console.render`. Rich's own control sequences are apart from texts; they pass."""
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                yield segment._replace(text=_encodable(harmless(segment.text), self.encoding))


def _encodable(text: str, encoding: str) -> str:
    return text.encode(encoding, "replace").decode(encoding)
