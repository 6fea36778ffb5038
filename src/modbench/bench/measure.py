"""How a shape is measured: rounds of equal work that all workers begin together."""

from collections.abc import Callable
from typing import Any, NamedTuple

from modbench.bench.worker import Prepared

ROUNDS = 7
"""Rounds that are aimed at: enough for quartiles."""
LOOK = 0.05
"""Part of the time in which the pace is found, before rounds count."""


class Timings(NamedTuple):
    """What the workers measured of one shape.

    Attributes:
        steps: of every run in a round.
        rounds: seconds, [round][worker].
        products: FLOP/s of the matrix product, [before and after the rounds][worker].
        passes: bytes per second of a pass over memory, likewise.
        prepared: by every worker.
    """

    steps: int
    rounds: list[list[float]]
    products: list[list[float]]
    passes: list[list[float]]
    prepared: list[Prepared]


def measure(
    ask: Callable[..., list[Any]], seconds: float, tell: Callable[[str], None] = lambda words: None
) -> Timings:
    """Compiles, warms up, and times rounds for about `seconds`; at least one, of one step.

    Args:
        ask: takes the name of a method of `modbench.bench.worker.Bench` and its arguments; an answer per worker.
        seconds: of all rounds together; compiling, and measuring the machine, take their own.
        tell: told what is being done.
    """
    tell("compiling")
    prepared: list[Prepared] = ask("prepare")
    tell("timing")
    count, spent = 1, max(worker.step_seconds for worker in prepared)
    while spent < LOOK * seconds:
        # The first steps of a small model are mostly overhead that later ones have not.
        count *= 2
        spent = max(ask("advance", count))
    steps = max(1, int(seconds / ROUNDS / (spent / count)))
    product, memory = ask("product"), ask("memory_pass")
    rounds: list[list[float]] = []
    spent = 0.0
    while not rounds or spent + max(rounds[-1]) <= seconds * (1 + LOOK):
        rounds.append(ask("advance", steps))
        spent += max(rounds[-1])
    products, passes = [product, ask("product")], [memory, ask("memory_pass")]
    return Timings(steps, rounds, products, passes, prepared)
