"""What makes a folder a store: its marker, `store.json`, and which folders may become one."""

import json
import os
from pathlib import Path

from modbench import __version__
from modbench.core.errors import MachineError, RequestError
from modbench.store.durable import TEMPORARY, entries, exhausted, replace_file
from modbench.store.schema import SCHEMA_VERSION

MARKER = "store.json"
SWEEP = "sweep.toml"


def make_store(folder: Path, sweep: bytes) -> None:
    """Makes a folder a store, unless it is one, and gives its `sweep.toml` this content.

    Raises:
        RequestError: the path is a file, is not writable, holds something that is no store, or a store of a
            newer schema. Nothing has been written then.
        MachineError: the disk is full.
    """
    if _exists(folder):
        _require_folder(folder)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise RequestError(f"output folder must be writable, got {folder}")
        if _exists(folder / MARKER):
            _require_schema(folder)
        elif any(not entry.name.startswith(TEMPORARY) for entry in entries(folder)):
            raise RequestError(
                f"output folder must be empty or a store, got {folder}, which holds other files"
            )
    made = _make_folders(folder)
    try:
        if not (folder / MARKER).exists():
            marker = {"schema_version": SCHEMA_VERSION, "created_by": f"modbench {__version__}"}
            replace_file(folder / MARKER, (json.dumps(marker) + "\n").encode())
        if not (folder / SWEEP).exists() or (folder / SWEEP).read_bytes() != sweep:
            replace_file(folder / SWEEP, sweep)
    except OSError as error:
        _remove_folders(made)
        raise _unwritable(folder, error) from error


def require_store(folder: Path) -> None:
    """Checks that a folder is a store that this modbench can read.

    Raises:
        RequestError: there is no such folder, it is no store, or its schema is newer than this modbench.
    """
    if not _exists(folder):
        made = f"modbench run SWEEP --out {folder}"
        raise RequestError(f"no folder {folder}{_meant(folder)}. A store is made by: {made}")
    _require_folder(folder)
    if not _exists(folder / MARKER):
        raise RequestError(
            f"folder must be a store (one that modbench run has made), got {folder}{_meant(folder)}"
        )
    _require_schema(folder)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise RequestError(f"a store must be a folder, got the file {folder}{_meant(folder)}")


def _meant(path: Path) -> str:
    """Which store was probably meant by a path that is none, as the end of a sentence; empty without an idea."""
    is_sweep = path.suffix == ".toml"
    usual = Path("results") / (path.stem if is_sweep else path.name)
    if usual != path and _exists(usual / MARKER):
        return f"; the store {usual} was perhaps meant"
    if is_sweep:
        return ", a sweep file; its store is the folder that modbench run --out has named"
    inside = sorted(path.glob(f"*/{MARKER}"))
    return f"; a store in it: {inside[0].parent}" if inside else ""


def _require_schema(folder: Path) -> None:
    try:
        version = json.loads((folder / MARKER).read_bytes())["schema_version"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
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


def _make_folders(folder: Path) -> list[Path]:
    """Makes a folder with its parents; returns those that were missing, innermost first."""
    missing = []
    while not _exists(folder):
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
    reason = error.strerror or error
    if exhausted(error):
        return MachineError(f"cannot write {folder}: {reason}")
    return RequestError(f"output folder must be writable, got {folder}: {reason}")
