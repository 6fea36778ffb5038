"""A store: a folder that holds a sweep's plan and results. Shared disks and many writers are fine.

::

    store.json            what makes the folder a store, with the version of its schema
    sweep.toml            the sweep, resolved
    plan/<id>.json        one planned cohort: its runs and its width
    cohorts/<id>/         one published cohort; appears by one rename, is never edited
    damaged/<id>.<time>/  what was set aside because a byte of it had changed
    tmp/                  work in progress; safe to delete when nothing runs
"""

import json
import os
import secrets
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import tomli_w

from modbench import __version__
from modbench.core.errors import MachineError, RequestError
from modbench.store.cohort import DamagedFile, contents, read_intact, write_folder
from modbench.store.durable import TEMPORARY, exhausted, machine_errors, replace_file, sync_folder
from modbench.store.plan import PlannedCohort, decode_plan, encode_plan
from modbench.store.record import CohortRecord, decode
from modbench.store.schema import RUNS, SCHEMA_VERSION

__all__ = ["Damage", "PlannedCohort", "Store"]
MARKER = "store.json"


@dataclass(frozen=True)
class Damage:
    """A cohort or plan that is not as it was written.

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
        """Opens a store for writing, making it where there is none.

        Args:
            folder: the store's folder; missing parents are made.
            sweep_source: the sweep's resolved tables; `sweep.toml` is rewritten when it differs.

        Raises:
            RequestError: the path is a file, is not writable, holds something that is no store, or a store
                of a newer schema. Nothing has been written then.
            MachineError: the disk is full.
        """
        folder = Path(folder)
        if _exists(folder):
            _require_folder(folder)
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise RequestError(f"output folder must be writable, got {folder}")
            if _exists(folder / MARKER):
                _require_schema(folder)
            elif any(not entry.name.startswith(TEMPORARY) for entry in _entries(folder)):
                raise RequestError(
                    f"output folder must be empty or a store, got {folder}, which holds other files"
                )
        made = _make_folders(folder)
        try:
            if not (folder / MARKER).exists():
                marker = {"schema_version": SCHEMA_VERSION, "created_by": f"modbench {__version__}"}
                replace_file(folder / MARKER, (json.dumps(marker) + "\n").encode())
            toml = tomli_w.dumps(sweep_source).encode()
            sweep = folder / "sweep.toml"
            if not sweep.exists() or sweep.read_bytes() != toml:
                replace_file(sweep, toml)
        except OSError as error:
            _remove_folders(made)
            raise _unwritable(folder, error) from error
        return cls(folder)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Opens a store that exists; writes nothing.

        Raises:
            RequestError: there is no such folder, it is no store, or its schema is newer than this modbench.
        """
        folder = Path(folder)
        if not _exists(folder):
            raise RequestError(f"no folder {folder}. A store is made by: modbench run SWEEP --out {folder}")
        _require_folder(folder)
        if not _exists(folder / MARKER):
            raise RequestError(f"folder must be a store (one that modbench run has made), got {folder}")
        _require_schema(folder)
        return cls(folder)

    def sweep_source(self) -> dict[str, Any]:
        """The sweep's resolved tables, as `create` was last given them.

        Raises:
            MachineError: `sweep.toml` cannot be read.
        """
        path = self.folder / "sweep.toml"
        with machine_errors(f"read {path}"):
            content = path.read_bytes()
        try:
            return tomllib.loads(content.decode())
        except ValueError as error:
            raise MachineError(f"{path} is damaged ({error}); modbench run writes it anew") from None

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
        """The planned cohorts, and the plan files that are damaged or something else; changes nothing.

        Args:
            skip: ids of cohorts whose plans are not read.
        """
        plans, damaged = [], []
        for path in sorted(_entries(self.folder / "plan")):
            if path.suffix != ".json" or path.stem in skip:
                continue
            try:
                with machine_errors(f"read {path}"):
                    content = path.read_bytes()
                plan = decode_plan(content, path.stem)
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
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                replace_file(path, encode_plan(cohort))

    def published(self) -> list[str]:
        """Ids of the published cohorts, ordered; their files are not checked."""
        return sorted(path.name for path in _entries(self.folder / "cohorts") if path.is_dir())

    def recorded(self) -> dict[str, str]:
        """Status of every published run: run_id -> `"done"` or `"failed"`. Damaged cohorts do not count.

        Raises:
            MachineError: a file cannot be read.
        """
        status: dict[str, str] = {}
        for cohort_id in self.published():
            try:
                content = read_intact(self.folder / "cohorts" / cohort_id, ["runs"])["runs"]
            except DamagedFile:
                continue
            table = decode(content, RUNS, columns=["run_id", "status"])
            status |= zip(table["run_id"].to_pylist(), table["status"].to_pylist(), strict=True)
        return status

    def set_damaged_aside(self) -> list[Damage]:
        """Moves every cohort and plan that is not as it was written into `damaged/`, and names them.

        Raises:
            MachineError: something cannot be read or moved.
        """
        moved = []
        for damage in self.intact_plans()[1]:
            moved += self._move_aside(damage, self.folder / damage.file)
        for cohort_id in self.published():
            folder = self.folder / "cohorts" / cohort_id
            try:
                read_intact(folder)
            except DamagedFile as found:
                # At once, not after the loop: another process that finds the same may already be retraining.
                moved += self._move_aside(Damage(cohort_id, f"cohorts/{cohort_id}/{found.file}"), folder)
        return moved

    def _move_aside(self, damage: Damage, source: Path) -> list[Damage]:
        """Moves a plan or cohort into `damaged/`; nothing to tell when another process just did."""
        moved_to = f"damaged/{source.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        with machine_errors(f"move {source} to {moved_to}"):
            (self.folder / "damaged").mkdir(exist_ok=True)
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
        files = contents(record)
        target = self.folder / "cohorts" / cohort_id
        temporary = self.folder / "tmp" / f"{cohort_id}.{secrets.token_hex(8)}"
        try:
            with machine_errors(f"publish {target}"):
                if target.exists():
                    return False
                write_folder(temporary, files)
                target.parent.mkdir(exist_ok=True)
                return _rename_first(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _rename_first(source: Path, target: Path) -> bool:
    """Renames a folder unless another one came first; says whether it did."""
    try:
        source.rename(target)
    except OSError:
        if target.exists():
            return False
        raise
    sync_folder(target.parent)
    return True


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _entries(folder: Path) -> list[Path]:
    """What a folder holds; nothing where there is no folder."""
    with machine_errors(f"read {folder}"):
        return list(folder.iterdir()) if folder.exists() else []


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise RequestError(f"a store must be a folder, got the file {folder}")


def _require_schema(folder: Path) -> None:
    try:
        version = json.loads((folder / MARKER).read_bytes())["schema_version"]
    except (OSError, ValueError, TypeError, KeyError):
        version = None
    if not isinstance(version, int) or version < 1:
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
