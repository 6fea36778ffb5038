"""The command line in a folder of its own, with training that takes no time."""

import os
import shutil
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


def invoke(*arguments: str):
    """Runs a command line and returns its result: `exit_code`, `stdout`, `stderr`."""
    with mock.patch.dict(os.environ, NPROC="1"):
        return CliRunner().invoke(app, list(arguments), prog_name="modbench")


@pytest.fixture
def command(folder: Path):
    """See `invoke`."""
    return invoke


def stand_in(patch: pytest.MonkeyPatch, group) -> None:
    """Replaces training."""
    patch.setattr(running, "make_executor", lambda name, workers, address: Here(group))


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces training; without an argument by one that takes no time."""

    def use(group=fake_training.quick) -> None:
        stand_in(monkeypatch, group)

    use()
    return use


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stores that commands have made: `whole` of `small.toml`, `a` and `b` with half of its runs each."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.toml").write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stand_in(patch, fake_training.quick)
        for out, more in (("a", ["--set", "seed=[0, 1]"]), ("b", ["--set", "seed=2"]), ("whole", [])):
            assert invoke("run", "small.toml", "--out", out, "--quiet", *more).exit_code == 0
    return folder


@pytest.fixture
def small(folder: Path, trained: Path) -> Path:
    """The store `results/small`, as `modbench run small.toml` makes it."""
    return shutil.copytree(trained / "whole", folder / "results" / "small")


def tree(folder: Path) -> set[str]:
    """Everything in a folder, to see whether something was written."""
    return {f"{path.relative_to(folder)}:{path.stat().st_mtime_ns}" for path in folder.rglob("*")}


@pytest.fixture
def snapshot() -> Callable[[Path], set[str]]:
    """See `tree`."""
    return tree
