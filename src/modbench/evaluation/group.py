"""One group of runs from specification to results: train, measure along the way, evaluate, report progress."""

import gc
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import jax
import numpy as np

from modbench.core.identity import static_key
from modbench.core.spec import RunSpec
from modbench.evaluation.batches import batches_in_all
from modbench.evaluation.chunks import Chunks
from modbench.evaluation.evaluate import IllegalGatesError, Measured, checkpoint_result, curve_point
from modbench.evaluation.first_batch import check_router
from modbench.evaluation.measuring import Evaluation
from modbench.evaluation.result import CheckpointResult, RunResult
from modbench.models.routing import GATE_CLASSES, SCORE_CLASSES
from modbench.tasks.overlap import rule_overlap
from modbench.training.cohort import CohortProgram, curve_steps, live_loss, replica
from modbench.training.settings import benchmark_settings
from modbench.training.snapshot import Curve, Forgetful, Keeper, layout, named, put_back, take
from modbench.training.trainer import RunData, TrainState


class Progress(NamedTuple):
    """Where a group is.

    Attributes:
        phase: what is being done.
        step: updates done.
        steps: updates to do.
        loss: mean current training loss over the runs that have not diverged, None before the first or if all have.
        batch: batches that are evaluated, of both checkpoints together.
        batches: batches to evaluate.
    """

    phase: Literal["compile", "train", "evaluate"]
    step: int
    steps: int
    loss: float | None
    batch: int = 0
    batches: int = 0


class Stopped(Exception):  # noqa: N818 - no error, the answer to a request
    """The group was asked to stop and did, between two chunks."""


@benchmark_settings()
def run_group(
    specs: Sequence[RunSpec],
    width: int,
    report: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    keeper: Keeper | None = None,
) -> list[RunResult]:
    """Trains and evaluates the runs of one group as one program.

    Args:
        specs: at most `width` runs that agree in everything static; a smaller group is padded.
        width: replicas of the compiled program, as recorded with the cohort.
        report: told about progress about twice a second.
        should_stop: asked between chunks of training and of evaluation.
        keeper: is given snapshots when they are due and before `Stopped`, and may have one to go on from, which
            changes no number; None keeps nothing.

    Returns:
        One result per run, in order.

    Raises:
        Stopped: `should_stop` said so.
        ValueError: the runs do not belong together or do not fit.
        RequestError: a router of one's own gives no legal gates on its first batches; nothing was trained.
    """
    keys = {static_key(spec) for spec in specs}
    if len(keys) != 1 or not 1 <= len(specs) <= width:
        raise ValueError(
            f"a group must be 1 to {width} runs of one cohort, got {len(specs)} of {len(keys)} cohorts"
        )
    keeper = keeper or Forgetful()
    program = _program(keys.pop(), width, specs[0])
    check_router(program.trainer, specs[0])
    clock = _Clock(program)
    data = program.data(specs)
    state, curve = _train(program, data, specs, report, should_stop, keeper, clock)
    measured, params = {}, {}
    checkpoints = {"last": state.params, "best": state.best.params}
    steps, loss, batches = specs[0].train.steps, live_loss(state), batches_in_all(specs[0])
    report(Progress("compile", steps, steps, loss))
    for number, (checkpoint, of_checkpoint) in enumerate(checkpoints.items()):
        evaluation = Evaluation(program, of_checkpoint, data)
        evaluation.measure(0, 0)
        clock.lap("evaluate")
        for done in evaluation.chunks():
            clock.lap("evaluate")
            batch = number * batches // len(checkpoints) + done
            report(Progress("evaluate", steps, steps, loss, batch, batches))
            if batch < batches and should_stop():
                keeper.save(take(steps, state, curve, clock.seconds))
                raise Stopped
        measured[checkpoint] = evaluation.result()
        if keeper.params:
            params[checkpoint] = named(of_checkpoint)
    seconds = {name: spent / len(specs) for name, spent in clock.seconds.items()}
    host = jax.device_get((state.loss, state.diverged_at, state.best.step))
    count = sum(leaf[0].size for leaf in jax.tree.leaves(state.params))
    results = [
        _result(spec, index, count, host, curve, measured, seconds) for index, spec in enumerate(specs)
    ]
    return [replace(result, params=replica(params, index)) for index, result in enumerate(results)]


class _Clock:
    """Adds up a group's time by phase; compiling counts as itself, whenever it happens."""

    def __init__(self, program: CohortProgram) -> None:
        self._program = program
        self._compiled = program.compile_seconds
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = dict.fromkeys(("train", "compile", "evaluate"), 0.0)

    def go_on(self, seconds: Mapping[str, float]) -> None:
        """Counts what was spent before an interruption too."""
        for phase in self.seconds:
            self.seconds[phase] += seconds[phase]

    def lap(self, phase: str) -> None:
        """Books the time since the last lap."""
        now, compiled = time.perf_counter(), self._program.compile_seconds
        elapsed, compiling = now - self._started, compiled - self._compiled
        self._started, self._compiled = now, compiled
        self.seconds["compile"] += compiling
        self.seconds[phase] += elapsed - compiling


_PROGRAMS: dict[tuple[Hashable, ...], CohortProgram] = {}


def _program(key: str, width: int, spec: RunSpec) -> CohortProgram:
    """The program of a cohort. Only the latest is kept: cohorts come one after another, groups share it."""
    # The classes too: a name that is registered again, in a notebook say, stands for another router.
    router = SCORE_CLASSES.get(spec.model.scores), GATE_CLASSES.get(spec.model.gates)
    place = (key, width, *router)
    if place not in _PROGRAMS:
        _PROGRAMS.clear()
        gc.collect()
        _PROGRAMS[place] = CohortProgram(spec, width)
    return _PROGRAMS[place]


def _train(
    program: CohortProgram,
    data: RunData,
    specs: Sequence[RunSpec],
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    keeper: Keeper,
    clock: _Clock,
) -> tuple[TrainState, Curve]:
    steps = specs[0].train.steps
    state, step, curve = program.init(specs), 0, []
    if saved := keeper.resume(layout(state)):
        state, curve = put_back(saved, state)
        step = saved.step
        clock.go_on(saved.seconds)
    report(Progress("compile", step, steps, None))
    chunks = Chunks()
    for point in curve_steps(steps, specs[0].evaluation.curve_every)[len(curve) :]:
        while step < point:
            count = chunks.begin(point - step)
            state = jax.block_until_ready(program.advance(state, data, step, count))
            chunks.end()
            step += count
            report(Progress("train", step, steps, live_loss(state)))
            clock.lap("train")
            stop = should_stop()
            if stop or keeper.due():
                keeper.save(take(step, state, curve, clock.seconds))
            if stop:
                raise Stopped
        state, measured = program.measure(state, data, step)
        curve.append((step, jax.device_get(measured)))
    clock.lap("train")
    return state, curve


def _result(
    spec: RunSpec,
    index: int,
    count: int,
    host: tuple[np.ndarray, np.ndarray, np.ndarray],
    curve: Curve,
    measured: dict[str, Measured],
    seconds: dict[str, float],
) -> RunResult:
    loss, diverged_at, best_step = (array[index] for array in host)
    at = {"last": spec.train.steps, "best": int(best_step)}
    reason = None
    try:
        checkpoints = {
            name: checkpoint_result(spec, at[name], replica(values, index))
            for name, values in measured.items()
        }
        points = [curve_point(spec, step, replica(point, index)) for step, point in curve]
    except IllegalGatesError as error:
        # No number of such a model is a result: it does not mix its modules.
        checkpoints, points, reason = {}, [], str(error)
    if diverged_at >= 0:
        reason = f"diverged: the loss or gradient of update {int(diverged_at)} was not finite"
        # Frozen just before: the numbers are those of no finished training, and nothing may average over them.
        checkpoints = {name: _voided(result) for name, result in checkpoints.items()}
        points = [p for p in points if p.step <= diverged_at]
    elif not all(
        np.isfinite(q) for c in checkpoints.values() for q in c.quantities.values() if q is not None
    ):
        reason = "evaluation: a quantity is not finite"
    overlap = rule_overlap(spec.task)
    return RunResult(
        spec,
        count,
        overlap.agreement,
        overlap.rank,
        "done" if reason is None else "failed",
        reason,
        int(diverged_at) if diverged_at >= 0 else None,
        float(loss),
        points,
        checkpoints,
        seconds,
    )


def _voided(result: CheckpointResult) -> CheckpointResult:
    """The same checkpoint with every measured number replaced by NaN."""
    nan = float("nan")
    return CheckpointResult(
        result.step,
        [replace(shift, loss=nan, error=nan) for shift in result.performance],
        None if result.activation is None else np.full_like(result.activation, nan),
        {name: None if value is None else nan for name, value in result.quantities.items()},
    )
