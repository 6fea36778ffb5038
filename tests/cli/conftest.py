"""The command line in a folder of its own, with training that takes no time."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from modbench.cli import running
from modbench.cli.app import app
from modbench.sweep.executors import Here
from sweep import fake_training

SWEEP = """
name = "small"
description = "two models, two rule numbers, three seeds"

[[grid]]
task.architecture = "mlp"
task.num_rules = [2, 4]
model.name = ["modular", "gt-modular"]
train.steps = 20
seed = [0, 1, 2]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a sweep file."""
    (tmp_path / "small.toml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(folder: Path):
    """Runs a command line and returns its result: `exit_code`, `stdout`, `stderr`."""
    runner = CliRunner()

    def run(*arguments: str):
        return runner.invoke(app, list(arguments), prog_name="modbench")

    with mock.patch.dict(os.environ, NPROC="1"):
        yield run


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces training; without an argument by one that takes no time."""

    def use(group=fake_training.quick) -> None:
        def make(name, workers, address):
            return Here(group)

        monkeypatch.setattr(running, "make_executor", make)

    use()
    return use


def tree(folder: Path) -> set[str]:
    """Everything in a folder, to see whether something was written."""
    return {f"{path.relative_to(folder)}:{path.stat().st_mtime_ns}" for path in folder.rglob("*")}


@pytest.fixture
def snapshot() -> Callable[[Path], set[str]]:
    """See `tree`."""
    return tree
