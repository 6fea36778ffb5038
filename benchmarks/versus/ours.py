"""Modbench as a sweep runs it: one group of a cohort in a process of one thread."""

import time
from typing import Any

import jax

import modbench
from modbench.models.sizing import num_parameters
from modbench.training.cohort import CohortProgram, live_loss
from versus.shapes import Shape


class Ours:
    """A group of a cohort.

    Args:
        request: `shape`, the fields of a `shapes.Shape`; `runs`, how many the cohort has; `precision`; `first`, which
            of the groups side by side this one is.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.cohort = Shape(**request["shape"]).cohort(request["runs"], request["precision"])
        self.first = request["first"]
        self.done = 0

    def prepare(self, runs: int) -> dict[str, Any]:
        """See `worker.Contender.prepare`."""
        self.program = CohortProgram(self.cohort[0], runs)
        group = [self.cohort[(self.first * runs + i) % len(self.cohort)] for i in range(runs)]
        self.data, self.state = self.program.data(group), self.program.init(group)
        self.steps(1, 1)
        versions = {"modbench": modbench.__version__, "jax": jax.__version__}
        versions["device of modbench"] = jax.devices()[0].device_kind
        return {"parameters": num_parameters(self.cohort[0]), "versions": versions}

    def steps(self, count: int, threads: int) -> dict[str, float]:
        """See `worker.Contender.steps`; how many threads the process has was set before JAX was imported."""
        started = time.perf_counter()
        self.state = self.program.advance(self.state, self.data, self.done, count)
        jax.block_until_ready(self.state)
        seconds = time.perf_counter() - started
        self.done += count
        loss = live_loss(self.state)
        return {"seconds": seconds, "loss": float("nan") if loss is None else loss}


def make(request: dict[str, Any]) -> Ours:
    """The contender `modbench`."""
    return Ours(request)
