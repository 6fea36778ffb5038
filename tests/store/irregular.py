"""What may have a file's name and is no regular file."""

import os
import socket
from pathlib import Path

import pytest


def make_socket(path: Path) -> None:
    """Binds a socket; its name may have a hundred letters, so it is bound from within its folder."""
    here = Path.cwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def make_device(path: Path) -> None:
    """A device that can be read without end, as /dev/zero."""
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root may make a device")


def make_linked_pipe(path: Path) -> None:
    """A link that leads to a named pipe."""
    pipe = path.with_name(f"pipe of {path.name}")
    os.mkfifo(pipe)
    path.symlink_to(pipe)


KINDS = {
    "named pipe": os.mkfifo,
    "socket": make_socket,
    "device": make_device,
    "folder": Path.mkdir,
    "link": make_linked_pipe,
}
