"""Contenders that take the seconds which they are told: nothing is trained."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def module(name):
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(f"versus.{name}")
    finally:
        sys.path.remove(str(FOLDER))


contest, crew, results, shapes, command, worker = (
    module(name) for name in ("contest", "crew", "results", "shapes", "__main__", "worker")
)


class Fake:
    """A worker whose steps take the seconds that it is told; `log` is what all workers of a test were asked."""

    def __init__(self, name, log, pace, parameters=1000, fails=lambda command, runs: None):
        self.name, self.log, self.pace, self.parameters, self.fails = name, log, pace, parameters, fails
        self.runs = None

    def send(self, command):
        if command["do"] == "prepare":
            self.runs = command["runs"]
        self.command = command
        self.log.append((self.name, command))

    def receive(self):
        if reason := self.fails(self.command, self.runs):
            raise crew.Failed(reason)
        if self.command["do"] == "prepare":
            return {"parameters": self.parameters, "versions": {"torch": "9"}}
        seconds = self.pace(self.runs, self.command["threads"]) * self.command["count"]
        return {"seconds": seconds, "loss": 0.5}

    def close(self):
        self.log.append((self.name, {"do": "close"}))


def paces(**given):
    """Seconds of a step by contender, as functions of runs and threads."""
    usual = {
        "modbench": lambda runs, threads: 0.01 * runs,
        "original": lambda runs, threads: 0.2 / threads,
        "stacked": lambda runs, threads: 0.1 + 0.01 * runs,
    }
    return usual | given


def launcher(log, paces, fails=lambda command, runs: None, failing="nobody", **parameters):
    def launch(python, request, environment):
        name = request["contender"]
        log.append((name, {"do": "launch", "python": python, "request": request, "environment": environment}))
        never = Fake.__init__.__defaults__[1]
        return Fake(name, log, paces[name], parameters.get(name, 1000), fails if name == failing else never)

    return launch


SETTINGS = contest.Settings("checkout", "torch-python", True, 2, 1.0, 1.0, 3, 4, lambda: 1000)
SHAPE = shapes.Shape("mlp", 32)


def held(log=None, settings=SETTINGS, **kwargs):
    log = [] if log is None else log
    pace = kwargs.pop("pace", paces())
    return contest.contest(SHAPE, settings, launcher(log, pace, **kwargs), lambda text: None)
