"""Files that appear whole or not at all, also when the power fails."""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modbench.core.errors import MachineError

TEMPORARY = ".modbench-"
"""Prefix of a file that is still being written; one left over from a killed process is harmless."""
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def exhausted(error: OSError) -> bool:
    """Whether the machine failed (disk full, quota, broken disk), whatever the path was."""
    return error.errno in _EXHAUSTED


@contextmanager
def machine_errors(action: str) -> Iterator[None]:
    """Turns an `OSError` of the block into a `MachineError` that says what failed and why, on one line.

    Args:
        action: what was being done, such as `"write results/mine/plan/ab.json"`.
    """
    try:
        yield
    except MachineError:
        raise
    except OSError as error:
        raise MachineError(f"cannot {action}: {error.strerror or error}") from error


def write_file(path: Path, content: bytes) -> None:
    """Writes a new file down to the disk. Raises `OSError`; the name is free to be half-written then."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Gives `path` this content at one instant: a reader sees the old file or the new one.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        write_file(temporary, content)
        os.replace(temporary, path)  # noqa: PTH105 - beside os.rename and os.fsync, whose kin it is
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder unless it is there; never its parents: a store that was moved away is not begun anew.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileExistsError):  # where that is a file, what is put into it says so best
        folder.mkdir()


def sync_folder(folder: Path) -> None:
    """Makes the folder's entries (a rename into it, say) survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def rename_first(source: Path, target: Path) -> bool:
    """Renames a folder unless another one came first; says whether it did. Raises `OSError`."""
    try:
        source.rename(target)
    except OSError:
        if target.exists():
            return False
        raise
    sync_folder(target.parent)
    return True


def entries(folder: Path) -> list[Path]:
    """What a folder holds; nothing where there is no folder."""
    with machine_errors(f"read {folder}"):
        return list(folder.iterdir()) if folder.exists() else []


def folder_clock(folder: Path) -> float:
    """The time by the clock that dates the folder's files, in seconds since 1970.

    On a shared disk that is the server's clock and not ours, so ages of files are differences from this.
    Where nothing can be written, it is our clock.
    """
    probe = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            probe.unlink()
