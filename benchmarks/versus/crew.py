"""Worker processes, and the ways to use them whose speed is compared."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[1]

PAUSE_SECONDS = 0.3
"""Before a slice: PyTorch's threads go on spinning for a while after their last product, on the next one's cores."""


class Failed(Exception):  # noqa: N818  the outcome of a contender, not an error of ours
    """A contender cannot do this shape; its text says why."""


class Worker:
    """A process that runs `versus.worker`.

    Args:
        python: the interpreter.
        request: what to build: see the contenders.
        environment: variables to add.
    """

    def __init__(self, python: str, request: dict[str, Any], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "versus.worker", json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=BENCHMARKS,
            env={**os.environ, **environment, "PYTHONPATH": str(BENCHMARKS)},
        )

    def send(self, command: dict[str, Any]) -> None:
        """Gives a command, without waiting."""
        assert self._process.stdin is not None
        # If it has gone, `receive` says how.
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(command), file=self._process.stdin, flush=True)

    def receive(self) -> dict[str, Any]:
        """Waits for the answer.

        Raises:
            Failed: the worker could not do it, or has died.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise Failed("killed, perhaps out of memory" if code == -9 else f"ended with exit code {code}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            # A command that a dead process never read is still in the buffer.
            with contextlib.suppress(BrokenPipeError):
                stream.close()


Launch = Callable[[str, dict[str, Any], dict[str, str]], Any]
"""Starts a worker; `Worker` itself, unless a test has another."""


def ask(workers: Sequence[Any], command: dict[str, Any]) -> list[dict[str, Any]]:
    """Gives all workers a command at the same time and waits for all answers.

    Raises:
        Failed: one of them failed; the others' answers have been read.
    """
    for worker in workers:
        worker.send(command)
    answers, failure = [], None
    for worker in workers:
        try:
            answers.append(worker.receive())
        except Failed as error:
            failure = error
    if failure is not None:
        raise failure
    return answers


@dataclass
class Variant:
    """One way to use a contender: how many processes, of how many threads, with how many runs each.

    Attributes:
        workers: processes that train at the same time.
        threads: of each.
        runs: side by side in each.
        counted: runs of each that count; fewer than `runs` where a cohort's last group is padded.
        steps: of a slice.
        seconds: of a step, as last measured.
        ms: of every slice, milliseconds per step and run.
        failure: why there are no numbers, if so.
        facts: of the first worker: parameters and versions.
        loss: of the last step.
    """

    workers: Sequence[Any]
    threads: int
    runs: int
    counted: float
    steps: int = 1
    seconds: float = 0.0
    ms: list[float] = field(default_factory=list)
    failure: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    loss: float | None = None

    def __str__(self) -> str:
        """Such as `25 runs, 2 threads` or `2 x 5 runs, 1 thread`."""
        times = f"{len(self.workers)} x " if len(self.workers) > 1 else ""
        runs = f"{self.runs} run{'s' * (self.runs > 1)}"
        return f"{times}{runs}, {self.threads} thread{'s' * (self.threads > 1)}"

    def prepare(self, memory: int | None) -> None:
        """Builds and warms up.

        Args:
            memory: bytes for all processes together; None sets no limit.

        Raises:
            Failed: it does not work, or does not fit.
        """
        each = None if memory is None else memory // len(self.workers)
        answers = ask(self.workers, {"do": "prepare", "runs": self.runs, "memory": each})
        self.facts = answers[0]

    def slice(self) -> float:
        """Trains for `steps` steps in all workers at the same time.

        Returns:
            Milliseconds per step and run that counts.

        Raises:
            Failed: a worker failed.
        """
        command = {"do": "steps", "count": self.steps, "threads": self.threads}
        time.sleep(PAUSE_SECONDS)
        answers = ask(self.workers, command)
        self.seconds = max(answer["seconds"] for answer in answers) / self.steps
        self.loss = answers[0]["loss"]
        return 1000 * self.seconds / (len(self.workers) * self.counted)

    def calibrate(self, seconds: float) -> float:
        """Finds how many steps make a slice of about this many seconds, at least one.

        Returns:
            Milliseconds per step and run, of the last try.

        Raises:
            Failed: a worker failed.
        """
        self.steps = 1
        found = self.slice()
        while self.seconds * self.steps < seconds / 2 and self.steps < 1_000_000:
            # A step that is timed alone takes longer than one of many, so the number grows by degrees.
            wanted = seconds / max(self.seconds, 1e-9)
            self.steps = max(self.steps + 1, int(min(wanted, 10 * self.steps)))
            found = self.slice()
        self.steps = max(1, round(seconds / max(self.seconds, 1e-9)))
        return found
