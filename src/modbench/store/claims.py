"""Who trains which cohort: notes beside the results, so that several commands share the work of a sweep.

A claim is advice and no lock. Whatever happens to one (lost, torn, taken over by mistake), the worst is work
done twice: of two that publish a cohort the first wins. The notes, in the store's folder `claims`::

    <cohort_id>.json          held by whoever trains it, rewritten every `HEARTBEAT_SECONDS`
    <cohort_id>.failed.json   why it could not be trained last time

A claim lapses when its process is gone, if that was on this machine, and when it has not been rewritten for
`STALE_SECONDS`. Ages are told by the clock of the file system alone, so machines need not agree on the time.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modbench.core.identity import canonical, digest, is_digest
from modbench.store.durable import TEMPORARY, entries, exists, folder_clock, make_folder, read_file

FOLDER = "claims"
HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 180.0
"""A network file system may show a file's age late by a minute; a busy machine may beat late."""
_FAILED = ".failed.json"
MOST = 2**40
"""The largest number that a claim may name; one with another is as good as torn."""


@dataclass(frozen=True)
class Holder:
    """Who holds a claim, and how far they are.

    Attributes:
        token: of the claim; no two have the same.
        machine: the machine since it was started, and its process namespace: where `pid` means something.
        host: name of the machine, for people; `MODBENCH_HOST` where that is set.
        pid: of the process that trains.
        started: when it began, by its own clock, in ISO form.
        seconds: since then, at the last heartbeat.
        phase: of training, as in `modbench.sweep.events.Advanced`; `"start"` before the first news.
        group: index of the group within the cohort, from 0.
        step: optimiser steps done by the group; while it is evaluated, batches of evaluation.
        steps: how many there are in all; 0 before the first news.
    """

    token: str
    machine: str
    host: str
    pid: int
    started: str
    seconds: float = 0.0
    phase: str = "start"
    group: int = 0
    step: int = 0
    steps: int = 0


class Claim:
    """A claim that is ours, kept alive by a thread while this is used as a context manager.

    Nothing that goes wrong with it is raised: training goes on without.
    """

    def __init__(self, path: Path, holder: Holder):
        self._path = path
        self._holder = holder
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="modbench heartbeat", daemon=True)

    def tell(self, phase: str, group: int, step: int, steps: int) -> None:
        """Takes in how far training is; the next heartbeat passes it on."""
        self._holder = replace(self._holder, phase=phase, group=group, step=step, steps=steps)

    def is_lost(self) -> bool:
        """Whether somebody else holds it by now: it had lapsed, while this machine was asleep say."""
        holder = _read_holder(self._path)
        return holder is not None and holder.token != self._holder.token

    def __enter__(self) -> Self:
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beating.join()
        if self._is_ours():
            with suppress(OSError):
                self._path.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            # It may have been taken over while this machine was asleep, or swept away with its folder.
            if self._is_ours():
                with suppress(OSError):
                    seconds = round(time.monotonic() - self._started, 1)
                    _put(self._path, asdict(replace(self._holder, seconds=seconds)))

    def _is_ours(self) -> bool:
        holder = _read_holder(self._path)
        return holder is not None and holder.token == self._holder.token


