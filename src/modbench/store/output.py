"""Files that somebody asked for, such as a page: put where nothing is, or in the place of an older one."""

import secrets
from collections.abc import Callable
from pathlib import Path

from modbench.core.errors import RequestError
from modbench.store.durable import kind_of, leads_to_folder


def check_output(path: Path, name: str = "output") -> None:
    """Refuses to write over anything but a regular file; a link, which leads somewhere else, is none.

    Args:
        path: that is to be written.
        name: of the option or argument that it was given for.

    Raises:
        RequestError: something else has the name: a folder, a link, a named pipe, a socket or a device.
        MachineError: the disk does not say what has it.
    """
    kind = kind_of(path)
    if kind not in (None, "file"):
        raise RequestError(f"{name}: must be a regular file or a new one, got the {kind} {path}")


def check_output_folder(folder: Path) -> None:
    """Refuses a folder for files where something else has its name. Raises as `check_output`."""
    kind = kind_of(folder)
    if kind not in (None, "folder") and not leads_to_folder(folder):
        raise RequestError(f"output: must be a folder or a new one, got the {kind} {folder}")


def write_output(path: Path, write: Callable[[Path], object]) -> Path:
    """Writes a file beside its final name, then renames: a reader never sees half of it.

    Args:
        path: of the file; an older one is replaced.
        write: writes to the path that it is given, which has the same ending.

    Returns:
        The path.

    Raises:
        RequestError: see `check_output`; what is there stays as it is.
        OSError: it cannot be written.
    """
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(8)}{path.suffix}")
    try:
        write(beside)
        check_output(path)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
