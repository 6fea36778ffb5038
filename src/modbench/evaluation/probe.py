"""Times what a cohort's runs are made of on this machine, for a plan's expected time."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import jax

from modbench.core.names import CHECKPOINTS
from modbench.core.spec import RunSpec
from modbench.evaluation.chunks import Chunks
from modbench.evaluation.measuring import Evaluation
from modbench.training.probe import TimedGroup

_SAVED = "/jax/compilation_cache/compile_time_saved_sec"


class Timing(NamedTuple):
    """What a probe found.

    Attributes:
        seconds: per optimiser step and run, the median of a few short measurements.
        evaluation: for the whole evaluation of one run, from a few batches of each kind.
        compiling: to compile all programs, as if none had been in the cache.
    """

    seconds: float
    evaluation: float
    compiling: float


def probe(runs: Sequence[RunSpec], seconds: float = 1.5) -> Timing:
    """Compiles a cohort's programs and times a few steps and batches of a full group.

    Args:
        runs: a full group of the cohort.
        seconds: aimed time of the training steps; each kind of evaluation's batches gets as long. Compilation takes
            its time besides.
    """
    with _time_saved() as saved:
        group = TimedGroup(runs)
        group.state, _ = group.program.measure(group.state, group.data, 0)
        step = _step(group, seconds)
        evaluation = Evaluation(group.program, group.state.params, group.data)
        evaluation.measure(0, 0)
    spent, first = 0.0, 0
    for part in evaluation.parts:
        spent += part.count * _batch(evaluation, first, part.count, seconds)
        first += part.count
    compiling = group.compile_seconds + sum(saved)
    return Timing(step / len(runs), len(CHECKPOINTS) * spent / len(runs), compiling)


def _step(group: TimedGroup, seconds: float) -> float:
    """Seconds of an optimiser step of the whole group, the median of a few short measurements."""
    group.advance(1)
    paces, count, spent = [], 1, 0.0
    while spent < seconds:
        elapsed = group.advance(count)
        paces.append(elapsed / count)
        spent += elapsed
        count = max(1, int(seconds / 5 / paces[-1]))
    return sorted(paces)[len(paces) // 2]


def _batch(evaluation: Evaluation, first: int, most: int, seconds: float) -> float:
    """Seconds of a batch of evaluation, in the last of some chunks that grow as those of a run do."""
    chunks, spent, pace = Chunks(), 0.0, 0.0
    while spent < seconds:
        count, started = chunks.begin(most), time.perf_counter()
        evaluation.measure(first, first + count)
        chunks.end()
        elapsed = time.perf_counter() - started
        pace, spent = elapsed / count, spent + elapsed
    return pace


@contextmanager
def _time_saved() -> Iterator[list[float]]:
    """Seconds of compilation that JAX's cache spares within the block."""
    saved: list[float] = []

    def listen(event: str, duration_secs: float, **_: object) -> None:
        if event == _SAVED:
            saved.append(max(0.0, duration_secs))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield saved
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
