"""Paths as users give them, from Python or the command line, and the text files that lie there."""

import codecs
from os import PathLike
from pathlib import Path

from modbench.core.errors import RequestError

_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # begins like the mark of UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def given_path(path: str | PathLike[str]) -> Path:
    """A path in which `~` and `~user` stand for a home folder, which no shell expands in Python or in `--out=~/x`.

    Raises:
        RequestError: there is no such user, or the user has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise RequestError(
            f"path must begin with the home folder of a user there is, got {str(path)!r}"
        ) from None


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8, without the byte order mark that some editors put before it.

    Raises:
        ValueError: it is something else.
    """
    for mark, encoding in _OTHER_MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"it must be UTF-8, got {encoding}; save it again as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it must be UTF-8, but byte {error.start} is none") from None
