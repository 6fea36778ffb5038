"""The worker's side of a measurement: one process, one thread, one group of runs.

Protocol: we are sent the group's runs and our share of the memory, then questions. A question is the name of a method
of `Bench` with its arguments; the answer is what the method returns, or `Trouble` with the reason why it cannot.
"""

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from modbench.sweep.child import connect
from modbench.sweep.environment import describe_machine, peak_memory_mb
from modbench.sweep.memory import limit_own_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modbench.core.spec import RunSpec

PACE_SECONDS = 0.3
"""Time of a measurement of the machine, at least."""
PRODUCT_SIZE = {"cpu": 2048}
"""Rows of the square matrices, by platform; large enough that the processor is busy, whatever else costs."""
PRODUCT_SIZE_ACCELERATOR = 8192
PASS_NUMBERS = {"cpu": 2**26}
"""Numbers of the array that memory is passed over with, by platform; larger than any cache."""
PASS_NUMBERS_ACCELERATOR = 2**28


class Prepared(NamedTuple):
    """A group that is ready to be timed.

    Attributes:
        compile_seconds: to trace and compile the training program, or to find it in the cache.
        from_cache: whether it was in the persistent compilation cache.
        step_seconds: of the first step, which also touches all memory for the first time.
        peak_memory_mb: most that the process, or its accelerator, has held so far, MiB.
        machine: see `modbench.sweep.environment.describe_machine`.
    """

    compile_seconds: float
    from_cache: bool
    step_seconds: float
    peak_memory_mb: float
    machine: dict[str, str]


class Trouble(NamedTuple):
    """Why a question has no answer."""

    reason: str


class Bench:
    """Times one group of runs, and the matrix product beside it. Making one imports JAX."""

    def __init__(self, runs: "Sequence[RunSpec]"):
        from jax import monitoring

        from modbench.training.probe import TimedGroup

        self._cached = False
        self._product: Any = None
        monitoring.register_event_listener(self._listen)
        self._group = TimedGroup(runs)
        self._spec = runs[0]

    def _listen(self, event: str, **details: Any) -> None:
        self._cached |= event == "/jax/compilation_cache/cache_hits"

    def prepare(self) -> Prepared:
        """Compiles the training program and takes a step."""
        self._cached = False
        seconds = self._group.advance(1)
        return Prepared(
            self._group.compile_seconds, self._cached, seconds, peak_memory_mb(), describe_machine()
        )

    def advance(self, count: int) -> float:
        """Takes so many steps of every run; seconds."""
        return self._group.advance(count)

    def product(self) -> float:
        """FLOP/s of a large square matrix product in the precision of the runs."""
        import jax
        import jax.numpy as jnp

        from modbench.models.precision import matmul, products_in

        size = PRODUCT_SIZE.get(jax.default_backend(), PRODUCT_SIZE_ACCELERATOR)
        if self._product is None:
            matrix = jax.random.normal(jax.random.key(0), (size, size), jnp.float32)
            with products_in(self._spec.train.precision):
                multiply = jax.jit(matmul).lower(matrix, matrix).compile()
            self._product = lambda: multiply(matrix, matrix)
            self._product().block_until_ready()
        return 2.0 * size**3 * _pace(self._product)

    def memory_pass(self) -> float:
        """Bytes per second of a pass that reads a large array and writes it again."""
        import jax
        import jax.numpy as jnp

        array = jnp.zeros(PASS_NUMBERS.get(jax.default_backend(), PASS_NUMBERS_ACCELERATOR), jnp.float32)
        add = jax.jit(lambda numbers: numbers + 1, donate_argnums=0)

        def once() -> Any:
            nonlocal array
            array = add(array)
            return array

        once().block_until_ready()
        return 2.0 * array.nbytes * _pace(once)


def _pace(start: "Callable[[], Any]") -> float:
    """How often a second a device does what `start` gives it; what it was given it does in order."""
    count = 1
    while True:
        started = time.perf_counter()
        for _ in range(count - 1):
            start()
        start().block_until_ready()
        elapsed = time.perf_counter() - started
        if elapsed >= PACE_SECONDS:
            return count / elapsed
        count *= 2


def serve(descriptor: int) -> None:
    """Answers questions until we have hung up."""
    connection = connect(descriptor)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        runs, share = connection.recv()
        limit_own_data(share)
        bench = None
        while True:
            name, arguments = connection.recv()
            try:
                bench = bench or Bench(runs)
                answer = getattr(bench, name)(*arguments)
            except Exception as error:
                answer = Trouble(f"{type(error).__name__}: {error}")
            connection.send(answer)
    os._exit(0)  # tearing JAX down takes long and can crash
