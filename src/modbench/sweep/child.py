"""A worker process: a fresh Python that serves one function over a socket pair of its own.

Nothing is forked: forking hangs after JAX. No lock or queue is shared, so a child that is killed at any moment
takes nothing with it. When we vanish it ends by itself, within a second.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection

from modbench.store.durable import machine_errors
from modbench.sweep.environment import accelerated, worker_variables

ENDING_SECONDS = 10.0
"""What a child gets to end once it has hung up."""


class Child:
    """Our side of one child process.

    Args:
        module: importable in a new process; its function `serve` is called with the descriptor of the child's socket.
        variables: of its environment, besides those of a worker.

    Attributes:
        process: the child.
        connection: to it.
    """

    def __init__(self, module: str, variables: Mapping[str, str] | None = None):
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        ours, theirs = socket.socketpair()
        variables = worker_variables() | dict(variables or {})
        if accelerated():
            variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # workers may share a device's memory
        code = f"from {module} import serve; serve({theirs.fileno()})"
        with theirs, machine_errors("start a worker process"):
            self.process = subprocess.Popen(
                # -P: a file in the current folder must not pass for a library
                [sys.executable, "-P", "-c", code],
                env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                process_group=0,  # Ctrl-C in the terminal is for us alone, from the first moment on
            )
        self.connection = Connection(ours.detach())

    def send(self, message: object) -> None:
        """Sends unless the child is gone, which the next reading shows."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def receive(self) -> object:
        """Reads one message.

        Raises:
            EOFError: the child is gone.
        """
        try:
            return self.connection.recv()
        except OSError as error:
            raise EOFError from error

    def last_words(self) -> str:
        """How the child ended: its signal or exit status, and the last line that it wrote."""
        try:
            status = self.process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if status < 0:
            how = f"killed by {signal.Signals(-status).name}"
            how += " (out of memory?)" if -status == signal.SIGKILL else ""
        else:
            how = f"ended with status {status}"
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()}" if lines else how

    def end(self) -> None:
        """Kills the process if it still lives, and frees what belongs to it."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self._output.close()


def connect(descriptor: int) -> Connection:
    """The child's side: leaves signals to us, ends with us, and returns the connection."""
    # Ctrl-C reaches every process of a terminal, and a batch system signals all of them: we decide, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    return Connection(descriptor)


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent has, even in the middle of a long compilation."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
