"""The reference as one reads it: short titles, no lines that say nothing, and symbols that are no lists."""

import re
from typing import Any

from sphinx.application import Sphinx

SYMBOL = re.compile(r"^(:(?:ivar|param) \w+: |    )?([A-Z])\.(?= |$)")
"""A letter with a full stop at the head of a description, which would begin a list."""


def is_alias(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out fields of named tuples, which their class describes, and the settings of specifications."""
    del app, what, options
    told = str(getattr(thing, "__doc__", ""))
    return True if name == "model_config" or told.startswith("Alias for field number") else skip or None


def escape(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escapes symbols, after the docstring has become fields."""
    del app, what, name, thing, options
    lines[:] = [SYMBOL.sub(r"\1\2\\.", line) for line in lines]


def shorten(app: Sphinx, docname: str, source: list[str]) -> None:
    """Drops `package` and `module` from titles."""
    del app
    if docname.startswith("made/api/"):
        source[0] = re.sub(r"^(\S+) (?:package|module)$", r"\1", source[0], count=1, flags=re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers all three; symbols after Napoleon, whose priority is 500."""
    app.connect("autodoc-skip-member", is_alias)
    app.connect("autodoc-process-docstring", escape, priority=900)
    app.connect("source-read", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
