"""Texts that come from elsewhere (files, stores, the environment), made safe to show to people."""

UNSHOWABLE = "\ufffd"
"""Stands for a character that no reader may be given as it is."""
_JOINERS = "\u200c\u200d"
"""Invisible, but part of how words are written in some scripts."""


def harmless(text: object) -> str:
    """A text whose every character shows as itself; line breaks stay.

    A terminal obeys control characters, marks can turn the direction of writing, and half of a surrogate pair (which
    stands for a byte of a file name that is no UTF-8) cannot be written at all. Each of them becomes `UNSHOWABLE`, and
    every other kind of space becomes a plain one.
    """
    text = str(text)
    return text if text.isprintable() else "".join(map(_shown, text))


def one_line(text: object) -> str:
    """A harmless text on one line: a line break becomes a space, and so does what indents the next line."""
    first, *rest = harmless(text).split("\n")
    return " ".join([first, *filter(None, map(str.strip, rest))])


def _shown(letter: str) -> str:
    if letter.isprintable() or letter == "\n" or letter in _JOINERS:
        return letter
    return " " if letter.isspace() else UNSHOWABLE
