"""Many runs as one program: a trainer mapped over a leading replica axis and compiled for one width.

A run's bits do not depend on its companions at equal width. Across widths they differ in the last place, and
training is chaotic, so a width is chosen once, recorded, and never chosen again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from modbench.core.spec import RunSpec
from modbench.models.precision import products_in
from modbench.training.compile_options import CPU_OPTIONS, CPU_OPTIONS_OF_MEASURE, known_options
from modbench.training.trainer import Point, RunData, Trainer, TrainState


class CohortProgram:
    """The compiled training program of a cohort at one width.

    Attributes:
        trainer: the pure functions behind it.
        width: replicas per group.
        compile_seconds: time spent compiling so far.
    """

    def __init__(self, spec: RunSpec, width: int) -> None:
        """Compiles nothing yet; `spec` is any run of the cohort."""
        self.trainer = Trainer(spec)
        self.width = width
        self.compile_seconds = 0.0
        self._compiled: dict[str, Callable[..., Any]] = {}

    def data(self, runs: Sequence[RunSpec]) -> RunData:
        """The stacked data of a group, padded to the width by repeating its last run."""
        return self._stack([self.trainer.data(run) for run in runs])

    def init(self, runs: Sequence[RunSpec]) -> TrainState:
        """The stacked states of a group before the first update, padded likewise."""
        return self._stack([self.trainer.init(self.trainer.params(run)) for run in runs])

    def repeated(self, tree: PyTree) -> PyTree:
        """The same arrays for every replica, on the device."""
        return self._stack([tree])

    def _stack(self, trees: list[PyTree]) -> PyTree:
        padded = [*trees, *[trees[-1]] * (self.width - len(trees))]
        return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *padded)

    def advance(self, state: TrainState, data: RunData, start: int, count: int) -> TrainState:
        """`count` updates from update number `start`; the given state is used up."""
        return self.call(
            "advance",
            self.trainer.advance,
            (0, 0, None, None),
            state,
            data,
            np.int32(start),
            np.int32(count),
            donate=True,
        )

    def measure(self, state: TrainState, data: RunData, step: int) -> tuple[TrainState, Point]:
        """A point of each learning curve after `step` updates; the given state is used up."""
        return self.call(
            "measure",
            self.trainer.measure,
            (0, 0, None),
            state,
            data,
            np.int32(step),
            donate=True,
            cpu_options=CPU_OPTIONS_OF_MEASURE,
        )

    def call(
        self,
        name: str,
        function: Callable[..., Any],
        axes: tuple[int | None, ...],
        *args: PyTree,
        donate: bool = False,
        cpu_options: Mapping[str, Any] = CPU_OPTIONS,
    ) -> Any:
        """Calls a pure function mapped over replicas, compiling it at the first call.

        Args:
            name: of the program, unique per function.
            function: of one run.
            axes: for each argument 0 (has the replica axis) or None (shared).
            args: arguments.
            donate: whether the first argument is used up, so that its memory holds the result.
            cpu_options: for XLA, where it compiles for a CPU; options that it lacks are left out.
        """
        if name not in self._compiled:
            started = time.perf_counter()
            donated = (0,) if donate else ()
            mapped = jax.jit(_mapped(function, axes, self.width), donate_argnums=donated)
            options = known_options(cpu_options) if jax.default_backend() == "cpu" else None
            with products_in(self.trainer.spec.train.precision):
                self._compiled[name] = mapped.lower(*args).compile(options)
            self.compile_seconds += time.perf_counter() - started
        return self._compiled[name](*args)


def _mapped(function: Callable[..., Any], axes: tuple[int | None, ...], width: int) -> Callable[..., Any]:
    """The function over a leading replica axis; a width of 1 is compiled unmapped, which is far faster on CPU."""
    if width > 1:
        return jax.vmap(function, in_axes=axes)

    def unmapped(*args: PyTree) -> PyTree:
        single = [
            jax.tree.map(lambda leaf: leaf[0], arg) if axis == 0 else arg
            for arg, axis in zip(args, axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: leaf[None], function(*single))

    return unmapped


def live_loss(state: TrainState) -> float | None:
    """Mean current training loss over the runs that have not diverged, None if all have."""
    sound = np.asarray(state.diverged_at) < 0
    return float(np.asarray(state.loss)[sound].mean()) if sound.any() else None


def curve_steps(steps: int, every: int) -> list[int]:
    """Numbers of updates after which the curve has a point: 0, every, 2 every, ..., and always the end."""
    return sorted({*range(0, steps + 1, every), steps})


def replica(tree: PyTree[Int[Array, "W ..."]], index: int) -> PyTree:
    """One run's part of a stacked tree."""
    return jax.tree.map(lambda leaf: leaf[index], tree)