class Claims:
    """The claims of a store.

    Args:
        store_folder: of the store.
    """

    def __init__(self, store_folder: Path):
        self._folder = store_folder / FOLDER

    def take(self, cohort_id: str) -> Claim | None:
        """Claims a cohort, and forgets why it failed last time.

        Returns:
            The claim; None where another one is alive. Where it cannot be written, on a full disk say, the claim is
            returned all the same: it only tells nobody.
        """
        path = self._folder / f"{cohort_id}.json"
        holder = Holder(
            token=secrets.token_hex(8),
            machine=this_machine(),
            host=os.environ.get("MODBENCH_HOST") or socket.gethostname(),
            pid=os.getpid(),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with suppress(OSError):
            make_folder(self._folder)
            if not _put_first(path, asdict(holder)):
                if cohort_id in self.living([cohort_id]):
                    return None
                _put(path, asdict(holder))
                present = _read_holder(path)
                if present is not None and present.token != holder.token:
                    return None  # somebody else took the lapsed claim over at the same moment
            (self._folder / f"{cohort_id}{_FAILED}").unlink(missing_ok=True)
        return Claim(path, holder)

    def living(self, cohort_ids: Iterable[str] | None = None) -> dict[str, Holder]:
        """Who trains what just now: cohort_id -> holder, ordered by id.

        Args:
            cohort_ids: what is looked at; None is everything.

        Raises:
            MachineError: the folder of claims cannot be read. A claim that cannot be read counts as none.
        """
        if cohort_ids is None:
            cohort_ids = [name.removesuffix(".json") for name in self._names() if not name.endswith(_FAILED)]
        now: float | None = None
        living = {}
        for cohort_id in sorted(cohort_ids):
            path = self._folder / f"{cohort_id}.json"
            with suppress(OSError):
                changed = path.stat().st_mtime
                holder = _read_holder(path)
                if holder is None or _has_ended(holder):
                    continue
                now = folder_clock(self._folder) if now is None else now
                # One from the future was written before the clock was put back; a living one soon beats again.
                if abs(now - changed) <= STALE_SECONDS:
                    living[cohort_id] = holder
        return living

    def end_of(self, cohort_id: str, machine: str, pid: int) -> None:
        """Takes away the claim of a process that is known to have died; others would have to wait until it lapses.

        Args:
            cohort_id: what it held.
            machine: `this_machine()` where it ran.
            pid: of the process.
        """
        path = self._folder / f"{cohort_id}.json"
        holder = _read_holder(path)
        if holder is not None and (holder.machine, holder.pid) == (machine, pid):
            with suppress(OSError):
                path.unlink()

    def note_failure(self, cohort_id: str, reason: str) -> None:
        """Leaves a note on why a cohort could not be trained; none where it cannot be written."""
        with suppress(OSError):
            make_folder(self._folder)
            _put(self._folder / f"{cohort_id}{_FAILED}", {"reason": reason})

    def failures(self) -> dict[str, str]:
        """Why cohorts could not be trained when it was last tried: cohort_id -> reason, ordered by id.

        Raises:
            MachineError: the folder of claims cannot be read.
        """
        reasons = {}
        for name in self._names():
            if name.endswith(_FAILED):
                table = _read(self._folder / name)
                reason = table.get("reason") if table else None
                reasons[name.removesuffix(_FAILED)] = reason if isinstance(reason, str) else "unknown"
        return reasons

    def _names(self) -> list[str]:
        names = (path.name for path in entries(self._folder))
        ours = (name for name in names if name.endswith(".json"))
        return sorted(name for name in ours if is_digest(name.removesuffix(".json").removesuffix(".failed")))


def _has_ended(holder: Holder) -> bool:
    """Whether the holder's process is known to be gone; unknown on another machine."""
    if holder.machine != this_machine():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def this_machine() -> str:
    """What tells one run of one machine, and one container on it, from all others."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # Linux only; elsewhere the name has to do
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return digest(parts)


def _read(path: Path) -> dict[str, Any] | None:
    """The table of a note; None where there is none, or it is torn."""
    try:
        table = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _read_holder(path: Path) -> Holder | None:
    table = _read(path)
    names = {field.name: field.type for field in fields(Holder)}
    if table is None or table.keys() != names.keys():
        return None
    types = {str: (str,), int: (int,), float: (int, float)}
    for name, kind in names.items():
        value = table[name]
        if type(value) not in types[kind]:  # pyright: ignore[reportArgumentType]
            return None
        # No process, step or second of a sensible claim lies beyond; NaN and Infinity do.
        if kind is not str and not 0 <= value <= MOST:
            return None
    return Holder(**table)


def _content(table: Mapping[str, Any]) -> bytes:
    return (canonical(table) + "\n").encode()


def _put_first(path: Path, table: Mapping[str, Any]) -> bool:
    """Writes a note unless there is one; says whether it did. Raises `OSError`."""
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(_content(table))
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        if exists(path):
            return False
        os.replace(temporary, path)  # noqa: PTH105 - a file system without hard links; two may win then
    finally:
        with suppress(OSError):
            temporary.unlink()
    return True


def _put(path: Path, table: Mapping[str, Any]) -> None:
    """Writes a note whole, but not down to the disk: it means nothing after a power failure. Raises `OSError`."""
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(_content(table))
        os.replace(temporary, path)  # noqa: PTH105 - as in durable.py
    finally:
        with suppress(OSError):
            temporary.unlink()
