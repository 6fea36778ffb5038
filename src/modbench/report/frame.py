"""What every kind of page is made with: its template, its data, its scripts, and how it is written."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from modbench.core.errors import MachineError
from modbench.core.paths import given_path
from modbench.core.text import harmless
from modbench.store.output import check_output, write_output

DARK = {
    "ink": "#e6e9ed",
    "muted": "#a2abb6",
    "grid": "#2c333b",
    "paper": "#14181d",
    "grey": "#a5adb8",
    "vermillion": "#f07f3c",
    "amber": "#f4b73f",
    "blue": "#4ba3e3",
    "purple": "#d28fc3",
    "green": "#2fc49b",
    "sky": "#86ccf5",
    "brown": "#c09a8f",
    "heat": "#82cdff",
}
"""The colours of `modbench.figures.style.COLOURS` on a dark screen."""


def write_page(path: str | Path, name: str, render: Callable[[], str]) -> Path:
    """Writes a page in one step; its folder is made where there is none.

    Args:
        path: of the page; an older file is replaced.
        name: of the page, for errors.
        render: makes the HTML, once it is known that the path can have it.

    Returns:
        The path.

    Raises:
        RequestError: the path is a folder or anything else that is no regular file.
        MachineError: the page cannot be written.
    """
    path = given_path(path)
    check_output(path)
    html = render()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_output(path, lambda beside: beside.write_text(html, encoding="utf-8"))
    except MachineError:
        raise
    except OSError as error:
        raise MachineError(f"cannot write {name} to {str(path)!r}: {error.strerror or error}") from None


@cache
def template(name: str) -> jinja2.Template:
    """A template of this folder, by its path in it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("modbench", "report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_harmless,
    )  # fmt: skip
    return environment.get_template(name)


def _harmless(value: object) -> object:
    """Texts from elsewhere and names of folders without what a reader cannot see; HTML of our own passes."""
    return harmless(value) if type(value) is str else value


def json_script(identity: str, content: Any) -> Markup:
    """A script element that holds JSON; nothing in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Markup('<script type="application/json" id="{}">{}</script>').format(identity, Markup(text))


def packed_script(identity: str, content: Any) -> Markup:
    """A script element that holds JSON compressed by deflate (zlib's format), in base64: a third as long."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    packed = base64.b64encode(zlib.compress(text.encode("utf-8"))).decode("ascii")
    return Markup('<script type="text/plain" id="{}">{}</script>').format(identity, packed)


def own_script(names: Sequence[str]) -> str:
    """The script that joins files of this folder, by their paths in it."""
    folder = files("modbench.report")
    return in_block("\n".join((folder / name).read_text("utf-8") for name in names), strict=True)


def in_block(script: str, strict: bool) -> str:
    """A script whose names no other one sees, and which cannot end its element."""
    text = "{\n" + script + "\n}"
    return ('"use strict";\n' + text if strict else text).replace("</script", "<\\/script")


def content_policy(texts: Sequence[str]) -> str:
    """A content security policy: nothing is fetched, and no script runs but these."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )
