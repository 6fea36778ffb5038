"""What it costs to measure routing along training: evaluations with it and without, by turns, beside training steps.

    NPROC=1 python benchmarks/along_training.py

Per shape the medians of: milliseconds of an evaluation without the gates; how much longer the one with them is, as the
median difference of pairs that ran one after the other; the metrics on the host; a training step; and the share of
training at the protocol's 5,000 steps between two evaluations that the gates and metrics add.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from modbench.core.spec import RunSpec
from modbench.evaluation.evaluate import curve_point
from modbench.training.cohort import CohortProgram, replica
from modbench.training.trainer import Point, RunData, TrainState


class Shape(NamedTuple):
    """What is timed: so many training steps for every pair of evaluations, so many pairs."""

    architecture: str
    num_rules: int
    encoder_width: int
    steps: int
    pairs: int


SHAPES = (
    Shape("mlp", 8, 32, 300, 25),
    Shape("mlp", 32, 128, 40, 12),
    Shape("rnn", 8, 32, 16, 8),
    Shape("mha", 8, 32, 25, 10),
)


class Cost(NamedTuple):
    """Seconds: an evaluation without gates, what they add to it, the metrics of one point, a training step."""

    without: float
    extra: float
    metrics: float
    step: float

    @property
    def share(self) -> float:
        """What is added to training, as a share of it, at the protocol's distance of evaluations."""
        return (self.extra + self.metrics) / (5000 * self.step)


def measure(shape: Shape) -> Cost:
    """Times one shape, as a run of Modular alone."""
    task = {"architecture": shape.architecture, "num_rules": shape.num_rules}
    spec = RunSpec.of(task=task, model={"name": "modular", "encoder_width": shape.encoder_width})
    program = CohortProgram(spec, 1)
    data, state = program.data([spec]), program.init([spec])

    def bare(state: TrainState, data: RunData, step: Any) -> tuple[TrainState, Point]:
        state, point = program.trainer.measure(state, data, step)
        return state, point._replace(gates=None)

    def with_gates(step: int) -> Point:
        nonlocal state
        state, point = program.measure(state, data, step)
        return jax.device_get(point)

    def without_gates(step: int) -> Point:
        nonlocal state
        state, point = program.call("bare", bare, (0, 0, None), state, data, np.int32(step))
        return jax.device_get(point)

    def train(step: int) -> None:
        nonlocal state
        state = jax.block_until_ready(program.advance(state, data, step, shape.steps))

    for function in (train, with_gates, without_gates):
        function(0)  # compiles
    times: dict[str, list[float]] = {"with": [], "without": [], "step": [], "metrics": []}
    for pair in range(shape.pairs):
        times["step"].append(_seconds(train, pair) / shape.steps)
        order = [("with", with_gates), ("without", without_gates)]
        for name, function in order if pair % 2 else reversed(order):
            times[name].append(_seconds(function, pair))
        point = replica(with_gates(pair), 0)
        times["metrics"].append(_seconds(lambda step, point=point: curve_point(spec, step, point), pair))
    middle = {name: statistics.median(values) for name, values in times.items()}
    pairs = zip(times["with"], times["without"], strict=True)
    return Cost(
        middle["without"], statistics.median(a - b for a, b in pairs), middle["metrics"], middle["step"]
    )


def _seconds(function: Callable[[int], object], step: int) -> float:
    started = time.perf_counter()
    function(step)
    return time.perf_counter() - started


def main() -> None:
    """Prints a line per shape."""
    print(f"{'shape':24} {'evaluation':>11} {'gates':>8} {'metrics':>8} {'step':>9} {'share':>9}")
    for shape in SHAPES:
        cost = measure(shape)
        name = f"{shape.architecture}, R={shape.num_rules}, E={shape.encoder_width}"
        numbers = f"{1e3 * cost.without:8.2f} ms {1e3 * cost.extra:+5.2f} ms {1e3 * cost.metrics:5.2f} ms"
        print(f"{name:24} {numbers} {1e3 * cost.step:6.3f} ms {100 * cost.share:7.4f} %", flush=True)


if __name__ == "__main__":
    main()
