"""What killed processes leave in a store, and its removal: only what is ours, and old enough to be nobody's."""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from modbench.store.checkpoints import FOLDER as CHECKPOINTS
from modbench.store.checkpoints import Checkpoints
from modbench.store.claims import FOLDER as CLAIMS
from modbench.store.durable import TEMPORARY, folder_clock
from modbench.store.params import FOLDER as PARAMS

OLD_SECONDS = 3600.0
"""Writing a cohort takes seconds; what has not changed for so long is being written by nobody."""
_UNPUBLISHED = re.compile(r"[0-9a-f]{16}\.[0-9a-f]{16}")


def remove_leftovers(store_folder: Path) -> None:
    """Removes unpublished folders in `tmp`, half-written files, and lapsed claims that have not changed for an hour.

    Checkpoints go at once where their cohort is published, or planned no more. What cannot be removed stays;
    it is harmless.
    """
    now = folder_clock(store_folder)
    for path in _candidates(store_folder):
        with suppress(OSError):
            parts = [path, *path.iterdir()] if path.is_dir() else [path]
            if now - max(part.lstat().st_mtime for part in parts) <= OLD_SECONDS:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    with suppress(OSError):
        for folder in (store_folder / CHECKPOINTS).iterdir():
            published = (store_folder / "cohorts" / folder.name).is_dir()
            if published or not (store_folder / "plan" / f"{folder.name}.json").exists():
                Checkpoints(store_folder, folder.name).remove()


def _candidates(store_folder: Path) -> Iterator[Path]:
    ours = [store_folder, store_folder / "plan", store_folder / CLAIMS, store_folder / "tmp"]
    for folder in (*ours, *(store_folder / PARAMS).glob("*")):
        try:
            paths = [path for path in folder.iterdir() if not path.is_symlink()]
        except OSError:
            continue
        for path in paths:
            half_written = path.name.startswith(TEMPORARY) and path.is_file()
            unpublished = folder.name == "tmp" and _UNPUBLISHED.fullmatch(path.name) and path.is_dir()
            lapsed = (
                folder.name == CLAIMS and path.suffix == ".json" and path.suffixes != [".failed", ".json"]
            )
            if half_written or unpublished or lapsed:
                yield path
