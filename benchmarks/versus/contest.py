"""One shape: starts the contenders, finds the best way to use each, and measures them by turns."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from typing import Any

from modbench.bench.shapes import COHORT
from modbench.sweep.environment import worker_variables
from modbench.sweep.memory import ANYWHERE, Place
from modbench.sweep.width import choose_width
from versus.crew import Failed, Launch, Variant, Worker
from versus.shapes import Shape, plain

STACKS = (1, 5, 25)
"""Sizes of stacks that are tried, besides the width that ours was told to have; all divide a cohort of 25."""
LONGEST_STEP = 10.0
"""Seconds. A stack whose step would take longer is not tried: what stacking saves is nothing beside that."""
TRIAL_SECONDS = 0.3
CANDIDATES = 2
"""How many ways to stack are measured in all rounds: the fastest of a short trial, which is not to be trusted far."""
MEMORY_SHARE = 0.9
"""Share of the free memory that the processes of PyTorch may take."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        original: path of a checkout; None leaves the original out.
        torch_python: interpreter that has PyTorch; None leaves both out that need it.
        stacked: whether stacked PyTorch takes part, whose stacks take half of the time to try.
        cores: that may be used, which is also the number of processes side by side.
        slice_seconds: aimed length of a slice.
        shape_seconds: aimed time of all rounds of a shape.
        least_rounds: fewest rounds, however long they take.
        most_rounds: most rounds.
        free_memory: asks how many bytes are free.
        device: `cpu`, or `cuda`, which one process of each contender has at a time.
        width: runs side by side of ours; None is what would be planned for a cohort.
        precision: of products.
    """

    original: str | None
    torch_python: str | None
    stacked: bool
    cores: int
    slice_seconds: float
    shape_seconds: float
    least_rounds: int
    most_rounds: int
    free_memory: Callable[[], int]
    device: str = "cpu"
    width: int | None = None
    precision: str = "float32"

    @property
    def cohort(self) -> int:
        """Runs of a cohort."""
        return max(COHORT, self.width or 0)


Contest = dict[str, list[Variant]]
"""Variants by contender: one of `modbench` and `at once`, of `original` one for each number of threads, of `stacked`
the `CANDIDATES`."""


def rounds(slices: float, settings: Settings) -> int:
    """How many rounds fit the time, from the seconds that one slice of everything takes together."""
    fitting = int(settings.shape_seconds / max(slices, 1e-9))
    return min(settings.most_rounds, max(settings.least_rounds, fitting))


def thread_counts(cores: int) -> list[int]:
    """One thread, and one for every core."""
    return sorted({1, cores})


def contest(
    shape: Shape, settings: Settings, launch: Launch = Worker, say: Callable[[str], None] = print
) -> Contest:
    """Measures a shape.

    Args:
        shape: what to train.
        settings: how to measure.
        launch: starts a worker.
        say: told what is going on.

    Returns:
        What was measured; what failed says why in `Variant.failure`.
    """
    with ExitStack() as stack:

        def start(python: str, request: dict[str, Any], environment: dict[str, str], count: int) -> list[Any]:
            workers = [launch(python, {**request, "first": i}, environment) for i in range(count)]
            for worker in workers:
                stack.callback(worker.close)
            return workers

        found = _Line(shape, settings, start, say).up()
        playing = [variant for variants in found.values() for variant in variants if variant.failure is None]
        for variant in playing:
            _attempt(variant, lambda variant=variant: variant.calibrate(settings.slice_seconds))
        playing = [variant for variant in playing if variant.failure is None]
        count = rounds(sum(variant.seconds * variant.steps for variant in playing), settings)
        say(f"  {count} rounds of " + "; ".join(f"{variant.steps} steps of {variant}" for variant in playing))
        started = time.monotonic()
        for done in range(count):
            # A slice may turn out slower than it was when its steps were counted.
            if done >= settings.least_rounds and time.monotonic() - started > settings.shape_seconds:
                break
            for variant in playing:
                if variant.failure is None:
                    _attempt(variant, lambda variant=variant: variant.ms.append(variant.slice()))
    return found


def _attempt(variant: Variant, action: Callable[[], object]) -> bool:
    """Does it, and notes a failure, after which the variant is out of the contest."""
    try:
        action()
    except Failed as failure:
        variant.failure = str(failure)
    return variant.failure is None


class _Line:
    """Lines up the contenders of a shape: started, built, warm."""

    def __init__(
        self, shape: Shape, settings: Settings, start: Callable[..., list[Any]], say: Callable
    ) -> None:
        self.shape, self.settings, self.start, self.say = shape, settings, start, say
        self.cohort = shape.cohort(settings.cohort, settings.precision)
        self.cores = settings.cores
        self.alone = settings.device != "cpu"
        self.processes = 1 if self.alone else self.cores

    def up(self) -> Contest:
        found = {"modbench": [self._ours()]}
        if self.settings.torch_python is not None and self.settings.original is not None:
            found |= self._original(self.settings.torch_python, self.settings.original)
        if self.settings.torch_python is not None and self.settings.stacked:
            found["stacked"] = self._stacked(self.settings.torch_python)
        return found

    def _memory(self) -> int | None:
        # A driver reserves far more addresses than memory: no limit there.
        return None if self.alone else int(MEMORY_SHARE * self.settings.free_memory())

    def _request(self, contender: str, shape: dict[str, Any], **more: Any) -> dict[str, Any]:
        settings = self.settings
        where = {"device": settings.device, "precision": settings.precision}
        return {"contender": contender, "shape": shape, **where, **more}

    def _ours(self) -> Variant:
        """As a sweep runs it: on every core a worker of one thread with a group, or one on the GPU."""
        place = Place(accelerator=True) if self.alone else ANYWHERE
        width, runs = self.settings.width or choose_width(self.cohort, place), len(self.cohort)
        request = self._request("modbench", dataclasses.asdict(self.shape), runs=runs)
        platform = {"JAX_PLATFORMS": self.settings.device}
        if self.alone:  # PyTorch has the same device, so its memory must not be taken in advance
            platform["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        environment = worker_variables({**os.environ, **platform}) | platform
        workers = self.start(sys.executable, request, environment, self.processes)
        # The copies that fill up a cohort's last group do not count.
        variant = Variant(workers, threads=1, runs=width, counted=runs / ceil(runs / width))
        _attempt(variant, lambda: variant.prepare(None))
        return variant

    def _original(self, python: str, checkout: str) -> Contest:
        """One process, with one thread and with one for every core; and a process for every core at once."""
        request = self._request("original", plain(self.cohort[0]), original=checkout)
        workers = self.start(python, request, {}, self.processes)
        alone = [Variant(workers[:1], threads, 1, 1.0) for threads in thread_counts(self.cores)]
        at_once = Variant(workers, 1, 1, 1.0)
        _attempt(at_once, lambda: at_once.prepare(self._memory()))
        for variant in alone:
            variant.failure, variant.facts = at_once.failure, at_once.facts
        return {"original": alone, "at once": [at_once] if len(workers) > 1 else []}

    def _stacked(self, python: str) -> list[Variant]:
        """The fastest of several stacks, of `STACKS` runs, in one process or one for every core; in one on a GPU."""
        request = self._request("stacked", plain(self.cohort[0]))
        workers = self.start(python, request, {}, self.processes)
        tried: list[Variant] = []
        for runs in sorted({*STACKS, self.settings.width or 1}):
            step = min((variant.ms[0] for variant in tried), default=0.0) * runs / 1000
            if step > LONGEST_STEP:
                self.say(f"  stacks of {runs} are not tried: a step would take {step:.0f} s")
                break
            for processes, threads in self._uses():
                variant = Variant(workers[:processes], threads, runs, float(runs))
                if not _attempt(variant, lambda variant=variant: self._try(variant)):
                    break
                tried.append(variant)
            if variant.failure is not None:
                self.say(f"  {variant} stacked: {variant.failure}")
                break
        for worker in workers:
            worker.close()
        if not tried:
            return [variant]
        # A process that ran out of memory on a larger stack is not to be trusted: fresh ones measure.
        return [
            self._fresh(variant, python, request)
            for variant in sorted(tried, key=lambda variant: variant.ms[0])[:CANDIDATES]
        ]

    def _try(self, variant: Variant) -> None:
        variant.prepare(self._memory())
        variant.ms.append(variant.calibrate(TRIAL_SECONDS))

    def _fresh(self, tried: Variant, python: str, request: dict[str, Any]) -> Variant:
        workers = self.start(python, request, {}, len(tried.workers))
        variant = Variant(workers, tried.threads, tried.runs, tried.counted)
        _attempt(variant, lambda: variant.prepare(self._memory()))
        return variant

    def _uses(self) -> list[tuple[int, int]]:
        """(processes, threads of each)."""
        if self.alone:
            return [(1, self.cores)]
        return sorted({*((1, threads) for threads in thread_counts(self.cores)), (self.cores, 1)})
