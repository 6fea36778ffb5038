"""A store: a folder that holds a sweep's plan and results. Shared disks and many writers are fine.

::

    store.json            what makes the folder a store, with the version of its schema
    sweep.toml            the sweep, resolved
    plan/<id>.json        one planned cohort: its runs and its width
    cohorts/<id>/         one published cohort; appears by one rename, is never edited
    damaged/<id>.<time>/  what was set aside because a byte of it had changed
    checkpoints/<id>/     what a cohort in training has come to; no results (`modbench.store.checkpoints`)
    params/<id>/          trained parameters, where they are kept (`modbench.store.params`)
    claims/               who trains which cohort just now; no results (`modbench.store.claims`)
    tmp/                  work in progress; safe to delete when nothing runs

An id is 16 hexadecimal digits. Whatever has another name in these folders, such as a file system's `lost+found`, is not
the store's: it is passed over and stays. None of the folders may be a link, see `modbench.store.marker`.
"""

import secrets
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import tomli_w

from modbench.core.errors import MachineError
from modbench.core.identity import is_digest
from modbench.core.paths import decoded, given_path
from modbench.store.cohort import DamagedFile, contents, write_folder
from modbench.store.content import damage_of, read_cohort
from modbench.store.durable import (
    entries,
    exists,
    kind_of,
    machine_errors,
    make_folder,
    read_file,
    rename_first,
    replace_file,
    sync_folder,
)
from modbench.store.leftovers import remove_leftovers
from modbench.store.marker import MARKER, SWEEP, make_store, require_own_folder, require_store
from modbench.store.plan import PlannedCohort, decode_plan, encode_plan, plan_files, read_plan
from modbench.store.record import CohortRecord
from modbench.store.schema import is_untrained

__all__ = ["Damage", "PlannedCohort", "Store"]


@dataclass(frozen=True)
class Damage:
    """A cohort or plan that is not as it was written, or holds what cannot be.

    Attributes:
        cohort_id: of the cohort; the file's stem for a plan.
        file: the first file that is missing or has changed, relative to the store.
        moved_to: where it was set aside, relative to the store; None when it was only read.
    """

    cohort_id: str
    file: str
    moved_to: str | None = None


