"""Stand-ins for training that new processes can import: quick, deterministic, and able to misbehave."""

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modbench.core.errors import MachineError
from modbench.core.quantities import QUANTITIES
from modbench.core.spec import RunSpec
from modbench.evaluation.result import CheckpointResult, CurvePoint, RunResult, ShiftPerformance
from modbench.models.sizing import num_parameters


class Progress(NamedTuple):
    phase: str
    step: int
    steps: int
    loss: float | None
    batch: int = 0
    batches: int = 0


def result(spec: RunSpec) -> RunResult:
    """Numbers that depend on the specification alone; a learning rate of 1 or more diverges."""
    diverged = spec.train.learning_rate >= 1
    value = math.nan if diverged else 1 / (1 + spec.seed + 10 * spec.task.task_seed + spec.task.num_rules)
    modules = spec.model.num_modules
    checkpoint = CheckpointResult(
        step=spec.train.steps,
        performance=[ShiftPerformance(1.0, 1, value, value), ShiftPerformance(2.0, 1, 2 * value, 2 * value)],
        activation=None if modules is None else np.full((spec.task.num_rules, modules), 1 / modules),
        quantities={n: None if card.routed and modules is None else value for n, card in QUANTITIES.items()},
    )
    return RunResult(
        spec=spec,
        num_parameters=num_parameters(spec),
        rule_agreement=0.75,
        rule_rank=2,
        status="failed" if diverged else "done",
        reason="diverged: the loss of update 3 was not finite" if diverged else None,
        diverged_at=3 if diverged else None,
        train_loss=value,
        curve=[CurvePoint(0, 1.0, 1.0, 1.0, 1.0)],
        checkpoints={"last": checkpoint, "best": checkpoint},
        seconds={"train": 0.2, "compile": 0.1, "evaluate": 0.05},
    )


Report = Callable[[Any], None]
Keeper = Any  # modbench.training.snapshot.Keeper, without its JAX


def quick(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Trains in no time."""
    assert 1 <= len(specs) <= width
    steps = specs[0].train.steps
    report(Progress("compile", 0, steps, None))
    report(Progress("train", steps, steps, 0.5))
    report(Progress("evaluate", steps, steps, 0.5, 10, 10))
    return [result(spec) for spec in specs]


def tells_device(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Leaves a file named after the device that its process was given, and waits for another's."""
    folder = Path(os.environ["FAKE_MEMORY"])
    (folder / f"device-{os.environ['CUDA_VISIBLE_DEVICES']}").touch()
    for _ in range(200):
        if len(list(folder.glob("device-*"))) == 2:
            break
        time.sleep(0.1)
    return quick(specs, width, report, should_stop, keeper)


def _tell_begun() -> None:
    """Leaves a file of this process's in the folder in FAKE_MEMORY, if there is one."""
    if folder := os.environ.get("FAKE_MEMORY"):
        (Path(folder) / f"begun-{os.getpid()}").touch()


def slow(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Trains for about a minute, in chunks of a tenth of a second."""
    _tell_begun()
    for step in range(600):
        report(Progress("train", step, 600, 0.5))
        if should_stop():
            return None
        time.sleep(0.1)
    return [result(spec) for spec in specs]


def slow_from_seed_2(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """The first two seeds train in no time."""
    return (slow if specs[0].seed >= 2 else quick)(specs, width, report, should_stop, keeper)


def breaks_at_seed_1(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """A bug that some runs meet."""
    if any(spec.seed == 1 for spec in specs):
        raise ValueError("no such luck")
    return quick(specs, width, report, should_stop, keeper)


def full_disk(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """What publishing on a full disk looks like."""
    raise MachineError("cannot publish: No space left on device")


def killed(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """The worker is killed while it trains runs of two rules."""
    if specs[0].task.num_rules == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(specs, width, report, should_stop, keeper)


def killed_once(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Like `killed`, but the second attempt succeeds; the folder in FAKE_MEMORY remembers."""
    mark = Path(os.environ["FAKE_MEMORY"]) / "killed"
    if specs[0].task.num_rules == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(specs, width, report, should_stop, keeper)


def tells_environment(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Fails with what a worker finds in its environment."""
    names = ("NPROC", "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_X64")
    raise RuntimeError(" ".join(f"{name}={os.environ.get(name)}" for name in names))


def two_cohorts(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """The first two cohorts take no time, later ones a minute; the folder in FAKE_MEMORY remembers."""
    for number in range(2):
        try:
            (Path(os.environ["FAKE_MEMORY"]) / f"cohort{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return quick(specs, width, report, should_stop, keeper)
    return slow(specs, width, report, should_stop, keeper)


def deaf(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """A minute in which nobody looks whether to stop, as in a long compilation."""
    report(Progress("compile", 0, 10, None))
    _tell_begun()
    time.sleep(60)
    return None


def _room() -> int:
    """Runs that fit side by side, as a test has set it."""
    return int(os.environ["FAKE_ROOM"])


def starved(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Wide groups do not fit into memory, which is noticed in the middle of training."""
    report(Progress("train", 1, specs[0].train.steps, 0.5))
    if width > _room():
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 110826520 bytes.")
    return quick(specs, width, report, should_stop, keeper)


def starved_later(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Memory lasts for the first seeds and not for the later ones, in the words of NumPy."""
    if width > _room() and specs[0].seed > 0:
        raise MemoryError("Unable to allocate 320. KiB")
    return quick(specs, width, report, should_stop, keeper)


_REFUSED: set[int] = set()


def starved_once(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Every run is refused memory the first time that this process trains it."""
    if specs[0].seed not in _REFUSED:
        _REFUSED.add(specs[0].seed)
        raise MemoryError("Unable to allocate 320. KiB")
    return quick(specs, width, report, should_stop, keeper)


def aborts(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Wide groups end the worker, as a compilation does that is refused memory."""
    if width > _room():
        os.abort()
    return quick(specs, width, report, should_stop, keeper)


def killed_when_wide(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: Keeper
) -> list[RunResult] | None:
    """Wide groups have the worker killed."""
    if width > _room():
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(specs, width, report, should_stop, keeper)
