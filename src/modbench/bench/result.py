"""From timings to what is reported of a shape."""

import math
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from modbench.bench.measure import Timings
from modbench.core.spec import RunSpec
from modbench.models.sizing import num_parameters
from modbench.sweep.cost import flops_per_step

ADAM_BYTES = 28
"""Bytes of memory traffic that Adam cannot do without, for each parameter: it reads the gradient, the parameter and two
moments, and writes three of them again."""
FEWEST = 3
"""Values that quartiles need at least."""


class Spread(NamedTuple):
    """The middle of repeated measurements and their quartiles, None where there are too few of them."""

    median: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Median and quartiles, interpolated between values, of at least one value."""
        if len(values) < FEWEST:
            return cls(median(values), None, None)
        low, middle, high = quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


class Row(NamedTuple):
    """One shape and how fast it trains.

    Attributes:
        spec: one of its runs.
        width: runs that a worker trains side by side.
        workers: processes that trained at the same time.
        timings: as measured; None where it failed.
        reason: why it failed; empty where it did not.
    """

    spec: RunSpec
    width: int
    workers: int
    timings: Timings | None
    reason: str = ""

    @property
    def measured(self) -> Timings:
        """The timings of a shape that did not fail."""
        if self.timings is None:
            raise ValueError(f"not measured: {self.reason}")
        return self.timings

    @property
    def rates(self) -> list[float]:
        """Runs x steps per second of all workers together, in each round.

        Each worker counts with its own time: in a sweep none waits for another.
        """
        work = self.width * self.measured.steps
        return [math.fsum(work / seconds for seconds in workers) for workers in self.measured.rounds]

    @property
    def milliseconds(self) -> Spread:
        """Milliseconds of the whole machine per step and run, over rounds."""
        return Spread.of([1000 / rate for rate in self.rates])

    @property
    def core_milliseconds(self) -> Spread:
        """Milliseconds of one worker per step and run, over rounds and workers."""
        work = self.width * self.measured.steps
        return Spread.of([1000 * seconds / work for workers in self.measured.rounds for seconds in workers])

    @property
    def run_steps_per_second(self) -> float:
        """Runs x steps per second of the whole machine."""
        return 1000 / self.milliseconds.median

    @property
    def flops_per_second(self) -> float:
        """Achieved FLOP/s of the whole machine, counted as 6 x parameters x samples or tokens."""
        return self.run_steps_per_second * flops_per_step(self.spec)

    @property
    def peak(self) -> float:
        """FLOP/s of the matrix product, all workers together, the mean of before and after."""
        return _together(self.measured.products)

    @property
    def share(self) -> float:
        """Achieved FLOP/s as a part of `peak`."""
        return self.flops_per_second / self.peak

    @property
    def bandwidth(self) -> float:
        """Bytes per second of a pass over memory, all workers together, the mean of before and after."""
        return _together(self.measured.passes)

    @property
    def adam_share(self) -> float:
        """The least that Adam moves (`ADAM_BYTES`) as a part of `bandwidth`."""
        return self.run_steps_per_second * ADAM_BYTES * num_parameters(self.spec) / self.bandwidth

    @property
    def compile_seconds(self) -> float:
        """Seconds until the training program was there, the slowest worker's."""
        return max(worker.compile_seconds for worker in self.measured.prepared)

    @property
    def from_cache(self) -> bool:
        """Whether every worker found the program in the persistent cache."""
        return all(worker.from_cache for worker in self.measured.prepared)

    @property
    def memory_mb(self) -> float:
        """Peak memory of a worker, MiB, the largest."""
        return max(worker.peak_memory_mb for worker in self.measured.prepared)

    def record(self) -> dict[str, Any]:
        """The row of the JSON file."""
        task, model = self.spec.task, self.spec.model
        record: dict[str, Any] = {
            "status": "failed" if self.timings is None else "measured",
            "architecture": task.architecture,
            "kind": task.kind,
            "model": model.name,
            "num_rules": task.num_rules,
            "encoder_width": model.encoder_width,
            "length": self.spec.length,
            "batch_size": self.spec.train.batch_size,
            "num_parameters": num_parameters(self.spec),
            "flops_per_step": flops_per_step(self.spec),
            "width": self.width,
            "workers": self.workers,
            "spec": self.spec.model_dump(mode="json", exclude={"evaluation"}),
        }
        if self.timings is None:
            return record | {"reason": self.reason}
        ms, core = self.milliseconds, self.core_milliseconds
        return record | {
            "ms_per_step_and_run": ms.median,
            "ms_quartiles": None if ms.low is None else [ms.low, ms.high],
            "core_ms_per_step_and_run": core.median,
            "core_ms_quartiles": None if core.low is None else [core.low, core.high],
            "run_steps_per_second": self.run_steps_per_second,
            "flops_per_second": self.flops_per_second,
            "peak_flops_per_second": self.peak,
            "share_of_peak": self.share,
            "memory_bytes_per_second": self.bandwidth,
            "adam_share_of_memory": self.adam_share,
            "compile_seconds": self.compile_seconds,
            "compiled_from_cache": self.from_cache,
            "peak_memory_mb": self.memory_mb,
            "steps_per_round": self.timings.steps,
            "round_seconds": self.timings.rounds,
        }


def _together(measured: Sequence[Sequence[float]]) -> float:
    """Sums over workers, averaged over before and after."""
    return math.fsum(math.fsum(workers) for workers in measured) / len(measured)
