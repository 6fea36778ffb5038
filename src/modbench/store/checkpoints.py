"""What a cohort in training leaves on disk, so that whoever continues it repeats little. No results yet.

In the store's folder `checkpoints/<cohort_id>/`::

    group-<start>/                  the results of a finished group, in the files of a published cohort
    state-<start>-<step>-<token>/   a group's state after `step` updates
        arrays/                     its arrays, as whoever trains writes them
        checkpoint.json             what it is of, and a digest of every file

`start` is the index of the group's first run in its cohort. Each appears by one rename, is never edited, and is used
only when every byte of it is as it was written.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from modbench.core.errors import MachineError
from modbench.core.identity import is_digest
from modbench.store.cohort import FILES, DamagedFile, contents, read_intact
from modbench.store.content import checked
from modbench.store.durable import (
    entries,
    exists,
    kind_of,
    machine_errors,
    make_folder,
    open_file,
    read_file,
    rename_first,
    sync_folder,
    write_file,
)
from modbench.store.marker import MARKER
from modbench.store.plan import sealed
from modbench.store.record import CohortRecord

FOLDER = "checkpoints"
KEPT = 2
"""States that are kept, so that one is left when the newest is damaged."""
_STATE = re.compile(r"state-([0-9]{1,18})-([0-9]{1,18})-[0-9a-f]{8}")
ARRAYS, MANIFEST = "arrays", "checkpoint.json"


class State(NamedTuple):
    """A group's state on disk.

    Attributes:
        start: index of the group's first run in its cohort.
        step: updates done.
        folder: that it lies in.
    """

    start: int
    step: int
    folder: Path


class Checkpoints:
    """The checkpoints of one cohort.

    Args:
        store_folder: of the store.
        cohort_id: of the cohort.
    """

    def __init__(self, store_folder: Path, cohort_id: str):
        self._store = store_folder
        self._cohort_id = cohort_id
        self.folder = store_folder / FOLDER / cohort_id

    def add_group(self, start: int, record: CohortRecord) -> None:
        """Keeps the results of a finished group, unless some of that start are there; its states are dropped.

        Raises:
            OSError: it cannot be written; nothing is left behind.
        """
        with self._appearing(f"group-{start}") as temporary:
            for file, content in contents(record).items():
                write_file(temporary / file, content)
        for state in self.states():
            if state.start <= start:
                self.discard(state.folder)

    def group(self, start: int) -> CohortRecord | None:
        """The results of the finished group that begins at a run; None where there are none.

        Raises:
            DamagedFile: a byte is not as it was written, or the files do not fit this modbench.
            MachineError: a file cannot be read.
        """
        folder = self.folder / f"group-{start}"
        if kind_of(self.folder) != "folder" or kind_of(folder) != "folder":
            return None
        tables = checked(read_intact(folder), self._cohort_id)
        if tables is None:
            raise DamagedFile(FILES["runs"], "of another version")
        return CohortRecord(**{name: table.to_pylist() for name, table in tables.items()})

    def finished_runs(self) -> int:
        """Runs of the groups that are finished, from the first one on, as their files say, unchecked."""
        runs = 0
        while rows := _rows(self.folder / f"group-{runs}" / FILES["runs"]):
            runs += rows
        return runs

    def add_state(
        self, start: int, step: int, about: Mapping[str, Any], write: Callable[[Path], None]
    ) -> None:
        """Keeps a state, and of all states the newest `KEPT`.

        Args:
            start: index of the group's first run in its cohort.
            step: updates done.
            about: what it is of, in JSON's values.
            write: writes the arrays into a folder that it makes.

        Raises:
            OSError: it cannot be written; nothing is left behind. Whatever `write` raises goes through likewise.
        """
        with self._appearing(f"state-{start}-{step}-{secrets.token_hex(4)}") as temporary:
            write(temporary / ARRAYS)
            files = {file: _digest_synced(temporary / file) for file in _files(temporary)}
            write_file(temporary / MANIFEST, sealed({"about": dict(about), "files": files}))
        for state in self.states()[KEPT:]:
            self.discard(state.folder)

    def states(self) -> list[State]:
        """The states that are there, unchecked, the newest first. Raises `MachineError`."""
        found = ((folder, _STATE.fullmatch(folder.name)) for folder in entries(self.folder))
        return sorted(
            (State(int(match[1]), int(match[2]), folder) for folder, match in found if match), reverse=True
        )

    def about(self, state: State) -> dict[str, Any]:
        """What a state is of, after every byte of it was checked.

        Raises:
            DamagedFile: a file is missing or too many, or is not as it was written.
            MachineError: a file cannot be read.
        """
        try:
            with machine_errors(f"read {state.folder / MANIFEST}"):
                try:
                    content = read_file(state.folder / MANIFEST)
                except FileNotFoundError:
                    raise DamagedFile(MANIFEST) from None
            table = json.loads(content)
            if not isinstance(table, dict) or content != sealed(table):
                raise ValueError
            about, files = dict(table["about"]), dict(table["files"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DamagedFile(MANIFEST) from None
        with machine_errors(f"read {state.folder}"):
            there = set(_files(state.folder)) - {MANIFEST}
        if others := files.keys() ^ there:
            raise DamagedFile(min(others))
        for file, digest in files.items():
            with machine_errors(f"read {state.folder / file}"):
                try:
                    intact = _digest(state.folder / file) == digest
                except FileNotFoundError:
                    intact = False
            if not intact:
                raise DamagedFile(file)
        return about

    def discard(self, folder: Path) -> None:
        """Removes a checkpoint; what cannot be removed stays, and is removed with the cohort's later."""
        self._remove(folder)

    def remove(self) -> None:
        """Removes all checkpoints of the cohort."""
        self._remove(self.folder)

    def _remove(self, folder: Path) -> None:
        """Takes a folder out of sight at one instant, then removes it; what a link leads to stays as it is."""
        with suppress(OSError):
            on_the_way = (self._store / FOLDER, self.folder, folder)
            if any(kind_of(part) != "folder" for part in on_the_way):
                return
            make_folder(self._store / "tmp")
            aside = self._temporary()
            folder.rename(aside)
            shutil.rmtree(aside)

    def _temporary(self) -> Path:
        # A name that `leftovers` knows.
        return self._store / "tmp" / f"{self._cohort_id}.{secrets.token_hex(8)}"

    @contextmanager
    def _appearing(self, name: str) -> Iterator[Path]:
        """A folder to write into, which gets its name at the end of the block, unless another one has it."""
        make_folder(self._store / "tmp")
        temporary = self._temporary()
        temporary.mkdir()
        try:
            yield temporary
            for folder in (temporary, *(path for path in temporary.rglob("*") if path.is_dir())):
                sync_folder(folder)
            (self._store / MARKER).stat()  # raises where the store has been moved away
            make_folder(self._store / FOLDER)
            make_folder(self.folder)
            rename_first(temporary, self.folder / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            with suppress(OSError):
                if not exists(self._store / MARKER):
                    # A library that makes missing parents must not begin a store anew that has been moved away.
                    (self._store / "tmp").rmdir()
                    self._store.rmdir()


def finished_runs(store_folder: Path, published: Collection[str]) -> int:
    """Runs of a store that are finished and are to be published with the other runs of their cohort.

    Args:
        store_folder: of the store.
        published: ids of the cohorts whose results are in the store already.
    """
    try:
        names = [path.name for path in entries(store_folder / FOLDER) if is_digest(path.name)]
    except MachineError:
        return 0
    return sum(Checkpoints(store_folder, name).finished_runs() for name in names if name not in published)


def _rows(file: Path) -> int:
    """Rows of a Parquet file; 0 where it cannot be read."""
    try:
        with open_file(file) as opened:
            return pq.read_metadata(opened).num_rows
    except (OSError, ValueError):
        return 0


def _files(folder: Path) -> list[str]:
    """All files below a folder, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_synced(path: Path) -> str:
    """The digest of a file that is on the disk by then; whoever wrote it may have left that to the system."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
