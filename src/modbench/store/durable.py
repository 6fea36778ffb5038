"""Files that are written whole or not at all, also when the power fails, and that are read without surprises.

`Path.exists` and its kin hide some errors of a disk, and which ones depends on Python's version; to open a named pipe
waits until somebody writes into it; and what is written through a link lands somewhere else. So whatever handles a
store's files uses these functions.
"""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from modbench.core.errors import MachineError

TEMPORARY = ".modbench-"
"""Prefix of a file that is still being written; one left over from a killed process is harmless."""
_TEMPORARY = re.compile(re.escape(TEMPORARY) + "[0-9a-f]{16}")
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


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


def kind_of(path: Path) -> str | None:
    """What has a name: `"file"`, `"folder"`, `"link"`, `"named pipe"`, `"socket"` or `"device"`; None: nothing has it.

    Raises:
        MachineError: the disk does not say.
    """
    return _kind(path, os.lstat)


def exists(path: Path) -> bool:
    """Whether there is something of that name; a link counts as what it leads to. Raises `MachineError`."""
    return _kind(path, os.stat) is not None


def leads_to_folder(path: Path) -> bool:
    """Whether that is a folder, or a link to one. Raises `MachineError`."""
    return _kind(path, os.stat) == "folder"


def _kind(path: Path, look: Callable[[Path], os.stat_result]) -> str | None:
    with machine_errors(f"look at {path}"):
        try:
            return _KINDS.get(stat.S_IFMT(look(path).st_mode), "device")
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise
        except ValueError:  # a name with a null byte
            return None


def open_file(path: Path) -> BufferedReader:
    """Opens a regular file for reading.

    Raises:
        FileNotFoundError: no regular file has that name; a folder or a named pipe may.
        OSError: it cannot be opened.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - closed by whoever asked for it
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.ENXIO):  # the last is what a socket says
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _no_file(path)
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # else opening a named pipe waits for a writer


def _no_file(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "it is no regular file", str(path))


def read_file(path: Path) -> bytes:
    """The content of a regular file. Raises what `open_file` raises."""
    with open_file(path) as file:
        return file.read()


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
        OSError: it cannot be made, or it is a link: what is put into that would land outside the store.
    """
    try:
        folder.mkdir()
    except FileExistsError:  # where that is a file, what is put into it says so best
        _refuse_link(folder)


def _refuse_link(folder: Path) -> None:
    if kind_of(folder) == "link":
        raise OSError(errno.ELOOP, f"{folder} is a link, and what a store holds must lie in the store")


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
        if kind_of(target) == "folder":
            return False
        raise
    sync_folder(target.parent)
    return True


def entries(folder: Path) -> list[Path]:
    """What a folder of a store holds; nothing where there is no folder.

    Raises:
        MachineError: it cannot be read, or it is a link: what that leads to is not the store's.
    """
    with machine_errors(f"read {folder}"):
        _refuse_link(folder)
        try:
            return list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def is_temporary(name: str) -> bool:
    """Whether a file is one that `replace_file` was still writing, by its name."""
    return _TEMPORARY.fullmatch(name) is not None


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
