"""Two commands on one store at once."""

import os
import random
import subprocess
import sys
from collections import Counter
from unittest import mock

import pytest

from faults.trial import RUNS_OF_SWEEP, Driver, Trial, uninterrupted
from modbench.store.claims import Claims
from modbench.store.compare import compare
from modbench.store.table import load
from modbench.sweep.display import summary_line
from modbench.sweep.executors import Here
from modbench.sweep.progress import SweepProgress
from modbench.sweep.run import prepare, run_sweep
from sweep.fake_training import quick
from sweep.small_sweeps import sweep


def test_two_commands_share_the_work_and_both_see_the_end(tmp_path):
    reference = uninterrupted(tmp_path / "reference")
    trial = Trial(tmp_path / "trial", random.Random(0))
    memory = tmp_path / "memory"
    trial.drivers = [Driver(trial.folder, memory=memory, group="together") for _ in range(2)]
    commands = {str(driver.process.pid) for driver in trial.drivers}
    statuses = trial.end_drivers()
    trial.check(reference)
    assert trial.troubles == []
    assert statuses == [1, 1]  # both tell of the runs that diverged
    trained = [line.split() for line in memory.read_text().splitlines()]
    assert {command for command, *_ in trained} == commands
    times = Counter(identity for _, *identities in trained for identity in identities)
    assert len(times) == RUNS_OF_SWEEP
    assert max(times.values()) == 1
    assert Claims(trial.store).living() == {}


def test_what_one_gives_up_the_other_takes_over(tmp_path):
    reference = uninterrupted(tmp_path / "reference")
    trial = Trial(tmp_path / "trial", random.Random(0))
    trial.drivers = [Driver(trial.folder, memory=tmp_path / "memory", group="together") for _ in range(2)]
    trial.wait_until(lambda: len(trial.published()) > 2)
    trial.drivers[0].process.kill()
    assert trial.end_drivers() == [-9, 1]
    trial.check(reference)
    assert trial.troubles == []


def test_a_claimed_cohort_is_left_alone_and_trained_when_it_is_given_up(tmp_path):
    swept = sweep()
    prepared = prepare(swept, tmp_path / "store")
    progress = SweepProgress(prepared.plan.pending, 12, 0, 1)
    claimed = prepared.plan.pending[0].cohort_id
    claim = Claims(prepared.store.folder).take(claimed)
    assert claim is not None
    lines = []

    def told(event):
        progress.apply(event)
        lines.append(summary_line(progress))

    def others_are_done() -> bool:
        return len(prepared.store.published()) == 3

    with mock.patch.dict(os.environ, NPROC="1"):
        with claim:
            outcome = run_sweep(swept, prepared.store.folder, Here(quick), told, others_are_done)
        assert (outcome.done, outcome.missing) == (9, 3)
        assert claimed not in prepared.store.published()
        assert "1 cohort with another command" in lines[-1]
        assert run_sweep(swept, prepared.store.folder, Here(quick), told).done == 12
    assert "another command" not in lines[-1]
    assert lines[-1].startswith("12/12 runs")


REAL = """
name = "real"
[[grid]]
task.architecture = "mlp"
task.num_rules = 2
model.name = ["modular", "gt-modular", "monolithic"]
model.encoder_width = 4
train = {steps = 30, batch_size = 16}
evaluation = {curve_batches = 1, performance_batches = 1, performance_batch_size = 16, activation_samples = 100, \
adaptation_distributions = 2, adaptation_samples = 20}
"""


@pytest.mark.slow
def test_two_commands_that_really_train_give_the_table_of_one(tmp_path):
    (tmp_path / "real.toml").write_text(REAL)

    def start(out: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "modbench", "run", "real.toml", "--out", out, "--workers", "1"]
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, text=True)

    commands = [start("shared folder"), start("shared folder"), start("alone")]
    assert [command.communicate(timeout=300) and command.returncode for command in commands] == [0, 0, 0]
    comparison = compare(load(tmp_path / "shared folder"), load(tmp_path / "alone"))
    assert comparison.equal
    assert len(comparison.common) == 3
    assert not comparison.regrouped
