"""A sweep that is interrupted, killed and continued, as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from modbench.store.files import Store
from modbench.store.table import load

SCRIPT = """
import sys
from sweep import fake_training
from modbench.cli import running
from modbench.cli.app import main
from modbench.sweep.processes import Processes

group = getattr(fake_training, sys.argv.pop(1))
running.make_executor = lambda name, workers, address: Processes(2, group)
main()
"""


SINGLE = """
[[grid]]
task.architecture = "mlp"
task.num_rules = 2
model.encoder_width = 256
seed = [0, 1, 2]
"""
"""Three runs so large that each is a group of its own on a CPU."""
PATIENCE = 120
"""Seconds: how long a busy machine may take for what takes one or two."""


@pytest.fixture
def start(folder: Path):
    """Starts `modbench` with a stand-in for training, in a process group of its own."""
    paths = [str(Path(__file__).parents[1]), *sys.path[1:]]
    (folder / "memory").mkdir()
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "FAKE_MEMORY": str(folder / "memory"),
    }  # fmt: skip

    def begin(group: str, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, group, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    return begin


def wait_for_training(folder: Path) -> None:
    """Waits until both workers train: an interrupted command that has nothing in hand ends at once."""
    wait_until(lambda: len(list((folder / "memory").glob("begun-*"))) == 2)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def stable(folder: Path) -> pd.DataFrame:
    """The table without what depends on the machine."""
    runs = load(folder).runs
    columns = [column for column in runs.columns if not column.startswith("env_")]
    return runs[columns].sort_values(["run_id", "checkpoint"]).reset_index(drop=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_tells_how_to_continue_and_does(folder: Path, start, number: signal.Signals):
    arguments = ["run", "small.toml", "--out", "with space"]
    process = start("slow", *arguments)
    wait_for_training(folder)
    os.killpg(process.pid, number)  # as a terminal does it: to every process of the group
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert stderr == (
        "interrupted, 0 of 12 runs stored; continue with: modbench run small.toml --out 'with space'\n"
    )
    assert "Ctrl-C again leaves at once" in stdout
    planned = [plan.cohort_id for plan in Store.open("with space").plans()]
    process = start("quick", *arguments)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert Store.open("with space").published() == planned


def test_finished_groups_of_an_unfinished_cohort_are_counted(folder: Path, start, command):
    arguments = ["run", "single.toml", "--out", "alone"]
    (folder / "single.toml").write_text(SINGLE)
    process = start("slow_from_seed_2", *arguments)
    wait_until(lambda: list((folder / "memory").glob("begun-*")) != [])
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert (
        "interrupted, 0 of 3 runs stored, 2 more are finished, to be stored with the rest of a cohort;"
        in stderr
    )
    shown = " ".join(command("status", "alone", "--all").stdout.split())
    assert (
        "3 runs: 0 done, 0 failed, 3 waiting (2 of them finished, to be stored with the rest of their"
        in shown
    )
    assert "2 runs finished" in shown
    process = start("quick", *arguments)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "3 runs: 3 done, 0 failed, 0 waiting" in command("status", "alone").stdout
    assert "finished" not in command("status", "alone").stdout


def test_a_second_ctrl_c_leaves_at_once(folder: Path, start):
    process = start("deaf", "run", "small.toml")
    wait_for_training(folder)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout is not None
    assert any("Ctrl-C again leaves at once" in line for line in process.stdout)
    time.sleep(0.5)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert time.monotonic() - begun < 10


def test_a_killed_sweep_continues_to_the_uninterrupted_table(folder: Path, start):
    process = start("two_cohorts", "run", "small.toml", "--out", "killed")
    wait_until(lambda: len(list((folder / "killed").glob("cohorts/*"))) == 2)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert len(Store.open("killed").published()) == 2
    for name in ("killed", "whole"):
        process = start("quick", "run", "small.toml", "--out", name)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    assert stable(folder / "killed").equals(stable(folder / "whole"))


def test_a_sweep_outlives_the_reader_of_its_output(folder: Path, start):
    process = start("quick", "run", "small.toml", "--out", "results")
    assert process.stdout is not None
    process.stdout.close()  # as `| head -0` does it, or a terminal that goes away
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=PATIENCE) == 0
    assert len(Store.open("results").recorded()) == 12


def test_ctrl_c_before_the_command_is_there_leaves_no_traceback():
    interrupting = (
        "import sys\n"
        "from modbench.__main__ import main\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", interrupting], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
