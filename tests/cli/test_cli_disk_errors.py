"""A disk that answers with an error, as a network disk may at any moment: one line, whatever was asked of it."""

import builtins
import errno
import io
import os
import re
import shutil
from pathlib import Path

import pytest

LOOKS = ("listdir", "lstat", "open", "scandir", "stat")


class Disk:
    """Counts what is asked of a folder, and answers one question with an error."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, number: int | None = None, error: int = 0):
        self.folder, self.number, self.error = str(folder), number, error
        self.asked: list[str] = []
        for name in LOOKS:
            patch.setattr(os, name, self._answering(name, getattr(os, name)))
        answering = self._answering("open", io.open)
        patch.setattr(io, "open", answering)
        patch.setattr(builtins, "open", answering)

    def _answering(self, name, function):
        def answering(path=".", *arguments, **named):
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder):
                self.asked.append(f"{name} {os.path.relpath(path, self.folder)}")
                if len(self.asked) == self.number:
                    raise OSError(self.error, os.strerror(self.error), os.fspath(path))
            return function(path, *arguments, **named)

        return answering


COMMANDS = {
    "status": ["status", "STORE"],
    "plan": ["plan", "small.toml", "--out", "STORE", "--no-probe"],
    "compare": ["compare", "STORE", "STORE"],
    "merge": ["merge", "STORE", "--out", "merged"],
    "merge into": ["merge", "OTHER", "--out", "STORE"],
    "run": ["run", "small.toml", "--out", "STORE", "--quiet"],
    "claims": ["claims", "STORE"],
    "figures": ["figures", "STORE", "--only", "error", "--format", "svg"],
    "report": ["report", "STORE"],
}
SOME = {"run": 16, "merge into": 16, "claims": 5, "figures": 4, "report": 3}
"""How many of the questions of slower commands are answered with an error; of the others all are."""


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_of_the_disk_is_one_line(folder, trained, command, training, name):
    store, whole = folder / "store", trained / "whole"
    arguments = [{"STORE": str(store), "OTHER": str(whole)}.get(text, text) for text in COMMANDS[name]]

    def ask(number: int | None, error: int):
        for path in (store, folder / "merged"):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(trained / "a" if name in ("run", "merge into") else whole, store)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(store, patch, number, error)
            return disk, command(*arguments)

    disk, result = ask(None, 0)
    assert result.exit_code == 0
    questions = {re.sub("[0-9a-f]{16}", "ID", asked): number for number, asked in enumerate(disk.asked, 1)}
    numbers = sorted(questions.values())
    step = max(1, len(numbers) // SOME.get(name, len(numbers)))
    refused = 0
    for turn, number in enumerate(numbers[step - 1 :: step]):
        error = (errno.EIO, errno.ESTALE, errno.EACCES)[turn % 3]
        _, result = ask(number, error)
        assert result.exception is None or isinstance(result.exception, SystemExit), disk.asked[number - 1]
        assert len(result.stderr.splitlines()) == (result.exit_code > 0), (
            disk.asked[number - 1],
            result.stderr,
        )
        refused += os.strerror(error) in result.stderr
    assert refused > len(numbers) // step // 2


def test_a_cache_that_others_write_into_while_it_is_counted(command, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "stays").write_bytes(b"1234")
    (cache / "goes").write_bytes(b"1")
    monkeypatch.setenv("MODBENCH_CACHE", str(cache))

    def unless_gone(look):
        def ask(path, *arguments, **named):
            if isinstance(path, os.PathLike) and path == cache / "goes":
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return look(path, *arguments, **named)

        return ask

    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, unless_gone(getattr(os, name)))
    assert "1 file, 4 B" in command("env").stdout


def test_a_cache_that_cannot_be_read_is_one_line(command, tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("MODBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.MonkeyPatch.context() as patch:
        scandir = os.scandir

        def failing(path="."):
            if str(path).endswith("cache"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return scandir(path)

        patch.setattr(os, "scandir", failing)
        result = command("env")
    assert (result.exit_code, result.stderr) == (1, f"cannot read {tmp_path / 'cache'}: Input/output error\n")
