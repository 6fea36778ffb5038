"""Times training on this machine: for a plan's expected time, and for `modbench bench`."""

import time
from collections.abc import Sequence

import jax

from modbench.core.spec import RunSpec
from modbench.training.cohort import CohortProgram


class TimedGroup:
    """A full group of runs, made ready to train; every call of `advance` is timed.

    The first call compiles; what it returns is the time of its steps alone.

    Args:
        runs: of one cohort; they train side by side, so their number is the width.

    Attributes:
        program: of the cohort.
        data: of the group.
        state: of its training.
    """

    def __init__(self, runs: Sequence[RunSpec]) -> None:
        self.program = CohortProgram(runs[0], len(runs))
        self.data, self.state = self.program.data(runs), self.program.init(runs)
        self._step = 0

    @property
    def compile_seconds(self) -> float:
        """Time spent compiling so far; near zero where the program was in the cache."""
        return self.program.compile_seconds

    def advance(self, count: int) -> float:
        """Takes `count` updates of every run and returns the seconds that they took."""
        compiled, started = self.compile_seconds, time.perf_counter()
        self.state = jax.block_until_ready(self.program.advance(self.state, self.data, self._step, count))
        self._step += count
        return time.perf_counter() - started - (self.compile_seconds - compiled)
