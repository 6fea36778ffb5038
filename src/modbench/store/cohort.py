"""The folder of a published cohort: its files, their digests, and how damage is noticed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from modbench.core.identity import canonical
from modbench.store.durable import machine_errors, read_file, sync_folder, write_file
from modbench.store.record import CohortRecord, encode
from modbench.store.schema import TABLES

DIGESTS = "digests.json"
FILES = {name: f"{name}.parquet" for name in TABLES}
"""Table name -> file name."""


class DamagedFile(Exception):  # noqa: N818 - a finding, handled where it is raised; no failure of the program
    """A file of a published cohort is missing, not as it was written, or holds what cannot be.

    Attributes:
        file: its name.
    """

    def __init__(self, file: str, reason: str = "not as it was written"):
        super().__init__(f"{file}: {reason}")
        self.file = file


def contents(record: CohortRecord) -> dict[str, bytes]:
    """The files of a cohort's folder, digests included: file name -> content.

    Raises:
        ValueError: a row does not fit its schema.
    """
    files = {FILES[name]: encode(table) for name, table in record.tables()}
    return {**files, DIGESTS: _digests({file: _sha256(content) for file, content in files.items()})}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a new folder, down to the disk. Raises `OSError`."""
    folder.mkdir()
    for file, content in files.items():
        write_file(folder / file, content)
    sync_folder(folder)


def read_intact(folder: Path, names: Sequence[str] = tuple(FILES)) -> dict[str, bytes]:
    """Reads the files of the named tables and compares them with their digests.

    Args:
        folder: of the cohort.
        names: of the tables; the others are neither read nor checked.

    Returns:
        Table name -> content of its file, every byte as it was written.

    Raises:
        DamagedFile: a file is missing or is not as it was written; the digests themselves count.
        MachineError: a file cannot be read.
    """
    recorded = _read(folder / DIGESTS)
    try:
        digests = json.loads(recorded)
    except (ValueError, RecursionError):
        raise DamagedFile(DIGESTS) from None
    if (
        not isinstance(digests, dict)
        or digests.keys() != set(FILES.values())
        or recorded != _digests(digests)
    ):
        raise DamagedFile(DIGESTS)
    found = {}
    for name in names:
        found[name] = _read(folder / FILES[name])
        if _sha256(found[name]) != digests[FILES[name]]:
            raise DamagedFile(FILES[name])
    return found


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a cohort's folder as they were written, digests included; what `contents` gave.

    Raises:
        DamagedFile: a file is missing or is not as it was written.
        MachineError: a file cannot be read.
    """
    files = {FILES[name]: content for name, content in read_intact(folder).items()}
    return {**files, DIGESTS: _digests({file: _sha256(content) for file, content in files.items()})}


def _read(path: Path) -> bytes:
    with machine_errors(f"read {path}"):
        try:
            return read_file(path)
        except FileNotFoundError:
            raise DamagedFile(path.name) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digests(digests: dict[str, str]) -> bytes:
    return (canonical(digests) + "\n").encode()
