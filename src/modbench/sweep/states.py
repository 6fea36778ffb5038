"""A group's state in Orbax's hands, and whether it may be continued here.

A state is used again only where it would have come out the same: same runs, same kind of state, same libraries, same
device. CPUs are not told apart by model: a machine that takes over from another one seldom has the very same, and the
difference is the rounding that any fresh run there has too.
"""

import logging
import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from modbench.sweep.environment import describe_machine, installed

FORMAT = 1
"""Raised when what a state holds changes its form or meaning."""
_LIBRARIES = ("jax", "jaxlib", "equinox", "optax")


class UnusableState(Exception):  # noqa: N818 - a finding, handled where it is raised
    """A state is intact and cannot be gone on from here."""


def made_with() -> dict[str, Any]:
    """What a state must have been made with to be continued in this process; brings in JAX, to ask for its device."""
    import jax  # noqa: F401

    machine = describe_machine()
    return {
        "format": FORMAT,
        "device": machine["env_device"],
        "modbench": machine["env_modbench"],
        **{library: installed(library) for library in _LIBRARIES},
    }


def difference(here: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """What keeps a state from being continued here, in words; None if nothing does.

    Args:
        here: what it must be of and made with.
        found: what it is of and made with.
    """
    for name, value in here.items():
        if found.get(name) != value:
            if name in ("format", "layout"):
                return "it has another form"
            if name in ("cohort", "start", "runs"):
                return "it is of other runs"
            return f"it was made with {name} {found.get(name)}, here is {value}"
    return None


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays into a new folder. Raises what Orbax, TensorStore or the system do."""
    from orbax.checkpoint import PyTreeCheckpointer

    with _quiet(), PyTreeCheckpointer() as checkpointer:
        # Orbax refuses arrays without elements; nothing that trains has any.
        checkpointer.save(folder.absolute(), dict(arrays))


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Reads what `write_arrays` wrote; a flipped bit goes unnoticed, see `modbench.store.checkpoints`."""
    from orbax.checkpoint import PyTreeCheckpointer

    with _quiet(), PyTreeCheckpointer() as checkpointer:
        return checkpointer.restore(folder.absolute())


@contextmanager
def _quiet():
    """Keeps Orbax from writing tracebacks of what it raises all the same."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def in_a_line(error: Exception) -> str:
    """Why something could not be read or written; TensorStore hides the system's reason in a long text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if found := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(found[1]))
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
