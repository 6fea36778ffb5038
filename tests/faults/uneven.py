"""A stand-in for training that takes a while, a different one for every cohort, and remembers who trained what."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modbench.core.identity import run_id
from modbench.core.spec import RunSpec
from modbench.evaluation.result import RunResult
from sweep.fake_training import Progress, result

CHUNKS = 5
MEMORY = "FAULTS_MEMORY"
"""Environment variable: a file to which a line is appended for every group that is begun."""


def uneven(
    specs: Sequence[RunSpec],
    width: int,
    report: Callable[[Any], None],
    should_stop: Callable[[], bool],
    keeper: Any,
) -> list[RunResult] | None:
    """Takes 0.05 to 0.3 seconds, in chunks; the numbers are those of `fake_training.result`."""
    if memory := os.environ.get(MEMORY):
        with Path(memory).open("a") as file:
            file.write(f"{os.getppid()} {' '.join(run_id(spec) for spec in specs)}\n")
    seconds = 0.05 + 0.25 * (int(run_id(specs[0]), 16) % 100) / 100
    for step in range(CHUNKS):
        report(Progress("train", step, CHUNKS, 0.5))
        if should_stop():
            return None
        time.sleep(seconds / CHUNKS)
    report(Progress("evaluate", CHUNKS, CHUNKS, 0.5))
    return [result(spec) for spec in specs]


def together(
    specs: Sequence[RunSpec],
    width: int,
    report: Callable[[Any], None],
    should_stop: Callable[[], bool],
    keeper: Any,
) -> list[RunResult] | None:
    """Like `uneven`, once two commands are at work."""
    memory = Path(os.environ[MEMORY])
    with memory.with_name("commands").open("a") as file:
        file.write(f"{os.getppid()}\n")
    deadline = time.monotonic() + 60
    while len(set(memory.with_name("commands").read_text().split())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    return uneven(specs, width, report, should_stop, keeper)


def held(
    specs: Sequence[RunSpec],
    width: int,
    report: Callable[[Any], None],
    should_stop: Callable[[], bool],
    keeper: Any,
) -> list[RunResult] | None:
    """Like `uneven`, once there is a file `go` beside the memory."""
    memory = Path(os.environ[MEMORY])
    with memory.open("a") as file:
        file.write("held\n")
    while not memory.with_name("go").exists():
        report(Progress("train", 0, CHUNKS, 0.5))
        if should_stop():
            return None
        time.sleep(0.05)
    return uneven(specs, width, report, should_stop, keeper)


STEPS = 12
RESUMED = "resumed"
"""File in the current folder to which `lasting` writes the steps from which it went on."""


def lasting(
    specs: Sequence[RunSpec],
    width: int,
    report: Callable[[Any], None],
    should_stop: Callable[[], bool],
    keeper: Any,
) -> list[RunResult] | None:
    """Takes seconds and keeps checkpoints; raises where it is given a state that is not the one it left."""
    from modbench.training.snapshot import Snapshot, layout  # its JAX is for this stand-in alone

    state = np.asarray([int(run_id(spec), 16) % 1_000_003 for spec in specs])
    states = [state]
    for step in range(STEPS):
        states.append((states[-1] * 31 + step) % 1_000_003)
    first = 0
    if saved := keeper.resume(layout({"state": state})):
        first, state = saved.step, saved.arrays["state"]
        with Path(RESUMED).open("a") as file:
            file.write(f"{first}\n")
    for step in range(first, STEPS):
        if not np.array_equal(state, states[step]):
            raise RuntimeError("went on from another state")
        state = (state * 31 + step) % 1_000_003
        time.sleep(0.1)
        report(Progress("train", step + 1, STEPS, 0.5))
        stop = should_stop()
        if stop or keeper.due():
            seconds = {"train": 0.0, "compile": 0.0, "evaluate": 0.0}
            keeper.save(Snapshot(step + 1, {"state": state}, seconds))
        if stop:
            return None
    return [result(spec) for spec in specs]
