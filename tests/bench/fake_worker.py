"""A worker that new processes can serve, without JAX: times are made up, and it can misbehave."""

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

from modbench.bench.worker import Prepared, Trouble
from modbench.core.spec import RunSpec
from modbench.sweep.child import connect

STEP_SECONDS = 0.25


class Misbehaviour(NamedTuple):
    """By the number of rules of a shape."""

    out_of_memory: int = 7
    killed: int = 11
    deaf: int = 13


def serve(descriptor: int) -> None:
    connection = connect(descriptor)
    with suppress(EOFError, ConnectionResetError):
        runs: list[RunSpec] = connection.recv()[0]
        rules = runs[0].task.num_rules
        while True:
            name, arguments = connection.recv()
            if rules == Misbehaviour().killed:
                os.kill(os.getpid(), signal.SIGKILL)
            if rules == Misbehaviour().deaf:
                time.sleep(600)
            answers = {
                "prepare": Prepared(1.5, False, STEP_SECONDS, 300.0, {"env_device": "abacus"}),
                "advance": STEP_SECONDS * sum(arguments),
                "product": 4e9,
                "memory_pass": 1e10,
            }
            out_of_memory = rules == Misbehaviour().out_of_memory
            connection.send(Trouble("RuntimeError: out of\nmemory") if out_of_memory else answers[name])
    os._exit(0)
