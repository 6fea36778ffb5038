"""Times a training program on this machine, for a plan's expected time."""

import time
from typing import NamedTuple

import jax

from modbench.core.spec import RunSpec
from modbench.training.cohort import CohortProgram


class Timing(NamedTuple):
    """What a probe found.

    Attributes:
        seconds: per optimiser step and run, the median of a few short measurements.
        compile_seconds: to compile the training program; near zero where it was in the cache.
    """

    seconds: float
    compile_seconds: float


def probe(spec: RunSpec, width: int, seconds: float = 1.5) -> Timing:
    """Compiles a cohort's training program and times a few steps of a full group.

    Args:
        spec: any run of the cohort; a group of it is trained side by side with itself.
        width: replicas per group.
        seconds: aimed time of all measurements together, compilation apart.
    """
    program = CohortProgram(spec, width)
    runs = [spec] * width
    data, state = program.data(runs), program.init(runs)
    state = jax.block_until_ready(program.advance(state, data, 0, 1))
    paces, step, count, spent = [], 1, 1, 0.0
    while spent < seconds:
        started = time.perf_counter()
        state = jax.block_until_ready(program.advance(state, data, step, count))
        elapsed = time.perf_counter() - started
        paces.append(elapsed / count)
        step, spent = step + count, spent + elapsed
        count = max(1, int(seconds / 5 / paces[-1]))
    return Timing(sorted(paces)[len(paces) // 2] / width, program.compile_seconds)
