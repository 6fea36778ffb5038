"""Processes that draw beside the one that prepares the numbers."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from modbench.core.errors import MachineError

MANY_RUNS = 2000
"""Planned runs from which on drawing takes longer than starting processes that share it."""


@contextmanager
def drawers(count: int) -> Iterator[Executor]:
    """Where figures are drawn: what is submitted comes out the same wherever that is.

    When something fails or is interrupted, what has not begun is dropped.

    Args:
        count: of processes; without any all is done in this one, at once.

    Raises:
        MachineError: one of them was killed.
    """
    # Not by forking, which would copy threads' locks as they are; and numbers of figures are small.
    context = multiprocessing.get_context("spawn")
    interrupted = context.RawValue("b", False)
    pool = _Apart(count, context, _begin, (interrupted,)) if count > 0 else _Here()
    try:
        yield pool
    except BrokenProcessPool:
        if interrupted.value:  # on a busy machine that is seen before our own Ctrl-C
            raise KeyboardInterrupt from None
        raise MachineError("a process that draws figures was killed (out of memory?)") from None
    finally:
        pool.shutdown(cancel_futures=True)


class _Apart(ProcessPoolExecutor):
    """Processes of our own, which end on Ctrl-C, that a terminal sends to all of them: the pool's would go on."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_tidily, fn, *args, **kwargs)


_interrupted: Any = None
"""Of a process that draws: where it tells that Ctrl-C ended it."""


def _begin(interrupted: Any) -> None:
    global _interrupted
    _interrupted = interrupted
    gc.disable()
    signal.signal(signal.SIGINT, lambda *_: _end())


def _end() -> None:
    _interrupted.value = True
    os._exit(1)


def _tidily(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Does a piece of work, whose garbage goes when it is done: no part of a figure can go before the whole."""
    idle = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return function(*args, **kwargs)
    except KeyboardInterrupt:  # what it was writing is cleared away
        _end()
    finally:
        gc.collect(0)
        signal.signal(signal.SIGINT, idle)


class _Here(Executor):
    """Does what is submitted before it returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done
