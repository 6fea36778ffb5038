"""What makes a folder a store: its marker, `store.json`, and which folders may become one."""

import json
import os
from pathlib import Path

from modbench import __version__
from modbench.core.errors import MachineError, RequestError
from modbench.store.durable import (
    TEMPORARY,
    exhausted,
    exists,
    kind_of,
    leads_to_folder,
    machine_errors,
    read_file,
    replace_file,
)
from modbench.store.schema import SCHEMA_VERSION

MARKER = "store.json"
SWEEP = "sweep.toml"
FOLDERS = ("checkpoints", "claims", "cohorts", "damaged", "figures", "params", "plan", "tensorboard", "tmp")
"""What modbench fills, replaces and clears away in a store."""


def make_store(folder: Path, sweep: bytes) -> None:
    """Makes a folder a store, unless it is one, and gives its `sweep.toml` this content.

    Raises:
        RequestError: the path is a file, is not writable, holds something that is no store, a store of a
            newer schema, or one whose folders are links. Nothing has been written then.
        MachineError: the disk is full or broken.
    """
    if exists(folder):
        _require_folder(folder)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise RequestError(f"output folder must be writable, got {folder}")
        if exists(folder / MARKER):
            _require_readable(folder)
        elif any(not name.startswith(TEMPORARY) for name in _names(folder)):
            raise RequestError(
                f"output folder must be empty or a store, got {folder}, which holds other files"
            )
    made = _make_folders(folder)
    try:
        if not exists(folder / MARKER):
            marker = {"schema_version": SCHEMA_VERSION, "created_by": f"modbench {__version__}"}
            replace_file(folder / MARKER, (json.dumps(marker) + "\n").encode())
        if not exists(folder / SWEEP) or read_file(folder / SWEEP) != sweep:
            replace_file(folder / SWEEP, sweep)
    except OSError as error:
        _remove_folders(made)
        raise _unwritable(folder, error) from error


def require_store(folder: Path) -> None:
    """Checks that a folder is a store that this modbench can read.

    Raises:
        RequestError: there is no such folder, it is no store, its schema is newer than this modbench, or one of its
            folders is a link.
        MachineError: the disk is broken.
    """
    if not exists(folder):
        made = f"modbench run SWEEP --out {folder}"
        raise RequestError(f"no folder {folder}{_meant(folder)}. A store is made by: {made}")
    _require_folder(folder)
    if not exists(folder / MARKER):
        raise RequestError(
            f"folder must be a store (one that modbench run has made), got {folder}{_meant(folder)}"
        )
    _require_readable(folder)


def require_own_folder(folder: Path) -> None:
    """Checks that a folder of a store, if it is there, lies in the store.

    A store may be reached through a link. A folder inside it may be none: what modbench writes, moves and removes there
    would be somebody else's.

    Raises:
        RequestError: it is a link, or no folder.
        MachineError: the disk is broken.
    """
    kind = kind_of(folder)
    if kind not in (None, "folder"):
        raise RequestError(
            f"{folder.name} of a store must be a folder that lies in it, got the {kind} {folder}; "
            "the store as a whole may be a link"
        )


def _names(folder: Path) -> list[str]:
    with machine_errors(f"read {folder}"):
        return [path.name for path in folder.iterdir()]


def _require_folder(folder: Path) -> None:
    if not leads_to_folder(folder):
        raise RequestError(f"a store must be a folder, got the {kind_of(folder)} {folder}{_meant(folder)}")


def _meant(path: Path) -> str:
    """Which store was probably meant by a path that is none, as the end of a sentence; empty without an idea."""
    is_sweep = path.suffix == ".toml"
    usual = Path("results") / (path.stem if is_sweep else path.name)
    if usual != path and exists(usual / MARKER):
        return f"; the store {usual} was perhaps meant"
    if is_sweep:
        return ", a sweep file; its store is the folder that modbench run --out has named"
    inside = sorted(path.glob(f"*/{MARKER}"))
    return f"; a store in it: {inside[0].parent}" if inside else ""


def _require_readable(folder: Path) -> None:
    try:
        with machine_errors(f"read {folder / MARKER}"):
            try:
                content = read_file(folder / MARKER)
            except FileNotFoundError:
                content = b""
        version = json.loads(content)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        version = None
    if type(version) is not int or version < 1:
        raise RequestError(
            f'{folder / MARKER} must hold {{"schema_version": {SCHEMA_VERSION}}}; it is damaged'
        )
    if version > SCHEMA_VERSION:
        raise RequestError(
            f"store {folder} has schema version {version}, this modbench knows up to {SCHEMA_VERSION}; "
            "use a newer modbench"
        )
    for name in FOLDERS:
        require_own_folder(folder / name)


def _make_folders(folder: Path) -> list[Path]:
    """Makes a folder with its parents; returns those that were missing, innermost first."""
    missing = []
    while not exists(folder):
        missing.append(folder)
        folder = folder.parent
    for count, path in enumerate(reversed(missing)):
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            _remove_folders(missing[len(missing) - count :])
            raise _unwritable(path, error) from error
    return missing


def _remove_folders(folders: list[Path]) -> None:
    for path in folders:
        try:
            path.rmdir()
        except OSError:
            return


def _unwritable(folder: Path, error: OSError) -> RequestError | MachineError:
    if isinstance(error, MachineError):
        return error
    reason = error.strerror or error
    if exhausted(error):
        return MachineError(f"cannot write {folder}: {reason}")
    return RequestError(f"output folder must be writable, got {folder}: {reason}")
