"""The two ways a request can go wrong, each with one clear line for the user."""

import difflib
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class ModbenchError(Exception):
    """Base of every error that modbench raises on purpose; its text is one line for the user."""


class RequestError(ModbenchError, ValueError):
    """The request was wrong: says what must hold, what was given and what is possible (exit code 2)."""


class MachineError(ModbenchError, OSError):
    """The machine failed us, a full disk say: the request was fine and can be repeated (exit code 1)."""


def unknown(what: str, given: object, possible: Iterable[str]) -> RequestError:
    """Builds the error for a name that is not in a fixed set, with a suggestion where one is near.

    Args:
        what: what the name stands for, such as `"preset"`.
        given: the name that was given.
        possible: the names that would have been accepted.

    Returns:
        The error, to be raised by the caller.
    """
    names = sorted(possible)
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return RequestError(f"unknown {what} {given!r}.{hint} Possible: {', '.join(names)}.")


def first_problem(error: "ValidationError", passed_over: Container[object] = ()) -> str:
    """The first problem that pydantic found, as one line: field, what must hold, what was given.

    Args:
        error: what pydantic raised.
        passed_over: parts of a field's place that mean nothing to a user, such as the tag of a union.
    """
    problem = error.errors()[0]
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, RequestError):
        return str(cause)
    where = ".".join(str(part) for part in problem["loc"] if part not in passed_over)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        after = ": " if message.startswith("must") else "."
        prefix = f"{where}{after}" if where and not message.startswith(where) else ""
        return prefix + message
    message = message.removeprefix("Input should be ").removesuffix(" required")
    if problem["type"] == "missing":
        return f"{where} must be given"
    return f"{where}: must be {message}, got {problem['input']!r}"
