"""What killed processes leave in a store, and its removal: only what is ours, and old enough to be nobody's."""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from modbench.core.identity import is_digest
from modbench.store.checkpoints import FOLDER as CHECKPOINTS
from modbench.store.checkpoints import Checkpoints
from modbench.store.claims import FOLDER as CLAIMS
from modbench.store.durable import entries, exists, folder_clock, is_temporary, kind_of
from modbench.store.params import FOLDER as PARAMS

OLD_SECONDS = 3600.0
"""Writing a cohort takes seconds; what has not changed for so long is being written by nobody."""
_UNPUBLISHED = re.compile(r"[0-9a-f]{16}\.[0-9a-f]{16}")


def remove_leftovers(store_folder: Path) -> None:
    """Removes unpublished folders in `tmp`, half-written files, and lapsed claims that have not changed for an hour.

    Checkpoints go at once where their cohort is published, or planned no more. What cannot be looked at or removed
    stays; it is harmless. Links stay too, and what they lead to.
    """
    now = folder_clock(store_folder)
    for path, kind in _candidates(store_folder):
        with suppress(OSError):
            if kind_of(path) != kind:
                continue
            parts = [path, *entries(path)] if kind == "folder" else [path]
            if now - max(part.lstat().st_mtime for part in parts) <= OLD_SECONDS:
                continue
            if kind == "folder":
                shutil.rmtree(path)
            else:
                path.unlink()
    for folder in _entries(store_folder / CHECKPOINTS):
        with suppress(OSError):
            if is_digest(folder.name) and _is_over(store_folder, folder.name):
                Checkpoints(store_folder, folder.name).remove()


def _is_over(store_folder: Path, cohort_id: str) -> bool:
    """Whether a cohort is published, or planned no more. Raises `MachineError`."""
    published = kind_of(store_folder / "cohorts" / cohort_id) == "folder"
    return published or not exists(store_folder / "plan" / f"{cohort_id}.json")


def _candidates(store_folder: Path) -> Iterator[tuple[Path, str]]:
    """What may be ours by its name, and what it is then."""
    params = [folder for folder in _entries(store_folder / PARAMS) if is_digest(folder.name)]
    # Where the store is a link, its files lie in what that leads to.
    for folder in (store_folder.resolve(), store_folder / "plan", store_folder / CLAIMS, *params):
        yield from ((path, "file") for path in _entries(folder) if is_temporary(path.name))
    for path in _entries(store_folder / CLAIMS):
        if path.suffix == ".json" and is_digest(path.stem):
            yield path, "file"
    for path in _entries(store_folder / "tmp"):
        if _UNPUBLISHED.fullmatch(path.name):
            yield path, "folder"


def _entries(folder: Path) -> list[Path]:
    """What a folder holds; nothing where it cannot be read."""
    with suppress(OSError):
        return entries(folder)
    return []