class Store:
    """An open store. Make one with `create` (to write) or `open` (to read).

    Attributes:
        folder: the store's folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def create(cls, folder: str | Path, sweep_source: Mapping[str, Any]) -> Self:
        """Opens a store for writing, making it where there is none, and clears away what killed processes left.

        Args:
            folder: the store's folder; missing parents are made.
            sweep_source: the sweep's resolved tables; `sweep.toml` is rewritten when it differs.

        Raises:
            RequestError: the path is a file, is not writable, holds something that is no store, or a store
                of a newer schema. Nothing has been written then.
            MachineError: the disk is full.
        """
        folder = given_path(folder)
        make_store(folder, tomli_w.dumps(sweep_source).encode())
        remove_leftovers(folder)
        return cls(folder)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Opens a store that exists; writes nothing.

        Raises:
            RequestError: there is no such folder, it is no store, or its schema is newer than this modbench.
        """
        folder = given_path(folder)
        require_store(folder)
        return cls(folder)

    def sweep_source(self) -> dict[str, Any]:
        """The sweep's resolved tables, as `create` was last given them.

        Returns:
            A table whose `name` and `description` are texts and whose `grid` is a list of tables, where they are there.

        Raises:
            MachineError: `sweep.toml` cannot be read, or is no sweep.
        """
        path = self.folder / SWEEP
        with machine_errors(f"read {path}"):
            content = read_file(path)
        try:
            table = tomllib.loads(decoded(content))
            grids = table.get("grid", [])
            if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
                raise ValueError("grid must be tables")
            if not all(isinstance(table.get(name, ""), str) for name in ("name", "description")):
                raise ValueError("name and description must be texts")
        except (ValueError, RecursionError) as error:
            raise MachineError(f"{path} is damaged ({error}); modbench run writes it anew") from None
        return table

    def plans(self) -> list[PlannedCohort]:
        """The planned cohorts, ordered by id. Retired plans (`decode_plan`) are left out.

        Raises:
            MachineError: a plan file is damaged; `set_damaged_aside` moves it away.
        """
        plans, damaged = self.intact_plans()
        if damaged:
            raise MachineError(
                f"plan file {self.folder / damaged[0].file} is damaged; modbench run sets it aside"
            )
        return plans

    def intact_plans(self, skip: frozenset[str] = frozenset()) -> tuple[list[PlannedCohort], list[Damage]]:
        """The planned cohorts, and the plan files that are damaged; changes nothing.

        Args:
            skip: ids of cohorts whose plans are not read.
        """
        plans, damaged = [], []
        for path in plan_files(self.folder):
            if path.stem in skip:
                continue
            try:
                plan = decode_plan(read_plan(path), path.stem)
            except ValueError:
                damaged.append(Damage(path.stem, f"plan/{path.name}"))
            else:
                plans += [plan] if plan else []
        return plans, damaged

    def add_plan(self, cohort: PlannedCohort) -> None:
        """Writes a cohort's plan file; one that is there already is left as it is.

        Raises:
            MachineError: it cannot be written.
        """
        path = self.folder / "plan" / f"{cohort.cohort_id}.json"
        with machine_errors(f"write {path}"):
            if not exists(path):
                make_folder(path.parent)
                replace_file(path, encode_plan(cohort))

    def published(self) -> list[str]:
        """Ids of the published cohorts, ordered; their files are not checked.

        Raises:
            RequestError: the folder of one is a link.
            MachineError: the folder cannot be read.
        """
        folders = [path for path in entries(self.folder / "cohorts") if is_digest(path.name)]
        for folder in folders:
            if kind_of(folder) == "link":
                require_own_folder(folder)
        return sorted(folder.name for folder in folders)

    def is_published(self, cohort_id: str) -> bool:
        """Whether a cohort is published; its files are not checked. Raises `MachineError`."""
        return kind_of(self.folder / "cohorts" / cohort_id) == "folder"

    def recorded(self, cohort_ids: Sequence[str] | None = None) -> dict[str, str]:
        """Status of published runs: run_id -> `"done"` or `"failed"`. Damaged and retired cohorts do not count.

        A run that two cohorts have counts as in `modbench.store.table`: one that was trained comes before one that
        did not fit into memory, then the cohort of the lower id.

        Args:
            cohort_ids: published cohorts that are looked at; None is all.

        Raises:
            MachineError: a file cannot be read, or the store has vanished.
        """
        status: dict[str, str] = {}
        untrained: set[str] = set()
        for identity, value, reason, _ in self._rows(cohort_ids):
            if is_untrained(value, reason):
                if identity not in status:
                    status[identity] = value
                    untrained.add(identity)
            elif identity not in status or identity in untrained:
                status[identity] = value
                untrained.discard(identity)
        return status

    def untrained(self) -> dict[str, float | None]:
        """The runs that have not fitted into memory: run_id -> the most bytes that they had, None if unknown.

        Raises:
            MachineError: a file cannot be read, or the store has vanished.
        """
        had: dict[str, float | None] = {}
        trained: set[str] = set()
        for identity, value, reason, memory in self._rows():
            if is_untrained(value, reason):
                known = [n for n in (had.get(identity), memory and memory * 2**20) if n is not None]
                had[identity] = max(known, default=None)
            else:
                trained.add(identity)
        return {identity: memory for identity, memory in had.items() if identity not in trained}

    def _rows(
        self, cohort_ids: Sequence[str] | None = None
    ) -> Iterator[tuple[str, str, str | None, float | None]]:
        """Id, status, reason and memory (MiB) of each published run, cohort by cohort in the order of their ids."""
        self._require_marker()
        for cohort_id in self.published() if cohort_ids is None else sorted(cohort_ids):
            try:
                tables = read_cohort(self.folder, cohort_id, ["runs"])
            except DamagedFile:
                continue
            if tables is not None:
                columns = ("run_id", "status", "reason", "env_memory_mb")
                yield from zip(*(tables["runs"][name].to_pylist() for name in columns), strict=True)

    def set_damaged_aside(self) -> list[Damage]:
        """Moves every cohort and plan that is not as it was written, or holds what cannot be, into `damaged/`.

        Raises:
            MachineError: something cannot be read or moved.
        """
        moved = []
        for damage in self.intact_plans()[1]:
            moved += self._move_aside(damage, self.folder / damage.file)
        published = self.published()
        with ThreadPoolExecutor() as pool:
            found = pool.map(partial(damage_of, self.folder), published)
            for cohort_id, damage in zip(published, found, strict=True):
                if damage:
                    # At once, not after the loop: another process that finds the same may already be retraining.
                    source = self.folder / "cohorts" / cohort_id
                    moved += self._move_aside(Damage(cohort_id, f"cohorts/{cohort_id}/{damage.file}"), source)
        return moved

    def _move_aside(self, damage: Damage, source: Path) -> list[Damage]:
        """Moves a plan or cohort into `damaged/`; nothing to tell when another process just did."""
        moved_to = f"damaged/{source.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        with machine_errors(f"move {source} to {moved_to}"):
            make_folder(self.folder / "damaged")
            try:
                source.rename(self.folder / moved_to)
            except FileNotFoundError:
                return []
            sync_folder(source.parent)
        return [replace(damage, moved_to=moved_to)]

    def publish(self, cohort_id: str, record: CohortRecord) -> bool:
        """Publishes a cohort's results: all of them appear at one instant, or none.

        Args:
            cohort_id: of the planned cohort.
            record: its rows.

        Returns:
            Whether this call published it; False when another writer had, whose results stay as they are.

        Raises:
            MachineError: it cannot be written, the disk is full say; nothing is left behind.
            ValueError: a row does not fit its schema or belongs to another cohort.
        """
        if others := {row["cohort_id"] for row in record.runs} - {cohort_id}:
            raise ValueError(f"every run must belong to cohort {cohort_id}, got {min(others)}")
        return self.publish_files(cohort_id, contents(record))

    def publish_files(self, cohort_id: str, files: Mapping[str, bytes]) -> bool:
        """Publishes the files of a cohort's folder; see `publish`.

        Args:
            cohort_id: of the cohort.
            files: file name -> content, the digests included.
        """
        target = self.folder / "cohorts" / cohort_id
        temporary = self.folder / "tmp" / f"{cohort_id}.{secrets.token_hex(8)}"
        try:
            with machine_errors(f"publish {target}"):
                self._require_marker()
                if self.is_published(cohort_id):
                    return False
                make_folder(temporary.parent)
                write_folder(temporary, files)
                make_folder(target.parent)
                return rename_first(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _require_marker(self) -> None:
        """Raises `MachineError` where the store has vanished: a disk that is gone, a folder that was moved."""
        if not exists(self.folder / MARKER):
            raise MachineError(f"store {self.folder} has vanished: {MARKER} is not there any more")
