"""Times a training program on this machine: for a plan's expected time, and for `modbench bench`."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax

from modbench.core.spec import RunSpec
from modbench.training.cohort import CohortProgram


class TimedGroup:
    """A full group of runs, made ready to train; every call of `advance` is timed.

    The first call compiles; what it returns is the time of its steps alone.

    Args:
        runs: of one cohort; they train side by side, so their number is the width.
    """

    def __init__(self, runs: Sequence[RunSpec]) -> None:
        self._program = CohortProgram(runs[0], len(runs))
        self._data, self._state = self._program.data(runs), self._program.init(runs)
        self._step = 0

    @property
    def compile_seconds(self) -> float:
        """Time spent compiling so far; near zero where the program was in the cache."""
        return self._program.compile_seconds

    def advance(self, count: int) -> float:
        """Takes `count` updates of every run and returns the seconds that they took."""
        compiled, started = self.compile_seconds, time.perf_counter()
        self._state = jax.block_until_ready(self._program.advance(self._state, self._data, self._step, count))
        self._step += count
        return time.perf_counter() - started - (self.compile_seconds - compiled)


class Timing(NamedTuple):
    """What a probe found.

    Attributes:
        seconds: per optimiser step and run, the median of a few short measurements.
        compile_seconds: to compile the training program; near zero where it was in the cache.
    """

    seconds: float
    compile_seconds: float


def probe(runs: Sequence[RunSpec], seconds: float = 1.5) -> Timing:
    """Compiles a cohort's training program and times a few steps of a full group.

    Args:
        runs: a full group of the cohort.
        seconds: aimed time of all measurements together, compilation apart.
    """
    group = TimedGroup(runs)
    group.advance(1)
    paces, count, spent = [], 1, 0.0
    while spent < seconds:
        elapsed = group.advance(count)
        paces.append(elapsed / count)
        spent += elapsed
        count = max(1, int(seconds / 5 / paces[-1]))
    return Timing(sorted(paces)[len(paces) // 2] / len(runs), group.compile_seconds)
