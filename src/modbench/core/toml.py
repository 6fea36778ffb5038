"""TOML as users write it: files, and the values of `--set FIELD=VALUE`, of which some are TOML only nearly."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterable
from typing import Any

from modbench.core.errors import RequestError


class BareText(str):
    """A text that is no TOML: the value of an override without quotes."""

    __slots__ = ()


def parse_toml(text: str) -> dict[str, Any]:
    """Reads TOML; ValueError also where it is nested too deep, or a number is too long to be shown."""
    try:
        table = tomllib.loads(text)
        repr(table)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return table


def parse_override(text: str) -> tuple[str, Any]:
    """Reads `field=value`. What is not TOML is a `BareText`.

    Raises:
        RequestError: it has no field or no equals sign.
    """
    field, equals, value = text.partition("=")
    field = field.strip()
    if not equals or not field:
        raise RequestError(f"an override must look like train.steps=2000, got {text!r}")
    try:
        return field, parse_toml(f"value = {value}")["value"]
    except ValueError:
        return field, BareText(value.strip())


def with_hint(error: RequestError, overrides: Iterable[tuple[str, Any]]) -> RequestError:
    """The error, with a hint where it is about a value that was meant as TOML and was taken for a text.

    Args:
        error: what a run's specification was refused with.
        overrides: (field, value) as they were read.
    """
    for field, value in overrides:
        if isinstance(value, BareText) and repr(value) in str(error) and (meant := _meant(value)):
            remedy = f"write {shlex.quote(f'{field}={meant}')}" if meant != "None" else "leave the field out"
            problem = str(error).removesuffix(".")
            return RequestError(f"{problem}. {value!r} is no TOML and was taken for a text; {remedy}")
    return error


def _meant(text: str) -> str | None:
    """The TOML that a text was probably meant to be; None where it is a plain word."""
    if text in ("None", "null", "nil"):
        return "None"
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower()
    text = text.replace("'", '"')
    if text.startswith("{"):
        return _if_toml(text.replace(":", " =").replace("True", "true").replace("False", "false"))
    if re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        return text.replace(",", "")
    bracketed = text[:1] + text[-1:] in ("[]", "()")
    if bracketed or ("," in text and not set(text) & set("[](){}")):
        inner = text[1:-1] if bracketed else text
        entries = [entry.strip() for entry in inner.split(",") if entry.strip()]
        return _if_toml(f"[{', '.join(_entry(entry) for entry in entries)}]")
    try:
        return _number(text)
    except ValueError:
        return None


def _entry(text: str) -> str:
    """An entry of a list as TOML, a plain word in quotes."""
    return _if_toml(text) or _meant(text) or json.dumps(text)


def _number(text: str) -> str:
    """A number such as `.5`, `5.` or `01` as TOML has it. Raises `ValueError` for other texts."""
    try:
        return str(int(text))
    except ValueError:
        return repr(float(text))


def _if_toml(text: str) -> str | None:
    try:
        parse_toml(f"value = {text}")
    except ValueError:
        return None
    return text
